package ground

import (
	"math"

	"dashline/pipeline/msg"
)

// ToGround returns the point on the road that is seen at p. It is false at and
// above the horizon, farther than [MaxRange], and where the lens model does not
// hold (so far outside the picture that its polynomial folds back).
func (c *Camera) ToGround(p msg.Pixel) (msg.Ground, bool) {
	x, y, ok := c.undistort(
		(float64(p.X)-0.5-c.Cx)/c.Fx,
		(float64(p.Y)-0.5-c.Cy)/c.Fy,
	)
	if !ok {
		return msg.Ground{}, false
	}
	r := c.rotation()
	ray := r.toVehicle(x, y, 1)
	if !(ray[2] < 0) {
		return msg.Ground{}, false
	}
	t := c.HeightM / -ray[2]
	g := msg.Ground{X: t * ray[0], Y: t * ray[1]}
	// The negated form also refuses infinities and NaN.
	if !(g.X*g.X+g.Y*g.Y <= MaxRange*MaxRange) {
		return msg.Ground{}, false
	}
	return g, true
}

// ToPixel returns where the point g of the road is seen. It is false behind the
// camera and where the lens model does not hold. The pixel may lie outside the
// picture.
func (c *Camera) ToPixel(g msg.Ground) (msg.Pixel, bool) {
	r := c.rotation()
	return c.project(r.toCamera(g.X, g.Y, -c.HeightM))
}

// Horizon is the row at which straight ahead on a level road vanishes, pixels;
// it may lie outside the picture. It is false where the lens does not see there.
func (c *Camera) Horizon() (float32, bool) {
	r := c.rotation()
	p, ok := c.project(r.toCamera(1, 0, 0))
	return p.Y, ok
}

// AtHorizon returns the camera with the pitch at which [Camera.Horizon] is row:
// the easiest way to describe a camera that is mounted but not measured. It is
// false where no pitch that Validate accepts gives that row.
func (c Camera) AtHorizon(row float32) (Camera, bool) {
	// Pitching down moves the horizon up, steadily in the range of Validate.
	lo, hi := -30.0, 60.0
	for range 60 {
		c.Pitch = (lo + hi) / 2
		at, ok := c.Horizon()
		switch {
		// Not seen at all: it has left through the edge on which Pitch is too large.
		case !ok && c.Pitch > 0, ok && at < row:
			hi = c.Pitch
		default:
			lo = c.Pitch
		}
	}
	at, ok := c.Horizon()
	return c, ok && math.Abs(float64(at-row)) < 0.01
}

// project maps a direction or point in camera coordinates (x right, y down,
// z along the optical axis) to the picture.
func (c *Camera) project(v [3]float64) (msg.Pixel, bool) {
	// A point at 89.9 degrees from the axis would land hundreds of widths away.
	const minDepth = 1e-3
	if !(v[2] > minDepth*math.Hypot(v[0], v[1])) {
		return msg.Pixel{}, false
	}
	x, y := v[0]/v[2], v[1]/v[2]
	if !c.unfolded(x*x + y*y) {
		return msg.Pixel{}, false
	}
	x, y = c.distort(x, y)
	return msg.Pixel{
		X: float32(c.Fx*x + c.Cx + 0.5),
		Y: float32(c.Fy*y + c.Cy + 0.5),
	}, true
}

// distort applies the lens to an ideal point on the plane at distance 1. The
// model is the one in OpenCV's calib3d documentation with five coefficients.
func (c *Camera) distort(x, y float64) (float64, float64) {
	r2 := x*x + y*y
	radial := 1 + r2*(c.K1+r2*(c.K2+r2*c.K3))
	return x*radial + 2*c.P1*x*y + c.P2*(r2+2*x*x),
		y*radial + c.P1*(r2+2*y*y) + 2*c.P2*x*y
}

// undistort inverts distort by Newton's method. It is false where that does not
// converge to a point at which the lens is still one-to-one.
func (c *Camera) undistort(xd, yd float64) (x, y float64, ok bool) {
	if c.K1 == 0 && c.K2 == 0 && c.P1 == 0 && c.P2 == 0 && c.K3 == 0 {
		return xd, yd, true
	}
	const (
		steps     = 20
		tolerance = 1e-10 // of the focal length: far below a thousandth of a pixel
	)
	x, y = xd, yd
	for range steps {
		fx, fy := c.distort(x, y)
		ex, ey := xd-fx, yd-fy
		if math.Abs(ex)+math.Abs(ey) < tolerance {
			return x, y, c.unfolded(x*x + y*y)
		}
		r2 := x*x + y*y
		radial := 1 + r2*(c.K1+r2*(c.K2+r2*c.K3))
		slope := 2 * (c.K1 + r2*(2*c.K2+r2*3*c.K3)) // d(radial)/dx = slope*x
		a := radial + slope*x*x + 2*c.P1*y + 6*c.P2*x
		b := slope*x*y + 2*c.P1*x + 2*c.P2*y // the Jacobian is symmetric
		d := radial + slope*y*y + 6*c.P1*y + 2*c.P2*x
		det := a*d - b*b
		if !(math.Abs(det) > 1e-12) {
			return 0, 0, false
		}
		dx, dy := (d*ex-b*ey)/det, (a*ey-b*ex)/det
		// A full step from where the lens is nearly flat can leap over the fold.
		if step := math.Hypot(dx, dy); step > 0.5 {
			dx, dy = dx*0.5/step, dy*0.5/step
		}
		x, y = x+dx, y+dy
	}
	return 0, 0, false
}

// unfolded says whether the radial distortion still grows everywhere from the
// axis out to the squared radius s. Past the first turning point two directions
// share a pixel, and a polynomial fitted to a lens means nothing.
func (c *Camera) unfolded(s float64) bool {
	growth := func(s float64) float64 { return 1 + s*(3*c.K1+s*(5*c.K2+s*7*c.K3)) }
	if !(growth(s) > 0) {
		return false
	}
	// A cubic is least at the end or where its own derivative is zero.
	a, b, d := 21*c.K3, 10*c.K2, 3*c.K1
	inside := func(at float64) bool { return at > 0 && at < s }
	if a == 0 {
		at := -d / b // b == 0 gives an infinity or NaN, which is not inside
		return !inside(at) || growth(at) > 0
	}
	disc := b*b - 4*a*d
	if disc < 0 {
		return true
	}
	root := math.Sqrt(disc)
	for _, at := range [2]float64{(-b - root) / (2 * a), (-b + root) / (2 * a)} {
		if inside(at) && !(growth(at) > 0) {
			return false
		}
	}
	return true
}

// rotation turns camera axes into vehicle axes; its columns are the camera's x,
// y and z axes in vehicle coordinates.
type rotation [3][3]float64

func (c *Camera) rotation() rotation {
	const rad = math.Pi / 180
	sp, cp := math.Sincos(c.Pitch * rad)
	sy, cy := math.Sincos(c.Yaw * rad)
	sr, cr := math.Sincos(c.Roll * rad)
	// Rz(yaw) Ry(pitch) Rx(roll): forward, left and up of the camera.
	forward := [3]float64{cy * cp, sy * cp, -sp}
	left := [3]float64{cy*sp*sr - sy*cr, sy*sp*sr + cy*cr, cp * sr}
	up := [3]float64{cy*sp*cr + sy*sr, sy*sp*cr - cy*sr, cp * cr}
	var r rotation
	for i := range 3 {
		r[i] = [3]float64{-left[i], -up[i], forward[i]}
	}
	return r
}

func (r *rotation) toVehicle(x, y, z float64) (v [3]float64) {
	for i := range 3 {
		v[i] = r[i][0]*x + r[i][1]*y + r[i][2]*z
	}
	return v
}

func (r *rotation) toCamera(x, y, z float64) (v [3]float64) {
	for i := range 3 {
		v[i] = r[0][i]*x + r[1][i]*y + r[2][i]*z
	}
	return v
}

// Axes returns the camera's axes in vehicle coordinates, one a column: x right,
// y down and z along the optical axis. It is the rotation that turns camera
// coordinates into vehicle coordinates; the lens is at (0, 0, HeightM).
func (c *Camera) Axes() [3][3]float64 { return c.rotation() }
