package prune_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"dashline/model"
)

// net builds networks with random weights, layer after layer.
type net struct {
	g *model.Graph
	r *rand.Rand
}

func newNet(seed uint64) *net {
	return &net{g: &model.Graph{Name: "test"}, r: rand.New(rand.NewPCG(seed, 0))}
}

// add gives a layer a name of its kind and number, and is its number.
func (n *net) add(op model.Op, from ...int) int {
	i := len(n.g.Layers)
	n.g.Layers = append(n.g.Layers, model.Layer{Name: fmt.Sprintf("%s%d", model.Kind(op), i), Op: op, From: from})
	if err := n.g.Infer(); err != nil {
		panic(err) // the test itself is wrong
	}
	return i
}

func (n *net) channels(i int) int { return n.g.Layers[i].Shape.Channels() }

func (n *net) input(c, h, w int) int { return n.add(&model.Input{Shape: model.Shape{1, c, h, w}}) }

func (n *net) floats(count int, lo, hi float32) []float32 {
	f := make([]float32, count)
	for i := range f {
		f[i] = lo + (hi-lo)*n.r.Float32()
	}
	return f
}

func (n *net) norm(c int) *model.Norm {
	return &model.Norm{Scale: n.floats(c, 0.5, 1.5), Shift: n.floats(c, -0.5, 0.5),
		Mean: n.floats(c, -0.5, 0.5), Variance: n.floats(c, 0.5, 1.5), Epsilon: 1e-5}
}

func (n *net) act(kind model.ActKind, c int) model.Act {
	switch kind {
	case model.Leaky:
		return model.Act{Kind: kind, Alpha: 0.1}
	case model.Prelu:
		return model.Act{Kind: kind, Slope: n.floats(c, 0, 0.5)}
	}
	return model.Act{Kind: kind}
}

// conv is a convolution that keeps height and width, with a bias and, where
// norm, a normalisation.
func (n *net) conv(from, filters, size, groups int, norm bool, act model.ActKind) int {
	per := n.channels(from) / groups
	o := &model.Conv{Filters: filters, Groups: groups, Kernel: [2]int{size, size}, Stride: [2]int{1, 1},
		Dilation: [2]int{1, 1}, Pad: model.Pad{Top: size / 2, Left: size / 2, Bottom: size / 2, Right: size / 2},
		Weight: n.floats(filters*per*size*size, -1, 1), Bias: n.floats(filters, -1, 1), Act: n.act(act, filters)}
	if norm {
		o.Norm = n.norm(filters)
	}
	return n.add(o, from)
}

func (n *net) deconv(from, filters, groups int) int {
	return n.add(&model.Deconv{Filters: filters, Groups: groups, Kernel: [2]int{2, 2}, Stride: [2]int{2, 2},
		Weight: n.floats(n.channels(from)*filters/groups*4, -1, 1), Bias: n.floats(filters, -1, 1)}, from)
}

func (n *net) constant(shape ...int) int {
	return n.add(&model.Const{Value: &model.Tensor{Shape: shape, Type: model.Float32,
		Floats: n.floats(model.Shape(shape).Elements(), -1, 1)}})
}

func (n *net) relu(from, filters, size int) int {
	return n.conv(from, filters, size, 1, true, model.Relu)
}

func (n *net) depthwise(from, multiplier int) int {
	c := n.channels(from)
	return n.conv(from, c*multiplier, 3, c, true, model.Relu)
}

func (n *net) sum(act model.ActKind, of ...int) int {
	return n.add(&model.Add{Act: n.act(act, n.channels(of[0]))}, of...)
}

func (n *net) concat(of ...int) int { return n.add(&model.Concat{Axis: 1}, of...) }

func (n *net) slice(from, start, count int) int {
	return n.add(&model.Slice{Axis: 1, Start: start, Count: count}, from)
}

func (n *net) done(t interface{ Fatal(...any) }, outputs ...int) *model.Graph {
	n.g.Outputs = outputs
	if err := n.g.Validate(); err != nil {
		t.Fatal(err)
	}
	return n.g
}

// residual is a stem, two blocks of shortcuts and a head.
func residual(t testing.TB) *model.Graph {
	n := newNet(1)
	stem := n.relu(n.input(3, 8, 8), 16, 3) // 1
	inner := n.relu(stem, 8, 1)             // 2
	outer := n.relu(inner, 16, 3)           // 3
	a := n.sum(model.Linear, stem, outer)   // 4
	inner = n.relu(a, 12, 1)                // 5
	outer = n.relu(inner, 16, 3)            // 6
	b := n.sum(model.Relu, a, outer)        // 7
	return n.done(t, n.conv(b, 5, 1, 1, false, model.Linear))
}

// inverted is two inverted residuals of MobileNetV2 (Sandler et al. 2018,
// arXiv:1801.04381), the second with a depth multiplier.
func inverted(t testing.TB) *model.Graph {
	n := newNet(2)
	stem := n.conv(n.input(3, 8, 8), 8, 3, 1, true, model.Linear) // 1
	up := n.relu(stem, 24, 1)                                     // 2
	deep := n.depthwise(up, 1)                                    // 3
	down := n.conv(deep, 8, 1, 1, true, model.Linear)             // 4
	sum := n.sum(model.Linear, stem, down)                        // 5
	up = n.relu(sum, 16, 1)                                       // 6
	deep = n.depthwise(up, 2)                                     // 7
	down = n.conv(deep, 12, 1, 1, true, model.Linear)             // 8
	return n.done(t, n.conv(down, 5, 1, 1, false, model.Linear))
}

// partial is a block of yolov4-tiny: half of a layer goes on alone and is joined
// again (Wang et al. 2020, arXiv:2011.08036).
func partial(t testing.TB) *model.Graph {
	n := newNet(3)
	whole := n.relu(n.input(3, 8, 8), 16, 3) // 1
	half := n.slice(whole, 8, 8)             // 2
	a := n.relu(half, 8, 3)                  // 3
	b := n.relu(a, 8, 3)                     // 4
	joined := n.relu(n.concat(b, a), 16, 1)  // 5, 6
	all := n.concat(whole, joined)           // 7
	return n.done(t, n.conv(all, 5, 1, 1, false, model.Linear))
}

// heads is the neck of YOLOv3-tiny: a head, and another that reads an upsampled
// layer and an early one.
func heads(t testing.TB) *model.Graph {
	n := newNet(4)
	early := n.relu(n.input(3, 8, 8), 8, 3)                                             // 1
	pool := n.add(&model.MaxPool{Size: [2]int{2, 2}, Stride: [2]int{2, 2}}, early)      // 2
	late := n.relu(pool, 16, 3)                                                         // 3
	first := n.add(yolo([]int{2, 3}), n.conv(late, 14, 1, 1, false, model.Linear))      // 4, 5
	up := n.add(&model.Upsample{Scale: 2}, n.relu(late, 8, 1))                          // 6, 7
	second := n.conv(n.relu(n.concat(up, early), 16, 3), 14, 1, 1, false, model.Linear) // 8, 9, 10
	return n.done(t, first, n.add(yolo([]int{0, 1}), second))
}

func yolo(mask []int) *model.Yolo {
	return &model.Yolo{Mask: mask, Anchors: []float64{1, 2, 2, 3, 4, 4, 6, 5}, Classes: 2, ScaleXY: 1, Input: [2]int{8, 8}}
}

// grouped is a convolution in 3 groups, 4 channels and 2 filters each.
func grouped(t testing.TB) *model.Graph {
	n := newNet(5)
	x := n.conv(n.relu(n.input(3, 4, 4), 12, 3), 6, 3, 3, true, model.Relu)
	return n.done(t, n.conv(x, 5, 1, 1, false, model.Linear))
}

// gathered is a convolution in 4 groups, 3 channels and 1 filter each.
func gathered(t testing.TB) *model.Graph {
	n := newNet(6)
	x := n.conv(n.relu(n.input(3, 4, 4), 12, 3), 4, 3, 4, true, model.Relu)
	return n.done(t, n.conv(x, 5, 1, 1, false, model.Linear))
}

// uneven reads 5 of 8 channels apart.
func uneven(t testing.TB) *model.Graph {
	n := newNet(7)
	x := n.relu(n.input(3, 4, 4), 8, 3)
	part := n.slice(x, 2, 5)
	return n.done(t, n.conv(x, 5, 1, 1, false, model.Linear), n.conv(part, 4, 1, 1, false, model.Linear))
}

// squeezed weighs channels by what they are on average (Hu et al. 2018,
// arXiv:1709.01507), and by a constant.
func squeezed(t testing.TB) *model.Graph {
	n := newNet(8)
	x := n.relu(n.input(3, 4, 4), 8, 3)                        // 1
	mean := n.add(&model.AvgPool{}, x)                         // 2
	few := n.conv(mean, 2, 1, 1, false, model.Relu)            // 3
	gate := n.conv(few, 8, 1, 1, false, model.Sigmoid)         // 4
	weighed := n.add(&model.Mul{}, x, gate)                    // 5
	again := n.add(&model.Mul{}, weighed, n.constant(8, 1, 1)) // 6, 7
	return n.done(t, n.conv(again, 5, 1, 1, false, model.Linear))
}

// unknown has an operator that nothing is known of.
func unknown(t testing.TB) *model.Graph {
	n := newNet(9)
	x := n.relu(n.input(3, 4, 4), 8, 3)
	shuffled := n.add(&model.Generic{Type: "Shuffle", Value: model.Shape{1, 8, 4, 4}}, x)
	return n.done(t, n.conv(shuffled, 5, 1, 1, false, model.Linear))
}

// entangled adds what a softmax reads to an earlier layer.
func entangled(t testing.TB) *model.Graph {
	n := newNet(10)
	in := n.input(3, 4, 4)
	a, b := n.relu(in, 8, 1), n.relu(in, 8, 1)
	n.add(&model.Softmax{Axis: 1}, b)
	one := n.relu(n.sum(model.Linear, a, b), 1, 1)
	return n.done(t, n.conv(one, 5, 1, 1, false, model.Linear))
}
