package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// FramesForQuantile returns the least number of frames of which the value that
// just above others are greater than is an upper bound of quantile q at the
// level of confidence: the chance that no more than above of them exceed the
// quantile is 1-level at most. At 99 % that is 459 frames of p99 and 4,603 of
// p99.9 if the bound may be the greatest value, and 6,636 of p99.9 if one frame
// may be above it. In a [QuantileInterval] it is the High at the level 2*level-1.
//
// It is for independent frames; where [Correlated] says otherwise, as many more
// are needed as the design effect says.
func FramesForQuantile(q, level float64, above int) int {
	mustShare("a quantile", q)
	return FramesForMissRate(1-q, level, above)
}

// FramesForMissRate returns the least number of frames of which, if that many are
// misses, the miss rate is within bound at the level of confidence. It is the
// same number as that of the quantile 1-bound.
func FramesForMissRate(bound, level float64, misses int) int {
	mustShare("a bound", bound)
	mustShare("a level", level)
	if misses < 0 {
		panic("stats: fewer than no frames are above")
	}
	// The chance of so few misses at the bound falls with the number of frames.
	enough := func(n int) bool {
		return n > misses && mathext.RegIncBeta(float64(n-misses), float64(misses+1), 1-bound) <= 1-level
	}
	lo, hi := misses, misses+1
	for !enough(hi) {
		if lo, hi = hi, 2*hi; hi > math.MaxInt32 {
			panic("stats: so rare a miss needs more frames than can be counted")
		}
	}
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; enough(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}
