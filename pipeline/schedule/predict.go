package schedule

import (
	"slices"
	"time"
)

// How many of the latest frames the level and the tail look at, and the rank of
// the tail. The level rises with the second of three frames that took longer, and
// falls with the fifth of nine.
const (
	quick    = 3
	steady   = 9
	memory   = 256
	tailRank = 0.98
	seeds    = 20
)

// predictor says how long a frame will take on a rung under the present load.
type predictor struct {
	base   []time.Duration // of each rung, at start
	recent [steady]float64 // how much longer the latest frames took; a ring
	seen   int
	surge  float64 // what a late frame took; until frames of after it outvote it
	after  int     // frames since then

	errors [memory]float64 // taken over predicted without the tail; a ring
	sorted []float64       // the same, in order
	count  int
}

// newPredictor begins with the tail that was measured at start: the largest p99
// over p50 of any rung.
func newPredictor(rungs []Rung) *predictor {
	p := &predictor{sorted: make([]float64, 0, memory)}
	tail := 1.0
	for _, r := range rungs {
		p.base = append(p.base, r.P50)
		if r.P50 > 0 {
			tail = max(tail, float64(r.P99)/float64(r.P50))
		}
	}
	// The tail that was measured is that of a few runs: it counts as one frame of
	// as many as the first ones are told by.
	for range seeds {
		p.remember(1)
	}
	p.remember(tail)
	return p
}

// level is how much longer frames take now than at start.
func (p *predictor) level() float64 {
	l := 1.0
	if p.seen > 0 {
		l = max(p.median(quick), p.median(steady))
	}
	if p.after < quick {
		l = max(l, p.surge)
	}
	return l
}

// median of the latest n ratios, the upper one of two.
func (p *predictor) median(n int) float64 {
	n = min(n, p.seen)
	var last [steady]float64
	for i := range n {
		last[i] = p.recent[(p.seen-1-i)%steady]
	}
	slices.Sort(last[:n])
	return last[n/2]
}

func (p *predictor) tail() float64 {
	return p.sorted[int(tailRank*float64(len(p.sorted)-1)+.5)]
}

// usual is what a frame is likely to take on a rung, its median.
func (p *predictor) usual(rung int) time.Duration { return times(p.base[rung], p.level()) }

// predict is what a frame hardly ever exceeds.
func (p *predictor) predict(rung int) time.Duration {
	return times(p.base[rung], p.level()*p.tail())
}

// observe takes note of what a frame took. A frame that was late counts at once.
func (p *predictor) observe(rung int, took time.Duration, late bool) {
	if p.base[rung] <= 0 {
		return
	}
	ratio := float64(took) / float64(p.base[rung])
	p.remember(ratio / p.level())
	p.recent[p.seen%steady] = ratio
	p.seen++
	p.after++
	if late {
		p.surge, p.after = ratio, 0
	}
}

// forgive forgets the largest error. Where frames are few, nothing else would.
func (p *predictor) forgive() {
	i := len(p.sorted) - 1
	for slot := range min(p.count, memory) {
		if p.errors[slot] == p.sorted[i] {
			p.errors[slot] = 1
			break
		}
	}
	p.sorted = slices.Delete(p.sorted, i, i+1)
	at, _ := slices.BinarySearch(p.sorted, 1)
	p.sorted = slices.Insert(p.sorted, at, 1)
}

// begin forgets the level for that of a rung that is climbed to.
func (p *predictor) begin(ratio float64) {
	p.recent[0], p.seen, p.surge = ratio, 1, 0
}

func (p *predictor) remember(e float64) {
	slot := p.count % memory
	if p.count >= memory {
		i, _ := slices.BinarySearch(p.sorted, p.errors[slot])
		p.sorted = slices.Delete(p.sorted, i, i+1)
	}
	p.errors[slot] = e
	i, _ := slices.BinarySearch(p.sorted, e)
	p.sorted = slices.Insert(p.sorted, i, e)
	p.count++
}

// times is d times f, without overflow.
func times(d time.Duration, f float64) time.Duration {
	return time.Duration(min(float64(d)*f, float64(forever)))
}

// forever is longer than any frame is waited for.
const forever = 1000 * time.Hour
