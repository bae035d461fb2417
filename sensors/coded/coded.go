// Package coded turns the compressed pictures of one camera into frames, and
// accounts for each of them.
//
// Invariants:
//   - Every picture that was put in, and every one that is known to be missing,
//     comes out exactly once: as a frame, as a failed one or as a dropped one,
//     in the order of presentation and numbered in that order.
//     How far that order differs from the one of decoding is known from headers
//     and the decoder; while neither tells, it is learnt from the first pictures.
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
	"dashline/internal/threads"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/sensors/nal"
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
	Join       = "join"       // dropped: came before the first key picture of its session
)

// Unit is the next picture of a stream, in the order of decoding.
type Unit struct {
	msg.Packet
	Kind nal.Kind
	// Hidden says that the picture is decoded for the sake of others: it is neither
	// shown nor told, but takes its number.
	Hidden bool
	// Skip says that the picture was let go before it came here, for its age.
	Skip bool
	// Skipped is how many pictures before this one were let go for their age and
	// not kept: they are told here.
	Skipped int
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
	Period    time.Duration // between pictures, until it has been measured; 0: unknown
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
	scratch []byte        // for packets without their messages
	unit    *Unit         // put in, and not yet taken
	ended   bool          // nothing more comes
	broken  bool          // decoding has to begin anew, with a key picture
	joining bool          // the session has had no key picture yet
	drained bool          // broken, and the decoder was asked for what it holds back
	feeding bool          // the decoder may have pictures
	start   time.Duration // PTS of the key picture at which decoding began
	pending []pending     // in the order of presentation
	held    avdec.Decoded // the picture that is to be shown next; its ID is 0 where there is none
	lossy   bool          // pictures may be missing between those that came
	taken   int           // units so far
	gapAt   int           // the latest of them before which something was missing
	begun   bool          // a picture has been told, the latest with this PTS:
	last    time.Duration
	period  periodMeter
	depth   depthMeter
}

// pending is a picture whose outcome is not yet told.
type pending struct {
	header msg.Header
	taken  int                  // its place in the order of decoding
	id     int64                // by which the decoder knows it
	born   time.Time            // captured, by this machine's clock; arrival less its lag
	err    *pipeline.FrameError // why it is not shown; nil while the decoder has it
	stale  bool                 // decode it, do not show it
	key    bool                 // a whole key picture
	first  bool                 // of a session
	hidden bool
}

// New opens a stream, which waits for a key picture.
func New(o Options) (*Stream, error) {
	var dec *avdec.Decoder
	var err error
	threads.Named("decode", func() { dec, err = avdec.NewDecoder(o.Codec, o.MaxPixels) })
	if err != nil {
		return nil, err
	}
	return &Stream{o: o, dec: dec, broken: true, drained: true, joining: true, period: periodMeter{nominal: o.Period}}, nil
}

// Continue goes on with the numbers of the stream before this one, which may be
// nil. Call it before the first Put.
func (s *Stream) Continue(before *Stream) {
	if before != nil {
		s.seq, s.begun, s.last = before.seq, before.begun, before.last
	}
}

// Depth is by how many pictures one can come before another that is shown
// earlier, as far as is known: 0 for a stream without B pictures.
func (s *Stream) Depth() int { return s.depth.depth }

// Number sets the number of the next picture. Call it before the first Put.
func (s *Stream) Number(seq uint64) { s.seq = seq }

// Put gives the stream its next picture. Next must have had no more before, and
// the unit must stay as it is until Next has no more again.
func (s *Stream) Put(u *Unit) {
	s.unit, s.ended = u, false
	if u.Gap {
		s.lossy, s.gapAt = true, s.taken+1
	}
}

// End says that nothing more comes: Next gives what is held back. After it the
// stream waits for a key picture.
func (s *Stream) End() {
	s.ended = true
	s.interrupt()
}

// Next makes the next picture a frame. ok is false when another has to be put
// in first. A [*pipeline.FrameError] is for one picture, f.Header is then set;
// any other error is final.
func (s *Stream) Next(f *frame.Frame) (ok bool, err error) {
	for {
		s.miss()
		switch {
		case s.told():
			if p := s.pop(f); !p.hidden {
				return true, p.err
			}
		case s.held.ID != 0:
			return true, s.show(f)
		case s.feeding && (!s.broken || s.complete()):
			err = s.receive()
		case s.broken && !s.drained && s.holding() && s.complete():
			err = s.drain()
		case s.unit != nil && s.breaks(s.unit) && !s.broken:
			s.interrupt()
		case s.unit != nil:
			u := s.unit
			s.unit = nil
			err = s.take(u)
		default:
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// take decides what becomes of a unit, and gives it to the decoder if it is to be
// decoded.
func (s *Stream) take(u *Unit) error {
	s.joining = s.joining || u.Restart
	if u.Restart {
		s.depth.restart()
	}
	s.depth.add(u.PTS)
	if !s.depth.told {
		if depth, ok := depthOf(s.o.Codec, u.Data); ok {
			s.depth.tell(depth)
		}
	}
	s.taken++
	p := pending{
		taken:  s.taken,
		header: msg.Header{PTS: u.PTS, CapturedAt: u.CapturedAt, CaptureClock: u.CaptureClock},
		born:   u.Arrived.Add(-u.Lag),
		key:    u.starts(),
		first:  u.Restart,
		hidden: u.Hidden,
	}
	for range u.Skipped {
		s.insert(pending{header: msg.Header{PTS: u.PTS - 1}, born: p.born, err: drop(Stale)})
	}
	stale := s.o.Live && s.o.Deadline > 0 && time.Since(p.born) > s.o.Deadline
	switch {
	case u.Skip, stale && u.Kind.Disposable:
		p.err = drop(Stale)
	case s.broken && s.joining && (!u.Key || u.Restart && u.Damaged):
		// Before the first key picture, or the one in the middle of which we came.
		p.err = drop(Join)
	case u.Damaged:
		p.err = s.lose(Incomplete, "parts of it did not arrive")
	case s.broken && !u.Key:
		p.err = s.lose(Reference, "a picture that it refers to was not whole")
	case u.PTS < s.start:
		// It is shown before the key picture at which decoding began, and refers
		// to what was before that.
		p.err = s.lose(Reference, "it refers to pictures before the first whole one")
	}
	if p.err != nil {
		s.insert(p)
		return nil
	}
	p.stale = stale
	return s.decode(u, p)
}

// breaks says that pictures after u, or u itself, may refer to one that is not there.
func (s *Stream) breaks(u *Unit) bool {
	return u.Gap || u.Restart || u.Skipped > 0 || (u.Damaged || u.Skip) && !u.Kind.Disposable
}

// starts says that decoding can begin with u.
func (u *Unit) starts() bool { return u.Key && !u.Damaged && !u.Skip }

func (s *Stream) decode(u *Unit, p pending) error {
	if s.broken { // all that the decoder held back is out, see complete
		s.dec.Reset()
		s.broken, s.drained, s.joining, s.start = false, false, false, u.PTS
	}
	s.id++
	p.id = s.id
	err := s.dec.Send(nal.WithoutMessages(s.o.Codec, u.Data, &s.scratch), p.id)
	switch {
	case errors.Is(err, avdec.ErrCorrupt):
		p.err = s.lose(Corrupt, err.Error())
		s.interrupt()
	case err != nil:
		return err
	default:
		s.feeding = true
		s.depth.tell(s.dec.Delay())
	}
	s.insert(p)
	return nil
}

// interrupt ends the run of pictures that refer to each other: nothing is decoded
// until the next key picture. What the decoder holds back is whole, and comes out
// in its time.
func (s *Stream) interrupt() {
	if !s.broken {
		s.broken, s.drained = true, false
	}
}

// drain asks the decoder for all that it holds back.
func (s *Stream) drain() error {
	s.drained, s.feeding = true, true
	if err := s.dec.Drain(); err != nil && !errors.Is(err, avdec.ErrCorrupt) {
		return err
	}
	return nil
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
		if at < 0 { // it does not say which: the latest that it was given
			at = slices.IndexFunc(s.pending, func(p pending) bool { return p.id == s.id && p.err == nil })
		}
		if at >= 0 {
			s.pending[at].err = s.lose(Corrupt, err.Error())
		}
		s.interrupt()
		return nil
	}
	if at < 0 {
		return nil // told already
	}
	p := &s.pending[at]
	switch {
	case large || max(pic.Width, pic.Height) > s.o.MaxSide:
		p.err = s.lose(TooLarge, fmt.Sprintf("it has %dx%d pixels", pic.Width, pic.Height))
	case p.stale, p.hidden:
		p.err = drop(Stale)
	default:
		s.held = pic
	}
	// The decoder gives pictures in the order of presentation: what comes before
	// this one and is not out by now never will be.
	s.condemn(at, Reference, "the decoder does not show it")
	return nil
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

// Close frees the decoder.
func (s *Stream) Close() error { return s.dec.Close() }
