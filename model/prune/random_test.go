package prune_test

import (
	"math"

	"pgregory.net/rapid"

	"dashline/model"
)

// random draws a network: a stem, then layers and blocks that read any values
// before them, then heads.
func random(t *rapid.T) *model.Graph {
	n := &drawn{net: newNet(rapid.Uint64().Draw(t, "weights")), t: t}
	in := n.input(rapid.IntRange(1, 3).Draw(t, "colours"), 8, 8)
	n.live = []int{n.drawConv(in)}
	for range rapid.IntRange(1, 12).Draw(t, "steps") {
		n.live = append(n.live, n.step())
	}
	n.tame()
	return n.done(t, n.heads()...)
}

type drawn struct {
	*net
	t    *rapid.T
	live []int
	// outputs are side exits: what they read has to stay.
	outputs []int
}

func (n *drawn) upTo(most int, what string) int { return rapid.IntRange(1, most).Draw(n.t, what) }
func (n *drawn) coin(what string) bool          { return rapid.Bool().Draw(n.t, what) }

// any is one of the values so far, late ones first when shrunk.
func (n *drawn) any() int {
	return n.live[len(n.live)-n.upTo(len(n.live), "value")]
}

func (n *drawn) anyAct() model.ActKind {
	return rapid.SampledFrom([]model.ActKind{model.Linear, model.Leaky, model.Relu, model.Sigmoid, model.Prelu,
		model.Tanh, model.Mish, model.Silu, model.HardSwish, model.Relu6, model.Gelu}).Draw(n.t, "act")
}

func (n *drawn) drawConv(from int) int {
	return n.conv(from, n.upTo(12, "filters"), 2*n.upTo(2, "size")-1, 1, n.coin("norm"), n.anyAct())
}

// groups is a number that divides c.
func (n *drawn) groups(c int) int {
	g := n.upTo(c, "groups")
	for c%g != 0 {
		g--
	}
	return g
}

func (n *drawn) step() int {
	x := n.any()
	c, l := n.channels(x), n.g.Layers[x]
	even := min(l.Shape.Height(), l.Shape.Width()) >= 2
	switch kind := rapid.IntRange(0, 20).Draw(n.t, "kind"); kind {
	case 0:
		return n.drawConv(x)
	case 1:
		g := n.groups(c)
		return n.conv(x, g*n.upTo(3, "filters"), 3, g, n.coin("norm"), n.anyAct())
	case 2:
		return n.conv(x, c*n.upTo(2, "multiplier"), 3, c, n.coin("norm"), n.anyAct())
	case 3:
		return n.residual(x, 2)
	case 4:
		return n.gate(x)
	case 5:
		return n.twin(x, func(a, b int) int { return n.sum(n.anyAct(), a, b) })
	case 6:
		return n.twin(x, func(a, b int) int { return n.add(&model.Mul{}, a, b) })
	case 7:
		return n.join(x)
	case 8:
		parts := n.groups(c)
		return n.slice(x, c/parts*(n.upTo(parts, "part")-1), c/parts)
	case 9:
		start := n.upTo(c, "start") - 1
		return n.slice(x, start, n.upTo(c-start, "count"))
	case 10:
		if even {
			return n.add(&model.MaxPool{Size: [2]int{2, 2}, Stride: [2]int{2, 2}}, x)
		}
		return n.add(&model.Identity{}, x)
	case 11:
		return n.add(&model.AvgPool{Size: [2]int{3, 3}, Stride: [2]int{1, 1}, CountPad: true,
			Pad: model.Pad{Top: 1, Left: 1, Bottom: 1, Right: 1}}, x)
	case 12:
		return n.add(&model.Upsample{Scale: 2}, n.small(x))
	case 13:
		g := n.groups(c)
		return n.deconv(n.small(x), g*n.upTo(3, "filters"), g)
	case 14:
		shape := rapid.SampledFrom([][]int{{c, 1, 1}, {1, c, 1, 1}, {1}, {1, 1}, {1, l.Shape.Height(), 1}}).Draw(n.t, "constant")
		if n.coin("sum") {
			return n.sum(model.Linear, x, n.constant(shape...))
		}
		return n.add(&model.Mul{}, n.constant(shape...), x)
	case 15:
		return n.add(&model.Mul{}, x, n.conv(x, 1, 1, 1, false, model.Sigmoid))
	case 16:
		return n.add(&model.Normalize{Norm: *n.norm(c), Act: n.act(n.anyAct(), c)}, x)
	case 17:
		axis := 1 + n.upTo(2, "axis")
		return n.twin(x, func(a, b int) int { return n.add(&model.Concat{Axis: axis}, a, b) })
	case 18:
		axis := 1 + n.upTo(2, "axis")
		return n.add(&model.Slice{Axis: axis, Start: l.Shape[axis] / 2, Count: (l.Shape[axis] + 1) / 2}, x)
	case 19:
		n.outputs = append(n.outputs, n.add(&model.Softmax{Axis: 1}, x))
		return x
	}
	return n.add(&model.Activate{Act: n.act(n.anyAct(), c)}, x)
}

// small is a value made no larger than 4x4, so that it may grow.
func (n *drawn) small(x int) int {
	for s := n.g.Layers[x].Shape; s.Height() > 4 || s.Width() > 4; s = n.g.Layers[x].Shape {
		x = n.add(&model.MaxPool{Size: [2]int{1, 1}, Stride: [2]int{2, 2}}, x)
	}
	return x
}

// residual is a block with a shortcut, other blocks in it.
func (n *drawn) residual(x, depth int) int {
	y := n.drawConv(x)
	if n.coin("depthwise") {
		y = n.depthwise(y, 1)
	}
	if depth > 0 && n.coin("nested") {
		y = n.residual(y, depth-1)
	}
	y = n.conv(y, n.channels(x), 1, 1, n.coin("norm"), model.Linear)
	return n.sum(n.anyAct(), x, y)
}

// gate is squeeze and excitation.
func (n *drawn) gate(x int) int {
	few := n.conv(n.add(&model.AvgPool{}, x), n.upTo(4, "filters"), 1, 1, false, model.Relu)
	return n.add(&model.Mul{}, n.conv(few, n.channels(x), 1, 1, false, model.Sigmoid), x)
}

// twin combines x with another value of its shape, or with itself.
func (n *drawn) twin(x int, f func(a, b int) int) int {
	y := n.any()
	if !n.g.Layers[y].Shape.Equal(n.g.Layers[x].Shape) {
		y = x
	}
	return f(x, y)
}

// join is a route: a value, and upsampled or not another of its size.
func (n *drawn) join(x int) int {
	y := n.any()
	a, b := n.g.Layers[x].Shape, n.g.Layers[y].Shape
	if b.Height()*2 == a.Height() && b.Width()*2 == a.Width() {
		y = n.add(&model.Upsample{Scale: 2}, y)
	} else if b.Height() != a.Height() || b.Width() != a.Width() {
		y = x
	}
	if n.coin("three") {
		return n.concat(y, x, y)
	}
	return n.concat(x, y)
}

// heads read the last value and some others.
func (n *drawn) heads() []int {
	outputs := append(n.outputs, n.conv(n.live[len(n.live)-1], 3, 1, 1, false, model.Linear))
	for range rapid.IntRange(0, 2).Draw(n.t, "heads") {
		head := n.conv(n.any(), 14, 1, 1, false, model.Linear)
		outputs = append(outputs, n.add(yolo([]int{1, 3}), head))
	}
	return outputs
}

// tame keeps values near one, however deep: weights are divided by the root of how
// many are summed.
func (n *drawn) tame() {
	for i := range n.g.Layers {
		switch o := n.g.Layers[i].Op.(type) {
		case *model.Conv:
			scale(o.Weight, len(o.Weight)/o.Filters)
		case *model.Deconv:
			scale(o.Weight, n.channels(n.g.Layers[i].From[0])/o.Groups)
		}
	}
}

func scale(w []float32, summed int) {
	for i := range w {
		w[i] /= float32(math.Sqrt(float64(summed)))
	}
}
