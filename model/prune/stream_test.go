package prune

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"dashline/model"
	"dashline/model/exec"
)

// stream draws networks in which linear layers write values that others add up,
// upsample, join and read.
type stream struct {
	t *rapid.T
	r *rand.Rand
	g *model.Graph
}

func (s *stream) add(op model.Op, from ...int) int {
	i := len(s.g.Layers)
	s.g.Layers = append(s.g.Layers, model.Layer{Name: fmt.Sprintf("%s%d", model.Kind(op), i), Op: op, From: from})
	if err := s.g.Infer(); err != nil {
		panic(err) // the test itself is wrong
	}
	return i
}

func (s *stream) conv(from, filters, size int, act model.ActKind) int {
	n := s.g.Layers[from].Shape.Channels() * size * size
	o := &model.Conv{Filters: filters, Groups: 1, Kernel: [2]int{size, size}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1},
		Pad:    model.Pad{Top: size / 2, Left: size / 2, Bottom: size / 2, Right: size / 2},
		Weight: make([]float32, filters*n), Bias: make([]float32, filters), Act: model.Act{Kind: act}}
	for i := range o.Weight {
		o.Weight[i] = float32(s.r.NormFloat64() / math.Sqrt(float64(n)))
	}
	for i := range o.Bias {
		o.Bias[i] = float32(s.r.NormFloat64() / 4)
	}
	return s.add(o, from)
}

func drawStream(t *rapid.T) *model.Graph {
	s := &stream{t, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "weights"), 0)), &model.Graph{Name: "stream"}}
	in := s.add(&model.Input{Shape: model.Shape{1, 2, 6, 6}})
	inner := s.conv(in, 4, 3, model.Relu)
	values := []int{s.conv(inner, 4, 1, model.Linear)}
	last := func() int { return values[len(values)-1] }
	channels := func(i int) int { return s.g.Layers[i].Shape.Channels() }
	for range rapid.IntRange(1, 5).Draw(t, "steps") {
		x := last()
		switch rapid.IntRange(0, 6).Draw(t, "kind") {
		case 0, 1: // a residual block
			y := s.conv(s.conv(x, 6, 1, model.Relu), channels(x), 1, model.Linear)
			values = append(values, s.add(&model.Add{}, x, y))
		case 2: // joined
			values = append(values, s.add(&model.Concat{Axis: 1}, x, s.conv(inner, 3, 1, model.Linear)))
		case 3: // what is the same for all channels
			values = append(values, s.add(&model.Add{}, x, s.conv(inner, 1, 1, model.Linear)))
		case 4: // what is the same for all pixels
			mean := s.add(&model.AvgPool{}, x)
			values = append(values, s.add(&model.Add{}, s.conv(mean, channels(x), 1, model.Linear), x))
		case 5:
			values = append(values, s.add(&model.Identity{}, x))
		case 6: // twice
			values = append(values, s.add(&model.Add{}, x, x))
		}
	}
	s.g.Outputs = []int{s.conv(s.conv(last(), 5, 1, model.Relu), 3, 1, model.Linear)}
	for _, v := range values {
		if rapid.Bool().Draw(t, "read") {
			s.g.Outputs = append(s.g.Outputs, s.conv(v, 2, rapid.SampledFrom([]int{1, 1, 1, 3}).Draw(t, "size"), model.Linear))
		}
	}
	if err := s.g.Validate(); err != nil {
		t.Fatal(err)
	}
	return s.g
}

func noise(seed uint64, images, length int) [][]float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([][]float32, images)
	for n := range out {
		out[n] = make([]float32, length)
		for i := range out[n] {
			out[n][i] = float32(r.NormFloat64())
		}
	}
	return out
}

// outputs of a network for one image.
func outputs(t *rapid.T, g *model.Graph, image []float32) []float32 {
	r, err := exec.New(g)
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.Run(&exec.Scratch{}, [][]float32{image}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(out...)
}

func quiet(int, int) {}

// A stream in another basis makes the same outputs; what is known of the network
// then is what looking at it anew says.
func TestRotationKeepsWhatIsComputed(t *testing.T) {
	turned := 0
	rapid.Check(t, func(t *rapid.T) {
		g := drawStream(t)
		s, err := Analyze(g)
		if err != nil {
			t.Fatal(err)
		}
		images := noise(rapid.Uint64().Draw(t, "images"), 6, 2*6*6)
		before := outputs(t, g, images[0])
		o, err := observe(context.Background(), g, s, images, 20, 1, quiet)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.rotate(); err != nil {
			t.Fatal(err)
		}
		after := outputs(t, g, images[0])
		var size float64 = 1
		for _, x := range before {
			size = max(size, math.Abs(float64(x)))
		}
		for i := range before {
			if d := math.Abs(float64(before[i] - after[i])); !(d <= 2e-5*size) {
				t.Fatalf("output %d is %g, it was %g", i, after[i], before[i])
			}
		}
		again, err := observe(context.Background(), g, s, images, 20, 1, quiet)
		if err != nil {
			t.Fatal(err)
		}
		for i := range g.Layers {
			sameTarget(t, g.Layers[i].Name, o.target[i], again.target[i])
			if o.seen[i] == nil {
				continue
			}
			// A channel that others make up is all rounding when it is made as large as them.
			if d, m := away(o.seen[i].cov, again.seen[i].cov), largest(again.seen[i].cov); d > .05*m {
				t.Errorf("%s: the covariance of its inputs is off by %g of %g", g.Layers[i].Name, d, m)
			}
		}
		for group, worth := range o.worth {
			if worth == nil {
				continue
			}
			turned++
			if !slices.IsSortedFunc(worth, func(a, b float64) int {
				if a >= b {
					return -1
				}
				return 1
			}) {
				t.Errorf("group %s: worth %v does not fall", s.Groups[group].Name, worth)
			}
		}
	})
	if turned == 0 {
		t.Error("no stream was turned")
	}
}

func largest(m interface {
	At(i, j int) float64
	SymmetricDim() int
}) float64 {
	worst := 1e-3
	for i := range m.SymmetricDim() {
		worst = max(worst, math.Abs(m.At(i, i)))
	}
	return worst
}

func sameTarget(t *rapid.T, name string, a, b matrix) {
	if a.rows != b.rows || a.cols != b.cols {
		t.Fatalf("%s: the target has %dx%d numbers, %dx%d are seen", name, a.rows, a.cols, b.rows, b.cols)
	}
	size := 1.
	for _, x := range b.v {
		size = max(size, math.Abs(float64(x)))
	}
	for i := range a.v {
		if d := math.Abs(float64(a.v[i] - b.v[i])); !(d <= 1e-3*size) {
			t.Fatalf("%s: number %d of the target is %g, %g is seen", name, i, a.v[i], b.v[i])
		}
	}
}

// Removing channels of such networks and fitting the rest does not fail, and a
// fit is nowhere worse than none on what it was fitted to; with all channels
// kept it changes nothing.
func TestRebuildStreams(t *testing.T) {
	var with, without float64
	rapid.Check(t, func(t *rapid.T) {
		g := drawStream(t)
		s, err := Analyze(g)
		if err != nil {
			t.Fatal(err)
		}
		images := noise(rapid.Uint64().Draw(t, "images"), 10, 2*6*6)
		o, err := observe(context.Background(), g, s, images, 30, 1, quiet)
		if err != nil {
			t.Fatal(err)
		}
		want, err := o.raw(context.Background(), g, images)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "cut"), 0))
		keep := s.All()
		for i := range s.Groups {
			if n := len(s.Groups[i].Units); s.Groups[i].Fixed == "" && n > 2 {
				keep[i][r.IntN(n)] = false
			}
		}
		loss := func(keep Keep, fit bool) float64 {
			m, err := o.rebuild(context.Background(), keep, fit, quiet)
			if err != nil {
				t.Fatal(err)
			}
			got, err := o.raw(context.Background(), m.g, images)
			if err != nil {
				t.Fatal(err)
			}
			return o.loss(want, got)
		}
		if l := loss(s.All(), true); l != 0 {
			t.Errorf("nothing was removed and %g is lost", l)
		}
		with += loss(keep, true)
		without += loss(keep, false)
	})
	if with > .5*without {
		t.Errorf("a fit loses %g, none %g", with, without)
	}
}
