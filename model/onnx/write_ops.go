package onnx

import (
	"fmt"
	"math"

	"dashline/model"
	"dashline/model/onnx/pb"
)

// operator writes the nodes of one operation from the values that it reads, all
// of the type of its own.
func (b *builder) operator(op model.Op, in []string, out named) error {
	switch o := op.(type) {
	case *model.Conv:
		b.conv(o, in[0], out)
	case *model.Deconv:
		b.deconv(o, in[0], out)
	case *model.Normalize:
		b.pipe(in[0], out.name, append(b.norm(&o.Norm, out), b.act(o.Act, out)...)...)
	case *model.Activate:
		b.pipe(in[0], out.name, b.act(o.Act, out)...)
		if o.Act.Kind == model.Linear {
			b.node("Identity", out.name, in)
		}
	case *model.MaxPool:
		b.node("MaxPool", out.name, in, attrInts("kernel_shape", o.Size[:]...), attrInts("strides", o.Stride[:]...),
			pads(o.Pad))
	case *model.AvgPool:
		b.avgPool(o, in, out)
	case *model.Upsample:
		scale := float32(o.Scale)
		scales := b.weights(out.name+"/scales", float32Kind, model.Shape{4}, []float32{1, 1, scale, scale})
		roi := "" // may be left out since opset 13
		if b.Opset < 13 {
			roi = b.weights(out.name+"/roi", float32Kind, model.Shape{8}, []float32{0, 0, 0, 0, 1, 1, 1, 1})
		}
		b.node("Resize", out.name, []string{in[0], roi, scales}, attrText("mode", "nearest"),
			attrText("coordinate_transformation_mode", "asymmetric"), attrText("nearest_mode", "floor"))
	case *model.Add:
		sum := "Add"
		if len(in) > 2 {
			sum = "Sum"
		}
		add := step{"sum", func(_, to string) { b.node(sum, to, in) }}
		b.pipe(in[0], out.name, append([]step{add}, b.act(o.Act, out)...)...)
	case *model.Mul:
		b.node("Mul", out.name, in)
	case *model.MatMul:
		b.node("MatMul", out.name, in)
	case *model.Identity:
		b.node("Identity", out.name, in)
	case *model.Concat:
		b.node("Concat", out.name, in, attrInt("axis", o.Axis))
	case *model.Slice:
		b.slice(in[0], out.name, o.Axis, o.Start, o.Count)
	case *model.Dense:
		b.dense(o, in[0], out)
	case *model.Softmax:
		return b.softmax(o, in, out)
	default:
		return fmt.Errorf("has no counterpart in ONNX")
	}
	return nil
}

func (b *builder) conv(o *model.Conv, in string, out named) {
	shape := model.Shape{o.Filters, b.g.In(b.at).Channels() / o.Groups, o.Kernel[0], o.Kernel[1]}
	b.filtered("Conv", o, in, out, shape, attrInts("kernel_shape", o.Kernel[:]...), attrInts("strides", o.Stride[:]...),
		attrInts("dilations", o.Dilation[:]...), pads(o.Pad), attrInt("group", o.Groups))
}

func (b *builder) deconv(o *model.Deconv, in string, out named) {
	shape := model.Shape{b.g.In(b.at).Channels(), o.Filters / o.Groups, o.Kernel[0], o.Kernel[1]}
	b.filtered("ConvTranspose", o, in, out, shape, attrInts("kernel_shape", o.Kernel[:]...), attrInts("strides", o.Stride[:]...),
		pads(o.Pad), attrInts("output_padding", o.Extra[:]...), attrInt("group", o.Groups))
}

// filtered writes a convolution of either kind with what follows it.
func (b *builder) filtered(node string, op model.Op, in string, out named, shape model.Shape, attributes ...*pb.AttributeProto) {
	f := filtersOf(op)
	weight, bias := func() []float32 { return f.weight }, func() []float32 { return f.bias }
	if b.Fold && f.norm != nil {
		weight, bias = func() []float32 { return folded(op).weight }, func() []float32 { return folded(op).bias }
	}
	inputs := []string{""}
	if b.Quant != nil && b.Quant.Weights[b.at].Coded() {
		inputs = append(inputs, b.codes(out.name, shape, f.bias)...)
	} else {
		inputs = append(inputs, b.lazy(out.name+"/weight", out.kind, shape, weight))
		if f.bias != nil || b.Fold && f.norm != nil {
			inputs = append(inputs, b.lazy(out.name+"/bias", out.kind, model.Shape{f.count}, bias))
		}
	}
	steps := []step{{"conv", func(in, to string) {
		inputs[0] = in
		b.node(node, to, inputs, attributes...)
	}}}
	if !b.Fold {
		steps = append(steps, b.norm(f.norm, out)...)
	}
	b.pipe(in, out.name, append(steps, b.act(f.act, out)...)...)
}

// filters are what both kinds of convolution have.
type filters struct {
	count        int
	weight, bias []float32
	norm         *model.Norm
	act          model.Act
}

func filtersOf(op model.Op) filters {
	if o, ok := op.(*model.Deconv); ok {
		return filters{o.Filters, o.Weight, o.Bias, o.Norm, o.Act}
	}
	o := op.(*model.Conv)
	return filters{o.Filters, o.Weight, o.Bias, o.Norm, o.Act}
}

// folded are the filters of a convolution with its batch normalisation merged, a
// copy. It is made anew for weights and biases, so that none lies in memory until
// the other is written.
func folded(op model.Op) filters {
	one := (&model.Graph{Layers: []model.Layer{{Op: op}}}).Clone()
	one.Fold()
	return filtersOf(one.Layers[0].Op)
}

// norm is a batch normalisation, or nothing. In half precision it is the two
// numbers a channel that it comes to: variances do not fit into a float16.
func (b *builder) norm(n *model.Norm, out named) []step {
	if n == nil {
		return nil
	}
	channels := len(n.Scale)
	if out.kind != halfKind {
		return []step{{"norm", func(in, to string) {
			inputs := []string{in}
			for _, p := range []struct {
				name   string
				values []float32
			}{{"scale", n.Scale}, {"shift", n.Shift}, {"mean", n.Mean}, {"variance", n.Variance}} {
				inputs = append(inputs, b.weights(out.name+"/"+p.name, out.kind, model.Shape{channels}, p.values))
			}
			b.node("BatchNormalization", to, inputs, attrFloat("epsilon", float32(n.Epsilon)))
		}}}
	}
	scale, shift := make([]float32, channels), make([]float32, channels)
	for c := range channels {
		s, t := n.Affine(c)
		scale[c], shift[c] = float32(s), float32(t)
	}
	affine := func(op, name string, values []float32) step {
		return step{name + "d", func(in, to string) {
			b.node(op, to, []string{in, b.weights(out.name+"/"+name, out.kind, model.Shape{channels, 1, 1}, values)})
		}}
	}
	return []step{affine("Mul", "scale", scale), affine("Add", "shift", shift)}
}

// act is an activation function, or nothing where it is linear. Those that
// newer opsets have as one operator are made of older ones, which every engine
// has and fuses.
func (b *builder) act(a model.Act, out named) []step {
	simple := func(op string) []step {
		return []step{{"act", func(in, to string) { b.node(op, to, []string{in}) }}}
	}
	// gated is x times a function of x.
	gated := func(gate ...step) []step {
		return []step{{"act", func(in, to string) {
			g := b.name(out.name + "/gate")
			b.pipe(in, g, gate...)
			b.node("Mul", to, []string{in, g})
		}}}
	}
	scalar := func(name string, v float32) string {
		return b.weights(out.name+"/"+name, out.kind, nil, []float32{v})
	}
	with := func(op, name string, v float32) step {
		return step{name, func(in, to string) { b.node(op, to, []string{in, scalar(name, v)}) }}
	}
	one := func(op string) step {
		return step{"gate", func(in, to string) { b.node(op, to, []string{in}) }}
	}
	switch a.Kind {
	case model.Leaky:
		return []step{{"act", func(in, to string) { b.node("LeakyRelu", to, []string{in}, attrFloat("alpha", a.Alpha)) }}}
	case model.Relu:
		return simple("Relu")
	case model.Relu6:
		return []step{{"act", func(in, to string) { b.node("Clip", to, []string{in, scalar("min", 0), scalar("max", 6)}) }}}
	case model.Sigmoid:
		return simple("Sigmoid")
	case model.Tanh:
		return simple("Tanh")
	case model.Mish:
		return gated(one("Softplus"), one("Tanh"))
	case model.Silu:
		return gated(one("Sigmoid"))
	case model.HardSwish:
		return gated(step{"gate", func(in, to string) {
			b.node("HardSigmoid", to, []string{in}, attrFloat("alpha", 1.0/6), attrFloat("beta", 0.5))
		}})
	case model.Gelu:
		return gated(with("Mul", "rescaled", math.Sqrt2/2), one("Erf"), with("Add", "raised", 1), with("Mul", "halved", 0.5))
	case model.Prelu:
		shape := model.Shape{1}
		if n := len(a.Slope); n > 1 {
			shape = append(model.Shape{n}, ones(len(b.g.Layers[b.at].Shape)-2)...)
		}
		return []step{{"act", func(in, to string) {
			b.node("PRelu", to, []string{in, b.weights(out.name+"/slope", out.kind, shape, a.Slope)})
		}}}
	}
	return nil
}

func ones(n int) model.Shape {
	s := make(model.Shape, max(n, 0))
	for i := range s {
		s[i] = 1
	}
	return s
}

func (b *builder) avgPool(o *model.AvgPool, in []string, out named) {
	if o.Size == [2]int{} {
		b.node("GlobalAveragePool", out.name, in)
		return
	}
	count := 0
	if o.CountPad {
		count = 1
	}
	b.node("AveragePool", out.name, in, attrInts("kernel_shape", o.Size[:]...), attrInts("strides", o.Stride[:]...),
		pads(o.Pad), attrInt("count_include_pad", count))
}

func (b *builder) slice(in, out string, axis, start, count int) {
	b.node("Slice", out, []string{in, b.indices(out+"/starts", start), b.indices(out+"/ends", start+count), b.indices(out+"/axes", axis)})
}

// dense is a Gemm where it reads a matrix, and else a product with the weights
// the other way round.
func (b *builder) dense(o *model.Dense, in string, out named) {
	var steps []step
	if len(b.g.In(b.at)) == 2 {
		inputs := []string{"", b.weights(out.name+"/weight", out.kind, model.Shape{o.Out, o.In}, o.Weight)}
		if o.Bias != nil {
			inputs = append(inputs, b.weights(out.name+"/bias", out.kind, model.Shape{o.Out}, o.Bias))
		}
		steps = []step{{"product", func(in, to string) {
			inputs[0] = in
			b.node("Gemm", to, inputs, attrInt("transB", 1))
		}}}
	} else {
		turned := func() []float32 { return transposed(o.Weight, o.Out, o.In) }
		weight := b.lazy(out.name+"/weight", out.kind, model.Shape{o.In, o.Out}, turned)
		steps = []step{{"product", func(in, to string) { b.node("MatMul", to, []string{in, weight}) }}}
		if o.Bias != nil {
			steps = append(steps, step{"sum", func(in, to string) {
				b.node("Add", to, []string{in, b.weights(out.name+"/bias", out.kind, model.Shape{o.Out}, o.Bias)})
			}})
		}
	}
	b.pipe(in, out.name, append(steps, b.act(o.Act, out)...)...)
}

func transposed(m []float32, rows, cols int) []float32 {
	t := make([]float32, len(m))
	for r := range rows {
		for c := range cols {
			t[c*rows+r] = m[r*cols+c]
		}
	}
	return t
}

// softmax was, until opset 13, one over all dimensions from Axis on.
func (b *builder) softmax(o *model.Softmax, in []string, out named) error {
	if after := b.g.In(b.at)[o.Axis+1:]; b.Opset < 13 && after.Elements() > 1 {
		return fmt.Errorf("is along dimension %d of %v, for which opset %d has no operator: use 13 or more",
			o.Axis, b.g.In(b.at), b.Opset)
	}
	b.node("Softmax", out.name, in, attrInt("axis", o.Axis))
	return nil
}
