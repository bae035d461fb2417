// Package topology makes ONNX files of well-known networks for tests, the way
// PyTorch's exporter writes them: open batch and sequence, shapes computed by
// Shape, Gather and Concat, normalisations of transformers taken apart. Weights
// are small numbers that mean nothing.
//
// Invariants:
//   - Equal arguments give equal bytes; nothing is downloaded.
//   - Parameters are exactly those that the published network has.
//   - All weights share one buffer, so that a message takes little more memory than
//     its largest tensor; only its encoding has them all.
package topology

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/proto"

	"dashline/model/onnx/pb"
)

// Encode is the file of a model.
func Encode(m *pb.ModelProto) []byte {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err) // only text that is not UTF-8 cannot be encoded
	}
	return data
}

// builder puts a graph together.
type builder struct {
	graph  pb.GraphProto
	scope  string // before the names of nodes: "/layer1/0"
	names  map[string]bool
	random []byte // float32, enough for the largest weight
}

func newBuilder(name string) *builder {
	return &builder{graph: pb.GraphProto{Name: name}, names: map[string]bool{}}
}

// model is the file: opset 13, as exporters since 2022 write by default or near it.
func (b *builder) model() *pb.ModelProto {
	return &pb.ModelProto{IrVersion: 7, ProducerName: "topology", Graph: &b.graph,
		OpsetImport: []*pb.OperatorSetIdProto{{Version: 13}}}
}

// node appends a node of one result and returns its name.
func (b *builder) node(op string, in []string, attributes ...*pb.AttributeProto) string {
	name := b.scope + "/" + op
	for i := 1; b.names[name]; i++ {
		name = b.scope + "/" + op + "_" + string(rune('a'+i/26)) + string(rune('a'+i%26))
	}
	b.names[name] = true
	out := name + "_output_0"
	b.graph.Node = append(b.graph.Node, &pb.NodeProto{Name: name, OpType: op, Input: in, Output: []string{out}, Attribute: attributes})
	return out
}

// constant is a Constant node of floats, of a shape.
func (b *builder) constant(dims []int64, values ...float32) string {
	return b.node("Constant", nil, tensor(&pb.TensorProto{DataType: int32(pb.TensorProto_FLOAT), Dims: dims, FloatData: values}))
}

// numbers is a Constant node of whole numbers: a list, or one where it is scalar.
func (b *builder) numbers(values ...int64) string {
	return b.node("Constant", nil, tensor(&pb.TensorProto{DataType: int32(pb.TensorProto_INT64), Dims: []int64{int64(len(values))}, Int64Data: values}))
}

func (b *builder) number(v int64) string {
	return b.node("Constant", nil, tensor(&pb.TensorProto{DataType: int32(pb.TensorProto_INT64), Int64Data: []int64{v}}))
}

func tensor(t *pb.TensorProto) *pb.AttributeProto {
	return &pb.AttributeProto{Name: "value", Type: pb.AttributeProto_TENSOR, T: t}
}

func integer(name string, v int64) *pb.AttributeProto {
	return &pb.AttributeProto{Name: name, Type: pb.AttributeProto_INT, I: v}
}

func integers(name string, v ...int64) *pb.AttributeProto {
	return &pb.AttributeProto{Name: name, Type: pb.AttributeProto_INTS, Ints: v}
}

func float(name string, v float32) *pb.AttributeProto {
	return &pb.AttributeProto{Name: name, Type: pb.AttributeProto_FLOAT, F: v}
}

// weight is an initializer of small numbers around zero.
func (b *builder) weight(name string, dims ...int64) string {
	n := 4
	for _, d := range dims {
		n *= int(d)
	}
	b.grow(n)
	b.graph.Initializer = append(b.graph.Initializer,
		&pb.TensorProto{Name: name, DataType: int32(pb.TensorProto_FLOAT), Dims: dims, RawData: b.random[:n]})
	return name
}

// grow makes the shared buffer so many bytes long at least: xorshift32 (Marsaglia 2003).
func (b *builder) grow(bytes int) {
	if bytes <= len(b.random) {
		return
	}
	b.random = make([]byte, bytes)
	state := uint32(2463534242)
	for i := 0; i < bytes; i += 4 {
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		x := (float32(state>>8)/(1<<24) - 0.5) / 8
		binary.LittleEndian.PutUint32(b.random[i:], math.Float32bits(x))
	}
}

// ones is an initializer of ones.
func (b *builder) ones(name string, n int64) string {
	values := make([]float32, n)
	for i := range values {
		values[i] = 1
	}
	b.graph.Initializer = append(b.graph.Initializer,
		&pb.TensorProto{Name: name, DataType: int32(pb.TensorProto_FLOAT), Dims: []int64{n}, FloatData: values})
	return name
}

// dim is a fixed size or, where it is a word, an open one.
type dim any

func value(name string, kind pb.TensorProto_DataType, dims ...dim) *pb.ValueInfoProto {
	shape := &pb.TensorShapeProto{}
	for _, d := range dims {
		one := &pb.TensorShapeProto_Dimension{}
		switch d := d.(type) {
		case int:
			one.DimValue = int64(d)
		case string:
			one.DimParam = d
		}
		shape.Dim = append(shape.Dim, one)
	}
	return &pb.ValueInfoProto{Name: name, Type: &pb.TypeProto{TensorType: &pb.TypeProto_Tensor{ElemType: int32(kind), Shape: shape}}}
}

// output makes a value an output, under a name of its own.
func (b *builder) output(from, name string, dims ...dim) {
	for _, n := range b.graph.Node {
		for i := range n.Output {
			if n.Output[i] == from {
				n.Output[i] = name
			}
		}
	}
	b.graph.Output = append(b.graph.Output, value(name, pb.TensorProto_FLOAT, dims...))
}
