package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"dashline/internal/obs/timeline"
	"dashline/internal/plain"
	"dashline/pipeline/msg"
)

// Explanation says what became of one frame, and why. Times are in milliseconds.
type Explanation struct {
	Camera  string `json:"camera"`
	Frame   uint64 `json:"frame"`
	Outcome string `json:"outcome"`
	// Cause is a stable word: of a late frame the part of its age that made it so,
	// of others the reason. It is empty for a frame on time.
	Cause     string  `json:"cause,omitempty"`
	Age       float64 `json:"age_ms"`
	Deadline  float64 `json:"deadline_ms"`
	Rung      string  `json:"rung,omitempty"`
	Predicted float64 `json:"predicted_ms,omitempty"`
	Took      float64 `json:"took_ms,omitempty"` // from the begin of work to its end
	Parts     []Part  `json:"parts,omitempty"`   // of a finished frame's age
	// AtWork is what ran while the frame waited.
	AtWork []AtWork `json:"at_work,omitempty"`
	Words  []string `json:"words"`    // a sentence or two each
	Lines  []string `json:"timeline"` // the frame and its neighbours, drawn
}

// Part is a share of a frame's age, beside what is usual on its rung.
type Part struct {
	Name  string  `json:"part"`
	Took  float64 `json:"took_ms"`
	Usual float64 `json:"usual_ms,omitempty"` // absent where too few frames finished on the rung
}

// AtWork is work that ran while a frame waited.
type AtWork struct {
	Camera string  `json:"camera"`
	Frame  uint64  `json:"frame"`
	Rung   string  `json:"rung"`
	Canary bool    `json:"canary,omitempty"` // of that rung, after the frame
	Shared float64 `json:"shared_ms"`        // how much of the wait
}

// Frame explains a frame. The camera may be empty where one alone has such a
// frame; else it is an error, as is a frame of which there is no report.
func (l *Log) Frame(camera string, seq uint64) (*Explanation, error) {
	i, err := l.find(camera, seq)
	if err != nil {
		return nil, err
	}
	return l.explain(i), nil
}

func (l *Log) explain(i int) *Explanation {
	p := &l.frames[i]
	r := p.Report
	e := &Explanation{
		Camera: plain.Line(r.Camera), Frame: r.Seq, Outcome: plain.Line(string(r.Outcome)), Cause: plain.Line(l.cause(p)),
		Age: millis(r.Age), Deadline: millis(r.Deadline), Rung: plain.Line(r.Rung), Predicted: millis(r.Predicted),
	}
	if p.Worked {
		e.Took = millis(p.End - p.Start)
	}
	if finished(r) {
		for _, part := range l.parts(p) {
			e.Parts = append(e.Parts, Part{part.name, millis(part.took), millis(part.usual)})
		}
	}
	var others []blocker
	if r.Stage != timeline.Source {
		others = l.blockers(i, p.Arrived, p.Start)
	}
	for _, b := range others {
		of := l.frames[b.frame].Report
		rung := of.Rung
		if b.canary {
			rung = of.Canary
		}
		e.AtWork = append(e.AtWork, AtWork{plain.Line(of.Camera), of.Seq, plain.Line(rung), b.canary, millis(b.shared)})
	}
	switch r.Outcome {
	case msg.Dropped:
		l.sayDropped(e, i)
	case msg.Failed:
		l.sayFailed(e, i)
	default:
		l.sayFinished(e, p)
	}
	l.sayAtWork(e, p)
	l.saySwitch(e, i)
	e.Lines = l.draw(i, others)
	return e
}

func (e *Explanation) say(format string, args ...any) {
	e.Words = append(e.Words, plain.Line(fmt.Sprintf(format, args...)))
}

func (l *Log) sayFinished(e *Explanation, p *timeline.Placed) {
	r := p.Report
	if r.Outcome == msg.Late {
		e.say("%s was late: %s old when its answer was out, %s more than its deadline of %s.", name(r), ms(r.Age), ms(r.Age-r.Deadline), ms(r.Deadline))
	} else {
		e.say("%s was on time: %s old when its answer was out, %s less than its deadline of %s.", name(r), ms(r.Age), ms(r.Deadline-r.Age), ms(r.Deadline))
	}
	e.say("%s", l.workedOn(p))
	if r.Outcome != msg.Late {
		return
	}
	worst := l.culprit(p)
	e.say("%s", l.blame(p, worst))
	var also []string
	for _, part := range l.parts(p) {
		if part.name != worst.name && part.excess() >= max(time.Millisecond, r.Deadline/50) {
			also = append(also, fmt.Sprintf("%s by %s", part.name, ms(part.excess())))
		}
	}
	if len(also) > 0 && l.usualOf(p).known() {
		e.say("Longer than usual, too: %s.", strings.Join(also, ", "))
	}
}

// workedOn says on which rung work ran, and what it took.
func (l *Log) workedOn(p *timeline.Placed) string {
	r := p.Report
	text := "Work on it took " + ms(p.End-p.Start)
	if r.Rung != "" {
		text = fmt.Sprintf("It ran on %s. Work on it took %s", r.Rung, ms(p.End-p.Start))
	}
	switch {
	case r.Predicted <= 0:
		text += "; nothing had been predicted"
	case p.End-p.Start > r.Predicted:
		text += fmt.Sprintf(", which had been predicted to take %s at most", ms(r.Predicted))
	default:
		text += fmt.Sprintf(", within the %s that had been predicted at most", ms(r.Predicted))
	}
	return text + "."
}

// blame says what made a frame late.
func (l *Log) blame(p *timeline.Placed, worst part) string {
	u := l.usualOf(p)
	compared := fmt.Sprintf("%s, usually %s (the median of %d frames on this rung)", ms(worst.took), ms(worst.usual), u.frames)
	switch {
	case !u.known():
		return fmt.Sprintf("The largest part of that is %s with %s. What is usual cannot be said: frames that finished on this rung are %d in all.", worst.name, ms(worst.took), u.frames)
	case worst.name == tooSlow:
		return fmt.Sprintf("The rung is too slow for this deadline: work on its frames usually takes %s (the median of %d).", ms(worst.usual), u.frames)
	case worst.always:
		return fmt.Sprintf("What makes it late is %s, as always: work on frames of this rung usually takes %s (the median of %d), and most of that is %s.",
			worst.name, ms(u.took[work]), u.frames, worst.name)
	}
	switch worst.name {
	case timeline.Wait:
		return "What made it late is its wait: " + compared + "."
	case lag:
		return "What made it late is that its picture was old when it arrived: " + compared + "."
	case between:
		return "What made it late is in no stage: " + compared + " passed between its networks and its tracks. It waited for a processor, or for the frame before it."
	case timeline.Lanes:
		text := "What made it late is lanes: what follows waited for them. "
		if !l.inOrder {
			text += fmt.Sprintf("They took %s beside %s of detection; ", ms(worst.took), ms(timeline.DetectionTook(p.Report)))
			return text + fmt.Sprintf("both are usually done after %s (the median of %d frames on this rung).", ms(worst.usual), u.frames)
		}
		return text + "They took " + compared + "."
	}
	return fmt.Sprintf("What made it late is %s: it took %s.", worst.name, compared)
}

func (l *Log) sayDropped(e *Explanation, i int) {
	p := &l.frames[i]
	r := p.Report
	waited := p.End - p.Arrived
	switch {
	case r.Stage == timeline.Source:
		e.say("%s was let go by its source: %s. It was %s old.", name(r), r.Reason, ms(r.Age))
	case r.Reason == "newer":
		by := "a newer one"
		if n := l.neighbour(i, 1); n >= 0 {
			by = name(l.frames[n].Report)
		}
		e.say("%s was dropped after it had waited %s: %s of its camera came before anybody was free for it.", name(r), ms(waited), by)
	case r.Reason == "deadline" && r.Age > r.Deadline:
		e.say("%s was dropped for its deadline of %s: it was %s old, and its answer would have been late on any rung.", name(r), ms(r.Deadline), ms(r.Age))
	case r.Reason == "deadline":
		e.say("%s was dropped for its deadline of %s: it was %s old, and no rung was expected to be done within the %s that were left.", name(r), ms(r.Deadline), ms(r.Age), ms(r.Deadline-r.Age))
	case r.Reason == "rate":
		e.say("%s was dropped because its camera gives more frames than are to be looked at.", name(r))
	case r.Reason == "shutdown":
		e.say("%s was dropped because the run ended before it was begun.", name(r))
	default:
		e.say("%s was dropped in %s: %s.", name(r), r.Stage, r.Reason)
	}
	if last := l.before(i); last >= 0 && (r.Reason == "newer" || r.Reason == "deadline") {
		f := &l.frames[last]
		e.say("The latest frame that had been finished by then is %s. %s", name(f.Report), strings.Replace(l.workedOn(f), "Work on it", "Work", 1))
		if u := l.usualOf(f); r.Reason == "deadline" && u.known() && u.took[work] < r.Deadline-r.Age {
			e.say("Usually work on %s takes %s (the median of %d frames), which would have fitted: more was expected, after what the latest frames took.", f.Report.Rung, ms(u.took[work]), u.frames)
		}
	}
}

// before is the latest frame of any camera that was finished when a frame ended.
func (l *Log) before(i int) int {
	end := l.frames[i].End
	best := -1
	first, _ := slices.BinarySearch(l.ends, end)
	for k := min(first, len(l.worked)-1); k >= 0 && k > first-20; k-- { // the ones before have ended long ago
		j := l.worked[k]
		if f := &l.frames[j]; j != i && f.End <= end && finished(f.Report) && (best < 0 || f.End > l.frames[best].End) {
			best = j
		}
	}
	return best
}

func (l *Log) sayFailed(e *Explanation, i int) {
	r := l.frames[i].Report
	text := fmt.Sprintf("%s failed in %s", name(r), r.Stage)
	if p := &l.frames[i]; p.Worked {
		text += fmt.Sprintf(" after %s of work", ms(p.End-p.Start))
	}
	e.say("%s: %s", text, sentence(r.Reason, r.Detail))
	if r.Rung != "" {
		e.say("It ran on %s.", r.Rung)
	}
	count, first := 0, r
	for k := range l.frames {
		o := l.frames[k].Report
		if o.Outcome == msg.Failed && o.Camera == r.Camera && o.Stage == r.Stage && o.Reason == r.Reason {
			if count == 0 {
				first = o
			}
			count++
		}
	}
	if count > 1 {
		e.say("%d of the %d frames of its camera failed in this way, %s as the first.", count, len(l.cameras[r.Camera]), name(first))
	}
}

// sentence joins a reason and its detail, which may begin with it.
func sentence(reason, detail string) string {
	switch {
	case detail == "":
		return reason + "."
	case strings.HasPrefix(detail, reason):
		return detail + "."
	}
	return reason + ": " + detail + "."
}

// sayAtWork says what ran while the frame waited.
func (l *Log) sayAtWork(e *Explanation, p *timeline.Placed) {
	waited := p.Start - p.Arrived
	if waited < max(time.Millisecond, p.Report.Deadline/50) || p.Report.Stage == timeline.Source {
		return
	}
	const most = 4
	var was []string
	for i, b := range e.AtWork {
		if i == most {
			was = append(was, fmt.Sprintf("and %d more", len(e.AtWork)-most))
			break
		}
		switch {
		case b.Canary:
			was = append(was, fmt.Sprintf("%s, tried as a canary after %s %d, for %.1f ms at most", b.Rung, b.Camera, b.Frame, b.Shared))
		case b.Rung != "":
			was = append(was, fmt.Sprintf("%s %d on %s for %.1f ms", b.Camera, b.Frame, b.Rung, b.Shared))
		default:
			was = append(was, fmt.Sprintf("%s %d for %.1f ms", b.Camera, b.Frame, b.Shared))
		}
	}
	if len(was) == 0 {
		e.say("Nothing that is in the reports was at work during the %s that it waited.", ms(waited))
		return
	}
	e.say("At work during the %s that it waited: %s.", ms(waited), strings.Join(was, "; "))
}

// saySwitch says that the rung was changed not long before.
func (l *Log) saySwitch(e *Explanation, i int) {
	const far = 5
	rung := l.frames[i].Report.Rung
	at := i
	for range far {
		if at = l.neighbour(at, -1); at < 0 {
			return
		}
		was := l.frames[at].Report.Rung
		if was == "" {
			continue
		}
		if rung != "" && was != rung {
			next := l.neighbour(at, 1)
			for l.frames[next].Report.Rung == "" {
				next = l.neighbour(next, 1)
			}
			e.say("The rung was changed not long before: %s ran on %s, %s on %s.", name(l.frames[at].Report), was, name(l.frames[next].Report), rung)
			return
		}
		rung = was
	}
}

func name(r *msg.FrameReport) string { return fmt.Sprintf("%s %d", r.Camera, r.Seq) }

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", millis(d)) }

func millis(d time.Duration) float64 { return float64(d) / 1e6 }
