package exec

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"dashline/internal/testkit"
	"dashline/model"
	"dashline/model/catalog"
	"dashline/model/darknet"
)

// BenchmarkConv measures convolutions of the kinds and sizes that detectors have.
func BenchmarkConv(b *testing.B) {
	for _, c := range []struct{ channels, filters, groups, kernel, stride, height, width int }{
		{3, 16, 1, 3, 2, 320, 320},
		{16, 96, 1, 1, 1, 160, 160},
		{96, 24, 1, 1, 1, 80, 80},
		{256, 256, 1, 1, 1, 20, 20},
		{64, 64, 1, 3, 1, 80, 80},
		{128, 256, 1, 3, 1, 20, 20},
		{64, 64, 4, 3, 1, 40, 40},
		{96, 96, 96, 3, 1, 80, 80},
		{96, 96, 96, 3, 2, 160, 160},
		{96, 96, 96, 5, 1, 20, 20},
	} {
		p := c.kernel / 2
		o := &model.Conv{Filters: c.filters, Groups: c.groups, Kernel: [2]int{c.kernel, c.kernel},
			Stride: [2]int{c.stride, c.stride}, Dilation: [2]int{1, 1}, Pad: model.Pad{Top: p, Left: p, Bottom: p, Right: p},
			Weight: waves(c.filters * c.channels / c.groups * c.kernel * c.kernel)}
		g := &model.Graph{Layers: []model.Layer{
			{Name: "in", Op: &model.Input{Shape: model.Shape{1, c.channels, c.height, c.width}}},
			{Name: "conv", Op: o, From: []int{0}},
		}, Outputs: []int{1}}
		if err := g.Validate(); err != nil {
			b.Fatal(err)
		}
		name := fmt.Sprintf("%dx%d of %d, %dx%d by %d to %d in %d", c.kernel, c.kernel, c.stride, c.height, c.width, c.channels, c.filters, c.groups)
		b.Run(name, func(b *testing.B) { benchmarkLayer(b, g, len(o.Weight)/c.filters) })
	}
}

// benchmarkLayer reports the speed of layer 1, whose every number is a sum of depth products.
func benchmarkLayer(b *testing.B, g *model.Graph, depth int) {
	l := &g.Layers[1]
	x, out := waves(g.In(1).Elements()), make([]float32, l.Shape.Elements())
	var s Scratch
	for b.Loop() {
		if err := Layer(l, []model.Shape{g.In(1)}, [][]float32{x}, out, &s); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(2*float64(depth)*float64(len(out))*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}

func waves(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i%17)/8 - 1.01
	}
	return x
}

// BenchmarkAct measures activations of a million numbers.
func BenchmarkAct(b *testing.B) {
	for _, kind := range []model.ActKind{model.Leaky, model.Relu6, model.HardSwish, model.Sigmoid, model.Mish, model.Silu, model.Gelu} {
		b.Run(string(kind), func(b *testing.B) {
			x := waves(1 << 20)
			y := make([]float32, len(x))
			for b.Loop() {
				copy(y, x)
				apply(&model.Act{Kind: kind, Alpha: 0.1}, 0, y)
			}
		})
	}
}

// BenchmarkPool measures the pools of SPP blocks and of a stem.
func BenchmarkPool(b *testing.B) {
	for _, c := range []struct{ size, stride, channels, side int }{{2, 2, 32, 160}, {5, 1, 256, 20}, {13, 1, 256, 20}} {
		b.Run(fmt.Sprintf("%d of %d, %dx%d by %d", c.size, c.stride, c.side, c.side, c.channels), func(b *testing.B) {
			p := (c.size - 1) / 2
			g := &model.Graph{Layers: []model.Layer{
				{Name: "in", Op: &model.Input{Shape: model.Shape{1, c.channels, c.side, c.side}}},
				{Name: "pool", Op: &model.MaxPool{Size: [2]int{c.size, c.size}, Stride: [2]int{c.stride, c.stride},
					Pad: model.Pad{Top: p, Left: p, Bottom: p, Right: p}}, From: []int{0}},
			}, Outputs: []int{1}}
			if err := g.Validate(); err != nil {
				b.Fatal(err)
			}
			benchmarkLayer(b, g, 0)
		})
	}
}

// BenchmarkNetwork measures whole networks on one image.
func BenchmarkNetwork(b *testing.B) {
	for _, name := range []string{"yolo-fastest-1.1", "yolo-fastest-1.1-xl", "mobilenetv2-yolov3-nano-coco", "dashline-tiny", "dashline-full"} {
		b.Run(name, func(b *testing.B) {
			g := read(b, name)
			r, err := New(g)
			if err != nil {
				b.Fatal(err)
			}
			image := waves(g.Layers[0].Shape.Elements())
			var s Scratch
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Run(&s, [][]float32{image}, nil); err != nil {
					b.Fatal(err)
				}
			}
			held := len(s.work)
			for _, slot := range s.slots {
				held += len(slot)
			}
			b.ReportMetric(float64(4*held)/1e6, "MB")
		})
	}
}

// read reads a described network of darknet's.
func read(b *testing.B, name string) *model.Graph {
	b.Helper()
	d, err := catalog.Resolve(name)
	if err != nil {
		if d, err = d.Locate(testkit.Asset(b, "networks")); err != nil {
			b.Fatal(err)
		}
	}
	var files [2][]byte
	for i, role := range []string{"config", "weights"} {
		if files[i], err = os.ReadFile(d.Path(role)); err != nil {
			b.Fatal(err)
		}
	}
	f, err := darknet.Read(files[0], bytes.NewReader(files[1]), int64(len(files[1])))
	if err != nil {
		b.Fatal(err)
	}
	return f.Graph
}
