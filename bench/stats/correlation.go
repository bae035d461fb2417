package stats

import (
	"cmp"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Correlation says whether values depend on those before them.
type Correlation struct {
	// P is the chance of correlation as strong in a series without any: below .01,
	// say, there is some.
	P float64
	// Lag1 is the correlation of ranks, in [-1, 1], of values and those just
	// before them.
	Lag1 float64
	// Statistic is Ljung and Box's, of so many Lags.
	Statistic float64
	Lags      int
	// Effect is how many values say as much of the mean as an independent one; 1
	// at least.
	Effect float64
}

// Effective returns how many independent values say as much of the mean as n such
// ones do. A quantile has its own number; see [DesignEffect].
func (c Correlation) Effective(n int) float64 { return float64(n) / c.Effect }

// Correlated tests x, in the order of time, for serial correlation: with the
// statistic of Ljung and Box (On a measure of lack of fit in time series models,
// Biometrika 65, 1978) of min(20, n/5) lags, on ranks, of which equal values share
// the middle. So neither heavy tails nor frames that were never published (+Inf)
// count for more than their order. (On the values themselves, one great one among
// thousands hides all correlation of the others.) Of fewer than 10 values, or
// equal ones, nothing can be said, and P is 1.
func Correlated(x []float64) Correlation {
	mustNumbers(x)
	n := len(x)
	lags := min(20, n/5)
	ranks, squares := centredRanks(x)
	if lags < 2 || squares == 0 {
		return Correlation{P: 1, Effect: 1}
	}
	at := func(lag int) float64 {
		sum := 0.0
		for i, v := range ranks[lag:] {
			sum += v * ranks[i]
		}
		return sum / squares
	}
	c := Correlation{Lag1: at(1), Lags: lags}
	for k := 1; k <= lags; k++ {
		r := at(k)
		c.Statistic += r * r / float64(n-k)
	}
	c.Statistic *= float64(n) * float64(n+2)
	c.P = distuv.ChiSquared{K: float64(lags)}.Survival(c.Statistic)
	r := make([]float64, bandwidth(c.Lag1, n))
	for k := range r {
		r[k] = at(k + 1)
	}
	c.Effect = max(1, longRun(r))
	return c
}

// centredRanks are the ranks of x less their mean, and the sum of their squares.
func centredRanks(x []float64) (ranks []float64, squares float64) {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	ranks = make([]float64, len(x))
	for begin := 0; begin < len(order); {
		end := begin + 1
		for end < len(order) && x[order[end]] == x[order[begin]] {
			end++
		}
		centred := float64(begin+end-len(x)) / 2
		for _, i := range order[begin:end] {
			ranks[i] = centred
			squares += centred * centred
		}
		begin = end
	}
	return ranks, squares
}
