package bench

import (
	"bytes"
	"os"
	"testing"
	"time"

	"dashline/infer"
	"dashline/infer/opencv"
	"dashline/infer/ort"
	"dashline/internal/doctor"
	"dashline/internal/testkit"
	"dashline/model"
	"dashline/model/darknet"
	"dashline/model/onnx"
	"dashline/model/prune"
	"dashline/model/quantize"
)

// BenchmarkShrunk times yolov3 at 416 with random weights, by turns in one run: on
// OpenCV as it is, and on ONNX Runtime as it is, in int8, and with 70 % of its
// operations removed in int8. What it prints are the ratios of least times; other
// programs disturb those least.
func BenchmarkShrunk(b *testing.B) {
	cfg, err := os.ReadFile(testkit.Asset(b, "networks/yolov3.cfg"))
	if err != nil {
		b.Fatal(err)
	}
	weights, err := darknet.RandomWeights(cfg, 1)
	if err != nil {
		b.Fatal(err)
	}
	const side = 416
	f, err := darknet.Read(cfg, bytes.NewReader(weights), int64(len(weights)))
	if err != nil {
		b.Fatal(err)
	}
	if err := f.Graph.Resize(side, side); err != nil {
		b.Fatal(err)
	}
	thin, err := prune.Thin(f.Graph, .7, prune.Multiple)
	if err != nil {
		b.Fatal(err)
	}
	open := func(g *model.Graph, o onnx.Options) infer.Network {
		var file bytes.Buffer
		o.Fold, o.Decode = true, true
		if err := onnx.Write(&file, g, o); err != nil {
			b.Fatal(err)
		}
		net, err := ort.Open(ort.Model{Name: "yolov3", Graph: file.Bytes(), Width: side, Height: side}, infer.Options{})
		if err != nil {
			b.Fatal(err)
		}
		return net
	}
	codes := func(g *model.Graph) infer.Network {
		picture := make([]float32, 3*side*side)
		for i := range picture {
			picture[i] = float32(i*7919%256) / 255
		}
		p, err := quantize.Calibrate(b.Context(), g, [][]float32{picture}, quantize.Options{Method: quantize.MinMax, Plain: true, Reduced: !doctor.ReadMachine().VNNI()}, nil)
		if err != nil {
			b.Fatal(err)
		}
		return open(p.Graph, onnx.Options{Quant: &p.Quant})
	}
	whole, err := opencv.Open(opencv.Model{Name: "yolov3", Format: "darknet", Graph: cfg, Weights: weights, Width: side, Height: side}, infer.Options{})
	if err != nil {
		b.Fatal(err)
	}
	forms := []struct {
		name string
		net  infer.Network
		best time.Duration
	}{
		{name: "opencv-fp32", net: whole}, {name: "ort-fp32", net: open(f.Graph, onnx.Options{})}, {name: "ort-int8", net: codes(f.Graph)},
		{name: "ort-fp32-pruned-70", net: open(thin, onnx.Options{})}, {name: "ort-int8-pruned-70", net: codes(thin)},
	}
	for i := range forms {
		defer forms[i].net.Close()
		forms[i].best = time.Hour
	}
	for b.Loop() {
		for i := range forms {
			f := &forms[i]
			for range 2 { // the first brings its weights back into the caches
				start := time.Now()
				if _, err := f.net.Forward(); err != nil {
					b.Fatal(err)
				}
				f.best = min(f.best, time.Since(start))
			}
		}
	}
	for _, f := range forms {
		b.ReportMetric(f.best.Seconds()*1e3, f.name+"-ms")
	}
	b.ReportMetric(float64(forms[1].best)/float64(forms[2].best), "int8-over-fp32")
	b.ReportMetric(float64(forms[0].best)/float64(forms[4].best), "smallest-over-opencv")
}
