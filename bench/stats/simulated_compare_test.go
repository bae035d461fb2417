package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// noise is of the logarithm of a block's ratio, with a standard deviation of
// one.
type noise struct {
	name string
	draw func(r *rand.Rand) float64
}

func noises() []noise {
	return []noise{
		{"normal", (*rand.Rand).NormFloat64},
		{"Student's t of 3", func(r *rand.Rand) float64 {
			squares := 0.0
			for range 3 {
				v := r.NormFloat64()
				squares += v * v
			}
			return r.NormFloat64() / math.Sqrt(squares)
		}},
		// A tenth of all blocks of either program ran beside another program.
		{"neighbours", func(r *rand.Rand) float64 {
			v := .5 * r.NormFloat64()
			if r.Float64() < .1 {
				v += 1.4 * r.ExpFloat64()
			}
			if r.Float64() < .1 {
				v -= 1.4 * r.ExpFloat64()
			}
			return v
		}},
	}
}

// TestRatioCoversSimulated: the interval of the signed ranks holds a level of 98 %,
// where the bootstrap's does not.
func TestRatioCoversSimulated(t *testing.T) {
	t.Parallel()
	n, least := 200, .94
	if *draws > 0 {
		n, least = *draws/5, .97 // three standard deviations of simulation
	}
	row := table(t)
	row("\n| blocks | noise | signed ranks cover | width | BCa, geometric mean | width | BCa, median | width |\n|---|---|---|---|---|---|---|---|")
	for _, blocks := range []int{10, 24, 60} {
		for k, noise := range noises() {
			got := averaged(uint64(100+k), n, func(r *rand.Rand) (covered []float64) {
				x := make([]float64, blocks)
				for i := range x {
					x[i] = noise.draw(r)
				}
				intervals := []Interval{signedRank(x, .98)}
				if *draws > 0 {
					intervals = append(intervals, bca(x, mean, .98, r), bca(x, median, .98, r))
				}
				for _, iv := range intervals {
					covered = append(covered, one(iv.Low <= 0 && iv.High >= 0), iv.High-iv.Low)
				}
				return covered
			})
			if *draws > 0 {
				row("| %d | %s | %.1f %% | %.2f | %.1f %% | %.2f | %.1f %% | %.2f |", blocks, noise.name, 100*got[0], got[1], 100*got[2], got[3], 100*got[4], got[5])
			}
			if got[0] < least {
				t.Errorf("%d blocks, %s: the interval holds 0 in %.2f %%; want %v %%", blocks, noise.name, 100*got[0], 100*least)
			}
		}
	}
}

// TestJudgeErrsSeldomSimulated: where nothing changed, 1 % of runs or less are
// called worse; of 5 % more time 95 % or more are, from 30 blocks at the noise of a
// shared machine.
func TestJudgeErrsSeldomSimulated(t *testing.T) {
	t.Parallel()
	n, most, least := 100, .04, .88
	if *draws > 0 {
		n, most, least = *draws/5, .0155, .94 // three standard deviations of simulation
	}
	row := table(t)
	row("\n| blocks | noise | of | nothing changed: worse | same | 5 %% slower: worse | same |\n|---|---|---|---|---|---|---|")
	for _, blocks := range []int{24, 30, 60} {
		for k, noise := range noises() {
			for j, sd := range []float64{.03, .06} {
				got := counted(uint64(200+10*k+j), n, func(r *rand.Rand) []bool {
					base, head, slow := make([]float64, blocks), make([]float64, blocks), make([]float64, blocks)
					for i := range base {
						base[i] = 30
						head[i] = 30 * math.Exp(sd*noise.draw(r))
						slow[i] = 1.05 * head[i]
					}
					a, b := Judge(Ratio(base, head, .98), .02), Judge(Ratio(base, slow, .98), .02)
					return []bool{a == Worse, a == Same, b == Worse, b == Same}
				})
				row("| %d | %s | %.0f %% | %.2f %% | %.1f %% | %.1f %% | %.2f %% |", blocks, noise.name, 100*sd, 100*got[0], 100*got[1], 100*got[2], 100*got[3])
				if got[0] > most {
					t.Errorf("%d blocks, %s of %v: %.2f %% of A/A are worse", blocks, noise.name, sd, 100*got[0])
				}
				if got[2] < least && !(blocks < 30 && sd > .05) {
					t.Errorf("%d blocks, %s of %v: %.1f %% of a slowdown of 5 %% are worse", blocks, noise.name, sd, 100*got[2])
				}
			}
		}
	}
}

// TestJudgeOfProcessesErrsSeldomSimulated: the same of one value for each pair of
// processes, as the gate has, by the interval of their mean.
func TestJudgeOfProcessesErrsSeldomSimulated(t *testing.T) {
	t.Parallel()
	const level, margin, sd = .998, .03, .026
	n, most := 2000, .005
	if *draws > 0 {
		n, most = 10**draws, .0013 // three standard deviations of simulation
	}
	row := table(t)
	row("\n| pairs of processes | noise of %.1f %% | interval holds | nothing changed: worse | same | 5 %% slower: worse |\n|---|---|---|---|---|---|", 100*sd)
	kinds := append(noises()[:2:2], noise{"fast and slow ones", func(r *rand.Rand) float64 {
		return math.Sqrt2 * float64(r.IntN(2)-r.IntN(2))
	}})
	for _, processes := range []int{8, 16, 22} {
		for k, noise := range kinds {
			got := counted(uint64(300+k), n, func(r *rand.Rand) []bool {
				logs, slow := make([]float64, processes), make([]float64, processes)
				for i := range logs {
					logs[i] = sd * noise.draw(r)
					slow[i] = logs[i] + math.Log(1.05)
				}
				a, b := ofLogs(Mean(logs, level)), ofLogs(Mean(slow, level))
				return []bool{a.Low <= 1 && a.High >= 1, Judge(a, margin) == Worse, Judge(a, margin) == Same, Judge(b, margin) == Worse}
			})
			row("| %d | %s | %.2f %% | %.3f %% | %.1f %% | %.1f %% |", processes, noise.name, 100*got[0], 100*got[1], 100*got[2], 100*got[3])
			if got[1] > most {
				t.Errorf("%d pairs, %s: %.3f %% of A/A are worse", processes, noise.name, 100*got[1])
			}
		}
	}
}

// ofLogs is the interval of a ratio, of that of its logarithm.
func ofLogs(iv Interval) Interval {
	return Interval{math.Exp(iv.Low), math.Exp(iv.Value), math.Exp(iv.High)}
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

func median(x []float64) float64 { return Quantile(ordered(x), .5) }

// bca is the bias-corrected and accelerated bootstrap interval (Efron 1987) of
// 1,000 resamples, which [Ratio] is not made of; it shows why.
func bca(x []float64, statistic func([]float64) float64, level float64, r *rand.Rand) Interval {
	const resamples = 1000
	value := statistic(x)
	drawn, again := make([]float64, resamples), make([]float64, len(x))
	less := .5
	for b := range drawn {
		for i := range again {
			again[i] = x[r.IntN(len(x))]
		}
		if drawn[b] = statistic(again); drawn[b] < value {
			less++
		}
	}
	slices.Sort(drawn)
	left := make([]float64, len(x))
	for i := range x {
		left[i] = statistic(slices.Concat(x[:i], x[i+1:]))
	}
	centre, squares, cubes := mean(left), 0.0, 0.0
	for _, v := range left {
		squares += (centre - v) * (centre - v)
		cubes += math.Pow(centre-v, 3)
	}
	acceleration := 0.0
	if squares > 0 {
		acceleration = cubes / 6 / math.Pow(squares, 1.5)
	}
	bias := distuv.UnitNormal.Quantile(less / (resamples + 1))
	at := func(p float64) float64 {
		z := bias + distuv.UnitNormal.Quantile(p)
		return Quantile(drawn, distuv.UnitNormal.CDF(bias+z/(1-acceleration*z)))
	}
	return Interval{at((1 - level) / 2), value, at((1 + level) / 2)}
}
