package truthview

import (
	"math"

	"dashline/sensors/synth/truth"
)

// lens projects vehicle coordinates into a picture, from what the truth says of
// the camera alone.
type lens struct {
	cam *truth.Camera
	// Axes of the camera in vehicle coordinates: ahead, to the right, down.
	ahead, right, down [3]float64
}

// near is how close before the lens something may be drawn, metres.
const near = 0.4

// newLens mounts the camera: yaw, then pitch, then roll, with those of the
// moment on top.
func newLens(cam *truth.Camera, ego *truth.Ego) *lens {
	const degree = math.Pi / 180
	sinY, cosY := math.Sincos(cam.Yaw * degree)
	sinP, cosP := math.Sincos(cam.Pitch*degree + ego.Pitch)
	sinR, cosR := math.Sincos(cam.Roll*degree + ego.Roll)
	left := [3]float64{-sinY, cosY, 0}
	up := [3]float64{cosY * sinP, sinY * sinP, cosP}
	l := &lens{cam: cam, ahead: [3]float64{cosY * cosP, sinY * cosP, -sinP}}
	for i := range 3 {
		l.right[i] = -left[i]*cosR - up[i]*sinR
		l.down[i] = -up[i]*cosR + left[i]*sinR
	}
	return l
}

// see turns vehicle coordinates into the camera's: right, down, ahead.
func (l *lens) see(p [3]float64) [3]float64 {
	p[2] -= l.cam.Mount
	return [3]float64{dot(p, l.right), dot(p, l.down), dot(p, l.ahead)}
}

func dot(a, b [3]float64) float64 { return a[0]*b[0] + a[1]*b[1] + a[2]*b[2] }

// pixel is where a point of the camera's coordinates, which lies ahead, is in the
// picture. Distortion is OpenCV's model (Brown and Conrady).
func (l *lens) pixel(q [3]float64) [2]float64 {
	c := l.cam
	x, y := q[0]/q[2], q[1]/q[2]
	r2 := x*x + y*y
	k := 1 + r2*(c.K1+r2*(c.K2+r2*c.K3))
	xd := x*k + 2*c.P1*x*y + c.P2*(r2+2*x*x)
	yd := y*k + c.P1*(r2+2*y*y) + 2*c.P2*x*y
	return [2]float64{xd*c.Fx + c.Cx + 0.5, yd*c.Fy + c.Cy + 0.5}
}

// corners of an object's 3-D box: bit 0 of the index says left, bit 1 front, bit
// 2 top.
func corners(o *truth.Object) (all [8][3]float64) {
	sin, cos := math.Sincos(o.Yaw)
	for i := range all {
		side := func(bit int) float64 { return float64(i>>bit&1) - 0.5 }
		x, y := side(1)*o.Size[0], side(0)*o.Size[1]
		all[i] = [3]float64{
			o.Center[0] + x*cos - y*sin,
			o.Center[1] + x*sin + y*cos,
			o.Center[2] + side(2)*o.Size[2],
		}
	}
	return all
}

// solid draws the edges of an object's 3-D box, as far as they are before the
// lens.
func (c *canvas) solid(l *lens, o *truth.Object) {
	k := inkOf(o.Class)
	for i := range k {
		k[i] = mix(k[i], 255, 100)
	}
	all := corners(o)
	for i := range all {
		all[i] = l.see(all[i])
	}
	for i := range all {
		for bit := range 3 {
			j := i | 1<<bit
			if i == j {
				continue
			}
			p, q, ok := before(all[i], all[j])
			if ok {
				c.line(at(l.pixel(p)), at(l.pixel(q)), k, 0, 0)
			}
		}
	}
}

// before cuts off what of a line is not before the lens.
func before(p, q [3]float64) (a, b [3]float64, ok bool) {
	if p[2] < near && q[2] < near {
		return p, q, false
	}
	if p[2] < near {
		q, p = p, q
	}
	if q[2] < near {
		t := (p[2] - near) / (p[2] - q[2])
		for i := range q {
			q[i] = p[i] + (q[i]-p[i])*t
		}
	}
	return p, q, true
}
