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
