package onnx

import (
	"errors"
	"fmt"
	"math"

	"dashline/model"
	"dashline/model/onnx/pb"
)

// quantOpset is the first in which DequantizeLinear has an axis.
const quantOpset = 13

// quantizable says whether Quant fits the network and the other options.
func (o *Options) quantizable(g *model.Graph) error {
	if o.Quant == nil {
		return nil
	}
	if o.Half || o.Opset < quantOpset {
		return errors.New("model: a network in 8 bits is written with float32 and opset 13 or more")
	}
	if len(o.Quant.Values) != len(g.Layers) || len(o.Quant.Weights) != len(g.Layers) {
		return fmt.Errorf("model: codes for %d values and %d weights, the network has %d layers",
			len(o.Quant.Values), len(o.Quant.Weights), len(g.Layers))
	}
	for i, c := range o.Quant.Weights {
		if err := codesFit(g, o.Quant, i); c.Coded() && err != nil {
			return &model.Error{Layer: i, Name: g.Layers[i].Name, What: model.Kind(g.Layers[i].Op), Err: err}
		}
	}
	return nil
}

func codesFit(g *model.Graph, q *model.Quant, i int) error {
	o, ok := g.Layers[i].Op.(*model.Conv)
	if !ok {
		return errors.New("has codes, and only convolutions can")
	}
	if o.Norm != nil {
		return errors.New("has codes and a batch normalisation: fold it first")
	}
	if c := q.Weights[i]; len(c.Values) != len(o.Weight) || len(c.Scale) != o.Filters {
		return fmt.Errorf("has %d codes and %d scales for %d weights of %d filters", len(c.Values), len(c.Scale), len(o.Weight), o.Filters)
	}
	if !q.Values[g.Layers[i].From[0]].Coded() {
		return errors.New("computes in codes, but what it reads has none")
	}
	return nil
}

// encode makes the readers of layer i read its value in codes, where it has any.
func (b *builder) encode(i int) {
	if b.Quant == nil || !b.Quant.Values[i].Coded() {
		return
	}
	a, v := b.Quant.Values[i], b.values[i]
	scale := b.weights(v.name+"/scale", float32Kind, nil, []float32{a.Scale})
	zero := b.bytes(v.name+"/zero", pb.TensorProto_UINT8, nil, []int8{int8(a.Zero)})
	code, value := b.name(v.name+"/code"), b.name(v.name+"/value")
	b.node("QuantizeLinear", code, []string{v.name, scale, zero})
	b.node("DequantizeLinear", value, []string{code, scale, zero})
	b.values[i].name = value
}

// codes are weights and bias of a convolution in codes, as it reads them.
func (b *builder) codes(name string, shape model.Shape, bias []float32) []string {
	c, in := b.Quant.Weights[b.at], b.Quant.Values[b.g.Layers[b.at].From[0]]
	filters := model.Shape{len(c.Scale)}
	decode := func(name, code, scale string) string { // their zero is 0
		value := b.name(name + "/value")
		b.node("DequantizeLinear", value, []string{code, scale}, attrInt("axis", 0))
		return value
	}
	weight := name + "/weight"
	inputs := []string{decode(weight,
		b.bytes(weight, pb.TensorProto_INT8, shape, c.Values),
		b.weights(weight+"/scale", float32Kind, filters, c.Scale))}
	if bias == nil {
		return inputs
	}
	whole, steps := initializer{name: b.name(name + "/bias"), kind: pb.TensorProto_INT32, shape: filters}, make([]float32, len(bias))
	for f, v := range bias {
		steps[f] = c.Scale[f] * in.Scale
		q := math.RoundToEven(float64(v) / float64(steps[f]))
		whole.ints = append(whole.ints, int64(min(max(q, math.MinInt32), math.MaxInt32)))
	}
	b.initializers = append(b.initializers, whole)
	return append(inputs, decode(name+"/bias", whole.name, b.weights(name+"/bias/scale", float32Kind, filters, steps)))
}

// bytes makes an initializer of 8-bit numbers, signed or not.
func (b *builder) bytes(name string, kind dataType, shape model.Shape, values []int8) string {
	t := initializer{name: b.name(name), kind: kind, shape: shape, codes: values}
	b.initializers = append(b.initializers, t)
	return t.name
}
