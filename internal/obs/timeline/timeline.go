// Package timeline places what a frame report tells on the clock of its run:
// from when to when each stage worked on the frame.
//
// A report says when the frame arrived, how old its picture was then (its lag) and
// at its end, and how long each stage took. It does not say whether lanes ran beside
// detection or after it. Where no capture time is known there is no lag. Reports of
// recordings made before they told the lag have none although there was one: there,
// what the age has more than the stages is taken to be lag.
//
// Invariants, for any report, also one from a hostile file:
//   - Stages keep their length, as far as it is between 0 and an hour.
//   - Start, Sensed and End do not fall, and nothing is before 0.
//   - No time overflows.
package timeline

import (
	"time"

	"dashline/pipeline/msg"
)

// The stages of a report, by the names that the pipeline gives them.
const (
	Source       = "source"
	Wait         = "wait"
	Preprocess   = "preprocess"
	Forward      = "forward"
	Decode       = "decode"
	Lanes        = "lanes"
	LanesForward = "lanes_forward" // a part of lanes
	Track        = "track"
	Plan         = "plan"
	Publish      = "publish"
	Admission    = "admission" // in drops only
	Detect       = "detect"    // in failures only
)

// What is longer or later counts as this.
const (
	longest = time.Hour
	latest  = 50 * 365 * 24 * time.Hour // so that sums of several do not overflow
)

// Span is the time of one stage.
type Span struct {
	Stage    string
	From, To time.Duration
}

// Took is its length.
func (s Span) Took() time.Duration { return s.To - s.From }

// Placed is a frame on the clock of its run. All times are since the pipeline
// started.
type Placed struct {
	Report *msg.FrameReport
	// Spans are those that are longer than 0, in the order in which the frame went
	// through the stages. Lanes may overlap those of detection. The stage in which
	// a frame failed has one, which the report has not.
	Spans   []Span
	Worked  bool          // it was begun
	Arrived time.Duration // when it was there
	Start   time.Duration // when work began; End where none did
	Sensed  time.Duration // when its networks were done; End where none ran
	End     time.Duration // when its outcome was known
	Due     time.Duration // when its age reached the deadline
	Lag     time.Duration // how old its picture was when it arrived, as far as that is known
}

// Span returns that of a stage; all 0 where there is none.
func (p *Placed) Span(stage string) Span {
	for _, s := range p.Spans {
		if s.Stage == stage {
			return s
		}
	}
	return Span{}
}

// Placer places the frames of a run. Give it the reports in any order in which
// those of a camera are in theirs. The zero value is one for lanes beside
// detection.
type Placer struct {
	InOrder bool                     // lanes run after detection, not beside it
	lag     map[string]time.Duration // of the latest finished frame of each camera that does not tell it
}

// Took is what a stage took according to a report, between 0 and an hour; of one
// that is there twice, the first.
func Took(r *msg.FrameReport, stage string) time.Duration {
	for i := range r.Stages {
		if r.Stages[i].Stage == stage {
			return min(max(r.Stages[i].Took, 0), longest)
		}
	}
	return 0
}

// DetectionTook is what detection took, all of it.
func DetectionTook(r *msg.FrameReport) time.Duration {
	return Took(r, Preprocess) + Took(r, Forward) + Took(r, Decode)
}

func tailOf(r *msg.FrameReport) time.Duration {
	return Took(r, Track) + Took(r, Plan) + Took(r, Publish)
}

// RanInOrder tells from the reports of a run whether lanes ran after detection:
// no frame was done sooner than that takes. It is a guess where capture times are
// known and lags are not told, since then the lag may be what makes frames so old.
func RanInOrder(reports []*msg.FrameReport) bool {
	both := false
	for _, r := range reports {
		finished := r.Outcome == msg.OnTime || r.Outcome == msg.Late
		if !finished || Took(r, Lanes) == 0 || DetectionTook(r) == 0 {
			continue
		}
		both = true
		if r.Age-told(r) < Took(r, Wait)+DetectionTook(r)+Took(r, Lanes)+tailOf(r) {
			return false
		}
	}
	return both
}

// Place places a frame. The report is kept.
func (p *Placer) Place(r *msg.FrameReport) Placed {
	out := Placed{Report: r, Worked: len(r.Stages) > 0, Arrived: min(max(r.Arrived, 0), latest)}
	age := min(max(r.Age, 0), latest/2)
	out.span(Source, max(0, out.Arrived-Took(r, Source)), out.Arrived)
	if out.Worked {
		p.placeWork(&out, age)
	} else {
		out.Lag = p.guess(r)
		out.End = out.Arrived + max(0, age-out.Lag)
		out.Start, out.Sensed = out.End, out.End
		if r.Stage != Source {
			out.span(Wait, out.Arrived, out.End)
		}
	}
	out.Due = max(0, out.Arrived-out.Lag+min(max(r.Deadline, 0), latest))
	return out
}

// told is the lag that a report tells, within its age; 0: none.
func told(r *msg.FrameReport) time.Duration {
	return min(max(r.Lag, 0), max(r.Age, 0), latest/2)
}

// guess is the lag of a frame that was not worked on to its end: where it is not told,
// that of the camera's latest that was, at most its age.
func (p *Placer) guess(r *msg.FrameReport) time.Duration {
	if lag := told(r); lag > 0 || r.CapturedAt.IsZero() {
		return lag
	}
	return min(p.lag[r.Camera], max(r.Age, 0))
}

func (p *Placer) placeWork(out *Placed, age time.Duration) {
	r := out.Report
	at := out.Arrived + Took(r, Wait)
	out.Start = at
	out.span(Wait, out.Arrived, at)
	for _, stage := range []string{Preprocess, Forward, Decode} {
		took := Took(r, stage)
		out.span(stage, at, at+took)
		at += took
	}
	lanes := out.Start
	if p.InOrder {
		lanes = at
	}
	out.span(Lanes, lanes, lanes+Took(r, Lanes))
	out.Sensed = max(at, lanes+Took(r, Lanes))

	tail := tailOf(r)
	least := out.Sensed + tail
	if r.Outcome == msg.Failed {
		out.Lag = p.guess(r)
		out.End = max(least, out.Arrived+age-out.Lag)
		out.finish(out.Sensed)
		out.failed(lanes, out.Sensed+tail)
		return
	}
	out.Lag = told(r)
	if out.Lag == 0 && !r.CapturedAt.IsZero() {
		out.Lag = max(0, out.Arrived+age-least)
		if p.lag == nil {
			p.lag = map[string]time.Duration{}
		}
		p.lag[r.Camera] = out.Lag
	}
	// Where several crews work side by side, a frame may wait for its turn before
	// tracks are made of it; so these end with the frame.
	out.End = max(least, out.Arrived+age-out.Lag)
	out.finish(out.End - tail)
}

// finish places what follows the networks, from a time on.
func (p *Placed) finish(at time.Duration) {
	for _, stage := range []string{Track, Plan, Publish} {
		took := Took(p.Report, stage)
		p.span(stage, at, at+took)
		at += took
	}
}

// failed places the stage that failed, whose time is not in the report.
func (p *Placed) failed(lanes, after time.Duration) {
	switch stage := p.Report.Stage; stage {
	case Lanes: // which are timed also when they fail
		if p.Span(Lanes).Took() == 0 {
			p.span(Lanes, lanes, max(lanes, p.End))
		}
	case Detect:
		p.span(stage, p.Start, p.End)
	case Track, Plan:
		p.span(stage, after, p.End)
	}
}

func (p *Placed) span(stage string, from, to time.Duration) {
	if to > from {
		p.Spans = append(p.Spans, Span{stage, from, to})
	}
}
