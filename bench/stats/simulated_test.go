package stats

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
)

// draws is how often each simulation is made. `make coverage` makes 10,000 and
// prints the tables of docs/bench-statistics.md; tests make few, of shorter
// series, and allow for it.
var draws = flag.Int("draws", 0, "make this many draws of each simulation and print the tables")

// counted is how many of the draws had each outcome. The outcomes of a draw follow
// from its number alone, so the count is the same whoever draws.
func counted(n int, draw func(i int, r *rand.Rand) []bool) []float64 {
	var wg sync.WaitGroup
	workers := min(2, runtime.GOMAXPROCS(0))
	parts := make([][]float64, workers)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				for k, yes := range draw(i, rand.New(rand.NewPCG(uint64(i), 8))) {
					if len(parts[w]) <= k {
						parts[w] = append(parts[w], 0)
					}
					if yes {
						parts[w][k]++
					}
				}
			}
		})
	}
	wg.Wait()
	sum := make([]float64, len(parts[0]))
	for _, p := range parts {
		for k, v := range p {
			sum[k] += v / float64(n)
		}
	}
	return sum
}

// row prints one of a table, if tables were asked for.
func row(format string, args ...any) {
	if *draws > 0 {
		fmt.Fprintf(os.Stdout, format+"\n", args...)
	}
}

// process makes series, of which the distribution of each value is known.
type process struct {
	name string
	fill func(r *rand.Rand, x []float64)
	cdf  func(v float64) float64
	// beyond is so hard that only the table says what comes of it.
	beyond bool
}

func phi(v float64) float64 { return math.Erfc(-v/math.Sqrt2) / 2 }

// gaussian fills x with an autoregression of order one; each value is standard normal.
func gaussian(rho float64) func(*rand.Rand, []float64) {
	return func(r *rand.Rand, x []float64) {
		v := r.NormFloat64()
		for i := range x {
			x[i] = v
			v = rho*v + math.Sqrt(1-rho*rho)*r.NormFloat64()
		}
	}
}

// logNormal is exp of half a gaussian's value.
func logNormal(rho float64) func(*rand.Rand, []float64) {
	return func(r *rand.Rand, x []float64) {
		gaussian(rho)(r, x)
		for i := range x {
			x[i] = math.Exp(x[i] / 2)
		}
	}
}

// bimodal values are in the slow mode with a chance of 0.3, and stay in their mode
// with a chance of stay before they draw one anew.
func bimodal(stay float64) func(*rand.Rand, []float64) {
	return func(r *rand.Rand, x []float64) {
		slow := r.Float64() < .3
		for i := range x {
			if x[i] = 20 + r.NormFloat64(); slow {
				x[i] = 40 + 2*r.NormFloat64()
			}
			if r.Float64() >= stay {
				slow = r.Float64() < .3
			}
		}
	}
}

// stalls are normal values, of which 0.4 % are far off in bursts of 4 on average.
func stalls(r *rand.Rand, x []float64) {
	const rate, length = .004, 4.
	in := r.Float64() < rate
	for i := range x {
		if in {
			x[i] = 6 + r.ExpFloat64()
			in = r.Float64() < 1-1/length
		} else {
			x[i] = r.NormFloat64()
			in = r.Float64() < rate/length/(1-rate)
		}
	}
}

func processes() []process {
	half := func(v float64) float64 { return phi(2 * math.Log(max(v, 0))) }
	modes := func(v float64) float64 { return .7*phi(v-20) + .3*phi((v-40)/2) }
	return []process{
		{"normal", gaussian(0), phi, false},
		{"log-normal", logNormal(0), half, false},
		{"bimodal", bimodal(0), modes, false},
		{"normal, AR(1) 0.5", gaussian(.5), phi, false},
		{"log-normal, AR(1) 0.5", logNormal(.5), half, false},
		{"bimodal, modes that stay, 0.5", bimodal(.5), modes, false},
		{"normal, AR(1) 0.9", gaussian(.9), phi, true},
		{"stalls in bursts of 4", stalls, func(v float64) float64 {
			return .996*phi(v) + .004*(1-math.Exp(-max(v-6, 0)))
		}, true},
	}
}

// TestQuantileIntervalCoversSimulated: intervals at 95 % hold the quantile in 94 to
// 97 % of series.
func TestQuantileIntervalCoversSimulated(t *testing.T) {
	sizes := []struct {
		q           float64
		long, short int
	}{{.5, 2000, 1000}, {.99, 10000, 3000}, {.999, 20000, 8000}}
	row("| quantile | values | series | covers | below the interval | above it | covers if correlation is ignored |\n|---|---|---|---|---|---|---|")
	for _, s := range sizes {
		for _, p := range processes() {
			n, size, least, most := 250, s.short, .905, .995
			if *draws > 0 {
				n, size, least, most = *draws, s.long, .94, .97
			} else if p.beyond {
				continue
			}
			got := counted(n, func(_ int, r *rand.Rand) []bool {
				x := make([]float64, size)
				p.fill(r, x)
				iv := QuantileInterval(x, s.q, .95)
				below, above := s.q < p.cdf(iv.Low), s.q > p.cdf(iv.High)
				sorted := ordered(x)
				low, high := lowerBound(sorted, s.q, .025, 1), -lowerBound(mirrored(sorted), 1-s.q, .025, 1)
				return []bool{!below && !above, below, above, p.cdf(low) <= s.q && s.q <= p.cdf(high)}
			})
			row("| %v | %d | %s | %.2f %% | %.2f %% | %.2f %% | %.2f %% |", s.q, size, p.name, 100*got[0], 100*got[1], 100*got[2], 100*got[3])
			if !p.beyond && (got[0] < least || got[0] > most) {
				t.Errorf("intervals of quantile %v of %d values, %s, hold it in %.2f %%; want %v to %v %%", s.q, size, p.name, 100*got[0], 100*least, 100*most)
			}
		}
	}
}
