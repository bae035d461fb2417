package shrink

import (
	"bytes"
	"context"
	"slices"
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
type Timer struct {
	Described *catalog.Network
	Threads   int
	Forwards  int // 0: 30
}

// Time is the median time of a forward.
func (t Timer) Time(ctx context.Context, g *model.Graph) (time.Duration, error) {
	var file bytes.Buffer
	if err := onnx.Write(&file, g, onnx.Options{Fold: true, Decode: true}); err != nil {
		return 0, err
	}
	net, err := t.open(file.Bytes())
	if err != nil {
		return 0, err
	}
	defer net.Close()
	out := infer.NewOutputs(net.Info())
	if t.Forwards == 0 {
		t.Forwards = 30
	}
	var times []time.Duration
	for range t.Forwards {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		start := time.Now()
		if err := net.Forward(out); err != nil {
			return 0, err
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

func (t Timer) open(graph []byte) (infer.Network, error) {
	in := t.Described.Input
	o := infer.Options{Threads: t.Threads}
	if _, err := ort.Library(); err == nil {
		return ort.Open(ort.Model{Name: t.Described.Name, Graph: graph, Width: in.Width, Height: in.Height}, o)
	}
	return opencv.Open(opencv.Model{Name: t.Described.Name, Format: "onnx", Graph: graph, Width: in.Width, Height: in.Height}, o)
}
