package stats

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// MissRate returns the rate of misses among n frames and the exact interval of
// the chance to miss that is behind it, where frames miss independently (Clopper
// and Pearson, The use of confidence or fiducial limits, Biometrika 26, 1934):
// its coverage is the level at least, with (1-level)/2 of error on each side. It
// panics unless 0 <= misses <= n.
func MissRate(misses, n int, level float64) Interval {
	mustShare("a level", level)
	if misses < 0 || misses > n {
		panic("stats: there are not between no and all misses")
	}
	if n == 0 {
		return Interval{0, math.NaN(), 1}
	}
	return clopperPearson(float64(misses), float64(n), level)
}

// MissRateOf is [MissRate] of frames in the order of time, where misses may come
// in bursts: the interval is that of fewer frames, by the design effect of missing
// (Korn and Graubard, Confidence intervals for proportions with small expected
// number of positive counts, Survey Methodology 24, 1998). Without a miss there
// is no burst to learn from, and it is MissRate.
func MissRateOf(missed []bool, level float64) Interval {
	mustShare("a level", level)
	s := series{n: len(missed)}
	for i, m := range missed {
		if m {
			s.at = append(s.at, i)
		}
	}
	if s.n == 0 || s.variance() == 0 {
		return MissRate(len(s.at), s.n, level)
	}
	effect, freedom := s.effect(0)
	each := worth(effect, freedom, level)
	return clopperPearson(float64(len(s.at))*each, float64(s.n)*each, level)
}

// clopperPearson takes parts of frames too, as design effects make them.
func clopperPearson(misses, n, level float64) Interval {
	tail := (1 - level) / 2
	iv := Interval{0, misses / n, 1}
	if misses > 0 {
		iv.Low = distuv.Beta{Alpha: misses, Beta: n - misses + 1}.Quantile(tail)
	}
	if misses < n {
		iv.High = distuv.Beta{Alpha: misses + 1, Beta: n - misses}.Quantile(1 - tail)
	}
	return iv
}
