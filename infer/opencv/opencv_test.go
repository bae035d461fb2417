package opencv

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"dashline/infer"
	"dashline/infer/internal/infertest"
	"dashline/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// A real network and what OpenCV is known to give for it.
var real = []struct {
	format, graph, weights string
	width, height          int
	outputs                [][]int // nil: any
}{
	{"darknet", "yolo-fastest-1.1.cfg", "yolo-fastest-1.1.weights", 320, 320, [][]int{{300, 85}, {1200, 85}}},
	{"darknet", "yolo-fastest-1.1-xl.cfg", "yolo-fastest-1.1-xl.weights", 320, 320, [][]int{{300, 85}, {1200, 85}}},
	{"darknet", "MobileNetV2-YOLOv3-Nano-coco.cfg", "MobileNetV2-YOLOv3-Nano-coco.weights", 320, 320, [][]int{{300, 85}, {1200, 85}}},
	{"darknet", "MobileNetV2-YOLOv3-Nano-voc.cfg", "MobileNetV2-YOLOv3-Nano-voc.weights", 320, 320, [][]int{{300, 25}, {1200, 25}}},
	{"onnx", "yolox_nano_416.onnx", "", 416, 416, [][]int{{1, 3549, 85}}},
	{"onnx", "nanodet.onnx", "", 320, 320, nil},
	{"onnx", "twinlitenet_cv46.onnx", "", 640, 360, [][]int{{1, 2, 360, 640}, {1, 2, 360, 640}}},
	{"onnx", "twinlitenetplus_small_cv46.onnx", "", 640, 384, [][]int{{1, 2, 384, 640}, {1, 2, 384, 640}}},
	{"onnx", "twinlitenetplus_nano_cv46.onnx", "", 640, 384, [][]int{{1, 2, 384, 640}, {1, 2, 384, 640}}},
}

func asset(t testing.TB, file string) []byte {
	t.Helper()
	if file == "" {
		return nil
	}
	data, err := os.ReadFile(testkit.Asset(t, "networks/"+file))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func realModel(t testing.TB, graph string) Model {
	t.Helper()
	for _, r := range real {
		if r.graph == graph {
			return Model{Name: r.graph, Format: r.format, Graph: asset(t, r.graph), Weights: asset(t, r.weights), Width: r.width, Height: r.height}
		}
	}
	t.Fatalf("no network %s", graph)
	return Model{}
}

func mustOpen(t testing.TB, m Model, o infer.Options) infer.Network {
	t.Helper()
	n, err := Open(m, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// fill writes the same noise for the same seed.
func fill(dst []float32, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range dst {
		dst[i] = r.Float32()
	}
}

func TestRealNetworksOpenAndForward(t *testing.T) {
	for _, r := range real {
		t.Run(r.graph, func(t *testing.T) {
			n := mustOpen(t, realModel(t, r.graph), infer.Options{Threads: 2})
			info := n.Info()
			if info.Engine != "opencv" || info.Backend != infer.CPU || info.Fallback != "" || info.Threads != 2 || info.Version == "" {
				t.Errorf("info %+v", info)
			}
			if info.First <= 0 || info.Load <= 0 {
				t.Errorf("load %v, first forward %v: want both measured", info.Load, info.First)
			}
			if len(n.Input()) != 3*r.width*r.height {
				t.Fatalf("input of %d values", len(n.Input()))
			}
			var shapes [][]int
			for _, o := range info.Outputs {
				shapes = append(shapes, o.Shape)
			}
			if r.outputs != nil && fmt.Sprint(shapes) != fmt.Sprint(r.outputs) {
				t.Errorf("outputs %v, want %v", shapes, r.outputs)
			}
			fill(n.Input(), 1)
			before := slices.Clone(n.Input())
			first := infertest.Forward(t, n)
			if !slices.Equal(before, n.Input()) {
				t.Error("forward changed its input")
			}
			second := infertest.Forward(t, n)
			for i := range first {
				if len(first[i]) != info.Outputs[i].Len() {
					t.Errorf("output %d has %d values, its shape is %v", i, len(first[i]), info.Outputs[i].Shape)
				}
				if !slices.Equal(first[i], second[i]) {
					t.Errorf("output %d differs between two forwards of one input", i)
				}
				if slices.Max(first[i]) == slices.Min(first[i]) {
					t.Errorf("output %d is constant", i)
				}
			}
			fill(n.Input(), 2)
			if third := infertest.Forward(t, n); slices.Equal(first[0], third[0]) {
				t.Error("another input gives the same output")
			}
		})
	}
}

func TestForwardAllocatesNothing(t *testing.T) {
	n := mustOpen(t, realModel(t, "yolo-fastest-1.1.cfg"), infer.Options{Threads: 2})
	if got := testing.AllocsPerRun(10, func() {
		if _, err := n.Forward(); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("%v Go heap allocations a forward, want 0", got)
	}
}

func TestClosedNetworkRunsNoMore(t *testing.T) {
	n := mustOpen(t, realModel(t, "yolo-fastest-1.1.cfg"), infer.Options{})
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	var e *infer.Error
	if out, err := n.Forward(); !errors.As(err, &e) || e.Op != "forward" || out != nil || n.Input() != nil {
		t.Error("a closed network still runs")
	}
}

func TestBackends(t *testing.T) {
	m := realModel(t, "yolo-fastest-1.1.cfg")
	for _, b := range []infer.Backend{infer.CUDA, infer.CUDAFP16, infer.OpenCL} {
		t.Run(string(b), func(t *testing.T) {
			reason, mend := ReadFacts().missing(b)
			if reason == "" {
				n := mustOpen(t, m, infer.Options{Backend: b, Require: true})
				if n.Info().Backend != b {
					t.Errorf("runs on %s", n.Info().Backend)
				}
				return
			}
			_, err := Open(m, infer.Options{Backend: b, Require: true})
			var e *infer.BackendError
			if !errors.As(err, &e) || e.Backend != b || !strings.Contains(err.Error(), reason) || !strings.Contains(err.Error(), mend) || mend == "" {
				t.Errorf("required: %v", err)
			}
			t.Log(err)
			n := mustOpen(t, m, infer.Options{Backend: b})
			if i := n.Info(); i.Requested != b || i.Backend != infer.CPU || i.Fallback != reason {
				t.Errorf("fall-back: %+v", i)
			}
		})
	}
	if _, err := Open(m, infer.Options{Backend: "gpu"}); err == nil || !strings.Contains(err.Error(), "cuda-fp16") {
		t.Errorf("unknown backend: %v", err)
	}
}

func TestFacts(t *testing.T) {
	f := ReadFacts()
	t.Logf("%+v", f)
	if !strings.HasPrefix(f.Version, "4.") || f.CPU == "" || f.CUDA == "" || f.Parallel == "" || !slices.Contains(f.Backends, "opencv/cpu") {
		t.Errorf("%+v", f)
	}
	if want := "OpenCV " + f.Version + " was built without CUDA; "; !f.CUDABuilt && (!strings.HasPrefix(f.CUDA, want) || !strings.Contains(f.CUDA, "NVIDIA driver")) {
		t.Errorf("%q; want whether it was built with CUDA, the driver and the device", f.CUDA)
	}
}

// Networks of different thread counts run side by side, open and close while
// others run, and give what they give alone.
func TestThreadsPerNetwork(t *testing.T) {
	m := realModel(t, "yolo-fastest-1.1.cfg")
	alone := mustOpen(t, m, infer.Options{Threads: 1})
	fill(alone.Input(), 3)
	want := infertest.Forward(t, alone)
	var wg sync.WaitGroup
	for _, threads := range []int{1, 2, 3, 7} {
		wg.Go(func() {
			for range 3 {
				n, err := Open(m, infer.Options{Threads: threads})
				if err != nil {
					t.Error(err)
					return
				}
				fill(n.Input(), 3)
				for range 10 {
					got, err := n.Forward()
					if err != nil {
						t.Error(err)
					}
					for i := range got {
						if !slices.Equal(got[i], want[i]) {
							t.Errorf("%d threads: output %d is not what one thread gives", threads, i)
						}
					}
				}
				n.Close()
			}
		})
	}
	wg.Wait()
}

func TestOptionsAreChecked(t *testing.T) {
	m := realModel(t, "yolo-fastest-1.1.cfg")
	for name, o := range map[string]infer.Options{
		"negative threads": {Threads: -1}, "too many threads": {Threads: 100000},
		"negative floor": {ScoreFloor: -1}, "floor above one": {ScoreFloor: 1.5},
	} {
		if _, err := Open(m, o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, change := range map[string]func(*Model){
		"format": func(m *Model) { m.Format = "caffe" }, "no weights": func(m *Model) { m.Weights = nil }, "no cfg": func(m *Model) { m.Graph = nil },
		"zero size": func(m *Model) { m.Width = 0 }, "huge size": func(m *Model) { m.Height = 1 << 20 }, "odd size": func(m *Model) { m.Width = 333 },
	} {
		bad := m
		change(&bad)
		if _, err := Open(bad, infer.Options{Threads: 1}); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			t.Log(err)
		}
	}
}
