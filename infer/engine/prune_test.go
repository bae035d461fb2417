package engine

import (
	"bytes"
	"math/rand/v2"
	"os"
	"testing"

	"dashline/infer"
	"dashline/infer/opencv"
	"dashline/infer/ort"
	"dashline/model/catalog"
	"dashline/model/darknet"
	"dashline/model/onnx"
	"dashline/model/prune"
)

// TestMaskedIsRemovedNumerics: a network with half of its channels set to zero and one
// without them give the same, whichever engine runs it from whichever format,
// and neither gives what the whole network does.
func TestMaskedIsRemovedNumerics(t *testing.T) {
	for _, name := range []string{"dashline-full", "dashline-tiny", "mobilenetv2-yolov3-nano-coco", "yolo-fastest-1.1"} {
		t.Run(name, func(t *testing.T) {
			d, err := catalog.Get(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.Locate(); err != nil {
				d = *described(t, name)
			}
			whole := darknetFile(t, &d)
			masked, removed := pruned(t, whole)
			for _, tc := range []struct {
				path string
				open func(*testing.T, *catalog.Network, darknet.File) infer.Network
			}{
				{"darknet on OpenCV", onDarknet},
				{"ONNX on OpenCV", onOpenCV},
				{"ONNX on ONNX Runtime", onORT},
			} {
				t.Run(tc.path, func(t *testing.T) {
					run := func(f darknet.File) [][]float32 {
						n := tc.open(t, &d, f)
						defer n.Close()
						return forward(t, n, 7)
					}
					equal(t, run(whole), run(masked), run(removed))
				})
			}
		})
	}
}

// equal compares the outputs of a whole network, a masked one, and one that has
// lost the same channels.
func equal(t *testing.T, whole, masked, removed [][]float32) {
	t.Helper()
	for i := range masked {
		off, effect := difference(t, removed[i], masked[i]), difference(t, whole[i], masked[i])
		t.Logf("output %d: differs by %.2g of its largest number, from the whole network's by %.2g", i, off, effect)
		if !(off <= 1e-5) {
			t.Errorf("output %d: differs by %g of its largest number", i, off)
		}
		if effect < 1e-3 {
			t.Errorf("output %d: masking changed it by no more than %g", i, effect)
		}
	}
}

// pruned is a network with a random half of each group's channels masked, and
// without them.
func pruned(t *testing.T, whole darknet.File) (masked, removed darknet.File) {
	t.Helper()
	s, err := prune.Analyze(whole.Graph)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 0))
	k := s.All()
	for i := range s.Groups {
		if s.Groups[i].Fixed != "" {
			continue
		}
		units := r.Perm(len(k[i]))
		for _, u := range units[:len(units)/2] {
			k[i][u] = false
		}
	}
	masked, removed = whole, whole
	masked.Graph = whole.Graph.Clone()
	if err := s.Mask(masked.Graph, k); err != nil {
		t.Fatal(err)
	}
	if removed.Graph, err = s.Remove(whole.Graph, k); err != nil {
		t.Fatal(err)
	}
	before, after := s.Macs(s.All().Counts()), s.Macs(k.Counts())
	t.Logf("%d groups, %d of %d multiply-accumulates stay", len(s.Groups), after, before)
	return masked, removed
}

func darknetFile(t *testing.T, d *catalog.Network) darknet.File {
	t.Helper()
	found, err := d.Locate()
	if err != nil {
		t.Fatal(err)
	}
	var files [2][]byte
	for i, role := range roles(d.Format) {
		if files[i], err = os.ReadFile(found.Path(role)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := darknet.Read(files[0], bytes.NewReader(files[1]), int64(len(files[1])))
	if err != nil {
		t.Fatal(err)
	}
	return *f
}

func onDarknet(t *testing.T, d *catalog.Network, f darknet.File) infer.Network {
	t.Helper()
	var cfg, weights bytes.Buffer
	if err := f.Write(&cfg, &weights); err != nil {
		t.Fatal(err)
	}
	n, err := opencv.Open(opencv.Model{Name: d.Name, Format: "darknet", Graph: cfg.Bytes(), Weights: weights.Bytes(),
		Width: d.Input.Width, Height: d.Input.Height}, infer.Options{Threads: 1, ScoreFloor: 1e-30})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func onOpenCV(t *testing.T, d *catalog.Network, f darknet.File) infer.Network {
	t.Helper()
	n, err := opencv.Open(opencv.Model{Name: d.Name, Format: "onnx", Graph: written(t, f),
		Width: d.Input.Width, Height: d.Input.Height}, infer.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func onORT(t *testing.T, d *catalog.Network, f darknet.File) infer.Network {
	t.Helper()
	needORT(t)
	n, err := ort.Open(ort.Model{Name: d.Name, Graph: written(t, f),
		Width: d.Input.Width, Height: d.Input.Height}, infer.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func written(t *testing.T, f darknet.File) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := onnx.Write(&file, f.Graph, onnx.Options{}); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}
