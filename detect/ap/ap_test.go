package ap

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// made is a data set of some classes: objects, boxes near them, boxes of
// nothing, and crowds. Scores are all different unless ties are asked for.
func made(seed uint64, images, classes int, ties bool) []Image {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([]Image, images)
	score := func() float64 {
		if ties {
			return float64(r.IntN(5)+1) / 8
		}
		return r.Float64()
	}
	box := func() Box {
		return Box{X: r.Float64() * 300, Y: r.Float64() * 300, W: 4 + r.ExpFloat64()*60, H: 4 + r.ExpFloat64()*60}
	}
	for i := range out {
		for range r.IntN(6) {
			b := box()
			t := Truth{Class: r.IntN(classes), Box: b, Area: b.W * b.H, Crowd: r.IntN(8) == 0}
			if t.Crowd && r.IntN(2) == 0 {
				t.Class = Any
			}
			out[i].Truth = append(out[i].Truth, t)
			for range r.IntN(4) {
				j := func(v float64) float64 { return v * (1 + r.NormFloat64()*.1) }
				c := max(t.Class, 0)
				if r.IntN(6) == 0 {
					c = r.IntN(classes)
				}
				out[i].Found = append(out[i].Found, Detection{Class: c, Box: Box{j(b.X), j(b.Y), math.Abs(j(b.W)), math.Abs(j(b.H))}, Score: score()})
			}
		}
		for range r.IntN(3) {
			out[i].Found = append(out[i].Found, Detection{Class: r.IntN(classes), Box: box(), Score: score()})
		}
	}
	return out
}

func summary(t *testing.T, images []Image, classes int) Result {
	t.Helper()
	m, err := Match(images, classes)
	if err != nil {
		t.Fatal(err)
	}
	return m.Summary(nil)
}

func values(r Result) []float64 {
	v := []float64{r.AP, r.AP50, r.AP75, r.APS, r.APM, r.APL, r.AR1, r.AR10, r.AR100}
	for _, c := range r.PerClass {
		v = append(v, c.AP, c.AP50)
	}
	return v
}

func TestValuesAreShares(t *testing.T) {
	for seed := range uint64(100) {
		r := summary(t, made(seed, 8, 3, seed%2 == 0), 3)
		for i, v := range values(r) {
			if v != -1 && !(v >= 0 && v <= 1+1e-12) {
				t.Errorf("seed %d: value %d is %g", seed, i, v)
			}
		}
		if r.AP > r.AP50+1e-12 || r.AP75 > r.AP50+1e-12 || r.AR1 > r.AR10+1e-12 || r.AR10 > r.AR100+1e-12 {
			t.Errorf("seed %d: what asks for more is greater: %+v", seed, r)
		}
	}
}

func TestTheOrderOfImagesDoesNotMatter(t *testing.T) {
	for seed := range uint64(50) {
		images := made(seed, 10, 3, false)
		want := summary(t, images, 3)
		rand.New(rand.NewPCG(seed, 2)).Shuffle(len(images), func(i, j int) { images[i], images[j] = images[j], images[i] })
		for i, v := range values(summary(t, images, 3)) {
			if math.Abs(v-values(want)[i]) > 1e-12 {
				t.Errorf("seed %d: value %d is %g in another order; want %g", seed, i, v, values(want)[i])
			}
		}
	}
}

func TestAPerfectDetectorHasOne(t *testing.T) {
	for seed := range uint64(50) {
		images := made(seed, 10, 3, false)
		for i := range images {
			images[i].Found = nil
			for _, v := range images[i].Truth {
				if !v.Crowd {
					images[i].Found = append(images[i].Found, Detection{Class: v.Class, Box: v.Box, Score: .5})
				}
			}
		}
		r := summary(t, images, 3)
		for _, v := range []float64{r.AP, r.AP50, r.AP75, r.AR100} {
			if math.Abs(v-1) > 1e-12 {
				t.Errorf("seed %d: %+v; want 1", seed, r)
			}
		}
		for i := range images {
			images[i].Found = nil
		}
		if r := summary(t, images, 3); r.AP != 0 || r.AR100 != 0 {
			t.Errorf("seed %d: nothing found gives %+v; want 0", seed, r)
		}
	}
}

// A wrong detection below all others changes no precision at a recall that was
// reached; one above all others can only lower it.
func TestWrongDetectionsNeverHelp(t *testing.T) {
	far := Box{X: 1e5, Y: 1e5, W: 50, H: 50}
	for seed := range uint64(50) {
		images := made(seed, 10, 3, false)
		before := summary(t, images, 3)
		images[3].Found = append(images[3].Found, Detection{Class: 1, Box: far, Score: -1})
		low := summary(t, images, 3)
		images[3].Found = append(images[3].Found, Detection{Class: 1, Box: far, Score: 2})
		high := summary(t, images, 3)
		if low.AP != before.AP || low.AP50 != before.AP50 {
			t.Errorf("seed %d: a last false positive changes AP from %g to %g", seed, before.AP, low.AP)
		}
		if high.AP > before.AP || high.AP50 > before.AP50 {
			t.Errorf("seed %d: a first false positive raises AP from %g to %g", seed, before.AP, high.AP)
		}
	}
}

// Each case has figures that follow from the rules by hand.
func TestRules(t *testing.T) {
	b := Box{10, 10, 40, 40}
	there := []Truth{{Box: b, Area: 1600}}
	half := Box{10, 10, 40, 20} // overlaps b by one half
	crowd := Truth{Box: Box{100, 100, 200, 200}, Area: 40000, Crowd: true}
	inside := func(n int) (d []Detection) {
		for i := range n {
			d = append(d, Detection{Box: Box{110 + float64(i), 110, 30, 30}, Score: .95})
		}
		return d
	}
	tests := []struct {
		name     string
		img      Image
		ap, ap50 float64
	}{
		{"nothing there", Image{Found: inside(2)}, -1, -1},
		{"found", Image{there, []Detection{{Box: b, Score: .1}}}, 1, 1},
		{"found twice: the second is wrong, and last", Image{there, []Detection{{Box: b, Score: .9}, {Box: b, Score: .1}}}, 1, 1},
		{"an overlap of one half is enough at .50 alone", Image{there, []Detection{{Box: half, Score: .9}}}, .1, 1},
		{"wrong first", Image{there, []Detection{{Box: crowd.Box, Score: .9}, {Box: b, Score: .1}}}, .5, .5},
		{"in a crowd nothing is wrong", Image{append([]Truth{crowd}, there...), append(inside(30), Detection{Box: b, Score: .1})}, 1, 1},
		{"a crowd of another class is no excuse", Image{append([]Truth{{Class: 1, Box: crowd.Box, Area: 1, Crowd: true}}, there...), append(inside(1), Detection{Box: b, Score: .1})}, .5, .5},
		{"a crowd of any class is", Image{append([]Truth{{Class: Any, Box: crowd.Box, Area: 1, Crowd: true}}, there...), append(inside(1), Detection{Box: b, Score: .1})}, 1, 1},
		{"an object is preferred to the crowd around it", Image{[]Truth{{Box: Box{0, 0, 100, 100}, Area: 1e4, Crowd: true}, there[0]}, []Detection{{Box: b, Score: .9}}}, 1, 1},
		{"of a class a hundred count", Image{there, append(inside(100), Detection{Box: b, Score: .1})}, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := summary(t, []Image{tt.img}, 2)
			if math.Abs(r.AP-tt.ap) > 1e-12 || math.Abs(r.AP50-tt.ap50) > 1e-12 {
				t.Errorf("AP %g, AP50 %g; want %g, %g", r.AP, r.AP50, tt.ap, tt.ap50)
			}
		})
	}
}

func TestAreas(t *testing.T) {
	var img Image
	for i, side := range []float64{20, 32, 60, 96, 200} { // small, both, medium, both, large
		b := Box{X: float64(i) * 1000, W: side, H: side}
		img.Truth = append(img.Truth, Truth{Box: b, Area: side * side})
		if i < 2 {
			img.Found = append(img.Found, Detection{Box: b, Score: .5})
		}
	}
	r := summary(t, []Image{img}, 1)
	third := 34.0 / 101 // recall 1/3 reaches the points 0 to .33
	if r.APS != 1 || math.Abs(r.APM-third) > 1e-12 || r.APL != 0 {
		t.Errorf("by area %g %g %g; want 1, %g, 0", r.APS, r.APM, r.APL, third)
	}
	if r := summary(t, []Image{{Truth: img.Truth[:1]}}, 1); r.APS != 0 || r.APM != -1 || r.APL != -1 {
		t.Errorf("without truth of an area: %+v; want -1 there", r)
	}
}

func TestMatchRefuses(t *testing.T) {
	nan := math.NaN()
	for name, img := range map[string]Image{
		"a class too high":       {Found: []Detection{{Class: 2}}},
		"a negative class":       {Truth: []Truth{{Class: -2}}},
		"any class for one":      {Truth: []Truth{{Class: Any}}},
		"a score that is none":   {Found: []Detection{{Score: nan}}},
		"a box that is none":     {Found: []Detection{{Box: Box{W: nan}}}},
		"an area that is none":   {Truth: []Truth{{Area: nan}}},
		"a box without bounds":   {Truth: []Truth{{Box: Box{H: math.Inf(1)}}}},
		"a class of truth above": {Truth: []Truth{{Class: 2}}},
	} {
		if _, err := Match([]Image{img}, 2); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// An image that counts w times is w copies of it.
func TestWeightsAreCopies(t *testing.T) {
	for seed := range uint64(60) {
		images := made(seed, 7, 3, false)
		r := rand.New(rand.NewPCG(seed, 3))
		weights := make([]int32, len(images))
		var copies []Image
		for i := range weights {
			weights[i] = int32(r.IntN(4))
			copies = append(copies, slices.Repeat(images[i:i+1], int(weights[i]))...)
		}
		m, err := Match(images, 3)
		if err != nil {
			t.Fatal(err)
		}
		got := m.precision(&counter{}, all, weights)
		want := summary(t, copies, 3)
		if math.Abs(got.mean-want.AP) > 1e-12 || math.Abs(got.at[0]-want.AP50) > 1e-12 {
			t.Errorf("seed %d: weights give %g, %g; copies %g, %g", seed, got.mean, got.at[0], want.AP, want.AP50)
		}
	}
}

func TestIntervals(t *testing.T) {
	images := made(1, 60, 3, false)
	m, err := Match(images, 3)
	if err != nil {
		t.Fatal(err)
	}
	r := m.Summary(nil)
	one, err := m.Intervals(Bootstrap{Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	if !(one.APInterval.Low < r.AP && r.AP < one.APInterval.High && one.AP50Interval.Low < r.AP50 && r.AP50 < one.AP50Interval.High) {
		t.Errorf("intervals %v of %g and %g", one, r.AP, r.AP50)
	}
	if again, _ := m.Intervals(Bootstrap{Seed: 5}); again != one {
		t.Errorf("the same seed gives %v and then %v", one, again)
	}
	if other, _ := m.Intervals(Bootstrap{Seed: 6}); other == one {
		t.Error("another seed draws the same")
	}

	// Every image ten times, drawn by the ten, says no more than once.
	var copies []Image
	var blocks []int
	for i := range images {
		for range 10 {
			copies, blocks = append(copies, images[i]), append(blocks, i)
		}
	}
	m10, err := Match(copies, 3)
	if err != nil {
		t.Fatal(err)
	}
	wide, err := m10.Intervals(Bootstrap{Seed: 5, Blocks: blocks})
	if err != nil {
		t.Fatal(err)
	}
	narrow, _ := m10.Intervals(Bootstrap{Seed: 5})
	if math.Abs(wide.APInterval.Low-one.APInterval.Low) > 1e-9 || math.Abs(wide.APInterval.High-one.APInterval.High) > 1e-9 {
		t.Errorf("drawn by blocks %v; want %v", wide.APInterval, one.APInterval)
	}
	if narrow.APInterval.High-narrow.APInterval.Low > (wide.APInterval.High-wide.APInterval.Low)/2 {
		t.Errorf("drawn one by one %v; want much narrower than %v", narrow.APInterval, wide.APInterval)
	}
	if _, err := m.Intervals(Bootstrap{Blocks: []int{1}}); err == nil {
		t.Error("one block number for sixty images is accepted")
	}
	if got, err := m.Intervals(Bootstrap{Blocks: make([]int, 60)}); err != nil || got.AP50Interval.Known {
		t.Errorf("of one block: %v, %v; want no interval", got, err)
	}
	text, err := json.Marshal(one)
	var back Intervals
	if err != nil || json.Unmarshal(text, &back) != nil || back != one {
		t.Errorf("%v is written as %s and read as %v, %v", one, text, back, err)
	}
	empty, err := Match(nil, 3)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := json.Marshal(Intervals{}); err != nil || string(text) != `{"ap_interval":null,"ap50_interval":null}` {
		t.Errorf("no intervals are written as %s, %v", text, err)
	}
	if got, err := empty.Intervals(Bootstrap{}); err != nil || got.APInterval != (Interval{}) {
		t.Errorf("of no images: %v, %v", got, err)
	}
}

// A detector that is never worse on an image is better beyond chance, though
// both intervals overlap; none is better than itself.
func TestCompare(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	images, worse := make([]Image, 100), make([]Image, 100)
	for i := range images {
		b := Box{0, 0, 50, 50}
		images[i].Truth = []Truth{{Class: i % 2, Box: b, Area: 2500}}
		worse[i].Truth = images[i].Truth
		chance := r.Float64()
		if chance < .7 {
			images[i].Found = []Detection{{Class: i % 2, Box: b, Score: r.Float64()}}
		}
		if chance < .6 {
			worse[i].Found = images[i].Found
		}
	}
	a, err := Match(images, 2)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Match(worse, 2)
	if err != nil {
		t.Fatal(err)
	}
	d, err := a.Compare(b, Bootstrap{})
	if err != nil {
		t.Fatal(err)
	}
	if want := a.Summary(nil).AP - b.Summary(nil).AP; math.Abs(d.AP-want) > 1e-12 {
		t.Errorf("difference %g; want %g", d.AP, want)
	}
	if !(d.APInterval.Low > 0 && d.AP50Interval.Low > 0 && d.APInterval.Low < d.AP && d.AP < d.APInterval.High) {
		t.Errorf("difference %+v; want it beyond 0", d)
	}
	one, _ := a.Intervals(Bootstrap{})
	two, _ := b.Intervals(Bootstrap{})
	if one.APInterval.Low > two.APInterval.High {
		t.Errorf("the intervals %v and %v are apart: the case shows nothing", one.APInterval, two.APInterval)
	}
	same, err := a.Compare(a, Bootstrap{})
	if err != nil || same.AP != 0 || same.APInterval != (Interval{0, 0, true}) {
		t.Errorf("against itself %+v, %v", same, err)
	}
	short, _ := Match(images[:5], 2)
	if _, err := a.Compare(short, Bootstrap{}); err == nil {
		t.Error("100 images are compared with 5")
	}
}

// The interval holds the truth about as often as it says: AP50 of a detector
// that is right with chance one half, drawn anew again and again.
func TestIntervalsCover(t *testing.T) {
	const draws = 120
	draw := func(seed uint64, images int) *Matched {
		r := rand.New(rand.NewPCG(seed, 9))
		set := make([]Image, images)
		for i := range set {
			b := Box{0, 0, 50, 50}
			set[i].Truth = []Truth{{Box: b, Area: 2500}}
			if r.IntN(2) == 0 {
				b.X = 500
			}
			set[i].Found = []Detection{{Box: b, Score: r.Float64()}}
		}
		m, err := Match(set, 1)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	truth := draw(1, 20000).Summary(nil).AP50
	held := 0
	for seed := range uint64(draws) {
		in, err := draw(100+seed, 150).Intervals(Bootstrap{Resamples: 200, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		if in.AP50Interval.Low <= truth && truth <= in.AP50Interval.High {
			held++
		}
	}
	if share := float64(held) / draws; share < .85 {
		t.Errorf("%d of %d intervals hold %.3f; want about 95 %%", held, draws, truth)
	}
}

func BenchmarkBootstrap(b *testing.B) {
	m, err := Match(made(1, 500, 8, false), 8)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := m.Intervals(Bootstrap{}); err != nil {
			b.Fatal(err)
		}
	}
}
