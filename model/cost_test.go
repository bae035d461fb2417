package model

import (
	"math"
	"testing"
)

func constantOf(t Type, s ...int) *Const {
	c := &Const{&Tensor{Shape: s, Type: t}}
	if t.Floating() {
		c.Value.Floats = make([]float32, Shape(s).Elements())
	} else {
		c.Value.Ints = make([]int64, Shape(s).Elements())
	}
	return c
}

// Counts by hand for every kind of layer.
func TestArithmetic(t *testing.T) {
	biased := conv(3, 8, 3, 1, 1)
	biased.Bias, biased.Act = make([]float32, 8), Act{Kind: Leaky}
	normed := conv(3, 8, 3, 1, 1)
	normed.Norm = norm(8)
	for _, c := range []struct {
		name              string
		op                Op
		in                []Op
		macs, elementwise int64
	}{
		{"conv", conv(3, 8, 3, 1, 1), []Op{image(3, 4, 5)}, 20 * 8 * 27, 0},
		{"conv with bias and leaky", biased, []Op{image(3, 4, 5)}, 20 * 8 * 27, 20 * 8 * 2},
		{"conv with normalisation", normed, []Op{image(3, 4, 5)}, 20 * 8 * 27, 20 * 8 * 2},
		{"depthwise", conv(8, 8, 3, 2, 8), []Op{image(8, 4, 4)}, 4 * 8 * 9, 0},
		{"groups", conv(8, 4, 1, 1, 2), []Op{image(8, 4, 4)}, 16 * 4 * 4, 0},
		{"deconv", &Deconv{Filters: 2, Groups: 1, Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}, Weight: make([]float32, 3*2*4)},
			[]Op{image(3, 5, 6)}, 3 * 30 * 2 * 4, 0},
		{"maxpool", &MaxPool{[2]int{2, 2}, [2]int{2, 2}, Pad{}}, []Op{image(3, 4, 4)}, 0, 3 * 4 * 4},
		{"global avgpool", &AvgPool{}, []Op{image(3, 4, 4)}, 0, 48},
		{"add of three", &Add{}, []Op{image(3, 4, 4), image(3, 4, 4), image(3, 4, 4)}, 0, 2 * 48},
		{"mul", &Mul{}, []Op{image(3, 4, 4), constantOf(Float32, 1)}, 0, 48},
		{"softmax", &Softmax{1}, []Op{image(3, 1, 1)}, 0, 12},
		{"dense", &Dense{In: 4, Out: 2, Weight: make([]float32, 8), Bias: make([]float32, 2)}, []Op{&Input{Shape: Shape{7, 4}}}, 7 * 4 * 2, 14},
		{"matmul", &MatMul{}, []Op{&Input{Shape: Shape{2, 3, 4}}, &Input{Shape: Shape{4, 5}}}, 2 * 3 * 4 * 5, 0},
		{"upsample", &Upsample{2}, []Op{image(3, 4, 4)}, 0, 0},
		{"concat", &Concat{1}, []Op{image(3, 4, 4), image(3, 4, 4)}, 0, 0},
		{"generic gemm, transposed", &Generic{Type: "Gemm", Value: Shape{2, 5}}, []Op{&Input{Shape: Shape{3, 2}}, &Input{Shape: Shape{5, 3}}}, 2 * 3 * 5, 10},
		{"generic attention", &Generic{Type: "Attention", Value: Shape{2, 7, 8}}, []Op{&Input{Shape: Shape{2, 7, 8}}, &Input{Shape: Shape{2, 9, 8}}, &Input{Shape: Shape{2, 9, 8}}},
			2 * (2 * 7 * 8 * 9), 2 * 7 * 9 * 4},
		{"generic lstm", &Generic{Type: "LSTM", Value: Shape{5, 1, 1, 3}}, []Op{&Input{Shape: Shape{5, 1, 2}}, &Input{Shape: Shape{1, 12, 2}}, &Input{Shape: Shape{1, 12, 3}}},
			5 * (12*2 + 12*3), 15},
		{"generic conv of one dimension", &Generic{Type: "Conv", Value: Shape{1, 6, 10}}, []Op{&Input{Shape: Shape{1, 4, 12}}, &Input{Shape: Shape{6, 4, 3}}}, 60 * 12, 60},
		{"generic move", &Generic{Type: "Transpose", Value: Shape{4, 3}}, []Op{&Input{Shape: Shape{3, 4}}}, 0, 0},
		{"generic reduction", &Generic{Type: "ReduceMean", Value: Shape{3}}, []Op{&Input{Shape: Shape{3, 4}}}, 0, 12},
		{"unknown", &Generic{Type: "Whatever", Value: Shape{3, 4}}, []Op{&Input{Shape: Shape{3, 4}}}, 0, 12},
		{"unknown without reading", &Generic{Type: "Gemm", Value: Shape{3, 4}}, nil, 0, 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := of(c.op, c.in...)
			p := g.Profile()
			if got := p.Total; got.MACs != c.macs || got.Elementwise != c.elementwise || got.FLOPs() != 2*c.macs {
				t.Errorf("%d MACs, %d FLOPs and %d others; want %d, %d and %d",
					got.MACs, got.FLOPs(), got.Elementwise, c.macs, 2*c.macs, c.elementwise)
			}
		})
	}
}

// of is a network of one operation.
func of(op Op, in ...Op) *Graph {
	g := &Graph{}
	l := Layer{Name: "op", Op: op}
	for i, o := range in {
		g.Layers = append(g.Layers, Layer{Name: string(rune('a' + i)), Op: o})
		l.From = append(l.From, i)
	}
	g.Layers = append(g.Layers, l)
	g.Outputs = []int{len(g.Layers) - 1}
	if err := g.Infer(); err != nil {
		panic(err)
	}
	return g
}

func TestParametersAndWeightBytes(t *testing.T) {
	normed := conv(3, 8, 3, 1, 1) // 216 weights
	normed.Norm = norm(8)
	both := conv(3, 8, 3, 1, 1)
	both.Norm, both.Bias = norm(8), make([]float32, 8)
	for _, c := range []struct {
		name                   string
		op                     Op
		in                     []Op
		all, trainable, folded int64
		bytes                  Precisions
	}{
		{"plain", conv(3, 8, 3, 1, 1), []Op{image(3, 4, 4)}, 216, 216, 216, Precisions{864, 432, 216 + 32}},
		{"normalised", normed, []Op{image(3, 4, 4)}, 216 + 32, 216 + 16, 216 + 8, Precisions{4 * 224, 2 * 224, 216 + 32 + 32}},
		{"normalised with bias", both, []Op{image(3, 4, 4)}, 216 + 40, 216 + 24, 216 + 8, Precisions{4 * 224, 2 * 224, 216 + 32 + 32}},
		{"normalisation alone", &Normalize{Norm: *norm(3)}, []Op{image(3, 4, 4)}, 12, 6, 6, Precisions{24, 12, 24}},
		{"a matrix", &MatMul{}, []Op{&Input{Shape: Shape{2, 4}}, constantOf(Float32, 4, 5)}, 20, 20, 20, Precisions{80, 40, 20 + 20}},
		{"quantized weights", &Generic{Type: "ConvInteger", Value: Shape{1, 6, 1, 1}}, []Op{image(4, 1, 1), constantOf(Int8, 6, 4, 1, 1)},
			24, 24, 24, Precisions{24, 24, 24}},
		{"a shape", &Generic{Type: "Reshape", Value: Shape{4}}, []Op{image(4, 1, 1), constantOf(Int64, 1)}, 0, 0, 0, Precisions{8, 8, 8}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := of(c.op, c.in...).Profile().Total
			if got.Parameters != c.all || got.Trainable != c.trainable || got.Folded != c.folded || got.Weights != c.bytes {
				t.Errorf("%d parameters, %d trainable, %d folded, %v bytes; want %d, %d, %d, %v",
					got.Parameters, got.Trainable, got.Folded, got.Weights, c.all, c.trainable, c.folded, c.bytes)
			}
		})
	}
}

// Folding changes no count that is of the folded network.
func TestFoldedIsWhatFoldLeaves(t *testing.T) {
	c := conv(3, 8, 3, 1, 1)
	c.Norm = norm(8)
	for i := range c.Norm.Variance {
		c.Norm.Variance[i] = 1
	}
	g := of(c, image(3, 4, 4))
	before := g.Profile().Total
	g.Fold()
	after := g.Profile().Total
	if after.Parameters != before.Folded || after.Weights != before.Weights || after.MACs != before.MACs {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

// What depends on constants alone costs no forward, and its weight is the
// first reader's.
func TestConstantsAreComputedOnce(t *testing.T) {
	g := &Graph{Outputs: []int{4}, Layers: []Layer{
		{Name: "x", Op: image(4, 2, 2)},
		{Name: "w", Op: constantOf(Int8, 4, 1, 1)},
		{Name: "dequantized", Op: &Generic{Type: "DequantizeLinear", Value: Shape{4, 1, 1}}, From: []int{1}},
		{Name: "first", Op: &Mul{}, From: []int{0, 2}},
		{Name: "second", Op: &Mul{}, From: []int{3, 2}},
	}}
	if err := g.Infer(); err != nil {
		t.Fatal(err)
	}
	p := g.Profile()
	if len(p.Layers) != 3 || p.Layers[1].Index != 3 || p.Layers[1].Parameters != 4 || p.Layers[2].Parameters != 0 {
		t.Errorf("%+v", p.Layers)
	}
	if p.Total.Elementwise != 32 || p.Total.Read != 2*64 || p.Activations != 2*64 || p.Total.Weights.FP32 != 4 {
		t.Errorf("%+v", p.Total)
	}
	if in := p.Layers[1].Intensity(); in != 0 {
		t.Errorf("intensity %v of a layer without MACs", in)
	}
}

func TestIntensity(t *testing.T) {
	got := of(conv(3, 8, 1, 1, 1), image(3, 4, 4)).Profile().Total.Intensity()
	if want := 2 * 16 * 24. / (4 * (24 + 48 + 128)); math.Abs(got-want) > 1e-12 {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestCountsEndAtTheLargest(t *testing.T) {
	if got := times(1<<20, 1<<20, 1<<20, 1<<20); got != math.MaxInt64 {
		t.Error(got)
	}
	if got := (Cost{MACs: math.MaxInt64 - 1}).FLOPs(); got != math.MaxInt64 {
		t.Error(got)
	}
	if got := times(1<<40, 0, 1<<40); got != 0 {
		t.Error(got)
	}
}
