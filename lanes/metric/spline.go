package metric

import "math"

// perSegment is how many points the spline has between two given ones.
const perSegment = 50

// spline runs a natural cubic spline through a lane, parametrised by the length
// of its chords, and returns perSegment points for each of them and the last
// point (CULane's spline.cpp). A lane of two points stays as it is. Points that
// repeat the one before are left out: there is no curve through them.
func spline(lane Lane) Lane {
	var p Lane
	for i, q := range lane {
		if i == 0 || q != p[len(p)-1] {
			p = append(p, q)
		}
	}
	if len(p) < 3 {
		return p
	}
	h := make([]float64, len(p)-1)
	xs, ys := make([]float64, len(p)), make([]float64, len(p))
	for i := range p {
		xs[i], ys[i] = p[i].X, p[i].Y
		if i > 0 {
			h[i-1] = math.Hypot(p[i].X-p[i-1].X, p[i].Y-p[i-1].Y)
		}
	}
	mx, my := curvatures(xs, h), curvatures(ys, h)
	out := make(Lane, 0, len(h)*perSegment+1)
	for i := range h {
		for k := range perSegment {
			t := h[i] / perSegment * float64(k)
			out = append(out, Point{cubic(xs, mx, h, i, t), cubic(ys, my, h, i, t)})
		}
	}
	return append(out, p[len(p)-1])
}

// cubic is the spline's value at t from the start of segment i.
func cubic(v, m, h []float64, i int, t float64) float64 {
	b := (v[i+1]-v[i])/h[i] - h[i]*(2*m[i]+m[i+1])/6
	c := m[i] / 2
	d := (m[i+1] - m[i]) / (6 * h[i])
	return v[i] + t*(b+t*(c+t*d))
}

// curvatures are the second derivatives of a natural spline at its knots, by
// Thomas's algorithm.
func curvatures(v, h []float64) []float64 {
	n := len(v)
	m := make([]float64, n) // 0 at both ends
	c, d := make([]float64, n), make([]float64, n)
	for i := 1; i < n-1; i++ {
		right := 6 * ((v[i+1]-v[i])/h[i] - (v[i]-v[i-1])/h[i-1])
		pivot := 2*(h[i-1]+h[i]) - h[i-1]*c[i-1]
		c[i] = h[i] / pivot
		d[i] = (right - h[i-1]*d[i-1]) / pivot
	}
	for i := n - 2; i > 0; i-- {
		m[i] = d[i] - c[i]*m[i+1]
	}
	return m
}
