package trace

import "time"

// A span may be moved by this much to lie after the one before it on its track:
// two clock readings a moment apart are not two frames side by side.
const slack = time.Millisecond

// recent is how many spans of a track are remembered.
const recent = 64

// track is a row of spans that do not overlap.
type track struct {
	id    int
	spans [recent]struct{ from, to time.Duration } // a ring
	count int
	floor time.Duration // nothing begins before: the end of what was forgotten
}

// fit says by how much later a span has to begin to lie on the track, if it can.
func (t *track) fit(from, to time.Duration) (later time.Duration, ok bool) {
	begin := max(from, t.floor)
	for i := range min(t.count, recent) {
		if s := t.spans[i]; begin < s.to && to > s.from && begin >= s.from {
			begin = s.to
		}
	}
	later = begin - from
	return later, later <= slack && t.free(begin, to+later)
}

func (t *track) free(from, to time.Duration) bool {
	if from < t.floor {
		return false
	}
	for i := range min(t.count, recent) {
		if s := t.spans[i]; from < s.to && to > s.from {
			return false
		}
	}
	return true
}

func (t *track) add(from, to time.Duration) {
	s := &t.spans[t.count%recent]
	if t.count >= recent {
		t.floor = max(t.floor, s.to)
	}
	s.from, s.to = from, to
	t.count++
}
