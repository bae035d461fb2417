package track

import (
	"cmp"
	"slices"

	"dashline/pipeline/msg"
)

// The least IoU of a pair in each stage. A track's predicted box is better known
// than that of a tentative one, which may be a mistake.
const (
	highIoU      = 0.1
	lowIoU       = 0.3
	tentativeIoU = 0.3
)

// otherClass is what a pair of different classes costs more: a detector that
// takes a car for a truck on one frame does not make a new object of it, but
// only a box in nearly the same place may be of another class.
const otherClass = 0.5

// mostVotes bounds how long a class is held on to.
const mostVotes = 5

// seen is one detection that can be used.
type seen struct {
	rect  rect
	score float32
	class int
	label string
	index int // in the caller's slice
	taken bool
}

// read keeps the detections that can be used, the best first.
func (t *Tracker) read(dets []msg.Detection) {
	t.seen = t.seen[:0]
	for i := range dets {
		d := &dets[i]
		if r, ok := measured(d, t.width, t.height); ok && d.Score >= t.o.Low {
			t.seen = append(t.seen, seen{rect: r, score: min(d.Score, 1), class: d.Class, label: d.Label, index: i})
		}
	}
	slices.SortFunc(t.seen, compare)
	t.seen = t.seen[:min(len(t.seen), t.o.Limit)]
}

// compare orders by score. The rest makes the order, and all that follows from
// it, the same whatever order the detections come in.
func compare(a, b seen) int {
	return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.class, b.class),
		cmp.Compare(a.rect.x0, b.rect.x0), cmp.Compare(a.rect.y0, b.rect.y0),
		cmp.Compare(a.rect.x1, b.rect.x1), cmp.Compare(a.rect.y1, b.rect.y1), cmp.Compare(a.index, b.index))
}

// associate gives detections to tracks.
func (t *Tracker) associate() {
	high := func(s *seen) bool { return s.score >= t.o.High }
	low := func(s *seen) bool { return s.score < t.o.High }
	t.match(true, high, highIoU)
	t.match(true, low, lowIoU)
	t.match(false, high, tentativeIoU)
}

// match is one stage: tracks that are confirmed or not, and detections that
// want says, of both those that have no partner yet.
func (t *Tracker) match(confirmed bool, want func(*seen) bool, least float64) {
	t.rows, t.columns = t.rows[:0], t.columns[:0]
	for i := range t.tracks {
		if tr := &t.tracks[i]; tr.confirmed == confirmed && tr.detection < 0 {
			t.rows = append(t.rows, i)
		}
	}
	for j := range t.seen {
		if s := &t.seen[j]; !s.taken && want(s) {
			t.columns = append(t.columns, j)
		}
	}
	if len(t.rows) == 0 || len(t.columns) == 0 {
		return
	}
	t.cost = t.cost[:0]
	for _, i := range t.rows {
		for _, j := range t.columns {
			c := 1 - t.tracks[i].now.rect.iou(t.seen[j].rect)
			if t.seen[j].class != t.tracks[i].class {
				c += otherClass
			}
			t.cost = append(t.cost, c)
		}
	}
	for k, j := range t.solver.solve(t.cost, len(t.rows), len(t.columns), 1-least) {
		if j >= 0 {
			t.see(t.rows[k], &t.seen[t.columns[j]])
		}
	}
}

// see gives a detection to track i.
func (t *Tracker) see(i int, s *seen) {
	tr := &t.tracks[i]
	if t.unseen(tr) > 0 {
		tr.confirmed = true
	}
	tr.vote(s)
	tr.motion = tr.now.corrected(s.rect)
	tr.now = t.within(tr.motion)
	tr.at, tr.score, tr.measured, tr.detection = t.now, s.score, s.rect, s.index
	s.taken = true
}

// vote keeps the class that most of the latest scores are for (Boyer and Moore's
// majority vote, 1981).
func (tr *track) vote(s *seen) {
	if s.class == tr.class {
		tr.votes = min(tr.votes+s.score, mostVotes)
		return
	}
	if tr.votes -= s.score; tr.votes < 0 {
		tr.class, tr.label, tr.votes = s.class, s.label, -tr.votes
	}
}

// bear begins a track with each good detection that is left.
func (t *Tracker) bear() {
	for i := range t.seen {
		s := &t.seen[i]
		if s.taken || s.score < t.o.High || len(t.tracks) >= t.o.Limit {
			continue
		}
		t.last++
		m := begin(s.rect)
		t.tracks = append(t.tracks, track{
			id: t.last, motion: m, now: t.within(m), at: t.now, class: s.class, label: s.label, votes: s.score,
			score: s.score, measured: s.rect, detection: s.index,
		})
	}
}
