package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"dashline/internal/testkit/tinynet"
	"dashline/model/onnx"
	"dashline/model/onnx/pb"
)

// layerNorm is an ONNX file whose one operator came with opset 17.
func layerNorm(t *testing.T) string {
	t.Helper()
	dim := func(v int64) *pb.TensorShapeProto_Dimension { return &pb.TensorShapeProto_Dimension{DimValue: v} }
	value := func(name string) *pb.ValueInfoProto {
		return &pb.ValueInfoProto{Name: name, Type: &pb.TypeProto{TensorType: &pb.TypeProto_Tensor{ElemType: 1,
			Shape: &pb.TensorShapeProto{Dim: []*pb.TensorShapeProto_Dimension{dim(1), dim(4)}}}}}
	}
	data, err := proto.Marshal(&pb.ModelProto{IrVersion: 8, OpsetImport: []*pb.OperatorSetIdProto{{Version: 17}}, Graph: &pb.GraphProto{
		Name:        "norm",
		Node:        []*pb.NodeProto{{OpType: "LayerNormalization", Input: []string{"x", "w"}, Output: []string{"y"}}},
		Initializer: []*pb.TensorProto{{Name: "w", DataType: 1, Dims: []int64{4}, FloatData: []float32{1, 2, 3, 4}}},
		Input:       []*pb.ValueInfoProto{value("x")}, Output: []*pb.ValueInfoProto{value("y")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "norm.onnx")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// An ONNX network keeps the opset in which its operators are what they are.
func TestModelConvertOfONNX(t *testing.T) {
	net, out := layerNorm(t), filepath.Join(t.TempDir(), "out")
	code, _, errs := say(t, "model", "convert", net, "-o", out)
	if code != exitOK {
		t.Fatalf("%d: %s", code, errs)
	}
	data, err := os.ReadFile(out + ".onnx")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := onnx.Inspect(data); err != nil || info.Opset != 17 {
		t.Errorf("%+v, %v", info, err)
	}
	code, _, errs = say(t, "model", "convert", net, "--opset", "13", "-o", out+"-13")
	if code != exitUsage || !strings.Contains(errs, "LayerNormalization was read in opset 17") {
		t.Errorf("%d: %s", code, errs)
	}
	if _, err := os.Stat(out + "-13.onnx"); err == nil {
		t.Error("it is written all the same")
	}
	code, _, errs = say(t, "model", "convert", net, "--raw-heads", "-o", out)
	if code != exitUsage || !strings.Contains(errs, "--raw-heads is for darknet networks") {
		t.Errorf("%d: %s", code, errs)
	}
}

// A darknet network is written as every engine reads it.
func TestModelConvertDefaultsToOpset13(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	if code, _, errs := say(t, "model", "convert", tinynet.Detector(t, "net", 1), "-o", out); code != exitOK {
		t.Fatalf("%d: %s", code, errs)
	}
	data, err := os.ReadFile(out + ".onnx")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := onnx.Inspect(data); err != nil || info.Opset != onnx.DefaultOpset {
		t.Errorf("%+v, %v", info, err)
	}
}
