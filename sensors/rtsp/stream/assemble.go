package stream

import (
	"errors"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/format/rtpmjpeg"

	"dashline/pipeline/msg"
	"dashline/sensors/nal"
)

// AccessUnit is one picture as it was put together from packets.
type AccessUnit struct {
	Data    []byte // Annex B, or a JPEG file; memory of the assembler's caller
	Time    int64  // RTP time, unwrapped
	Kind    nal.Kind
	First   time.Time // arrival of its first packet
	Arrived time.Time // arrival of its last packet
	Damaged bool      // parts of it are missing
	Gap     bool      // something is missing before it
}

// Assembler makes access units of one stream's packets in order. Parameter sets
// that come in a unit of their own are put before the picture that follows.
type Assembler struct {
	depay    depacketizer
	jpeg     *rtpmjpeg.Decoder // for MJPEG only
	classify *nal.Classifier
	buffer   func() []byte // gives memory for a unit
	emit     func(AccessUnit)

	clock  unwrapper
	cur    AccessUnit
	open   bool   // cur has packets
	gap    bool   // packets were lost since the last whole unit
	inBand bool   // key pictures bring their parameter sets along
	prefix []byte // parameter sets that came in a unit of their own
}

// NewAssembler returns an assembler that takes memory for each unit from buffer,
// which may give nil, and hands the units to emit, with their memory. Both are
// called from Add.
func NewAssembler(codec msg.Codec, buffer func() []byte, emit func(AccessUnit)) *Assembler {
	a := &Assembler{depay: depacketizer{codec: codec}, classify: nal.NewClassifier(codec), buffer: buffer, emit: emit}
	if codec == msg.MJPEG {
		a.jpeg = &rtpmjpeg.Decoder{}
		_ = a.jpeg.Init() // has no way to fail
	}
	return a
}

// Add takes the next packet.
func (a *Assembler) Add(p Packet) {
	at := a.clock.unwrap(p.Timestamp)
	if p.Missing > 0 {
		a.lose(at)
	}
	if a.open && at != a.cur.Time { // a marker went missing, or the sender sets none
		a.finish()
	}
	if !a.open {
		a.begin(at, p.Arrived)
	}
	a.cur.Arrived = p.Arrived
	a.payload(p)
	if p.Marker && a.open {
		a.finish()
	}
}

// lose notes that packets are missing before one of the time at. The unit that
// is open has lost its end, or its middle.
func (a *Assembler) lose(at int64) {
	a.gap = true
	a.depay.gap()
	if a.open {
		a.cur.Damaged = true
		if at != a.cur.Time {
			a.finish()
			a.gap = true // what is missing may go on into the next
		}
	}
}

func (a *Assembler) begin(at int64, arrived time.Time) {
	a.open = true
	a.cur = AccessUnit{Time: at, First: arrived, Gap: a.gap}
	a.depay.reset(a.buffer())
}

func (a *Assembler) payload(p Packet) {
	if a.jpeg == nil {
		if a.depay.add(p.Payload) != nil {
			a.cur.Damaged = true
		}
		return
	}
	data, err := a.jpeg.Decode(p.Packet)
	switch {
	case errors.Is(err, rtpmjpeg.ErrMorePacketsNeeded):
	case err != nil, len(data) > MaxUnit:
		a.cur.Damaged = true
	default:
		a.depay.data = append(a.depay.data[:0], data...)
	}
}

// Near is the RTP time t, unwrapped, that is nearest to the latest packet's.
func (a *Assembler) Near(t uint32) int64 { return a.clock.near(t) }

// finish ends the unit that is open.
func (a *Assembler) finish() {
	a.open = false
	u := &a.cur
	u.Data = a.depay.data
	u.Kind = a.classify.Classify(u.Data)
	if !u.Kind.Picture && !u.Damaged {
		a.keep(u.Data) // parameter sets or messages alone
		return
	}
	u.Damaged = u.Damaged || !a.depay.whole() || len(u.Data) == 0 || a.headless(u)
	a.inBand = a.inBand || u.Kind.Parameters // also where its picture was lost
	if len(a.prefix) > 0 {
		u.Data = append(a.prefix, u.Data...)
		u.Kind = a.classify.Classify(u.Data)
		a.prefix = nil
	}
	a.gap = false
	a.emit(*u)
}

// keep holds parameter sets for the picture that they come before.
func (a *Assembler) keep(data []byte) {
	if len(a.prefix)+len(data) > MaxUnit/8 {
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
func (a *Assembler) headless(u *AccessUnit) bool {
	if !u.Gap || a.jpeg != nil {
		return false
	}
	if u.Kind.Key && a.inBand && !u.Kind.Parameters {
		return true
	}
	for n := range nal.NALs(u.Data) {
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
