package footprint

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"dashline/internal/netfile"
	"dashline/internal/testkit"
	"dashline/model"
)

func network(t *testing.T, file string, side int) *model.Graph {
	t.Helper()
	path := filepath.Join(testkit.Root(), "testdata", "networks", file)
	if _, err := os.Stat(path); err != nil {
		path = testkit.Asset(t, "networks/"+file)
	}
	n, err := netfile.LoadWith(path, netfile.Options{Topology: true, Width: side, Height: side})
	if err != nil {
		t.Fatal(err)
	}
	return n.Graph
}

// What ONNX Runtime's own log says of its arena on a machine with AVX-512: the
// regions in order, and the one piece that the second forward takes. Python:
//
//	onnxruntime.set_default_logger_severity(0); onnxruntime.set_default_logger_verbosity(10)
//	s = onnxruntime.InferenceSession(FILE); s.run(None, {input: zeros}); s.run(None, {input: zeros})
//
// prints "Extended allocation by" and "(requested) num_bytes". FILE is what
// dashline model convert makes.
func TestTheArenaIsThatOfONNXRuntime(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		file    string
		side    int
		regions []int64
		piece   int64 // 0: it fits into what is there, and is not in the log
	}{
		{"yolov3.cfg", 416, []int64{32 * mib, 32 * mib, 64 * mib}, 44302336},
		{"yolov3-tiny.cfg", 416, []int64{16 * mib, 16 * mib}, 0},
		{"yolo-fastest-1.1-xl.cfg", 0, []int64{2 * mib, 2 * mib, 4 * mib, 8 * mib, 16 * mib}, 9011200},
		{"MobileNetV2-YOLOv3-Nano-coco.cfg", 0, []int64{2 * mib, 2 * mib, 8 * mib}, 0},
		{"dashline-full.cfg", 288, []int64{16 * mib, 16 * mib}, 0},
		{"dashline-tiny.cfg", 288, []int64{16 * mib, 16 * mib}, 0},
	} {
		t.Run(c.file, func(t *testing.T) {
			g := network(t, c.file, c.side)
			if c.side == 288 { // these are 512x288
				if err := g.Resize(288, 512); err != nil {
					t.Fatal(err)
				}
			}
			a, p := follow(lower(g, 16).steps)
			if !slices.Equal(a.regions, c.regions) {
				t.Errorf("regions %d, want %d", a.regions, c.regions)
			}
			if c.piece != 0 && p.size != c.piece {
				t.Errorf("one piece of %d bytes, want %d", p.size, c.piece)
			}
		})
	}
}

// chain is an input of n numbers and convolutions of so many filters, 1x1.
func chain(t *testing.T, side int, norm bool, filters ...int) *model.Graph {
	t.Helper()
	g := &model.Graph{Layers: []model.Layer{{Name: "x", Op: &model.Input{Shape: model.Shape{1, 16, side, side}}}}}
	channels := 16
	for i, f := range filters {
		o := &model.Conv{Filters: f, Groups: 1, Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Weight: make([]float32, f*channels)}
		if norm {
			ones := slices.Repeat([]float32{1}, f)
			o.Norm = &model.Norm{Scale: ones, Shift: ones, Mean: ones, Variance: ones}
		}
		g.Layers = append(g.Layers, model.Layer{Name: string(rune('a' + i)), Op: o, From: []int{i}})
		channels = f
	}
	g.Outputs = []int{len(filters)}
	if err := g.Infer(); err != nil {
		t.Fatal(err)
	}
	return g
}

// By hand: blobs are reused when free and large enough, never given back.
func TestOpenCVByHand(t *testing.T) {
	const pixel = 4 * 8 * 8
	for _, c := range []struct {
		name            string
		g               *model.Graph
		values, weights int64
	}{
		{"chain", chain(t, 8, false, 16, 32, 16, 32), pixel * (16 + 32), 4 * (16*16 + 16*32 + 32*16 + 16*32)},
		{"growing", chain(t, 8, false, 16, 32, 64), pixel * (16 + 32 + 64), 4 * (16*16 + 16*32 + 32*64)},
		{"a larger one that is free serves a smaller", chain(t, 8, false, 64, 16, 32), pixel * (64 + 16), 4 * (16*64 + 64*16 + 16*32)},
		{"normalised weights are copied", chain(t, 8, true, 16), pixel * 16, 4 * (16*16*2 + 4*16)},
		{"rows that fill no vectors are copied", chain(t, 8, false, 3, 8), pixel * (3 + 8), 4 * (16*3 + 3*8 + 8*8)},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := OpenCV(c.g, true, false)
			if f.Values != c.values || f.Weights != c.weights {
				t.Errorf("values %d, weights %d; want %d, %d", f.Values, f.Weights, c.values, c.weights)
			}
		})
	}
}

// The arena gives memory to one owner at a time, and has it whole again after.
func TestArenaAndPatternNeverOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, p := newArena(), &pattern{}
		var held []int
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(held) > 0 && rapid.Bool().Draw(t, "give") {
				k := rapid.IntRange(0, len(held)-1).Draw(t, "which")
				a.give(held[k])
				p.give(held[k])
				held = slices.Delete(held, k, k+1)
			} else {
				size := int64(rapid.IntRange(1, 5<<20).Draw(t, "size"))
				a.take(i, size)
				p.take(i, size)
				held = append(held, i)
			}
			region, end, owned := -1, int64(0), 0
			for _, c := range a.chunks {
				if c.region != region {
					region, end = c.region, 0
				}
				if c.at != end || c.size <= 0 {
					t.Fatalf("gap or overlap in %+v", a.chunks)
				}
				end = c.at + c.size
				if c.owner >= 0 {
					owned++
				}
			}
			if owned != len(held) || len(p.held) != len(held) {
				t.Fatalf("%d and %d chunks for %d owners", owned, len(p.held), len(held))
			}
			for k := 1; k < len(p.held); k++ {
				if p.held[k-1].at+p.held[k-1].size > p.held[k].at {
					t.Fatalf("overlap in %+v", p.held)
				}
			}
		}
		for _, owner := range held {
			a.give(owner)
		}
		if len(a.chunks) != len(a.regions) {
			t.Fatalf("%d chunks left in %d regions", len(a.chunks), len(a.regions))
		}
	})
}

// Nothing can run in less than all weights, and what is live at once: sums in
// place, which ONNX Runtime has not, only lower that.
func TestNoLessThanWeightsAndTheLargestValue(t *testing.T) {
	for _, file := range []string{"dashline-full.cfg", "dashline-tiny.cfg", "dashline-lanes.onnx"} {
		g := network(t, file, 0)
		p := g.Profile()
		var largest int64
		for _, l := range p.Layers[1:] {
			largest = max(largest, l.Written)
		}
		for _, f := range []Footprint{OpenCV(g, true, false), OpenCV(g, true, true), ORT(g, 8), ORT(g, 16)} {
			if f.Weights < p.Total.Weights.FP32 || f.Values < largest || f.Total() < f.Weights+f.Values {
				t.Errorf("%s: %+v of weights %d and a value of %d", file, f, p.Total.Weights.FP32, largest)
			}
		}
	}
}

func TestHugeNetworksGetAnAnswer(t *testing.T) {
	g := &model.Graph{Layers: []model.Layer{{Name: "x", Op: &model.Input{Shape: model.Shape{4}}}}, Outputs: []int{maxLayers + 1}}
	for i := range maxLayers + 1 {
		g.Layers = append(g.Layers, model.Layer{Name: "l", Op: &model.Identity{}, From: []int{i}})
	}
	if err := g.Infer(); err != nil {
		t.Fatal(err)
	}
	if f := ORT(g, 8); f.Values != 32 {
		t.Errorf("%+v", f)
	}
	if f := OpenCV(g, false, false); f.Values != 16 {
		t.Errorf("%+v", f)
	}
}

// What networks added to a process with OpenCV 4.10 (Debian 13, AVX-512, 2 threads), by
// dashline model info NAME --measure.
func TestOpenCVThatPacksWeights(t *testing.T) {
	for _, c := range []struct {
		file     string
		w, h     int
		measured int64
	}{
		{"yolov3.cfg", 416, 416, 1_777_635_328},
		{"yolov3-tiny.cfg", 416, 416, 302_596_096},
		{"yolo-fastest-1.1-xl.cfg", 320, 320, 24_117_248},
		{"dashline-full.cfg", 512, 288, 78_024_704},
		{"dashline-tiny.cfg", 512, 288, 30_593_024},
	} {
		g := network(t, c.file, c.w)
		if err := g.Resize(c.h, c.w); err != nil {
			t.Fatal(err)
		}
		got := OpenCV(g, true, true)
		if ratio := float64(c.measured) / float64(got.Total()); ratio < .87 || ratio > 1.15 {
			t.Errorf("%s: %d bytes were measured, %.2f of what is predicted: %+v", c.file, c.measured, ratio, got)
		}
	}
}

func TestPacks(t *testing.T) {
	for version, want := range map[string]bool{"4.6.0": false, "4.7.0": true, "4.10.0-dev": true, "5.0.0": true, "3.9": false, "": false, "x": false} {
		if Packs(version) != want {
			t.Errorf("%q: %v", version, !want)
		}
	}
}
