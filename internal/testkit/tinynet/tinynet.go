// Package tinynet makes a detector of a few thousand random weights for tests of what
// is done to networks: everything takes milliseconds on it. It finds something in
// any picture, though nothing that is there.
package tinynet

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"dashline/model"
	"dashline/model/catalog"
	"dashline/model/darknet"
)

// Size is the height and width of the input in pixels.
const Size = 64

var classes = []string{"car", "truck", "person"}

// Graph is the network: four convolutions with batch normalisation, a shortcut, and
// a head of two anchors on a grid of 8x8. Equal seeds give equal weights.
func Graph(seed uint64) *model.Graph {
	b := &builder{g: &model.Graph{Name: "tiny"}, r: rand.New(rand.NewPCG(seed, 0))}
	x := b.add("input", &model.Input{Shape: model.Shape{1, 3, Size, Size}})
	x = b.conv("stem", x, 16, 3, 2)
	x = b.conv("wide", x, 32, 3, 2)
	x = b.conv("trunk", x, 24, 3, 2)
	y := b.conv("deep", x, 24, 3, 1)
	x = b.add("sum", &model.Add{}, x, y)
	per := 5 + len(classes)
	head := b.conv("head", x, 2*per, 1, 1)
	o := b.g.Layers[head].Op.(*model.Conv)
	o.Norm, o.Bias, o.Act = nil, make([]float32, o.Filters), model.Act{}
	for a := range 2 {
		o.Bias[a*per+5] = 2 // most are cars
	}
	b.g.Outputs = []int{b.add("yolo", &model.Yolo{Mask: []int{0, 1}, Anchors: []float64{12, 12, 24, 20},
		Classes: len(classes), ScaleXY: 1, Input: [2]int{Size, Size}}, head)}
	return b.g
}

type builder struct {
	g *model.Graph
	r *rand.Rand
}

func (b *builder) add(name string, op model.Op, from ...int) int {
	b.g.Layers = append(b.g.Layers, model.Layer{Name: name, Op: op, From: from})
	if err := b.g.Infer(); err != nil {
		panic(err) // the network is always the same
	}
	return len(b.g.Layers) - 1
}

// conv is a convolution whose values are near one (He et al. 2015, arXiv:1502.01852).
func (b *builder) conv(name string, from, filters, size, stride int) int {
	inputs := b.g.Layers[from].Shape.Channels() * size * size
	o := &model.Conv{Filters: filters, Groups: 1, Kernel: [2]int{size, size}, Stride: [2]int{stride, stride},
		Dilation: [2]int{1, 1}, Pad: model.Pad{Top: size / 2, Left: size / 2, Bottom: size / 2, Right: size / 2},
		Weight: make([]float32, filters*inputs), Act: model.Act{Kind: model.Leaky, Alpha: .1},
		Norm: &model.Norm{Epsilon: 1e-5}}
	for i := range o.Weight {
		o.Weight[i] = float32(b.r.NormFloat64() * math.Sqrt(2/float64(inputs)))
	}
	for range filters {
		o.Norm.Scale = append(o.Norm.Scale, .8+.4*b.r.Float32())
		o.Norm.Shift = append(o.Norm.Shift, .2*b.r.Float32()-.1)
		o.Norm.Mean = append(o.Norm.Mean, 0)
		o.Norm.Variance = append(o.Norm.Variance, 1)
	}
	return b.add(name, o, from)
}

// Describe is the network's description without its files.
func Describe(name string) catalog.Network {
	const scale = 1. / 255
	return catalog.Network{Name: name, Summary: "random weights", Task: "detect", Format: "darknet",
		Files:  []catalog.File{{Role: "config", Path: name + ".cfg"}, {Role: "weights", Path: name + ".weights"}},
		Input:  catalog.Input{Width: Size, Height: Size, Resize: "stretch", Color: "rgb", Scale: [3]float32{scale, scale, scale}},
		Decode: catalog.Decode{Kind: "yolo"}, Classes: classes, License: "none", Source: "made for a test"}
}

// Detector writes the network as darknet, with its description, to a folder that
// goes with the test, and is the description's path.
func Detector(t testing.TB, name string, seed uint64) string {
	t.Helper()
	f, err := darknet.New(Graph(seed))
	if err != nil {
		t.Fatal(err)
	}
	var cfg, weights bytes.Buffer
	if err := f.Write(&cfg, &weights); err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(t.TempDir(), name)
	for ending, data := range map[string][]byte{".cfg": cfg.Bytes(), ".weights": weights.Bytes()} {
		if err := os.WriteFile(base+ending, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := catalog.Save(base+".yaml", Describe(name)); err != nil {
		t.Fatal(err)
	}
	return base + ".yaml"
}

// Inputs are some pictures as the network reads them, of soft random colours.
func Inputs(count int) [][]float32 {
	r := rand.New(rand.NewPCG(1, 1))
	out := make([][]float32, count)
	for n := range out {
		out[n] = make([]float32, 3*Size*Size)
		for c := range 3 {
			base, slope := r.Float32(), r.Float32()-.5
			for i := range Size * Size {
				out[n][c*Size*Size+i] = base + slope*float32(i%Size)/Size + .1*r.Float32()
			}
		}
	}
	return out
}
