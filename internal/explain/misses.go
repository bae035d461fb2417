package explain

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"dashline/internal/obs/timeline"
	"dashline/internal/plain"
	"dashline/pipeline/msg"
)

// Overview sums a run up.
type Overview struct {
	Frames  int     `json:"frames"` // of which there is a report
	OnTime  int     `json:"on_time"`
	Late    int     `json:"late"`
	Dropped int     `json:"dropped"`
	Failed  int     `json:"failed"`
	Causes  []Cause `json:"causes"`           // most frames first
	Rungs   []Rung  `json:"rungs"`            // most frames first
	Misses  []Miss  `json:"misses,omitempty"` // by arrival
}

// Cause counts the misses of one cause.
type Cause struct {
	Outcome string `json:"outcome"`
	Cause   string `json:"cause"`
	Frames  int    `json:"frames"`
}

// Rung sums up the finished frames of one rung; medians, in milliseconds.
type Rung struct {
	Rung   string  `json:"rung"`
	Frames int     `json:"frames"`
	Late   int     `json:"late"`
	Wait   float64 `json:"wait_ms"`
	Work   float64 `json:"work_ms"`
}

// Miss is a frame that was not on time.
type Miss struct {
	Camera  string  `json:"camera"`
	Frame   uint64  `json:"frame"`
	At      float64 `json:"at_s"` // when it arrived, since the pipeline started
	Outcome string  `json:"outcome"`
	Cause   string  `json:"cause"`
	Age     float64 `json:"age_ms"`
	Rung    string  `json:"rung,omitempty"`
	Why     string  `json:"why"` // a few words
}

// Overview sums up the frames of a camera, or of all where it is empty.
func (l *Log) Overview(camera string) (*Overview, error) {
	if camera != "" && l.cameras[camera] == nil {
		_, err := l.find(camera, 0)
		return nil, err
	}
	o := &Overview{Causes: []Cause{}, Rungs: []Rung{}}
	late := map[string]int{}
	count := map[string]int{}
	for i := range l.frames {
		p := &l.frames[i]
		r := p.Report
		if camera != "" && r.Camera != camera {
			continue
		}
		o.Frames++
		switch r.Outcome {
		case msg.OnTime:
			o.OnTime++
		case msg.Late:
			o.Late++
			late[r.Rung]++
		case msg.Dropped:
			o.Dropped++
		case msg.Failed:
			o.Failed++
		}
		if finished(r) {
			count[r.Rung]++
		}
		if r.Outcome == msg.OnTime {
			continue
		}
		m := l.miss(i)
		o.Misses = append(o.Misses, m)
		at := slices.IndexFunc(o.Causes, func(c Cause) bool { return c.Outcome == m.Outcome && c.Cause == m.Cause })
		if at < 0 {
			at = len(o.Causes)
			o.Causes = append(o.Causes, Cause{m.Outcome, m.Cause, 0})
		}
		o.Causes[at].Frames++
	}
	slices.SortFunc(o.Causes, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(b.Frames, a.Frames), cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(a.Cause, b.Cause))
	})
	for rung, frames := range count {
		u := l.usual[rung]
		o.Rungs = append(o.Rungs, Rung{plain.Line(rung), frames, late[rung], millis(u.took[timeline.Wait]), millis(u.took[work])})
	}
	slices.SortFunc(o.Rungs, func(a, b Rung) int {
		return cmp.Or(cmp.Compare(b.Frames, a.Frames), cmp.Compare(a.Rung, b.Rung))
	})
	return o, nil
}

func (l *Log) miss(i int) Miss {
	p := &l.frames[i]
	r := p.Report
	return Miss{
		Camera: plain.Line(r.Camera), Frame: r.Seq, At: p.Arrived.Seconds(), Outcome: plain.Line(string(r.Outcome)), Cause: plain.Line(l.cause(p)),
		Age: millis(r.Age), Rung: plain.Line(r.Rung), Why: plain.Line(l.why(i)),
	}
}

// why is an explanation in a few words.
func (l *Log) why(i int) string {
	p := &l.frames[i]
	r := p.Report
	switch r.Outcome {
	case msg.Late:
		worst := l.culprit(p)
		if !l.usualOf(p).known() {
			return fmt.Sprintf("%s too late; %s %s", ms(r.Age-r.Deadline), worst.name, ms(worst.took))
		}
		return fmt.Sprintf("%s too late; %s %s, usually %s", ms(r.Age-r.Deadline), worst.name, ms(worst.took), ms(worst.usual))
	case msg.Failed:
		return sentence(r.Reason, r.Detail)
	}
	if r.Stage == timeline.Source {
		return fmt.Sprintf("%s old", ms(r.Age))
	}
	text := fmt.Sprintf("after %s", ms(p.End-p.Arrived))
	var most time.Duration
	what := ""
	for _, b := range l.blockers(i, p.Arrived, p.Start) {
		if b.shared > most {
			most, what = b.shared, name(l.frames[b.frame].Report)
			if b.canary {
				what = "the canary after " + what
			}
		}
	}
	if what != "" {
		text += "; at work: " + what
	}
	return text
}
