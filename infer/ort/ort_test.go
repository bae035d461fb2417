package ort

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"dashline/infer"
	"dashline/infer/internal/infertest"
	"dashline/infer/internal/tiny"
	"dashline/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

var real = []struct {
	file          string
	width, height int
	outputs       []infer.Tensor // nil: any
}{
	{"yolox_nano_416.onnx", 416, 416, []infer.Tensor{{Shape: []int{1, 3549, 85}}}},
	{"nanodet.onnx", 320, 320, nil},
	{"twinlitenet.onnx", 640, 360, []infer.Tensor{{Name: "da", Shape: []int{1, 2, 360, 640}}, {Name: "ll", Shape: []int{1, 2, 360, 640}}}},
	{"twinlitenet_cv46.onnx", 640, 360, []infer.Tensor{{Name: "da", Shape: []int{1, 2, 360, 640}}, {Name: "ll", Shape: []int{1, 2, 360, 640}}}},
	{"twinlitenetplus_small_cv46.onnx", 640, 384, []infer.Tensor{{Name: "da", Shape: []int{1, 2, 384, 640}}, {Name: "ll", Shape: []int{1, 2, 384, 640}}}},
	{"twinlitenetplus_nano_cv46.onnx", 640, 384, []infer.Tensor{{Name: "da", Shape: []int{1, 2, 384, 640}}, {Name: "ll", Shape: []int{1, 2, 384, 640}}}},
}

// needLibrary skips where ONNX Runtime is absent, and fails where everything
// must be there.
func needLibrary(t testing.TB) {
	t.Helper()
	if _, err := Library(); err != nil {
		if os.Getenv("DASHLINE_REQUIRE_ASSETS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

func model(t testing.TB, file string, width, height int) Model {
	t.Helper()
	needLibrary(t)
	data, err := os.ReadFile(testkit.Asset(t, "networks/"+file))
	if err != nil {
		t.Fatal(err)
	}
	return Model{Name: file, Graph: data, Width: width, Height: height}
}

func mustOpen(t testing.TB, m Model, o infer.Options) infer.Network {
	t.Helper()
	n, err := Open(m, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func fill(dst []float32, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range dst {
		dst[i] = r.Float32()
	}
}

func TestRealNetworksOpenAndForward(t *testing.T) {
	for _, r := range real {
		t.Run(r.file, func(t *testing.T) {
			n := mustOpen(t, model(t, r.file, r.width, r.height), infer.Options{Threads: 2})
			info := n.Info()
			if info.Engine != "ort" || info.Version == "" || info.Backend != infer.CPU || info.Threads != 2 || info.Load <= 0 || info.First <= 0 || info.Input.Name == "" {
				t.Errorf("info %+v", info)
			}
			for i, want := range r.outputs {
				if want.Name == "" {
					want.Name = info.Outputs[i].Name
				}
				if fmt.Sprint(info.Outputs[i]) != fmt.Sprint(want) {
					t.Errorf("output %d is %v, want %v", i, info.Outputs[i], want)
				}
			}
			fill(n.Input(), 1)
			first, second := infertest.Forward(t, n), infertest.Forward(t, n)
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
	n := mustOpen(t, model(t, "nanodet.onnx", 320, 320), infer.Options{Threads: 2})
	if got := testing.AllocsPerRun(10, func() {
		if _, err := n.Forward(); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("%v Go heap allocations a forward, want 0", got)
	}
}

// The environment ends with its last network and starts again with the next.
func TestEnvironmentIsOwned(t *testing.T) {
	m := model(t, "twinlitenetplus_nano_cv46.onnx", 640, 384)
	for range 3 {
		a, err := Open(m, infer.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		b, err := Open(m, infer.Options{Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []infer.Network{a, a, b, b} { // closing twice is one close
			if !ort.IsInitialized() {
				t.Fatal("the environment ended before its last network")
			}
			if err := n.Close(); err != nil {
				t.Fatal(err)
			}
			if n == b {
				break
			}
		}
		if ort.IsInitialized() {
			t.Fatal("the environment outlived its last network")
		}
		if out, err := a.Forward(); err == nil || out != nil || a.Input() != nil {
			t.Error("a closed network still runs")
		}
	}
}

func TestSideBySide(t *testing.T) {
	m := model(t, "nanodet.onnx", 320, 320)
	alone := mustOpen(t, m, infer.Options{Threads: 1})
	fill(alone.Input(), 3)
	want := infertest.Forward(t, alone)
	var wg sync.WaitGroup
	for _, threads := range []int{1, 2, 3} {
		wg.Go(func() {
			n, err := Open(m, infer.Options{Threads: threads})
			if err != nil {
				t.Error(err)
				return
			}
			defer n.Close()
			fill(n.Input(), 3)
			for range 5 {
				got, err := n.Forward()
				if err != nil {
					t.Error(err)
				}
				for i := range got {
					for k := range got[i] {
						if d := got[i][k] - want[i][k]; d > 1e-3 || d < -1e-3 {
							t.Errorf("%d threads: output %d value %d is %g, one thread gives %g", threads, i, k, got[i][k], want[i][k])
							return
						}
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestBackends(t *testing.T) {
	m := model(t, "twinlitenetplus_nano_cv46.onnx", 640, 384)
	for _, b := range []infer.Backend{infer.CUDA, infer.CUDAFP16, infer.OpenCL} {
		_, err := Open(m, infer.Options{Backend: b, Require: true})
		var e *infer.BackendError
		if !errors.As(err, &e) || e.Backend != b || !strings.Contains(err.Error(), "engine opencv") {
			t.Errorf("%s required: %v", b, err)
		}
		n := mustOpen(t, m, infer.Options{Backend: b})
		if i := n.Info(); i.Requested != b || i.Backend != infer.CPU || i.Fallback == "" {
			t.Errorf("%s: fall-back: %+v", b, i)
		}
	}
}

func TestNoLibrary(t *testing.T) {
	m := Model{Name: "x", Graph: tiny.ONNX(), Width: 32, Height: 32}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv(LibraryVar, "")
	_, err := Open(m, infer.Options{})
	if !errors.Is(err, ErrNoLibrary) || !strings.HasSuffix(err.Error(), "run scripts/setup") {
		t.Errorf("absent: %v", err)
	}
	t.Setenv(LibraryVar, filepath.Join(t.TempDir(), "nothing.so"))
	if _, err := Open(m, infer.Options{}); err == nil || errors.Is(err, ErrNoLibrary) || !strings.Contains(err.Error(), LibraryVar) {
		t.Errorf("named but absent: %v", err)
	}
	garbage := filepath.Join(t.TempDir(), "libonnxruntime.so")
	if err := os.WriteFile(garbage, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(LibraryVar, garbage)
	if _, err := Open(m, infer.Options{}); err == nil || !strings.Contains(err.Error(), "scripts/setup") {
		t.Errorf("garbage: %v", err)
	}
	if ort.IsInitialized() {
		t.Error("the environment is left over")
	}
}

func TestWrongSize(t *testing.T) {
	m := model(t, "yolox_nano_416.onnx", 320, 320)
	if _, err := Open(m, infer.Options{}); err == nil || !strings.Contains(err.Error(), "does not fit") {
		t.Error(err)
	}
	m.Width = 0
	if _, err := Open(m, infer.Options{}); err == nil {
		t.Error("no width: no error")
	}
	if ort.IsInitialized() {
		t.Error("the environment is left over")
	}
}

// BenchmarkForward: go test ./infer/ort -run xxx -bench Forward
func BenchmarkForward(b *testing.B) {
	for _, r := range real {
		b.Run(r.file, func(b *testing.B) {
			n := mustOpen(b, model(b, r.file, r.width, r.height), infer.Options{})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := n.Forward(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Opening a network leaves nothing behind in the user's folders: the library's
// own reporting is off. It latches its choice once in a process, so this asks a
// process of its own.
func TestNothingIsReported(t *testing.T) {
	needLibrary(t)
	lib, err := Library()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("DASHLINE_TEST_CHILD") == "1" {
		n, err := Open(Model{Name: "tiny", Graph: tiny.ONNX(), Width: 32, Height: 32}, infer.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		n.Close()
		return
	}
	home := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestNothingIsReported$")
	cmd.Env = append(os.Environ(), "DASHLINE_TEST_CHILD=1", "HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"), "TMPDIR="+home, LibraryVar+"="+lib)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	err = filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("it left %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
