package schedule

import "time"

// Camera is what the scheduler knows of one camera.
type Camera struct {
	// Weight is how much sooner than others the camera is served: with 2 it waits
	// half as long as one with 1. 0 is 1.
	Weight float64
	// Rate is the most frames a second that are looked at; 0 is all.
	Rate float64
}

// Frame is what the scheduler knows of a frame that waits.
type Frame struct {
	Arrived time.Duration
	// Due is when its age reaches the deadline.
	Due time.Duration
}

// Pace keeps frames to a rate.
type Pace struct {
	due time.Duration // when the next frame is
}

// Takes says whether a frame at a time is within so many frames a second, all where
// rate is 0. Times do not go back.
func (p *Pace) Takes(rate float64, at time.Duration) bool {
	if rate <= 0 {
		return true
	}
	step := time.Duration(float64(time.Second) / rate)
	if at < p.due-step/4 { // what jitters around its due time passes
		return false
	}
	p.due = max(p.due, at-step) + step
	return true
}

// fresh is what a frame has left of its deadline when it arrives.
func (f Frame) fresh() time.Duration { return f.Due - f.Arrived }

// place is a camera's place in the queue.
type place struct {
	Camera
	frame   Frame
	waiting bool
	since   time.Duration // when the first frame came after the last that was begun
	unheard bool          // there is such a frame

	arrivals [5]time.Duration // the latest, a ring
	arrived  int
	pace     Pace
}

// offer lets a frame wait, in the place of an older one. It is refused where the
// camera's rate is exceeded.
func (c *place) offer(f Frame) bool {
	c.arrivals[c.arrived%len(c.arrivals)] = f.Arrived
	c.arrived++
	if !c.pace.Takes(c.Rate, f.Arrived) {
		return false
	}
	if !c.unheard {
		c.since, c.unheard = f.Arrived, true
	}
	c.frame, c.waiting = f, true
	return true
}

// take begins or drops the waiting frame.
func (c *place) take(begun bool) {
	c.waiting = false
	if begun {
		c.unheard = false
	}
}

// interval is the time between pictures: the median of the latest ones, 0 where
// it is not known.
func (c *place) interval() time.Duration {
	n := min(c.arrived, len(c.arrivals)) - 1
	if n < 2 {
		return 0
	}
	var steps [len(c.arrivals)]time.Duration
	for i := range n {
		newer, older := c.arrivals[(c.arrived-1-i)%len(c.arrivals)], c.arrivals[(c.arrived-2-i)%len(c.arrivals)]
		steps[i] = newer - older
		for k := i; k > 0 && steps[k] < steps[k-1]; k-- {
			steps[k], steps[k-1] = steps[k-1], steps[k]
		}
	}
	step := steps[n/2]
	if c.Rate > 0 {
		step = max(step, time.Duration(float64(time.Second)/c.Rate))
	}
	return max(step, 0)
}

// first is the waiting camera that has been without an answer for the largest
// share of its deadline, times its weight; nil where none waits. For equal
// cameras that is the earliest deadline of those that have not been answered: a
// frame that took the place of an older one inherits its deadline. (Were it its
// own, a camera whose pictures always come a little after another's would
// starve.)
func first(now time.Duration, places []place) (index, waiting int) {
	index = -1
	most := 0.0
	for i := range places {
		c := &places[i]
		if !c.waiting {
			continue
		}
		waiting++
		urgency := float64(now-c.since+1) / float64(max(c.frame.fresh(), 1))
		if c.Weight > 0 {
			urgency *= c.Weight
		}
		if index < 0 || urgency > most {
			index, most = i, urgency
		}
	}
	return index, waiting
}
