package exec

import (
	"dashline/model"
)

// convolve multiplies matrices: filters x (channels, rows and columns of the
// kernel) by that x positions, whose blocks are made one at a time
// (Chellapilla, Puri and Simard 2006).
func convolve(o *model.Conv, in, shape model.Shape, x, out []float32, s *Scratch) {
	clear(out)
	area, inArea := shape[2]*shape[3], in[2]*in[3]
	channels, filters := in[1]/o.Groups, o.Filters/o.Groups
	depth := channels * o.Kernel[0] * o.Kernel[1]
	w := newWindow(o, in, shape)
	for g := range o.Groups {
		x := x[g*channels*inArea:][:channels*inArea]
		out := out[g*filters*area:][:filters*area]
		weight := o.Weight[g*filters*depth:][:filters*depth]
		switch {
		case w.whole():
			gemm(filters, area, depth, weight, depth, x, area, out, area)
		case channels == 1 && filters == 1 && w.slides():
			w.slide(weight, x, out, s)
		default:
			w.multiply(filters, depth, weight, x, out, s)
		}
	}
	finish(out, o.Filters, o.Bias, o.Norm, &o.Act)
}

// window is a kernel over an image.
type window struct {
	kernel, stride, dilation [2]int
	top, left                int // padding
	in, out                  [2]int
}

func newWindow(o *model.Conv, in, out model.Shape) window {
	return window{o.Kernel, o.Stride, o.Dilation, o.Pad.Top, o.Pad.Left, [2]int(in[2:4]), [2]int(out[2:4])}
}

// whole says whether position i of the result sees position i of the image alone.
func (w *window) whole() bool {
	return w.kernel == [2]int{1, 1} && w.stride == [2]int{1, 1} && w.top == 0 && w.left == 0 && w.in == w.out
}

// multiply is the product for one group.
func (w *window) multiply(filters, depth int, weight, x, out []float32, s *Scratch) {
	strip := s.room(blockDepth * blockColumns)
	area := w.out[0] * w.out[1]
	for p := 0; p < area; p += blockColumns {
		n := min(blockColumns, area-p)
		for l := 0; l < depth; l += blockDepth {
			k := min(blockDepth, depth-l)
			for i := range k {
				w.gather(l+i, p, x, strip[i*n:][:n])
			}
			gemm(filters, n, k, weight[l:], depth, strip, n, out[p:], area)
		}
	}
}

// gather writes what weight l of a filter sees at the positions from p on.
func (w *window) gather(l, p int, x, dst []float32) {
	kx := l % w.kernel[1]
	l /= w.kernel[1]
	ky, c := l%w.kernel[0], l/w.kernel[0]
	x = x[c*w.in[0]*w.in[1]:][:w.in[0]*w.in[1]]
	from, to := w.span(1, kx)
	oy, ox := p/w.out[1], p%w.out[1]
	for len(dst) > 0 {
		n := min(w.out[1]-ox, len(dst))
		row := dst[:n]
		dst = dst[n:]
		iy := oy*w.stride[0] - w.top + ky*w.dilation[0]
		a, b := min(max(from, ox), ox+n), min(max(to, ox), ox+n)
		if iy < 0 || iy >= w.in[0] || a >= b {
			clear(row)
		} else {
			clear(row[:a-ox])
			clear(row[b-ox:])
			src := x[iy*w.in[1]:][:w.in[1]]
			stride := w.stride[1]
			src = src[a*stride-w.left+kx*w.dilation[1]:]
			if stride == 1 {
				copy(row[a-ox:b-ox], src)
			} else {
				pick(row[a-ox:b-ox], src, stride)
			}
		}
		oy, ox = oy+1, 0
	}
}

// span is the positions [from, to) along an axis (0: rows, 1: columns) at which
// step k of the kernel is inside of the image.
func (w *window) span(axis, k int) (from, to int) {
	pad := w.top
	if axis == 1 {
		pad = w.left
	}
	first := k*w.dilation[axis] - pad // of position 0
	stride := w.stride[axis]
	if first < 0 {
		from = (-first + stride - 1) / stride
	}
	if last := w.in[axis] - 1 - first; last >= 0 {
		to = min(last/stride+1, w.out[axis])
	}
	return from, max(from, to)
}

// pick copies every stride-th number of src.
func pick(dst, src []float32, stride int) {
	if stride == 2 {
		for len(dst) >= 4 && len(src) >= 8 {
			dst[0], dst[1], dst[2], dst[3] = src[0], src[2], src[4], src[6]
			dst, src = dst[4:], src[8:]
		}
	}
	for i := range dst {
		dst[i] = src[i*stride]
	}
}
