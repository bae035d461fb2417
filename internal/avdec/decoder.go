package avdec

// #include "decoder.h"
// #include <stdlib.h>
import "C"

import (
	"errors"
	"fmt"
	"io"
	"unsafe"

	"dashline/pipeline/msg"
)

// MaxPacket bounds one compressed picture, in bytes.
const MaxPacket = 32 << 20

// Decoded describes a picture that a [Decoder] made of a packet.
type Decoded struct {
	Width, Height int   // pixels
	ID            int64 // of the packet that the picture was in
}

// Decoder turns the packets of one stream into pictures. It adds no delay of
// its own: a picture comes out as soon as the packets that it needs are in, in
// the order of presentation.
type Decoder struct {
	c         *C.dv_decoder
	codec     msg.Codec
	maxPixels int
	pic       C.dv_decoded
	err       [256]C.char
}

// NewDecoder opens a decoder. Pictures of more than maxPixels are refused.
func NewDecoder(codec msg.Codec, maxPixels int) (*Decoder, error) {
	names := map[msg.Codec]string{msg.H264: "h264", msg.H265: "hevc", msg.MJPEG: "mjpeg", msg.PNG: "png"}
	name, ok := names[codec]
	if !ok {
		return nil, fmt.Errorf("decode %s: there is no such codec here: use one of h264, h265, mjpeg, png", codec)
	}
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	d := &Decoder{codec: codec, maxPixels: maxPixels}
	if C.dv_decoder_open(c, C.int64_t(maxPixels), &d.c, &d.err[0], C.size_t(len(d.err))) != 0 {
		return nil, fmt.Errorf("decode %s: %s", codec, C.GoString(&d.err[0]))
	}
	return d, nil
}

// Send gives the decoder one packet, which it copies: an access unit in Annex B
// form, or an image file. Its picture, or another that was held back until it
// came, may be had from Receive, which must have said io.EOF before. The error
// is [ErrCorrupt] for a packet that cannot be decoded; any other is final.
func (d *Decoder) Send(data []byte, id int64) error {
	if len(data) == 0 || len(data) > MaxPacket {
		return fmt.Errorf("%w: it has %d bytes", ErrCorrupt, len(data))
	}
	return d.error(C.dv_decoder_send(d.c, (*C.uint8_t)(&data[0]), C.size_t(len(data)), C.int64_t(id), &d.err[0], C.size_t(len(d.err))))
}

// Drain asks for the pictures that are held back. After it, Reset must be called
// before the next Send.
func (d *Decoder) Drain() error {
	return d.error(C.dv_decoder_send(d.c, nil, 0, 0, &d.err[0], C.size_t(len(d.err))))
}

// Receive gives the next picture. Errors: io.EOF when it needs another packet;
// [ErrCorrupt] or [ErrTooLarge] for one picture, which is then known by its ID,
// if that is not 0; any other is final.
func (d *Decoder) Receive() (Decoded, error) {
	switch code := C.dv_decoder_receive(d.c, &d.pic, &d.err[0], C.size_t(len(d.err))); code {
	case C.DV_DECODED:
	case C.DV_MORE:
		return Decoded{}, io.EOF
	default:
		return Decoded{}, d.error(code)
	}
	p := Decoded{Width: int(d.pic.width), Height: int(d.pic.height), ID: int64(d.pic.id)}
	switch {
	case d.pic.damaged != 0:
		return p, ErrCorrupt
	case p.Width*p.Height > d.maxPixels:
		return p, ErrTooLarge
	}
	return p, nil
}

func (d *Decoder) error(code C.int) error {
	switch code {
	case C.DV_BAD:
		return fmt.Errorf("%w: %s", ErrCorrupt, C.GoString(&d.err[0]))
	case C.DV_MEMORY:
		return fmt.Errorf("decode %s: %s", d.codec, C.GoString(&d.err[0]))
	}
	return nil
}

// Delay is by how many pictures the order of presentation differs from that of
// decoding, as far as the stream has said; 0 for one without B pictures.
func (d *Decoder) Delay() int { return int(C.dv_decoder_delay(d.c)) }

// Reset forgets all packets and pictures: what comes next is decoded as the
// beginning of a stream.
func (d *Decoder) Reset() { C.dv_decoder_reset(d.c) }

// BGR writes the latest picture to dst, 8-bit BGR, row after row without gaps:
// exactly 3*Width*Height bytes.
func (d *Decoder) BGR(dst []byte) error {
	w, h := int(d.pic.width), int(d.pic.height)
	if w < 1 || h < 1 || len(dst) != 3*w*h {
		return fmt.Errorf("a picture of %dx%d does not fit into %d bytes", w, h, len(dst))
	}
	if C.dv_decoder_bgr(d.c, (*C.uint8_t)(&dst[0]), C.int(3*w), &d.err[0], C.size_t(len(d.err))) != 0 {
		return errors.New(C.GoString(&d.err[0]))
	}
	return nil
}

// Close frees the decoder. It is safe to call twice.
func (d *Decoder) Close() error {
	C.dv_decoder_close(d.c)
	d.c = nil
	return nil
}
