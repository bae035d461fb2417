package synth

import "math"

// marking is the surface of the road at one station.
type marking struct {
	sec                        *section
	width, right, left, median float64
	lines                      [slots]lineAt
	n                          int
	bySlot                     [slots]int8 // index into lines, -1: none
}

type lineAt struct {
	d, half        float64
	slot           int8
	dashed, double bool
	yellow         bool
}

func newMarking(st *station) marking {
	m := marking{sec: st.sec, width: st.width, right: st.right, left: st.left, median: st.median}
	for i := range m.bySlot {
		m.bySlot[i] = -1
	}
	var buf [slots]line
	for _, l := range st.linesAt(buf[:0]) {
		m.bySlot[l.slot] = int8(m.n)
		m.lines[m.n] = lineAt{l.d, l.half, int8(l.slot), l.kind == "dashed", l.kind == "double", l.yellow}
		m.n++
	}
	return m
}

var (
	whitePaint  = rgb{0.72, 0.72, 0.70}
	yellowPaint = rgb{0.70, 0.43, 0.05}
	asphalt     = rgb{0.105, 0.105, 0.108}
	concrete    = rgb{0.36, 0.35, 0.33}
	kerbStone   = rgb{0.46, 0.45, 0.43}
	gravel      = rgb{0.24, 0.22, 0.19}
	grass       = rgb{0.085, 0.155, 0.040}
	field       = rgb{0.230, 0.210, 0.075}
	woodland    = rgb{0.070, 0.085, 0.035}
	streetLight = rgb{1.0, 0.72, 0.38}
)

// square is how much of the interval of length wide around x lies in [0, on)
// modulo period.
func square(x, on, period, wide float64) float64 {
	whole := func(x float64) float64 {
		k := math.Floor(x / period)
		return k*on + min(on, x-k*period)
	}
	return (whole(x+wide/2) - whole(x-wide/2)) / wide
}

// inside is how much of a pixel of size wide around x lies below edge.
func inside(edge, x, wide float64) float32 {
	return float32(max(0, min(1, (edge-x)/wide+0.5)))
}

// spot is a point on the ground: in road coordinates and in the level frame.
type spot struct{ s, d, x, y float64 }

// shade colours the pixel that shows a spot. lens is the height of the lens, metres.
func (g *ground) shade(b *brush, i int, at spot, lens float64) {
	s, d, x := at.s, at.d, at.x
	st, t := g.locate(s)
	m, next := &g.marks[st], &g.marks[st+1]
	right, left := m.right+(next.right-m.right)*t, m.left+(next.left-m.left)*t
	median := m.median + (next.median-m.median)*t
	// What one pixel spans, across and along.
	fd := x / g.focal
	fs := min(60, max(0.01, x*x/(g.focal*lens)))

	coarse := g.grain.at(float32(s*0.55), float32(d*0.55))
	fine := float32(0)
	if fade := 1 - float32(fs)*1.1; fade > 0 {
		fine = g.grain.at(float32(s*9), float32(d*9)) * fade
	}
	cross, crossed := g.crossingAt(s)
	road := g.paved(m, right, left, median, d, fd)
	street := float32(0)
	if crossed && cross.street {
		u := s - cross.s - streetFrom
		street = min(inside(streetWide, u, fs), 1-inside(0, u, fs)) * inside(70, math.Abs(d), fd)
	}
	c := g.beside(m, right, left, median, d, fd, coarse, fine)
	if on := max(road, street); on > 0 {
		a := asphalt.times(1 + 0.16*coarse + 0.20*fine)
		// Tyres polish two tracks a lane.
		if d > right && d < left {
			lane := math.Abs(d) / m.width
			lane -= math.Floor(lane) + 0.5
			track := float32(math.Abs(math.Abs(lane)-0.23) * 6)
			a = a.times(1.05 - 0.13*max(0, 1-track))
		}
		a = a.times(1 - 0.45*g.light.wet)
		if p, yellow := g.painted(m, next, t, s, d, fd, fs, right, left, cross, crossed, street); p > 0 {
			paint := whitePaint
			if yellow {
				paint = yellowPaint
			}
			a = a.toward(paint.times(1-0.06*coarse-0.2*g.light.wet), p)
		}
		c = c.toward(a, on)
	}
	lit := g.light.flat
	if g.light.night > 0 {
		lamp := g.light.beam(x, at.y, 0)
		lit = lit.add(rgb{1, 0.97, 0.88}.times(lamp))
		if m.sec.walk {
			pool := g.light.pool(s)
			if a := math.Abs(d - (right+left)/2); a < 30 {
				lit = lit.add(streetLight.times(pool * float32(1-a/30)))
			}
		}
	}
	c = c.by(lit)
	if g.light.wet > 0 && road > 0 {
		mirror := g.light.wet * road * 0.5 * float32(x/(x+14)) * (1 + 0.35*coarse)
		c = c.toward(g.light.horizon.times(0.92), mirror)
	}
	c = c.toward(g.light.fog, g.light.hazeAt(x))
	px := b.light[3*i : 3*i+3 : 3*i+3]
	px[0], px[1], px[2] = c.r, c.g, c.b
}

// paved is how much of a pixel is asphalt: the lanes and the shoulders.
func (g *ground) paved(m *marking, right, left, median, d, fd float64) float32 {
	sh := m.sec.shoulder
	on := min(inside(left+sh, d, fd), 1-inside(right-sh, d, fd))
	if median > 1.6 {
		on = min(on, 1-min(inside(median-0.7, d, fd), 1-inside(0.7, d, fd)))
	}
	return on
}

// beside is the colour of what is not the road.
func (g *ground) beside(m *marking, right, left, median, d, fd float64, coarse, fine float32) rgb {
	sh := m.sec.shoulder
	off := max(d-left-sh, right-sh-d) // beyond the asphalt
	soil := grass
	switch m.sec.around {
	case "fields":
		if off > 14 {
			soil = field
		}
	case "forest":
		soil = woodland
	case "city":
		soil = concrete.times(0.7)
	}
	c := soil.times(1 + 0.35*coarse + 0.35*fine)
	if m.sec.walk {
		slab := concrete.times(1 + 0.10*coarse + 0.08*fine)
		walk := inside(walkWidth, off, fd)
		c = c.toward(slab, walk)
		return c.toward(kerbStone, inside(0.22, off, fd))
	}
	return c.toward(gravel.times(1+0.2*coarse+0.3*fine), inside(0.9, off, fd))
}

// painted is how much of a pixel is paint, and whether it is yellow.
func (g *ground) painted(m, next *marking, t, s, d, fd, fs, right, left float64, cross *crossing, crossed bool, street float32) (p float32, yellow bool) {
	if crossed {
		u := s - cross.s
		z := min(inside(zebraLength, u, fs), 1-inside(0, u, fs)) * min(inside(left-0.2, d, fd), 1-inside(right+0.2, d, fd))
		if z > 0 {
			p = z * float32(square(d, 0.5, 1.0, max(fd, 0.01)))
		}
		stop := min(inside(-stopLine, u, fs), 1-inside(-stopLine-0.4, u, fs)) * min(inside(-0.25, d, fd), 1-inside(right+0.15, d, fd))
		p = max(p, stop)
	}
	for i := range m.n {
		l := &m.lines[i]
		at := l.d
		if k := next.bySlot[l.slot]; k >= 0 {
			at += (next.lines[k].d - l.d) * t
		}
		off := math.Abs(d - at)
		if off > 0.4+fd {
			continue
		}
		var q float32
		if l.double {
			q = stripe(off-doubleApart, l.half, fd) + stripe(off+doubleApart, l.half, fd)
		} else {
			q = stripe(off, l.half, fd)
		}
		if q <= 0 {
			continue
		}
		if l.dashed {
			q *= float32(square(s, m.sec.dash, m.sec.dash+m.sec.gap, fs))
		}
		if q > p {
			p, yellow = q, l.yellow
		}
	}
	p *= 1 - street
	if w := float32(m.sec.worn); w > 0 && p > 0 {
		keep := 1 - 0.7*w
		if fs < 2.5 {
			bare := (g.grain.at(float32(s*5.3+31), float32(d*11)) + 1) / 2
			keep = min(1, max(0.06, (bare-w*0.9)*5+0.5))
		}
		p *= keep
	}
	return p, yellow
}

// stripe is how much of a pixel of size wide, off its middle, a stripe covers.
func stripe(off, half, wide float64) float32 {
	hi, lo := min(off+wide/2, half), max(off-wide/2, -half)
	return float32(max(0, hi-lo) / wide)
}

// crossingAt finds the crossing that reaches s.
func (g *ground) crossingAt(s float64) (*crossing, bool) {
	for i := range g.crossings {
		c := &g.crossings[i]
		if s > c.s-stopLine-30 && s < c.s+streetFrom+streetWide+30 {
			return c, true
		}
	}
	return nil, false
}
