package exec

import (
	"fmt"

	"dashline/model"
)

// PatchLen is the number of weights of one filter of a convolution of images of
// shape in: channels/Groups x height x width.
func PatchLen(o *model.Conv, in model.Shape) int {
	return in.Channels() / o.Groups * o.Kernel[0] * o.Kernel[1]
}

// Patches writes what the filters of one group of a convolution see of the
// image x, of shape in, at some positions of its result, row*width + column of
// shape: to dst a row of [PatchLen] numbers for each position, in the order of
// a filter's weights, so that the product of the two is the sum there.
// Positions may repeat. It panics where one is outside or dst is too short.
func Patches(o *model.Conv, in, shape model.Shape, x []float32, group int, positions []int, dst []float32) {
	n := PatchLen(o, in)
	area := in[2] * in[3]
	channels := in[1] / o.Groups
	x = x[group*channels*area:][:channels*area]
	w := newWindow(o, in, shape)
	for i, p := range positions {
		if p < 0 || p >= shape[2]*shape[3] {
			panic(fmt.Sprintf("exec: position %d of a result of %v", p, shape))
		}
		w.patch(p, x, dst[i*n:][:n])
	}
}

// patch writes what all weights of a filter see at one position.
func (w *window) patch(p int, x, dst []float32) {
	clear(dst)
	top, left := p/w.out[1]*w.stride[0]-w.pad[0], p%w.out[1]*w.stride[1]-w.pad[1]
	y0, y1 := inside(top, w.dilation[0], w.kernel[0], w.in[0])
	x0, x1 := inside(left, w.dilation[1], w.kernel[1], w.in[1])
	for len(x) > 0 {
		for ky := y0; ky < y1; ky++ {
			at := (top+ky*w.dilation[0])*w.in[1] + left
			for kx := x0; kx < x1; kx++ {
				dst[ky*w.kernel[1]+kx] = x[at+kx*w.dilation[1]]
			}
		}
		x, dst = x[w.in[0]*w.in[1]:], dst[w.kernel[0]*w.kernel[1]:]
	}
}

// inside is the steps [from, to) of a kernel of some size that are in [0, n).
func inside(first, dilation, size, n int) (from, to int) {
	if first < 0 {
		from = (-first + dilation - 1) / dilation
	}
	if first < n {
		to = min((n-1-first)/dilation+1, size)
	}
	return from, max(from, to)
}
