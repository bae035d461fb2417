package rtsp

import (
	"errors"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/format/rtpmjpeg"

	"dashline/pipeline/msg"
	"dashline/sensors/nal"
)

// access is one access unit as it was put together from packets.
type access struct {
	data    []byte // Annex B, or a JPEG file; memory of the assembler's caller
	time    int64  // RTP time, unwrapped
	kind    nal.Kind
	arrived time.Time // of its last packet
	first   time.Time // of its first packet
	damaged bool      // parts of it are missing
	gap     bool      // something is missing before it
	packets int
}

// assembler makes access units of one stream's packets in order.
type assembler struct {
	depay    depacketizer
	jpeg     *rtpmjpeg.Decoder // for MJPEG only
	classify *nal.Classifier
	buffer   func() []byte // gives memory for a unit
	emit     func(access)

	clock  unwrapper
	cur    access
	open   bool   // cur has packets
	gap    bool   // packets were lost since the last whole unit
	inBand bool   // key pictures bring their parameter sets along
	prefix []byte // parameter sets that came in a unit of their own
	broken uint64 // payloads that could not be used
	why    error  // why the latest could not
}

func newAssembler(codec msg.Codec, buffer func() []byte, emit func(access)) *assembler {
	a := &assembler{depay: depacketizer{codec: codec}, classify: nal.NewClassifier(codec), buffer: buffer, emit: emit}
	if codec == msg.MJPEG {
		a.jpeg = &rtpmjpeg.Decoder{}
		_ = a.jpeg.Init() // has no way to fail
	}
	return a
}

// add takes the next packet.
func (a *assembler) add(p inOrder) {
	at := a.clock.unwrap(p.Timestamp)
	if p.missing > 0 {
		a.lose(at)
	}
	if a.open && at != a.cur.time { // a marker went missing, or the sender sets none
		a.finish()
	}
	if !a.open {
		a.begin(at, p.arrived)
	}
	a.cur.arrived = p.arrived
	a.cur.packets++
	a.payload(p)
	if p.Marker && a.open {
		a.finish()
	}
}

// lose notes that packets are missing before one of the time at. The unit that
// is open has lost its end, or its middle.
func (a *assembler) lose(at int64) {
	a.gap = true
	a.depay.gap()
	if a.open {
		a.cur.damaged = true
		if at != a.cur.time {
			a.finish()
			a.gap = true // what is missing may go on into the next
		}
	}
}

func (a *assembler) begin(at int64, arrived time.Time) {
	a.open = true
	a.cur = access{time: at, first: arrived, gap: a.gap}
	a.depay.reset(a.buffer())
}

func (a *assembler) payload(p inOrder) {
	if a.jpeg == nil {
		if err := a.depay.add(p.Payload); err != nil {
			a.useless(err)
		}
		return
	}
	data, err := a.jpeg.Decode(p.Packet)
	switch {
	case len(data) > maxUnit:
		a.useless(errTooLong)
	case err == nil:
		a.depay.data = append(a.depay.data[:0], data...)
	case !errors.Is(err, rtpmjpeg.ErrMorePacketsNeeded):
		a.useless(err)
	}
}

func (a *assembler) useless(err error) {
	a.cur.damaged = true
	a.broken++
	a.why = err
}

// finish ends the unit that is open.
func (a *assembler) finish() {
	a.open = false
	u := &a.cur
	u.data = a.depay.data
	u.kind = a.classify.Classify(u.data)
	if !u.kind.Picture && !u.damaged {
		a.keep(u.data) // parameter sets or messages alone
		return
	}
	u.damaged = u.damaged || !a.depay.whole() || len(u.data) == 0 || a.headless(u)
	if u.kind.Key && u.kind.Parameters {
		a.inBand = true
	}
	if len(a.prefix) > 0 {
		u.data = append(a.prefix, u.data...)
		u.kind = a.classify.Classify(u.data)
		a.prefix = nil
	}
	a.gap = false
	a.emit(*u)
}

// keep holds parameter sets for the picture that they come before.
func (a *assembler) keep(data []byte) {
	if len(a.prefix)+len(data) > maxUnit/8 {
		a.prefix = nil
	}
	a.prefix = append(a.prefix, data...)
}

// headless says that a unit after a gap lacks its beginning: its first slice is
// not the picture's first, or a key picture came without the parameter sets that
// this camera sends with each.
//
// The first bit of a slice is set for the first slice of a picture in both
// codecs: first_mb_in_slice = 0 in Exp-Golomb code (H.264, 7.3.3),
// first_slice_segment_in_pic_flag (H.265, 7.3.6.1).
func (a *assembler) headless(u *access) bool {
	if !u.gap || a.jpeg != nil {
		return false
	}
	if u.kind.Key && a.inBand && !u.kind.Parameters {
		return true
	}
	for n := range nal.NALs(u.data) {
		header := 1
		slice := n[0]&31 >= 1 && n[0]&31 <= 5
		if a.depay.codec == msg.H265 {
			header, slice = 2, n[0]>>1&63 < 32
		}
		if slice {
			return len(n) <= header || n[header]&0x80 == 0
		}
	}
	return true
}

// unwrapper makes RTP times, which wrap every 13 hours, count on.
type unwrapper struct {
	started bool
	last    int64
}

func (w *unwrapper) unwrap(t uint32) int64 {
	if !w.started {
		w.started, w.last = true, int64(t)
	}
	w.last = w.near(t)
	return w.last
}

// near is the time t that is nearest to the latest one.
func (w *unwrapper) near(t uint32) int64 { return w.last + int64(int32(t-uint32(w.last))) }
