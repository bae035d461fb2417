package stats

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// draws is how often each simulation is made. `make coverage` makes 10,000 and
// prints the tables of docs/bench-statistics.md; tests make few, of shorter
// series, and allow for it.
var draws = flag.Int("draws", 0, "make this many draws of each simulation and print the tables")

// averaged is the mean of what n draws give. What one gives follows from its number
// and the simulation's.
func averaged(simulation uint64, n int, draw func(r *rand.Rand) []float64) []float64 {
	var sum []float64
	for i := range n {
		for k, v := range draw(rand.New(rand.NewPCG(uint64(i), simulation))) {
			if len(sum) <= k {
				sum = append(sum, 0)
			}
			sum[k] += v / float64(n)
		}
	}
	return sum
}

// counted is the share of n draws that had each outcome.
func counted(simulation uint64, n int, draw func(r *rand.Rand) []bool) []float64 {
	return averaged(simulation, n, func(r *rand.Rand) (shares []float64) {
		for _, yes := range draw(r) {
			shares = append(shares, one(yes))
		}
		return shares
	})
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// table returns what adds a line to a test's table, which is printed at its end if
// tables were asked for.
func table(t *testing.T) (row func(format string, args ...any)) {
	var text strings.Builder
	t.Cleanup(func() {
		if *draws > 0 {
			os.Stdout.WriteString(text.String())
		}
	})
	return func(format string, args ...any) { fmt.Fprintf(&text, format+"\n", args...) }
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
	t.Parallel()
	n, size, least, most := 150, 4000, .89, .999
	if *draws > 0 {
		n, size, least, most = *draws, 10000, .94, .97
	}
	quantiles := []float64{.5, .99, .999}
	row := table(t)
	row("\n| series of %d | quantile | covers | is too high | is too low | covers if correlation is ignored |\n|---|---|---|---|---|---|", size)
	for k, p := range processes() {
		if p.beyond && *draws == 0 {
			continue
		}
		got := counted(uint64(k), n, func(r *rand.Rand) (outcomes []bool) {
			x := make([]float64, size)
			p.fill(r, x)
			sorted := ordered(x)
			for _, q := range quantiles {
				iv := quantileInterval(x, sorted, q, .95)
				low, high := lowerBound(sorted, q, .025, 1), upperBound(sorted, q, .025, 1)
				over, under := q < p.cdf(iv.Low), q > p.cdf(iv.High)
				outcomes = append(outcomes, !over && !under, over, under, p.cdf(low) <= q && q <= p.cdf(high))
			}
			return outcomes
		})
		for i, q := range quantiles {
			c := got[4*i:]
			row("| %s | %v | %.2f %% | %.2f %% | %.2f %% | %.2f %% |", p.name, q, 100*c[0], 100*c[1], 100*c[2], 100*c[3])
			if !p.beyond && (c[0] < least || c[0] > most) {
				t.Errorf("intervals of quantile %v, %s, hold it in %.2f %%; want %v to %v %%", q, p.name, 100*c[0], 100*least, 100*most)
			}
		}
	}
}
