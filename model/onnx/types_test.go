package onnx

import (
	"io"
	"strings"
	"testing"

	"dashline/internal/testkit/topology"
	"dashline/model"
	"dashline/model/onnx/pb"
)

// What a network is fed with keeps its type through the IR; floats become float32,
// as all floats do.
func TestInputTypes(t *testing.T) {
	for kind, want := range map[dataType]dataType{
		pb.TensorProto_FLOAT: pb.TensorProto_FLOAT, pb.TensorProto_FLOAT16: pb.TensorProto_FLOAT, pb.TensorProto_DOUBLE: pb.TensorProto_FLOAT,
		pb.TensorProto_INT64: pb.TensorProto_INT64, pb.TensorProto_INT32: pb.TensorProto_INT32, pb.TensorProto_UINT8: pb.TensorProto_UINT8,
		pb.TensorProto_BOOL: pb.TensorProto_BOOL, pb.TensorProto_UINT16: pb.TensorProto_UINT16, pb.TensorProto_STRING: pb.TensorProto_STRING,
	} {
		g, err := Read(graphOf(13, []string{"Reshape x,s > y"}, wholes("s", 4, 3), valueOf("x", kind, model.Shape{3, 4})), ReadOptions{})
		if err != nil {
			t.Errorf("%v: %v", kind, err)
			continue
		}
		for _, half := range []bool{false, true} {
			m := decoded(t, written(t, g.Clone(), Options{Half: half})).Graph
			in, out := dataType(m.Input[0].Type.TensorType.ElemType), dataType(m.Output[0].Type.TensorType.ElemType)
			if in != want || out != want {
				t.Errorf("%v, half %t: input %v, output %v, want %v", kind, half, in, out, want)
			}
		}
	}
	g, err := Read(graphOf(13, []string{"Relu x > y"}), ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	g.Layers[0].Op.(*model.Input).Type = "tokens"
	if err := Write(io.Discard, g, Options{}); err == nil || !strings.Contains(err.Error(), `layer 0 x (input): is fed with "tokens"`) {
		t.Errorf("an unknown type: %v", err)
	}
}

// A transformer, which is fed with whole numbers, is one again.
func TestRoundTripTransformer(t *testing.T) {
	file := topology.Tiny().Model()
	dims := ReadOptions{Dims: map[string]int{"sequence": 16}}
	g, err := Read(topology.Encode(file), dims)
	if err != nil {
		t.Fatal(err)
	}
	data := written(t, g, Options{Opset: int(file.OpsetImport[0].Version)})
	for _, in := range decoded(t, data).Graph.Input {
		if k := dataType(in.Type.TensorType.ElemType); k != pb.TensorProto_INT64 {
			t.Errorf("%s is %v", in.Name, k)
		}
	}
	again, err := Read(data, ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := outline(again), outline(g); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
