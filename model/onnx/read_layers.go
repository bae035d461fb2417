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

// bias is input i as biases; ok says whether it is constant or left out.
func (n *operator) bias(i int) (b []float32, ok bool) {
	if n.maybe(i) == nil {
		return nil, true
	}
	b = n.floats(i)
	return b, b != nil
}

func (n *operator) conv() model.Op {
	x, w, win := n.convolved(1)
	if len(x) != 4 || x[0] != 1 || n.input(1).data == nil {
		return nil
	}
	weight := n.floats(1)
	bias, ok := n.bias(2)
	if weight == nil || !ok {
		return nil
	}
	return &model.Conv{Filters: w[0], Groups: n.attrInt("group", 1), Kernel: pair(win.size), Stride: pair(win.stride),
		Dilation: pair(win.dilation), Pad: around(win), Weight: weight, Bias: bias}
}

func (n *operator) deconv() model.Op {
	x, w := n.shape(0), n.shape(1)
	win, extra := n.deconvolve()
	if len(x) != 4 || x[0] != 1 || slices.Max(win.dilation) != 1 || n.input(1).data == nil {
		return nil
	}
	weight := n.floats(1)
	bias, ok := n.bias(2)
	if weight == nil || !ok {
		return nil
	}
	groups := n.attrInt("group", 1)
	return &model.Deconv{Filters: w[1] * groups, Groups: groups, Kernel: pair(win.size), Stride: pair(win.stride),
		Pad: around(win), Extra: pair(extra), Weight: weight, Bias: bias}
}

func (n *operator) norm() model.Op {
	if x := n.shape(0); len(x) != 4 || x[0] != 1 || n.attrInt("training_mode", 0) != 0 || n.attrInt("spatial", 1) == 0 {
		return nil
	}
	o := model.Norm{Scale: n.floats(1), Shift: n.floats(2), Mean: n.floats(3), Variance: n.floats(4),
		Epsilon: float64(n.attrFloat("epsilon", 1e-5))}
	if o.Scale == nil || o.Shift == nil || o.Mean == nil || o.Variance == nil {
		return nil
	}
	return &model.Normalize{Norm: o}
}

// gemm is a fully connected layer where it is one: x*W + b.
func (n *operator) gemm() model.Op {
	w := n.shape(1)
	if n.attrFloat("alpha", 1) != 1 || n.attrFloat("beta", 1) != 1 || n.attrInt("transA", 0) != 0 || n.input(1).data == nil {
		return nil
	}
	o := &model.Dense{In: w[0], Out: w[1]}
	if n.attrInt("transB", 0) != 0 {
		o.In, o.Out = w[1], w[0]
	}
	if c := n.maybe(2); c != nil {
		if c.data == nil || c.shape.Elements() != o.Out || len(c.shape) > 0 && c.shape[len(c.shape)-1] != o.Out {
			return nil
		}
		if o.Bias = n.floats(2); o.Bias == nil {
			return nil
		}
	}
	if n.attrInt("transB", 0) != 0 {
		o.Weight = n.floats(1)
	} else {
		o.Weight = n.turned(1)
	}
	if o.Weight == nil {
		return nil
	}
	return o
}

// dense is a product with a constant matrix.
func (n *operator) dense() model.Op {
	w := n.shape(1)
	if n.input(1).data == nil || len(w) != 2 || len(n.shape(0)) == 0 {
		return nil
	}
	weight := n.turned(1)
	if weight == nil {
		return nil
	}
	return &model.Dense{In: w[0], Out: w[1], Weight: weight}
}

// turned is a constant matrix with its rows as columns, or nil.
func (n *operator) turned(i int) []float32 {
	v := n.input(i).data
	if !floats(v.kind) || v.count() == 0 {
		return nil
	}
	if *v.owned {
		if n.r.copying -= v.count(); n.r.copying < 0 {
			return nil
		}
	}
	*v.owned = true
	return transposed(v.floats, v.shape[0], v.shape[1])
}

// upscale is by how much an image is enlarged if that repeats its pixels, else 0.
func (n *operator) upscale() int {
	x, out := n.shape(0), resizeRule(n)[0]
	if len(x) != 4 || n.attrText("mode", "nearest") != "nearest" || x[0] != out[0] || x[1] != out[1] {
		return 0
	}
	s := out[2] / x[2]
	if s < 1 || s*x[2] != out[2] || s*x[3] != out[3] || !n.whole(s) {
		return 0
	}
	if n.proto.OpType == "Upsample" || n.opset() < 11 {
		return s
	}
	// Where output pixel i lies in the input, and how that is rounded to i/s.
	rounding := n.attrText("nearest_mode", "round_prefer_floor")
	switch n.attrText("coordinate_transformation_mode", "half_pixel") {
	case "asymmetric": // i/s
		if rounding == "floor" || rounding == "round_prefer_floor" && s <= 2 {
			return s
		}
	case "half_pixel", "pytorch_half_pixel": // (i+0.5)/s - 0.5
		if s == 1 || min(out[2], out[3]) > 1 && (rounding == "round_prefer_floor" || rounding == "round_prefer_ceil") {
			return s
		}
	}
	return 0
}

// whole says whether the factors of height and width, where given, are just s.
func (n *operator) whole(s int) bool {
	f := n.scales()
	return len(f) == 0 || len(f) == 4 && f[2] == float32(s) && f[3] == float32(s)
}

// softmax is the dimension of a softmax. Before opset 13 it was over all from
// its axis on.
func (n *operator) softmax() (axis int, ok bool) {
	x := n.shape(0)
	if n.opset() >= 13 {
		return n.axis(n.attrInt("axis", -1), len(x)), true
	}
	axis = n.axis(n.attrInt("axis", 1), len(x))
	return axis, x[axis+1:].Elements() == 1
}

// act is the node as an activation function.
func (n *operator) act() (model.Act, bool) {
	switch n.op() {
	case "Relu":
		return model.Act{Kind: model.Relu}, true
	case "LeakyRelu":
		return model.Act{Kind: model.Leaky, Alpha: n.attrFloat("alpha", 0.01)}, true
	case "Sigmoid":
		return model.Act{Kind: model.Sigmoid}, true
	case "Tanh":
		return model.Act{Kind: model.Tanh}, true
	case "Mish":
		return model.Act{Kind: model.Mish}, true
	case "HardSwish":
		return model.Act{Kind: model.HardSwish}, true
	case "Gelu", "com.microsoft.Gelu":
		return model.Act{Kind: model.Gelu}, n.attrText("approximate", "none") == "none"
	case "Clip":
		return n.clip()
	case "PRelu":
		return n.prelu()
	}
	return model.Act{}, false
}

func (n *operator) clip() (model.Act, bool) {
	low, high := n.attrFloat("min", 0), n.attrFloat("max", 0)
	bounded := n.has("min") && n.has("max")
	open := n.has("min") && !n.has("max")
	if n.opset() >= 11 {
		var below, above bool
		low, below = n.scalar(1)
		high, above = n.scalar(2)
		bounded, open = below && above, below && n.maybe(2) == nil
	}
	switch {
	case bounded && low == 0 && high == 6:
		return model.Act{Kind: model.Relu6}, true
	case open && low == 0:
		return model.Act{Kind: model.Relu}, true
	}
	return model.Act{}, false
}

// prelu has one slope, or one for each channel.
func (n *operator) prelu() (model.Act, bool) {
	x, s := n.shape(0), n.shape(1)
	if count := s.Elements(); count != 1 {
		for len(s) > 0 && len(s) > len(x)-1 && s[0] == 1 { // of the batch
			s = s[1:]
		}
		if len(x) < 2 || len(s) != len(x)-1 || s[0] != x[1] || count != x[1] {
			return model.Act{}, false
		}
	}
	slope := n.floats(1)
	return model.Act{Kind: model.Prelu, Slope: slope}, slope != nil
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
