package synth

import (
	"cmp"
	"math"
	"slices"
)

// lit is the light at a thing.
type lit struct {
	*lighting
	beam float32 // of the vehicle's lamps
	haze float32
}

// shine is a colour under the light on a surface with normal n, seen from afar.
func (l *lit) shine(color rgb, n vec) rgb {
	light := l.face(n)
	if l.beam > 0 {
		light = light.add(rgb{1, 0.97, 0.88}.times(l.beam))
	}
	return color.by(light).toward(l.fog, l.haze)
}

// polygons makes what is to be filled for a shot, part by part from far to near.
func (st *studio) polygons(sh *shot, id uint16) {
	v := &st.view
	m := sh.mesh
	sh.polys, sh.corners = sh.polys[:0], sh.corners[:0]
	sh.full = true
	local := v.vehicle(sh.at)
	sh.light = lit{&st.ground.light, st.ground.light.beam(local.x, local.y, 0.5), st.ground.light.hazeAt(sh.far)}
	if sh.kind == scenery && local.z > 3 {
		sh.light.beam = 0
	}

	// Where the lens is, seen from the thing: for the order and for what faces it.
	eye := sh.fromWorld(v.eye)
	var order [24]int
	n := min(len(m.parts), len(order))
	for i := range n {
		order[i] = i
	}
	rank := func(p *part) float64 {
		switch {
		case p.first:
			return -2
		case p.side == 0:
			return 0
		case float64(p.side)*eye.y > 0:
			return 1
		}
		return -1
	}
	slices.SortStableFunc(order[:n], func(a, b int) int {
		pa, pb := &m.parts[a], &m.parts[b]
		if c := cmp.Compare(rank(pa), rank(pb)); c != 0 {
			return c
		}
		if m.size.x < 3 { // small things list their parts in the order to draw them
			return 0
		}
		return cmp.Compare(math.Abs(eye.x-pb.x), math.Abs(eye.x-pa.x))
	})
	for _, i := range order[:n] {
		st.part(sh, &m.parts[i], eye, id)
	}
	sh.box = [4]float64{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	for _, c := range sh.corners {
		sh.box[0], sh.box[1] = min(sh.box[0], c[0]), min(sh.box[1], c[1])
		sh.box[2], sh.box[3] = max(sh.box[2], c[0]), max(sh.box[3], c[1])
	}
}

// turned is a direction of a shot's frame in the world: pitched as the road
// climbs, then headed.
func (sh *shot) turned(p vec) vec {
	x, z := p.x*sh.level-p.z*sh.climb, p.x*sh.climb+p.z*sh.level
	return vec{x*sh.cos - p.y*sh.sin, x*sh.sin + p.y*sh.cos, z}
}

// toWorld turns a point of a shot's frame into the world, fromWorld back.
func (sh *shot) toWorld(p vec) vec { return sh.at.add(sh.turned(p)) }

func (sh *shot) fromWorld(p vec) vec {
	q := p.sub(sh.at)
	x := q.x*sh.cos + q.y*sh.sin
	return vec{x*sh.level + q.z*sh.climb, -q.x*sh.sin + q.y*sh.cos, q.z*sh.level - x*sh.climb}
}

// pose moves points of a part as its swing has them in a phase of the step.
func (p *part) pose(phase float64) func(vec) vec {
	if p.swings == 0 {
		return func(q vec) vec { return q }
	}
	top := 0.0
	for _, f := range p.faces {
		for _, q := range f.pts {
			top = max(top, q.z)
		}
	}
	sin, cos := math.Sincos(p.swings * math.Sin(phase))
	return func(q vec) vec {
		dz := q.z - top
		return vec{q.x*cos - dz*sin, q.y, top + q.x*sin + dz*cos}
	}
}

func (st *studio) part(sh *shot, p *part, eye vec, id uint16) {
	pose := p.pose(sh.phase)
	if p.shell != (rgb{}) && sh.far < shellRange {
		st.shell(sh, p, pose, id)
	}
	var posed [32]vec
	for i := range p.faces {
		f := &p.faces[i]
		pts := posed[:0]
		for _, q := range f.pts {
			pts = append(pts, pose(q))
		}
		n := normal(pts)
		if facing := n.dot(eye.sub(pts[0])); facing <= 0 {
			if !f.both {
				continue
			}
			n = n.times(-1)
		}
		color := sh.light.shine(f.color, sh.turned(n))
		glow := st.glow(sh, f)
		if f.lamp != 0 && glow == 0 {
			color = color.times(0.18) // glass over a dark bulb
		}
		if glow > 0 {
			color = color.add(f.color.times(glow * (1 - sh.light.haze)))
		}
		st.fill(sh, pts, paint{color, 1, id})
		if glow > 1.5 && sh.light.night > 0 {
			st.halo(sh, pts, f.color.times(glow*0.05*sh.light.night*(1-sh.light.haze)))
		}
	}
	for i := range p.posts {
		st.post(sh, &p.posts[i], id)
	}
	for i := range p.discs {
		st.disc(sh, &p.discs[i], id)
	}
}

// glow is the light that a face gives by itself.
func (st *studio) glow(sh *shot, f *face) float32 {
	l := &st.ground.light
	if f.lamp != 0 {
		if f.lamp == sh.lit {
			return 1.3
		}
		return 0
	}
	g := f.glow * max(l.night, 0.25*l.rain)
	if f.brakes && (sh.accel < -1.2 || sh.braking > 0) {
		g += 1.2
	}
	return g
}

// shellRange is how far away seams can be seen, metres.
const shellRange = 60

// shell fills the outline of a part, so that no seam between its faces shows
// what is behind.
func (st *studio) shell(sh *shot, p *part, pose func(vec) vec, id uint16) {
	var buf [96][2]float64
	pts := buf[:0]
	for i := range p.faces {
		for _, q := range p.faces[i].pts {
			x, y, ok := st.view.project(sh.toWorld(pose(q)))
			if !ok || len(pts) == cap(pts) {
				return
			}
			pts = append(pts, [2]float64{x, y})
		}
	}
	color := p.shell.by(st.ground.light.ambient).toward(st.ground.light.fog, sh.light.haze)
	out := sh.next()
	for _, q := range hull(pts) {
		out.pts = append(out.pts, [2]float32{float32(q[0]), float32(q[1])})
	}
	out.paint = paint{color, 1, id}
}

// next makes room for a polygon, with the buffer of an earlier picture's.
func (sh *shot) next() *polygon {
	if n := len(sh.polys); n < cap(sh.polys) {
		sh.polys = sh.polys[:n+1]
		sh.polys[n].pts = sh.polys[n].pts[:0]
	} else {
		sh.polys = append(sh.polys, polygon{})
	}
	return &sh.polys[len(sh.polys)-1]
}

// fill projects a polygon of the shot's frame, cut off before the lens.
func (st *studio) fill(sh *shot, pts []vec, p paint) {
	var buf [40]vec
	cam := buf[:0]
	behind := false
	for _, q := range pts {
		c := st.view.camera(sh.toWorld(q))
		behind = behind || c.z < near
		cam = append(cam, c)
	}
	if behind {
		sh.full = false
		if cam = clipNear(cam); len(cam) < 3 {
			return
		}
	}
	out := sh.next()
	for i, c := range cam {
		pieces := 1
		if st.view.bends { // straight edges are not straight in the picture
			pieces = 6
		}
		to := cam[(i+1)%len(cam)]
		for k := range pieces {
			x, y := st.view.pixel(c.add(to.sub(c).times(float64(k) / float64(pieces))))
			out.pts = append(out.pts, [2]float32{float32(x), float32(y)})
			sh.corners = append(sh.corners, [2]float64{x, y})
		}
	}
	out.paint = p
}

func clipNear(pts []vec) []vec {
	var out []vec
	for i, q := range pts {
		p := pts[(i+len(pts)-1)%len(pts)]
		if (p.z < near) != (q.z < near) {
			t := (near - p.z) / (q.z - p.z)
			out = append(out, p.add(q.sub(p).times(t)))
		}
		if q.z >= near {
			out = append(out, q)
		}
	}
	return out
}

// post draws what is round about an upright axis as the trapezoid that it looks like.
func (st *studio) post(sh *shot, p *post, id uint16) {
	foot, top := st.view.camera(sh.toWorld(p.at)), st.view.camera(sh.toWorld(p.at.add(vec{0, 0, p.h})))
	if foot.z < near || top.z < near {
		sh.full = false
		return
	}
	var out *polygon
	corner := func(q vec, off float64) {
		x, y := st.view.pixel(vec{q.x + off, q.y, q.z})
		out.pts = append(out.pts, [2]float32{float32(x), float32(y)})
		sh.corners = append(sh.corners, [2]float64{x, y})
	}
	// Two halves: one in the light, one less so.
	for k, shade := range []float32{1, 0.78} {
		a, b := float64(k)-1, float64(k)
		if sun := st.ground.light.toSun; sun.dot(st.view.right) > 0 {
			shade = 1.78 - shade
		}
		n := vec{-st.view.ahead.x, -st.view.ahead.y, 0.2}
		out = sh.next()
		corner(foot, a*p.r0)
		corner(foot, b*p.r0)
		corner(top, b*p.r1)
		corner(top, a*p.r1)
		out.paint = paint{sh.light.shine(p.color, n).times(shade), 1, id}
	}
}

// disc draws what is round from everywhere.
func (st *studio) disc(sh *shot, d *disc, id uint16) {
	at := st.view.camera(sh.toWorld(d.at))
	if at.z < near+d.radius {
		sh.full = false
		return
	}
	n := 12
	if d.rough > 0 {
		n = 16
	}
	if d.radius*st.view.cam.Fx/at.z < 2 {
		n = 7
	}
	// Brighter above than below, as the sky lights it: two polygons.
	for k, grow := range []float64{1, 0.72} {
		out := sh.next()
		for i := range n {
			sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(n))
			r := d.radius * grow
			if d.rough > 0 {
				r *= 1 + d.rough*(float64(hash(d.seed+uint32(i))>>16)/32768-1)
			}
			x, y := st.view.pixel(vec{at.x + r*cos, at.y + r*sin - float64(k)*d.radius*0.14, at.z})
			out.pts = append(out.pts, [2]float32{float32(x), float32(y)})
			sh.corners = append(sh.corners, [2]float64{x, y})
		}
		normal := vec{0, 0, -0.3}
		if k == 1 {
			normal = st.ground.light.toSun.times(0.6).add(vec{0, 0, 0.4})
		}
		out.paint = paint{sh.light.shine(d.color, normal), 1, id}
		if d.rough == 0 {
			return
		}
	}
}

// halo adds light around a lamp.
func (st *studio) halo(sh *shot, pts []vec, color rgb) {
	var c vec
	for _, p := range pts {
		c = c.add(p)
	}
	q := st.view.camera(sh.toWorld(c.times(1 / float64(len(pts)))))
	if q.z < 2 {
		return
	}
	x, y := st.view.pixel(q)
	for k := range 4 {
		r := (2.5 + 160/(q.z+8)) * (0.35 + 0.45*float64(k))
		out := sh.next()
		for i := range 12 {
			sin, cos := math.Sincos(2 * math.Pi * float64(i) / 12)
			out.pts = append(out.pts, [2]float32{float32(x + r*cos), float32(y + r*sin)})
		}
		out.paint = paint{color.times(1.6 / float32(1+k*k)), 0, 0}
	}
}

// hull is the convex outline of points (Andrew's monotone chain). It reorders pts.
func hull(pts [][2]float64) [][2]float64 {
	if len(pts) < 3 {
		return pts
	}
	slices.SortFunc(pts, func(a, b [2]float64) int {
		if c := cmp.Compare(a[0], b[0]); c != 0 {
			return c
		}
		return cmp.Compare(a[1], b[1])
	})
	cross := func(o, a, b [2]float64) float64 { return (a[0]-o[0])*(b[1]-o[1]) - (a[1]-o[1])*(b[0]-o[0]) }
	out := make([][2]float64, 0, len(pts)+1)
	for _, p := range pts {
		for len(out) >= 2 && cross(out[len(out)-2], out[len(out)-1], p) <= 0 {
			out = out[:len(out)-1]
		}
		out = append(out, p)
	}
	lower := len(out) + 1
	for i := len(pts) - 2; i >= 0; i-- {
		for len(out) >= lower && cross(out[len(out)-2], out[len(out)-1], pts[i]) <= 0 {
			out = out[:len(out)-1]
		}
		out = append(out, pts[i])
	}
	return out[:len(out)-1]
}

// shadow darkens the ground below and beside a shot.
func (st *studio) shadow(b *brush, sh *shot) {
	m := sh.mesh
	if sh.far > 130 || sh.z > 0 || m.size.x > 9.9 && m.size.y < 0.2 {
		return
	}
	l := &st.ground.light
	dark := func(pts []vec, alpha float32) {
		var buf [24][2]float32
		out := buf[:0]
		var cam [24]vec
		c := cam[:0]
		for _, p := range pts {
			c = append(c, st.view.camera(p))
		}
		for _, q := range c {
			if q.z < near {
				c = clipNear(c)
				break
			}
		}
		for _, q := range c {
			x, y := st.view.pixel(q)
			out = append(out, [2]float32{float32(x), float32(y)})
		}
		if len(out) >= 3 {
			b.polygon(out, paint{l.fog.times(alpha * sh.light.haze), alpha, 0})
		}
	}
	corner := func(x, y float64) vec { return sh.toWorld(vec{x, y, 0.01}) }
	hx, hy := m.size.x/2, m.size.y/2
	if sh.kind != scenery {
		for k := range 3 { // the sky is hidden from what is below
			g := 0.06 * float64(k)
			dark([]vec{corner(-hx-g, -hy-g), corner(hx+g, -hy-g), corner(hx+g, hy+g), corner(-hx-g, hy+g)}, 0.24)
		}
	}
	sun := l.sun.times(float32(max(0, l.toSun.z)))
	share := sun.g / (sun.g + l.ambient.g)
	if share < 0.05 || l.toSun.z < 0.03 {
		return
	}
	long := min(m.size.z/l.toSun.z, 4*m.size.z)
	off := vec{-l.toSun.x * long, -l.toSun.y * long, 0}
	var flat [8][2]float64
	pts := flat[:0]
	for _, c := range [][2]float64{{-hx, -hy}, {hx, -hy}, {hx, hy}, {-hx, hy}} {
		if sh.kind == scenery && m.size.z > 3 { // crowns are wider than trunks
			c[0], c[1] = c[0]*0.7, c[1]*0.7
		}
		p := corner(c[0], c[1])
		q := p.add(off)
		if !(sh.kind == scenery && m.size.z > 3 && m.size.x < 7) {
			pts = append(pts, [2]float64{p.x, p.y})
		} else {
			mid := p.add(off.times(0.4))
			pts = append(pts, [2]float64{mid.x, mid.y})
		}
		pts = append(pts, [2]float64{q.x, q.y})
	}
	var out [10]vec
	poly := out[:0]
	for _, p := range hull(pts) {
		poly = append(poly, vec{p[0], p[1], sh.at.z + 0.01})
	}
	dark(poly, 0.85*share)
}
