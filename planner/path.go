package planner

import "math"

const (
	pathCells = 400
	minPath   = 60.0  // m, least length of the path that is laid out
	maxPath   = 400.0 // m, greatest
	minBlend  = 10.0  // m, shortest way to the lane's centre
	// fadeLength is the length over which the road's curvature goes to zero
	// beyond what was seen of it.
	fadeLength = 20.0 // m
)

// path is where the vehicle is to go, as curvature over arc length: linear
// within each of its cells. Heading and position are its integrals from
// (0, 0, 0), so position, heading and curvature agree whatever the curvature is
// cut to.
type path struct {
	cell           float64 // m, arc length of one cell
	kappa          [pathCells + 1]float64
	heading, x, y  [pathCells + 1]float64
	tighterThanCan bool // the lane turns more tightly than the vehicle
}

// straight lays the path along the vehicle's x axis.
func (p *path) straight(length float64) {
	p.cell = length / pathCells
	p.kappa = [pathCells + 1]float64{}
	p.tighterThanCan = false
	p.integrate()
}

// follow lays the path from the vehicle to the centre of the lane and along it
// and reports whether it could. The lateral offset from the reference curve is
// a quintic of the reference's arc length (Werling, Ziegler, Kammel, Thrun:
// Optimal Trajectory Generation for Dynamic Street Scenarios in a Frenet Frame,
// ICRA 2010), and the path's curvature follows from it by that paper's
// appendix.
func (p *path) follow(c *Config, cl centerline, speed, length float64) bool {
	foot, ok := footOfOrigin(cl)
	if !ok {
		return false
	}
	g := curveAt(cl.curve, foot)
	theta := math.Atan(g.slope)
	sin, cos := math.Sincos(theta)
	d := sin*foot - cos*cl.curve.At(foot) // of (0, 0), left of the reference positive
	open := 1 - g.kappa*d
	if open < minOpen {
		return false
	}
	// How the wheels stand is not known. The path starts with the lane's own
	// curvature, so that a vehicle on the centre of a curve stays on it.
	slope := open * math.Tan(-theta)
	bend := offsetBend(g, d, slope, -theta, g.kappa/open)
	blend := max(minBlend, c.BlendTime*speed)
	var q quintic
	for range 8 {
		q = newQuintic(d, slope, bend, cl.offset, blend)
		if q.greatestBend() <= min(c.MaxCurvature/2, c.LateralAcceleration/2/(speed*speed+1)) {
			break
		}
		blend *= 1.25
	}

	p.cell = length / pathCells
	p.tighterThanCan = false
	r := reference{cl: cl, x: foot}
	for i := range p.kappa {
		k, rate := r.curvature(&q)
		if math.Abs(k) > c.MaxCurvature {
			k = math.Copysign(c.MaxCurvature, k)
			p.tighterThanCan = true
		}
		p.kappa[i] = k
		// One midpoint step of the reference's arc length by the path's.
		mid := r
		mid.advance(rate * p.cell / 2)
		_, rate = mid.curvature(&q)
		r.advance(rate * p.cell)
	}
	p.integrate()
	return true
}

// limitCurvature cuts the curvature between two arc lengths to k and reports
// whether it had to; integrate must follow.
func (p *path) limitCurvature(from, to, k float64) bool {
	first, _ := p.find(from)
	last, _ := p.find(to)
	cut := false
	for i := first; i <= last+1; i++ {
		if math.Abs(p.kappa[i]) > k {
			p.kappa[i] = math.Copysign(k, p.kappa[i])
			cut = true
		}
	}
	return cut
}

func (p *path) integrate() {
	p.heading[0], p.x[0], p.y[0] = 0, 0, 0
	for i := range pathCells {
		p.x[i+1], p.y[i+1], p.heading[i+1], _ = p.within(i, p.cell)
	}
}

// at returns the path at arc length s, 0 <= s <= length.
func (p *path) at(s float64) (x, y, heading, kappa float64) {
	i, u := p.find(s)
	return p.within(i, u)
}

func (p *path) find(s float64) (cell int, into float64) {
	i := min(max(int(s/p.cell), 0), pathCells-1)
	return i, s - float64(i)*p.cell
}

// within integrates u metres into cell i: heading exactly, position by
// Simpson's rule.
func (p *path) within(i int, u float64) (x, y, heading, kappa float64) {
	k, h := p.kappa[i], p.heading[i]
	rise := (p.kappa[i+1] - k) / p.cell
	sin0, cos0 := math.Sincos(h)
	sin1, cos1 := math.Sincos(h + u/2*(k+rise*u/4))
	heading = h + u*(k+rise*u/2)
	sin2, cos2 := math.Sincos(heading)
	x = p.x[i] + u/6*(cos0+4*cos1+cos2)
	y = p.y[i] + u/6*(sin0+4*sin1+sin2)
	return x, y, heading, k + rise*u
}

// locate returns the arc length at which the path is nearest to a point and the
// point's distance to the left of it there. ok is false for a point that lies
// before the path's start or beyond its end.
func (p *path) locate(x, y float64) (s, left float64, ok bool) {
	best, least := 0, math.Inf(1)
	for i := range p.x {
		dx, dy := x-p.x[i], y-p.y[i]
		if d := dx*dx + dy*dy; d < least {
			best, least = i, d
		}
	}
	sin, cos := math.Sincos(p.heading[best])
	dx, dy := x-p.x[best], y-p.y[best]
	along := dx*cos + dy*sin
	// Along the tangent at the ends, and never farther from a node than it
	// can be in between.
	if best == 0 && along < 0 || best == pathCells && along > 0 || !finite(along) {
		return 0, 0, false
	}
	return float64(best)*p.cell + clamp(along, -p.cell, p.cell), dy*cos - dx*sin, true
}

// minOpen bounds 1-κd away from zero, where a Frenet frame is singular: the
// centre of the reference's curvature.
const minOpen = 0.2

// footOfOrigin returns the x at which the lane's reference curve is nearest to
// the vehicle, by Newton's method on d/dx of half the squared distance.
func footOfOrigin(cl centerline) (float64, bool) {
	c, x := cl.curve, 0.0
	for range 20 {
		y, slope := c.At(x), c.Slope(x)
		f := x + y*slope
		step := f / (1 + slope*slope + y*(2*c.C[2]+6*c.C[3]*x))
		if !finite(step) || math.Abs(x-step) > 20 {
			return 0, false
		}
		x -= step
		if math.Abs(step) < 1e-12 {
			return x, true
		}
	}
	return 0, false
}

// offsetBend is d” for which a path at offset d with slope d' and heading delta
// against the reference has curvature k: curvature's formula solved for d”.
func offsetBend(g geometry, d, slope, delta, k float64) float64 {
	open := 1 - g.kappa*d
	cos := math.Cos(delta)
	return open/(cos*cos)*(k*open/cos-g.kappa) - (g.dkappa*d+g.kappa*slope)*math.Tan(delta)
}

// reference walks along the curve from which offsets are measured: the cubic as
// far as it is seen, from there a curvature that fades to zero.
type reference struct {
	cl   centerline
	s    float64 // arc length from the foot of the origin
	x    float64 // on the cubic
	past float64 // arc length beyond the part that is seen
	end  float64 // curvature at its end
}

func (r *reference) advance(ds float64) {
	r.s += ds
	if r.past > 0 {
		r.past += ds
		return
	}
	g := curveAt(r.cl.curve, r.x)
	r.x += ds / g.stretch
	if over := r.x - r.cl.reach; over > 0 {
		last := curveAt(r.cl.curve, r.cl.reach)
		r.past, r.end = over*last.stretch, last.kappa
	}
}

func (r *reference) geometry() geometry {
	switch {
	case r.past <= 0:
		return curveAt(r.cl.curve, r.x)
	case r.past < fadeLength:
		return geometry{kappa: r.end * (1 - r.past/fadeLength), dkappa: -r.end / fadeLength}
	}
	return geometry{}
}

// curvature returns the path's curvature beside the reference's present point
// and the reference's arc length per metre of path.
func (r *reference) curvature(q *quintic) (kappa, rate float64) {
	g := r.geometry()
	d, slope, bend := q.at(r.s)
	open := max(minOpen, 1-g.kappa*d)
	tan := slope / open
	cos := 1 / math.Sqrt(1+tan*tan)
	kappa = ((bend+(g.dkappa*d+g.kappa*slope)*tan)*cos*cos/open + g.kappa) * cos / open
	return kappa, cos / open
}

// quintic is the polynomial of fifth degree that goes from a value with its
// first two derivatives at 0 to a value with none at length, and stays there.
type quintic struct {
	c      [6]float64
	length float64
}

func newQuintic(d, slope, bend, target, length float64) quintic {
	l := length
	// The remaining three coefficients solve the three end conditions.
	h := target - d - slope*l - bend*l*l/2
	h1 := -(slope + bend*l) * l
	h2 := -bend * l * l
	return quintic{
		c: [6]float64{
			d, slope, bend / 2,
			(10*h - 4*h1 + h2/2) / (l * l * l),
			(-15*h + 7*h1 - h2) / (l * l * l * l),
			(6*h - 3*h1 + h2/2) / (l * l * l * l * l),
		},
		length: l,
	}
}

func (q *quintic) at(s float64) (value, first, second float64) {
	s = min(s, q.length)
	c := &q.c
	value = c[0] + s*(c[1]+s*(c[2]+s*(c[3]+s*(c[4]+s*c[5]))))
	first = c[1] + s*(2*c[2]+s*(3*c[3]+s*(4*c[4]+s*5*c[5])))
	second = 2*c[2] + s*(6*c[3]+s*(12*c[4]+s*20*c[5]))
	return value, first, second
}

// greatestBend is the greatest |d”|, at the resolution of a twentieth.
func (q *quintic) greatestBend() float64 {
	greatest := 0.0
	for i := range 21 {
		_, _, second := q.at(q.length * float64(i) / 20)
		greatest = max(greatest, math.Abs(second))
	}
	return greatest
}

func clamp(v, low, high float64) float64 { return min(max(v, low), high) }
