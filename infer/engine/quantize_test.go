package engine

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"dashline/model"
	"dashline/model/catalog"
	"dashline/model/exec"
	"dashline/model/onnx"
	"dashline/model/quantize"
)

// TestQuantizedRunsNumerics: a network in 8 bits is a valid file of about a quarter of the
// size, and ONNX Runtime computes what the simulation does: much nearer to it
// than either is to the network in float.
func TestQuantizedRunsNumerics(t *testing.T) {
	needORT(t)
	for _, name := range []string{"dashline-tiny", "yolo-fastest-1.1", "mobilenetv2-yolov3-nano-coco"} {
		t.Run(name, func(t *testing.T) {
			d, err := catalog.Get(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.Locate(); err != nil {
				d = *described(t, name)
			}
			g := graph(t, &d)
			for i, o := range g.Outputs { // what the heads read: rows hide most of it
				g.Outputs[i] = g.Layers[o].From[0]
			}
			pictures := waves(g, 3)
			// Reduced, since not every processor has VNNI.
			p, err := quantize.Calibrate(context.Background(), g, pictures[:2], quantize.Options{Reduced: true}, nil)
			if err != nil {
				t.Fatal(err)
			}
			var coded, float bytes.Buffer
			if err := onnx.Write(&coded, p.Graph, onnx.Options{Quant: &p.Quant}); err != nil {
				t.Fatal(err)
			}
			if err := onnx.Write(&float, g, onnx.Options{Fold: true}); err != nil {
				t.Fatal(err)
			}
			if err := onnx.Validate(coded.Bytes()); err != nil {
				t.Fatal(err)
			}
			parameters := 0
			for i := range g.Layers {
				for w := range model.Weights(g.Layers[i].Op) {
					parameters += len(w.Values)
				}
			}
			t.Logf("%d bytes in float, %d in 8 bits, %d parameters", float.Len(), coded.Len(), parameters)
			if coded.Len() > 2*parameters+200_000 {
				t.Errorf("%d bytes for %d parameters", coded.Len(), parameters)
			}
			net := openONNX(t, ORT, coded.Bytes(), g.Layers[g.Inputs()[0]].Shape)
			defer net.Close()
			copy(net.Input(), pictures[2])
			have, err := net.Forward()
			if err != nil {
				t.Fatal(err)
			}
			simulated, err := p.Simulator().Run(&exec.Scratch{}, pictures[2])
			if err != nil {
				t.Fatal(err)
			}
			r, err := exec.New(g)
			if err != nil {
				t.Fatal(err)
			}
			want, err := r.Run(&exec.Scratch{}, [][]float32{pictures[2]}, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, o := range g.Outputs {
				l := &g.Layers[o]
				engine := quantize.Distance(l, simulated[i], have[i])
				loss := quantize.Distance(l, want[i], simulated[i])
				t.Logf("output %d: engine and simulation %.2g apart, simulation and float %.2g", i, engine, loss)
				if engine > loss/4 || loss > 0.3 {
					t.Errorf("output %d: engine and simulation are %.2g apart, simulation and float %.2g", i, engine, loss)
				}
			}
		})
	}
}

// waves are pictures of a few plane waves, in colours.
func waves(g *model.Graph, n int) [][]float32 {
	rnd := rand.New(rand.NewPCG(1, 2))
	s := g.Layers[g.Inputs()[0]].Shape
	out := make([][]float32, n)
	for p := range out {
		out[p] = make([]float32, s.Elements())
		for range 5 {
			u, v := rnd.NormFloat64()*6, rnd.NormFloat64()*6
			for c := range 3 {
				phase, strength := rnd.Float64()*6, rnd.Float64()*0.2
				for y := range s.Height() {
					for x := range s.Width() {
						wave := math.Sin(phase + u*float64(x)/float64(s.Width()) + v*float64(y)/float64(s.Height()))
						out[p][(c*s.Height()+y)*s.Width()+x] += float32(0.1 + strength*wave)
					}
				}
			}
		}
		for i, v := range out[p] {
			out[p][i] = min(max(v, 0), 1)
		}
	}
	return out
}
