package model

import (
	"math"
	"strings"
	"testing"
)

// Numbers that are no weights are held to what they can be, and the error names
// the layer.
func TestValidateAttributes(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	eps := func(e float64) Norm { n := *norm(2); n.Epsilon = e; return n }
	inConv := func(n Norm, a Act) Op {
		c := conv(2, 2, 1, 1, 1)
		c.Norm, c.Act = &n, a
		return c
	}
	leaky := func(alpha float64) Act { return Act{Kind: Leaky, Alpha: float32(alpha)} }
	yolo := func(scale float64, anchors ...float64) Op {
		return &Yolo{Mask: []int{0}, Anchors: anchors, Classes: 1, ScaleXY: scale, Input: [2]int{8, 8}}
	}
	fine := Act{}
	for _, c := range []struct {
		name string
		op   Op
		want string // of the error; empty: there is none
	}{
		{"no epsilon", &Normalize{Norm: Norm{make([]float32, 2), make([]float32, 2), make([]float32, 2), []float32{1, 2}, 0}}, ""},
		{"epsilon", inConv(eps(1e-3), leaky(.1)), ""},
		{"epsilon NaN", inConv(eps(nan), fine), "layer 1 it (conv 1x1/1 2->2 norm): batch normalisation has an epsilon of NaN"},
		{"epsilon infinite", &Normalize{Norm: eps(inf)}, "an epsilon of +Inf"},
		{"epsilon negative", &Normalize{Norm: eps(-1e-5)}, "an epsilon of -1e-05"},
		{"epsilon large", &Deconv{Filters: 2, Groups: 1, Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}, Weight: make([]float32, 4), Norm: &Norm{
			make([]float32, 2), make([]float32, 2), make([]float32, 2), make([]float32, 2), 2}}, "an epsilon of 2"},
		{"nothing to divide by", &Normalize{Norm: eps(0)}, "variance 0 and epsilon are both 0"},
		{"alpha NaN", inConv(eps(1e-3), leaky(nan)), "layer 1 it (conv 1x1/1 2->2 norm leaky): its activation has an alpha of NaN"},
		{"alpha infinite", &Activate{leaky(inf)}, "an alpha of +Inf"},
		{"alpha large", &Activate{leaky(-1e9)}, "an alpha of -1e+09"},
		{"alpha that is not used", &Activate{Act{Kind: Relu, Alpha: float32(nan)}}, "an alpha of NaN"},
		{"alpha negative", &Activate{leaky(-1)}, ""},
		{"alpha of a normalisation", &Normalize{Norm: eps(1e-3), Act: leaky(nan)}, "an alpha of NaN"},
		{"alpha of a deconvolution", &Deconv{Filters: 2, Groups: 1, Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}, Weight: make([]float32, 4), Act: leaky(nan)}, "an alpha of NaN"},
		{"alpha of a sum", &Add{leaky(nan)}, "an alpha of NaN"},
		{"alpha of a dense layer", &Dense{In: 3, Out: 1, Weight: make([]float32, 3), Act: leaky(nan)}, "an alpha of NaN"},
		{"head", yolo(1.05, 10, 12.5), ""},
		{"scale NaN", yolo(nan, 10, 12), "layer 1 it (yolo 1 anchors, 1 classes): scales offsets by NaN"},
		{"scale of 0", yolo(0, 10, 12), "scales offsets by 0"},
		{"scale large", yolo(1e6, 10, 12), "scales offsets by 1e+06"},
		{"half an anchor", yolo(1, 10, 12, 14), "its anchors have 3 sides"},
		{"anchor NaN", yolo(1, 10, nan), "anchor 0 has a side of NaN"},
		{"anchor of 0", yolo(1, 10, 12, 0, 4), "anchor 1 has a side of 0"},
		{"anchor infinite", yolo(1, 10, 12, 3, inf), "anchor 1 has a side of +Inf"},
		{"anchor negative", yolo(1, -10, 12), "anchor 0 has a side of -10"},
		{"anchor large", yolo(1, 10, 12, 1e6, 3), "anchor 1 has a side of 1e+06"},
	} {
		in := image(2, 3, 3)
		if _, ok := c.op.(*Yolo); ok {
			in = image(6, 3, 3)
		}
		g := &Graph{Layers: []Layer{{Name: "in", Op: in}, {Name: "it", Op: c.op, From: []int{0}}}, Outputs: []int{1}}
		if _, ok := c.op.(*Add); ok {
			g.Layers[1].From = []int{0, 0}
		}
		err := g.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
