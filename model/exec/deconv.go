package exec

import "dashline/model"

// deconvolve adds each pixel, times the kernel, to the result around where it comes to lie.
func deconvolve(o *model.Deconv, in, shape model.Shape, x, out []float32) {
	clear(out)
	channels, filters := in[1]/o.Groups, o.Filters/o.Groups
	area, inArea := shape[2]*shape[3], in[2]*in[3]
	size := o.Kernel[0] * o.Kernel[1]
	// It is a convolution backwards: positions of its result are pixels here.
	w := window{o.Kernel, o.Stride, [2]int{1, 1}, o.Pad.Top, o.Pad.Left, [2]int(shape[2:4]), [2]int(in[2:4])}
	for c := range in[1] {
		first := c / channels * filters
		for f := range filters {
			w.scatter(o.Weight[(c*filters+f)*size:][:size], x[c*inArea:][:inArea], out[(first+f)*area:][:area])
		}
	}
	finish(out, o.Filters, o.Bias, o.Norm, &o.Act)
}

// scatter does so for one channel and one filter.
func (w *window) scatter(weight, x, out []float32) {
	for ky := range w.kernel[0] {
		y0, y1 := w.span(0, ky)
		for kx := range w.kernel[1] {
			x0, x1 := w.span(1, kx)
			if x0 == x1 {
				continue
			}
			a := weight[ky*w.kernel[1]+kx]
			ox := x0*w.stride[1] - w.left + kx
			for y := y0; y < y1; y++ {
				oy := y*w.stride[0] - w.top + ky
				axpy(x1-x0, a, x[y*w.out[1]+x0:], 1, out[oy*w.in[1]+ox:(oy+1)*w.in[1]], w.stride[1])
			}
		}
	}
}
