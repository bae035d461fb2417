package onnx

import (
	"math"
	"slices"
	"strings"

	"dashline/model"
)

func reshapeRule(n *operator) []model.Shape {
	x := n.shape(0)
	want := n.attrInts("shape") // before opset 5
	if want == nil {
		want = n.sizes(1)
	}
	out, open, rest := make(model.Shape, len(want)), -1, 1
	for i, d := range want {
		switch {
		case d == 0 && n.attrInt("allowzero", 0) == 0:
			if i >= len(x) {
				n.fail("keeps dimension %d of %v", i, x)
			}
			d = x[i]
		case d == -1 && open < 0:
			open = i
			continue
		case d < 0:
			n.fail("cannot make %v of %v", want, x)
		}
		if out[i] = d; d > 0 && rest > model.MaxElements/d {
			n.fail("cannot make %v of %v", want, x)
		}
		rest *= d
	}
	total := x.Elements()
	if open >= 0 && rest > 0 {
		out[open] = total / rest
		rest *= out[open]
	}
	if rest != total {
		n.fail("cannot make %v of %v", want, x)
	}
	return one(out)
}

func flattenRule(n *operator) []model.Shape {
	x := n.shape(0)
	axis := n.attrInt("axis", 1)
	if axis != len(x) {
		axis = n.axis(axis, len(x))
	}
	return one([]int{x[:axis].Elements(), x[axis:].Elements()})
}

func squeezeRule(n *operator) []model.Shape {
	x := n.shape(0)
	axes := n.axes(1, len(x))
	out := model.Shape{}
	for i, d := range x {
		drop := slices.Contains(axes, i)
		if drop && d != 1 {
			n.fail("drops dimension %d of %v", i, x)
		}
		if axes == nil {
			drop = d == 1
		}
		if !drop {
			out = append(out, d)
		}
	}
	return one(out)
}

func unsqueezeRule(n *operator) []model.Shape {
	x := n.shape(0)
	count := len(n.attrInts("axes"))
	if n.maybe(1) != nil {
		count = len(n.sizes(1))
	}
	if count > maxRank {
		n.fail("adds %d dimensions", count)
	}
	out := slices.Clone(x)
	for _, a := range n.axes(1, len(x)+count) {
		out = slices.Insert(out, a, 1)
	}
	return one(out)
}

// order is how a Transpose takes its dimensions.
func (n *operator) order(rank int) []int {
	order := n.attrInts("perm")
	if order == nil {
		for i := range rank {
			order = append(order, rank-1-i)
		}
	}
	seen := make([]bool, rank)
	for _, o := range order {
		if o < 0 || o >= rank || seen[o] || len(order) != rank {
			n.fail("cannot put %d dimensions in the order %v", rank, order)
		}
		seen[o] = true
	}
	return order
}

func transposeRule(n *operator) []model.Shape {
	x := n.shape(0)
	out := model.Shape{}
	for _, o := range n.order(len(x)) {
		out = append(out, x[o])
	}
	return one(out)
}

func expandRule(n *operator) []model.Shape {
	to := n.sizes(1)
	for _, d := range to {
		if d < 0 {
			n.fail("cannot expand to %v", to)
		}
	}
	return one(n.broadcast(n.shape(0), to))
}

func tileRule(n *operator) []model.Shape {
	x, times := n.shape(0), n.sizes(1)
	if len(times) != len(x) {
		n.fail("repeats %v by %v", x, times)
	}
	out := slices.Clone(x)
	for i, t := range times {
		if t < 0 {
			n.fail("repeats %v by %v", x, times)
		}
		out[i] *= t
	}
	return one(out)
}

func concatRule(n *operator) []model.Shape {
	x := n.rank(0, 1)
	axis := n.axis(n.attrInt("axis", 1), len(x)) // opset 1 had a default
	out := slices.Clone(x)
	for i := 1; i < len(n.in); i++ {
		s := n.shape(i)
		if len(s) != len(x) {
			n.fail("joins %v and %v", x, s)
		}
		for d := range s {
			if d != axis && s[d] != x[d] {
				n.fail("joins %v and %v along dimension %d", x, s, axis)
			}
		}
		out[axis] += s[axis]
	}
	return one(out)
}

// splitRule splits evenly, the last part being smaller where it must, or as an
// attribute or, in newer opsets, an input says.
func splitRule(n *operator) []model.Shape {
	x := n.rank(0, 1)
	axis := n.axis(n.attrInt("axis", 0), len(x))
	parts := n.attrInts("split")
	if parts == nil && n.maybe(1) != nil {
		parts = n.sizes(1)
	}
	if parts == nil {
		count := n.attrInt("num_outputs", len(n.proto.Output))
		if count < 1 || count > x[axis] || count != len(n.proto.Output) {
			n.fail("splits %d into %d for %d results", x[axis], count, len(n.proto.Output))
		}
		each := (x[axis] + count - 1) / count
		for left := x[axis]; left > 0; left -= each {
			parts = append(parts, min(each, left))
		}
	}
	var out []model.Shape
	left := x[axis]
	for _, p := range parts {
		s := slices.Clone(x)
		s[axis] = p
		out = append(out, s)
		if left -= p; p < 0 || left < 0 {
			n.fail("splits %d into %v", x[axis], parts)
		}
	}
	if left != 0 || len(parts) < len(n.proto.Output) {
		n.fail("splits %d into %v for %d results", x[axis], parts, len(n.proto.Output))
	}
	return out
}

// cut is what a Slice takes along one dimension: count numbers, a step apart.
type cut struct{ axis, start, step, count int }

// cuts are those of a Slice of a value of shape x.
func (n *operator) cuts(x model.Shape) []cut {
	list := func(i int, name string) []int64 {
		if n.opset() < 10 {
			if a := attribute(n.proto, name); a != nil {
				return a.Ints
			}
			return nil
		}
		if n.maybe(i) == nil {
			return nil
		}
		return n.numbers(i)
	}
	starts, ends, axes, steps := list(1, "starts"), list(2, "ends"), list(3, "axes"), list(4, "steps")
	if axes == nil {
		for i := range starts {
			axes = append(axes, int64(i))
		}
	}
	if steps == nil {
		steps = slices.Repeat([]int64{1}, len(starts))
	}
	if len(ends) != len(starts) || len(axes) != len(starts) || len(steps) != len(starts) {
		n.fail("has %d starts, %d ends, %d axes and %d steps", len(starts), len(ends), len(axes), len(steps))
	}
	var out []cut
	for i, a := range n.bounded(axes) {
		c := cut{axis: n.axis(a, len(x))}
		length := int64(x[c.axis])
		step := min(max(steps[i], -math.MaxInt32), math.MaxInt32)
		if step == 0 || slices.ContainsFunc(out, func(o cut) bool { return o.axis == c.axis }) {
			n.fail("cuts dimension %d twice or in steps of zero", c.axis)
		}
		start, end := fromEnd(starts[i], length), fromEnd(ends[i], length)
		if step > 0 {
			start, end = min(max(start, 0), length), min(max(end, 0), length)
			c.count = int(max(end-start+step-1, 0) / step)
		} else {
			start, end = min(max(start, 0), length-1), min(max(end, -1), length-1)
			c.count = int(max(start-end-step-1, 0) / -step)
		}
		c.start, c.step = int(start), int(step)
		out = append(out, c)
	}
	return out
}

// fromEnd counts from behind the last where i is below zero.
func fromEnd(i, length int64) int64 {
	if i < 0 {
		return i + length
	}
	return i
}

func sliceRule(n *operator) []model.Shape {
	out := slices.Clone(n.shape(0))
	for _, c := range n.cuts(out) {
		out[c.axis] = c.count
	}
	return one(out)
}

func padRule(n *operator) []model.Shape {
	x := n.shape(0)
	pads := n.attrInts("pads")
	if pads == nil {
		pads = n.attrInts("paddings") // opset 1
	}
	if n.opset() >= 11 {
		pads = n.sizes(1)
	}
	var axes []int
	if n.maybe(3) != nil {
		for _, a := range n.sizes(3) {
			axes = append(axes, n.axis(a, len(x)))
		}
	} else {
		for i := range x {
			axes = append(axes, i)
		}
	}
	if len(pads) != 2*len(axes) {
		n.fail("has %d pads for %d dimensions", len(pads), len(axes))
	}
	out := slices.Clone(x)
	for i, a := range axes {
		out[a] += pads[i] + pads[len(axes)+i]
	}
	return one(out)
}

// block is the side of the squares that become channels, or channels that become squares.
func (n *operator) block() (model.Shape, int) {
	x, b := n.rank(0, 4), n.attrInt("blocksize", 0)
	if b < 1 || b > 1<<14 || len(x) != 4 {
		n.fail("moves blocks of %d of %v", b, x)
	}
	return x, b
}

func depthToSpaceRule(n *operator) []model.Shape {
	x, b := n.block()
	if x[1]%(b*b) != 0 {
		n.fail("moves blocks of %d of %v", b, x)
	}
	return one([]int{x[0], x[1] / (b * b), x[2] * b, x[3] * b})
}

func spaceToDepthRule(n *operator) []model.Shape {
	x, b := n.block()
	if x[2]%b != 0 || x[3]%b != 0 {
		n.fail("moves blocks of %d of %v", b, x)
	}
	return one([]int{x[0], x[1] * b * b, x[2] / b, x[3] / b})
}

// equation takes an einsum apart: the letters of each input, and of the result,
// which are those that occur once where none are given.
func equation(s string) (in []string, out string, ok bool) {
	left, out, given := strings.Cut(strings.ReplaceAll(s, " ", ""), "->")
	in = strings.Split(left, ",")
	for _, c := range strings.ReplaceAll(left, ",", "") + out {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return nil, "", false
		}
	}
	if !given {
		for c := byte('A'); c <= 'z'; c++ {
			if strings.Count(left, string(c)) == 1 {
				out += string(c)
			}
		}
	}
	return in, out, true
}
