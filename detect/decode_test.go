package detect

import (
	"math"
	"slices"
	"strings"
	"testing"

	"dashline/infer"
	"dashline/model/catalog"
)

var nan, inf = float32(math.NaN()), float32(math.Inf(1))

func TestYOLO(t *testing.T) {
	tests := []struct {
		name string
		row  []float32 // cx cy w h obj c0 c1 c2, on a 320x160 input
		want []candidate
	}{
		{"plain", []float32{0.5, 0.25, 0.25, 0.5, 0.9, 0.1, 0.6, 0.2}, []candidate{{x0: 120, y0: 0, x1: 200, y1: 80, score: 0.6, class: 1, index: 7}}},
		{"at the threshold", []float32{0.5, 0.5, 0.1, 0.1, 0.9, 0.25, 0, 0}, nil},
		{"first of equal classes", []float32{0.5, 0.5, 0.2, 0.2, 1, 0, 0.5, 0.5}, []candidate{{x0: 128, y0: 64, x1: 192, y1: 96, score: 0.5, class: 1, index: 7}}},
		{"outside the picture", []float32{-0.5, 2, 0.25, 0.5, 1, 1, 0, 0}, []candidate{{x0: -200, y0: 280, x1: -120, y1: 360, score: 1, class: 0, index: 7}}},
		{"score above 1", []float32{0.5, 0.5, 0.2, 0.2, 9, 8, 0, 0}, []candidate{{x0: 128, y0: 64, x1: 192, y1: 96, score: 1, class: 0, index: 7}}},
		{"NaN class beside a good one", []float32{0.5, 0.5, 0.2, 0.2, 1, nan, 0.5, nan}, []candidate{{x0: 128, y0: 64, x1: 192, y1: 96, score: 0.5, class: 1, index: 7}}},
		{"NaN objectness", []float32{0.5, 0.5, 0.2, 0.2, nan, 0.9, 0, 0}, nil},
		{"infinite score", []float32{0.5, 0.5, 0.2, 0.2, inf, inf, 0, 0}, nil},
		{"NaN centre", []float32{nan, 0.5, 0.2, 0.2, 1, 0.9, 0, 0}, nil},
		{"infinite width", []float32{0.5, 0.5, inf, 0.2, 1, 0.9, 0, 0}, nil},
		{"overflowing width", []float32{0.5, 0.5, math.MaxFloat32, 0.2, 1, 0.9, 0, 0}, nil},
		{"no height", []float32{0.5, 0.5, 0.2, 0, 1, 0.9, 0, 0}, nil},
		{"negative width", []float32{0.5, 0.5, -0.2, 0.2, 1, 0.9, 0, 0}, nil},
		{"cut row", []float32{0.5, 0.5, 0.2, 0.2, 1, 0.9}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			check(t, yolo(tt.row, 3, 320, 160, 0.25, 7, nil), tt.want)
		})
	}
}

func TestYOLOX(t *testing.T) {
	// Strides 8 and 16 on 32x16: grids 4x2 and 2x1, ten rows of 4+1+2 columns.
	grid := []level{{8, 4, 2}, {16, 2, 1}}
	rows := make([]float32, 10*7)
	set := func(i int, row ...float32) { copy(rows[i*7:], row) }
	ln2 := float32(math.Ln2)
	set(6, 0.5, 0.25, ln2, 0, 0.8, 0.1, 0.5) // stride 8, cell x 2, y 1
	set(9, 0.5, 0.5, 0, ln2, 1, 0.9, 0.1)    // stride 16, cell x 1, y 0
	set(0, 0, 0, 0, 0, 0.5, 0.5, 0.5)        // 0.25: at the threshold
	set(1, 0, 0, 1e9, 0, 1, 1, 1)            // exp overflows
	set(2, 0, 0, -inf, 0, 1, 1, 1)           // no width
	set(3, inf, 0, 0, 0, 1, 1, 1)            // nowhere
	set(4, 0, 0, 0, 0, nan, 1, 1)            // no objectness
	set(5, 0, 0, 0, 0, inf, 1, 1)            // infinite objectness
	set(7, 0, 0, 0, 0, -1, -1, -1)           // two wrongs
	set(8, 0, nan, 0, 0, 1, 1, 1)            // nowhere
	got := yolox(rows, 2, grid, 0.25, nil)
	check(t, got, []candidate{
		{x0: 12, y0: 6, x1: 28, y1: 14, score: 0.4, class: 1, index: 6},
		{x0: 16, y0: -8, x1: 32, y1: 24, score: 0.9, class: 0, index: 9},
	})
	check(t, yolox(rows[:8*7+3], 2, grid, 0.25, nil), got[:1])
}

func TestNanoDet(t *testing.T) {
	// Stride 8 on 16x8: two cells, three classes, four bins a side.
	l := level{8, 2, 1}
	peak := func(bin int) []float32 { // all weight on one bin
		s := []float32{-1e4, -1e4, -1e4, -1e4}
		s[bin] = 0
		return s
	}
	flat := []float32{5, 5, 5, 5} // expectation 1.5
	sides := func(s ...[]float32) []float32 { return slices.Concat(s...) }
	quiet := sides(flat, flat, flat, flat)
	tests := []struct {
		name  string
		sides []float32 // of the second cell, centre 12,4
		score []float32
		want  []candidate
	}{
		{"plain", sides(peak(1), peak(2), peak(3), flat), []float32{0.1, 0.2, 0.7}, []candidate{{x0: 4, y0: -12, x1: 36, y1: 16, score: 0.7, class: 2, index: 11}}},
		{"two equal bins", sides([]float32{7, 7, -inf, -inf}, flat, flat, flat), []float32{0.7, 0, 0}, []candidate{{x0: 8, y0: -8, x1: 24, y1: 16, score: 0.7, class: 0, index: 11}}},
		{"large logits", sides([]float32{math.MaxFloat32, 0, 0, -math.MaxFloat32}, peak(1), peak(1), peak(1)), []float32{0, 0.7, 0}, []candidate{{x0: 12, y0: -4, x1: 20, y1: 12, score: 0.7, class: 1, index: 11}}},
		{"at the threshold", quiet, []float32{0.25, 0.25, 0.25}, nil},
		{"NaN scores", quiet, []float32{nan, nan, nan}, nil},
		{"infinite score", quiet, []float32{inf, 0, 0}, nil},
		{"NaN logit", sides([]float32{0, nan, 0, 0}, flat, flat, flat), []float32{0.7, 0, 0}, nil},
		{"infinite logit", sides(flat, []float32{0, 0, inf, 0}, flat, flat), []float32{0.7, 0, 0}, nil},
		{"nothing but minus infinity", sides(flat, flat, []float32{-inf, -inf, -inf, -inf}, flat), []float32{0.7, 0, 0}, nil},
		{"no width", sides(peak(0), flat, peak(0), flat), []float32{0.7, 0, 0}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			scores := slices.Concat([]float32{0, 0, 0}, tt.score)
			check(t, nanodet(scores, slices.Concat(quiet, tt.sides), 3, 4, l, 0.25, 10, nil), tt.want)
			check(t, nanodet(scores, quiet, 3, 4, l, 0.25, 10, nil), nil) // cut short
		})
	}
}

func check(t *testing.T, got, want []candidate) {
	t.Helper()
	near := func(a, b float32) bool { return math.Abs(float64(a)-float64(b)) < 1e-4 }
	same := slices.EqualFunc(got, want, func(a, b candidate) bool {
		return a.class == b.class && a.index == b.index && near(a.score, b.score) &&
			near(a.x0, b.x0) && near(a.y0, b.y0) && near(a.x1, b.x1) && near(a.y1, b.y1)
	})
	if !same {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// described is a description and what an engine says of a network that fits it.
func described(kind string) (*catalog.Network, infer.Info) {
	d := &catalog.Network{Name: "net", Classes: []string{"car", "dog", "cat"}, Input: catalog.Input{Width: 64, Height: 32}}
	d.Decode.Kind = kind
	info := infer.Info{Input: infer.Tensor{Name: "in", Shape: []int{1, 3, 32, 64}}}
	out := func(name string, shape ...int) {
		info.Outputs = append(info.Outputs, infer.Tensor{Name: name, Shape: shape})
	}
	switch kind {
	case "yolo":
		out("yolo_1", 6, 8)
		out("yolo_2", 1, 24, 8)
	case "yolox":
		d.Decode.Strides = []int{8, 16, 32}
		out("output", 1, 32+8+2, 8)
	case "nanodet":
		d.Decode.Strides, d.Decode.Bins = []int{8, 32}, 8
		out("bbox_pred0", 2, 3) // names that mislead, as in real files
		out("cls_score0", 32, 32)
		out("bbox_pred1", 1, 32, 3)
		out("cls_score1", 2, 32)
	}
	return d, info
}

func TestNewDecoder(t *testing.T) {
	type edit func(*catalog.Network, *infer.Info)
	tests := []struct {
		name, kind string
		edit       edit
		want       []string // parts of the error; none: no error
	}{
		{"yolo", "yolo", nil, nil},
		{"yolox", "yolox", nil, nil},
		{"nanodet", "nanodet", nil, nil},
		{"unknown kind", "yolo", func(d *catalog.Network, _ *infer.Info) { d.Decode.Kind = "yolov9" }, []string{`"yolov9"`, "use yolo, yolox or nanodet"}},
		{"no classes", "yolo", func(d *catalog.Network, _ *infer.Info) { d.Classes = nil }, []string{"class names"}},
		{"no input size", "yolo", func(d *catalog.Network, _ *infer.Info) { d.Input.Width = 0 }, []string{"input 0x32", "input.width"}},
		{"other input size", "yolox", func(_ *catalog.Network, i *infer.Info) { i.Input.Shape = []int{1, 3, 64, 64} }, []string{"1x3x32x64", "1x3x64x64"}},
		{"yolo: other classes", "yolo", func(d *catalog.Network, _ *infer.Info) { d.Classes = d.Classes[:2] }, []string{"7 columns", "classes 2", "yolo_1 6x8", "correct classes"}},
		{"yolo: a stray output", "yolo", func(_ *catalog.Network, i *infer.Info) { i.Outputs[1].Shape = []int{2, 24, 8} }, []string{"yolo_2 2x24x8"}},
		{"yolo: no outputs", "yolo", func(_ *catalog.Network, i *infer.Info) { i.Outputs = nil }, []string{"no outputs"}},
		{"yolo: no rows", "yolo", func(_ *catalog.Network, i *infer.Info) { i.Outputs[0].Shape = []int{0, 8} }, []string{"yolo_1 0x8"}},
		{"yolox: other classes", "yolox", func(d *catalog.Network, _ *infer.Info) { d.Classes = d.Classes[:1] }, []string{"1x42x6", "output 1x42x8"}},
		{"yolox: other strides", "yolox", func(d *catalog.Network, _ *infer.Info) { d.Decode.Strides = []int{8, 16} }, []string{"1x40x8", "[8 16]", "decode.strides"}},
		{"yolox: no strides", "yolox", func(d *catalog.Network, _ *infer.Info) { d.Decode.Strides = nil }, []string{"decode.strides", "[8, 16, 32]"}},
		{"yolox: stride 0", "yolox", func(d *catalog.Network, _ *infer.Info) { d.Decode.Strides = []int{0} }, []string{"[0]"}},
		{"yolox: huge stride", "yolox", func(d *catalog.Network, _ *infer.Info) { d.Decode.Strides = []int{math.MaxInt} }, []string{"a stride is 1 to", "64x32"}},
		{"yolox: a stride that does not divide the input", "yolox", func(d *catalog.Network, i *infer.Info) {
			d.Decode.Strides, i.Outputs[0].Shape = []int{24}, []int{1, 3 * 2, 8}
		}, nil},
		{"yolox: two outputs", "yolox", func(_ *catalog.Network, i *infer.Info) { i.Outputs = append(i.Outputs, i.Outputs[0]) }, []string{"one output"}},
		{"nanodet: other classes", "nanodet", func(d *catalog.Network, _ *infer.Info) { d.Classes = d.Classes[:2] }, []string{"32x2 and 32x32", "bbox_pred0 2x3", "correct classes"}},
		{"nanodet: other bins", "nanodet", func(d *catalog.Network, _ *infer.Info) { d.Decode.Bins = 16 }, []string{"32x64", "decode.bins"}},
		{"nanodet: no bins", "nanodet", func(d *catalog.Network, _ *infer.Info) { d.Decode.Bins = 0 }, []string{"decode.bins is 0"}},
		{"nanodet: a level too many", "nanodet", func(_ *catalog.Network, i *infer.Info) {
			i.Outputs = append(i.Outputs, infer.Tensor{Name: "x", Shape: []int{8, 3}})
		}, []string{"x 8x3", "decode.strides"}},
		{"nanodet: an output twice", "nanodet", func(_ *catalog.Network, i *infer.Info) { i.Outputs[3] = i.Outputs[0] }, []string{"2x3 and 2x32"}},
		{"nanodet: a stride twice", "nanodet", func(d *catalog.Network, _ *infer.Info) { d.Decode.Strides = []int{8, 8} }, []string{"strides 8 and 8"}},
		{"nanodet: as many classes as bins", "nanodet", func(d *catalog.Network, _ *infer.Info) { d.Classes = make([]string, 32) }, []string{"32 classes", "4x8 bins"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, info := described(tt.kind)
			if tt.edit != nil {
				tt.edit(d, &info)
			}
			decode, err := newDecoder(d, info)
			if len(tt.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if got := decode(zeros(info), 0.3, nil); len(got) != 0 {
					t.Errorf("outputs of zeros decode to %v", got)
				}
				return
			}
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range append(tt.want, "net") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
		})
	}
}

// zeros are outputs as a network of that kind has them.
func zeros(in infer.Info) [][]float32 {
	out := make([][]float32, len(in.Outputs))
	for i, t := range in.Outputs {
		out[i] = make([]float32, t.Len())
	}
	return out
}

// TestNanoDetOutputOrder decodes the same numbers with the outputs in another
// order.
func TestNanoDetOutputOrder(t *testing.T) {
	d, info := described("nanodet")
	outputs := zeros(info)
	outputs[0][1*3+2] = 0.9 // stride 32, cell 1
	outputs[2][5*3+1] = 0.8 // stride 8, cell 5
	want := []candidate{
		{x0: 16, y0: -24, x1: 72, y1: 32, score: 0.8, class: 1, index: 5},
		{x0: -64, y0: -96, x1: 160, y1: 128, score: 0.9, class: 2, index: 33},
	}
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 0, 3, 2}} {
		mixed, in := infer.Info{Input: info.Input}, [][]float32{}
		for _, i := range order {
			mixed.Outputs, in = append(mixed.Outputs, info.Outputs[i]), append(in, outputs[i])
		}
		decode, err := newDecoder(d, mixed)
		if err != nil {
			t.Fatal(err)
		}
		check(t, decode(in, 0.3, nil), want)
	}
}

// TestYOLOHeads counts rows through all heads, so that no two candidates have
// the same index.
func TestYOLOHeads(t *testing.T) {
	d, info := described("yolo")
	decode, err := newDecoder(d, info)
	if err != nil {
		t.Fatal(err)
	}
	outputs := zeros(info)
	copy(outputs[0][5*8:], []float32{0.5, 0.5, 0.5, 0.5, 1, 0.9, 0, 0})
	copy(outputs[1][2*8:], []float32{0.5, 0.5, 0.25, 0.25, 1, 0, 0, 0.8})
	check(t, decode(outputs, 0.3, nil), []candidate{
		{x0: 16, y0: 8, x1: 48, y1: 24, score: 0.9, class: 0, index: 5},
		{x0: 24, y0: 12, x1: 40, y1: 20, score: 0.8, class: 2, index: 8},
	})
}
