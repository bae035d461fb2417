package pipeline

import (
	"time"

	"dashline/pipeline/msg"
)

// clock tells the time and what stages took. A virtual one belongs to the goroutine
// that works on frames.
type clock interface {
	// now is the time since any fixed moment.
	now() time.Duration
	// begin says that work on a frame begins, on a rung.
	begin(h *msg.Header, rung int)
	// took says what a stage took that has just ended, of which measured was
	// measured.
	took(stage string, measured time.Duration) time.Duration
	// part says what a part of a stage took, whose whole is counted already.
	part(stage string, measured time.Duration) time.Duration
	// beside is took for a stage that ran beside others, since the given time.
	beside(stage string, since, measured time.Duration) time.Duration
}

// wall is the clock of a live run: time goes by itself, and what was measured
// holds.
type wall func() time.Duration

func (w wall) now() time.Duration                                     { return w() }
func (wall) begin(*msg.Header, int)                                   {}
func (wall) took(_ string, measured time.Duration) time.Duration      { return measured }
func (wall) part(_ string, measured time.Duration) time.Duration      { return measured }
func (wall) beside(_ string, _, measured time.Duration) time.Duration { return measured }

// virtual is the clock of a replay: time goes by only with what the service
// says that stages take. Nothing that was measured gets into it.
type virtual struct {
	service Service
	at      time.Duration
	frame   []msg.StageTime // of the frame at work
}

func (v *virtual) now() time.Duration { return v.at }

func (v *virtual) begin(h *msg.Header, rung int) { v.frame = v.service(h, rung) }

func (v *virtual) part(stage string, _ time.Duration) time.Duration { return told(v.frame, stage) }

func (v *virtual) took(stage string, _ time.Duration) time.Duration {
	d := told(v.frame, stage)
	v.at += d
	return d
}

func (v *virtual) beside(stage string, since, _ time.Duration) time.Duration {
	d := told(v.frame, stage)
	v.at = max(v.at, since+d)
	return d
}
