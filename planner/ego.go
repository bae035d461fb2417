package planner

import (
	"math"
	"time"

	"dashline/pipeline/msg"
)

const (
	// longestGap is the time between frames after which nothing that was
	// known of the last one is used.
	longestGap = 1.0 // s
	// selfGain is the share of the difference between measured and planned
	// acceleration that is believed at once.
	selfGain = 0.3
	// fastest bounds a measured own speed, above every set speed there can be.
	fastest = 100.0 // m/s
)

// ego is what is remembered of the vehicle's own motion from frame to frame.
type ego struct {
	seen   bool
	header msg.Header
	speed  float64
}

// since returns the seconds between the remembered frame and h, and false where
// h does not follow it: another camera, time that went back, or a gap too long.
//
// The stream's presentation time comes first: it is the camera's own clock, free
// of the network's jitter and of steps of the sender's clock. Streams without
// one fall back on the time of capture, then on that of arrival. Sequence
// numbers are never used as time, so skipped frames need no care.
func (e *ego) since(h *msg.Header) (float64, bool) {
	last := &e.header
	if !e.seen || h.Camera != last.Camera || h.Seq < last.Seq {
		return 0, false
	}
	var d time.Duration
	switch {
	case h.PTS != 0 || last.PTS != 0:
		d = h.PTS - last.PTS
	case !h.CapturedAt.IsZero() && !last.CapturedAt.IsZero():
		d = h.CapturedAt.Sub(last.CapturedAt)
	default:
		d = h.Arrived - last.Arrived
	}
	dt := d.Seconds()
	return dt, dt >= 0 && dt <= longestGap
}

// acceleration estimates the vehicle's present acceleration: what the last plan
// had for now, corrected by how far the measured speed is from that plan. A
// vehicle that obeys its plans goes on smoothly from plan to plan; one that does
// not (a recorded drive) is soon planned for as it really moves.
func (p *Planner) acceleration(speed, dt float64) float64 {
	if dt <= 0 {
		return p.motions[0].a
	}
	i := min(int(dt/p.dt), len(p.motions)-2)
	from, to, u := p.motions[i], p.motions[i+1], dt-float64(i)*p.dt
	jerk := (to.a - from.a) / p.dt
	planned := from.a + jerk*u
	wrong := speed - (from.v + u*(from.a+jerk*u/2))
	if math.Abs(wrong) < 1e-9 {
		return planned // rounding, which a short dt would magnify
	}
	return planned + selfGain*wrong/dt
}
