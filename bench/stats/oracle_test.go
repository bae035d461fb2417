package stats

import (
	"encoding/json"
	"math"
	"os"
	"strconv"
	"testing"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// golden is what testdata/oracles/stats.py wrote.
type golden struct {
	MissRates []struct {
		Misses, N int
		Level     float64
		Want      [2]float64
	} `json:"miss_rates"`
	Counts []struct {
		Base, Head [2]int
		Level      float64
		Want       [2]*float64 // null is +Inf
	}
	Betas []struct{ A, B, P, Want float64 }
	Ranks []struct {
		N, Rank         int
		Q, Tail, Chance float64
	}
	Quantiles         struct{ X, At, Want []float64 }
	QuantileIntervals []struct {
		N        int
		Q, Level float64
		Want     [2]*float64 // null is infinite
	} `json:"quantile_intervals"`
	Frames []struct {
		Q, Level    float64
		Above, Want int
	}
	LjungBox []struct {
		Name               string
		X                  []string
		Lags               int
		Lag1, Statistic, P float64
	} `json:"ljung_box"`
	SignedRanks []struct {
		Name  string
		X     []float64
		Level float64
		Want  [3]float64
	} `json:"signed_ranks"`
	Means []struct {
		X     []float64
		Level float64
		Want  [3]float64
	}
}

func readGolden(t *testing.T) (g golden) {
	t.Helper()
	text, err := os.ReadFile("testdata/oracles/stats.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// near allows a relative error.
func near(got, want, tolerance float64) bool {
	return got == want || math.Abs(got-want) <= tolerance*math.Abs(want)
}

// or is what a pointer points to, or what null stands for.
func or(v *float64, null float64) float64 {
	if v == nil {
		return null
	}
	return *v
}

// inverse is how exact gonum's inverse of the beta distribution is.
const inverse = 1e-7

func TestRatesAsOracle(t *testing.T) {
	g := readGolden(t)
	for _, c := range g.MissRates {
		got := MissRate(c.Misses, c.N, c.Level)
		if !near(got.Low, c.Want[0], inverse) || !near(got.High, c.Want[1], inverse) || got.Value != float64(c.Misses)/float64(c.N) {
			t.Errorf("MissRate(%d, %d, %v) = %v; want %v", c.Misses, c.N, c.Level, got, c.Want)
		}
	}
	for _, c := range g.Counts {
		got := Counts(c.Base[0], c.Base[1], c.Head[0], c.Head[1], c.Level)
		if !near(got.Low, or(c.Want[0], 0), inverse) || !near(got.High, or(c.Want[1], math.Inf(1)), inverse) {
			t.Errorf("Counts(%v, %v, %v) = %v; want %v to %v", c.Base, c.Head, c.Level, got, or(c.Want[0], 0), or(c.Want[1], math.Inf(1)))
		}
	}
	for _, c := range g.Betas {
		if got := (distuv.Beta{Alpha: c.A, Beta: c.B}).Quantile(c.P); !near(got, c.Want, inverse) {
			t.Errorf("quantile %v of Beta(%v, %v) = %v; want %v", c.P, c.A, c.B, got, c.Want)
		}
	}
}

func TestQuantilesAsOracle(t *testing.T) {
	g := readGolden(t)
	for i, q := range g.Quantiles.At {
		if got := Quantile(g.Quantiles.X, q); !near(got, g.Quantiles.Want[i], 1e-12) {
			t.Errorf("Quantile(x, %v) = %v; want %v", q, got, g.Quantiles.Want[i])
		}
	}
	ranks := func(n int) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = float64(i + 1)
		}
		return x
	}
	for _, c := range g.Ranks {
		got := lowerBound(ranks(c.N), c.Q, c.Tail, 1)
		if c.Rank == 0 {
			if !math.IsInf(got, -1) {
				t.Errorf("of %d values, quantile %v is above %v but for %v; want -Inf", c.N, c.Q, got, c.Tail)
			}
			continue
		}
		if got < float64(c.Rank) || got >= float64(c.Rank+1) {
			t.Errorf("of %d values, quantile %v is above number %v but for %v; want %d or less than one more", c.N, c.Q, got, c.Tail, c.Rank)
		}
		if chance := mathext.RegIncBeta(float64(c.N-c.Rank+1), float64(c.Rank), 1-c.Q); !near(chance, c.Chance, 1e-9) {
			t.Errorf("the chance of fewer than %d of %d below quantile %v is %v; want %v", c.Rank, c.N, c.Q, chance, c.Chance)
		}
	}
	for _, c := range g.QuantileIntervals {
		x := ranks(c.N)
		low, high := lowerBound(x, c.Q, (1-c.Level)/2, 1), upperBound(x, c.Q, (1-c.Level)/2, 1)
		if !near(low, or(c.Want[0], math.Inf(-1)), 1e-9) || !near(high, or(c.Want[1], math.Inf(1)), 1e-9) {
			t.Errorf("of %d values, quantile %v at %v is between numbers %v and %v; want %v and %v", c.N, c.Q, c.Level, low, high, or(c.Want[0], math.Inf(-1)), or(c.Want[1], math.Inf(1)))
		}
	}
	for _, c := range g.Frames {
		if got := FramesForQuantile(c.Q, c.Level, c.Above); got != c.Want {
			t.Errorf("FramesForQuantile(%v, %v, %d) = %d; want %d", c.Q, c.Level, c.Above, got, c.Want)
		}
		if got := FramesForMissRate(1-c.Q, c.Level, c.Above); got != c.Want {
			t.Errorf("FramesForMissRate(%v, %v, %d) = %d; want %d", 1-c.Q, c.Level, c.Above, got, c.Want)
		}
	}
}

func TestCorrelatedAsOracle(t *testing.T) {
	for _, c := range readGolden(t).LjungBox {
		x := make([]float64, len(c.X))
		for i, s := range c.X {
			v, err := strconv.ParseFloat(s, 64)
			if err != nil {
				t.Fatal(err)
			}
			x[i] = v
		}
		got := Correlated(x)
		if got.Lags != c.Lags || !near(got.Lag1, c.Lag1, 1e-9) || !near(got.Statistic, c.Statistic, 1e-9) || !near(got.P, c.P, 1e-6) {
			t.Errorf("%s: %+v; want %d lags, lag 1 %v, statistic %v, p %v", c.Name, got, c.Lags, c.Lag1, c.Statistic, c.P)
		}
	}
}

func TestSignedRanksAsOracle(t *testing.T) {
	for _, c := range readGolden(t).SignedRanks {
		base, ones, head := make([]float64, len(c.X)), make([]float64, len(c.X)), make([]float64, len(c.X))
		for i, v := range c.X {
			ones[i], head[i] = 1, math.Exp(v)
		}
		difference, ratio := Difference(base, c.X, c.Level), Ratio(ones, head, c.Level)
		for i, got := range []float64{difference.Low, difference.Value, difference.High} {
			if !near(got, c.Want[i], 1e-9) {
				t.Errorf("%s: the difference is %v; want %v", c.Name, difference, c.Want)
			}
		}
		for i, got := range []float64{ratio.Low, ratio.Value, ratio.High} {
			if !near(got, math.Exp(c.Want[i]), 1e-9) {
				t.Errorf("%s: the ratio is %v; want exp of %v", c.Name, ratio, c.Want)
			}
		}
	}
}

func TestMeanAsOracle(t *testing.T) {
	for _, c := range readGolden(t).Means {
		got := Mean(c.X, c.Level)
		for i, v := range []float64{got.Low, got.Value, got.High} {
			if !near(v, c.Want[i], 1e-9) {
				t.Errorf("Mean of %d at %v is %v; want %v", len(c.X), c.Level, got, c.Want)
			}
		}
	}
	if got := Mean([]float64{3}, .95); got.Value != 3 || !math.IsInf(got.Low, -1) || !math.IsInf(got.High, 1) {
		t.Errorf("of one value: %v", got)
	}
}
