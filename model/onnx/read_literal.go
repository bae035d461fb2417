package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

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
	owned  *bool     // a layer has its numbers as its own
	layer  int       // that stands for it; -1: none yet
	// source is the tensor itself, where its type is none that is computed with.
	source *pb.TensorProto
}

func newLiteral(kind dataType, shape model.Shape) *literal {
	return &literal{shape: shape, kind: kind, layer: -1, owned: new(bool)}
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

// decode reads a tensor, which [Validate] has held against its shape.
func decode(t *pb.TensorProto) (*literal, error) {
	shape := make(model.Shape, len(t.Dims))
	for i, d := range t.Dims {
		shape[i] = int(d)
	}
	v := newLiteral(dataType(t.DataType), shape)
	n, width := v.count(), 0
	if t.DataType > 0 && int(t.DataType) < len(bits) {
		width = int(bits[t.DataType]) / 8
	}
	if !floats(v.kind) && !whole(v.kind) {
		v.source = t
		return v, nil
	}
	if t.RawData != nil && len(t.RawData) != n*width {
		return nil, errors.New("does not hold what its shape calls for")
	}
	if floats(v.kind) {
		v.floats = decodeFloats(t, n, width)
	} else {
		v.ints = decodeInts(t, n, width)
	}
	if len(v.floats)+len(v.ints) != n {
		return nil, fmt.Errorf("holds %d numbers, its shape %v needs %d", len(v.floats)+len(v.ints), shape, n)
	}
	return v, nil
}

func decodeFloats(t *pb.TensorProto, n, width int) []float32 {
	kind := dataType(t.DataType)
	if t.RawData == nil {
		switch kind {
		case float32Kind:
			return t.FloatData
		case pb.TensorProto_DOUBLE:
			return converted(t.DoubleData, func(x float64) float32 { return float32(x) })
		case halfKind:
			return converted(t.Int32Data, func(x int32) float32 { return fromHalf(uint16(x)) })
		}
		return converted(t.Int32Data, func(x int32) float32 { return math.Float32frombits(uint32(x) << 16) })
	}
	out := make([]float32, n)
	for i := range out {
		b := t.RawData[i*width:]
		switch kind {
		case float32Kind:
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b))
		case pb.TensorProto_DOUBLE:
			out[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(b)))
		case halfKind:
			out[i] = fromHalf(binary.LittleEndian.Uint16(b))
		default: // the upper half of a float32
			out[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)
		}
	}
	return out
}

func decodeInts(t *pb.TensorProto, n, width int) []int64 {
	kind := dataType(t.DataType)
	if t.RawData == nil {
		switch kind {
		case pb.TensorProto_INT64:
			return t.Int64Data
		case pb.TensorProto_UINT32:
			return converted(t.Uint64Data, func(x uint64) int64 { return int64(x) })
		}
		return converted(t.Int32Data, func(x int32) int64 { return int64(x) })
	}
	out := make([]int64, n)
	for i := range out {
		b := t.RawData[i*width:]
		switch width {
		case 8:
			out[i] = int64(binary.LittleEndian.Uint64(b))
		case 4:
			out[i] = int64(binary.LittleEndian.Uint32(b))
		case 2:
			out[i] = int64(binary.LittleEndian.Uint16(b))
		default:
			out[i] = int64(b[0])
		}
		out[i] = narrowed(kind, out[i])
	}
	return out
}

func converted[S, T any](in []S, to func(S) T) []T {
	out := make([]T, len(in))
	for i, x := range in {
		out[i] = to(x)
	}
	return out
}

// narrowed is x as a type holds it, with what does not fit cut off.
func narrowed(k dataType, x int64) int64 {
	switch k {
	case pb.TensorProto_INT32:
		return int64(int32(x))
	case pb.TensorProto_INT16:
		return int64(int16(x))
	case pb.TensorProto_INT8:
		return int64(int8(x))
	case pb.TensorProto_UINT8:
		return int64(uint8(x))
	case pb.TensorProto_UINT16:
		return int64(uint16(x))
	case pb.TensorProto_UINT32:
		return int64(uint32(x))
	case pb.TensorProto_BOOL:
		if x != 0 {
			return 1
		}
	}
	return x
}

// fromHalf is an IEEE 754 binary16 as a float32, which has all of them.
func fromHalf(h uint16) float32 {
	sign, exponent, mantissa := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&0x3ff
	switch exponent {
	case 0: // a multiple of 2^-24
		x := math.Float32bits(float32(mantissa) / (1 << 24))
		return math.Float32frombits(x | sign)
	case 31: // infinite or no number
		return math.Float32frombits(sign | 0x7f800000 | mantissa<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | mantissa<<13)
}

// encode is the tensor of a literal.
func (v *literal) encode() *pb.TensorProto {
	if v.source != nil {
		return proto.CloneOf(v.source)
	}
	t := &pb.TensorProto{DataType: int32(v.kind)}
	for _, d := range v.shape {
		t.Dims = append(t.Dims, int64(d))
	}
	switch v.kind {
	case float32Kind:
		t.FloatData = slices.Clone(v.floats)
	case pb.TensorProto_DOUBLE:
		t.DoubleData = converted(v.floats, func(x float32) float64 { return float64(x) })
	case halfKind:
		t.Int32Data = converted(v.floats, func(x float32) int32 { h, _ := half(x); return int32(h) })
	case bfloat16Kind:
		t.Int32Data = converted(v.floats, func(x float32) int32 { return int32(math.Float32bits(x) >> 16) })
	case pb.TensorProto_INT64:
		t.Int64Data = slices.Clone(v.ints)
	case pb.TensorProto_UINT32:
		t.Uint64Data = converted(v.ints, func(x int64) uint64 { return uint64(x) })
	default:
		t.Int32Data = converted(v.ints, func(x int64) int32 { return int32(x) })
	}
	return t
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
	if !r.own(d) {
		return 0, &Error{Where: "graph", Msg: fmt.Sprintf("%q: %s", clip(name), tooShared)}
	}
	t := &model.Tensor{Shape: d.shape, Type: typeOf(d.kind), Floats: d.floats, Ints: d.ints}
	d.layer = r.add(name, &model.Const{Value: t}, d.shape)
	r.constants[r.layers[d.layer].Op] = d
	return d.layer, nil
}

const tooShared = "its numbers are read under so many names that copies of them would not be in proportion to the file"

// own makes the numbers of a literal a layer's own: a copy where another layer
// has them already. It fails where copies get out of proportion.
func (r *reader) own(v *literal) bool {
	if !*v.owned {
		*v.owned = true
		return true
	}
	if r.copying -= v.count(); r.copying < 0 {
		return false
	}
	v.floats, v.ints, v.owned = slices.Clone(v.floats), slices.Clone(v.ints), new(bool)
	*v.owned = true
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
