package onnx

import (
	"fmt"
	"slices"

	"dashline/model"
)

// emit makes layers of the node: of kinds of the IR's own where it has them and
// they give the same shape, and else a generic one with one for each other result.
func (n *operator) emit(shapes []model.Shape) {
	if n.parts(shapes) {
		return
	}
	others := false
	for i := 1; i < len(n.proto.Output); i++ {
		others = others || n.used(i)
	}
	if !others && n.real() {
		if op, reads := n.typed(); op != nil && n.agrees(op, reads, shapes[0]) {
			n.publish(0, n.r.add(n.proto.Output[0], op, shapes[0], n.layers(reads)...), shapes[0])
			return
		}
	}
	var reads []int
	for i, v := range n.in {
		if v != nil {
			reads = append(reads, i)
		}
	}
	name := n.proto.Output[0]
	if name == "" {
		name = n.r.fresh(fmt.Sprintf("%s_%d", n.proto.OpType, len(n.r.layers)))
	}
	g := &model.Generic{Type: n.proto.OpType, Value: shapes[0], More: shapes[1:], Source: n.proto}
	if n.op() == n.proto.OpType { // other domains count by themselves
		g.Version = int(n.opset())
	}
	first := n.r.add(name, g, shapes[0], n.layers(reads)...)
	n.publish(0, first, shapes[0])
	for i, s := range shapes {
		if i > 0 && n.proto.Output[i] != "" {
			n.publish(i, n.r.add(n.proto.Output[i], &model.Result{Index: i}, s, first), s)
		}
	}
}

// publish makes a layer's value a result of the node.
func (n *operator) publish(result, layer int, shape model.Shape) {
	if name := n.proto.Output[result]; name != "" {
		n.r.values.set(name, &known{shape: shape, kind: n.resultType(result), layer: layer})
	}
}

// layers are those of inputs.
func (n *operator) layers(inputs []int) []int {
	var out []int
	for _, i := range inputs {
		at, err := n.r.layer(n.proto.Input[i], n.input(i))
		if err != nil {
			panic(failure{err})
		}
		out = append(out, at)
	}
	return out
}

// real says whether the node computes with what the IR computes with: with
// whole numbers it stays as it is.
func (n *operator) real() bool {
	return len(n.in) > 0 && n.in[0] != nil && (floating(n.in[0].kind) || n.in[0].kind == bfloat16Kind)
}

// agrees says whether the operation may read what the node reads and gives a
// value of that shape.
func (n *operator) agrees(op model.Op, reads []int, want model.Shape) bool {
	g := &model.Graph{}
	var from []int
	for _, i := range reads {
		from = append(from, len(g.Layers))
		g.Layers = append(g.Layers, model.Layer{Op: &model.Input{Shape: n.shape(i)}})
	}
	g.Layers = append(g.Layers, model.Layer{Op: op, From: from})
	return g.Infer() == nil && g.Layers[len(from)].Shape.Equal(want)
}

// floats are the numbers of a constant input as a layer's own, or nil.
func (n *operator) floats(i int) []float32 {
	v := n.maybe(i)
	if v == nil || v.data == nil || !floats(v.kind) || v.data.count() == 0 {
		return nil
	}
	own := v.data.reshaped(v.data.shape)
	if !n.r.own(own) {
		return nil
	}
	return own.floats
}

// scalar is the number that a constant input is.
func (n *operator) scalar(i int) (float32, bool) {
	v := n.maybe(i)
	if v == nil || v.data == nil || len(v.data.floats) != 1 {
		return 0, false
	}
	return v.data.floats[0], true
}

// typed is the node as an operation of the IR, and which inputs that reads; nil
// where there is none.
func (n *operator) typed() (model.Op, []int) {
	first := []int{0}
	switch n.op() {
	case "Conv":
		return n.conv(), first
	case "ConvTranspose":
		return n.deconv(), first
	case "BatchNormalization":
		return n.norm(), first
	case "Gemm":
		return n.gemm(), first
	case "MatMul":
		if op := n.dense(); op != nil {
			return op, first
		}
		return &model.MatMul{}, []int{0, 1}
	case "MaxPool":
		if x, w := n.pooled(); len(x) == 4 && slices.Max(w.dilation) == 1 {
			return &model.MaxPool{Size: pair(w.size), Stride: pair(w.stride), Pad: around(w)}, first
		}
	case "AveragePool":
		if x, w := n.pooled(); len(x) == 4 && slices.Max(w.dilation) == 1 {
			count := n.attrInt("count_include_pad", 0) != 0
			return &model.AvgPool{Size: pair(w.size), Stride: pair(w.stride), Pad: around(w), CountPad: count}, first
		}
	case "GlobalAveragePool":
		return &model.AvgPool{}, first
	case "ReduceMean":
		if x := n.shape(0); len(x) == 4 && slices.Equal(n.axes(1, 4), []int{2, 3}) {
			return &model.AvgPool{}, first
		}
	case "Resize", "Upsample":
		if s := n.upscale(); s > 0 {
			return &model.Upsample{Scale: s}, first
		}
	case "Add", "Sum":
		if len(n.in) > 1 {
			return &model.Add{}, n.all()
		}
		return &model.Identity{}, first
	case "Mul":
		return &model.Mul{}, n.all()
	case "Concat":
		return &model.Concat{Axis: n.axis(n.attrInt("axis", 1), len(n.shape(0)))}, n.all()
	case "Softmax":
		if axis, ok := n.softmax(); ok {
			return &model.Softmax{Axis: axis}, first
		}
	case "Identity", "Dropout":
		return &model.Identity{}, first
	}
	if act, ok := n.act(); ok {
		return &model.Activate{Act: act}, first
	}
	return nil, nil
}

func (n *operator) all() []int {
	out := make([]int, len(n.in))
	for i := range out {
		out[i] = i
	}
	return out
}

func pair(v []int) [2]int { return [2]int{v[0], v[1]} }

func around(w window) model.Pad {
	return model.Pad{Top: w.before[0], Left: w.before[1], Bottom: w.after[0], Right: w.after[1]}
}

// parts makes slices of a Slice or a Split, and says whether it could.
func (n *operator) parts(shapes []model.Shape) bool {
	if !n.real() {
		return false
	}
	x := n.shape(0)
	switch n.op() {
	case "Split":
		axis, at := n.axis(n.attrInt("axis", 0), len(x)), 0
		for i, s := range shapes {
			if name := n.proto.Output[i]; name != "" {
				n.publish(i, n.r.add(name, &model.Slice{Axis: axis, Start: at, Count: s[axis]}, s, n.layers([]int{0})...), s)
			}
			at += s[axis]
		}
		return true
	case "Slice":
		cuts := n.cuts(x)
		if slices.ContainsFunc(cuts, func(c cut) bool { return c.step != 1 }) {
			return false
		}
		cuts = slices.DeleteFunc(cuts, func(c cut) bool { return c.count == x[c.axis] })
		name, from, shape := n.proto.Output[0], n.layers([]int{0})[0], slices.Clone(x)
		if len(cuts) == 0 {
			n.publish(0, n.r.add(name, &model.Identity{}, x, from), x)
			return true
		}
		for i, c := range cuts {
			shape = slices.Clone(shape)
			shape[c.axis] = c.count
			layer := name
			if i < len(cuts)-1 {
				layer = n.r.fresh(fmt.Sprintf("%s/%d", name, c.axis))
			}
			from = n.r.add(layer, &model.Slice{Axis: c.axis, Start: c.start, Count: c.count}, shape, from)
		}
		n.publish(0, from, shape)
		return true
	}
	return false
}
