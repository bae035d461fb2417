package prune

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
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
			// By what its filters make of it: a channel that others make up is all rounding,
			// and hardly read, when it is made as large as them.
			c, _ := plain(g, i)
			w := weights(c, o.seen[i].cov.SymmetricDim())
			none := mat.NewDense(o.seen[i].cov.SymmetricDim(), c.Filters, nil)
			got, want := quadratic(o.seen[i].cov, w, none), quadratic(again.seen[i].cov, w, none)
			if math.Abs(got-want) > 1e-3*(want+1e-3) {
				t.Errorf("%s: its filters make %g of its inputs' covariance, %g is seen", g.Layers[i].Name, got, want)
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
		o, err := observe(context.Background(), g, s, images, 15, 1, quiet)
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
	t.Logf("a fit loses %g, none %g", with, without)
	if with > .5*without {
		t.Errorf("a fit loses %g, none %g", with, without)
	}
}

// Groups that begin in one layer are numbered by their first channels. Where these
// leave they change names, and are still the same.
func TestAliveByChannels(t *testing.T) {
	s := &stream{r: rand.New(rand.NewPCG(1, 0)), g: &model.Graph{}}
	x := s.conv(s.add(&model.Input{Shape: model.Shape{1, 1, 4, 4}}), 8, 1, model.Relu)
	part := s.add(&model.Slice{Axis: 1, Start: 2, Count: 5}, x) // apart: 0, 1 and 7
	s.g.Outputs = []int{s.conv(x, 2, 1, model.Linear), s.conv(part, 2, 1, model.Linear)}
	was, err := Analyze(s.g)
	if err != nil {
		t.Fatal(err)
	}
	rest, sliced := group(was, x, 7), group(was, x, 2)
	keep := was.All()
	keep[sliced][1] = false // of five
	for _, gone := range []int{0, 1} {
		keep[rest][gone] = false
		g, err := was.Remove(s.g, keep)
		if err != nil {
			t.Fatal(err)
		}
		now, err := Analyze(g)
		if err != nil {
			t.Fatal(err)
		}
		w := &shrinking{o: &original{g: s.g, s: was}, m: &smaller{g: g, keep: keep}}
		alive := w.alive(now)
		if l := alive[sliced]; l == nil || l.group != group(now, part, 0) || !slices.Equal(l.units, []int{0, 2, 3, 4}) {
			t.Errorf("channel %d left: what is sliced is taken for %+v", gone, l)
		}
		if l := alive[rest]; (l != nil) != (gone == 0) || l != nil && l.group == group(now, part, 0) {
			t.Errorf("channel %d left: the rest is taken for %+v", gone, l)
		}
	}
}

func group(s *Structure, layer, channel int) int {
	at, _ := s.Find(Channel{layer, channel})
	return at
}

// A normalisation in place of a bias computes the same.
func TestNormOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &stream{t, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), &model.Graph{}}
		s.g.Outputs = []int{s.conv(s.add(&model.Input{Shape: model.Shape{1, 3, 5, 5}}), 4, 3, model.Leaky)}
		image := noise(1, 1, 75)[0]
		before := outputs(t, s.g, image)
		c := s.g.Layers[1].Op.(*model.Conv)
		m := moments{}
		if rapid.Bool().Draw(t, "known") {
			for range c.Filters {
				m.mean = append(m.mean, s.r.NormFloat64())
				m.variance = append(m.variance, s.r.Float64()*rapid.SampledFrom([]float64{0, 1e-6, 1, 30}).Draw(t, "size"))
			}
		}
		c.Norm, c.Bias = normOf(c, 1e-5, m), nil
		for i, x := range outputs(t, s.g, image) {
			if math.Abs(float64(x-before[i])) > 1e-5 {
				t.Errorf("output %d is %g, it was %g", i, x, before[i])
			}
		}
	})
}

// Layer after layer for all images gives what image after image does.
func TestFlowGivesWhatARunGives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawStream(t)
		images := noise(rapid.Uint64().Draw(t, "images"), 3, 2*6*6)
		r, err := exec.New(g)
		if err != nil {
			t.Fatal(err)
		}
		want := make([][][]float32, len(images))
		for n := range images {
			_, err := r.Run(&exec.Scratch{}, images[n:n+1], func(_ int, value []float32) error {
				want[n] = append(want[n], slices.Clone(value))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		f := newFlow(g, images)
		held := 0
		for i := range g.Layers {
			if err := f.run(context.Background(), i); err != nil {
				t.Fatal(err)
			}
			for n := range images {
				if !slices.Equal(f.values[i][n], want[n][i]) {
					t.Fatalf("%s: another value for image %d", g.Layers[i].Name, n)
				}
			}
			f.drop(i)
		}
		for i := range f.values {
			if f.values[i] != nil {
				held++
			}
		}
		if held != 1 { // the input is the caller's
			t.Errorf("%d values are held after their last reader", held)
		}
	})
}

// Memory that is free is used again where it is not far too large.
func TestRoom(t *testing.T) {
	f := &flow{free: [][]float32{make([]float32, 100), make([]float32, 12), make([]float32, 15)}}
	for _, c := range []struct{ n, capacity, left int }{{10, 12, 2}, {10, 15, 1}, {10, 10, 0}} {
		if v := f.room(c.n); len(v) != c.n || cap(v) != c.capacity || len(f.free) != c.left {
			t.Errorf("room for %d: %d of %d, %d left", c.n, len(v), cap(v), len(f.free))
		}
	}
}

// parallel does everything once, ends at the first error, and not at all where it
// was called off.
func TestParallel(t *testing.T) {
	for _, workers := range []int{1, 3} {
		done := make([]int, 50)
		err := parallel(context.Background(), workers, len(done), func(_, n int) error {
			done[n]++
			return nil
		})
		if err != nil || slices.Min(done) != 1 || slices.Max(done) != 1 {
			t.Errorf("%v, %v", err, done)
		}
		broken := errors.New("broken")
		if err := parallel(context.Background(), workers, 50, func(_, n int) error {
			if n == 7 {
				return broken
			}
			return nil
		}); err != broken {
			t.Errorf("%v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := parallel(ctx, workers, 50, func(int, int) error {
			t.Error("done in spite of all")
			return nil
		}); err != context.Canceled {
			t.Errorf("%v", err)
		}
	}
}

func TestMemoryOfAnImage(t *testing.T) {
	s := &stream{r: rand.New(rand.NewPCG(1, 0)), g: &model.Graph{}}
	in := s.add(&model.Input{Shape: model.Shape{1, 3, 10, 10}})
	a := s.conv(in, 4, 3, model.Relu)
	s.g.Outputs = []int{s.add(&model.Add{}, s.conv(a, 4, 3, model.Linear), a)}
	// Alive: two values of 4 channels and the sum; kept: 3+4+4+4 at 20 places; seen: 36.
	if got, want := each(s.g, 20), int64(4*(3*400+15*20+36*20*2)); got != want {
		t.Errorf("%d bytes, expected %d", got, want)
	}
}

func TestThinned(t *testing.T) {
	images := noise(1, 10, 1)
	if got := thinned(images, 10); len(got) != 10 {
		t.Errorf("%d of 10", len(got))
	}
	got := thinned(images, 4)
	for i, n := range []int{0, 2, 5, 7} {
		if len(got) != 4 || &got[i][0] != &images[n][0] {
			t.Fatalf("%d images, not those of number 0, 2, 5 and 7", len(got))
		}
	}
}

// Each so many-th image is held out from the first on, in order; no other is, and none
// is lost.
func TestApart(t *testing.T) {
	for _, n := range []int{1, fewest, holdOut, holdOut + 1, 50} {
		images := noise(1, n, 1)
		held, rest := apart(images)
		if len(held)+len(rest) != n {
			t.Fatalf("of %d images %d are held out and %d are not", n, len(held), len(rest))
		}
		for k, x := range images {
			of, at := rest, k-1-k/holdOut
			if k%holdOut == 0 {
				of, at = held, k/holdOut
			}
			if at >= len(of) || &of[at][0] != &x[0] {
				t.Errorf("of %d images: number %d is not where it belongs, %d held out", n, k, len(held))
			}
		}
	}
}

// Nothing is fitted to what is held out: each of the other images is looked at, with
// its mirror image, and what the network gives is kept of those held out.
func TestNothingIsFittedToWhatIsHeldOut(t *testing.T) {
	s := &stream{r: rand.New(rand.NewPCG(1, 0)), g: &model.Graph{}}
	x := s.conv(s.add(&model.Input{Shape: model.Shape{1, 1, 4, 4}}), 8, 1, model.Relu)
	s.g.Outputs = []int{s.conv(x, 2, 1, model.Linear)}
	images := noise(1, 2*holdOut+1, s.g.Layers[0].Shape.Elements())
	opt, err := Options{Remove: []float64{.5}}.defaults()
	if err != nil {
		t.Fatal(err)
	}
	w := &shrinking{opt: opt, was: s.g}
	if err := w.prepare(t.Context(), images); err != nil {
		t.Fatal(err)
	}
	held, rest := apart(images)
	if len(w.held) != len(held) || len(w.want) != len(held) || len(w.o.images) != 2*len(rest) {
		t.Fatalf("%d held out, %d outputs of them, %d fitted to", len(w.held), len(w.want), len(w.o.images))
	}
	for k, x := range held {
		if &w.held[k][0] != &x[0] {
			t.Errorf("number %d of those held out is another", k)
		}
	}
	for k, x := range rest {
		if &w.o.images[2*k][0] != &x[0] || !slices.Equal(w.o.images[2*k+1], mirrored(x, s.g.Layers[0].Shape)) {
			t.Errorf("number %d of those that are fitted to is another", k)
		}
	}
}

func TestMirrored(t *testing.T) {
	got := mirrored([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, model.Shape{1, 2, 2, 3})
	if !slices.Equal(got, []float32{3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10}) {
		t.Errorf("%v", got)
	}
}
