package quantize

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// TestRoundTrip: a number in the range is at most half a step from what its code
// stands for, 0 is exact, and what lies outside gets the nearest end.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := interval{rapid.Float64Range(-1e3, 0).Draw(t, "low"), rapid.Float64Range(0, 1e3).Draw(t, "high")}
		a := r.affine()
		step := float64(a.Scale)
		x := rapid.Float32Range(float32(r.low), float32(r.high)).Draw(t, "x")
		// The zero is rounded to a code, so that either end may move by half a step.
		if got := decode(a, encode(a, x)); math.Abs(float64(got-x)) > 1.001*step {
			t.Fatalf("%v comes back as %v; a step is %v", x, got, step)
		}
		inner := float64(x) > r.low+step && float64(x) < r.high-step
		if got := decode(a, encode(a, x)); inner && math.Abs(float64(got-x)) > 0.5001*step {
			t.Fatalf("%v comes back as %v; a step is %v", x, got, step)
		}
		if got := decode(a, encode(a, 0)); got != 0 {
			t.Fatalf("0 comes back as %v", got)
		}
		if encode(a, float32(r.high)*2+1) != codes || encode(a, float32(r.low)*2-1) != 0 {
			t.Fatal("what is outside of the range does not get its ends")
		}
		y := rapid.Float32Range(float32(r.low), float32(r.high)).Draw(t, "y")
		if (x < y) && encode(a, x) > encode(a, y) {
			t.Fatalf("%v has code %d, %v has %d", x, encode(a, x), y, encode(a, y))
		}
	})
}

func TestEncodeNotANumber(t *testing.T) {
	if q := encode(interval{-1, 1}.affine(), float32(math.NaN())); q != 0 {
		t.Errorf("not a number has code %d; want 0", q)
	}
}

// counted is the histogram of a case of the oracle.
type counted struct {
	Name       string
	Low, High  float64
	Counts     map[int]int64
	Percentile []struct {
		P     float64
		Range [2]float64
	}
	Squared []struct {
		Range         [2]float64
		Linear, Leaky float64
	}
	Divergence []struct {
		From, To int
		Is       *float64 // nil: infinite
	}
}

func (c *counted) histogram() *histogram {
	h := newHistogram(c.Low, c.High)
	for i, n := range c.Counts {
		h.count[i] = n
		h.total += n
	}
	return h
}

// TestRangesOracle: testdata/oracles/ranges.py.
func TestRangesOracle(t *testing.T) {
	data, err := os.ReadFile("testdata/oracles/ranges.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []counted
	if err := json.Unmarshal(data, &cases); err != nil || len(cases) == 0 {
		t.Fatalf("%d cases: %v", len(cases), err)
	}
	near := func(a, b, scale float64) bool { return math.Abs(a-b) <= 1e-9*scale }
	for _, c := range cases {
		h := c.histogram()
		for _, p := range c.Percentile {
			r, err := Percentile.choose(h, p.P, nil)
			if err != nil || !near(r.low, p.Range[0], c.High-c.Low) || !near(r.high, p.Range[1], c.High-c.Low) {
				t.Errorf("%s: percentile %v is %v, %v; want %v", c.Name, p.P, r, err, p.Range)
			}
		}
		for _, s := range c.Squared {
			for _, act := range []struct {
				f    func(float64) float64
				want float64
			}{{func(x float64) float64 { return x }, s.Linear}, {leaky, s.Leaky}} {
				if got := h.error(interval{s.Range[0], s.Range[1]}, act.f); !near(got, act.want, act.want) {
					t.Errorf("%s: squared error of %v is %v; want %v", c.Name, s.Range, got, act.want)
				}
			}
		}
		for _, d := range c.Divergence {
			want := math.Inf(1)
			if d.Is != nil {
				want = *d.Is
			}
			if got := h.divergence(d.From, d.To); math.IsInf(got, 1) != math.IsInf(want, 1) || d.Is != nil && !near(got, want, 1+want) {
				t.Errorf("%s: divergence of bins %d to %d is %v; want %v", c.Name, d.From, d.To, got, want)
			}
		}
	}
}

// methods are all there are.
func methods() []Method { return []Method{MinMax, Percentile, Entropy, MSE} }

func leaky(x float64) float64 { return math.Max(x, 0.1*x) }

// error is the squared error of a range alone.
func (h *histogram) error(r interval, act func(float64) float64) float64 {
	var used []int
	want := make([]float64, bins)
	for i, n := range h.count {
		if n > 0 {
			used = append(used, i)
			want[i] = act(h.edge(i) + h.width()/2)
		}
	}
	return h.squared(r, act, used, want)
}

// TestOutlier: one number far away takes the whole range with minmax; the others
// leave some of it out. With n numbers spread evenly the squared error of a range
// of 0 to r is n*(r/255)^2/12 + (100-r)^2, which is least at 100/(1+n/(12*255^2)).
func TestOutlier(t *testing.T) {
	const n = 200_000
	even, peaked := make([]float32, n+1), make([]float32, n+1)
	for i := range n {
		even[i] = float32(i) / n
		peaked[i] = even[i] * even[i] * even[i] * even[i]
	}
	even[n], peaked[n] = 100, 100
	least := 100 / (1 + n/(12.*codes*codes))
	for _, tt := range []struct {
		method    Method
		x         []float32
		low, high float64 // of what is chosen for the upper end
	}{
		{MinMax, even, 100, 100},
		{Percentile, even, 0.99, 1.1},
		{MSE, even, least - 4, least + 4},
		{Entropy, peaked, 6.2, 50}, // 256 bins are 6.25
	} {
		h := newHistogram(0, 100)
		h.add(tt.x)
		r, err := tt.method.choose(h, DefaultPercentile, nil)
		if err != nil || r.low != 0 || r.high < tt.low || r.high > tt.high {
			t.Errorf("%s: %v, %v; want 0 to between %v and %v", tt.method, r, err, tt.low, tt.high)
		}
	}
	if _, err := Method("best").choose(newHistogram(0, 1), 0, nil); err == nil {
		t.Error("an unknown method was taken")
	}
}

// TestFarFromZero: values that are all between 4 and 5 are inside what is chosen,
// whatever the method: no range of which nothing was seen is the best.
func TestFarFromZero(t *testing.T) {
	x := make([]float32, 10_000)
	for i := range x {
		x[i] = 4 + float32(i)/float32(len(x))
	}
	low, high := extent(x)
	h := newHistogram(low, high)
	h.add(x)
	for _, m := range methods() {
		if r, err := m.choose(h, DefaultPercentile, nil); err != nil || r.low != 0 || r.high < 4.5 {
			t.Errorf("%s: %v, %v; want 0 to about 5", m, r, err)
		}
	}
}

// TestMSEIsBest: no range that shrinks both ends alike has a smaller squared error.
func TestMSEIsBest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float32Range(-50, 50), 10, 300).Draw(t, "x")
		low, high := extent(x)
		h := newHistogram(low, high)
		h.add(x)
		for _, act := range []func(float64) float64{leaky, func(x float64) float64 { return x }} {
			best, err := MSE.choose(h, 0, act)
			if err != nil {
				t.Fatal(err)
			}
			for _, share := range []float64{1, 0.9, 0.5} {
				r := interval{h.low * share, h.high * share}
				if h.error(best, act) > h.error(r, act)*(1+1e-12) {
					t.Fatalf("%v has error %v; %v has %v", best, h.error(best, act), r, h.error(r, act))
				}
			}
		}
	})
}

func TestHistogramOfNothing(t *testing.T) {
	h := newHistogram(0, 0)
	h.add(make([]float32, 7))
	for _, m := range methods() {
		r, err := m.choose(h, DefaultPercentile, nil)
		if err != nil {
			t.Errorf("%s: %v", m, err)
		}
		if a := r.affine(); !a.Coded() || decode(a, encode(a, 0)) != 0 {
			t.Errorf("%s: zeros get %v", m, a)
		}
	}
}
