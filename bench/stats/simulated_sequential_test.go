package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// misses makes frames that miss at a rate, in bursts of a length on average.
func misses(r *rand.Rand, rate, length float64) func() bool {
	in := r.Float64() < rate
	return func() bool {
		now := in
		switch {
		case length == 1:
			in = r.Float64() < rate
		case in:
			in = r.Float64() < 1-1/length
		default:
			in = r.Float64() < rate/length/(1-rate)
		}
		return now
	}
}

// TestSequentialErrsSeldomSimulated: looked at after every frame, it is wrong in no
// more runs than its level says, even at the bound itself and just beyond.
func TestSequentialErrsSeldomSimulated(t *testing.T) {
	t.Parallel()
	n, frames, slack := 150, 2000, .05
	if *draws > 0 {
		n, frames, slack = *draws, 20000, 0
	}
	row := table(t)
	row("\n| miss rate | bursts of | blocks of | said above | said below | bounds ever without the rate |\n|---|---|---|---|---|---|")
	for k, c := range []struct {
		rate         float64
		burst        float64
		length       int
		above, below bool // which of the two would be wrong
		beyond       bool
	}{
		{rate: .01, burst: 1, length: 1, above: true},
		{rate: .0101, burst: 1, length: 1, below: true},
		{rate: .01, burst: 4, length: 40, above: true},
		{rate: .0101, burst: 4, length: 40, below: true},
		{rate: .01, burst: 4, length: 1, beyond: true}, // what comes of taking bursts for independent
	} {
		if c.beyond && *draws == 0 {
			continue
		}
		got := counted(uint64(300+k), n, func(r *rand.Rand) []bool {
			s, next, left := NewSequentialBlocks(.01, .95, c.length), misses(r, c.rate, c.burst), false
			for i := range frames {
				s.Add(next())
				if i%1000 == 999 && !left {
					b := s.Bounds()
					left = b.Low > c.rate || b.High < c.rate
				}
			}
			return []bool{s.Decision() == Above, s.Decision() == Below, left}
		})
		row("| %v | %v | %d | %.2f %% | %.2f %% | %.2f %% |", c.rate, c.burst, c.length, 100*got[0], 100*got[1], 100*got[2])
		if c.beyond {
			continue
		}
		if most := .05 + slack; c.above && got[0] > most || c.below && got[1] > most || got[2] > most {
			t.Errorf("rate %v, bursts of %v, blocks of %d: above in %.2f %%, below in %.2f %%, bounds wrong in %.2f %%; want %v %% of what is wrong at most",
				c.rate, c.burst, c.length, 100*got[0], 100*got[1], 100*got[2], 100*most)
		}
	}
}

// TestSequentialDecidesSimulated: a bound of 0.1 % at 99 %.
func TestSequentialDecidesSimulated(t *testing.T) {
	t.Parallel()
	n := 40
	if *draws > 0 {
		n = *draws / 20
	}
	row := table(t)
	row("\n| miss rate | decided | frames, median | frames, nine of ten |\n|---|---|---|---|")
	for k, c := range []struct {
		rate  float64
		want  Decided
		most  int // of nine of ten
		quick bool
	}{
		{0, Below, 5400, true},
		{.0001, Below, 14000, true},
		{.0003, Below, 40000, false},
		{.002, Above, 40000, false},
		{.005, Above, 5000, true},
		{.01, Above, 2000, true},
		{.05, Above, 200, true},
	} {
		if !c.quick && *draws == 0 {
			continue
		}
		var took []float64
		wrong := 0
		for i := range n {
			s, next := NewSequential(.001, .99), misses(rand.New(rand.NewPCG(uint64(i), uint64(400+k))), c.rate, 1)
			for s.Decision() == Undecided && s.Frames() < 100000 {
				s.Add(next())
			}
			if s.Decision() != c.want {
				wrong++
			}
			took = append(took, float64(s.Frames()))
			if c.rate == 0 {
				break // each run is the same
			}
		}
		slices.Sort(took)
		nine := Quantile(took, .9)
		row("| %v | %s | %.0f | %.0f |", c.rate, c.want, Quantile(took, .5), nine)
		if float64(wrong) > math.Ceil(.02*float64(n)) || nine > float64(c.most) {
			t.Errorf("rate %v: %d of %d are not %s, and nine of ten took %v frames or less; want %d", c.rate, wrong, n, c.want, nine, c.most)
		}
	}
}
