package onnx

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"dashline/model"
	"dashline/model/onnx/pb"
)

// movers are operators that move numbers and compute none: they work in any
// type, and their results have that of the first input.
var movers = map[string]bool{
	"DepthToSpace": true, "Dropout": true, "Expand": true, "Flatten": true, "Gather": true, "Identity": true, "Reshape": true,
	"Slice": true, "SpaceToDepth": true, "Split": true, "Squeeze": true, "Tile": true, "Transpose": true, "Unsqueeze": true,
}

// generic writes a node back as it was read, between the names that its layers
// have now. Its layer reads, in order, what the node names as inputs and does
// not leave out. In half precision a node that computes is an island of float32:
// its attributes and constants are its own affair.
func (b *builder) generic(i int, o *model.Generic) error {
	source, ok := o.Source.(*pb.NodeProto)
	if !ok {
		return errors.New("was not read from an ONNX file: it has no counterpart there")
	}
	n := proto.CloneOf(source)
	n.Name = b.g.Layers[i].Name
	if n.Domain != "" && n.Domain != "ai.onnx" {
		b.domains[n.Domain] = true
	}
	if a := attribute(n, "to"); n.OpType == "Cast" && a != nil && dataType(a.I) == halfKind {
		a.I = int64(float32Kind) // as which all floats of a network are held
	}
	kinds, err := b.readInto(n, b.g.Layers[i].From)
	if err != nil {
		return err
	}

	// The node's results by their places in it; a result that no layer is keeps a
	// name, since the number of results may have a meaning (Split).
	layers := map[int]int{0: i}
	for _, r := range b.readers[i] {
		if result, ok := b.g.Layers[r].Op.(*model.Result); ok {
			if _, twice := layers[result.Index]; twice {
				return fmt.Errorf("has two layers for result %d", result.Index)
			}
			layers[result.Index] = r
		}
	}
	var mine []int
	for at, name := range n.Output {
		layer, ok := layers[at]
		switch {
		case ok:
			n.Output[at] = b.own(layer, resultKind(n, at, kinds))
			mine = append(mine, layer)
		case name != "":
			n.Output[at] = b.name(b.g.Layers[i].Name + "/unused")
		}
	}
	if len(mine) != len(layers) {
		return fmt.Errorf("has %d results in use, its node has %d", len(layers), len(n.Output))
	}
	b.graph.Node = append(b.graph.Node, n)
	for _, layer := range mine {
		b.publish(layer)
	}
	return nil
}

// readInto names what the node reads, and returns the types.
func (b *builder) readInto(n *pb.NodeProto, from []int) ([]dataType, error) {
	kinds := make([]dataType, len(n.Input))
	left := from
	for at, name := range n.Input {
		if name == "" {
			continue
		}
		if len(left) == 0 {
			return nil, fmt.Errorf("reads %d values, its node more", len(from))
		}
		v := b.values[left[0]]
		left = left[1:]
		kinds[at] = v.kind
		if !movers[n.OpType] && floating(v.kind) {
			kinds[at] = float32Kind
		}
		n.Input[at] = b.cast(v, kinds[at])
	}
	if len(left) > 0 {
		return nil, fmt.Errorf("reads %d values, its node only %d", len(from), len(from)-len(left))
	}
	return kinds, nil
}

// readByIsland says whether a node that computes in float32 reads layer i.
func (b *builder) readByIsland(i int) bool {
	return slices.ContainsFunc(b.readers[i], func(r int) bool {
		o, ok := b.g.Layers[r].Op.(*model.Generic)
		return ok && !movers[o.Type]
	})
}

// resultKind is the type of a node's result, by what ONNX says of the operator.
// Most give the type of what they read.
func resultKind(n *pb.NodeProto, result int, in []dataType) dataType {
	input := func(i int) dataType {
		if i < len(in) && in[i] != pb.TensorProto_NONE {
			return in[i]
		}
		return float32Kind
	}
	tensor := func(name string, otherwise dataType) dataType {
		if a := attribute(n, name); a != nil && a.T != nil {
			return dataType(a.T.DataType)
		}
		return otherwise
	}
	switch n.OpType {
	case "Shape", "Size", "ArgMax", "ArgMin", "NonZero", "NonMaxSuppression":
		return pb.TensorProto_INT64
	case "TopK", "MaxPool", "Unique":
		if result > 0 {
			return pb.TensorProto_INT64
		}
	case "Dropout":
		if result > 0 {
			return pb.TensorProto_BOOL
		}
	case "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or", "Xor", "Not", "IsNaN", "IsInf":
		return pb.TensorProto_BOOL
	case "Cast":
		if a := attribute(n, "to"); a != nil {
			return dataType(a.I)
		}
	case "Constant":
		return tensor("value", float32Kind)
	case "ConstantOfShape":
		return tensor("value", float32Kind)
	case "Where", "DequantizeLinear":
		return input(1)
	case "OneHot":
		return input(2)
	case "QuantizeLinear":
		if len(in) < 3 {
			return pb.TensorProto_UINT8
		}
		return input(2)
	}
	return input(0)
}

func attribute(n *pb.NodeProto, name string) *pb.AttributeProto {
	i := slices.IndexFunc(n.Attribute, func(a *pb.AttributeProto) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return n.Attribute[i]
}
