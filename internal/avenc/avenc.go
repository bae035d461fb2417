// Package avenc writes pictures as H.264, H.265 or MJPEG in an MP4 file, with
// libx264, libx265 and FFmpeg's own encoder through libavcodec and libavformat
// (FFmpeg 5.1 to 7).
//
// OpenCV's own writer chooses quality, threads and key frames by itself, and
// says no more than that it failed. Here the same pictures and options give the
// same bytes with the same version of x264 or FFmpeg (x265's vary a little from
// run to run), and a full disk is an error that says so.
//
// Invariants:
//   - A [Writer] belongs to one goroutine and owns all of its native memory.
//   - Write allocates nothing on the Go heap.
//   - Picture i is shown at i/FPS, and later by what [Writer.Skip] left out
//     before it; package avdec reads back as many pictures as were written, at
//     these times.
//   - Colours are those that package avdec and OpenCV read: BT.601's matrix,
//     limited range (full in MJPEG), and the file says so.
//   - Nothing refers across a key frame.
//   - The file has its name only once it is whole; until then it is PATH.part.
package avenc

// #cgo CFLAGS: -O3 -Wall -Werror=implicit-function-declaration
// #cgo pkg-config: libavformat libavcodec libavutil
// #include "writer.h"
// #include <stdlib.h>
import "C"

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unsafe"
)

// Limits on a picture: those of H.264's level 5.1 and more, and what every
// player can show.
const (
	MinSide = 16
	MaxSide = 8192
)

// The codecs.
const (
	H264  = "h264"
	H265  = "h265"
	MJPEG = "mjpeg" // baseline JPEG with the standard's own Huffman tables, 4:2:0
)

var codecs = []string{H264, H265, MJPEG} // as C counts them

// Options say how to encode.
type Options struct {
	Codec         string  // H264, H265 or MJPEG; "": H264
	Width, Height int     // pixels: even, MinSide to MaxSide
	FPS           float64 // pictures a second, 0.01 to 1000
	CRF           int     // quality, 1 (best) to 51; 0: 20. Each codec has a scale of its own.
	Preset        string  // x264's and x265's name, "ultrafast" to "veryslow"; "": "veryfast"
	Keyframes     int     // at most this many pictures apart, 1 to 10000; 0: 250
	NoSceneCuts   bool    // and none where the scene changes: only where they are due or asked for
	BFrames       int     // between two others at most, 1 to 16; -1: none; 0: the preset's
	Slices        int     // of a picture, 1 to 16, as many cameras have several; 0: 1. H.264 only.
	Threads       int     // of the encoder, 1 to 16; 0: 1. Another number gives other bytes.
}

var presets = []string{"ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"}

// ErrNoEncoder says that FFmpeg was built without the codec's encoder.
var ErrNoEncoder = errors.New("this FFmpeg has no encoder for it (libx264, libx265, mjpeg): install the distribution's own libavcodec (scripts/setup), which has it")

// Writer writes one file.
type Writer struct {
	c        *C.dw_writer
	path     string
	size     int // of a picture, bytes
	pictures int
	failed   error // the first one; then nothing more is written
	err      [256]C.char
}

// Create begins a file at path. Close finishes it, Abort drops it.
func Create(path string, o Options) (*Writer, error) {
	o, err := o.complete()
	if err != nil {
		return nil, fmt.Errorf("write video %s: %w", path, err)
	}
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		return nil, fmt.Errorf("write video %s: it is there and is not a file: give another name", path)
	}
	// libavformat would say less about why it cannot.
	f, err := os.Create(part(path))
	if err != nil {
		return nil, fmt.Errorf("write video: %w", err)
	}
	_ = f.Close()
	w := &Writer{path: path, size: 3 * o.Width * o.Height}
	if err := w.open(o); err != nil {
		return nil, errors.Join(fmt.Errorf("write video %s: %w", path, err), os.Remove(part(path)))
	}
	return w, nil
}

func part(path string) string { return path + ".part" }

// complete checks o and fills in what is zero.
func (o Options) complete() (Options, error) {
	if o.Width%2 != 0 || o.Height%2 != 0 || min(o.Width, o.Height) < MinSide || max(o.Width, o.Height) > MaxSide {
		return o, fmt.Errorf("pictures of %dx%d: give even sizes from %d to %d", o.Width, o.Height, MinSide, MaxSide)
	}
	if o.Codec == "" {
		o.Codec = H264
	}
	if !slices.Contains(codecs, o.Codec) {
		return o, fmt.Errorf("codec %q: give one of %s", o.Codec, strings.Join(codecs, ", "))
	}
	if o.BFrames < -1 || o.BFrames > 16 || o.BFrames > 0 && o.Codec == MJPEG {
		return o, fmt.Errorf("%d B-frames in %s: give 1 to 16, -1 for none, 0 for the preset's; MJPEG has none", o.BFrames, o.Codec)
	}
	if !(o.FPS >= 0.01 && o.FPS <= 1000) {
		return o, fmt.Errorf("%g pictures a second: give 0.01 to 1000", o.FPS)
	}
	for _, v := range []struct {
		name               string
		value              *int
		unset, least, most int
	}{
		{"CRF", &o.CRF, 20, 1, 51},
		{"key frame distance", &o.Keyframes, 250, 1, 10000},
		{"number of slices", &o.Slices, 1, 1, 16},
		{"number of threads", &o.Threads, 1, 1, 16},
	} {
		if *v.value == 0 {
			*v.value = v.unset
		}
		if *v.value < v.least || *v.value > v.most {
			return o, fmt.Errorf("a %s of %d: give %d to %d", v.name, *v.value, v.least, v.most)
		}
	}
	if o.Slices > 1 && o.Codec != H264 {
		return o, fmt.Errorf("%d slices in %s: only H.264 has more than one here", o.Slices, o.Codec)
	}
	if o.Preset == "" {
		o.Preset = "veryfast"
	}
	if !slices.Contains(presets, o.Preset) {
		return o, fmt.Errorf("preset %q: give one of %s", o.Preset, strings.Join(presets, ", "))
	}
	return o, nil
}

func (w *Writer) open(o Options) error {
	path, preset := C.CString(part(w.path)), C.CString(o.Preset)
	defer C.free(unsafe.Pointer(path))
	defer C.free(unsafe.Pointer(preset))
	bframes := o.BFrames // C's -1 is the preset's, for Go's 0
	switch bframes {
	case 0:
		bframes = -1
	case -1:
		bframes = 0
	}
	noSceneCuts := C.int(0)
	if o.NoSceneCuts {
		noSceneCuts = 1
	}
	c := C.dw_options{
		codec: C.int(slices.Index(codecs, o.Codec)), bframes: C.int(bframes),
		width: C.int(o.Width), height: C.int(o.Height), fps: C.double(o.FPS),
		crf: C.int(o.CRF), preset: preset, keyframes: C.int(o.Keyframes), no_scenecut: noSceneCuts,
		slices: C.int(o.Slices), threads: C.int(o.Threads),
	}
	return w.said(C.dw_open(path, &c, &w.c, &w.err[0], C.size_t(len(w.err))))
}

// said turns a result into an error.
func (w *Writer) said(code C.int) error {
	switch code {
	case C.DW_OK:
		return nil
	case C.DW_NO_ENCODER:
		return ErrNoEncoder
	}
	return errors.New(C.GoString(&w.err[0]))
}

// Write appends a picture: 8-bit BGR, row after row without gaps, exactly
// 3*Width*Height bytes, which are only read. After an error that is not about
// the length nothing more can be written.
func (w *Writer) Write(bgr []byte) error { return w.write(bgr, 0) }

// WriteKey is Write, and makes the picture a key frame.
func (w *Writer) WriteKey(bgr []byte) error { return w.write(bgr, 1) }

func (w *Writer) write(bgr []byte, key C.int) error {
	if w.failed != nil {
		return w.failed
	}
	if w.c == nil {
		return fmt.Errorf("write video %s: it is closed", w.path)
	}
	if len(bgr) != w.size {
		return fmt.Errorf("write video %s: a picture of %d bytes; want %d", w.path, len(bgr), w.size)
	}
	if err := w.said(C.dw_write(w.c, (*C.uint8_t)(&bgr[0]), key, &w.err[0], C.size_t(len(w.err)))); err != nil {
		w.failed = fmt.Errorf("write video %s: picture %d: %w", w.path, w.pictures, err)
		return w.failed
	}
	w.pictures++
	return nil
}

// Skip leaves out n times for pictures, 0 to 1e6: the next one is shown n/FPS
// later. With an FPS of 1000, pictures can be written at any millisecond.
func (w *Writer) Skip(n int) error {
	switch {
	case w.failed != nil:
		return w.failed
	case w.c == nil:
		return fmt.Errorf("write video %s: it is closed", w.path)
	case n < 0 || n > 1e6:
		return fmt.Errorf("write video %s: %d pictures left out: give 0 to 1000000", w.path, n)
	}
	C.dw_skip(w.c, C.int64_t(n))
	return nil
}

// Close finishes the file and gives it its name. Where that fails, or Write has
// failed, or there is no picture, nothing is left behind and what was at the
// name stays. It is safe to call twice, and after Abort.
func (w *Writer) Close() error {
	if w.c == nil {
		return nil
	}
	err := w.failed
	if err == nil && w.pictures == 0 {
		err = fmt.Errorf("write video %s: no picture was written", w.path)
	}
	if err == nil {
		if err = w.said(C.dw_finish(w.c, &w.err[0], C.size_t(len(w.err)))); err != nil {
			err = fmt.Errorf("write video %s: %w", w.path, err)
		}
	}
	if err != nil {
		return errors.Join(err, w.Abort())
	}
	w.free()
	if err := os.Rename(part(w.path), w.path); err != nil {
		return errors.Join(fmt.Errorf("write video: %w", err), os.Remove(part(w.path)))
	}
	return nil
}

// Abort drops what was written. It does nothing after Close.
func (w *Writer) Abort() error {
	if w.c == nil {
		return nil
	}
	w.free()
	return os.Remove(part(w.path))
}

func (w *Writer) free() {
	C.dw_close(w.c)
	w.c = nil
}
