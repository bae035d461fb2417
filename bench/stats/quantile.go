package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// Quantile returns quantile q, in [0, 1], of values in ascending order:
// interpolated between the two order statistics around (n-1)q, which is what R
// calls type 7 and NumPy "linear". Where one of the two is infinite it is the
// greater. It is NaN of no values.
func Quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i >= len(sorted)-1 {
		return sorted[len(sorted)-1]
	}
	return between(sorted[i], sorted[i+1], at-float64(i), sorted[i+1])
}

// between is the value at share f, in [0, 1], of the way from a to b, or safe
// where that is inside and one of them is infinite.
func between(a, b, f, safe float64) float64 {
	switch {
	case f <= 0 || a == b:
		return a
	case f >= 1:
		return b
	case math.IsInf(a, 0) || math.IsInf(b, 0):
		return safe
	}
	return a + f*(b-a)
}

// QuantileInterval returns quantile q of what x is a sample of, and an interval
// that holds it with the level of confidence: both in (0, 1), with (1-level)/2
// of error on each side. So its High alone is an upper bound at (1+level)/2. x
// is in the order of time and is not changed; frames that were never published
// are +Inf in it.
//
// The bounds are order statistics, by the binomial distribution of how many
// values are below the quantile, and nothing is assumed of the values'
// distribution. Between two order statistics they are interpolated (Nyblom, Note
// on interpolated order statistics, Statistics & Probability Letters 14, 1992,
// which is Hettmansperger and Sheather's of 1986 for the median), so that
// coverage is near the level and not just above it. Where one of the two is
// infinite, the wider is taken.
//
// Values that follow each other may be alike. Then the interval is that of fewer
// independent values, by the design effect of being above this very quantile;
// see [DesignEffect].
func QuantileInterval(x []float64, q, level float64) Interval {
	mustShare("a quantile", q)
	mustShare("a level", level)
	if len(x) == 0 {
		return Interval{math.Inf(-1), math.NaN(), math.Inf(1)}
	}
	return quantileInterval(x, ordered(x), q, level)
}

func quantileInterval(x, sorted []float64, q, level float64) Interval {
	effect, freedom := quantileEffect(x, sorted, q)
	each, tail := worth(effect, freedom, level), (1-level)/2
	low, high := lowerBound(sorted, q, tail, each), upperBound(sorted, q, tail, each)
	// Of too few values, one near the greatest is surely below the quantile.
	return Interval{low, min(max(Quantile(sorted, q), low), high), high}
}

// lowerBound is what quantile q is below with a chance of tail, where each value
// is worth so much of an independent one.
func lowerBound(sorted []float64, q, tail, worth float64) float64 {
	return bound(len(sorted), func(r int) float64 { return sorted[r-1] }, q, tail, worth)
}

// upperBound is what quantile q is above with that chance: the lower bound of the
// mirror image.
func upperBound(sorted []float64, q, tail, worth float64) float64 {
	n := len(sorted)
	return -bound(n, func(r int) float64 { return -sorted[n-r] }, 1-q, tail, worth)
}

// bound is lowerBound of n values of which at returns the r-th, from 1.
func bound(n int, at func(r int) float64, q, tail, worth float64) float64 {
	// below is the chance that the quantile is below the r-th value: fewer than r
	// values are below the quantile then.
	below := func(r int) float64 {
		above := float64(n-r) * worth
		return mathext.RegIncBeta(above+1, float64(r)*worth, 1-q)
	}
	if below(1) > tail {
		return math.Inf(-1)
	}
	// The greatest r that is still sure enough is between lo and hi.
	lo, hi := 1, n
	if below(n) <= tail {
		return at(n)
	}
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; below(mid) <= tail {
			lo = mid
		} else {
			hi = mid
		}
	}
	r, under, over := float64(lo), below(lo), below(hi)
	share := 1 / (1 + r*(1-q)*(over-tail)/((float64(n)-r)*q*(tail-under)))
	return between(at(lo), at(hi), share, at(lo))
}
