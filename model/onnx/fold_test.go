package onnx

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"dashline/model"
	"dashline/model/onnx/pb"
)

// A node that reads constants gives what ONNX says, to the last digit.
func TestFolded(t *testing.T) {
	const large = 1<<53 + 1 // which float64 does not hold
	column := func(name string, values ...int64) *pb.TensorProto {
		c := wholes(name, values...)
		c.Dims = append(c.Dims, 1)
		return c
	}
	for _, c := range []struct {
		name  string
		opset int64
		node  string
		parts []proto.Message
		want  string
	}{
		{"remainder of the divisor's sign", 13, "Mod a,b > y", []proto.Message{wholes("a", -5, 5, -6, 5), wholes("b", 3, -3, 3, 3)}, "[1 -1 0 2]"},
		{"remainder of the dividend's sign", 13, "Mod a,b > y", []proto.Message{wholes("a", -5, 5, -6, 5), wholes("b", 3, -3, 3, 3), attrInt("fmod", 1)}, "[-2 2 0 2]"},
		{"remainder of floats", 13, "Mod a,b > y", []proto.Message{reals("a", []float32{-5.5}, 1), reals("b", []float32{3}, 1), attrInt("fmod", 1)}, "[-2.5]"},
		{"large remainder", 13, "Mod a,b > y", []proto.Message{wholes("a", 1<<63-2), wholes("b", 1<<63-1)}, "[9223372036854775806]"},
		{"negated", 13, "Neg a > y", []proto.Message{wholes("a", large, -large)}, "[-9007199254740993 9007199254740993]"},
		{"absolute", 13, "Abs a > y", []proto.Message{wholes("a", large, -large)}, "[9007199254740993 9007199254740993]"},
		{"joined in opset 1", 1, "Concat a,b > y", []proto.Message{column("a", 1, 2), column("b", 3, 4)}, "[1 3 2 4]"},
		{"joined by rows", 13, "Concat a,b > y", []proto.Message{column("a", 1, 2), column("b", 3, 4), attrInt("axis", 0)}, "[1 2 3 4]"},
	} {
		g, err := Read(graphOf(c.opset, []string{c.node}, c.parts...), ReadOptions{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := "not computed: " + outline(g)
		switch o := g.Layers[g.Outputs[0]].Op.(type) {
		case *model.Const:
			got = fmt.Sprint(o.Value.Ints)
		case *model.Generic:
			if o.Type == "Constant" {
				got = fmt.Sprint(o.Source.(*pb.NodeProto).Attribute[0].T.FloatData)
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
