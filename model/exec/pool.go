package exec

import (
	"math"

	"dashline/model"
)

// maxPool is minus infinity where a window lies in the padding alone. The
// largest of each row of the windows comes first, then that of those.
func maxPool(o *model.MaxPool, in, shape model.Shape, x, out []float32, s *Scratch) {
	h, w := in[2], in[3]
	oh, ow := shape[2], shape[3]
	lowest := float32(math.Inf(-1))
	rows := s.room(h * ow)
	for c := range in[1] {
		x, out := x[c*h*w:][:h*w], out[c*oh*ow:][:oh*ow]
		for ox := range ow {
			x0, x1 := clip(ox*o.Stride[1]-o.Pad.Left, o.Size[1], w)
			for y := range h {
				rows[y*ow+ox] = largest(x[y*w+x0 : y*w+x1])
			}
		}
		for oy := range oh {
			y0, y1 := clip(oy*o.Stride[0]-o.Pad.Top, o.Size[0], h)
			row := out[oy*ow:][:ow]
			fill(row, lowest)
			for y := y0; y < y1; y++ {
				for i, v := range rows[y*ow:][:ow] {
					row[i] = max(row[i], v)
				}
			}
		}
	}
}

func largest(x []float32) float32 {
	m := float32(math.Inf(-1))
	for _, v := range x {
		m = max(m, v)
	}
	return m
}

func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}

// avgPool is 0 where a window lies in the padding alone.
func avgPool(o *model.AvgPool, in, shape model.Shape, x, out []float32) {
	size, stride := o.Size, o.Stride
	if size == [2]int{} {
		size, stride = [2]int{in[2], in[3]}, [2]int{1, 1}
	}
	pool(size, stride, o.Pad, in, shape, x, out, func(rows [][]float32) float32 {
		if len(rows) == 0 {
			return 0
		}
		sum := 0.0
		for _, row := range rows {
			for _, v := range row {
				sum += float64(v)
			}
		}
		if o.CountPad {
			return float32(sum / float64(size[0]*size[1]))
		}
		return float32(sum / float64(len(rows)*len(rows[0])))
	})
}

// pool calls f with the rows of each window, less what is outside of the image.
func pool(size, stride [2]int, pad model.Pad, in, shape model.Shape, x, out []float32, f func([][]float32) float32) {
	h, w := in[2], in[3]
	rows := make([][]float32, 0, min(size[0], h))
	for c := range in[1] {
		x := x[c*h*w:][:h*w]
		for oy := range shape[2] {
			y0, y1 := clip(oy*stride[0]-pad.Top, size[0], h)
			for ox := range shape[3] {
				x0, x1 := clip(ox*stride[1]-pad.Left, size[1], w)
				rows = rows[:0]
				for y := y0; y < y1 && x0 < x1; y++ {
					rows = append(rows, x[y*w+x0:y*w+x1])
				}
				out[0] = f(rows)
				out = out[1:]
			}
		}
	}
}

// clip is what is left of [from, from+size) in [0, n).
func clip(from, size, n int) (int, int) {
	a := min(max(from, 0), n)
	return a, max(a, min(from+size, n))
}
