package exec

// slide is the product for a group of one channel and one filter. The padded
// image is split into planes by its rows' and columns' remainders modulo the
// strides: each weight then sees all positions as one run of a plane, which it
// is multiplied with at once. Runs go over the ends of rows; what that adds
// lies between the rows of the sum and is left out in the end.
func (w *window) slide(weight, x, out []float32, s *Scratch) {
	rows, pitch := w.plane(0), w.plane(1)
	n := (w.out[0]-1)*pitch + w.out[1]
	work := s.room(rows*pitch + n)
	plane, sum := work[:rows*pitch], work[rows*pitch:]
	clear(sum)
	for py := range min(w.stride[0], w.reach(0)) {
		for px := range min(w.stride[1], w.reach(1)) {
			w.split(py, px, rows, pitch, x, plane)
			for ky := range w.kernel[0] {
				y := ky * w.dilation[0]
				if y%w.stride[0] != py {
					continue
				}
				for kx := range w.kernel[1] {
					z := kx * w.dilation[1]
					if z%w.stride[1] != px {
						continue
					}
					from := y/w.stride[0]*pitch + z/w.stride[1]
					axpy(weight[ky*w.kernel[1]+kx], plane[from:from+n], sum)
				}
			}
		}
	}
	for y := range w.out[0] {
		copy(out[y*w.out[1]:][:w.out[1]], sum[y*pitch:])
	}
}

// plane is how many of every stride-th row or column of the padded image all
// positions together see.
func (w *window) plane(axis int) int { return w.out[axis] + (w.reach(axis)-1)/w.stride[axis] }

// slides says whether the planes are not much larger than the images, as they
// are with a kernel that mostly sees padding.
func (w *window) slides() bool {
	const small = 1 << 16
	return w.plane(0)*w.plane(1) <= small+4*max(w.in[0]*w.in[1], w.out[0]*w.out[1])
}

// reach is how many rows or columns a kernel covers.
func (w *window) reach(axis int) int { return (w.kernel[axis]-1)*w.dilation[axis] + 1 }

// split writes every stride-th row and column of the padded image, from py and px on.
func (w *window) split(py, px, rows, pitch int, x, plane []float32) {
	one := window{kernel: [2]int{1, 1}, stride: w.stride, dilation: [2]int{1, 1},
		pad: [2]int{w.pad[0] - py, w.pad[1] - px}, in: w.in, out: [2]int{rows, pitch}}
	one.gather(0, 0, x, plane)
}
