package trace

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"dashline/internal/obs/timeline"
	"dashline/pipeline/msg"
)

// The tracks of a camera, in the order in which they are shown. The first three
// have no spans of stages.
var rows = []string{"outcome", "deadline", "rung",
	timeline.Source, timeline.Wait, timeline.Preprocess, timeline.Forward, timeline.Decode, timeline.Detect,
	timeline.Lanes, timeline.Track, timeline.Plan, timeline.Publish}

const (
	outcomeRow = iota
	deadlineRow
	rungRow
)

// A stage has this many tracks at most. What does not fit on any is left out and
// counted.
const maxTracks = 64

// events turns reports into the text of a trace. It belongs to one goroutine.
type events struct {
	placer  timeline.Placer
	cameras map[string]*camera
	out     []byte // whole events that are not written yet
	begun   bool
	flows   int
	left    int // spans that no track had room for
}

// camera is a process of the trace.
type camera struct {
	pid    int
	rows   [][]*track // of each row
	named  map[int]bool
	rung   string // that is open, if one is
	rungAt time.Duration
}

// frame adds what a report tells.
func (e *events) frame(r *msg.FrameReport) {
	c := e.camera(r.Camera)
	p := e.placer.Place(r)
	if p.Worked {
		e.rungOf(c, &p)
	}
	e.event(c, deadlineRow, "i", "deadline", p.Due).str("s", "t").args().num("frame", r.Seq).end(e)
	e.spans(c, &p)
	switch r.Outcome {
	case msg.Late, msg.Dropped, msg.Failed:
		name := string(r.Outcome)
		if r.Reason != "" {
			name += ": " + r.Reason
		}
		full(e.event(c, outcomeRow, "i", name, p.End).str("s", "t").args(), r).end(e)
	}
}

// rungOf shows the rung as a span from one change to the next, and canaries on it.
func (e *events) rungOf(c *camera, p *timeline.Placed) {
	r := p.Report
	if r.Rung != "" && r.Rung != c.rung {
		at := max(p.Start, c.rungAt)
		e.closeRung(c, at)
		e.event(c, rungRow, "B", r.Rung, at).args().num("frame", r.Seq).end(e)
		c.rung, c.rungAt = r.Rung, at
	}
	c.rungAt = max(c.rungAt, p.End)
	if r.Canary != "" {
		e.event(c, rungRow, "i", "canary "+r.Canary, p.End).str("s", "t").args().num("frame", r.Seq).end(e)
	}
}

func (e *events) closeRung(c *camera, at time.Duration) {
	if c.rung != "" {
		e.event(c, rungRow, "E", c.rung, at).end(e)
	}
}

// spans places the stages on their tracks, with an arrow through them.
func (e *events) spans(c *camera, p *timeline.Placed) {
	type stop struct {
		track int
		at    time.Duration
	}
	var stops []stop
	detected := p.Start
	for i, s := range p.Spans {
		t, later := e.trackFor(c, rowOf(s.Stage), s)
		if t == nil {
			e.left++
			continue
		}
		from, to := s.From+later, s.To+later
		t.add(from, to)
		span := e.on(c, t.id, "X", s.Stage, from).dur(to - from).args()
		if i == len(p.Spans)-1 {
			full(span, p.Report).end(e)
		} else {
			span.num("frame", p.Report.Seq).str("rung", p.Report.Rung).end(e)
		}
		at := from
		switch s.Stage {
		case timeline.Preprocess, timeline.Forward, timeline.Decode:
			detected = to
		case timeline.Lanes: // beside detection: what follows waits for the later of both
			if detected >= to {
				continue
			}
			at = max(from, detected)
		}
		stops = append(stops, stop{t.id, at})
	}
	if len(stops) < 2 {
		return
	}
	e.flows++
	for i, s := range stops {
		phase := "t"
		switch i {
		case 0:
			phase = "s"
		case len(stops) - 1:
			phase = "f"
		}
		flow := e.on(c, s.track, phase, "frame", s.at).num("id", uint64(e.flows))
		if phase == "f" {
			flow.str("bp", "e")
		}
		flow.end(e)
	}
}

func rowOf(stage string) int {
	for i := outcomeRow; i < len(rows); i++ {
		if rows[i] == stage {
			return i
		}
	}
	panic("trace: there is no track for " + stage) // the timeline has no other stages
}

// trackFor finds the first track of a row that has room for a span, and by how
// much later it must begin there.
func (e *events) trackFor(c *camera, row int, s timeline.Span) (*track, time.Duration) {
	for _, t := range c.rows[row] {
		if later, ok := t.fit(s.From, s.To); ok {
			return t, later
		}
	}
	n := len(c.rows[row])
	if n == maxTracks {
		return nil, 0
	}
	t := &track{id: trackID(c.pid, row, n)}
	c.rows[row] = append(c.rows[row], t)
	return t, 0
}

// trackID is unique in the whole trace, not only in its camera.
func trackID(pid, row, n int) int { return (pid*100+row)*100 + n }

func (e *events) camera(name string) *camera {
	c := e.cameras[name]
	if c == nil {
		c = &camera{pid: len(e.cameras) + 1, rows: make([][]*track, len(rows)), named: map[int]bool{}}
		e.cameras[name] = c
		e.meta(c, 0, "process_name").str("name", name).end(e)
	}
	return c
}

// end closes what is open, and the array.
func (e *events) end() {
	for pid := 1; pid <= len(e.cameras); pid++ {
		for _, c := range e.cameras {
			if c.pid == pid {
				e.closeRung(c, c.rungAt)
			}
		}
	}
	if e.left > 0 {
		for _, c := range e.cameras {
			if c.pid == 1 {
				e.event(c, outcomeRow, "i", fmt.Sprintf("%d spans had no room on their tracks", e.left), c.rungAt).str("s", "g").end(e)
			}
		}
	}
	if !e.begun {
		e.out = append(e.out, "[\n"...)
	}
	e.out = append(e.out, "\n]\n"...)
}

// object is an event that is being written.
type object struct {
	text []byte
	deep bool // args are open
	some bool // they have something
}

// event begins one on the first track of a row.
func (e *events) event(c *camera, row int, phase, name string, at time.Duration) *object {
	return e.on(c, trackID(c.pid, row, 0), phase, name, at)
}

// on begins an event on a track, which gets its name when it is first seen.
func (e *events) on(c *camera, track int, phase, name string, at time.Duration) *object {
	if !c.named[track] {
		c.named[track] = true
		row, n := track/100%100, track%100
		label := rows[row]
		if n > 0 {
			label += " " + strconv.Itoa(n+1)
		}
		e.meta(c, track, "thread_name").str("name", label).end(e)
		e.meta(c, track, "thread_sort_index").num("sort_index", uint64(row*100+n)).end(e)
	}
	o := &object{text: []byte(`{"name":`)}
	o.text = quote(o.text, name)
	o.text = append(o.text, `,"cat":"frame"`...)
	o.str("ph", phase)
	o.key("pid")
	o.text = strconv.AppendInt(o.text, int64(c.pid), 10)
	o.key("tid")
	o.text = strconv.AppendInt(o.text, int64(track), 10)
	o.key("ts")
	o.text = micros(o.text, at)
	return o
}

// meta begins an event that describes a process (track 0) or a track.
func (e *events) meta(c *camera, track int, name string) *object {
	o := &object{text: []byte(`{"ph":"M"`)}
	o.str("name", name).num("pid", uint64(c.pid)).num("tid", uint64(track))
	return o.args()
}

// full adds all that a report tells beside its stages.
func full(o *object, r *msg.FrameReport) *object {
	o.num("frame", r.Seq).str("outcome", string(r.Outcome)).millis("age_ms", r.Age).millis("deadline_ms", r.Deadline)
	for _, s := range []struct{ key, value string }{
		{"stage", r.Stage}, {"reason", r.Reason}, {"detail", r.Detail}, {"rung", r.Rung}, {"canary", r.Canary},
	} {
		if s.value != "" {
			o.str(s.key, s.value)
		}
	}
	if r.Predicted > 0 {
		o.millis("predicted_ms", r.Predicted)
	}
	return o
}

func (o *object) key(k string) {
	if !o.deep || o.some {
		o.text = append(o.text, ',')
	}
	o.some = true
	o.text = append(o.text, '"')
	o.text = append(o.text, k...)
	o.text = append(o.text, `":`...)
}

func (o *object) str(k, v string) *object {
	o.key(k)
	o.text = quote(o.text, v)
	return o
}

func (o *object) num(k string, v uint64) *object {
	o.key(k)
	o.text = strconv.AppendUint(o.text, v, 10)
	return o
}

func (o *object) millis(k string, d time.Duration) *object {
	o.key(k)
	o.text = strconv.AppendFloat(o.text, float64(d)/1e6, 'f', -1, 64)
	return o
}

func (o *object) dur(d time.Duration) *object {
	o.key("dur")
	o.text = micros(o.text, d)
	return o
}

// args opens what is shown of the event when it is clicked.
func (o *object) args() *object {
	o.key("args")
	o.text = append(o.text, '{')
	o.deep, o.some = true, false
	return o
}

func (o *object) end(e *events) {
	if o.deep {
		o.text = append(o.text, '}')
	}
	o.text = append(o.text, '}')
	before := ",\n"
	if !e.begun {
		before, e.begun = "[\n", true
	}
	e.out = append(append(e.out, before...), o.text...)
}

// micros writes a time of 0 or more in microseconds, exactly.
func micros(b []byte, d time.Duration) []byte {
	b = strconv.AppendInt(b, int64(d/1000), 10)
	return fmt.Appendf(b, ".%03d", int64(d%1000))
}

func quote(b []byte, s string) []byte {
	q, _ := json.Marshal(s) // a string can always be
	return append(b, q...)
}
