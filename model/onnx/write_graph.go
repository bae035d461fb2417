package onnx

import (
	"errors"
	"fmt"
	"strings"

	"dashline/model"
	"dashline/model/onnx/pb"
)

// builder turns a network into the nodes and initializers of a file.
type builder struct {
	Options
	g       *model.Graph
	outputs []int        // layers whose values are the file's outputs
	isOut   map[int]bool // the same
	readers [][]int

	names        map[string]bool // of values, each written once
	values       []named         // of the layers so far
	casts        map[named]string
	at           int // the layer that is being written
	graph        pb.GraphProto
	initializers []initializer
	domains      map[string]bool // beside ONNX's own
}

// dataType is the type of a value's elements in the file.
type dataType = pb.TensorProto_DataType

const (
	float32Kind = pb.TensorProto_FLOAT
	halfKind    = pb.TensorProto_FLOAT16
)

// named is a name in the file and what it holds.
type named struct {
	name string
	kind dataType
}

func newBuilder(g *model.Graph, o Options) *builder {
	b := &builder{
		Options: o, g: g, isOut: map[int]bool{}, readers: g.Readers(),
		names: map[string]bool{}, values: make([]named, len(g.Layers)), casts: map[named]string{}, domains: map[string]bool{},
	}
	b.graph.Name = g.Name
	if g.Name == "" {
		b.graph.Name = "network"
	}
	for i := range g.Layers {
		b.names[g.Layers[i].Name] = true
	}
	return b
}

func (b *builder) build() error {
	if err := b.chooseOutputs(); err != nil {
		return err
	}
	for i := range b.g.Layers {
		b.at = i
		if err := b.layer(i); err != nil {
			return b.wrong(err)
		}
		b.encode(i)
	}
	for _, out := range b.outputs {
		l := &b.g.Layers[out]
		k := b.values[out].kind
		if k == halfKind {
			k = float32Kind
		}
		b.graph.Output = append(b.graph.Output, valueOf(l.Name, k, l.Shape))
	}
	return nil
}

// chooseOutputs replaces heads that are decoded elsewhere by what they read.
func (b *builder) chooseOutputs() error {
	for _, out := range b.g.Outputs {
		b.at = out
		if _, ok := b.g.Layers[out].Op.(*model.Yolo); ok && !b.Decode {
			if len(b.readers[out]) > 0 {
				return b.wrong(errors.New("other layers read its rows: let it be decoded in the graph"))
			}
			out = b.g.Layers[out].From[0]
		}
		if b.isOut[out] {
			return b.wrong(fmt.Errorf("layer %s is an output twice", b.g.Layers[out].Name))
		}
		b.isOut[out] = true
		b.outputs = append(b.outputs, out)
	}
	return nil
}

// wrong says in which layer.
func (b *builder) wrong(err error) error {
	e := b.place()
	e.Err = err
	return e
}

func (b *builder) place() *model.Error {
	l := &b.g.Layers[b.at]
	return &model.Error{Layer: b.at, Name: l.Name, What: model.Kind(l.Op)}
}

// layer writes layer i.
func (b *builder) layer(i int) error {
	l := &b.g.Layers[i]
	switch op := l.Op.(type) {
	case *model.Input:
		k, err := inputKind(op.Type)
		if err != nil {
			return err
		}
		b.graph.Input = append(b.graph.Input, valueOf(l.Name, k, l.Shape))
		b.values[i] = named{l.Name, k}
		return nil
	case *model.Const:
		b.values[i] = b.fixed(l.Name, op.Value)
		return nil
	case *model.Yolo:
		if b.Decode {
			b.yolo(b.cast(b.values[l.From[0]], float32Kind), l.Name, op)
		}
		b.values[i] = named{l.Name, float32Kind}
		return nil
	case *model.Generic:
		return b.generic(i, op)
	case *model.Result: // written with its Generic
		return nil
	}
	k := b.kindOf(l)
	in := make([]string, len(l.From))
	for at, from := range l.From {
		in[at] = b.cast(b.values[from], k)
	}
	b.own(i, k)
	if err := b.operator(l.Op, in, b.values[i]); err != nil {
		return err
	}
	b.publish(i)
	return nil
}

// own settles under which name a layer's value is computed, and returns it: in
// half precision that of an output is not the layer's.
func (b *builder) own(i int, k dataType) string {
	b.values[i] = named{b.g.Layers[i].Name, k}
	if k == halfKind && b.isOut[i] {
		b.values[i].name = b.name(b.g.Layers[i].Name + "/half")
	}
	return b.values[i].name
}

// publish gives an output that was computed under another name its own.
func (b *builder) publish(i int) {
	if name := b.g.Layers[i].Name; b.values[i].name != name {
		b.node("Cast", name, []string{b.values[i].name}, attrInt("to", int(float32Kind)))
	}
}

// kindOf is the type in which a layer computes: in half precision float16,
// unless it has no weights and all that it reads is float32 or whole numbers.
func (b *builder) kindOf(l *model.Layer) dataType {
	first := b.values[l.From[0]].kind
	if !b.Half || !floating(first) {
		return first
	}
	for range model.Weights(l.Op) {
		return halfKind
	}
	for _, from := range l.From {
		if _, ok := b.g.Layers[from].Op.(*model.Input); ok || b.values[from].kind == halfKind {
			return halfKind
		}
	}
	return float32Kind
}

func floating(k dataType) bool { return k == float32Kind || k == halfKind }

// cast is the name of v as another type. Only floats are ever cast, and each
// value to each type once.
func (b *builder) cast(v named, to dataType) string {
	if v.kind == to || !floating(v.kind) || !floating(to) {
		return v.name
	}
	key := named{v.name, to}
	if b.casts[key] == "" {
		b.casts[key] = b.name(v.name + "/" + strings.ToLower(to.String()))
		b.node("Cast", b.casts[key], []string{v.name}, attrInt("to", int(to)))
	}
	return b.casts[key]
}

// name makes a name that no other value has.
func (b *builder) name(wish string) string {
	for b.names[wish] {
		wish += "_"
	}
	b.names[wish] = true
	return wish
}

// node appends a node of one output.
func (b *builder) node(op, out string, in []string, attributes ...*pb.AttributeProto) {
	n := &pb.NodeProto{OpType: op, Name: out, Input: in, Output: []string{out}, Attribute: attributes}
	b.graph.Node = append(b.graph.Node, n)
}

// step is one node, or a few, from one value to another.
type step struct {
	name string
	emit func(in, out string)
}

// pipe runs steps one after the other; the last one writes out.
func (b *builder) pipe(in, out string, steps ...step) {
	for i, s := range steps {
		to := out
		if i < len(steps)-1 {
			to = b.name(out + "/" + s.name)
		}
		s.emit(in, to)
		in = to
	}
}

// weights makes an initializer of values that are the network's own, or small,
// and returns its name.
func (b *builder) weights(name string, k dataType, shape model.Shape, values []float32) string {
	return b.lazy(name, k, shape, func() []float32 { return values })
}

// lazy is weights of values that are made when they are written.
func (b *builder) lazy(name string, k dataType, shape model.Shape, values func() []float32) string {
	name = b.name(name)
	b.initializers = append(b.initializers, initializer{name: name, kind: k, shape: shape, floats: values, layer: b.place()})
	return name
}

// indices makes an initializer of whole numbers.
func (b *builder) indices(name string, values ...int) string {
	t := initializer{name: b.name(name), kind: pb.TensorProto_INT64, shape: model.Shape{len(values)}}
	for _, v := range values {
		t.ints = append(t.ints, int64(v))
	}
	b.initializers = append(b.initializers, t)
	return t.name
}

// fixed writes a Const as an initializer under the name of its layer.
func (b *builder) fixed(name string, t *model.Tensor) named {
	v := named{name, kindOf(t.Type)}
	if v.kind == halfKind { // in memory it is float32
		v.kind = float32Kind
	}
	if b.Half && v.kind == float32Kind && !b.isOut[b.at] && !b.readByIsland(b.at) {
		v.kind = halfKind
	}
	i := initializer{name: name, kind: v.kind, shape: t.Shape, layer: b.place(), ints: t.Ints}
	if t.Type.Floating() {
		i.ints, i.floats = nil, func() []float32 { return t.Floats }
	}
	b.initializers = append(b.initializers, i)
	return v
}

// inputKind is the type of an input in the file: that which it was read with,
// but float32 for all floats. An unknown one is refused: as floats it would be
// another network's input.
func inputKind(t model.Type) (dataType, error) {
	if t == "" || t.Floating() {
		return float32Kind, nil
	}
	k, ok := pb.TensorProto_DataType_value[strings.ToUpper(string(t))]
	if !ok || dataType(k) == pb.TensorProto_NONE {
		return 0, fmt.Errorf("is fed with %q, which ONNX has no type for", string(t))
	}
	return dataType(k), nil
}

func kindOf(t model.Type) dataType {
	switch t {
	case model.Float16:
		return halfKind
	case model.Int64:
		return pb.TensorProto_INT64
	case model.Int32:
		return pb.TensorProto_INT32
	case model.Int8:
		return pb.TensorProto_INT8
	case model.Uint8:
		return pb.TensorProto_UINT8
	case model.Bool:
		return pb.TensorProto_BOOL
	}
	return float32Kind
}

func valueOf(name string, k dataType, shape model.Shape) *pb.ValueInfoProto {
	dims := &pb.TensorShapeProto{}
	for _, d := range shape {
		dims.Dim = append(dims.Dim, &pb.TensorShapeProto_Dimension{DimValue: int64(d)})
	}
	tensor := &pb.TypeProto_Tensor{ElemType: int32(k), Shape: dims}
	return &pb.ValueInfoProto{Name: name, Type: &pb.TypeProto{TensorType: tensor}}
}
