package quantize

import (
	"context"
	"math"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"dashline/model"
	"dashline/model/exec"
)

// drawn makes numbers for tests.
type drawn struct{ state uint64 }

func (d *drawn) next() float32 { // about normal, of deviation 1
	sum := 0.0
	for range 12 {
		d.state = d.state*6364136223846793005 + 1442695040888963407
		sum += float64(d.state>>11) / (1 << 53)
	}
	return float32(sum - 6)
}

func (d *drawn) numbers(n int, scale float64) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = d.next() * float32(scale)
	}
	return out
}

// filters is a convolution of He's weights, whose filters are of very different size.
func (d *drawn) filters(in, out, groups, kernel, stride int, act model.ActKind) *model.Conv {
	each := in / groups * kernel * kernel
	o := &model.Conv{Filters: out, Groups: groups, Kernel: [2]int{kernel, kernel}, Stride: [2]int{stride, stride}, Dilation: [2]int{1, 1},
		Pad:    model.Pad{Top: kernel / 2, Left: kernel / 2, Bottom: kernel / 2, Right: kernel / 2},
		Weight: d.numbers(out*each, math.Sqrt(2/float64(each))), Bias: d.numbers(out, 0.1), Act: model.Act{Kind: act, Alpha: 0.1}}
	for f := range out {
		scale := float32(math.Exp(float64(d.next()) / 2))
		for k := f * each; k < (f+1)*each; k++ {
			o.Weight[k] *= scale
		}
		o.Bias[f] *= scale
	}
	return o
}

// network has what detectors have: depthwise blocks with shortcuts, joined
// branches, pools, an upsampled one, batch normalisation, and two heads.
func network(seed uint64) *model.Graph {
	d := &drawn{seed}
	act := []model.ActKind{model.Leaky, model.Relu, model.Leaky}[seed%3]
	stem := d.filters(3, 8, 1, 3, 2, act)
	stem.Bias = nil
	stem.Norm = &model.Norm{Scale: []float32{1, 2, .5, 1, 1, 3, .1, 1}, Shift: d.numbers(8, 1), Mean: d.numbers(8, .1),
		Variance: []float32{1, .5, 2, 1, 1, 1, .1, 4}, Epsilon: 1e-5}
	head := func(in int) *model.Conv {
		o := d.filters(in, 2*7, 1, 1, 1, model.Linear)
		for k := range o.Weight {
			o.Weight[k] *= 0.2 // as sigmoids need them
		}
		return o
	}
	yolo := func(mask ...int) *model.Yolo {
		return &model.Yolo{Mask: mask, Anchors: []float64{4, 5, 9, 8, 12, 20, 25, 14}, Classes: 2, ScaleXY: 1, Input: [2]int{32, 40}}
	}
	g := &model.Graph{Name: "test", Layers: []model.Layer{
		{Name: "image", Op: &model.Input{Shape: model.Shape{1, 3, 32, 40}}},
		{Name: "stem", Op: stem, From: []int{0}},
		{Name: "wide", Op: d.filters(8, 16, 1, 1, 1, act), From: []int{1}},
		{Name: "deep", Op: d.filters(16, 16, 16, 3, 1, act), From: []int{2}},
		{Name: "narrow", Op: d.filters(16, 8, 1, 1, 1, model.Linear), From: []int{3}},
		{Name: "sum", Op: &model.Add{}, From: []int{1, 4}},
		{Name: "down", Op: d.filters(8, 12, 1, 3, 2, act), From: []int{5}},
		{Name: "pool", Op: &model.MaxPool{Size: [2]int{3, 3}, Stride: [2]int{1, 1}, Pad: model.Pad{Top: 1, Left: 1, Bottom: 1, Right: 1}}, From: []int{6}},
		{Name: "spp", Op: &model.Concat{Axis: 1}, From: []int{6, 7}},
		{Name: "grouped", Op: d.filters(24, 12, 4, 3, 1, act), From: []int{8}},
		{Name: "coarse", Op: head(12), From: []int{9}},
		{Name: "yolo0", Op: yolo(2, 3), From: []int{10}},
		{Name: "up", Op: &model.Upsample{Scale: 2}, From: []int{9}},
		{Name: "join", Op: &model.Concat{Axis: 1}, From: []int{12, 5}},
		{Name: "last", Op: d.filters(20, 10, 1, 3, 1, model.Relu6), From: []int{13}},
		{Name: "fine", Op: head(10), From: []int{14}},
		{Name: "yolo1", Op: yolo(0, 1), From: []int{15}},
	}, Outputs: []int{11, 16}}
	return g
}

func pictures(g *model.Graph, seed uint64, n int) [][]float32 {
	d := &drawn{seed + 100}
	out := make([][]float32, n)
	size := 3 * 32 * 40
	for p := range out {
		out[p] = make([]float32, size)
		level := float32(0)
		for i := range out[p] { // neighbours are alike, as in pictures
			level = 0.9*level + 0.3*d.next()
			out[p][i] = min(max(0.5+0.3*level, 0), 1)
		}
	}
	return out
}

func run(t testing.TB, g *model.Graph, picture []float32) [][]float32 {
	t.Helper()
	r, err := exec.New(g)
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.Run(&exec.Scratch{}, [][]float32{picture}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func calibrated(t testing.TB, g *model.Graph, pictures [][]float32, o Options) *Plan {
	t.Helper()
	p, err := Calibrate(context.Background(), g, pictures, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// apart is the largest difference, in parts of the largest number.
func apart(want, have [][]float32) float64 {
	worst := 0.0
	for o := range want {
		top := absMax(want[o])
		for i, w := range want[o] {
			worst = math.Max(worst, math.Abs(float64(w-have[o][i]))/top)
		}
	}
	return worst
}

// TestEqualizeChangesNothing: whatever channels are scaled by, the network
// computes what it did, and the channels have changed.
func TestEqualizeChangesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64Range(0, 1000).Draw(rt, "seed")
		given := network(seed)
		given.Layers[14].Op.(*model.Conv).Act.Kind = model.Relu // relu6 is not homogeneous
		g := prepare(given)
		if err := g.Validate(); err != nil {
			t.Fatal(err)
		}
		d := &drawn{seed}
		largest := make([][]float64, len(g.Layers))
		for i := range g.Layers {
			for range g.Layers[i].Shape.Channels() {
				largest[i] = append(largest[i], math.Exp(3*float64(d.next())))
			}
		}
		narrow := g.Layers[g.Find("narrow")].Op.(*model.Conv)
		before := slices.Clone(narrow.Weight)
		equalize(g, largest)
		if slices.Equal(before, narrow.Weight) {
			rt.Fatal("nothing was scaled")
		}
		picture := pictures(g, seed, 1)[0]
		if d := apart(run(t, given, picture), run(t, g, picture)); d > 1e-4 {
			rt.Fatalf("outputs are %v apart", d)
		}
	})
}

// TestEqualizeLeavesRelu6: a channel cut off at 6 may not be scaled.
func TestEqualizeLeavesRelu6(t *testing.T) {
	given := network(1)
	g := prepare(given)
	if err := g.Validate(); err != nil {
		t.Fatal(err)
	}
	largest := make([][]float64, len(g.Layers))
	for i := range g.Layers {
		for c := range g.Layers[i].Shape.Channels() {
			largest[i] = append(largest[i], float64(c+1))
		}
	}
	equalize(g, largest)
	picture := pictures(g, 1, 1)[0]
	if d := apart(run(t, given, picture), run(t, g, picture)); d > 1e-4 {
		t.Errorf("outputs are %v apart", d)
	}
}

// TestCalibrateNumerics: what the codes compute is near what the network does, much
// nearer than without what makes them lose less, and the network given is as it was.
func TestCalibrateNumerics(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    Options
		most float64 // mean noise of the heads' inputs
	}{
		{"default", Options{}, 0.05},
		{"reduced", Options{Reduced: true}, 0.05},
		{"minmax", Options{Method: MinMax}, 0.05},
		{"percentile", Options{Method: Percentile}, 0.05},
		{"entropy", Options{Method: Entropy}, 0.2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			better := 0
			for seed := range uint64(4) {
				g := network(seed)
				g.Outputs = []int{g.Find("coarse"), g.Find("fine")} // before exponents blow it up
				before := g.Clone()
				images := pictures(g, seed, 8)
				p := calibrated(t, g, images[:5], tt.o)
				if !same(before, g) {
					t.Fatal("the network that was given has changed")
				}
				if len(p.Coded()) != 7 || len(p.Float()) != 2 {
					t.Fatalf("%v in codes, %v in float; want all but the two heads in codes", p.Coded(), p.Float())
				}
				plain := tt.o
				plain.Plain = true
				have := simulated(t, p, images[5:], g)
				t.Logf("seed %d: %.3g apart", seed, have)
				if have > tt.most {
					t.Errorf("seed %d: outputs are %v apart", seed, have)
				}
				if have < simulated(t, calibrated(t, g, images[:5], plain), images[5:], g) {
					better++
				}
			}
			if better < 3 && tt.o.Method != Entropy {
				t.Errorf("equalised, rounded and corrected is better for %d of 4 networks", better)
			}
		})
	}
}

// simulated is the distance of outputs from those in float.
func simulated(t testing.TB, p *Plan, images [][]float32, g *model.Graph) float64 {
	t.Helper()
	s := p.Simulator()
	d := 0.0
	for _, picture := range images {
		have, err := s.Run(&exec.Scratch{}, picture)
		if err != nil {
			t.Fatal(err)
		}
		for k, want := range run(t, g, picture) {
			d += Distance(&g.Layers[g.Outputs[k]], want, have[k])
		}
	}
	return d
}

// same compares weights and layers.
func same(a, b *model.Graph) bool {
	for i := range a.Layers {
		if a.Layers[i].Name != b.Layers[i].Name || !slices.Equal(a.Layers[i].From, b.Layers[i].From) {
			return false
		}
		var parts [2][][]float32
		for k, g := range []*model.Graph{a, b} {
			for p := range model.Weights(g.Layers[i].Op) {
				parts[k] = append(parts[k], p.Values)
			}
		}
		if !slices.EqualFunc(parts[0], parts[1], slices.Equal[[]float32]) {
			return false
		}
	}
	return true
}

// TestCalibrateIsReproducible on any number of processors.
func TestCalibrateIsReproducible(t *testing.T) {
	g := network(3)
	images := pictures(g, 3, 5)
	want := calibrated(t, g, images, Options{})
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	have := calibrated(t, g, images, Options{})
	if !slices.Equal(want.Quant.Values, have.Quant.Values) || !same(want.Graph, have.Graph) {
		t.Error("other codes on one processor")
	}
	for i, w := range want.Quant.Weights {
		if !slices.Equal(w.Values, have.Quant.Weights[i].Values) || !slices.Equal(w.Scale, have.Quant.Weights[i].Scale) {
			t.Errorf("layer %s has other weights on one processor", want.Graph.Layers[i].Name)
		}
	}
}

// TestReducedDoesNotSaturate: no two products with reduced weights sum to more
// than 16 bits hold, and with full ones some do.
func TestReducedDoesNotSaturate(t *testing.T) {
	for _, tt := range []struct {
		reduced bool
		limit   int
	}{{true, reduced}, {false, full}} {
		g := network(2)
		p := calibrated(t, g, pictures(g, 2, 2), Options{Reduced: tt.reduced})
		largest := 0
		for _, c := range p.Quant.Weights {
			for _, q := range c.Values {
				largest = max(largest, int(q), -int(q))
			}
		}
		if largest != tt.limit {
			t.Errorf("reduced %v: the largest code is %d; want %d", tt.reduced, largest, tt.limit)
		}
		if fits := 2*codes*largest <= math.MaxInt16; fits != tt.reduced {
			t.Errorf("two products of %d and %d fit into 16 bits: %v; want %v", codes, largest, fits, tt.reduced)
		}
	}
}

// TestBiasFits: a filter of next to nothing with a large bias gets a step with
// which the bias is a whole number of 32 bits.
func TestBiasFits(t *testing.T) {
	in := interval{0, 1}.affine()
	for _, bias := range []float32{1e6, -1e6, 1, 0} {
		o := &model.Conv{Filters: 1, Weight: []float32{1e-12, 0}, Bias: []float32{bias}}
		c := nearest(o.Weight, filterScales(o, full, in), full)
		b := slices.Clone(o.Bias)
		roundBias(b, c, in)
		if steps := float64(bias) / (float64(c.Scale[0]) * float64(in.Scale)); math.Abs(steps) > math.MaxInt32 {
			t.Errorf("bias %v is %v steps", bias, steps)
		}
		if math.Abs(float64(b[0]-bias)) > 1e-6*math.Abs(float64(bias)) {
			t.Errorf("bias %v comes back as %v", bias, b[0])
		}
	}
}

// TestRoundLosesLess: what a filter sums over correlated numbers is nearer to
// the float's with second-order rounding than with rounding to nearest.
func TestRoundLosesLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &drawn{rapid.Uint64().Draw(t, "seed")}
		const depth, rows = 27, 400
		seen := make([]float32, depth*rows)
		for r := range rows {
			common := d.next()
			for k := range depth {
				seen[r*depth+k] = 2*common + d.next()*float32(k%5+1)/5 // one cause in all
			}
		}
		order, factor, ok := surgeon(seen, depth)
		if !ok {
			t.Fatal("no covariance")
		}
		lost := func(w []float32, q []int8, scale float64) (sum float64) {
			for r := range rows {
				e := 0.0
				for k := range depth {
					e += (float64(w[k]) - scale*float64(q[k])) * float64(seen[r*depth+k])
				}
				sum += e * e
			}
			return sum
		}
		var second, plain float64
		const limit = 7 // coarse, so that there is something to lose
		for range 20 {
			w := d.numbers(depth, 1)
			scale := absMax(w) / limit
			q := make([]int8, depth)
			compensate(w, q, scale, limit, order, factor)
			for _, v := range q {
				if v < -limit || v > limit {
					t.Fatalf("code %d", v)
				}
			}
			second += lost(w, q, scale)
			plain += lost(w, nearest(w, []float32{float32(scale)}, limit).Values, scale)
		}
		if second > 0.7*plain {
			t.Fatalf("second-order rounding loses %v, rounding to nearest %v", second, plain)
		}
	})
}

func TestSurgeonOfNothing(t *testing.T) {
	if _, _, ok := surgeon(make([]float32, 12), 3); ok {
		t.Error("zeros have a covariance")
	}
}

// TestCalibrateRefuses what it cannot do, in words that name it.
func TestCalibrateRefuses(t *testing.T) {
	g := network(0)
	images := pictures(g, 0, 1)
	bare := &model.Graph{Name: "bare", Layers: g.Clone().Layers[:2], Outputs: []int{1}}
	broken := slices.Clone(images[0])
	broken[5] = float32(math.Inf(1))
	for _, tt := range []struct {
		name     string
		g        *model.Graph
		pictures [][]float32
		o        Options
	}{
		{"no pictures", g, nil, Options{}},
		{"a picture of another size", g, [][]float32{{1, 2}}, Options{}},
		{"an infinite picture", g, [][]float32{broken}, Options{}},
		{"an unknown method", g, images, Options{Method: "best"}},
		{"a percentile that is none", g, images, Options{Method: Percentile, Percentile: 101}},
		{"a layer that does not exist", g, images, Options{Float: []string{"none"}}},
		{"a layer that is no convolution", g, images, Options{Float: []string{"pool"}}},
		{"nothing but a head", bare, images, Options{}},
	} {
		if p, err := Calibrate(context.Background(), tt.g, tt.pictures, tt.o, nil); err == nil {
			t.Errorf("%s: planned %v", tt.name, p.Coded())
		} else {
			t.Logf("%s: %v", tt.name, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Calibrate(ctx, g, images, Options{}, nil); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}

// TestMeansAreKept: on the pictures that calibrate, the mean of each channel of
// what the heads read is the float network's, whatever the codes before it lost.
func TestMeansAreKept(t *testing.T) {
	g := network(4)
	g.Outputs = []int{g.Find("coarse"), g.Find("fine")}
	images := pictures(g, 4, 4)
	s := calibrated(t, g, images, Options{}).Simulator()
	for o, channels := range []int{14, 14} {
		want, have := make([]float64, channels), make([]float64, channels)
		for _, picture := range images {
			values, err := s.Run(&exec.Scratch{}, picture)
			if err != nil {
				t.Fatal(err)
			}
			for side, x := range map[*[]float64][]float32{&want: run(t, g, picture)[o], &have: values[o]} {
				for i, v := range x {
					(*side)[i*channels/len(x)] += float64(v) / float64(len(x)/channels*len(images))
				}
			}
		}
		for c := range want {
			if math.Abs(want[c]-have[c]) > 1e-3 { // codes at ties go either way
				t.Errorf("head %d, channel %d: mean %v; want %v", o, c, have[c], want[c])
			}
		}
	}
}

// TestSimulatorStays: a simulator is that of the plan as it was when it was made.
func TestSimulatorStays(t *testing.T) {
	g := network(2)
	images := pictures(g, 2, 2)
	p := calibrated(t, g, images, Options{})
	s := p.Simulator()
	want, err := s.Run(&exec.Scratch{}, images[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Quant.Values {
		p.Quant.Values[i].Scale *= 3
	}
	got, err := s.Run(&exec.Scratch{}, images[0])
	if err != nil || apart(want, got) != 0 {
		t.Errorf("outputs are %v apart after the plan was changed, %v", apart(want, got), err)
	}
}
