package avdec

// #include "packets.h"
// #include <stdlib.h>
import "C"

import (
	"errors"
	"io"
	"math"
	"time"
	"unsafe"
)

// Packet is one compressed picture of a file.
type Packet struct {
	// Data is one access unit in Annex B form with its parameter sets before key
	// frames (H.264, H.265), or what the container holds (all others). It is
	// valid until the next call.
	Data     []byte
	PTS, DTS time.Duration // from the start of the stream; DTS may be negative
	Duration time.Duration // for which it is shown; 0 where unknown
	Key      bool
}

// Packets reads the compressed packets of one file's video, in the order of
// decoding, and decodes none of them. It belongs to one goroutine.
type Packets struct {
	c    *C.dp_packets
	info Info
	out  C.dp_packet
	err  [256]C.char
}

// OpenPackets opens a file, whose path must be absolute.
func OpenPackets(path string) (*Packets, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	p := &Packets{}
	var f C.dp_facts
	if C.dp_open(name, &p.c, &f, &p.err[0], C.size_t(len(p.err))) != 0 {
		return nil, errors.New(C.GoString(&p.err[0]))
	}
	p.info = Info{Width: int(f.width), Height: int(f.height), FPS: float64(f.fps), Codec: C.GoString(&f.codec[0])}
	if p.info.Codec == "hevc" {
		p.info.Codec = "h265"
	}
	if f.frames > 0 && f.frames < math.MaxInt32 {
		p.info.Frames = int(f.frames)
	}
	return p, nil
}

// Info describes the video. Codec is "h264", "h265" or "mjpeg", or FFmpeg's name
// of another. Rotation and Cut are not looked for.
func (p *Packets) Info() Info { return p.info }

// ErrNoTime says that a packet has no time of presentation.
var ErrNoTime = errors.New("a packet has no time: put the stream into a container that has times (ffmpeg -i IN -c copy OUT.mp4)")

// Next reads the next packet. Errors: io.EOF at the end; [ErrCut] where the file
// cannot be read on; [ErrNoTime] and any other are about one packet, which has no
// time, is too large or makes no sense.
func (p *Packets) Next() (Packet, error) {
	if p.c == nil {
		return Packet{}, errors.New("the file is closed")
	}
	switch C.dp_next(p.c, MaxPacket, &p.out, &p.err[0], C.size_t(len(p.err))) {
	case C.DP_PACKET:
	case C.DP_END:
		return Packet{}, io.EOF
	case C.DP_CUT:
		return Packet{}, ErrCut
	default:
		return Packet{}, errors.New(C.GoString(&p.err[0]))
	}
	pts, dts := int64(p.out.pts_ns), int64(p.out.dts_ns)
	if pts == math.MinInt64 {
		return Packet{}, ErrNoTime
	}
	if dts == math.MinInt64 {
		dts = pts
	}
	return Packet{
		Data: unsafe.Slice((*byte)(p.out.data), int(p.out.size)),
		PTS:  time.Duration(pts), DTS: time.Duration(dts), Duration: time.Duration(p.out.duration_ns),
		Key: p.out.key != 0,
	}, nil
}

// Rewind goes back to the first packet.
func (p *Packets) Rewind() error {
	if p.c == nil {
		return errors.New("the file is closed")
	}
	if C.dp_rewind(p.c, &p.err[0], C.size_t(len(p.err))) != 0 {
		return errors.New(C.GoString(&p.err[0]))
	}
	return nil
}

// Close frees the reader. It is safe to call twice.
func (p *Packets) Close() error {
	C.dp_close(p.c)
	p.c = nil
	return nil
}
