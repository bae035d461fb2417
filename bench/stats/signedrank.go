package stats

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// exactPairs is up to how many pairs the distribution of the signed ranks is
// counted out. It is very near the normal one beyond.
const exactPairs = 200

// signedRank is the Hodges-Lehmann estimate of the centre of x and the interval
// of what Wilcoxon's signed-rank test does not reject.
func signedRank(x []float64, level float64) Interval {
	mustNumbers(x)
	n := len(x)
	if n == 0 {
		return Interval{math.Inf(-1), math.NaN(), math.Inf(1)}
	}
	means := make([]float64, 0, n*(n+1)/2)
	for i := range x {
		for _, v := range x[:i+1] {
			means = append(means, x[i]/2+v/2)
		}
	}
	slices.Sort(means)
	iv := Interval{math.Inf(-1), Quantile(means, .5), math.Inf(1)}
	if c := signedRankCritical(n, (1-level)/2); c > 0 {
		iv.Low, iv.High = means[c-1], means[len(means)-c]
	}
	return iv
}

// signedRankCritical is the greatest c for which the sum of the positive ranks of
// n is below c with a chance of tail at most; 0 where there is none.
func signedRankCritical(n int, tail float64) int {
	if n > exactPairs {
		mean := float64(n) * float64(n+1) / 4
		sd := math.Sqrt(mean * float64(2*n+1) / 6)
		return int(mean + .5 + sd*distuv.UnitNormal.Quantile(tail))
	}
	// chance[s] is that of the sum s of the ranks up to i, each taken or not.
	chance := make([]float64, n*(n+1)/2+1)
	chance[0] = 1
	for i := 1; i <= n; i++ {
		for s := i * (i + 1) / 2; s >= 0; s-- {
			chance[s] /= 2
			if s >= i {
				chance[s] += chance[s-i] / 2
			}
		}
	}
	sum := 0.0
	for c, p := range chance {
		if sum += p; sum > tail {
			return c
		}
	}
	return 0
}
