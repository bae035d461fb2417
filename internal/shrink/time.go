package shrink

import (
	"bytes"
	"context"
	"time"

	"dashline/infer"
	"dashline/infer/opencv"
	"dashline/infer/ort"
	"dashline/model"
	"dashline/model/catalog"
	"dashline/model/onnx"
)

// Timer times networks of one description's input here: the median of forwards,
// as ONNX on ONNX Runtime, or on OpenCV where that is not installed.
type Timer struct{ Described *catalog.Network }

// Time is the median time of a forward.
func (t Timer) Time(ctx context.Context, g *model.Graph) (time.Duration, error) {
	var file bytes.Buffer
	if err := onnx.Write(&file, g, onnx.Options{Fold: true, Decode: true}); err != nil {
		return 0, err
	}
	medians, err := t.Race(ctx, file.Bytes())
	if err != nil {
		return 0, err
	}
	return medians[0], nil
}

func (t Timer) open(graph []byte) (infer.Network, error) {
	in := t.Described.Input
	o := infer.Options{}
	if _, err := ort.Library(); err == nil {
		return ort.Open(ort.Model{Name: t.Described.Name, Graph: graph, Width: in.Width, Height: in.Height}, o)
	}
	return opencv.Open(opencv.Model{Name: t.Described.Name, Format: "onnx", Graph: graph, Width: in.Width, Height: in.Height}, o)
}
