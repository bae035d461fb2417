package stats

import (
	"math"
	"testing"
)

func TestJudge(t *testing.T) {
	inf := math.Inf(1)
	tests := []struct {
		name  string
		ratio Interval
		want  Verdict
	}{
		{"nothing changed", Interval{.99, 1, 1.01}, Same},
		{"slower, by less than matters", Interval{1.005, 1.01, 1.015}, Same},
		{"slower, by more", Interval{1.03, 1.05, 1.07}, Worse},
		{"slower, and more likely by more", Interval{1.005, 1.03, 1.06}, Worse},
		{"slower, and more likely by less", Interval{1.001, 1.015, 1.03}, Inconclusive},
		{"likely slower", Interval{.99, 1.05, 1.1}, Inconclusive},
		{"no difference was found", Interval{.9, 1, 1.1}, Inconclusive},
		{"on the margin", Interval{1, 1.01, 1.02}, Inconclusive},
		{"faster, by more", Interval{.93, .95, .97}, Better},
		{"faster, and more likely by less", Interval{.97, .985, .999}, Inconclusive},
		{"unbounded", Interval{0, 1, inf}, Inconclusive},
		{"stalls where there were none", Interval{1.5, inf, inf}, Worse},
		{"nothing to compare", Interval{0, math.NaN(), inf}, Inconclusive},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Judge(tt.ratio, .02); got != tt.want {
				t.Errorf("Judge(%v) = %s; want %s", tt.ratio, got, tt.want)
			}
		})
	}
}

func TestNothingToLearnFrom(t *testing.T) {
	inf := math.Inf(1)
	tests := []struct {
		name string
		got  Interval
		low  float64
		high float64
	}{
		{"quantile", QuantileInterval(nil, .5, .9), -inf, inf},
		{"miss rate", MissRate(0, 0, .9), 0, 1},
		{"miss rate in time", MissRateOf(nil, .9), 0, 1},
		{"ratio", Ratio(nil, nil, .9), 0, inf},
		{"ratio to nothing", Ratio([]float64{0}, []float64{1}, .9), 0, inf},
		{"difference", Difference(nil, nil, .9), -inf, inf},
		{"counts of no frames", Counts(0, 0, 0, 0, .9), 0, inf},
		{"counts of no events", Counts(0, 100, 0, 100, .9), 0, inf},
		{"sequential", NewSequential(.1, .9).Bounds(), 0, 1},
	}
	for _, tt := range tests {
		if tt.got.Low != tt.low || !math.IsNaN(tt.got.Value) || tt.got.High != tt.high {
			t.Errorf("%s: %v; want an unknown value from %v to %v", tt.name, tt.got, tt.low, tt.high)
		}
	}
	if c := Correlated([]float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}); c.P != 1 || c.Effect != 1 {
		t.Errorf("of equal values: %+v", c)
	}
}

// TestMistakesPanic: what only a mistake in a program can ask for.
func TestMistakesPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"quantile 1":        func() { QuantileInterval([]float64{1}, 1, .9) },
		"level 0":           func() { QuantileInterval([]float64{1}, .5, 0) },
		"NaN":               func() { QuantileInterval([]float64{1, math.NaN()}, .5, .9) },
		"NaN in a series":   func() { Correlated([]float64{1, math.NaN()}) },
		"NaN in a pair":     func() { Difference([]float64{1}, []float64{math.NaN()}, .9) },
		"more misses":       func() { MissRate(2, 1, .9) },
		"fewer misses":      func() { MissRate(-1, 1, .9) },
		"more events":       func() { Counts(1, 1, 2, 1, .9) },
		"pairs":             func() { Ratio([]float64{1}, nil, .9) },
		"bound 0":           func() { NewSequential(0, .9) },
		"empty blocks":      func() { NewSequentialBlocks(.1, .9, 0) },
		"fewer than none":   func() { FramesForMissRate(.1, .9, -1) },
		"margin 0":          func() { Judge(Interval{1, 1, 1}, 0) },
		"too many frames":   func() { FramesForMissRate(1e-12, .99, 0) },
		"a level above all": func() { MissRate(1, 2, 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
