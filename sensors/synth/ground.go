package synth

import "math"

// Beyond this the ground is haze, metres.
const horizonAt = 420.0

// slice is the road where it crosses a line across the vehicle's way, at a whole
// number of sliceStep forward of it: the table by which a point on the ground
// finds its road coordinates.
type slice struct{ y, sin, cos, s, curvature float64 }

const sliceStep = 2.0

// local is a station in the level frame of the vehicle: x forward, y left, z up,
// origin on the road below the camera, not tilted.
type local struct{ x, y, z, sin, cos, curvature, grade float64 }

// ground finds and colours the road. One serves all workers; it is made anew for
// each picture by prepare.
type ground struct {
	*road
	slices []slice
	locals []local
	marks  []marking // paint of each station
	light  lighting
	grain  *noise
	focal  float64 // pixels

}

// prepare puts the road around the vehicle into its level frame. s is where the
// vehicle is.
func (g *ground) prepare(v *view, s float64) {
	g.focal = v.cam.Fx
	sin, cos := math.Sincos(v.yaw)
	g.locals, g.marks = g.locals[:0], g.marks[:0]
	for i := range g.stations {
		st := &g.stations[i]
		dx, dy := st.x-v.origin.x, st.y-v.origin.y
		sn, cs := math.Sincos(st.yaw - v.yaw)
		g.locals = append(g.locals, local{dx*cos + dy*sin, -dx*sin + dy*cos, st.z - v.origin.z, sn, cs, st.curvature, st.grade})
		g.marks = append(g.marks, newMarking(st))
	}
	// Stations go on until the road turns away or ends.
	g.slices = g.slices[:0]
	i, _ := g.locate(s)
	for i > 0 && g.locals[i].x > 0 {
		i--
	}
	for x := 0.0; x <= horizonAt+sliceStep; x += sliceStep {
		for i+2 < len(g.locals) && g.locals[i+1].x < x && g.locals[i+1].cos > 0.2 {
			i++
		}
		a := &g.locals[i]
		along := (x - a.x) / max(0.2, a.cos)
		g.slices = append(g.slices, slice{a.y + along*a.sin, a.sin, a.cos, float64(g.first+i)*stationStep + along, a.curvature})
	}
}

// roughly is s of a point on the ground, right to a few decimetres: enough for
// its height.
func (g *ground) roughly(x, y float64) float64 {
	k := min(len(g.slices)-1, max(0, int(x*(1/sliceStep)+0.5)))
	a := &g.slices[k]
	dx, dy := x-float64(k)*sliceStep, y-a.y
	return a.s + (dx*a.cos+dy*a.sin)/max(0.3, 1-a.curvature*(dy*a.cos-dx*a.sin))
}

// height of the ground over the origin at s, and its slope.
func (g *ground) height(s float64) (z, grade float64) {
	i, t := g.locate(s)
	a, b := &g.locals[i], &g.locals[i+1]
	return a.z + (b.z-a.z)*t, a.grade
}

// frenet finds the road coordinates of a point on the ground, to a few millimetres.
func (g *ground) frenet(x, y float64) (s, d float64) {
	s = g.roughly(x, y)
	i, t := g.locate(s)
	a, b := &g.locals[i], &g.locals[i+1]
	sin, cos := a.sin+(b.sin-a.sin)*t, a.cos+(b.cos-a.cos)*t
	dx, dy := x-(a.x+(b.x-a.x)*t), y-(a.y+(b.y-a.y)*t)
	along := dx*cos + dy*sin
	d = dy*cos - dx*sin
	s += along / max(0.3, 1-a.curvature*d)
	d -= along * along * a.curvature / 2 // the road turns on that way
	return s, d
}

// hit finds where a ray from the lens meets the ground. The ray goes up by rise
// and left by side for each metre forward, from height h; guess is about where. ok
// is false where it meets none.
func (g *ground) hit(h, rise, side, guess float64) (x float64, ok bool) {
	over := func(x float64) (f, slope float64) {
		z, grade := g.height(g.roughly(x, x*side))
		return h + x*rise - z, rise - grade
	}
	// Newton, as long as the ray comes down on the ground.
	x = guess
	for range 6 {
		if x < 0 || x > horizonAt {
			break
		}
		f, slope := over(x)
		if slope > -1e-4 {
			break
		}
		step := f / slope
		x -= step
		if math.Abs(step) < 2e-3*x { // the error that is left is the square of that
			return x, x < horizonAt
		}
	}
	// Near a crest: step until the ground is above the ray, then halve.
	lo := 0.5 * min(guess, horizonAt)
	if f, _ := over(lo); f < 0 {
		lo = 0.5
	}
	for hi := lo + 1; hi < horizonAt; hi += 1 + 0.02*hi {
		if f, _ := over(hi); f < 0 {
			for range 24 {
				mid := (lo + hi) / 2
				if f, _ := over(mid); f < 0 {
					hi = mid
				} else {
					lo = mid
				}
			}
			return hi, true
		}
		lo = hi
	}
	return 0, false
}

// gap is how many columns lie between those in which rays are followed to the
// ground. Between them 1/x, s/x, d/x and y/x are interpolated, which is exact on a
// plane with a straight road; eight columns of a curved one are that to a
// millimetre or two.
const gap = 8

// aim is how the rays of one column went, row by row from the bottom.
type aim struct {
	col       int
	x, rise   float64 // of the last ray that met the ground; x is 0 before the first
	s, d, y   float64 // where it did
	sky       bool    // the latest one met none
	justBelow bool    // the one before it did
	dome      skyColumn
}

// rays turns pixels into directions of the level frame.
type rays struct {
	*view
	ahead, right, down, eye vec
}

func newRays(v *view) rays {
	sin, cos := math.Sincos(v.yaw)
	level := func(a vec) vec { return vec{a.x*cos + a.y*sin, -a.x*sin + a.y*cos, a.z} }
	// The lens is not just above the origin where the road climbs.
	return rays{v, level(v.ahead), level(v.right), level(v.down), level(v.eye.sub(v.origin))}
}

// at is how far a pixel's ray goes left and up for each metre forward.
func (r *rays) at(i int) (side, rise float64) {
	ray := r.rays[i]
	rx, ry := float64(ray[0]), float64(ray[1])
	fwd := 1 / (r.ahead.x + rx*r.right.x + ry*r.down.x)
	return (r.ahead.y + rx*r.right.y + ry*r.down.y) * fwd, (r.ahead.z + rx*r.right.z + ry*r.down.z) * fwd
}

// follow takes an aim one row up.
func (g *ground) follow(a *aim, r *rays, row, width int) {
	a.justBelow = !a.sky
	if a.sky {
		return // what is above the horizon stays there
	}
	side, rise := r.at(row*width + a.col)
	guess := a.x
	if guess == 0 {
		guess = r.eye.z / max(-rise, 0.05)
	} else if rise < 0 {
		guess *= min(1.5, a.rise/rise) // on level ground distance goes with 1/rise
	}
	x, ok := g.hit(r.eye.z-r.eye.x*rise, rise, side, guess)
	if !ok {
		a.sky = true
		return
	}
	a.x, a.rise, a.y = x, rise, r.eye.y+(x-r.eye.x)*side
	a.s, a.d = g.frenet(x, a.y)
}

// draw paints ground and sky in the brush's columns, from the bottom up.
func (g *ground) draw(b *brush, v *view) {
	r := newRays(v)
	aims := b.aims[:0]
	for col := b.x0; col < b.x1-1; col += gap {
		aims = append(aims, aim{col: col})
	}
	aims = append(aims, aim{col: b.x1 - 1})
	b.aims = aims
	for i := range aims {
		// A column sees one azimuth: the camera is level to a few degrees.
		side, _ := r.at(b.h/2*b.w + aims[i].col)
		aims[i].dome = g.light.column(v.yaw+math.Atan(side), g.grain)
	}
	for row := b.h - 1; row >= 0; row-- {
		for i := range aims {
			g.follow(&aims[i], &r, row, b.w)
		}
		for i := range aims[1:] {
			g.span(b, &r, &aims[i], &aims[i+1], row)
		}
	}
}

// span paints the pixels of a row from one aim up to the next; the last aim's own
// pixel belongs to the span before it.
func (g *ground) span(b *brush, r *rays, from, to *aim, row int) {
	end := to.col
	if end == b.x1-1 {
		end++
	}
	wide := 1 / float64(to.col-from.col)
	for col := from.col; col < end; col++ {
		i := row*b.w + col
		t := float64(col-from.col) * wide
		if !from.sky && !to.sky {
			u, v := (1-t)/from.x, t/to.x
			x := 1 / (u + v)
			b.depth[i] = float32(x)
			g.shade(b, i, spot{(from.s*u + to.s*v) * x, (from.d*u + to.d*v) * x, x, (from.y*u + to.y*v) * x}, r.eye.z)
			continue
		}
		side, rise := r.at(i)
		if from.justBelow || to.justBelow || from.sky != to.sky {
			// The horizon runs through here: each ray is followed by itself.
			if x, ok := g.hit(r.eye.z-r.eye.x*rise, rise, side, max(from.x, to.x)); ok {
				y := r.eye.y + (x-r.eye.x)*side
				s, d := g.frenet(x, y)
				b.depth[i] = float32(x)
				g.shade(b, i, spot{s, d, x, y}, r.eye.z)
				continue
			}
		}
		b.depth[i] = float32(math.Inf(1))
		dome := from.dome.toward(&to.dome, float32(t))
		dome.at(b.light[3*i:3*i+3], &g.light, float32(rise/math.Sqrt(1+side*side)), g.grain)
	}
}
