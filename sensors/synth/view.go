package synth

import "math"

// Nothing nearer to the camera than this is drawn, metres.
const near = 0.4

// optics is what a camera's pixels look along, computed once.
type optics struct {
	cam   Camera
	rays  [][2]float32 // of each pixel: x right and y down, for 1 forward, undistorted
	edge  float64      // squared radius beyond which distortion is not followed
	bends bool         // the lens is not ideal
}

func newOptics(c Camera) *optics {
	o := &optics{cam: c, rays: make([][2]float32, c.Width*c.Height), bends: c.K1 != 0 || c.K2 != 0 || c.K3 != 0 || c.P1 != 0 || c.P2 != 0}
	for _, corner := range [][2]float64{{0, 0}, {float64(c.Width), 0}, {0, float64(c.Height)}, {float64(c.Width), float64(c.Height)}} {
		x, y := (corner[0]-0.5-c.Cx)/c.Fx, (corner[1]-0.5-c.Cy)/c.Fy
		o.edge = max(o.edge, 1.7*(x*x+y*y))
	}
	for row := range c.Height {
		for col := range c.Width {
			x, y := o.undistort((float64(col)-c.Cx)/c.Fx, (float64(row)-c.Cy)/c.Fy)
			o.rays[row*c.Width+col] = [2]float32{float32(x), float32(y)}
		}
	}
	return o
}

// distort is the Brown-Conrady model as OpenCV has it.
func (o *optics) distort(x, y float64) (float64, float64) {
	c := &o.cam
	if !o.bends {
		return x, y
	}
	r2 := x*x + y*y
	k := 1.0
	if r2 > o.edge { // the polynomial may turn back out there: go on straight
		k = math.Sqrt(o.edge / r2)
	}
	ux, uy := x*k, y*k
	u2 := ux*ux + uy*uy
	radial := 1 + u2*(c.K1+u2*(c.K2+u2*c.K3))
	return x*radial + 2*c.P1*ux*uy + c.P2*(u2+2*ux*ux), y*radial + c.P1*(u2+2*uy*uy) + 2*c.P2*ux*uy
}

func (o *optics) undistort(xd, yd float64) (x, y float64) {
	x, y = xd, yd
	for range 30 {
		gx, gy := o.distort(x, y)
		x, y = x+(xd-gx), y+(yd-gy)
	}
	return x, y
}

// view is a camera at one moment.
type view struct {
	*optics
	origin vec // of the vehicle's frame: on the road below the camera
	eye    vec // the lens
	yaw    float64
	// Axes of the vehicle and of the camera, in the world.
	forward, leftward, upward vec
	ahead, right, down        vec
}

// newView places the camera on a vehicle at origin, heading yaw on a road that
// climbs by grade; pitch and roll come on top of the mounting, radians.
func newView(o *optics, origin vec, yaw, grade, pitch, roll float64) view {
	v := view{optics: o, origin: origin, yaw: yaw}
	sinY, cosY := math.Sincos(yaw)
	climb := math.Atan(grade)
	sinG, cosG := math.Sincos(climb)
	v.forward = vec{cosY * cosG, sinY * cosG, sinG}
	v.leftward = vec{-sinY, cosY, 0}
	v.upward = v.forward.cross(v.leftward)
	v.eye = origin.add(v.upward.times(o.cam.Mount))

	rad := math.Pi / 180
	sinY, cosY = math.Sincos(o.cam.Yaw * rad)
	ahead := v.forward.times(cosY).add(v.leftward.times(sinY))
	left := v.leftward.times(cosY).sub(v.forward.times(sinY))
	sinP, cosP := math.Sincos(o.cam.Pitch*rad + pitch)
	up := v.upward.times(cosP).add(ahead.times(sinP))
	ahead = ahead.times(cosP).sub(v.upward.times(sinP))
	sinR, cosR := math.Sincos(o.cam.Roll*rad + roll)
	right := left.times(-cosR).sub(up.times(sinR))
	v.ahead, v.right = ahead, right
	v.down = ahead.cross(right)
	return v
}

// camera turns a point of the world into the camera's frame: x right, y down, z ahead.
func (v *view) camera(p vec) vec {
	q := p.sub(v.eye)
	return vec{q.dot(v.right), q.dot(v.down), q.dot(v.ahead)}
}

// pixel projects a point of the camera's frame that lies before it.
func (v *view) pixel(q vec) (x, y float64) {
	xd, yd := v.distort(q.x/q.z, q.y/q.z)
	return xd*v.cam.Fx + v.cam.Cx + 0.5, yd*v.cam.Fy + v.cam.Cy + 0.5
}

// project is pixel of camera; ok is false for what is not before the camera.
func (v *view) project(p vec) (x, y float64, ok bool) {
	q := v.camera(p)
	if q.z < near {
		return 0, 0, false
	}
	x, y = v.pixel(q)
	return x, y, true
}

// vehicle turns a point of the world into vehicle coordinates.
func (v *view) vehicle(p vec) vec {
	q := p.sub(v.origin)
	return vec{q.dot(v.forward), q.dot(v.leftward), q.dot(v.upward)}
}
