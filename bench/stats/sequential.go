package stats

import "math"

// Decided is what a sequential test has come to.
type Decided string

// What a test of a miss rate comes to.
const (
	Undecided Decided = "undecided"
	Below     Decided = "below" // the miss rate is the bound or less
	Above     Decided = "above" // the miss rate is more than the bound
)

// Sequential tests whether a miss rate is within a bound, and may be looked at
// after every frame: the chance that it is ever wrong, however long it runs and
// whenever it is stopped, is 1-level at most. (A test for a fixed number of
// frames that is looked at as they come is wrong far more often.)
//
// It bets. Against "the rate is m or less" it holds a capital of 1 in equal parts,
// and multiplies each with every frame's
//
//	(1 + (k-1) x) / (1 + (k-1) m)
//
// where x is 1 for a miss and else 0, and k is the part's own: it wins if misses
// are some k times as frequent as m. If the claim is true, the capital cannot be
// expected to grow, so by Ville's inequality it ever reaches 1/(1-level) with a
// chance of 1-level at most. If it does, the claim is given up. Against "the rate
// is m or more" it bets on frames in time likewise. (Waudby-Smith and Ramdas,
// Estimating means of bounded random variables by betting, Journal of the Royal
// Statistical Society B 86, 2024, section 4; of single frames it is Wald's
// likelihood ratio mixed over rates, as in Robbins, Statistical methods related
// to the law of the iterated logarithm, Annals of Mathematical Statistics 41,
// 1970.) Of no rate are both decisions wrong, so each may err in all of 1-level.
//
// What is asked of frames is that the chance to miss is the same whatever was
// before, or at least always on one side of the bound. Where misses come in
// bursts it is not: see [NewSequentialBlocks].
type Sequential struct {
	bound, level float64
	length       int
	filled, hits int // of the block that is not whole yet
	blocks       int
	misses       int // in whole blocks
	above, below bet // against the rate's being no more, and no less
	decided      Decided
}

// NewSequential returns the test of whether the miss rate is within bound, at the
// level of confidence, where frames miss independently. With bound .001 and
// level .99 it takes 5,092 frames without a miss to decide.
func NewSequential(bound, level float64) *Sequential {
	return NewSequentialBlocks(bound, level, 1)
}

// NewSequentialBlocks is [NewSequential] where misses come in bursts. It bets on
// the share of misses in blocks of length frames that follow each other, and
// takes the expectation of that, given the blocks before, for constant: so
// blocks are to be some times as long as a burst. All of a block may be missed
// at once, so a block in time tells as much as one frame does, and a pipeline
// that never misses takes length times as many frames to decide.
func NewSequentialBlocks(bound, level float64, length int) *Sequential {
	mustShare("a bound", bound)
	mustShare("a level", level)
	if length < 1 {
		panic("stats: a block has less than one frame")
	}
	return &Sequential{
		bound: bound, level: level, length: length,
		above: bet{prices: prices(bound)}, below: bet{prices: prices(1 - bound)},
		decided: Undecided,
	}
}

// Add counts a frame. What is decided stays decided.
func (s *Sequential) Add(missed bool) {
	if missed {
		s.hits++
	}
	if s.filled++; s.filled < s.length {
		return
	}
	share := float64(s.hits) / float64(s.length)
	s.above.won.add(share)
	s.below.won.add(1 - share)
	s.blocks++
	s.misses += s.hits
	s.filled, s.hits = 0, 0
	if s.decided != Undecided {
		return
	}
	goal := -math.Log(1 - s.level)
	switch {
	case s.above.won.reach(goal, s.above.prices, s.blocks):
		s.decided = Above
	case s.below.won.reach(goal, s.below.prices, s.blocks):
		s.decided = Below
	}
}

// Decision returns what is certain at the level by now.
func (s *Sequential) Decision() Decided { return s.decided }

// Frames returns how many frames the test has counted: those of whole blocks.
func (s *Sequential) Frames() int { return s.blocks * s.length }

// Bounds returns the miss rate by now and the interval of all rates that no bet
// has ruled out, with half of 1-level on each side: the chance that it is ever
// without the true rate, whenever one looks, is 1-level at most. Decision may
// come a little before the interval leaves the bound, as it errs on one side alone.
func (s *Sequential) Bounds() Interval {
	if s.blocks == 0 {
		return Interval{0, math.NaN(), 1}
	}
	rate := float64(s.misses) / float64(s.Frames())
	goal := math.Log(2 / (1 - s.level))
	return Interval{
		Low:   s.above.won.least(rate, goal, s.blocks),
		Value: rate,
		High:  1 - s.below.won.least(1-rate, goal, s.blocks),
	}
}

// bet is one against a claim on a mean.
type bet struct {
	won    purses
	prices purses // of each time, if the claim is true
}

// purses have something for each k-1, which are 2^¼, 2^½, 2, 4, ... 1024 less one.
// What is won is Σ log(1 + (k-1) x).
type purses [12]float64

// power is the logarithm of k, to the base of 2.
func power(i int) float64 { return max(float64(i)-1, float64(i+1)/4) }

func (p *purses) add(x float64) {
	switch x {
	case 0:
		return
	case 1:
		for i := range p {
			p[i] += power(i) * math.Ln2
		}
		return
	}
	for i := range p {
		p[i] += math.Log1p((math.Exp2(power(i)) - 1) * x)
	}
}

// prices are log(1 + (k-1) m).
func prices(m float64) (p purses) {
	for i := range p {
		p[i] = math.Log1p((math.Exp2(power(i)) - 1) * m)
	}
	return p
}

// reach says whether the mean of all purses is exp(goal) at least, after n times at
// these prices.
func (p *purses) reach(goal float64, price purses, n int) bool {
	held, most := 0.0, math.Inf(-1)
	for i := range p {
		price[i] = p[i] - float64(n)*price[i]
		most = max(most, price[i])
	}
	if most < goal {
		return false // nor has the mean
	}
	for _, h := range price {
		held += math.Exp(h - goal)
	}
	return held >= float64(len(p))
}

// least is the greatest m, from 0 to rate, that the purses have won goal against
// in n times: they hold the less the greater m is.
func (p *purses) least(rate, goal float64, n int) float64 {
	lo, hi := 0.0, rate
	for range 60 {
		if m := (lo + hi) / 2; p.reach(goal, prices(m), n) {
			lo = m
		} else {
			hi = m
		}
	}
	return lo
}
