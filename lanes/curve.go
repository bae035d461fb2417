package lanes

import (
	"math"

	"dashline/lanes/ground"
	"dashline/pipeline/msg"
)

// Limits of the fit on the ground.
const (
	minExtent      = 1.5  // metres of x: less gives no curve
	maxSideways    = 2.0  // metres to the side for a metre ahead: more is no lane line
	straightExtent = 10.0 // metres: shorter lines are fitted straight
	bentExtent     = 25.0 // metres: shorter ones with a parabola, longer with a cubic
	huber          = 1.5  // pixels: residuals beyond count linearly
)

// fitter fits curves to polylines. Its memory is reused.
type fitter struct {
	x, y, weight [maxPoints]float64
}

// fit places the points of a polyline on the ground and fits y(x) to them. The
// sum over points of squared error, as seen in columns of the picture (metres
// times focal length over distance), is least: near points, which are known to
// centimetres, count for more than far ones. Huber's weights by iteration make
// it robust, and a light ridge holds the curved terms where the points do not
// speak for them. The residual is the root mean square in columns; ok is false
// where the points do not support a curve.
//
// Method: Holland and Welsch, Robust regression using iteratively reweighted
// least-squares, 1977.
func (f *fitter) fit(cam *ground.Camera, pts []msg.Pixel) (curve msg.Cubic, residual float64, ok bool) {
	n := 0
	x0, x1 := math.Inf(1), math.Inf(-1)
	y0, y1 := math.Inf(1), math.Inf(-1)
	for _, p := range pts {
		g, on := cam.ToGround(p)
		if !on || g.X <= 0.5 || n == maxPoints {
			continue
		}
		f.x[n], f.y[n] = g.X, g.Y
		x0, x1 = math.Min(x0, g.X), math.Max(x1, g.X)
		y0, y1 = math.Min(y0, g.Y), math.Max(y1, g.Y)
		n++
	}
	if n < 3 || x1-x0 < minExtent || y1-y0 > maxSideways*(x1-x0) {
		return msg.Cubic{}, 0, false
	}
	degree := 3
	switch {
	case x1-x0 < straightExtent || n < 5:
		degree = 1
	case x1-x0 < bentExtent || n < 8:
		degree = 2
	}
	mid, half := (x0+x1)/2, (x1-x0)/2
	for i := range n {
		f.weight[i] = 1
	}
	var c [4]float64
	const rounds = 5
	for range rounds {
		var a [4][4]float64
		var b [4]float64
		var sum float64
		for i := range n {
			toPixels := cam.Fx / f.x[i]
			w := f.weight[i] * toPixels * toPixels
			sum += w
			u := (f.x[i] - mid) / half
			power := [4]float64{1, u, u * u, u * u * u}
			for j := range degree + 1 {
				for k := range degree + 1 {
					a[j][k] += w * power[j] * power[k]
				}
				b[j] += w * power[j] * f.y[i]
			}
		}
		a[2][2] += 1e-4 * sum
		a[3][3] += 1e-3 * sum
		if c, ok = solve(a, b, degree+1); !ok {
			return msg.Cubic{}, 0, false
		}
		residual = 0
		for i := range n {
			u := (f.x[i] - mid) / half
			e := math.Abs(f.y[i]-(c[0]+u*(c[1]+u*(c[2]+u*c[3])))) * cam.Fx / f.x[i]
			residual += e * e
			f.weight[i] = 1
			if e > huber {
				f.weight[i] = huber / e
			}
		}
		residual = math.Sqrt(residual / float64(n))
	}
	return msg.Cubic{C: shifted(c, mid, half), X0: x0, X1: x1}, residual, true
}

// shifted turns a cubic in u = (x-mid)/half into one in x.
func shifted(c [4]float64, mid, half float64) [4]float64 {
	c[1] /= half
	c[2] /= half * half
	c[3] /= half * half * half
	return [4]float64{
		c[0] - mid*(c[1]-mid*(c[2]-mid*c[3])),
		c[1] - mid*(2*c[2]-3*mid*c[3]),
		c[2] - 3*mid*c[3],
		c[3],
	}
}

// solve solves the first n rows of a symmetric positive definite system by
// Gauss's elimination with pivoting. It is false where the system is singular.
func solve(a [4][4]float64, b [4]float64, n int) (x [4]float64, ok bool) {
	for i := range n {
		pivot := i
		for r := i + 1; r < n; r++ {
			if math.Abs(a[r][i]) > math.Abs(a[pivot][i]) {
				pivot = r
			}
		}
		a[i], a[pivot] = a[pivot], a[i]
		b[i], b[pivot] = b[pivot], b[i]
		if !(math.Abs(a[i][i]) > 1e-12) {
			return x, false
		}
		for r := i + 1; r < n; r++ {
			m := a[r][i] / a[i][i]
			for k := i; k < n; k++ {
				a[r][k] -= m * a[i][k]
			}
			b[r] -= m * b[i]
		}
	}
	for i := n - 1; i >= 0; i-- {
		x[i] = b[i]
		for k := i + 1; k < n; k++ {
			x[i] -= a[i][k] * x[k]
		}
		x[i] /= a[i][i]
	}
	return x, true
}
