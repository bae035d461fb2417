package synth

import "math"

var (
	steel   = rgb{0.30, 0.31, 0.32}
	bark    = rgb{0.085, 0.060, 0.040}
	foliage = []rgb{{0.050, 0.105, 0.025}, {0.065, 0.120, 0.030}, {0.085, 0.130, 0.035}, {0.040, 0.080, 0.030}, {0.110, 0.120, 0.030}}
)

func newCone() *mesh {
	orange, white := srgb(0xf0590f), rgb{0.75, 0.75, 0.75}
	return &mesh{size: vec{0.40, 0.40, 0.75}, parts: []part{{posts: []post{
		{at: vec{0, 0, 0}, r0: 0.20, r1: 0.20, h: 0.05, color: trim},
		{at: vec{0, 0, 0.05}, r0: 0.15, r1: 0.11, h: 0.25, color: orange},
		{at: vec{0, 0, 0.30}, r0: 0.11, r1: 0.083, h: 0.16, color: white},
		{at: vec{0, 0, 0.46}, r0: 0.083, r1: 0.035, h: 0.29, color: orange},
	}}}}
}

// newSignal is the head of a traffic light, which faces back along the road.
func newSignal() *mesh {
	const w, dp, h = 0.50, 0.28, 1.15
	black := rgb{0.012, 0.013, 0.012}
	faces := box(-dp/2, dp/2, -w/2+0.05, w/2-0.05, 0.05, h-0.05, black)
	faces = append(faces, panel(-dp/2-0.01, -w/2, w/2, 0, h, -1, black))
	for i, color := range []rgb{srgb(0xff2a1a), srgb(0xffb000), srgb(0x20e060)} {
		z := h - 0.24 - 0.335*float64(i)
		pts := make([]vec, 12)
		for k := range pts {
			sin, cos := math.Sincos(-2 * math.Pi * float64(k) / 12)
			pts[k] = vec{-dp/2 - 0.02, 0.135 * cos, z + 0.135*sin}
		}
		faces = append(faces, face{pts: pts, color: color, lamp: int8(i + 1)})
	}
	return &mesh{size: vec{dp, w, h}, parts: []part{{faces: faces, shell: black}}}
}

// signalPole carries heads: at the roadside, or on an arm that reaches over the road.
func signalPole(height, arm float64) *mesh {
	m := &mesh{size: vec{0.3, 0.3, height}, parts: []part{{posts: []post{{r0: 0.09, r1: 0.07, h: height, color: steel.times(0.5)}}}}}
	if arm > 0 {
		m.parts = append(m.parts, part{faces: []face{{both: true, color: steel.times(0.5), pts: []vec{{0, 0, height - 0.14}, {0, arm, height - 0.08}, {0, arm, height + 0.04}, {0, 0, height}}}}})
	}
	return m
}

func newTree(d dice) *mesh {
	h := 5 + 7*d.Float64()
	leaf := one(d, foliage)
	m := &mesh{size: vec{h * 0.5, h * 0.5, h}}
	trunk := part{posts: []post{{r0: 0.05 + 0.018*h, r1: 0.04 + 0.009*h, h: h * 0.5, color: bark}}}
	m.parts = append(m.parts, trunk)
	if d.chance(0.3) { // a conifer
		crown := part{x: 0.01}
		for k := range 4 {
			z := h * (0.14 + 0.20*float64(k))
			crown.posts = append(crown.posts, post{at: vec{0, 0, z}, r0: h * 0.19 * (1 - 0.2*float64(k)), r1: 0.03, h: h * 0.32, color: leaf.times(0.6 + 0.12*float32(k))})
		}
		m.parts = append(m.parts, crown)
		return m
	}
	crown := part{x: 0.01}
	r := h * (0.17 + 0.06*d.Float64())
	for k := range 6 {
		up := float64(k) / 5
		crown.discs = append(crown.discs, disc{
			at:     vec{0.4 * r * (2*d.Float64() - 1), 0.9 * r * (2*d.Float64() - 1), h*0.52 + up*(h*0.40)},
			radius: r * (1.05 - 0.35*up), color: leaf.times(0.65 + 0.5*float32(up)), rough: 0.22, seed: d.Uint32(),
		})
	}
	m.parts = append(m.parts, crown)
	return m
}

func newBush(d dice) *mesh {
	r := 0.5 + 0.7*d.Float64()
	leaf := one(d, foliage)
	p := part{}
	for k := range 3 {
		p.discs = append(p.discs, disc{at: vec{0, (float64(k) - 1) * r * 0.7, r * (0.55 + 0.25*d.Float64())}, radius: r * (0.7 + 0.2*d.Float64()), color: leaf.times(0.7 + 0.3*d.Float32()), rough: 0.25, seed: d.Uint32()})
	}
	return &mesh{size: vec{2 * r, 2.4 * r, 1.6 * r}, parts: []part{p}}
}

func newHouse(d dice, tall bool) *mesh {
	l, w, h := 9+8*d.Float64(), 8+5*d.Float64(), 5.5+2.5*d.Float64()
	floors := 2
	if tall {
		floors = 3 + d.IntN(5)
		h, l, w = 3.3*float64(floors)+1, 12+12*d.Float64(), 10+6*d.Float64()
	}
	wall := srgb(one(d, []uint32{0xcfc6b4, 0xb9a58a, 0xa8684e, 0x9a9a98, 0xd8d3c8, 0x8c6f5c, 0xbcbfc2, 0xc49a6c})).times(0.8)
	faces := box(-l/2, l/2, -w/2, w/2, 0, h, wall)
	// Windows floor by floor on the walls that can be seen from the road.
	for f := range floors {
		z := 1.0 + (h-1.2)/float64(floors)*float64(f)
		top := z + 1.5
		pane := glass.times(1.2 + 1.2*d.Float32())
		for x := -l/2 + 1.2; x < l/2-2; x += 2.9 {
			for _, dir := range []int{-1, 1} {
				p := flank(float64(dir)*(w/2+0.01), x, x+1.5, z, top, dir, pane)
				if d.chance(0.35) {
					p.glow = 0.5
				}
				faces = append(faces, p)
			}
		}
		for y := -w/2 + 1.2; y < w/2-2; y += 2.9 {
			p := panel(-l/2-0.01, y, y+1.5, z, top, -1, pane)
			if d.chance(0.35) {
				p.glow = 0.5
			}
			faces = append(faces, p)
		}
	}
	m := &mesh{size: vec{l, w, h}, parts: []part{{faces: faces, shell: wall.times(0.5)}}}
	if !tall {
		roof := srgb(one(d, []uint32{0x7a3b2a, 0x4f4a48, 0x8c4a35, 0x5d6670}))
		e := 0.5
		gable := []face{
			{pts: []vec{{-l/2 - e, -w/2 - e, h - 0.2}, {l/2 + e, -w/2 - e, h - 0.2}, {l/2 + e, 0, h + 2.6}, {-l/2 - e, 0, h + 2.6}}, color: roof},
			{pts: []vec{{l/2 + e, w/2 + e, h - 0.2}, {-l/2 - e, w/2 + e, h - 0.2}, {-l/2 - e, 0, h + 2.6}, {l/2 + e, 0, h + 2.6}}, color: roof.times(0.8)},
			{pts: []vec{{-l / 2, w / 2, h}, {-l / 2, -w / 2, h}, {-l / 2, 0, h + 2.5}}, color: wall},
		}
		m.parts = append(m.parts, part{faces: gable, x: 0.01, shell: roof.times(0.6)})
		m.size.z = h + 2.6
	}
	return m
}

// lampEvery is how far apart street lamps stand, metres.
const lampEvery = 34.0

func newLampPost(reach float64) *mesh {
	const h = 7.5
	return &mesh{size: vec{0.2, 0.2, h}, parts: []part{
		{posts: []post{{r0: 0.09, r1: 0.05, h: h, color: steel.times(0.6)}}},
		{x: 0.01, faces: []face{
			{both: true, color: steel.times(0.6), pts: []vec{{0, 0, h - 0.05}, {0, reach, h + 0.22}, {0, reach, h + 0.30}, {0, 0, h + 0.05}}},
			{both: true, color: rgb{0.8, 0.7, 0.5}, glow: 3, pts: []vec{{0, reach - 0.45, h + 0.16}, {0, reach + 0.15, h + 0.16}, {0, reach + 0.15, h + 0.30}, {0, reach - 0.45, h + 0.30}}},
		}},
	}}
}

// newSign faces back along the road: round, square, or a gantry's panel beside it.
func newSign(d dice) *mesh {
	pole := part{posts: []post{{r0: 0.035, r1: 0.035, h: 2.1, color: steel}}}
	circle := func(r float64, x float64, color rgb) face {
		pts := make([]vec, 14)
		for k := range pts {
			sin, cos := math.Sincos(-2 * math.Pi * float64(k) / 14)
			pts[k] = vec{x, r * cos, 2.35 + r*sin}
		}
		return face{pts: pts, color: color, both: true}
	}
	var faces []face
	switch d.IntN(3) {
	case 0:
		faces = []face{circle(0.34, -0.04, srgb(0xc21f1f)), circle(0.25, -0.05, rgb{0.8, 0.8, 0.78}), panel(-0.06, -0.12, 0.12, 2.28, 2.42, -1, trim)}
	case 1:
		faces = []face{panel(-0.04, -0.32, 0.32, 2.05, 2.70, -1, srgb(0x1c4f9c)), panel(-0.05, -0.16, 0.16, 2.2, 2.52, -1, rgb{0.75, 0.75, 0.75})}
	default:
		faces = []face{panel(-0.04, -1.1, 1.1, 1.9, 3.1, -1, srgb(0x1d6b42)), panel(-0.05, -0.8, 0.6, 2.65, 2.80, -1, rgb{0.75, 0.75, 0.75}), panel(-0.05, -0.8, 0.2, 2.25, 2.40, -1, rgb{0.75, 0.75, 0.75})}
	}
	return &mesh{size: vec{0.1, 0.7, 2.7}, parts: []part{pole, {faces: faces, x: -0.01}}}
}

// newRail is a stretch of guard rail along the road.
func newRail(length float64) *mesh {
	zinc := rgb{0.40, 0.41, 0.42}
	p := part{faces: []face{
		{both: true, color: zinc, pts: []vec{{-length / 2, 0, 0.45}, {length / 2, 0, 0.45}, {length / 2, 0, 0.78}, {-length / 2, 0, 0.78}}},
		{both: true, color: zinc.times(0.55), pts: []vec{{-length / 2, 0, 0.59}, {length / 2, 0, 0.59}, {length / 2, 0, 0.65}, {-length / 2, 0, 0.65}}},
	}}
	for _, x := range []float64{-length / 4, length / 4} {
		p.posts = append(p.posts, post{at: vec{x, 0.06, 0}, r0: 0.05, r1: 0.05, h: 0.7, color: zinc.times(0.5)})
	}
	return &mesh{size: vec{length, 0.1, 0.8}, parts: []part{p}}
}
