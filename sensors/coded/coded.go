// Package coded turns the compressed pictures of one camera into frames, and
// accounts for each of them.
//
// Invariants:
//   - Every picture that was put in, and every one that is known to be missing,
//     comes out exactly once: as a frame, as a failed one or as a dropped one,
//     in the order of presentation and numbered in that order.
//   - Nothing is shown that is not whole, or that refers to what was not: after
//     a loss nothing is decoded until the next key picture.
//   - A picture that is older than the deadline is not converted, and not even
//     decoded when no other picture refers to it.
//   - Pixels go from the decoder into the frame's own memory in one conversion.
//   - A [Stream] belongs to one goroutine and owns its decoder.
package coded

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"gocv.io/x/gocv"

	"dashline/internal/avdec"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

// The reasons for which a picture is not shown.
const (
	Lost       = "lost"       // failed: none of it arrived
	Incomplete = "incomplete" // failed: parts of it did not arrive
	Corrupt    = "corrupt"    // failed: the decoder found errors in it
	Reference  = "reference"  // failed: it refers to a picture that was not whole
	TooLarge   = "too_large"  // failed: beyond the source's bounds
	Format     = "format"     // failed: its pixel format cannot be converted
	Stale      = "stale"      // dropped: older than the deadline before it was decoded
)

// Unit is the next picture of a stream, in the order of decoding.
type Unit struct {
	msg.Packet
	Kind Kind
	// Gap says that something is missing before this one, which may be a picture
	// that others refer to.
	Gap bool
	// Restart says that this is the first of another session: nothing is known of
	// what was before it.
	Restart bool
	// Skip says that the picture was let go before it came here, for its age.
	Skip bool
	// Lag is how old the picture was at Arrived, 0 where that is not known.
	Lag time.Duration
}

// Options say what a stream is.
type Options struct {
	Codec     msg.Codec
	Name      string        // of the source, for errors
	MaxPixels int           // of a picture
	MaxSide   int           // of a picture, pixels
	Live      bool          // pictures have an age: the time since Arrived, and their lag
	Deadline  time.Duration // age from which a live picture is stale; 0: never
	Threads   int           // of the decoder; 0: 1
}

// At most so many pictures wait for one that the decoder holds back. The
// codecs' own bound is 16.
const maxPending = 32

// Stream is the decoder of one camera's pictures.
type Stream struct {
	o       Options
	dec     *avdec.Decoder
	seq     uint64
	id      int64
	waiting bool          // for a key picture
	drained bool          // the decoder has to be reset before it is fed
	feeding bool          // the decoder may have pictures
	ended   bool          // nothing more comes
	pending []pending     // in the order of presentation
	held    avdec.Decoded // the picture that is to be shown next; its ID is 0 where there is none
	lossy   bool          // pictures may be missing between those that came
	begun   bool          // a picture has been told, the latest with this PTS:
	last    time.Duration
	period  periodMeter
	depth   depthMeter
}

// pending is a picture whose outcome is not yet told.
type pending struct {
	header msg.Header
	id     int64
	born   time.Time            // captured, by this machine's clock; arrival less its lag
	err    *pipeline.FrameError // why it is not shown; nil while the decoder has it
	stale  bool                 // decode it, do not show it
	key    bool                 // a whole key picture
	first  bool                 // of a session
}

// New opens a stream, which waits for a key picture.
func New(o Options) (*Stream, error) {
	dec, err := avdec.NewDecoder(o.Codec, o.MaxPixels, max(1, o.Threads))
	if err != nil {
		return nil, err
	}
	return &Stream{o: o, dec: dec, waiting: true}, nil
}

// Continue goes on with the numbers of the stream before this one, which may be
// nil. Call it before the first Put.
func (s *Stream) Continue(before *Stream) {
	if before != nil {
		s.seq, s.begun, s.last = before.seq, before.begun, before.last
	}
}

// Put gives the stream its next picture. Next must have had no more before. The
// unit's data may be used again when Put returns. An error is final.
func (s *Stream) Put(u *Unit) error {
	s.ended = false
	s.depth.add(u.PTS)
	s.lossy = s.lossy || u.Gap && s.begun
	p := pending{
		header: msg.Header{PTS: u.PTS, CapturedAt: u.CapturedAt, CaptureClock: u.CaptureClock},
		born:   u.Arrived.Add(-u.Lag),
		key:    u.Key && !u.Damaged,
		first:  u.Restart,
	}
	if s.breaks(u) && !s.waiting {
		if err := s.interrupt(); err != nil {
			return err
		}
	}
	switch {
	case u.Skip:
		p.err = drop()
	case u.Damaged:
		p.err = s.lose(Incomplete, "parts of it did not arrive")
	case s.waiting && !u.Key:
		p.err = s.lose(Reference, "a picture that it refers to was not whole")
	}
	if p.err != nil {
		s.insert(p)
		return nil
	}
	stale := s.o.Live && s.o.Deadline > 0 && time.Since(p.born) > s.o.Deadline
	if stale && u.Kind.Disposable {
		p.err = drop()
		s.insert(p)
		return nil
	}
	return s.decode(u, p, stale)
}

// breaks says that pictures after u, or u itself, may refer to one that is not there.
func (s *Stream) breaks(u *Unit) bool {
	return u.Gap || u.Restart || (u.Damaged || u.Skip) && !u.Kind.Disposable
}

func (s *Stream) decode(u *Unit, p pending, stale bool) error {
	if s.drained {
		s.dec.Reset()
		s.drained = false
	}
	s.waiting = false
	s.id++
	p.id, p.stale = s.id, stale
	err := s.dec.Send(u.Data, p.id)
	switch {
	case errors.Is(err, avdec.ErrCorrupt):
		p.err = s.lose(Corrupt, err.Error())
		s.insert(p)
		return s.interrupt()
	case err != nil:
		return err
	}
	s.feeding = true
	s.insert(p)
	return nil
}

// interrupt ends the run of pictures that refer to each other. What the decoder
// holds back of it is whole and still comes out.
func (s *Stream) interrupt() error {
	s.waiting = true
	if s.drained {
		return nil
	}
	s.drained, s.feeding = true, true
	if err := s.dec.Drain(); err != nil && !errors.Is(err, avdec.ErrCorrupt) {
		return err
	}
	return nil
}

// End asks for the pictures that the decoder still holds back: Next gives them
// until it has no more. Then the stream waits for a key picture again.
func (s *Stream) End() error {
	s.ended = true
	return s.interrupt()
}

// insert keeps the pending pictures in the order of presentation.
func (s *Stream) insert(p pending) {
	at := len(s.pending)
	for at > 0 && s.pending[at-1].header.PTS > p.header.PTS {
		at--
	}
	s.pending = slices.Insert(s.pending, at, p)
}

// Next makes the next picture a frame. ok is false when another has to be put
// in first. A [*pipeline.FrameError] is for one picture, f.Header is then set;
// any other error is final.
func (s *Stream) Next(f *frame.Frame) (ok bool, err error) {
	for {
		s.miss()
		switch {
		case s.told():
			return true, s.pop(f).err
		case s.held.ID != 0:
			return true, s.show(f)
		case !s.feeding:
			return false, nil
		}
		if err := s.receive(); err != nil {
			return false, err
		}
	}
}

// told says that the first pending picture's outcome can be told: it is known,
// and no picture that is shown before it can still come.
func (s *Stream) told() bool {
	return len(s.pending) > 0 && s.pending[0].err != nil &&
		(s.held.ID != 0 || len(s.pending) > s.depth.depth || s.ended)
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

// receive takes one picture from the decoder, or finds that it has no more. An
// error is final.
func (s *Stream) receive() error {
	pic, err := s.dec.Receive()
	if err == io.EOF {
		s.feeding = false
		s.swallowed()
		return nil
	}
	corrupt, large := errors.Is(err, avdec.ErrCorrupt), errors.Is(err, avdec.ErrTooLarge)
	if err != nil && !corrupt && !large {
		return err
	}
	at := slices.IndexFunc(s.pending, func(p pending) bool { return p.id == pic.ID && p.err == nil })
	if corrupt {
		if at >= 0 {
			s.pending[at].err = s.lose(Corrupt, err.Error())
		} else {
			s.condemn(len(s.pending), Corrupt, err.Error()) // it does not say which
		}
		return s.interrupt()
	}
	if at < 0 {
		return nil // told already
	}
	p := &s.pending[at]
	switch {
	case large || max(pic.Width, pic.Height) > s.o.MaxSide:
		p.err = s.lose(TooLarge, fmt.Sprintf("it has %dx%d pixels", pic.Width, pic.Height))
	case p.stale:
		p.err = drop()
	default:
		s.held = pic
	}
	// The decoder gives pictures in the order of presentation: what comes before
	// this one and is not out by now never will be.
	s.condemn(at, Reference, "the decoder does not show it")
	return nil
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
	s.lossy = s.lossy && !p.key
	if s.o.Live {
		f.Lag = max(0, time.Since(p.born))
	}
	return p
}

// show writes the picture that the decoder holds into f.
func (s *Stream) show(f *frame.Frame) error {
	pic := s.held
	s.held = avdec.Decoded{}
	err := s.convert(pic, &f.Image)
	s.pop(f)
	if err != nil {
		return s.lose(Format, err.Error())
	}
	return nil
}

func (s *Stream) convert(pic avdec.Decoded, to *gocv.Mat) error {
	if to.Cols() != pic.Width || to.Rows() != pic.Height || to.Type() != gocv.MatTypeCV8UC3 {
		_ = to.Close()
		*to = gocv.NewMatWithSize(pic.Height, pic.Width, gocv.MatTypeCV8UC3)
	}
	pixels, err := to.DataPtrUint8()
	if err != nil {
		return err
	}
	return s.dec.BGR(pixels)
}

func (s *Stream) lose(reason, why string) *pipeline.FrameError {
	return &pipeline.FrameError{Reason: reason, Err: fmt.Errorf("%s: %s", s.o.Name, why)}
}

func drop() *pipeline.FrameError {
	return &pipeline.FrameError{Reason: Stale, Err: errors.New("older than the deadline"), Dropped: true}
}

// Close frees the decoder.
func (s *Stream) Close() error { return s.dec.Close() }
