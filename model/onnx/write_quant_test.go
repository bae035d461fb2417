package onnx

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"dashline/model"
)

// coded is a convolution of 2 filters and its codes.
func coded() (*model.Graph, *model.Quant) {
	g := &model.Graph{Name: "coded", Layers: []model.Layer{
		{Name: "in", Op: &model.Input{Shape: model.Shape{1, 1, 4, 4}}, Shape: model.Shape{1, 1, 4, 4}},
		{Name: "conv", From: []int{0}, Shape: model.Shape{1, 2, 4, 4}, Op: &model.Conv{Filters: 2, Groups: 1,
			Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Weight: []float32{1, -3}, Bias: []float32{0.5, 8}}},
	}, Outputs: []int{1}}
	return g, &model.Quant{
		Values:  []model.Affine{{Scale: 0.25, Zero: 200}, {}},
		Weights: []model.Codes{{}, {Scale: []float32{0.5, 1}, Values: []int8{2, -3}}},
	}
}

func TestWriteCodes(t *testing.T) {
	g, q := coded()
	var file bytes.Buffer
	if err := Write(&file, g, Options{Quant: q}); err != nil {
		t.Fatal(err)
	}
	if err := Validate(file.Bytes()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ what, bytes string }{
		{"weights", "\x08\x02\x08\x01\x08\x01\x08\x01\x10\x03\x42\x0bconv/weight\x4a\x02\x02\xfd"},
		{"biases, in steps of 1/8 and 1/4", "\x08\x02\x10\x06\x42\x09conv/bias\x4a\x08\x04\x00\x00\x00\x20\x00\x00\x00"},
		{"the zero", "\x10\x02\x42\x07in/zero\x4a\x01\xc8"},
	} {
		if !strings.Contains(file.String(), want.bytes) {
			t.Errorf("the file lacks %s: %q in\n%q", want.what, want.bytes, file.String())
		}
	}
}

func TestWriteCodesRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*model.Graph, *model.Quant, *Options)
		says   string
	}{
		{"half", func(_ *model.Graph, _ *model.Quant, o *Options) { o.Half = true }, "float32"},
		{"old opset", func(_ *model.Graph, _ *model.Quant, o *Options) { o.Opset = 12 }, "opset 13"},
		{"layers", func(_ *model.Graph, q *model.Quant, _ *Options) { q.Values = q.Values[:1] }, "2 layers"},
		{"lengths", func(_ *model.Graph, q *model.Quant, _ *Options) { q.Weights[1].Values = make([]int8, 3) }, "3 codes"},
		{"norm", func(g *model.Graph, _ *model.Quant, _ *Options) { g.Layers[1].Op.(*model.Conv).Norm = &model.Norm{} }, "fold"},
		{"input in float", func(_ *model.Graph, q *model.Quant, _ *Options) { q.Values[0].Scale = 0 }, "what it reads"},
		{"no convolution", func(_ *model.Graph, q *model.Quant, _ *Options) { q.Weights[0] = q.Weights[1] }, "only convolutions"},
	} {
		g, q := coded()
		o := Options{Quant: q}
		tt.change(g, q, &o)
		if err := Write(io.Discard, g, o); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.says)
		}
	}
}
