package stats

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestBlockBootstrapSimulated: what intervals of quantiles would be by a block
// bootstrap, beside those of [QuantileInterval]. The median is where the bootstrap
// is at its best; it has to do well there, or the comparison would not be fair.
func TestBlockBootstrapSimulated(t *testing.T) {
	t.Parallel()
	n, size, resamples, least := 40, 2000, 199, .8
	kinds := processes()[3:4]
	if *draws > 0 {
		n, size, resamples, least = *draws/10, 10000, 499, .92
		kinds = processes()
	}
	quantiles := []float64{.5, .99, .999}
	row := table(t)
	row("\n| series of %d | quantile | design effect covers | width | blocks of 20 cover | width | blocks of 100 cover | width |\n|---|---|---|---|---|---|---|---|", size)
	for k, p := range kinds {
		got := averaged(uint64(300+k), n, func(r *rand.Rand) (of []float64) {
			x := make([]float64, size)
			p.fill(r, x)
			sorted := ordered(x)
			short := bootstrapped(x, sorted, quantiles, 20, resamples, .95, r)
			long := bootstrapped(x, sorted, quantiles, 100, resamples, .95, r)
			for i, q := range quantiles {
				for _, iv := range []Interval{quantileInterval(x, sorted, q, .95), short[i], long[i]} {
					of = append(of, one(p.cdf(iv.Low) <= q && q <= p.cdf(iv.High)), iv.High-iv.Low)
				}
			}
			return of
		})
		for i, q := range quantiles {
			var cells strings.Builder
			for j := 6 * i; j < 6*i+6; j += 2 {
				fmt.Fprintf(&cells, " %.1f %% | %.3f |", 100*got[j], got[j+1])
			}
			row("| %s | %v |%s", p.name, q, cells.String())
			if c := got[6*i+2]; q == .5 && !p.beyond && c < least {
				t.Errorf("a block bootstrap of the median, %s, covers %.1f %%: it is not made as it should be", p.name, 100*c)
			}
		}
	}
}

// bootstrapped are percentile intervals of quantiles by the circular block bootstrap
// (Politis and Romano, A circular block-resampling procedure for stationary data,
// 1992), with blocks of length values.
func bootstrapped(x, sorted, quantiles []float64, length, resamples int, level float64, r *rand.Rand) []Interval {
	n := len(x)
	ranks, count := make([]int32, n), make([]int32, n)
	for i, v := range x {
		at, _ := slices.BinarySearch(sorted, v)
		ranks[i] = int32(at)
	}
	drawn := make([][]float64, len(quantiles))
	for range resamples {
		clear(count)
		for left := n; left > 0; left -= length {
			from := r.IntN(n)
			for i := range min(length, left) {
				count[ranks[(from+i)%n]]++
			}
		}
		rank, below := 0, 0
		for k, q := range quantiles {
			for want := int(q * float64(n)); ; rank++ {
				if below += int(count[rank]); below > want {
					below -= int(count[rank])
					break
				}
			}
			drawn[k] = append(drawn[k], sorted[rank])
		}
	}
	intervals := make([]Interval, len(quantiles))
	for k := range drawn {
		slices.Sort(drawn[k])
		intervals[k] = Interval{Quantile(drawn[k], (1-level)/2), Quantile(drawn[k], .5), Quantile(drawn[k], (1+level)/2)}
	}
	return intervals
}
