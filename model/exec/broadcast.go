package exec

import "dashline/model"

func add(x, y float32) float32      { return x + y }
func multiply(x, y float32) float32 { return x * y }

// broadcast is f of two values with NumPy's rule. out may be x, if that is of its shape.
func broadcast(xs model.Shape, x []float32, ys model.Shape, y []float32, shape model.Shape, out []float32, f func(a, b float32) float32) {
	if xs.Equal(shape) && ys.Equal(shape) {
		for i, v := range x {
			out[i] = f(v, y[i])
		}
		return
	}
	sx, sy := steps(xs, shape), steps(ys, shape)
	row, dx, dy := 1, 0, 0
	if n := len(shape); n > 0 {
		row, dx, dy = shape[n-1], sx[n-1], sy[n-1]
	}
	for at := 0; at < len(out); at += row {
		px, py := offset(at, shape, sx), offset(at, shape, sy)
		for i := range row {
			out[at+i] = f(x[px+i*dx], y[py+i*dy])
		}
	}
}

// steps is how far a value of shape s goes on with each dimension of shape,
// which it is stretched to: 0 where it is repeated.
func steps(s, shape model.Shape) []int {
	out := make([]int, len(shape))
	n := 1
	for i := range s {
		d := s[len(s)-1-i]
		if d != 1 {
			out[len(out)-1-i] = n
		}
		n *= d
	}
	return out
}

// offset is where position at of shape is in a value of those steps.
func offset(at int, shape model.Shape, steps []int) int {
	o := 0
	for i := len(shape) - 1; i >= 0; i-- {
		o += at % shape[i] * steps[i]
		at /= shape[i]
	}
	return o
}
