package explain

import (
	"slices"
	"time"

	"dashline/internal/obs/timeline"
	"dashline/pipeline/msg"
)

// part is a share of a finished frame's age.
type part struct {
	name        string
	took, usual time.Duration
	always      bool // it makes frames late also where it is as usual
}

func (p part) excess() time.Duration { return p.took - p.usual }

// parts divide a finished frame's age. Where lanes ran beside detection, what took
// longer stands for both.
func (l *Log) parts(p *timeline.Placed) []part {
	u := l.usualOf(p)
	of := func(name string, took time.Duration) part { return part{name: name, took: took, usual: u.took[name]} }
	all := []part{of(lag, p.Lag), of(timeline.Wait, p.Start-p.Arrived)}
	lanes := p.Span(timeline.Lanes)
	if detected := p.Start + timeline.DetectionTook(p.Report); !l.inOrder && lanes.To > detected {
		all = append(all, part{name: timeline.Lanes, took: p.Sensed - p.Start, usual: u.took[sensed]})
	} else {
		for _, stage := range []string{timeline.Preprocess, timeline.Forward, timeline.Decode} {
			all = append(all, of(stage, p.Span(stage).Took()))
		}
		if l.inOrder && lanes.Took() > 0 {
			all = append(all, of(timeline.Lanes, lanes.Took()))
		}
	}
	all = append(all, of(between, gap(p)))
	for _, stage := range []string{timeline.Track, timeline.Plan, timeline.Publish} {
		all = append(all, of(stage, p.Span(stage).Took()))
	}
	return all
}

// gap is what passed between the networks and the tracks: nobody's work.
func gap(p *timeline.Placed) time.Duration {
	tail := p.Span(timeline.Track).Took() + p.Span(timeline.Plan).Took() + p.Span(timeline.Publish).Took()
	return p.End - tail - p.Sensed
}

// tooSlow is the cause of a frame that is late also where all is as usual, for the
// network of its rung.
const tooSlow = "rung"

// culprit is the part that made a frame late: what exceeds its usual most. Where
// its work alone is longer than the deadline, and usually is, it is the largest of the
// work, and where that is the network's, the rung. Where nothing exceeds, the
// largest of what is not work.
func (l *Log) culprit(p *timeline.Placed) part {
	u := l.usualOf(p)
	if usual := u.took[work]; min(usual, p.End-p.Start) > p.Report.Deadline {
		return l.largest(p, usual)
	}
	var worst, idle part
	for _, part := range l.parts(p) {
		if part.excess() > worst.excess() {
			worst = part
		}
		if idle.name == "" || part.took > idle.took {
			switch part.name {
			case lag, timeline.Wait, between:
				idle = part
			}
		}
	}
	if worst.name == "" {
		return idle
	}
	return worst
}

// largest is the part of the work that usually takes longest.
func (l *Log) largest(p *timeline.Placed, usual time.Duration) part {
	rung := part{tooSlow, p.End - p.Start, usual, true}
	most := part{}
	for _, part := range l.parts(p) {
		if part.name != lag && part.name != timeline.Wait && part.usual > most.usual {
			most = part
		}
	}
	switch most.name {
	case "", timeline.Preprocess, timeline.Forward, timeline.Decode:
		return rung
	}
	most.always = true
	return most
}

// cause is why a frame was missed, a stable word; empty for one on time.
func (l *Log) cause(p *timeline.Placed) string {
	switch r := p.Report; r.Outcome {
	case msg.Late:
		return l.culprit(p).name
	case msg.Dropped:
		if r.Stage == timeline.Source {
			return "source: " + r.Reason
		}
		return r.Reason
	case msg.Failed:
		return r.Stage + ": " + r.Reason
	}
	return ""
}

// blocker is what was at work while a frame waited.
type blocker struct {
	frame  int           // whose work it was, or after which the canary ran
	canary bool          // a canary, not the frame itself
	shared time.Duration // how much of the wait
}

// blockers are what was at work from one moment to another, by begin. How long a
// canary ran is in no report: until the next frame was begun at most.
func (l *Log) blockers(of int, from, to time.Duration) (out []blocker) {
	overlap := func(a, b time.Duration) time.Duration { return min(b, to) - max(a, from) }
	first, _ := slices.BinarySearch(l.ends, from+1)
	first = max(0, first-1) // after which a canary may have run
	for k, i := range l.worked[first:] {
		p := &l.frames[i]
		if p.Start >= to {
			break
		}
		if i == of {
			continue
		}
		if d := overlap(p.Start, p.End); d > 0 {
			out = append(out, blocker{i, false, d})
		}
		if p.Report.Canary == "" {
			continue
		}
		next := to
		for _, j := range l.worked[first+k+1:] {
			if l.frames[j].Start >= p.End {
				next = l.frames[j].Start
				break
			}
		}
		if d := overlap(p.End, next); d > 0 {
			out = append(out, blocker{i, true, d})
		}
	}
	return out
}
