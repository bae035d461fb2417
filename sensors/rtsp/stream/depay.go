package stream

import (
	"errors"
	"fmt"

	"dashline/pipeline/msg"
)

// MaxUnit bounds one access unit, in bytes: 4K intra pictures at the best quality
// are a tenth of it.
const MaxUnit = 8 << 20

var (
	startCode = []byte{0, 0, 0, 1}

	errShort    = errors.New("the payload is cut off")
	errFragment = errors.New("a fragment without its beginning")
	errTooLong  = fmt.Errorf("the picture is larger than %d bytes", MaxUnit)
)

// depacketizer puts the payloads of one access unit together in Annex B form.
// payload is called with the packets in order; gap says that some before this
// one are missing. What cannot be used is an error, and the unit is then damaged.
type depacketizer struct {
	codec    msg.Codec
	data     []byte // of the unit so far
	fragment bool   // a fragmented NAL unit has begun and not ended
}

// reset begins another unit, in memory that belongs to the caller.
func (d *depacketizer) reset(data []byte) { d.data, d.fragment = data[:0], false }

// gap says that packets are missing here: a fragment that was begun is cut.
func (d *depacketizer) gap() { d.fragment = false }

// add takes the payload of the next packet.
func (d *depacketizer) add(payload []byte) error {
	if len(d.data)+len(payload)+len(startCode) > MaxUnit {
		return errTooLong
	}
	if d.codec == msg.H265 {
		return d.add265(payload)
	}
	return d.add264(payload)
}

// whole says that no NAL unit is left without its end.
func (d *depacketizer) whole() bool { return !d.fragment }

// RFC 6184, packetization modes 0 and 1: single NAL units, STAP-A and FU-A.
func (d *depacketizer) add264(p []byte) error {
	if len(p) < 1 {
		return errShort
	}
	switch t := p[0] & 31; {
	case t >= 1 && t <= 23:
		d.nal(p)
		return nil
	case t == 24:
		return d.aggregate(p[1:])
	case t == 28:
		if len(p) < 3 {
			return errShort
		}
		return d.part(p[1]&0x80 != 0, p[1]&0x40 != 0, []byte{p[0]&0xE0 | p[1]&0x1F}, p[2:])
	default:
		return fmt.Errorf("packets of type %d are of H.264's interleaved mode, which was not agreed on", t)
	}
}

// RFC 7798 without decoding order numbers: single NAL units, APs and FUs.
func (d *depacketizer) add265(p []byte) error {
	if len(p) < 3 {
		return errShort
	}
	switch t := p[0] >> 1 & 63; {
	case t < 48:
		d.nal(p)
		return nil
	case t == 48:
		return d.aggregate(p[2:])
	case t == 49:
		if len(p) < 4 {
			return errShort
		}
		return d.part(p[2]&0x80 != 0, p[2]&0x40 != 0, []byte{p[0]&0x81 | p[2]&63<<1, p[1]}, p[3:])
	default:
		return fmt.Errorf("there are no H.265 packets of type %d", t)
	}
}

func (d *depacketizer) nal(n []byte) {
	d.fragment = false
	d.data = append(append(d.data, startCode...), n...)
}

// aggregate takes several NAL units, each behind its size in 16 bits.
func (d *depacketizer) aggregate(p []byte) error {
	if len(p) == 0 {
		return errShort
	}
	for len(p) > 0 {
		if len(p) < 2 {
			return errShort
		}
		n := int(p[0])<<8 | int(p[1])
		if n == 0 || n > len(p)-2 {
			return errShort
		}
		if len(d.data)+n+len(startCode) > MaxUnit { // each unit adds a start code
			return errTooLong
		}
		d.nal(p[2 : 2+n])
		p = p[2+n:]
	}
	return nil
}

// part takes a fragment of a NAL unit; the first brings the unit's header.
func (d *depacketizer) part(first, last bool, header, p []byte) error {
	switch {
	case first && last:
		return errors.New("a fragment that is its own beginning and end")
	case first:
		d.nal(header)
		d.fragment = true
	case !d.fragment:
		return errFragment
	}
	d.data = append(d.data, p...)
	d.fragment = !last
	return nil
}
