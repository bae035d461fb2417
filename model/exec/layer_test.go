package exec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"dashline/model"
)

// TestLayersAgainstTheReference: every operation, with whatever options.
func TestLayersAgainstTheReference(t *testing.T) {
	for name, draw := range draws {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s Scratch
			rapid.Check(t, func(t *rapid.T) {
				op, in := draw(t)
				compare(t, op, in, rapid.Uint64().Draw(t, "seed"), &s)
			})
		})
	}
}

// TestBlocksAgainstTheReference: what is more than one block in every direction.
func TestBlocksAgainstTheReference(t *testing.T) {
	one, two, three := [2]int{1, 1}, [2]int{2, 2}, [2]int{3, 3}
	pad := model.Pad{Top: 1, Left: 1, Bottom: 1, Right: 1}
	for _, tc := range []struct {
		op model.Op
		in []model.Shape
	}{
		{&model.Conv{Filters: blockRows + 1, Groups: 1, Kernel: one, Stride: one, Dilation: one,
			Weight: random(1, (blockRows+1)*(blockDepth+1))}, []model.Shape{{1, blockDepth + 1, 1, blockColumns + 1}}},
		{&model.Conv{Filters: blockRows + 1, Groups: 1, Kernel: three, Stride: two, Dilation: one, Pad: pad,
			Weight: random(1, (blockRows+1)*15*9)}, []model.Shape{{1, 15, 27, 29}}},
		{&model.Deconv{Filters: 17, Groups: 1, Kernel: two, Stride: two,
			Weight: random(1, 17*(blockDepth+1)*4)}, []model.Shape{{1, blockDepth + 1, 1, blockColumns + 1}}},
		{&model.MatMul{}, []model.Shape{{blockRows + 1, blockDepth + 1}, {blockDepth + 1, blockColumns + 1}}},
	} {
		t.Run(model.Describe(tc.op, tc.in[0]), func(t *testing.T) { compare(t, tc.op, tc.in, 2, new(Scratch)) })
	}
}

// compare runs a layer that reads values of some shapes. Options that leave
// nothing of them are drawn again.
func compare(t rapid.TB, op model.Op, in []model.Shape, seed uint64, s *Scratch) {
	g := graphOf(t, op, in)
	l := &g.Layers[len(in)]
	x := make([][]float32, len(in))
	for i := range x {
		x[i] = random(seed+uint64(i), in[i].Elements())
	}
	got := random(seed, l.Shape.Elements()) // old numbers, to be overwritten
	if err := Layer(l, in, x, got, s); err != nil {
		t.Fatal(err)
	}
	for i, want := range reference(l, in, x) {
		if !near(float64(got[i]), want) {
			t.Fatalf("%s of %v: number %d of %v is %v; want %v", model.Describe(op, in[0]), in, i, l.Shape, got[i], want)
		}
	}
}

// near allows for sums in float32.
func near(got, want float64) bool {
	return got == want || math.Abs(got-want) <= 2e-4*max(1, math.Abs(want))
}

// graphOf is a network of one operation that reads values of some shapes. Options
// that rapid draws need not fit; others do.
func graphOf(t rapid.TB, op model.Op, in []model.Shape) *model.Graph {
	g := &model.Graph{Outputs: []int{len(in)}}
	l := model.Layer{Name: "layer", Op: op}
	for i, s := range in {
		g.Layers = append(g.Layers, model.Layer{Name: fmt.Sprint("in", i), Op: &model.Input{Shape: s}})
		l.From = append(l.From, i)
	}
	g.Layers = append(g.Layers, l)
	if err := g.Validate(); err != nil {
		if _, drawn := t.(*rapid.T); drawn {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	return g
}

var draws = map[string]func(t *rapid.T) (model.Op, []model.Shape){
	"conv": func(t *rapid.T) (model.Op, []model.Shape) {
		groups := num(t, "groups", 1, 3)
		channels, filters := groups*num(t, "channels", 1, 9), groups*num(t, "filters", 1, 9)
		in := image(t, channels, 17)
		o := &model.Conv{Filters: filters, Groups: groups, Kernel: pair(t, "kernel", 1, 4), Stride: pair(t, "stride", 1, 3),
			Dilation: pair(t, "dilation", 1, 2), Pad: pad(t), Act: act(t, filters)}
		o.Weight = numbers(t, filters*channels/groups*o.Kernel[0]*o.Kernel[1])
		if rapid.Bool().Draw(t, "bias") {
			o.Bias = numbers(t, filters)
		}
		if rapid.Bool().Draw(t, "norm") {
			n := norm(t, filters)
			o.Norm = &n
		}
		return o, []model.Shape{in}
	},
	"conv 1x1": func(t *rapid.T) (model.Op, []model.Shape) {
		channels, filters := num(t, "channels", 1, 70), num(t, "filters", 1, 70)
		o := &model.Conv{Filters: filters, Groups: 1, Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}}
		o.Weight = numbers(t, filters*channels)
		return o, []model.Shape{image(t, channels, 20)}
	},
	"conv depthwise": func(t *rapid.T) (model.Op, []model.Shape) {
		channels := num(t, "channels", 1, 9)
		o := &model.Conv{Filters: channels, Groups: channels, Kernel: pair(t, "kernel", 1, 5), Stride: pair(t, "stride", 1, 3),
			Dilation: pair(t, "dilation", 1, 2), Pad: pad(t)}
		o.Weight = numbers(t, channels*o.Kernel[0]*o.Kernel[1])
		return o, []model.Shape{image(t, channels, 17)}
	},
	"deconv": func(t *rapid.T) (model.Op, []model.Shape) {
		groups := num(t, "groups", 1, 3)
		channels, filters := groups*num(t, "channels", 1, 4), groups*num(t, "filters", 1, 4)
		o := &model.Deconv{Filters: filters, Groups: groups, Kernel: pair(t, "kernel", 1, 4), Stride: pair(t, "stride", 1, 3),
			Pad: pad(t), Act: act(t, filters)}
		o.Extra = [2]int{num(t, "extra", 0, o.Stride[0]-1), num(t, "extra", 0, o.Stride[1]-1)}
		o.Weight = numbers(t, channels*filters/groups*o.Kernel[0]*o.Kernel[1])
		if rapid.Bool().Draw(t, "bias") {
			o.Bias = numbers(t, filters)
		}
		if rapid.Bool().Draw(t, "norm") {
			n := norm(t, filters)
			o.Norm = &n
		}
		return o, []model.Shape{image(t, channels, 7)}
	},
	"norm": func(t *rapid.T) (model.Op, []model.Shape) {
		channels := num(t, "channels", 1, 5)
		return &model.Normalize{Norm: norm(t, channels), Act: act(t, channels)}, []model.Shape{image(t, channels, 6)}
	},
	"act": func(t *rapid.T) (model.Op, []model.Shape) {
		s := shape(t)
		return &model.Activate{Act: act(t, s.Channels())}, []model.Shape{s}
	},
	"maxpool": func(t *rapid.T) (model.Op, []model.Shape) {
		return &model.MaxPool{Size: pair(t, "size", 1, 5), Stride: pair(t, "stride", 1, 3), Pad: pad(t)}, []model.Shape{image(t, 3, 9)}
	},
	"avgpool": func(t *rapid.T) (model.Op, []model.Shape) {
		o := &model.AvgPool{Size: pair(t, "size", 1, 5), Stride: pair(t, "stride", 1, 3), Pad: pad(t),
			CountPad: rapid.Bool().Draw(t, "count")}
		if rapid.Bool().Draw(t, "whole") {
			o = &model.AvgPool{}
		}
		return o, []model.Shape{image(t, 3, 9)}
	},
	"upsample": func(t *rapid.T) (model.Op, []model.Shape) {
		return &model.Upsample{Scale: num(t, "scale", 1, 4)}, []model.Shape{image(t, 3, 6)}
	},
	"add": func(t *rapid.T) (model.Op, []model.Shape) {
		s := shape(t)
		in := []model.Shape{s}
		for range num(t, "more", 1, 3) {
			in = append(in, shrunk(t, s))
		}
		in[0], in[len(in)-1] = in[len(in)-1], in[0]
		return &model.Add{Act: act(t, s.Channels())}, in
	},
	"mul": func(t *rapid.T) (model.Op, []model.Shape) {
		s := shape(t)
		return &model.Mul{}, []model.Shape{shrunk(t, s), shrunk(t, s)}
	},
	"concat": func(t *rapid.T) (model.Op, []model.Shape) {
		s := shape(t)
		axis := num(t, "axis", 0, len(s)-1)
		in := make([]model.Shape, num(t, "values", 1, 3))
		for i := range in {
			in[i] = append(model.Shape(nil), s...)
			in[i][axis] = num(t, "length", 1, 4)
		}
		return &model.Concat{Axis: axis}, in
	},
	"slice": func(t *rapid.T) (model.Op, []model.Shape) {
		s := shape(t)
		axis := num(t, "axis", 0, len(s)-1)
		start := num(t, "start", 0, s[axis]-1)
		return &model.Slice{Axis: axis, Start: start, Count: num(t, "count", 1, s[axis]-start)}, []model.Shape{s}
	},
	"dense": func(t *rapid.T) (model.Op, []model.Shape) {
		s := shape(t)
		o := &model.Dense{In: s[len(s)-1], Out: num(t, "out", 1, 9)}
		o.Act = act(t, o.Out)
		o.Weight = numbers(t, o.In*o.Out)
		if rapid.Bool().Draw(t, "bias") {
			o.Bias = numbers(t, o.Out)
		}
		return o, []model.Shape{s}
	},
	"matmul": func(t *rapid.T) (model.Op, []model.Shape) {
		outer := shape(t)
		m, k, n := num(t, "m", 1, 5), num(t, "k", 1, 5), num(t, "n", 1, 5)
		return &model.MatMul{}, []model.Shape{append(shrunk(t, outer), m, k), append(shrunk(t, outer), k, n)}
	},
	"identity": func(t *rapid.T) (model.Op, []model.Shape) { return &model.Identity{}, []model.Shape{shape(t)} },
	"softmax": func(t *rapid.T) (model.Op, []model.Shape) {
		s := shape(t)
		return &model.Softmax{Axis: num(t, "axis", 0, len(s)-1)}, []model.Shape{s}
	},
	"yolo": func(t *rapid.T) (model.Op, []model.Shape) {
		o := &model.Yolo{Mask: rapid.SliceOfN(rapid.IntRange(0, 2), 1, 3).Draw(t, "mask"),
			Anchors: []float64{10, 13, 16, 30, 33, 23}, Classes: num(t, "classes", 1, 3),
			ScaleXY: rapid.Float64Range(1, 2).Draw(t, "scale"), Input: pair(t, "input", 32, 640)}
		return o, []model.Shape{image(t, len(o.Mask)*(5+o.Classes), 4)}
	},
}

func num(t *rapid.T, name string, from, to int) int { return rapid.IntRange(from, to).Draw(t, name) }

func pair(t *rapid.T, name string, from, to int) [2]int {
	return [2]int{num(t, name, from, to), num(t, name, from, to)}
}

func pad(t *rapid.T) model.Pad {
	return model.Pad{Top: num(t, "top", 0, 3), Left: num(t, "left", 0, 3), Bottom: num(t, "bottom", 0, 3), Right: num(t, "right", 0, 3)}
}

func image(t *rapid.T, channels, side int) model.Shape {
	return model.Shape{1, channels, num(t, "height", 1, side), num(t, "width", 1, side)}
}

// shape is any of one to four dimensions.
func shape(t *rapid.T) model.Shape {
	return rapid.SliceOfN(rapid.IntRange(1, 4), 1, 4).Draw(t, "shape")
}

// shrunk is a shape that can be stretched to s.
func shrunk(t *rapid.T, s model.Shape) model.Shape {
	out := append(model.Shape(nil), s...)
	for i := range out {
		if rapid.Bool().Draw(t, "one") {
			out[i] = 1
		}
	}
	return out[num(t, "left out", 0, len(out)):]
}

func act(t *rapid.T, channels int) model.Act {
	kind := rapid.SampledFrom([]model.ActKind{model.Linear, model.Leaky, model.Relu, model.Relu6, model.Sigmoid, model.Tanh,
		model.Mish, model.Silu, model.HardSwish, model.Gelu, model.Prelu}).Draw(t, "act")
	a := model.Act{Kind: kind}
	if kind == model.Leaky {
		a.Alpha = 0.1
	}
	if kind == model.Prelu {
		a.Slope = numbers(t, rapid.SampledFrom([]int{1, channels}).Draw(t, "slopes"))
	}
	return a
}

func norm(t *rapid.T, channels int) model.Norm {
	n := model.Norm{Scale: numbers(t, channels), Shift: numbers(t, channels), Mean: numbers(t, channels),
		Variance: numbers(t, channels), Epsilon: 1e-3}
	for i, v := range n.Variance {
		n.Variance[i] = v*v + 0.1
	}
	return n
}

// numbers are n from -2 to 2.
func numbers(t *rapid.T, n int) []float32 { return random(rapid.Uint64().Draw(t, "seed"), n) }

// random are n numbers from -2 to 2: drawing each from rapid is slow.
func random(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 0))
	out := make([]float32, n)
	for i := range out {
		out[i] = 4*r.Float32() - 2
	}
	return out
}
