package onnx

import (
	"dashline/model"
	"dashline/model/onnx/pb"
)

func foldTranspose(n *operator) []*literal {
	v := n.input(0).data
	if !n.afford(v.count()) {
		return nil
	}
	order := n.order(len(v.shape))
	from, stride, shape := strides(v.shape), make([]int, len(order)), make(model.Shape, len(order))
	for i, o := range order {
		shape[i], stride[i] = v.shape[o], from[o]
	}
	return n.picked(v, shape, places(shape, stride, 0))
}

func foldConcat(n *operator) []*literal {
	shape := concatRule(n)[0]
	if !n.roomy(shape) {
		return nil
	}
	out := newLiteral(n.input(0).kind, shape)
	var parts []*literal // that hold anything: the others would cost time for nothing
	for _, in := range n.in {
		if in.data.kind != out.kind {
			n.fail("joins values of the types %v and %v", out.kind, in.data.kind)
		}
		if in.data.count() > 0 {
			parts = append(parts, in.data)
		}
	}
	if len(parts) == 0 {
		return []*literal{out}
	}
	axis := n.axis(n.attrInt("axis", 1), len(shape)) // as in concatRule
	for o := range shape[:axis].Elements() {
		for _, v := range parts {
			each := v.shape[axis:].Elements()
			if floats(v.kind) {
				out.floats = append(out.floats, v.floats[o*each:][:each]...)
			} else {
				out.ints = append(out.ints, v.ints[o*each:][:each]...)
			}
		}
	}
	return []*literal{out}
}

func foldSlice(n *operator) []*literal {
	v := n.input(0).data
	shape, stride, offset := sliceRule(n)[0], strides(v.shape), 0
	if !n.roomy(shape) {
		return nil
	}
	for _, c := range n.cuts(v.shape) {
		offset += c.start * stride[c.axis]
		stride[c.axis] *= c.step
	}
	return n.picked(v, shape, places(shape, stride, offset))
}

func foldSplit(n *operator) []*literal {
	v := n.input(0).data
	shapes, stride := splitRule(n), strides(v.shape)
	if !n.afford(v.count()) {
		return nil
	}
	axis := n.axis(n.attrInt("axis", 0), len(v.shape))
	var out []*literal
	at := 0
	for _, s := range shapes {
		out = append(out, n.picked(v, s, places(s, stride, at*stride[axis]))...)
		at += s[axis]
	}
	return out
}

func foldGather(n *operator) []*literal {
	v, indices := n.input(0).data, n.numbers(1)
	shape := gatherRule(n)[0]
	if !n.roomy(shape) {
		return nil
	}
	if shape.Elements() == 0 {
		return n.picked(v, shape, nil)
	}
	axis := n.axis(n.attrInt("axis", 0), len(v.shape))
	length, each := v.shape[axis], v.shape[axis+1:].Elements()
	var from []int
	for o := range v.shape[:axis].Elements() {
		for _, i := range indices {
			at := (o*length + n.index(i, length)) * each
			for k := range each {
				from = append(from, at+k)
			}
		}
	}
	return n.picked(v, shape, from)
}

// index is one into so many, which may count from behind the last.
func (n *operator) index(i int64, length int) int {
	if i < int64(-length) || i >= int64(length) {
		n.fail("takes number %d of %d", i, length)
	}
	if i < 0 {
		i += int64(length)
	}
	return int(i)
}

func foldGatherElements(n *operator) []*literal {
	v, indices := n.input(0).data, n.numbers(1)
	shape := n.shape(1)
	if len(shape) != len(v.shape) || !n.roomy(shape) {
		return nil
	}
	axis, stride := n.axis(n.attrInt("axis", 0), len(shape)), strides(v.shape)
	o := odometer{shape, make([]int, len(shape))}
	from := make([]int, len(indices))
	for i, index := range indices {
		for d, at := range o.at {
			if d != axis && at >= v.shape[d] {
				n.fail("indices of %v do not fit to %v", shape, v.shape)
			}
			if d != axis {
				from[i] += at * stride[d]
			}
		}
		from[i] += n.index(index, v.shape[axis]) * stride[axis]
		o.step()
	}
	return n.picked(v, shape, from)
}

func foldExpand(n *operator) []*literal {
	shape := rules["Expand"](n)[0]
	if !n.roomy(shape) {
		return nil
	}
	v := n.input(0).data
	return n.picked(v, shape, places(shape, stretched(v.shape, shape), 0))
}

func foldTile(n *operator) []*literal {
	shape := tileRule(n)[0]
	if !n.roomy(shape) {
		return nil
	}
	v := n.input(0).data
	o, stride := odometer{shape, make([]int, len(shape))}, strides(v.shape)
	from := make([]int, shape.Elements())
	for i := range from {
		for d, at := range o.at {
			from[i] += at % v.shape[d] * stride[d]
		}
		o.step()
	}
	return n.picked(v, shape, from)
}

func foldWhere(n *operator) []*literal {
	cond, yes, no := n.literal(0), n.literal(1), n.literal(2)
	shape := n.broadcast(cond.shape, yes.shape, no.shape)
	if floats(cond.kind) || floats(yes.kind) != floats(no.kind) || !n.roomy(shape) {
		return nil
	}
	c := places(shape, stretched(cond.shape, shape), 0)
	y := n.picked(yes, shape, places(shape, stretched(yes.shape, shape), 0))[0]
	other := n.picked(no, shape, places(shape, stretched(no.shape, shape), 0))[0]
	for i, at := range c {
		switch {
		case cond.ints[at] != 0:
		case floats(yes.kind):
			y.floats[i] = other.floats[i]
		default:
			y.ints[i] = other.ints[i]
		}
	}
	return []*literal{y}
}

func foldConstantOfShape(n *operator) []*literal {
	shape := rules["ConstantOfShape"](n)[0]
	value := newLiteral(float32Kind, model.Shape{1})
	value.floats = []float32{0}
	if a := attribute(n.proto, "value"); a != nil && a.T != nil {
		var err error
		if value, err = decode(a.T); err != nil || value.count() != 1 {
			n.fail("its value is not one number")
		}
	}
	if value.source != nil || !n.roomy(shape) {
		return nil
	}
	return n.picked(value, shape, make([]int, shape.Elements()))
}

func foldRange(n *operator) []*literal {
	shape := rangeRule(n)[0]
	if !n.roomy(shape) {
		return nil
	}
	start, step := n.literal(0), n.literal(2)
	out := newLiteral(start.kind, shape)
	for i := range shape[0] {
		if floats(start.kind) {
			out.floats = append(out.floats, start.floats[0]+float32(i)*step.floats[0])
		} else {
			out.ints = append(out.ints, narrowed(start.kind, start.ints[0]+int64(i)*step.ints[0]))
		}
	}
	return []*literal{out}
}

func foldScatterND(n *operator) []*literal {
	v, indices, updates := n.literal(0), n.numbers(1), n.literal(2)
	at := n.rank(1, 1)
	depth := at[len(at)-1]
	if floats(v.kind) != floats(updates.kind) || depth < 1 || depth > len(v.shape) || n.attrText("reduction", "none") != "none" {
		return nil
	}
	each, stride := v.shape[depth:].Elements(), strides(v.shape)
	count := at[:len(at)-1].Elements()
	if updates.count() != count*each || !n.afford(v.count()) {
		n.fail("writes %v at %v of %v", updates.shape, at, v.shape)
	}
	out := n.picked(v, v.shape, places(v.shape, stride, 0))[0]
	for i := range count {
		place := 0
		for d := range depth {
			place += n.index(indices[i*depth+d], v.shape[d]) * stride[d]
		}
		if floats(v.kind) {
			copy(out.floats[place:][:each], updates.floats[i*each:])
		} else {
			copy(out.ints[place:][:each], updates.ints[i*each:])
		}
	}
	return []*literal{out}
}

func foldNonZero(n *operator) []*literal {
	v := n.input(0).data
	rank := len(v.shape)
	if rank == 0 || !n.afford(v.count()*rank) {
		return nil
	}
	var found [][]int
	o := odometer{v.shape, make([]int, rank)}
	for i := range v.count() {
		if floats(v.kind) && v.floats[i] != 0 || !floats(v.kind) && v.ints[i] != 0 {
			found = append(found, append([]int(nil), o.at...))
		}
		o.step()
	}
	ints := []int64{}
	for d := range rank {
		for _, at := range found {
			ints = append(ints, int64(at[d]))
		}
	}
	return n.result(pb.TensorProto_INT64, model.Shape{rank, len(found)}, nil, ints)
}
