package exec

import "dashline/model"

// window is a kernel that goes over an image, from position to position of the
// result. An index into the kernel counts channels, rows and columns, as the
// weights of a filter do.
type window struct {
	kernel, stride, dilation [2]int // rows, columns
	pad                      [2]int // before the first row and column
	in, out                  [2]int // size of the image and of the result
}

func newWindow(o *model.Conv, in, out model.Shape) window {
	return window{o.Kernel, o.Stride, o.Dilation, [2]int{o.Pad.Top, o.Pad.Left}, [2]int(in[2:4]), [2]int(out[2:4])}
}

// whole says whether each position sees the pixel at its own place alone.
func (w *window) whole() bool {
	one := [2]int{1, 1}
	return w.kernel == one && w.stride == one && w.in == w.out
}

// gather writes what weight l of the kernel sees at the positions from p on.
func (w *window) gather(l, p int, x, dst []float32) {
	clear(dst)
	w.runs(l, p, len(dst), func(at, n, pixel int) { pick(dst[at:at+n], x[pixel:], w.stride[1]) })
}

// scatter adds src, of the positions from p on, to the pixels that weight l of
// the kernel sees there.
func (w *window) scatter(l, p int, src, x []float32) {
	w.runs(l, p, len(src), func(at, n, pixel int) {
		for i, v := range src[at : at+n] {
			x[pixel+i*w.stride[1]] += v
		}
	})
}

// runs calls f for the parts of the n positions from p on at which weight l of
// the kernel sees pixels: those from p+at on see every stride-th from pixel on.
func (w *window) runs(l, p, n int, f func(at, n, pixel int)) {
	kx := l % w.kernel[1]
	l /= w.kernel[1]
	ky, channel := l%w.kernel[0], l/w.kernel[0]
	from, to := w.span(1, kx)
	row, column := p/w.out[1], p%w.out[1]
	for at := 0; at < n; {
		ends := min(w.out[1], column+n-at)
		y := row*w.stride[0] - w.pad[0] + ky*w.dilation[0]
		a, b := max(from, column), min(to, ends)
		if y >= 0 && y < w.in[0] && a < b {
			x := a*w.stride[1] - w.pad[1] + kx*w.dilation[1]
			f(at+a-column, b-a, (channel*w.in[0]+y)*w.in[1]+x)
		}
		at += ends - column
		row, column = row+1, 0
	}
}

// span is the positions [from, to) along an axis at which step k of the kernel
// sees pixels.
func (w *window) span(axis, k int) (from, to int) {
	first := k*w.dilation[axis] - w.pad[axis] // what position 0 sees
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
	switch stride {
	case 1:
		copy(dst, src)
		return
	case 2:
		for len(dst) >= 4 && len(src) >= 8 {
			dst[0], dst[1], dst[2], dst[3] = src[0], src[2], src[4], src[6]
			dst, src = dst[4:], src[8:]
		}
	}
	for i := range dst {
		dst[i] = src[i*stride]
	}
}
