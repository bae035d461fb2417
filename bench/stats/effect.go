package stats

import (
	"math"
	"slices"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// leastEvents is the least number of values on either side of a quantile that a
// design effect is estimated from: of fewer it is that of the nearest quantile
// that has as many.
const leastEvents = 10

// DesignEffect returns how many values of x, in the order of time, say as much of
// quantile q as one independent value would: 1 where they are independent, and
// never less. A run needs as many times the frames that [FramesForQuantile] says.
//
// It is the long-run variance of "the value is above the quantile", over the
// variance of one (Woodruff, Confidence intervals for medians and other position
// measures, Journal of the American Statistical Association 47, 1952). So it is
// another for each quantile: bodies of latencies may follow each other closely
// and tails come alone, or the tails in bursts. Nothing but the order of values
// counts, and they may be infinite.
func DesignEffect(x []float64, q float64) float64 {
	mustShare("a quantile", q)
	effect, _ := quantileEffect(x, ordered(x), q)
	return effect
}

// ordered is a sorted copy.
func ordered(x []float64) []float64 {
	mustNumbers(x)
	sorted := slices.Clone(x)
	slices.Sort(sorted)
	return sorted
}

// quantileEffect returns the design effect and the degrees of freedom that it is
// known by.
func quantileEffect(x, sorted []float64, q float64) (effect, freedom float64) {
	n := len(x)
	least := min(leastEvents, n/2)
	rank := min(max(int(math.Ceil(q*float64(n))), least), n-least)
	if rank < 1 || rank >= n {
		return 1, math.Inf(1)
	}
	// Rare events say little of how far correlation reaches; the middle says more.
	middle := greatest(x, sorted, n/2)
	// Of a Gaussian series, by the law of the arc sine.
	reach := math.Sin(math.Pi / 2 * middle.lag1())
	return greatest(x, sorted, n-rank).effect(reach)
}

// greatest is when x was among its count greatest values, or as near to so many
// as equal values allow. A sorted x is needed, and 0 < count < len(x).
func greatest(x, sorted []float64, count int) series {
	cut := sorted[len(x)-count-1]
	least, _ := slices.BinarySearch(sorted, cut)
	next := least + sort.Search(len(x)-least, func(i int) bool { return sorted[least+i] > cut })
	if next < len(x) && len(x)-least-count >= count-(len(x)-next) {
		cut = sorted[next]
	}
	s := series{at: make([]int, 0, len(x)), n: len(x)}
	for i, v := range x {
		if v >= cut {
			s.at = append(s.at, i)
		}
	}
	return s
}

// series is when an event happened, of n times that it could have.
type series struct {
	at []int
	n  int
}

// rarer is the events, or when there was none if that is seldom: it correlates as
// they do, and what autocorrelations leave out at the ends is little of few events.
func (s series) rarer() series {
	if 2*len(s.at) <= s.n {
		return s
	}
	none := series{n: s.n}
	next := 0
	for _, a := range slices.Concat(s.at, []int{s.n}) {
		for ; next < a; next++ {
			none.at = append(none.at, next)
		}
		next = a + 1
	}
	return none
}

// variance is that of one time.
func (s series) variance() float64 {
	p := float64(len(s.at)) / float64(s.n)
	return p * (1 - p)
}

// autocorrelations are those of lags 1, 2, ..., as many as there are in r. They
// take as many events for early and late as for any other times.
func (s series) autocorrelations(r []float64) {
	clear(r)
	for i, a := range s.at {
		for _, b := range s.at[i+1:] {
			if b-a > len(r) {
				break
			}
			r[b-a-1]++
		}
	}
	n, v := float64(s.n), s.variance()
	p := float64(len(s.at)) / n
	for k := range r {
		r[k] = (r[k]/n - p*p*(1-float64(k+1)/n)) / v
	}
}

func (s series) lag1() float64 {
	if s.variance() == 0 {
		return 0
	}
	var r [1]float64
	s.autocorrelations(r[:])
	return r[0]
}

// effect is the design effect of a rate of events, whose correlation reaches as
// far as that of an autoregression with the coefficient reach, or with their own
// if that is more, and the degrees of freedom that it is known by.
func (s series) effect(reach float64) (effect, freedom float64) {
	if s.variance() == 0 {
		return 1, math.Inf(1)
	}
	s = s.rarer()
	r := make([]float64, bandwidth(max(reach, s.lag1()), s.n))
	s.autocorrelations(r)
	effect = longRun(r)
	if effect <= 1 {
		return 1, math.Inf(1)
	}
	// Bursts are what was seen independently, and windows are what they were
	// counted in.
	bursts := float64(len(s.at)) / effect
	windows := 1.5 * float64(s.n) / float64(len(r)+1)
	return effect, max(min(bursts, windows)-1, 2)
}

// worth is how much of an independent value each one is worth for an interval at
// the level, where the design effect is known by so many degrees of freedom (Korn
// and Graubard, 1998, equation 2.4).
func worth(effect, freedom, level float64) float64 {
	if math.IsInf(freedom, 1) {
		return 1 / effect
	}
	upper := (1 + level) / 2
	normal := distuv.UnitNormal.Quantile(upper)
	student := distuv.StudentsT{Sigma: 1, Nu: freedom}.Quantile(upper)
	return normal * normal / (student * student) / effect
}

// bandwidth is how many lags a long-run variance is summed over (Andrews,
// Heteroskedasticity and autocorrelation consistent covariance matrix
// estimation, Econometrica 59, 1991, equations 6.2 and 6.4, of an autoregression
// of order one with the coefficient rho).
func bandwidth(rho float64, n int) int {
	rho = min(max(rho, 0), .97)
	alpha := 4 * rho * rho / ((1 - rho) * (1 - rho) * (1 + rho) * (1 + rho))
	return max(1, min(int(math.Ceil(1.1447*math.Cbrt(alpha*float64(n)))), n/4))
}

// longRun is the long-run variance over the variance, by autocorrelations from
// lag 1. The first half count whole and the others less and less, which is less
// biased than a triangle (Politis and Romano, Bias-corrected nonparametric
// spectral estimation, Journal of Time Series Analysis 16, 1995).
func longRun(r []float64) float64 {
	sum := 0.0
	for k, v := range r {
		sum += v * min(1, 2*(1-float64(k+1)/float64(len(r)+1)))
	}
	return 1 + 2*sum
}
