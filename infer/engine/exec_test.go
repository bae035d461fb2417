package engine

import (
	"bytes"
	"os"
	"testing"

	"dashline/infer"
	"dashline/model"
	"dashline/model/catalog"
	"dashline/model/darknet"
	"dashline/model/exec"
)

// TestExecAgainstOpenCVNumerics: the network as data, run in Go, gives OpenCV's numbers,
// as it is and with its normalisation folded.
func TestExecAgainstOpenCVNumerics(t *testing.T) {
	for _, name := range []string{"yolo-fastest-1.1", "yolo-fastest-1.1-xl", "mobilenetv2-yolov3-nano-coco",
		"mobilenetv2-yolov3-nano-voc", "dashline-full", "dashline-tiny"} {
		t.Run(name, func(t *testing.T) {
			d, err := catalog.Get(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.Locate(); err != nil {
				d = *described(t, name)
			}
			n, err := Open(&d, OpenCV, infer.Options{Threads: 1, ScoreFloor: 1e-12})
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			want := forward(t, n, 7)

			g := graph(t, &d)
			for _, folded := range []bool{false, true} {
				if folded {
					g.Fold()
				}
				r, err := exec.New(g)
				if err != nil {
					t.Fatal(err)
				}
				got, err := r.Run(new(exec.Scratch), [][]float32{n.Input()}, nil)
				if err != nil {
					t.Fatal(err)
				}
				for i := range want {
					if d := difference(t, got[i], want[i]); d > 1e-5 {
						t.Errorf("folded %t, output %d: differs by %g of its largest number", folded, i, d)
					} else {
						t.Logf("folded %t, output %d: differs by %.2g of its largest number", folded, i, d)
					}
				}
			}
		})
	}
}

// graph reads a darknet network.
func graph(t *testing.T, d *catalog.Network) *model.Graph {
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
	return f.Graph
}

// difference is the largest, in parts of the largest number wanted.
func difference(t *testing.T, got, want []float32) float64 {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d numbers; want %d", len(got), len(want))
	}
	var d infer.Difference
	d.Add(want, got)
	if d.NotFinite > 0 {
		t.Fatalf("%d are no finite numbers", d.NotFinite)
	}
	return d.Relative()
}
