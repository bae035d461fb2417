package stats

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Ratio returns how many times as large as base head is: base[i] and head[i] are
// of blocks that ran beside each other, and more than 0. The estimate is the
// Hodges-Lehmann median of the logarithms of their ratios, and the interval that
// of Wilcoxon's signed ranks, exact; see [Difference]. The order of the two in a
// block is to be by turns or random: then they can be exchanged if nothing
// changed, so that the logarithms are symmetric about 0, as the method wants, of
// whatever distribution the times are.
//
// It was chosen by simulation over the bootstrap (BCa, of the geometric mean and
// of the median), whose intervals are too narrow with 10 to 60 blocks. A block in
// which another program ran moves it little.
//
// Where one is not more than 0 there is no ratio: Value is NaN, of 0 to +Inf.
func Ratio(base, head []float64, level float64) Interval {
	logs := make([]float64, len(base))
	for i, d := range paired(base, head, level) {
		if !(d[0] > 0 && d[1] > 0) {
			return Interval{0, math.NaN(), math.Inf(1)}
		}
		logs[i] = math.Log(d[1] / d[0])
	}
	iv := signedRank(logs, level)
	return Interval{math.Exp(iv.Low), math.Exp(iv.Value), math.Exp(iv.High)}
}

// Difference returns by how much head is more than base, which may be 0 (as
// allocations are): the Hodges-Lehmann estimate, which is the median of the means
// of all pairs of differences, and the interval of those means that Wilcoxon's
// signed-rank test does not reject, exact for differences that are symmetric
// (Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 3rd ed. 2014,
// sections 3.1 to 3.3). Where differences are equal it is not narrower than that. Its
// bounds are infinite where there are too few pairs: 95 % needs 6, and 99 % 8.
func Difference(base, head []float64, level float64) Interval {
	diffs := make([]float64, len(base))
	for i, d := range paired(base, head, level) {
		diffs[i] = d[1] - d[0]
	}
	return signedRank(diffs, level)
}

// Mean returns the mean of x and its interval by Student's t. It is for few values
// that are independent of each other and near normal, as what each of several
// processes came to is, and finite: blocks of one process share where its memory lies, so that
// more of them make it no surer than that (Kalibera and Jones, Rigorous benchmarking
// in reasonable time, International Symposium on Memory Management 2013). Of one
// value the bounds are infinite.
func Mean(x []float64, level float64) Interval {
	mustShare("a level", level)
	mustNumbers(x)
	if len(x) < 2 {
		return Interval{math.Inf(-1), stat.Mean(x, nil), math.Inf(1)}
	}
	n := float64(len(x))
	centre, sd := stat.MeanStdDev(x, nil)
	t := distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile((1 + level) / 2)
	wide := t * sd / math.Sqrt(n)
	return Interval{centre - wide, centre, centre + wide}
}

func paired(base, head []float64, level float64) [][2]float64 {
	mustShare("a level", level)
	if len(base) != len(head) {
		panic("stats: not every block has a base and a head")
	}
	pairs := make([][2]float64, len(base))
	for i := range base {
		pairs[i] = [2]float64{base[i], head[i]}
	}
	return pairs
}

// Counts returns how many times as often events come in head as in base, of
// rare events that come independently: stalls, not the frames that one stall makes
// late. Given how many there were together, those of head are binomial, so the
// interval is exact (Przyborowski and Wilenski, Homogeneity of results in testing
// samples from Poisson series, Biometrika 31, 1940), by [MissRate]. N are the
// frames that were looked at.
func Counts(baseEvents, baseN, headEvents, headN int, level float64) Interval {
	mustShare("a level", level)
	if min(baseEvents, headEvents) < 0 || baseEvents > baseN || headEvents > headN {
		panic("stats: there are not between no and all events")
	}
	if baseN == 0 || headN == 0 {
		return Interval{0, math.NaN(), math.Inf(1)}
	}
	share := MissRate(headEvents, baseEvents+headEvents, level)
	times := func(share float64) float64 { return share / (1 - share) * float64(baseN) / float64(headN) }
	return Interval{times(share.Low), times(share.Value), times(share.High)}
}
