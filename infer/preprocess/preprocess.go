// Package preprocess turns a picture into a network's input tensor, as the
// network's description says.
//
// Invariants:
//   - The numbers are those of cv::resize (INTER_LINEAR, on 8-bit pixels)
//     followed by (pixel-mean)*scale in float32.
//   - A picture is read once after the resize, straight into the network's own
//     buffer; one that already has the size is not resized.
//   - Nothing is allocated from frame to frame.
//   - A picture that is not 8-bit BGR is an error, never an abort.
package preprocess

// #cgo CFLAGS: -std=gnu11 -O3
// #cgo CXXFLAGS: -std=c++11 -O2
// #cgo LDFLAGS: -lstdc++
// #include "planar.h"
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"gocv.io/x/gocv"

	"dashline/model/catalog"
)

// MaxSide bounds the sides of a picture and of an input, pixels.
const MaxSide = 32767

// Preprocessor makes input tensors of one description. One goroutine uses it at
// a time.
type Preprocessor struct {
	in      catalog.Input
	plan    C.dp_plan // for pictures of the size in to
	to      Transform
	scratch *C.dp_scratch
	what    [4]C.int // of the last picture: width, height, bits, channels
	errBuf  []byte
}

// New checks the description. Close frees the preprocessor.
func New(in catalog.Input) (*Preprocessor, error) {
	if in.Width < 1 || in.Height < 1 || in.Width > MaxSide || in.Height > MaxSide {
		return nil, fmt.Errorf("input size %dx%d: use 1 to %d pixels a side", in.Width, in.Height, MaxSide)
	}
	switch in.Resize {
	case "stretch", "letterbox", "letterbox-topleft":
		if in.PadRows != 0 {
			return nil, fmt.Errorf("pad_rows %d with resize %q: only resize \"pad\" has padding rows", in.PadRows, in.Resize)
		}
	case "pad":
		if in.PadRows < 0 || 2*in.PadRows >= in.Height {
			return nil, fmt.Errorf("pad_rows %d: use 0 to less than half of the height %d", in.PadRows, in.Height)
		}
	default:
		return nil, fmt.Errorf("unknown resize %q: use stretch, letterbox, letterbox-topleft or pad", in.Resize)
	}
	p := &Preprocessor{in: in, errBuf: make([]byte, 512)}
	switch in.Color {
	case "bgr":
	case "rgb":
		p.plan.first = 2
	default:
		return nil, fmt.Errorf("unknown colour order %q: use rgb or bgr", in.Color)
	}
	for c := range 3 {
		if !finite(in.Mean[c]) || !finite(in.Scale[c]) || !finite(in.Pad[c]) || in.Scale[c] == 0 {
			return nil, fmt.Errorf("channel %d: mean %g, scale %g, pad %g: use finite numbers and a scale other than 0", c, in.Mean[c], in.Scale[c], in.Pad[c])
		}
		p.plan.mean[c] = C.float(in.Mean[c])
		p.plan.scale[c] = C.float(in.Scale[c])
		p.plan.pad[c] = C.float((in.Pad[c] - in.Mean[c]) * in.Scale[c])
	}
	p.plan.net_width, p.plan.net_height = C.int(in.Width), C.int(in.Height)
	if p.scratch = C.dp_new(); p.scratch == nil {
		return nil, errors.New("out of memory")
	}
	return p, nil
}

func finite(v float32) bool { return v-v == 0 }

// Run writes the tensor 1x3xHxW of img (8-bit BGR) into dst, which has exactly
// 3*H*W elements. It neither keeps nor changes img. The Transform maps between
// the tensor's pixels and img's.
func (p *Preprocessor) Run(img gocv.Mat, dst []float32) (Transform, error) {
	if p.scratch == nil {
		return Transform{}, errors.New("preprocess: it is closed")
	}
	if want := 3 * p.in.Width * p.in.Height; len(dst) != want {
		return Transform{}, fmt.Errorf("preprocess: destination of %d values, want %d (3x%dx%d)", len(dst), want, p.in.Height, p.in.Width)
	}
	mat := unsafe.Pointer(img.Ptr())
	width, height, err := p.size(mat)
	if err != nil {
		return Transform{}, err
	}
	if width != p.to.Width || height != p.to.Height {
		p.place(width, height)
	}
	if C.dp_run(p.scratch, mat, &p.plan, (*C.float)(unsafe.Pointer(&dst[0])), (*C.char)(unsafe.Pointer(&p.errBuf[0])), C.size_t(len(p.errBuf))) != 0 {
		return Transform{}, fmt.Errorf("preprocess: OpenCV: %s", C.GoString((*C.char)(unsafe.Pointer(&p.errBuf[0]))))
	}
	return p.to, nil
}

// size refuses what is not an 8-bit BGR picture of a sane size.
func (p *Preprocessor) size(mat unsafe.Pointer) (width, height int, err error) {
	switch C.dp_check(mat, &p.what[0]) {
	case C.DP_EMPTY:
		return 0, 0, errors.New("preprocess: the picture is empty")
	case C.DP_TYPE:
		return 0, 0, fmt.Errorf("preprocess: the picture has %d channel(s) of %d bits, want 8-bit BGR: convert it when it is read", p.what[3], p.what[2])
	}
	width, height = int(p.what[0]), int(p.what[1])
	if width > MaxSide || height > MaxSide {
		return 0, 0, fmt.Errorf("preprocess: the picture is %dx%d, more than %d pixels a side", width, height, MaxSide)
	}
	return width, height, nil
}

// place finds where a picture of this size lies in the input.
func (p *Preprocessor) place(width, height int) {
	w, h, left, top := fit(p.in, width, height)
	p.plan.width, p.plan.height = C.int(w), C.int(h)
	p.plan.left, p.plan.top = C.int(left), C.int(top)
	p.to = Transform{
		Width: width, Height: height,
		ScaleX: float32(width) / float32(w), ScaleY: float32(height) / float32(h),
		OffsetX: float32(left), OffsetY: float32(top),
	}
}

// Close frees the preprocessor. It is safe to call twice.
func (p *Preprocessor) Close() error {
	if p.scratch != nil {
		C.dp_free(p.scratch)
		p.scratch = nil
	}
	return nil
}
