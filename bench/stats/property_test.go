package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// sample draws finite values, some of them equal.
func sample(t *rapid.T, least, most int) []float64 {
	return rapid.SliceOfN(rapid.OneOf(
		rapid.Map(rapid.IntRange(0, 100<<10), func(i int) float64 { return float64(i) / 1024 }), // 8x-4 is exact
		rapid.Map(rapid.IntRange(0, 20), func(i int) float64 { return float64(i) }),
	), least, most).Draw(t, "x")
}

func TestQuantileIntervalProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := sample(t, 1, 300)
		q := rapid.Float64Range(.001, .999).Draw(t, "q")
		level := rapid.Float64Range(.5, .999).Draw(t, "level")
		kept := slices.Clone(x)
		iv := QuantileInterval(x, q, level)
		if !slices.Equal(x, kept) {
			t.Fatal("the values were changed")
		}
		if !(iv.Low <= iv.Value && iv.Value <= iv.High) {
			t.Fatalf("%v is not in order", iv)
		}
		if wider := QuantileInterval(x, q, (1+level)/2); wider.Low > iv.Low || wider.High < iv.High {
			t.Fatalf("%v at a higher level is not around %v", wider, iv)
		}
		// A scale and an origin change nothing else.
		for i := range x {
			x[i] = 8*x[i] - 4
		}
		if moved := QuantileInterval(x, q, level); !close(moved.Low, 8*iv.Low-4) || !close(moved.Value, 8*iv.Value-4) || !close(moved.High, 8*iv.High-4) {
			t.Fatalf("%v of 8x-4; want 8 times %v, less 4", moved, iv)
		}
		if e := DesignEffect(x, q); e < 1 || e > float64(len(x)) {
			t.Fatalf("a design effect of %v of %d values", e, len(x))
		}
	})
}

func close(a, b float64) bool { return a == b || math.Abs(a-b) < 1e-9*(1+math.Abs(a)+math.Abs(b)) }

// TestInfiniteValues: frames that were never published are the greatest values, so
// bounds that lie below them are as they were, and others are infinite.
func TestInfiniteValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := sample(t, 20, 300)
		q := rapid.Float64Range(.05, .95).Draw(t, "q")
		kept := rapid.IntRange(1, len(x)).Draw(t, "kept")
		whole := QuantileInterval(x, q, .9)
		cut := ordered(x)[kept-1]
		lost := slices.Clone(x)
		for i, v := range lost {
			if v > cut {
				lost[i] = math.Inf(1)
			}
		}
		iv := QuantileInterval(lost, q, .9)
		if math.IsNaN(iv.Low) || math.IsNaN(iv.Value) || math.IsNaN(iv.High) || iv.Low > iv.Value || iv.Value > iv.High {
			t.Fatalf("%v", iv)
		}
		// Correlation is looked for at the quantile and in the middle, which are to
		// be as they were.
		looked := ordered(x)[min(max(int(q*float64(len(x)))+1, len(x)/2+1, leastEvents+1), len(x)-1)]
		if whole.High <= cut && looked <= cut && iv != whole {
			t.Fatalf("%v; want %v, as all of it is below what was lost", iv, whole)
		}
		if iv.High > cut && !math.IsInf(iv.High, 1) {
			t.Fatalf("High is %v, beyond %v, where all was lost", iv.High, cut)
		}
	})
}

// TestBoundsBesideInfinity: where a bound is between a finite value and an infinite
// one, it is the wider.
func TestBoundsBesideInfinity(t *testing.T) {
	const n = 20
	finite := make([]float64, n)
	for i := range finite {
		finite[i] = float64(i + 1)
	}
	whole := QuantileInterval(finite, .5, .95)
	low, high := math.Floor(whole.Low), math.Floor(whole.High)
	if low == whole.Low || high == whole.High {
		t.Fatalf("%v is not between values", whole)
	}
	lost := func(v float64) (x []float64) {
		for _, f := range finite {
			if f > v {
				f = math.Inf(1)
			}
			x = append(x, f)
		}
		return x
	}
	if got := QuantileInterval(lost(low), .5, .95); got.Low != low || !math.IsInf(got.High, 1) {
		t.Errorf("%v; want %v to +Inf", got, low)
	}
	if got := QuantileInterval(lost(high), .5, .95); got.Low != whole.Low || !math.IsInf(got.High, 1) {
		t.Errorf("%v; want %v to +Inf", got, whole.Low)
	}
}

func TestTooFewFramesAreUnbounded(t *testing.T) {
	for _, c := range []struct {
		q, level float64
		above    int
	}{{.5, .95, 0}, {.99, .99, 0}, {.99, .95, 2}, {.999, .99, 0}, {.999, .99, 1}} {
		n := FramesForQuantile(c.q, c.level, c.above)
		ranks := make([]float64, n)
		for i := range ranks {
			ranks[i] = float64(i + 1)
		}
		tail := 1 - c.level
		if got := upperBound(ranks, c.q, tail, 1); got > float64(n-c.above) {
			t.Errorf("of %d values, quantile %v is below number %v; want %d at most", n, c.q, got, n-c.above)
		}
		got := upperBound(ranks[:n-1], c.q, tail, 1)
		if c.above == 0 && !math.IsInf(got, 1) {
			t.Errorf("%d values bound quantile %v by %v; want +Inf", n-1, c.q, got)
		}
		if c.above > 0 && got <= float64(n-1-c.above) {
			t.Errorf("of %d values, quantile %v is below number %v; want more than %d", n-1, c.q, got, n-1-c.above)
		}
		if bound := MissRate(c.above, n, 2*c.level-1).High; bound > 1-c.q {
			t.Errorf("%d misses of %d may be a rate of %v; want %v at most", c.above, n, bound, 1-c.q)
		}
		if bound := MissRate(c.above, n-1, 2*c.level-1).High; bound <= 1-c.q {
			t.Errorf("%d misses of %d are a rate of %v at most; want more than %v", c.above, n-1, bound, 1-c.q)
		}
	}
}

func TestMissRateProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		missed := rapid.SliceOfN(rapid.Bool(), 1, 400).Draw(t, "missed")
		level := rapid.Float64Range(.5, .999).Draw(t, "level")
		misses := 0
		for _, m := range missed {
			if m {
				misses++
			}
		}
		n := len(missed)
		iv, other := MissRate(misses, n, level), MissRate(n-misses, n, level)
		if !(0 <= iv.Low && iv.Low <= iv.Value && iv.Value <= iv.High && iv.High <= 1) {
			t.Fatalf("%v is not in order", iv)
		}
		if math.Abs(iv.Low+other.High-1) > 1e-9 || math.Abs(iv.High+other.Low-1) > 1e-9 {
			t.Fatalf("%v of misses and %v of the others do not mirror each other", iv, other)
		}
		if of := MissRateOf(missed, level); of.Low > iv.Low+1e-9 || of.High < iv.High-1e-9 || math.Abs(of.Value-iv.Value) > 1e-12 {
			t.Fatalf("%v in the order of time is narrower than %v", of, iv)
		}
	})
}

func TestBurstsWiden(t *testing.T) {
	apart, together := make([]bool, 5000), make([]bool, 5000)
	for i := range 40 {
		apart[i*125] = true
		together[i/8*1000+i%8] = true
	}
	alone, bursts := MissRateOf(apart, .95), MissRateOf(together, .95)
	if want := MissRate(40, 5000, .95); alone != want {
		t.Errorf("misses far from each other: %v; want %v", alone, want)
	}
	// Five bursts of eight bound the rate no better than five misses would.
	if five := MissRate(5, 5000, .95); bursts.High < 8*five.High*.9 || bursts.High > 8*five.High*1.8 {
		t.Errorf("misses in five bursts of eight: %v; want some eight times %v", bursts, five)
	}
}

func TestCorrelatedProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := sample(t, 1, 200)
		got := Correlated(x)
		if !(got.P >= 0 && got.P <= 1 && got.Effect >= 1 && math.Abs(got.Lag1) <= 1) || got.Effective(1000) > 1000 {
			t.Fatalf("%+v", got)
		}
		greatest := slices.Max(x)
		for i := range x {
			if x[i] *= 2; x[i] == 2*greatest {
				x[i] = math.Inf(1)
			}
		}
		if again := Correlated(x); again != got {
			t.Fatalf("%+v; want %+v, as the order is the same", again, got)
		}
	})
}

func TestCorrelatedEffect(t *testing.T) {
	for _, rho := range []float64{0, .5, .9} {
		x := make([]float64, 50000)
		gaussian(rho)(rand.New(rand.NewPCG(1, 1)), x)
		c := Correlated(x)
		want := (1 + rho) / (1 - rho)
		if got := float64(len(x)) / c.Effective(len(x)); math.Abs(got/want-1) > .12 {
			t.Errorf("rho %v: an effect of %v; want %v or so", rho, got, want)
		}
		if (c.P < 1e-6) != (rho > 0) || math.Abs(c.Lag1-rho) > .03 {
			t.Errorf("rho %v: %+v", rho, c)
		}
		// The chance that both a value and the next are above the median has a closed
		// form (Sheppard 1899), and so have those of lag 2, 3, ...
		median := 1.0
		for k, r := 1, rho; k < 200; k, r = k+1, r*rho {
			median += 2 * 2 / math.Pi * math.Asin(r)
		}
		if got := DesignEffect(x, .5); math.Abs(got/median-1) > .12 {
			t.Errorf("rho %v: an effect on the median of %v; want %v or so", rho, got, median)
		}
		if tail, body := DesignEffect(x, .999), DesignEffect(x, .5); rho > 0 && tail > body {
			t.Errorf("rho %v: the tail, whose values come more alone, has an effect of %v, and the median %v", rho, tail, body)
		}
	}
}

// TestTailsMirror: the least values are bounded as the greatest are.
func TestTailsMirror(t *testing.T) {
	x := make([]float64, 5000)
	gaussian(.9)(rand.New(rand.NewPCG(2, 2)), x)
	upper := QuantileInterval(x, .99, .95)
	for i := range x {
		x[i] = -x[i]
	}
	lower := QuantileInterval(x, .01, .95)
	if math.Abs(lower.Low+upper.High) > .02*(upper.High-upper.Low) || math.Abs(lower.High+upper.Low) > .02*(upper.High-upper.Low) {
		t.Errorf("%v of -x; want the mirror image of %v", lower, upper)
	}
}

func TestRatioProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "n")
		positive := rapid.SliceOfN(rapid.Float64Range(.1, 10), n, n)
		base, head := positive.Draw(t, "base"), positive.Draw(t, "head")
		iv, back := Ratio(base, head, .95), Ratio(head, base, .95)
		if !(0 <= iv.Low && iv.Low <= iv.Value && iv.Value <= iv.High) {
			t.Fatalf("%v is not in order", iv)
		}
		if !close(iv.Value, 1/back.Value) || iv.Low > 0 && !close(iv.Low, 1/back.High) {
			t.Fatalf("%v one way and %v the other", iv, back)
		}
		for i := range head {
			head[i] *= 3
		}
		if times := Ratio(base, head, .95); !close(times.Value, 3*iv.Value) || !close(times.Low, 3*iv.Low) {
			t.Fatalf("%v of three times as much; want 3 times %v", times, iv)
		}
		a, b := Judge(iv, .05), Judge(back, .05)
		if opposite := map[Verdict]Verdict{Better: Worse, Worse: Better, Same: Same, Inconclusive: Inconclusive}; opposite[a] != b {
			t.Fatalf("%s one way, %s the other", a, b)
		}
		if d := Difference(base, base, .9); n >= 5 && d != (Interval{}) {
			t.Fatalf("%v between equals", d)
		}
	})
}

// TestBoundsOfManyPairs: the normal distribution goes on where the exact one ends.
func TestBoundsOfManyPairs(t *testing.T) {
	for _, tail := range []float64{.005, .025, .05} {
		exact, normal := signedRankCritical(exactPairs, tail), signedRankCritical(exactPairs+1, tail)
		if step := float64(normal-exact) / float64(exact); step < 0 || step > .02 {
			t.Errorf("%v: %d of %d pairs, then %d", tail, exact, exactPairs, normal)
		}
	}
}

func TestFewPairsAreUnbounded(t *testing.T) {
	x := []float64{1, 2, 3, 4, 5, 6, 7, 8}
	zero := make([]float64, len(x))
	for level, least := range map[float64]int{.95: 6, .98: 7, .99: 8} {
		for n := range len(x) + 1 {
			iv := Difference(zero[:n], x[:n], level)
			if bounded := !math.IsInf(iv.Low, -1) && !math.IsInf(iv.High, 1); bounded != (n >= least) {
				t.Errorf("%d pairs at %v: %v; want bounds of %d pairs or more", n, level, iv, least)
			}
		}
	}
}

func TestSequentialProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length := rapid.IntRange(1, 5).Draw(t, "length")
		s := NewSequentialBlocks(.1, .95, length)
		decided := Undecided
		for i, missed := range rapid.SliceOfN(rapid.Bool(), 0, 300).Draw(t, "missed") {
			s.Add(missed)
			if decided != Undecided && s.Decision() != decided {
				t.Fatalf("after %d frames it was %s, and now %s", i, decided, s.Decision())
			}
			decided = s.Decision()
		}
		b := s.Bounds()
		if s.Frames() == 0 {
			return
		}
		if !(0 <= b.Low && b.Low <= b.Value && b.Value <= b.High && b.High <= 1) {
			t.Fatalf("%v is not in order", b)
		}
		// What excludes the bound at half the error was decided at the whole.
		if (b.Low > .1 || b.High < .1) && decided == Undecided {
			t.Fatalf("%v and undecided", b)
		}
	})
}
