package synth

import "math"

// mesh is the shape of a thing in its own frame: x forward, y left, z up, origin
// on the ground below its middle. It is made once and not changed.
type mesh struct {
	parts []part
	size  vec // length, width and height of the box around it
}

// part is one convex piece, or what is painted at one place. The pieces of a
// mesh do not run into each other, so that they can be drawn one after the other.
type part struct {
	faces  []face
	discs  []disc
	posts  []post
	x      float64 // where it is along the mesh, to sort by
	side   int     // 1 on the left side, -1 on the right, 0 in the middle: the far side is drawn first
	first  bool    // drawn before all others
	shell  rgb     // filled first, under the faces, so that no seam shows
	swings float64 // legs and arms: amplitude of the swing about its top, radians
}

// face is a flat polygon, counter-clockwise seen from outside.
type face struct {
	pts    []vec
	color  rgb
	glow   float32 // light of its own when lamps are on
	both   bool    // seen from either side
	brakes bool    // glows also when the vehicle brakes
	lamp   int8    // of a signal: 1 red, 2 yellow, 3 green
}

// disc is round from everywhere: a head, a crown of leaves.
type disc struct {
	at     vec
	radius float64
	color  rgb
	rough  float64 // 0 a circle, to 0.4 a bush
	seed   uint32
}

// post is round about an upright axis.
type post struct {
	at        vec // of its foot
	r0, r1, h float64
	color     rgb
}

// prism extrudes a convex profile of (x, z), given in either sense, across the
// width from y0 to y1. Above the height from it narrows, to the share top of the
// width at height.
func prism(profile [][2]float64, y0, y1, from, height, top float64, color rgb) []face {
	at := func(p [2]float64, y float64) vec {
		k := 1.0
		if p[1] > from && height > from {
			k = mix(1, top, (p[1]-from)/(height-from))
		}
		mid := (y0 + y1) / 2
		return vec{p[0], mid + (y-mid)*k, p[1]}
	}
	n := len(profile)
	left, right := make([]vec, n), make([]vec, n)
	for i, p := range profile {
		left[i], right[n-1-i] = at(p, y1), at(p, y0)
	}
	faces := []face{{pts: left, color: color}, {pts: right, color: color}}
	for i := range n {
		j := (i + 1) % n
		faces = append(faces, face{pts: []vec{at(profile[i], y1), at(profile[i], y0), at(profile[j], y0), at(profile[j], y1)}, color: color})
	}
	orient(faces)
	return faces
}

// box is an upright block.
func box(x0, x1, y0, y1, z0, z1 float64, color rgb) []face {
	return prism([][2]float64{{x0, z0}, {x1, z0}, {x1, z1}, {x0, z1}}, y0, y1, 0, 0, 1, color)
}

// orient turns faces so that they are counter-clockwise seen from outside.
func orient(faces []face) {
	var c vec
	n := 0.0
	for _, f := range faces {
		for _, p := range f.pts {
			c, n = c.add(p), n+1
		}
	}
	c = c.times(1 / n)
	for _, f := range faces {
		if normal(f.pts).dot(f.pts[0].sub(c)) < 0 {
			for i, j := 0, len(f.pts)-1; i < j; i, j = i+1, j-1 {
				f.pts[i], f.pts[j] = f.pts[j], f.pts[i]
			}
		}
	}
}

// normal of a polygon, by Newell's method, a unit vector (zero where it has none).
func normal(pts []vec) vec {
	var n vec
	for i, p := range pts {
		q := pts[(i+1)%len(pts)]
		n.x += (p.y - q.y) * (p.z + q.z)
		n.y += (p.z - q.z) * (p.x + q.x)
		n.z += (p.x - q.x) * (p.y + q.y)
	}
	if l := n.norm(); l > 1e-12 {
		return n.times(1 / l)
	}
	return vec{}
}

// panel is a quadrilateral in a plane x = const facing forward (dir 1) or back
// (dir -1).
func panel(x, y0, y1, z0, z1 float64, dir int, color rgb) face {
	if dir > 0 {
		return face{pts: []vec{{x, y0, z0}, {x, y1, z0}, {x, y1, z1}, {x, y0, z1}}, color: color}
	}
	return face{pts: []vec{{x, y1, z0}, {x, y0, z0}, {x, y0, z1}, {x, y1, z1}}, color: color}
}

// flank is a quadrilateral in a plane y = const that faces left (dir 1) or right.
func flank(y, x0, x1, z0, z1 float64, dir int, color rgb) face {
	if dir > 0 {
		return face{pts: []vec{{x1, y, z0}, {x0, y, z0}, {x0, y, z1}, {x1, y, z1}}, color: color}
	}
	return face{pts: []vec{{x0, y, z0}, {x1, y, z0}, {x1, y, z1}, {x0, y, z1}}, color: color}
}

// inset moves a quadrilateral's corners toward its middle: a window in a wall.
func inset(f face, u, v float64, color rgb) face {
	p := f.pts
	at := func(a, b float64) vec {
		lo := p[0].add(p[1].sub(p[0]).times(a))
		hi := p[3].add(p[2].sub(p[3]).times(a))
		return lo.add(hi.sub(lo).times(b))
	}
	return face{pts: []vec{at(u, v), at(1-u, v), at(1-u, 1-v), at(u, 1-v)}, color: color}
}

// wheels are pairs of wheels at each of xs, of a vehicle that is width wide: treads that
// are drawn before the body, which hides their upper half, and outer sides that
// are drawn over it.
func wheels(width, r, tread float64, xs ...float64) []part {
	const corners = 12
	tyre, hub := rgb{0.018, 0.018, 0.020}, rgb{0.25, 0.25, 0.26}
	var out []part
	for _, x := range xs {
		profile := make([][2]float64, corners)
		for i := range profile {
			sin, cos := math.Sincos(2 * math.Pi * float64(i) / corners)
			profile[i] = [2]float64{x + r*cos, r + r*sin}
		}
		for _, side := range []int{-1, 1} {
			y := float64(side) * width / 2
			out = append(out, part{faces: prism(profile, y-float64(side)*tread, y, 0, 0, 1, tyre), x: x, shell: tyre, first: true})
			out = append(out, part{faces: []face{rim(profile, x, r, 1, y, side, tyre), rim(profile, x, r, 0.6, y, side, hub)}, x: x, side: side})
		}
	}
	return out
}

// rim is the outer side of a wheel, or the share of it around the middle.
func rim(profile [][2]float64, x, r, share, y float64, side int, color rgb) face {
	pts := make([]vec, len(profile))
	for i, p := range profile {
		k := i
		if side > 0 {
			k = len(profile) - 1 - i
		}
		pts[k] = vec{x + (p[0]-x)*share, y + float64(side)*(0.008+0.004*(1-share)), r + (p[1]-r)*share}
	}
	return face{pts: pts, color: color}
}

// ring is a thin wheel that one can look through: a bicycle's.
func ring(x, r, thick float64, color rgb) face {
	const corners = 14
	pts := make([]vec, 0, 2*corners+2)
	for i := range corners + 1 {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / corners)
		pts = append(pts, vec{x + r*cos, 0, r + r*sin})
	}
	for i := corners; i >= 0; i-- {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / corners)
		pts = append(pts, vec{x + (r-thick)*cos, 0, r + (r-thick)*sin})
	}
	return face{pts: pts, color: color, both: true}
}

// tube is a thin straight bar in the plane y = const.
func tube(x0, z0, x1, z1, y, thick float64, color rgb) face {
	dx, dz := x1-x0, z1-z0
	n := math.Hypot(dx, dz)
	ox, oz := -dz/n*thick/2, dx/n*thick/2
	return face{pts: []vec{{x0 + ox, y, z0 + oz}, {x1 + ox, y, z1 + oz}, {x1 - ox, y, z1 - oz}, {x0 - ox, y, z0 - oz}}, color: color, both: true}
}
