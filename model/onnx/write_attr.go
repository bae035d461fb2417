package onnx

import (
	"google.golang.org/protobuf/encoding/protowire"

	"dashline/model"
	"dashline/model/onnx/pb"
)

func attrInt(name string, v int) *pb.AttributeProto {
	return &pb.AttributeProto{Name: name, Type: pb.AttributeProto_INT, I: int64(v)}
}

func attrInts(name string, v ...int) *pb.AttributeProto {
	a := &pb.AttributeProto{Name: name, Type: pb.AttributeProto_INTS}
	for _, x := range v {
		a.Ints = append(a.Ints, int64(x))
	}
	return a
}

func attrFloat(name string, v float32) *pb.AttributeProto {
	return &pb.AttributeProto{Name: name, Type: pb.AttributeProto_FLOAT, F: v}
}

func attrText(name, v string) *pb.AttributeProto {
	return &pb.AttributeProto{Name: name, Type: pb.AttributeProto_STRING, S: []byte(v)}
}

// pads are in ONNX's order: where both sides begin, then where they end.
func pads(p model.Pad) *pb.AttributeProto {
	return attrInts("pads", p.Top, p.Left, p.Bottom, p.Right)
}

// present makes the zero values of attributes be written. ONNX's own description
// tells a zero from nothing (it is proto2), and OpenCV refuses an axis that is
// nothing; ours, which is proto3, leaves zeros out.
func present(nodes []*pb.NodeProto) {
	for _, n := range nodes {
		for _, a := range n.Attribute {
			switch {
			case a.Type == pb.AttributeProto_INT && a.I == 0:
				a.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType), 0))
			case a.Type == pb.AttributeProto_FLOAT && a.F == 0:
				a.ProtoReflect().SetUnknown(protowire.AppendFixed32(protowire.AppendTag(nil, 2, protowire.Fixed32Type), 0))
			case a.Type == pb.AttributeProto_STRING && len(a.S) == 0:
				a.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 4, protowire.BytesType), nil))
			}
			for _, g := range append(a.Graphs, a.G) {
				present(g.GetNode())
			}
		}
	}
}
