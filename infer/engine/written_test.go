package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"dashline/infer"
	"dashline/infer/opencv"
	"dashline/infer/ort"
	"dashline/internal/testkit"
	"dashline/model"
	"dashline/model/onnx"
)

// operators is what testdata/oracles/operators.py computed.
type operators struct {
	Shape []int
	Image []float32
	Cases []struct {
		Name   string
		Layers []struct {
			Kind string
			Op   json.RawMessage
			From []int
		}
		Shape []int
		Want  []float32
	}
}

func readOperators(t testing.TB) (o operators) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testkit.Root(), "testdata", "oracles", "operators.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// graph is the network of case i.
func (o operators) graph(t testing.TB, i int) *model.Graph {
	t.Helper()
	g := &model.Graph{Layers: []model.Layer{{Name: "input", Op: &model.Input{Shape: o.Shape}}}}
	for k, l := range o.Cases[i].Layers {
		op := map[string]model.Op{
			"Const": &model.Const{}, "Conv": &model.Conv{}, "Deconv": &model.Deconv{}, "Normalize": &model.Normalize{}, "Activate": &model.Activate{},
			"MaxPool": &model.MaxPool{}, "AvgPool": &model.AvgPool{}, "Upsample": &model.Upsample{}, "Add": &model.Add{}, "Mul": &model.Mul{},
			"Concat": &model.Concat{}, "Slice": &model.Slice{}, "Dense": &model.Dense{}, "MatMul": &model.MatMul{}, "Identity": &model.Identity{},
			"Softmax": &model.Softmax{}, "Yolo": &model.Yolo{},
		}[l.Kind]
		if err := json.Unmarshal(l.Op, op); err != nil {
			t.Fatal(err)
		}
		g.Layers = append(g.Layers, model.Layer{Name: fmt.Sprintf("layer%d", k+1), Op: op, From: l.From})
	}
	g.Outputs = []int{len(g.Layers) - 1}
	if err := g.Validate(); err != nil {
		t.Fatal(err)
	}
	return g
}

// TestWrittenOperators writes each operator as ONNX, runs it and compares it with
// what plain loops in Python computed. On OpenCV batch normalisation is folded:
// 4.6 merges one into a transposed convolution in groups wrongly.
func TestWrittenOperators(t *testing.T) {
	needORT(t)
	lacks := map[string]string{ // OpenCV 4.6
		"act relu6":         "Clip has to have its bounds as attributes, as until opset 10",
		"deconv groups":     "padding has to be symmetric",
		"avgpool counting":  "what is padded never counts",
		"dense of a matrix": "a network that does not read its input does not run",
		"matmul batch":      "a constant factor has to be a matrix",
	}
	o := readOperators(t)
	for i, tc := range o.Cases {
		g := o.graph(t, i)
		for _, run := range []struct {
			engine string
			onnx.Options
			limit float64
		}{
			{ORT, onnx.Options{Decode: true}, 2e-6},
			{ORT, onnx.Options{Decode: true, Fold: true}, 2e-6},
			{ORT, onnx.Options{Decode: true, Opset: 17}, 2e-6},
			{ORT, onnx.Options{Decode: true, Half: true}, 2e-3},
			{OpenCV, onnx.Options{Decode: true, Fold: true}, 2e-6},
		} {
			if run.engine == OpenCV && lacks[tc.Name] != "" {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s/fold=%t,half=%t,opset=%d", tc.Name, run.engine, run.Fold, run.Half, run.Opset), func(t *testing.T) {
				var file bytes.Buffer
				if err := onnx.Write(&file, g, run.Options); err != nil {
					t.Fatal(err)
				}
				net := openONNX(t, run.engine, file.Bytes(), o.Shape)
				defer net.Close()
				copy(net.Input(), o.Image)
				out, err := net.Forward()
				if err != nil {
					t.Fatal(err)
				}
				if got := fmt.Sprint(net.Info().Outputs[0].Shape); got != fmt.Sprint(tc.Shape) {
					t.Fatalf("shape %s, want %v", got, tc.Shape)
				}
				if d := difference(t, out[0], tc.Want); d > run.limit {
					t.Errorf("differs by %.2g of the largest value; limit %g", d, run.limit)
				}
			})
		}
	}
}

func openONNX(t testing.TB, engine string, file []byte, shape []int) infer.Network {
	t.Helper()
	var n infer.Network
	var err error
	if engine == ORT {
		n, err = ort.Open(ort.Model{Name: "operator", Graph: file, Width: shape[3], Height: shape[2]}, infer.Options{Threads: 1})
	} else {
		n, err = opencv.Open(opencv.Model{Name: "operator", Format: "onnx", Graph: file, Width: shape[3], Height: shape[2]}, infer.Options{Threads: 1})
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}
