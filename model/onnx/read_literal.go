package onnx

import (
	"fmt"
	"math"
	"slices"

	"dashline/model"
	"dashline/model/onnx/pb"
)

const bfloat16Kind = 16 // not in onnx.proto here, since nothing is written in it

// literal is a constant value. It is never changed, and several may share their
// numbers.
type literal struct {
	shape  model.Shape
	kind   dataType
	floats []float32 // of float types
	ints   []int64   // of whole numbers and truth values
	weight bool      // comes from an initializer of a float type
	owners *owners
	layer  int // that stands for it; -1: none yet
	// source is the tensor itself, where its type is none that is computed with.
	source *pb.TensorProto
}

// owners are the layers that have a literal's numbers as their own.
type owners struct {
	any      bool // the numbers themselves, not a copy of them
	constant bool // one that only holds them
}

func newLiteral(kind dataType, shape model.Shape) *literal {
	return &literal{shape: shape, kind: kind, layer: -1, owners: &owners{}}
}

// floats says whether numbers of a type are held as such.
func floats(k dataType) bool {
	switch k {
	case float32Kind, halfKind, pb.TensorProto_DOUBLE, bfloat16Kind:
		return true
	}
	return false
}

// whole says whether values of a type are held as whole numbers.
func whole(k dataType) bool {
	switch k {
	case pb.TensorProto_INT64, pb.TensorProto_INT32, pb.TensorProto_INT16, pb.TensorProto_INT8,
		pb.TensorProto_UINT8, pb.TensorProto_UINT16, pb.TensorProto_UINT32, pb.TensorProto_BOOL:
		return true
	}
	return false
}

func (v *literal) count() int { return v.shape.Elements() }

// reshaped shares the numbers of v.
func (v *literal) reshaped(shape model.Shape) *literal {
	c := *v
	c.shape, c.layer = shape, -1
	return &c
}

// typeOf is how the IR names a type, or "".
func typeOf(k dataType) model.Type {
	switch k {
	case float32Kind, bfloat16Kind:
		return model.Float32
	case halfKind:
		return model.Float16
	case pb.TensorProto_INT64:
		return model.Int64
	case pb.TensorProto_INT32:
		return model.Int32
	case pb.TensorProto_INT8:
		return model.Int8
	case pb.TensorProto_UINT8:
		return model.Uint8
	case pb.TensorProto_BOOL:
		return model.Bool
	}
	return ""
}

// part says whether a literal is a part of the program and no weight: an empty
// one, a single number that is written into the graph, a mask of minus
// infinity, or of a type that no network computes with.
func (v *literal) part() bool {
	if v.count() == 0 || typeOf(v.kind) == "" || len(v.floats) == 1 && !v.weight {
		return true
	}
	mask := false
	for _, x := range v.floats {
		switch {
		case math.IsInf(float64(x), -1), math.IsInf(float64(x), 1) && len(v.floats) == 1:
			mask = true
		case x-x != 0:
			return false
		}
	}
	return mask
}

// layer is the layer that stands for a value, made where there is none.
func (r *reader) layer(name string, v *known) (int, error) {
	if v.data == nil {
		return v.layer, nil
	}
	if v.data.layer >= 0 {
		return v.data.layer, nil
	}
	d := v.data
	if d.part() {
		shape := d.shape
		if d.count() == 0 {
			shape = nil
		}
		n := &pb.NodeProto{OpType: "Constant", Output: []string{name},
			Attribute: []*pb.AttributeProto{{Name: "value", Type: pb.AttributeProto_TENSOR, T: d.encode()}}}
		d.layer = r.add(name, &model.Generic{Type: "Constant", Value: shape, Source: n}, shape)
		r.constants[r.layers[d.layer].Op] = d
		return d.layer, nil
	}
	// The first copy for a constant is free, so that it does not matter how many
	// other layers there are.
	first := d.owners.any && !d.owners.constant
	d.owners.constant = true
	if first {
		r.copying += d.count()
	}
	if !r.own(d) {
		return 0, &Error{Where: "graph", Msg: fmt.Sprintf("%q: its numbers are read under so many names that copies of them "+
			"would not be in proportion to the file", clip(name))}
	}
	t := &model.Tensor{Shape: d.shape, Type: typeOf(d.kind), Floats: d.floats, Ints: d.ints}
	d.layer = r.add(name, &model.Const{Value: t}, d.shape)
	r.constants[r.layers[d.layer].Op] = d
	return d.layer, nil
}

// own makes the numbers of a literal a layer's own: a copy where another layer
// has them already. It fails where copies get out of proportion.
func (r *reader) own(v *literal) bool {
	if !v.owners.any {
		v.owners.any = true
		return true
	}
	if !r.copy(v.count()) {
		return false
	}
	v.floats, v.ints = slices.Clone(v.floats), slices.Clone(v.ints)
	return true
}

// copy says whether so many numbers may be copied once more.
func (r *reader) copy(n int) bool {
	if n > r.copying {
		return false
	}
	r.copying -= n
	return true
}

// constant is the value of a Constant node.
func (n *operator) constant() *literal {
	if len(n.proto.Attribute) != 1 {
		n.fail("has %d values", len(n.proto.Attribute))
	}
	a := n.proto.Attribute[0]
	var v *literal
	switch a.Name {
	case "value":
		if a.T == nil {
			n.fail("has no value")
		}
		var err error
		if v, err = decode(a.T); err != nil {
			n.fail("%v", err)
		}
		v.weight = floats(v.kind) && v.count() > 1
		return v
	case "value_int":
		v = newLiteral(pb.TensorProto_INT64, nil)
		v.ints = []int64{a.I}
	case "value_ints":
		v = newLiteral(pb.TensorProto_INT64, model.Shape{len(a.Ints)})
		v.ints = a.Ints
	case "value_float":
		v = newLiteral(float32Kind, nil)
		v.floats = []float32{a.F}
	case "value_floats":
		v = newLiteral(float32Kind, model.Shape{len(a.Floats)})
		v.floats = a.Floats
	case "value_string", "value_strings":
		v = newLiteral(stringType, nil)
		v.source = &pb.TensorProto{DataType: stringType, StringData: [][]byte{a.S}}
		if a.Name == "value_strings" {
			v.shape = model.Shape{len(a.Strings)}
			v.source = &pb.TensorProto{DataType: stringType, StringData: a.Strings, Dims: []int64{int64(len(a.Strings))}}
		}
	default:
		n.fail("has a value of a kind that is not supported: %s", clip(a.Name))
	}
	return v
}
