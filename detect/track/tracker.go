package track

import (
	"math"
	"time"

	"dashline/pipeline/msg"
)

// Tracker follows the objects of one camera. It is for one goroutine at a time.
type Tracker struct {
	o      Options
	now    time.Duration // of the latest frame
	width  float64       // of the frame, pixels
	height float64
	last   uint64 // ID of the newest track
	tracks []track

	// Memory of one update, kept for the next.
	seen    []seen
	rows    []int     // tracks of a stage
	columns []int     // detections of a stage
	cost    []float64 // rows x columns
	solver  solver
}

// track is one object. Its motion is as of its latest detection: all that is said
// of a later time is computed from there, so it does not matter how often one
// asked in between.
type track struct {
	id        uint64
	motion    motion
	now       prediction    // at the latest frame
	at        time.Duration // of the latest detection
	class     int
	label     string
	votes     float32 // by which the class is ahead of the others
	score     float32
	confirmed bool
	measured  rect
	detection int // index among the latest frame's, -1 for none
}

// New makes a tracker; see [Options] for what it refuses.
func New(o Options) (*Tracker, error) {
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	return &Tracker{o: o}, nil
}

// Update takes what a detector found on a frame of width x height pixels,
// captured at the time at of any clock that does not step. It keeps nothing of
// dets but labels. Without a size of the frame it does what [Tracker.Coast] does.
func (t *Tracker) Update(at time.Duration, width, height int, dets []msg.Detection) {
	if width < 1 || height < 1 {
		t.Coast(at)
		return
	}
	if w, h := float64(width), float64(height); w != t.width || h != t.height {
		t.tracks = t.tracks[:0] // of another picture
		t.width, t.height = w, h
	}
	t.Coast(at)
	t.read(dets)
	t.associate()
	t.drop(func(tr *track) bool { return !tr.confirmed && t.unseen(tr) >= t.o.Confirm })
	t.bear()
}

// Coast takes a frame on which no detector ran: tracks are predicted to the time
// at, and those that are lost by then, or have left the picture, are dropped.
func (t *Tracker) Coast(at time.Duration) {
	if at < t.now {
		t.back(at)
	}
	t.now = at
	for i := range t.tracks {
		tr := &t.tracks[i]
		tr.now, tr.detection = t.predict(tr, 0), -1
	}
	t.drop(func(tr *track) bool { return t.unseen(tr) > t.o.Lost || !tr.now.rect.visible() })
}

// Append appends every track to dst, in order of ID, and returns it. Their boxes
// are those of the latest frame, their forecasts for ahead later; a negative
// ahead counts as 0.
func (t *Tracker) Append(dst []msg.Track, ahead time.Duration) []msg.Track {
	for i := range t.tracks {
		tr := &t.tracks[i]
		then := t.predict(tr, ahead)
		out := msg.Track{
			ID: tr.id, Class: tr.class, Label: tr.label, Score: tr.score, State: tr.state(),
			Box: tr.now.rect.box(), Forecast: then.rect.box(),
			VX: float32(then.cx.v), VY: float32(then.cy.v), Sigma: float32(math.Sqrt(then.cx.xx)),
			Unseen: t.unseen(tr), Detection: tr.detection,
		}
		if tr.detection >= 0 {
			out.Measured = tr.measured.box()
		}
		dst = append(dst, out)
	}
	return dst
}

func (tr *track) state() msg.TrackState {
	switch {
	case !tr.confirmed:
		return msg.TrackTentative
	case tr.detection < 0:
		return msg.TrackCoasting
	}
	return msg.TrackConfirmed
}

// back takes a time before the latest frame's.
func (t *Tracker) back(at time.Duration) {
	by := t.now - at
	if by < 0 || by > t.o.Lost { // the first where it overflows
		t.tracks = t.tracks[:0]
	}
	for i := range t.tracks {
		t.tracks[i].at -= by
	}
}

// unseen is the time since a track's latest detection, never negative.
func (t *Tracker) unseen(tr *track) time.Duration {
	if d := t.now - tr.at; d >= 0 {
		return d
	}
	return math.MaxInt64
}

// prediction is a motion at some time, and its box within the frame.
type prediction struct {
	motion
	rect rect
}

// predict says where a track is, ahead after the latest frame.
func (t *Tracker) predict(tr *track, ahead time.Duration) prediction {
	dt := t.unseen(tr)
	if ahead = max(ahead, 0); ahead > math.MaxInt64-dt {
		ahead = math.MaxInt64 - dt
	}
	return t.within(tr.motion.after((dt + ahead).Seconds()))
}

func (t *Tracker) within(m motion) prediction {
	return prediction{m, m.rect().clip(t.width, t.height)}
}

// drop removes the tracks that are done with and keeps the order of the others.
func (t *Tracker) drop(done func(*track) bool) {
	kept := t.tracks[:0]
	for i := range t.tracks {
		if !done(&t.tracks[i]) {
			kept = append(kept, t.tracks[i])
		}
	}
	t.tracks = kept
}
