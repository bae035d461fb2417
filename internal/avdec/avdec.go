// Package avdec reads the pictures of a video file with libavformat and
// libavcodec (FFmpeg 5.1 to 7).
//
// OpenCV's own reader is not enough for a pipeline that accounts for every
// frame: it shows concealed damage as a good picture, repeats or mixes pictures
// when a stream changes its size, guesses how many frames there are, and has
// time stamps that run backwards. Here each picture has its real size and time,
// and one that is not whole, or refers to one that is not, says so. [Packets]
// gives a file's compressed pictures without decoding them.
//
// Invariants:
//   - A [Reader] belongs to one goroutine and owns all of its native memory.
//   - Next allocates nothing on the Go heap, but for the error of a damaged
//     picture.
//   - Pixels go from the decoder to the caller's memory in one conversion.
//   - Pictures larger than the caller's bound are never decoded.
//   - Only the named file is opened, whatever is in it.
package avdec

// #cgo CFLAGS: -Wall -Werror=implicit-function-declaration
// #cgo LDFLAGS: -lm
// #cgo pkg-config: libavformat libavcodec libswscale libavutil
// #include "reader.h"
// #include <stdlib.h>
import "C"

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"
	"unsafe"
)

// Info describes an open video.
type Info struct {
	Width, Height int     // of the pictures at its start, pixels, as coded
	Rotation      int     // degrees clockwise in which they are to be shown: 0, 90, 180, 270
	FPS           float64 // nominal rate; 0 where unknown
	Frames        int     // as the container counts them; 0 where it does not
	Codec         string  // FFmpeg's name
	Cut           bool    // the file is shorter than its own index says
}

// Picture describes a decoded picture.
type Picture struct {
	Width, Height int           // pixels
	PTS           time.Duration // from the start of the stream; -1 where unknown
}

// Why a picture is not whole.
var (
	ErrCorrupt   = errors.New("the picture is damaged")
	ErrReference = errors.New("the picture refers to a damaged one")
	ErrTooLarge  = errors.New("the picture is too large")
)

// ErrCut is the end of a file that ends too early.
var ErrCut = errors.New("the file is cut off or damaged")

// Reader reads one file.
type Reader struct {
	c    *C.dv_reader
	info Info
	pic  C.dv_picture
	err  [256]C.char
}

// Open opens a file, whose path must be absolute. Pictures of more than
// maxPixels are refused.
func Open(path string, maxPixels int) (*Reader, error) { return open(path, maxPixels, 0) }

// OpenSerial is Open with pictures decoded one after the other, by one thread:
// slower, and what is said of each picture of a damaged file is the same every
// time.
func OpenSerial(path string, maxPixels int) (*Reader, error) { return open(path, maxPixels, 1) }

func open(path string, maxPixels, serial int) (*Reader, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	r := &Reader{}
	var f C.dv_facts
	if C.dv_open(name, C.int64_t(maxPixels), C.int(serial), &r.c, &f, &r.err[0], C.size_t(len(r.err))) != 0 {
		return nil, errors.New(C.GoString(&r.err[0]))
	}
	r.info = Info{
		Width: int(f.width), Height: int(f.height), Rotation: int(f.rotation),
		FPS: float64(f.fps), Codec: C.GoString(&f.codec[0]), Cut: f.cut != 0,
	}
	if f.frames > 0 && f.frames < math.MaxInt32 {
		r.info.Frames = int(f.frames)
	}
	return r, nil
}

// Info describes the video.
func (r *Reader) Info() Info { return r.info }

// Next decodes the next picture in the order of presentation. Errors: io.EOF at
// the end; [ErrCut] at an end that comes too early; [ErrCorrupt], [ErrReference]
// or [ErrTooLarge] for one picture, after which the next may be asked for; any
// other is final.
func (r *Reader) Next() (Picture, error) {
	switch C.dv_next(r.c, &r.pic, &r.err[0], C.size_t(len(r.err))) {
	case C.DV_PICTURE:
	case C.DV_END:
		return Picture{}, io.EOF
	case C.DV_CUT:
		return Picture{}, ErrCut
	default:
		return Picture{}, errors.New(C.GoString(&r.err[0]))
	}
	p := Picture{Width: int(r.pic.width), Height: int(r.pic.height), PTS: -1}
	if r.pic.pts_ns >= 0 {
		p.PTS = time.Duration(r.pic.pts_ns)
	}
	switch r.pic.damage {
	case C.DV_CORRUPT:
		return p, ErrCorrupt
	case C.DV_NO_REFERENCE:
		return p, ErrReference
	case C.DV_TOO_LARGE:
		return p, ErrTooLarge
	}
	return p, nil
}

// BGR writes the latest picture to dst, 8-bit BGR, row after row without gaps:
// exactly 3*Width*Height bytes.
func (r *Reader) BGR(dst []byte) error {
	w, h := int(r.pic.width), int(r.pic.height)
	if w < 1 || h < 1 || len(dst) != 3*w*h {
		return fmt.Errorf("a picture of %dx%d does not fit into %d bytes", w, h, len(dst))
	}
	if C.dv_bgr(r.c, (*C.uint8_t)(&dst[0]), C.int(3*w), &r.err[0], C.size_t(len(r.err))) != 0 {
		return errors.New(C.GoString(&r.err[0]))
	}
	return nil
}

// Gray copies the luma of the latest picture to dst as it was decoded, row after
// row without gaps: exactly Width*Height bytes. Decoding H.264 is exact by its
// standard, and conversion to BGR is not, so these bytes are the same with every
// version of FFmpeg. Pictures that are not of 8-bit luma in a plane of its own
// are an error.
func (r *Reader) Gray(dst []byte) error {
	w, h := int(r.pic.width), int(r.pic.height)
	if w < 1 || h < 1 || len(dst) != w*h {
		return fmt.Errorf("a grey picture of %dx%d does not fit into %d bytes", w, h, len(dst))
	}
	if C.dv_gray(r.c, (*C.uint8_t)(&dst[0]), &r.err[0], C.size_t(len(r.err))) != 0 {
		return errors.New(C.GoString(&r.err[0]))
	}
	return nil
}

// Close frees the reader. It is safe to call twice.
func (r *Reader) Close() error {
	C.dv_close(r.c)
	r.c = nil
	return nil
}
