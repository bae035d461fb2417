package schedule

import "time"

// The reasons for which frames are dropped.
const (
	Newer    = "newer"    // a newer one of its camera came before it was begun
	Deadline = "deadline" // no rung would have been done in time
	Rate     = "rate"     // its camera gives more than are to be looked at
)

// Scheduler decides. It belongs to one goroutine at a time.
type Scheduler struct {
	*ladder
	places []place
}

// Decision is what to do now.
type Decision struct {
	Camera int // whose waiting frame it is about; -1: none waits
	// Rung is what to begin it on. None: do not begin it.
	Rung int
	// Canary is a rung to try on the frame once it is answered, or None.
	Canary int
	// Predicted is what the frame hardly ever takes longer than.
	Predicted time.Duration
	// Drop is why the frame is dropped; empty: it is not.
	Drop string
	// Until is when to ask again unless a frame arrives before, where a frame
	// waits although nothing runs.
	Until time.Duration
}

// New makes a scheduler. There must be a rung and a camera at least; only the
// last rung may have a P50 of 0, which stands for no network at all.
func New(rungs []Rung, cameras []Camera) *Scheduler {
	s := &Scheduler{ladder: newLadder(rungs)}
	for _, c := range cameras {
		s.places = append(s.places, place{Camera: c})
	}
	return s
}

// Arrive lets a frame of a camera wait in the place of the one that does, which
// is dropped for [Newer] then. It says no where the frame itself is to be dropped
// for [Rate]. Frames of a camera arrive in order of time.
func (s *Scheduler) Arrive(camera int, f Frame) bool { return s.places[camera].offer(f) }

// Waiting says whether a frame of the camera waits.
func (s *Scheduler) Waiting(camera int) bool { return s.places[camera].waiting }

// Next decides about one of the waiting frames, while nothing runs.
func (s *Scheduler) Next(now time.Duration) Decision {
	d := Decision{Camera: -1, Rung: None, Canary: None}
	i, waiting := first(now, s.places)
	if i < 0 {
		return d
	}
	d.Camera = i
	c := &s.places[i]
	f := c.frame
	interval := c.interval()
	active := s.active(now)
	left := f.Due - now

	s.onTrial = false // also where the latest trial failed
	rung := s.moveDown(now, f.fresh(), interval, active)
	switch {
	case left < 0:
		rung = None
	case rung == None:
		if s.desperate(now) {
			rung = len(s.rungs) - 1
		}
	default:
		s.trying = firstPause
		if waiting == 1 && waits(now-f.Arrived, interval, s.usual(rung), s.fits(rung, left)) {
			d.Until = f.Arrived + interval + interval/4
			if now < d.Until {
				return d
			}
		}
		if !s.fits(rung, left) {
			rung = s.moveDown(now, left, interval, active)
		}
	}
	if rung == None {
		c.take(false)
		d.Drop = Deadline
		return d
	}
	c.take(true)
	d.Rung, d.Predicted, d.Until = rung, s.predict(rung), 0
	d.Canary = s.canary(now, f.fresh(), interval, active)
	return d
}

// active is how many cameras have given a picture lately, at least one.
func (s *Scheduler) active(now time.Duration) int {
	n := 0
	for i := range s.places {
		c := &s.places[i]
		if c.arrived > 0 && now-c.arrivals[(c.arrived-1)%len(c.arrivals)] < time.Second {
			n++
		}
	}
	return max(n, 1)
}

// Done says what a frame took from its begin to its publication, and whether that
// was after its deadline.
func (s *Scheduler) Done(rung int, took time.Duration, late bool) { s.done(rung, took, late) }

// Failed says that a network failed on the frame that was begun last. What fails
// after it, as a tracker, is no fault of the rung: of that nobody is told.
func (s *Scheduler) Failed(now time.Duration) { s.failed(now) }

// CanaryDone says what detection took on a rung that Next named as a canary, for
// a frame with the given time from its arrival to its deadline, or that it failed.
func (s *Scheduler) CanaryDone(now time.Duration, rung int, took, fresh time.Duration, failed bool) {
	if failed {
		s.postpone(now, rung, took)
		return
	}
	s.canaryDone(now, rung, took, fresh)
}

// waits says that the next frame is worth waiting for: the one at hand is so old
// that an answer to it would be older, when it is there, than one to the next
// frame. This is the shrinking-tail rule of Li, Wang and Ramanan, "Towards
// Streaming Perception" (2020), section 3.3: with the tail of t, what t is beyond
// whole intervals, wait if the tail after the work is less than now. It holds
// where work takes longer than an interval. A frame that is too old for its rung
// waits, too, so that what comes is seen on this rung and not this one on a lower.
func waits(age, interval, service time.Duration, fits bool) bool {
	if interval <= 0 || age < 0 || age >= interval+interval/4 {
		return false
	}
	if !fits {
		return true
	}
	if service <= interval || age >= interval {
		return false
	}
	return (age+service)%interval < age
}
