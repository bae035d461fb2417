package coded

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

// This file is the account: pictures that were put in and are not yet told wait
// in pending, in the order of presentation, until nothing can come before them.

// insert keeps the pending pictures in the order of presentation.
func (s *Stream) insert(p pending) {
	at := len(s.pending)
	for at > 0 && s.pending[at-1].header.PTS > p.header.PTS {
		at--
	}
	s.pending = slices.Insert(s.pending, at, p)
}

// told says that the first pending picture's outcome can be told.
func (s *Stream) told() bool {
	return len(s.pending) > 0 && s.pending[0].err != nil && (s.held.ID != 0 || s.complete())
}

// miss accounts for the pictures that are missing before the first pending one,
// once that is the next to be told.
func (s *Stream) miss() {
	if !s.begun || !s.lossy || !s.told() && s.held.ID == 0 || s.pending[0].first {
		return
	}
	next, born := s.pending[0].header.PTS, s.pending[0].born
	n := s.period.between(next - s.last)
	for i := range n {
		at := s.last + (next-s.last)*time.Duration(i+1)/time.Duration(n+1)
		s.insert(pending{header: msg.Header{PTS: at}, born: born, err: s.lose(Lost, "no part of it arrived")})
	}
}

// swallowed accounts for what the decoder will not give back: all that is left
// after draining, and else what is more than it could hold back.
func (s *Stream) swallowed() {
	n := len(s.pending) - maxPending
	if s.drained {
		n = len(s.pending)
	}
	s.condemn(n, Reference, "the decoder does not show it")
}

// condemn tells the first n pending pictures lost, but for those whose outcome
// is known.
func (s *Stream) condemn(n int, reason, why string) {
	for i := range max(0, n) {
		if s.pending[i].err == nil {
			s.pending[i].err = s.lose(reason, why)
		}
	}
}

// pop ends the account of the first pending picture and fills in f's header.
func (s *Stream) pop(f *frame.Frame) pending {
	p := s.pending[0]
	s.pending = slices.Delete(s.pending, 0, 1)
	f.Header = p.header
	f.Seq = s.seq
	s.seq++
	if s.begun && !s.lossy && !p.first {
		s.period.add(p.header.PTS - s.last)
	}
	s.begun, s.last = true, p.header.PTS
	if (p.key || s.depth.depth == 0) && p.taken >= s.gapAt {
		s.lossy = false // all that was lost is before it
	}
	if s.o.Live {
		f.Lag = max(0, time.Since(p.born))
	}
	return p
}

func (s *Stream) lose(reason, why string) *pipeline.FrameError {
	return &pipeline.FrameError{Reason: reason, Err: fmt.Errorf("%s: %s", s.o.Name, why)}
}

// holding says that the decoder has pictures that are not told.
func (s *Stream) holding() bool {
	return slices.ContainsFunc(s.pending, func(p pending) bool { return p.err == nil })
}

// complete says that no picture can still be put in that is shown before the
// first pending one: as many are in as the order of decoding can differ by, or
// decoding begins anew.
func (s *Stream) complete() bool {
	return s.depth.sure() && len(s.pending) > s.depth.depth || s.ended || s.broken && s.unit != nil && s.unit.starts()
}

func drop(reason string) *pipeline.FrameError {
	return &pipeline.FrameError{Reason: reason, Err: errors.New("let go"), Dropped: true}
}
