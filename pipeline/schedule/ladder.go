package schedule

import (
	"math"
	"time"
)

// Rung is a network of the ladder as it was found at start.
type Rung struct {
	// P50 and P99 are quantiles of what a frame takes from the start of work on
	// it to its publication, on this machine with everything running.
	P50, P99 time.Duration
	// Detect is the median of detection alone, which is what a canary runs.
	Detect time.Duration
	// Accuracy is any measure that grows with how right the answers are, the same
	// for all rungs (AP50), or 0 where it is not known.
	Accuracy float64
}

// None stands for no rung.
const None = -1

// Staleness is the lag at which an answer is worth half of what a fresh one is: how
// far the world moves on. It is the common half-life of AP50 of two networks' tracks,
// moved on to each moment, over eight drives and lags from 33 to 283 ms (315 ms,
// rounded; docs/eval.md, streaming accuracy). It is of tracks because these are what
// is driven by.
const Staleness = 300 * time.Millisecond

const (
	// margin is what a rung must fit into, as a share of the deadline, to be
	// climbed to.
	margin = 0.9
	// worth is how much more value a rung must have to be changed to for that.
	worth = 1.02
	// settled is how long such a rung has to have it, and how long a rung has to
	// hold after a climb for the next pause to be short again.
	settled = 5 * time.Second
	shortly = time.Second
	// The pause before a rung is tried again, at first and at most, and at least in
	// terms of what trying took.
	firstPause = 500 * time.Millisecond
	lastPause  = 2600 * time.Millisecond
	cheaply    = 28 // as far as the last pause allows
	dearly     = 4
	// There is a switch a second at most, but for so many at once: each takes one
	// of these, and each second gives one back. Going down does not wait for it, so
	// going up does: it leaves one for the way down again.
	burst = 5
	// A network that fails on so many frames in a row is taken to be broken.
	broken = 3
)

// ladder chooses rungs.
type ladder struct {
	rungs []Rung
	predictor
	current int
	pauses  []pause       // of each rung
	better  time.Duration // since when a lower rung has been worth more; < 0: it is not
	trial   time.Duration // when to try again although nothing fits
	trying  time.Duration // the pause before the next trial
	onTrial bool          // the frame at work is one
	trusted bool          // the latest trial was in time, and nothing was late since
	failing int           // frames in a row that the current rung's network failed on

	switches float64       // that may be made
	counted  time.Duration // when that was
}

// pause keeps a rung from being tried too often.
type pause struct {
	until   time.Duration // not before
	length  time.Duration // of the next one
	climbed time.Duration // when it was climbed to
}

func newLadder(rungs []Rung) *ladder {
	l := &ladder{rungs: rungs, predictor: *newPredictor(rungs), better: -1, trying: firstPause, switches: burst}
	for range rungs {
		l.pauses = append(l.pauses, pause{length: firstPause})
	}
	return l
}

// trackOnly says that a rung runs no network. It always fits.
func (l *ladder) trackOnly(rung int) bool { return l.rungs[rung].P50 <= 0 }

// fits says whether a frame on a rung is done within a budget: by what it hardly
// ever exceeds, or, while the current rung is trusted, by what it usually takes.
func (l *ladder) fits(rung int, budget time.Duration) bool {
	if budget < 0 {
		return false
	}
	return l.predict(rung) <= budget || l.trusted && rung == l.current && l.usual(rung) <= budget
}

// value is what a rung's answers are worth, where a camera gives a picture every
// so often and frames of so many cameras take turns: accuracy less staleness. An
// answer is the newest from its publication, one service after its picture, to the
// next one's, so it is half of a turn older on average.
func (l *ladder) value(rung int, interval time.Duration, cameras int) float64 {
	if l.trackOnly(rung) {
		return 0
	}
	a := l.rungs[rung].Accuracy
	if a <= 0 { // not known: the order of the ladder is the order of values
		return math.Exp2(-float64(rung))
	}
	service := l.usual(rung)
	turn := max(interval, time.Duration(cameras)*service)
	return a * math.Exp2(-float64(service+turn/2)/float64(Staleness))
}

// moveDown leaves the current rung where it does not fit into budget, which is
// that of a fresh frame. It returns None where none does.
func (l *ladder) moveDown(now, budget, interval time.Duration, cameras int) int {
	if l.fits(l.current, budget) {
		l.moveForValue(now, budget, interval, cameras)
		return l.current
	}
	best := None
	for r := l.current + 1; r < len(l.rungs); r++ {
		if l.fits(r, budget) && (best == None || l.value(r, interval, cameras) > l.value(best, interval, cameras)) {
			best = r
		}
	}
	if best != None {
		l.leave(now, best)
	}
	return best
}

// moveForValue goes down to a rung that fits as well and has been worth more for
// some time: its answers are less accurate, but come sooner.
func (l *ladder) moveForValue(now, budget, interval time.Duration, cameras int) {
	best, most := None, l.value(l.current, interval, cameras)*worth
	for r := l.current + 1; r < len(l.rungs); r++ {
		if v := l.value(r, interval, cameras); v > most && l.fits(r, budget) {
			best, most = r, v
		}
	}
	switch {
	case best == None:
		l.better = -1
	case l.better < 0:
		l.better = now
	case now-l.better >= shortly && l.allowed(now) >= 2:
		l.leave(now, best)
	}
}

// leave goes down to a rung. The one that is left is tried again after a pause,
// which is longer where it was not held for long.
func (l *ladder) leave(now time.Duration, to int) {
	p := &l.pauses[l.current]
	if now-p.climbed >= settled {
		p.length = firstPause
	}
	l.postpone(now, l.current, 0)
	l.change(now, to)
}

func (l *ladder) change(now time.Duration, to int) {
	l.switches = l.allowed(now) - 1
	l.counted = now
	l.current, l.better, l.trusted, l.failing = to, -1, false, 0
}

// allowed is how many switches may be made now. What is made beyond it is owed.
func (l *ladder) allowed(now time.Duration) float64 {
	return min(burst, l.switches+(now-l.counted).Seconds())
}

// postpone keeps a rung from being tried for a while, and for so many times what
// the last try took: trying must not take the time of the work.
func (l *ladder) postpone(now time.Duration, rung int, took time.Duration) {
	p := &l.pauses[rung]
	least := max(p.length, min(cheaply*took, lastPause), dearly*took)
	p.until = now + least
	l.trial = max(l.trial, now+dearly*took)
	p.length = min(2*p.length, lastPause)
}

// canary names the rung that is worth trying after a frame of the given fresh
// budget, or None.
func (l *ladder) canary(now, budget, interval time.Duration, cameras int) int {
	best, most := None, 0.0
	if l.allowed(now) < 2 {
		return None
	}
	if !l.trackOnly(l.current) {
		most = l.value(l.current, interval, cameras)
		if l.rungs[l.current].Accuracy > 0 {
			most *= worth
		}
	}
	for r := range l.current {
		if v := l.value(r, interval, cameras); v > most && now >= l.pauses[r].until && l.fits(r, times(budget, margin)) {
			best, most = r, v
		}
	}
	// Without a network nothing is learned of the load, so it has to be asked for.
	if best == None && l.current > 0 && l.trackOnly(l.current) && l.attempt(now) {
		best = l.current - 1
	}
	return best
}

// canaryDone moves up where a canary took no longer than the budget allows.
func (l *ladder) canaryDone(now time.Duration, rung int, took, budget time.Duration) {
	ratio := float64(took) / float64(max(l.rungs[rung].Detect, 1))
	fits := times(budget, margin)
	if rung >= l.current || times(l.base[rung], ratio*l.tail()) > fits {
		if times(l.base[rung], ratio) <= fits {
			l.forgive() // it fits but for what happened long ago
		}
		l.postpone(now, rung, took)
		return
	}
	l.change(now, rung)
	l.pauses[rung].climbed = now
	l.begin(ratio)
}

// attempt says whether a frame should be tried although nothing fits. Without
// trials a ladder that ends in a network would never learn that the load is gone.
func (l *ladder) attempt(now time.Duration) bool {
	if now < l.trial {
		return false
	}
	l.trial = now + l.trying
	l.trying = min(2*l.trying, lastPause)
	return true
}

// desperate says whether a frame should be begun on the smallest rung although
// nothing fits. If it is in time the rung is trusted until something is late: that
// is more than a prediction says.
func (l *ladder) desperate(now time.Duration) bool {
	if !l.attempt(now) {
		return false
	}
	if last := len(l.rungs) - 1; l.current != last {
		l.leave(now, last)
	}
	l.onTrial = true
	return true
}

// failed takes note of a frame that the rung's network failed on. A rung that is
// broken is left for the next smaller one, and tried again as any that was left;
// the smallest for the one above it, which the deadline may undo at once.
func (l *ladder) failed(now time.Duration) {
	if l.failing++; l.failing < broken {
		return
	}
	l.failing = 0
	switch last := len(l.rungs) - 1; {
	case l.current < last:
		l.leave(now, l.current+1)
	case last > 0 && l.allowed(now) >= 2:
		l.leave(now, last-1)
	}
}

// done takes note of what a frame took.
func (l *ladder) done(rung int, took time.Duration, late bool) {
	l.failing = 0
	l.trusted = !late && (l.trusted || l.onTrial)
	if l.trusted {
		l.forgive()
	}
	l.observe(rung, took, late)
	if l.trusted && l.onTrial { // the load of before is gone
		l.begin(float64(took) / float64(max(l.base[rung], 1)))
	}
	l.onTrial = false
}
