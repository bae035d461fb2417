package pipeline

import (
	"context"
	"sync"
	"time"

	"dashline/pipeline/frame"
	"dashline/pipeline/schedule"
)

// hall is where frames of live cameras wait, one of each, for the scheduler to
// decide about them. Feeds and the one who serves meet here and nowhere else.
type hall struct {
	mu    sync.Mutex
	sched *schedule.Scheduler
	slots []job // of each line, as far as the scheduler says that one waits
	open  int   // feeds that may still bring frames
	wake  chan struct{}
}

func newHall(rungs []Rung, lines []*line) *hall {
	var facts []schedule.Rung
	for _, r := range rungs {
		facts = append(facts, r.Rung)
	}
	h := &hall{slots: make([]job, len(lines)), wake: make(chan struct{}, 1)}
	var cameras []schedule.Camera
	for _, l := range lines {
		cameras = append(cameras, schedule.Camera{Weight: l.Weight, Rate: l.Rate})
		if l.Policy == Newest {
			h.open++
		}
	}
	h.sched = schedule.New(facts, cameras)
	return h
}

// arrive lets a frame wait. It returns the one that is dropped for that, if any,
// and why.
func (h *hall) arrive(l *line, j job) (out job, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := j.lease.Frame
	old, had := h.slots[l.index], h.sched.Waiting(l.index)
	if !h.sched.Arrive(l.index, schedule.Frame{Arrived: f.Arrived, Due: f.Arrived - f.Lag + l.Deadline}) {
		return j, schedule.Rate
	}
	h.slots[l.index] = j
	if had {
		return old, schedule.Newer
	}
	return job{}, ""
}

// admit is how a line offers its frames.
func (h *hall) admit(l *line) func(context.Context, job) frame.Lease {
	return func(_ context.Context, j job) frame.Lease {
		out, reason := h.arrive(l, j)
		h.rouse()
		if reason != "" {
			l.drop(out, reason)
		}
		return out.lease
	}
}

// leave says that a feed brings no more frames.
func (h *hall) leave() {
	h.mu.Lock()
	h.open--
	h.mu.Unlock()
	h.rouse()
}

func (h *hall) rouse() {
	select {
	case h.wake <- struct{}{}:
	default: // it is awake already
	}
}

// next decides. The job is that of the decision's camera where it is begun or
// dropped; open says that more may come.
func (h *hall) next(now time.Duration) (d schedule.Decision, j job, open bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d = h.sched.Next(now)
	if d.Camera >= 0 && (d.Drop != "" || d.Rung != schedule.None) {
		j, h.slots[d.Camera] = h.slots[d.Camera], job{}
	}
	return d, j, h.open > 0
}

func (h *hall) done(rung int, took time.Duration, late bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sched.Done(rung, took, late)
}

// failed says that the frame that was begun last failed, at a stage.
func (h *hall) failed(now time.Duration, stage string) {
	if stage != StageDetect { // what else fails would on any rung
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sched.Failed(now)
}

func (h *hall) canaryDone(now time.Duration, rung int, took, fresh time.Duration, failed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sched.CanaryDone(now, rung, took, fresh, failed)
}
