package model

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// conv is a square convolution with weights of the right number.
func conv(channels, filters, size, stride, groups int) *Conv {
	half := size / 2
	return &Conv{
		Filters: filters, Groups: groups, Kernel: [2]int{size, size}, Stride: [2]int{stride, stride}, Dilation: [2]int{1, 1},
		Pad: Pad{half, half, half, half}, Weight: make([]float32, filters*channels/groups*size*size),
	}
}

func norm(n int) *Norm {
	return &Norm{make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n), 1e-6}
}

func image(c, h, w int) *Input { return &Input{Shape: Shape{1, c, h, w}} }

func TestShapes(t *testing.T) {
	constant := func(s ...int) *Const {
		return &Const{&Tensor{Shape: s, Type: Float32, Floats: make([]float32, Shape(s).Elements())}}
	}
	for _, c := range []struct {
		name string
		op   Op
		in   []Op
		want string // the shape, or a part of the error
	}{
		{"conv", conv(3, 8, 3, 2, 1), []Op{image(3, 9, 10)}, "1x8x5x5"},
		{"depthwise", conv(8, 8, 3, 1, 8), []Op{image(8, 9, 10)}, "1x8x9x10"},
		{"dilated", &Conv{Filters: 1, Groups: 1, Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}, Dilation: [2]int{2, 2}, Weight: make([]float32, 9)}, []Op{image(1, 9, 5)}, "1x1x5x1"},
		{"weights of another shape", conv(3, 8, 3, 1, 1), []Op{image(4, 9, 9)}, "216 weights, its shape needs 288"},
		{"groups that do not divide", conv(8, 8, 1, 1, 4), []Op{image(6, 9, 9)}, "do not divide into 4 groups"},
		{"nothing left", conv(3, 8, 3, 1, 1), []Op{image(3, 9, 0)}, "nothing is left"},
		{"not an image", conv(3, 8, 3, 1, 1), []Op{constant(3, 4)}, "expected one image"},
		{"transposed", &Deconv{Filters: 2, Groups: 1, Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}, Weight: make([]float32, 3*2*4)}, []Op{image(3, 5, 6)}, "1x2x10x12"},
		{"darknet's pooling", &MaxPool{[2]int{2, 2}, [2]int{1, 1}, Pad{0, 0, 1, 1}}, []Op{image(3, 13, 13)}, "1x3x13x13"},
		{"global", &AvgPool{}, []Op{image(3, 13, 13)}, "1x3x1x1"},
		{"upsample", &Upsample{2}, []Op{image(3, 13, 14)}, "1x3x26x28"},
		{"add", &Add{}, []Op{image(3, 13, 13), image(3, 13, 13), image(3, 13, 13)}, "1x3x13x13"},
		{"broadcast", &Mul{}, []Op{image(3, 13, 14), constant(3, 1, 1)}, "1x3x13x14"},
		{"broadcast of a smaller first", &Mul{}, []Op{constant(14), image(3, 13, 14)}, "1x3x13x14"},
		{"unequal", &Add{}, []Op{image(3, 13, 13), image(2, 13, 13)}, "do not fit together"},
		{"concat", &Concat{1}, []Op{image(3, 13, 13), image(2, 13, 13)}, "1x5x13x13"},
		{"concat of unequal", &Concat{1}, []Op{image(3, 13, 13), image(2, 13, 12)}, "have to be equal"},
		{"slice", &Slice{1, 2, 3}, []Op{image(5, 13, 13)}, "1x3x13x13"},
		{"slice beyond", &Slice{1, 3, 3}, []Op{image(5, 13, 13)}, "takes 3 from 3 on of 5"},
		{"dense", &Dense{In: 4, Out: 2, Weight: make([]float32, 8)}, []Op{constant(7, 4)}, "7x2"},
		{"matmul", &MatMul{}, []Op{constant(2, 3, 4), constant(4, 5)}, "2x3x5"},
		{"yolo", &Yolo{Mask: []int{0, 2}, Anchors: make([]float64, 6), Classes: 3, Input: [2]int{32, 32}}, []Op{image(16, 2, 3)}, "12x8"},
		{"yolo of other channels", &Yolo{Mask: []int{0}, Anchors: make([]float64, 6), Classes: 3, Input: [2]int{32, 32}}, []Op{image(16, 2, 3)}, "1 anchors x (3 classes + 5) need 8"},
		{"prelu", &Activate{Act{Kind: Prelu, Slope: make([]float32, 2)}}, []Op{image(3, 2, 2)}, "2 slopes for 3 channels"},
		{"unknown activation", &Activate{Act{Kind: "sine"}}, []Op{image(3, 2, 2)}, `unknown activation "sine"`},
		{"absurd", &Upsample{64}, []Op{image(1000, 1000, 200)}, "absurdly large"},
	} {
		g := &Graph{}
		var from []int
		for i, op := range c.in {
			g.Layers = append(g.Layers, Layer{Name: string(rune('a' + i)), Op: op})
			from = append(from, i)
		}
		g.Layers = append(g.Layers, Layer{Name: "it", Op: c.op, From: from})
		err := g.Infer()
		got := g.Layers[len(g.Layers)-1].Shape.String()
		if err != nil {
			got = err.Error()
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func chain() *Graph {
	c := conv(3, 2, 1, 1, 1)
	c.Norm = norm(2)
	return &Graph{Layers: []Layer{{Name: "in", Op: image(3, 4, 4)}, {Name: "conv", Op: c, From: []int{0}}}, Outputs: []int{1}}
}

func TestValidate(t *testing.T) {
	if err := chain().Validate(); err != nil {
		t.Fatal(err)
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name string
		edit func(g *Graph, c *Conv)
		want string
	}{
		{"a cycle", func(g *Graph, _ *Conv) { g.Layers[1].From[0] = 1 }, "cycle"},
		{"a layer that is none", func(g *Graph, _ *Conv) { g.Layers[1].From[0] = -1 }, "not before it"},
		{"no operation", func(g *Graph, _ *Conv) { g.Layers[1].Op = nil }, "no operation"},
		{"NaN", func(_ *Graph, c *Conv) { c.Weight[4] = nan }, "layer 1 conv (conv 1x1/1 3->2 norm): weight 4 is NaN"},
		{"infinite", func(_ *Graph, c *Conv) { c.Norm.Shift[1] = inf }, "shift 1 is +Inf"},
		{"negative variance", func(_ *Graph, c *Conv) { c.Norm.Variance[1] = -1 }, "variance 1 is -1, which is negative"},
		{"a short norm", func(_ *Graph, c *Conv) { c.Norm.Mean = c.Norm.Mean[:1] }, "batch normalisation of 2 channels has 2, 2, 1 and 2"},
		{"two of a name", func(g *Graph, _ *Conv) { g.Layers[1].Name = "in" }, "no name of its own"},
		{"no outputs", func(g *Graph, _ *Conv) { g.Outputs = nil }, "0 outputs"},
		{"an output that is none", func(g *Graph, _ *Conv) { g.Outputs[0] = 7 }, "output 7 is no layer"},
	} {
		g := chain()
		c.edit(g, g.Layers[1].Op.(*Conv))
		if err := g.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// A clone shares nothing: changing all its weights leaves the original alone.
func TestCloneSharesNothing(t *testing.T) {
	g := chain()
	c := g.Clone()
	for i := range c.Layers {
		for p := range Weights(c.Layers[i].Op) {
			for j := range p.Values {
				p.Values[j] = 7
			}
		}
		for j := range c.Layers[i].From {
			c.Layers[i].From[j] = 7
		}
	}
	c.Outputs[0] = 7
	for i := range g.Layers {
		for p := range Weights(g.Layers[i].Op) {
			for j, x := range p.Values {
				if x == 7 {
					t.Fatalf("%s %d of layer %d is shared", p.Name, j, i)
				}
			}
		}
	}
	if err := g.Validate(); err != nil {
		t.Error(err)
	}
}

// Folding leaves a*(w*x+bias)+b as it is, of both kinds of convolution.
func TestFold(t *testing.T) {
	n := &Norm{[]float32{2, 3}, []float32{5, 7}, []float32{1, -1}, []float32{4, 9}, 0}
	c := &Conv{Filters: 2, Groups: 1, Kernel: [2]int{1, 1}, Weight: []float32{10, 20, 30, 40}, Bias: []float32{1, 2}, Norm: n}
	d := &Deconv{Filters: 2, Groups: 1, Kernel: [2]int{1, 1}, Weight: []float32{10, 30, 20, 40}, Bias: []float32{1, 2}, Norm: n} // the same, its rows are channels
	g := &Graph{Layers: []Layer{{Op: c}, {Op: d}}}
	g.Fold()
	// a = 2/2, 3/3; b = 5-1*1, 7-1*(-1)
	want, bias := []float32{10, 20, 30, 40}, []float32{5, 10}
	for i := range want {
		if c.Weight[i] != want[i] {
			t.Errorf("conv weights %v", c.Weight)
		}
	}
	for i := range bias {
		if c.Bias[i] != bias[i] || d.Bias[i] != bias[i] {
			t.Errorf("biases %v and %v, want %v", c.Bias, d.Bias, bias)
		}
	}
	if c.Norm != nil || d.Norm != nil {
		t.Error("the normalisation is still there")
	}
	n.Scale = []float32{4, 6} // a = 2, 2
	d.Norm, d.Bias = n, nil
	g.Fold()
	if d.Weight[0] != 20 || d.Weight[3] != 80 || d.Bias[0] != 3 {
		t.Errorf("deconv %v, %v", d.Weight, d.Bias)
	}
}

// Another size of the input is passed on to all layers and heads.
func TestResize(t *testing.T) {
	g := &Graph{
		Layers: []Layer{
			{Name: "in", Op: image(3, 64, 64)},
			{Name: "conv", Op: conv(3, 14, 3, 2, 1), From: []int{0}},
			{Name: "up", Op: &Upsample{Scale: 2}, From: []int{1}},
			{Name: "first", Op: &Yolo{Mask: []int{0, 1}, Anchors: []float64{1, 2, 3, 4}, Classes: 2, ScaleXY: 1, Input: [2]int{64, 64}}, From: []int{1}},
			{Name: "second", Op: &Yolo{Mask: []int{1, 0}, Anchors: []float64{1, 2, 3, 4}, Classes: 2, ScaleXY: 1, Input: [2]int{64, 64}}, From: []int{2}},
		},
		Outputs: []int{3, 4},
	}
	if err := g.Resize(96, 160); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"1x3x96x160", "1x14x48x80", "1x14x96x160"} {
		if got := g.Layers[i].Shape.String(); got != want {
			t.Errorf("%s is %s, expected %s", g.Layers[i].Name, got, want)
		}
	}
	for _, i := range g.Outputs {
		if o := g.Layers[i].Op.(*Yolo); o.Input != [2]int{96, 160} {
			t.Errorf("%s is for %v", g.Layers[i].Name, o.Input)
		}
	}
	if err := g.Validate(); err != nil {
		t.Error(err)
	}
	odd := &Graph{
		Layers: []Layer{
			{Name: "in", Op: image(1, 8, 8)},
			{Name: "pool", Op: &MaxPool{Size: [2]int{2, 2}, Stride: [2]int{2, 2}}, From: []int{0}},
			{Name: "up", Op: &Upsample{Scale: 2}, From: []int{1}},
			{Name: "sum", Op: &Add{}, From: []int{0, 2}},
		},
		Outputs: []int{3},
	}
	generic := &Graph{Layers: []Layer{
		{Name: "in", Op: image(1, 8, 8)},
		{Name: "odd", Op: &Generic{Type: "Odd", Value: Shape{1, 1, 8, 8}}, From: []int{0}},
	}, Outputs: []int{1}}
	vector := &Graph{Layers: []Layer{{Name: "in", Op: &Input{Shape: Shape{1, 7}}}}, Outputs: []int{0}}
	for _, c := range []struct {
		name          string
		g             *Graph
		height, width int
		says          string
	}{
		{"halves that do not add up", odd, 9, 8, "sum"},
		{"nothing", odd, 0, 8, "in"},
		{"far too large", odd, 1 << 20, 1 << 20, "absurdly large"},
		{"an operator of which only the shape is known", generic, 16, 16, "read the file at 16x16"},
		{"no image", vector, 8, 8, "no size in pixels"},
	} {
		if err := c.g.Clone().Resize(c.height, c.width); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, expected %q", c.name, err, c.says)
		}
	}
}

// What nobody reads is last needed where it is made; a further result of an
// operator does not read the first.
func TestLastReaders(t *testing.T) {
	g := &Graph{Layers: []Layer{
		{Name: "in", Op: image(1, 8, 8)},
		{Name: "split", Op: &Generic{Type: "Split"}, From: []int{0}},
		{Name: "second", Op: &Result{}, From: []int{1}},
		{Name: "sum", Op: &Add{}, From: []int{0, 2}},
		{Name: "unread", Op: &Identity{}, From: []int{0}},
	}, Outputs: []int{3}}
	if got, want := g.LastReaders(), []int{4, 1, 3, 3, 4}; !slices.Equal(got, want) {
		t.Errorf("%v, expected %v", got, want)
	}
}
