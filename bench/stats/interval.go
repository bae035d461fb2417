package stats

import (
	"math"
	"slices"
)

// Interval is an estimate and the bounds on it. Low is -Inf and High +Inf where
// the sample cannot bound it on that side (0 is the least Low of a ratio or a
// rate). Value is NaN where there is nothing to estimate from.
type Interval struct{ Low, Value, High float64 }

// mustShare panics where a level of confidence, a quantile or a bound is not
// between 0 and 1: these are constants of a program, or were checked where a
// person gave them.
func mustShare(name string, v float64) {
	if !(v > 0 && v < 1) {
		panic("stats: " + name + " is not between 0 and 1")
	}
}

// mustNumbers panics where a value is NaN.
func mustNumbers(x []float64) {
	if slices.ContainsFunc(x, math.IsNaN) {
		panic("stats: a value is not a number")
	}
}
