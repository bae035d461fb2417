package prune_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"dashline/model"
	"dashline/model/prune"
)

// images are smooth noise: as in pictures, neighbours are alike.
func images(seed uint64, count int, s model.Shape) [][]float32 {
	r := rand.New(rand.NewPCG(seed, 2))
	out := make([][]float32, count)
	for n := range out {
		out[n] = make([]float32, s.Elements())
		for c := range s.Channels() {
			base, dx, dy := r.Float32(), r.Float32()-.5, r.Float32()-.5
			for y := range s.Height() {
				for x := range s.Width() {
					at := (c*s.Height()+y)*s.Width() + x
					out[n][at] = base + dx*float32(x)/float32(s.Width()) + dy*float32(y)/float32(s.Height()) + .2*r.Float32()
				}
			}
		}
	}
	return out
}

func imagesOf(g *model.Graph, count int) [][]float32 {
	return images(1, count, g.Layers[g.Inputs()[0]].Shape)
}

// compressible is blocks as MobileNetV2 has them, whose pointwise weights are of
// low rank: about half of all channels can be made of the others.
func compressible(t testing.TB, seed uint64) *model.Graph {
	n := newNet(seed)
	x := n.conv(n.input(3, 8, 8), 12, 3, 1, true, model.Linear)
	for range 2 {
		y := n.conv(n.depthwise(n.relu(x, 24, 1), 1), 12, 1, 1, true, model.Linear)
		x = n.sum(model.Linear, x, y)
	}
	g := n.done(t, n.conv(n.relu(x, 16, 3), 6, 1, 1, false, model.Linear))
	for i := range g.Layers {
		o, ok := g.Layers[i].Op.(*model.Conv)
		if !ok {
			continue
		}
		inputs := len(o.Weight) / o.Filters
		scale(o.Weight, inputs)
		if o.Groups == 1 {
			lowRank(n.r, o.Weight, o.Filters, inputs, max(2, o.Filters/2))
		}
	}
	return g
}

// lowRank leaves a matrix little but a product of two thin ones.
func lowRank(r *rand.Rand, w []float32, rows, cols, rank int) {
	for i := rank; i < rows; i++ {
		row := w[i*cols : (i+1)*cols]
		for k := range row {
			row[k] *= .1
		}
		for k := range rank {
			by := float32(r.NormFloat64()) / float32(math.Sqrt(float64(rank)))
			for c := range row {
				row[c] += by * w[k*cols+c]
			}
		}
	}
}

// doubled has every hidden channel twice: half of them have no worth.
func doubled(t testing.TB) *model.Graph {
	n := newNet(3)
	a := n.relu(n.input(3, 8, 8), 16, 3)
	b := n.relu(a, 16, 3)
	g := n.done(t, n.conv(b, 4, 1, 1, false, model.Linear))
	for _, i := range []int{a, b} {
		o := g.Layers[i].Op.(*model.Conv)
		scale(o.Weight, len(o.Weight)/o.Filters)
		copy(o.Weight[len(o.Weight)/2:], o.Weight)
		for _, values := range [][]float32{o.Bias, o.Norm.Scale, o.Norm.Shift, o.Norm.Mean, o.Norm.Variance} {
			copy(values[8:], values)
		}
	}
	return g
}

func shrink(t testing.TB, g *model.Graph, opt prune.Options) []prune.Result {
	t.Helper()
	if opt.Places == 0 {
		opt.Places = 20
	}
	results, err := prune.Shrink(t.Context(), g, imagesOf(g, 10), opt)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// Channels that are there twice leave for nothing, and the network that comes out
// is as much smaller as it was asked to be.
func TestShrinkLosesNothingOfDoubledChannels(t *testing.T) {
	g := doubled(t)
	before := g.Clone()
	for _, r := range shrink(t, g, prune.Options{Remove: []float64{.3, .6}, Multiple: 2}) {
		if d := 1 - float64(macs(r.Graph))/float64(macs(g)); math.Abs(d-r.Removed) > 1e-9 || r.Loss > 1e-4 {
			t.Errorf("%.3f of the operations are gone, %.3f said; the loss is %g", d, r.Removed, r.Loss)
		}
		for _, c := range r.Groups {
			if c.Now >= c.Was || c.Now%2 != 0 || c.Was != 16 {
				t.Errorf("%+v", c)
			}
		}
		for i := range g.Layers { // the form that it came in
			was, ok := g.Layers[i].Op.(*model.Conv)
			if now, _ := r.Graph.Layers[i].Op.(*model.Conv); ok && (was.Norm == nil) != (now.Norm == nil) {
				t.Errorf("%s has another form", g.Layers[i].Name)
			}
		}
	}
	if !reflect.DeepEqual(g, before) {
		t.Error("the network that was given was changed")
	}
}

// Fitting beats leaving weights alone, and choosing by what readers lose beats
// choosing by magnitude or scale; all of them the baseline.
func TestShrinkMethods(t *testing.T) {
	loss := map[string]float64{}
	for seed := range uint64(2) {
		g := compressible(t, seed)
		for name, opt := range map[string]prune.Options{
			"default":   {},
			"magnitude": {Criterion: prune.Magnitude},
			"scale":     {Criterion: prune.Scale},
			"plain":     {Plain: true},
			"baseline":  {Plain: true, Criterion: prune.Magnitude, Allocation: prune.Uniform},
		} {
			opt.Remove, opt.Multiple, opt.Step, opt.Places = []float64{.5}, 2, .25, 30
			r := shrink(t, g, opt)[0]
			if r.Removed < .5 || r.Removed > .6 || r.Loss < 0 {
				t.Errorf("%s: %.3f removed, loss %g", name, r.Removed, r.Loss)
			}
			loss[name] += r.Loss
		}
	}
	t.Logf("losses %v", loss)
	for _, worse := range []string{"magnitude", "scale", "plain"} {
		if loss["default"] >= loss[worse] {
			t.Errorf("%s loses %g, the default %g", worse, loss[worse], loss["default"])
		}
		if loss[worse] >= loss["baseline"] {
			t.Errorf("%s loses %g, the baseline %g", worse, loss[worse], loss["baseline"])
		}
	}
}

// Results are the same bytes on one core and on several.
func TestShrinkDependsOnItsArgumentsAlone(t *testing.T) {
	g := compressible(t, 1)
	var first []prune.Result
	for _, cores := range []int{1, 4} {
		was := runtime.GOMAXPROCS(cores)
		r := shrink(t, g, prune.Options{Remove: []float64{.3}, Multiple: 2, Seed: 5})
		runtime.GOMAXPROCS(was)
		if first == nil {
			first = r
		}
		if !reflect.DeepEqual(r, first) {
			t.Errorf("on %d cores the result is another", cores)
		}
	}
	if other := shrink(t, g, prune.Options{Remove: []float64{.3}, Multiple: 2, Seed: 6}); reflect.DeepEqual(other, first) {
		t.Error("another seed gives the same places")
	}
}

// A run that goes on after any step of an earlier one ends as that did.
func TestShrinkResumes(t *testing.T) {
	g := compressible(t, 2)
	type step struct {
		keep prune.Keep
		done int // results before it
	}
	var steps []step
	var found []int
	opt := prune.Options{Remove: []float64{.15, .3}, Multiple: 2, Step: .06}
	opt.Checkpoint = func(keep prune.Keep) error {
		copied := make(prune.Keep, len(keep))
		for i := range keep {
			copied[i] = slices.Clone(keep[i])
		}
		steps = append(steps, step{copied, len(found)})
		return nil
	}
	opt.Found = func(share int, _ prune.Result) error {
		found = append(found, share)
		return nil
	}
	whole := shrink(t, g, opt)
	if len(steps) < 3 || len(whole) != 2 || !slices.Equal(found, []int{0, 1}) {
		t.Fatalf("%d steps, %d results, found %v", len(steps), len(whole), found)
	}
	opt.Checkpoint, opt.Found = nil, nil
	for n, s := range steps {
		opt.Resume, opt.Done = s.keep, s.done
		if rest := shrink(t, g, opt); !reflect.DeepEqual(rest, whole[s.done:]) {
			t.Errorf("after step %d: %d results that are not the last of one run", n, len(rest))
		}
	}
	opt.Resume = opt.Resume[1:]
	if _, err := prune.Shrink(t.Context(), g, imagesOf(g, 10), opt); err == nil || !strings.HasPrefix(err.Error(), "resume: ") {
		t.Errorf("a choice of another network: %v", err)
	}
}

// With Enough, the first network that it is content with comes out.
func TestShrinkUntilEnough(t *testing.T) {
	g := compressible(t, 3)
	asked := 0
	r := shrink(t, g, prune.Options{Multiple: 2, Enough: func(_ context.Context, g *model.Graph) (bool, error) {
		asked++
		return asked == 3, nil
	}})
	if len(r) != 1 || asked != 3 || r[0].Removed < .15 || r[0].Removed > .35 {
		t.Errorf("asked %d times, %d results, %.3f removed", asked, len(r), r[0].Removed)
	}
	never := func(context.Context, *model.Graph) (bool, error) { return false, nil }
	if _, err := prune.Shrink(t.Context(), g, imagesOf(g, 5), prune.Options{Enough: never, Step: .4}); !errors.Is(err, prune.ErrTarget) {
		t.Errorf("never enough: %v", err)
	}
	broken := errors.New("no clock")
	fails := func(context.Context, *model.Graph) (bool, error) { return false, broken }
	if _, err := prune.Shrink(t.Context(), g, imagesOf(g, 5), prune.Options{Enough: fails}); !errors.Is(err, broken) {
		t.Errorf("a failure of its own: %v", err)
	}
}

// Where the last share is too much the others still come out.
func TestShrinkTarget(t *testing.T) {
	g := compressible(t, 4)
	r, err := prune.Shrink(t.Context(), g, imagesOf(g, 6), prune.Options{Remove: []float64{.2, .99}, Step: .5})
	if !errors.Is(err, prune.ErrTarget) || !strings.Contains(err.Error(), "% of the cost") || len(r) != 1 || r[0].Removed < .2 {
		t.Errorf("%d results, %v", len(r), err)
	}
}

// The cost is the caller's: cuts go where they save most of it.
func TestShrinkCost(t *testing.T) {
	g := compressible(t, 5)
	s, err := prune.Analyze(g)
	if err != nil {
		t.Fatal(err)
	}
	dear := slices.IndexFunc(s.Groups, func(g prune.Group) bool { return g.Fixed == "" })
	r := shrink(t, g, prune.Options{Remove: []float64{.3}, Multiple: 2, Cost: func(_ *prune.Structure, counts []int) float64 {
		return float64(counts[dear])
	}})[0]
	if len(r.Groups) != 1 || r.Groups[0].Name != s.Groups[dear].Name || r.Removed < .3 {
		t.Errorf("%+v", r.Groups)
	}
}

func TestShrinkRefuses(t *testing.T) {
	good := compressible(t, 6)
	damaged := good.Clone()
	damaged.Layers[2].Op.(*model.Conv).Weight[3] = float32(math.NaN())
	two := newNet(1)
	twins := two.done(t, two.sum(model.Linear, two.input(2, 4, 4), two.input(2, 4, 4)))
	five := imagesOf(good, 5)
	odd := slices.Clone(five)
	odd[3] = odd[3][:7]
	some := []float64{.3}
	for _, c := range []struct {
		name   string
		g      *model.Graph
		images [][]float32
		opt    prune.Options
		says   string
	}{
		{"few pictures", good, five[:4], prune.Options{Remove: some}, "4 calibration pictures: give at least 5"},
		{"a short picture", good, odd, prune.Options{Remove: some}, "calibration picture 3 has 7 numbers: the network reads 1x3x8x8"},
		{"weights that are no numbers", damaged, five, prune.Options{Remove: some}, "weight 3 is NaN"},
		{"two inputs", twins, five, prune.Options{Remove: some}, "2 inputs"},
		{"an operator that cannot be run", unknown(t), imagesOf(unknown(t), 5), prune.Options{Remove: some}, "cannot be run"},
		{"no share", good, five, prune.Options{}, "no share"},
		{"a share of all", good, five, prune.Options{Remove: []float64{.5, 1}}, "[0.5 1]"},
		{"falling shares", good, five, prune.Options{Remove: []float64{.5, .3}}, "rising"},
		{"no number", good, five, prune.Options{Remove: []float64{math.NaN()}}, "NaN"},
		{"criterion", good, five, prune.Options{Remove: some, Criterion: "taste"}, `"taste": use magnitude, bn-scale or second-order`},
		{"allocation", good, five, prune.Options{Remove: some, Allocation: "fair"}, `"fair": use uniform or sensitivity`},
		{"multiple", good, five, prune.Options{Remove: some, Multiple: -8}, "multiple -8"},
		{"places", good, five, prune.Options{Remove: some, Places: -1}, "places -1"},
		{"step", good, five, prune.Options{Remove: some, Step: -.1}, "step -0.1"},
	} {
		r, err := prune.Shrink(t.Context(), c.g, c.images, c.opt)
		if err == nil || !strings.Contains(err.Error(), c.says) || len(r) > 0 {
			t.Errorf("%s: %v, expected %q", c.name, err, c.says)
		}
	}
}

// After it was called off it does no more than the step that it is at.
func TestShrinkEndsWhenCalledOff(t *testing.T) {
	g := compressible(t, 7)
	pictures := imagesOf(g, 8)
	whats := map[string]bool{}
	opt := prune.Options{Remove: []float64{.3}, Multiple: 2, Progress: func(what string, _, _ int) { whats[what] = true }}
	if _, err := prune.Shrink(t.Context(), g, pictures, opt); err != nil {
		t.Fatal(err)
	}
	if len(whats) < 4 {
		t.Errorf("it says only %v", whats)
	}
	for at := range whats {
		ctx, cancel := context.WithCancel(t.Context())
		after := 0
		opt.Progress = func(what string, _, _ int) {
			if ctx.Err() != nil {
				after++
			}
			if what == at {
				cancel()
			}
		}
		_, err := prune.Shrink(ctx, g, pictures, opt)
		cancel()
		if !errors.Is(err, context.Canceled) || after > len(g.Layers) {
			t.Errorf("called off while %s: %v, %d steps after", at, err, after)
		}
	}
}

// Any network that can be analysed and run can be shrunk: as much as was asked
// for leaves, or it is said that it cannot.
func TestShrinkRandomNetworks(t *testing.T) {
	shrunk := 0
	rapid.Check(t, func(t *rapid.T) {
		g := random(t)
		opt := prune.Options{
			Remove: []float64{.1, .3}, Multiple: rapid.IntRange(1, 3).Draw(t, "multiple"), Places: 10, Step: .15,
			Plain:      rapid.Bool().Draw(t, "plain"),
			Criterion:  rapid.SampledFrom([]prune.Criterion{prune.Magnitude, prune.Scale, prune.SecondOrder}).Draw(t, "criterion"),
			Allocation: rapid.SampledFrom([]prune.Allocation{prune.Uniform, prune.Sensitivity}).Draw(t, "allocation"),
		}
		results, err := prune.Shrink(context.Background(), g, imagesOf(g, 5), opt)
		if err != nil && !errors.Is(err, prune.ErrTarget) {
			t.Fatal(err)
		}
		for i, r := range results {
			shrunk++
			if err := r.Graph.Validate(); err != nil {
				t.Fatal(err)
			}
			if d := 1 - float64(macs(r.Graph))/float64(macs(g)); d < opt.Remove[i]-1e-9 || math.Abs(d-r.Removed) > 1e-9 || !(r.Loss >= -1e-9) {
				t.Errorf("%g of the operations are gone, %g is said; the loss is %g", d, r.Removed, r.Loss)
			}
		}
	})
	if shrunk == 0 {
		t.Error("none was shrunk")
	}
}

// A convolution in groups of which one channel and one filter each are left works on
// each channel alone then, and nothing is known to fit it to.
func TestShrinkToOneChannelOfEachGroup(t *testing.T) {
	n := newNet(11)
	x := n.conv(n.relu(n.input(2, 6, 6), 6, 3), 6, 3, 3, true, model.Relu)
	g := n.done(t, n.conv(x, 5, 1, 1, false, model.Linear))
	s, err := prune.Analyze(g)
	if err != nil {
		t.Fatal(err)
	}
	opt := prune.Options{Remove: []float64{.45}, Multiple: 1, Step: 1, Cost: func(_ *prune.Structure, counts []int) float64 {
		var sum float64
		for i, k := range counts {
			if s.Groups[i].Fixed == "" {
				sum += float64(k)
			}
		}
		return sum
	}}
	small := shrink(t, g, opt)[0].Graph.Layers[x].Op.(*model.Conv)
	if small.Groups != 3 || small.Filters != 3 || len(small.Weight) != 27 {
		t.Errorf("%d filters in %d groups with %d weights", small.Filters, small.Groups, len(small.Weight))
	}
}

// Sums of what are no images are left alone.
func TestShrinkBesideSumsOfConstants(t *testing.T) {
	n := newNet(12)
	x := n.relu(n.relu(n.input(2, 6, 6), 8, 3), 8, 1)
	both := n.sum(model.Linear, n.constant(8, 1, 1), n.constant(8, 1, 1))
	g := n.done(t, n.conv(n.add(&model.Mul{}, x, both), 5, 1, 1, false, model.Linear))
	if r := shrink(t, g, prune.Options{Remove: []float64{.3}, Multiple: 1})[0]; r.Removed < .3 {
		t.Errorf("%+v", r)
	}
}

// Thinning leaves the heaviest filters as they are, about the same share everywhere.
func TestThin(t *testing.T) {
	g := compressible(t, 8)
	before := g.Clone()
	small, err := prune.Thin(g, .4, 2)
	if err != nil {
		t.Fatal(err)
	}
	if d := 1 - float64(macs(small))/float64(macs(g)); d < .4 || d > .55 {
		t.Errorf("%.3f of the operations are gone", d)
	}
	if !reflect.DeepEqual(g, before) {
		t.Error("the network that was given was changed")
	}
	was, now := g.Layers[1].Op.(*model.Conv), small.Layers[1].Op.(*model.Conv) // adds up with others: any may leave
	if len(was.Weight) <= len(now.Weight) {
		t.Errorf("%d of %d weights are left of the stem", len(now.Weight), len(was.Weight))
	}
	last := len(g.Layers) - 2 // a group by itself
	was, now = g.Layers[last].Op.(*model.Conv), small.Layers[last].Op.(*model.Conv)
	stay := map[float32]bool{} // by their biases, which are left alone
	for _, b := range now.Bias {
		stay[b] = true
	}
	lightest, heaviest := math.Inf(1), 0.
	for f, b := range was.Bias {
		var norm float64
		for _, w := range was.Weight[f*len(was.Weight)/was.Filters : (f+1)*len(was.Weight)/was.Filters] {
			norm += float64(w) * float64(w)
		}
		if stay[b] {
			lightest = min(lightest, norm)
		} else {
			heaviest = max(heaviest, norm)
		}
	}
	if len(stay) == was.Filters || lightest < heaviest {
		t.Errorf("a filter of norm %g left, one of %g stays", heaviest, lightest)
	}
}
