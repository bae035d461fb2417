package worker

import (
	"sync/atomic"

	"dashline/pipeline"
	"dashline/pipeline/msg"
)

// valve stands before the bus and may be shut: then nothing is published.
type valve struct {
	shut  atomic.Bool
	inner pipeline.Publisher
}

func (v *valve) before(inner pipeline.Publisher) pipeline.Publisher {
	v.inner = inner
	return v
}

// Detections passes d on.
func (v *valve) Detections(d *msg.Detections) {
	if !v.shut.Load() {
		v.inner.Detections(d)
	}
}

// Tracks passes t on.
func (v *valve) Tracks(t *msg.Tracks) {
	if !v.shut.Load() {
		v.inner.Tracks(t)
	}
}

// Lanes passes l on.
func (v *valve) Lanes(l *msg.LaneSet) {
	if !v.shut.Load() {
		v.inner.Lanes(l)
	}
}

// Plan passes t on.
func (v *valve) Plan(t *msg.Trajectory) {
	if !v.shut.Load() {
		v.inner.Plan(t)
	}
}

// Frame passes r on.
func (v *valve) Frame(r *msg.FrameReport) {
	if !v.shut.Load() {
		v.inner.Frame(r)
	}
}
