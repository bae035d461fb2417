package synth

var (
	glass      = rgb{0.035, 0.045, 0.055}
	trim       = rgb{0.030, 0.030, 0.032}
	tailLamp   = srgb(0xb01010)
	headLamp   = rgb{0.85, 0.85, 0.80}
	plate      = rgb{0.70, 0.70, 0.62}
	skinColors = []rgb{srgb(0xe0ac85), srgb(0xc68a5e), srgb(0x8d5a3a), srgb(0x5a3825), srgb(0xf0c8a8)}
)

// carColors are roughly what is sold.
var carColors = []uint32{0xe8e8e6, 0xd8d9da, 0xa9adb2, 0x6d7278, 0x2b2d31, 0x16171a, 0x8f1d1d, 0xb3261e, 0x1f3f77, 0x2f5fa8, 0x27513c, 0x6b5a3e, 0xc9b48a, 0xd07a1f}

// carBody are the proportions of a kind of car, as shares of its length and height.
type carBody struct {
	length, width, height        [2]float64
	belt                         float64 // height of the lower body
	noseZ                        float64 // height of the bonnet's front
	glass0, roof0, roof1, glass1 float64 // from the front: foot of the windscreen, roof, foot of the rear window
}

var carBodies = []carBody{
	{[2]float64{4.4, 4.9}, [2]float64{1.78, 1.88}, [2]float64{1.42, 1.50}, 0.62, 0.52, 0.27, 0.42, 0.72, 0.86}, // saloon
	{[2]float64{3.8, 4.3}, [2]float64{1.70, 1.80}, [2]float64{1.46, 1.56}, 0.61, 0.53, 0.22, 0.36, 0.86, 0.97}, // hatchback
	{[2]float64{4.4, 4.8}, [2]float64{1.82, 1.95}, [2]float64{1.62, 1.78}, 0.60, 0.56, 0.24, 0.37, 0.92, 0.99}, // sport utility
	{[2]float64{4.5, 4.9}, [2]float64{1.80, 1.88}, [2]float64{1.44, 1.52}, 0.62, 0.53, 0.26, 0.40, 0.90, 0.985},
	{[2]float64{4.8, 5.4}, [2]float64{1.90, 2.02}, [2]float64{1.90, 2.10}, 0.55, 0.50, 0.12, 0.24, 0.96, 0.995}, // van
}

func newCar(d dice) *mesh {
	b := one(d, carBodies)
	l, w, h := d.in(b.length), d.in(b.width), d.in(b.height)
	color := srgb(one(d, carColors))
	belt, nose := b.belt*h, b.noseZ*h
	front := func(share float64) float64 { return l/2 - share*l }

	body := prism([][2]float64{
		{-l / 2, 0.42}, {-l/2 + 0.10, 0.22}, {l/2 - 0.12, 0.22}, {l / 2, 0.40}, {l / 2, nose * 0.86},
		{l/2 - 0.12, nose}, {front(b.glass0), belt}, {-l/2 + 0.10, belt}, {-l / 2, belt * 0.9},
	}, -w/2, w/2, belt*0.8, belt, 0.94, color)
	rear, ahead := -l/2-0.004, l/2+0.004
	body = append(body,
		panel(rear, -w/2+0.02, w/2-0.02, 0.30, 0.48, -1, trim),
		panel(ahead, -w/2+0.02, w/2-0.02, 0.28, 0.44, 1, trim),
		panel(rear, -0.26, 0.26, 0.52, 0.63, -1, plate),
		panel(ahead, -0.26, 0.26, 0.34, 0.44, 1, plate),
		panel(ahead, -w*0.22, w*0.22, nose*0.62, nose*0.80, 1, trim),
	)
	for _, y := range []float64{-1, 1} {
		tail := panel(rear, min(y*(w/2-0.03), y*(w/2-0.36)), max(y*(w/2-0.03), y*(w/2-0.36)), belt*0.66, belt*0.86, -1, tailLamp)
		tail.glow, tail.brakes = 0.9, true
		head := panel(ahead, min(y*(w/2-0.03), y*(w/2-0.40)), max(y*(w/2-0.03), y*(w/2-0.40)), nose*0.64, nose*0.84, 1, headLamp)
		head.glow = 5
		body = append(body, tail, head)
	}
	// Doors: a seam and handles on either side.
	for _, dir := range []int{-1, 1} {
		y := float64(dir) * (w/2 + 0.003)
		body = append(body,
			flank(y, front(0.58), front(0.575), 0.35, belt*0.78, dir, color.times(0.45)),
			flank(y, -l/2+0.1, l/2-0.15, 0.22, 0.30, dir, trim))
	}

	cabin := prism([][2]float64{
		{front(b.glass0), belt}, {front(b.roof0), h}, {front(b.roof1), h}, {front(b.glass1), belt},
	}, -w/2+0.03, w/2-0.03, belt, h, 0.80, color)
	// Sides, windscreen, roof, rear window: each wall has its pane.
	for i := range 6 {
		f := cabin[i]
		n := normal(f.pts)
		switch {
		case n.z > 0.95 || n.z < -0.5:
			continue
		case n.y > 0.5 || n.y < -0.5:
			cabin = append(cabin, sidePanes(f)...)
		default:
			cabin = append(cabin, lift(inset(canonical(f), 0.07, 0.08, glass), 0.006))
		}
	}
	m := &mesh{size: vec{l, w, h}}
	wx, r := 0.305*l, 0.31+0.03*(h-1.4)
	m.parts = append([]part{
		{faces: body, shell: color.times(0.3)},
		{faces: cabin, shell: color.times(0.3)},
	}, wheels(w, r, 0.22, wx, -wx)...)
	return m
}

// canonical turns a quadrilateral so that it begins at its lower edge.
func canonical(f face) face {
	best, at := 1e9, 0
	for i, p := range f.pts {
		q := f.pts[(i+1)%len(f.pts)]
		if z := p.z + q.z; z < best {
			best, at = z, i
		}
	}
	pts := append(append([]vec(nil), f.pts[at:]...), f.pts[:at]...)
	f.pts = pts
	return f
}

// lift moves a face outward, so that it lies on and not in the wall.
func lift(f face, by float64) face {
	n := normal(f.pts).times(by)
	for i, p := range f.pts {
		f.pts[i] = p.add(n)
	}
	return f
}

// sidePanes are the side windows in a cabin's wall.
func sidePanes(wall face) []face {
	wall = canonical(wall)
	lower := wall.pts[1].sub(wall.pts[0])
	upper := wall.pts[2].sub(wall.pts[3])
	at := func(u, v float64) vec {
		lo := wall.pts[0].add(lower.times(u))
		hi := wall.pts[3].add(upper.times(u))
		return lo.add(hi.sub(lo).times(v))
	}
	pane := func(u0, u1 float64) face {
		return lift(face{pts: []vec{at(u0, 0.10), at(u1, 0.10), at(u1, 0.86), at(u0, 0.86)}, color: glass}, 0.006)
	}
	return []face{pane(0.06, 0.48), pane(0.53, 0.94)}
}

func newTruck(d dice) *mesh {
	l, w, h := 7.5+5*d.Float64(), 2.45, 3.3+0.6*d.Float64()
	cabColor := srgb(one(d, []uint32{0xe4e4e2, 0xa81f1f, 0x1f4f93, 0x2f6b45, 0xd2a51e, 0x3a3d42}))
	load := srgb(one(d, []uint32{0xe6e6e2, 0xdadad4, 0xc3c7cb, 0x2e5a9e, 0xa33327, 0x4d7a57, 0xcf9b2a}))
	cabL, cabH := 2.1, min(h-0.15, 2.7+0.5*d.Float64())
	x0, x1 := -l/2, l/2-cabL-0.35
	rear := x0 - 0.005
	cargo := box(x0, x1, -w/2, w/2, 1.0, h, load)
	cargo = append(cargo,
		panel(rear, -0.02, 0.02, 1.05, h-0.05, -1, load.times(0.35)),
		panel(rear, -w/2+0.05, -w/2+0.10, 1.05, h-0.05, -1, load.times(0.5)),
		panel(rear, w/2-0.10, w/2-0.05, 1.05, h-0.05, -1, load.times(0.5)),
	)
	if d.chance(0.5) {
		band := srgb(one(d, []uint32{0xc0392b, 0x2c5aa0, 0x2e7d4f, 0xe0a526}))
		for _, dir := range []int{-1, 1} {
			cargo = append(cargo, flank(float64(dir)*(w/2+0.004), x0+0.3, x1-0.3, 1.0+0.35*(h-1), 1.0+0.6*(h-1), dir, band))
		}
	}
	chassis := box(x0, l/2-cabL, -w/2+0.15, w/2-0.15, 0.5, 1.0, trim)
	chassis = append(chassis, panel(rear, -w/2+0.05, w/2-0.05, 0.55, 0.85, -1, trim.times(1.6)))
	for _, y := range []float64{-w/2 + 0.08, w/2 - 0.48} {
		tail := panel(rear-0.003, y, y+0.40, 0.60, 0.80, -1, tailLamp)
		tail.glow, tail.brakes = 0.9, true
		chassis = append(chassis, tail)
	}
	front := l / 2
	cab := prism([][2]float64{{front - cabL, 0.55}, {front, 0.45}, {front, 1.5}, {front - 0.25, cabH}, {front - cabL, cabH}}, -w/2+0.05, w/2-0.05, 0, 0, 1, cabColor)
	cab = append(cab,
		face{pts: []vec{{front + 0.004, -w/2 + 0.15, 1.52}, {front + 0.004, w/2 - 0.15, 1.52}, {front - 0.20, w/2 - 0.2, cabH - 0.15}, {front - 0.20, -w/2 + 0.2, cabH - 0.15}}, color: glass},
		panel(front+0.004, -w/2+0.1, w/2-0.1, 0.5, 0.85, 1, trim),
	)
	for _, dir := range []int{-1, 1} {
		cab = append(cab, flank(float64(dir)*(w/2-0.045), front-1.2, front-0.3, 1.5, cabH-0.3, dir, glass))
		y := float64(dir) * (w/2 - 0.35)
		head := panel(front+0.006, y-0.2, y+0.2, 0.62, 0.84, 1, headLamp)
		head.glow = 5
		cab = append(cab, head)
	}
	m := &mesh{size: vec{l, w, h}, parts: []part{
		{faces: chassis, x: (x0 + x1) / 2, shell: trim}, {faces: cargo, x: (x0+x1)/2 + 0.01, shell: load.times(0.3)},
		{faces: cab, x: front - cabL/2, shell: cabColor.times(0.3)},
	}}
	m.parts = append(m.parts, wheels(w, 0.5, 0.3, front-1.0, x0+1.2, x0+2.3)...)
	return m
}

func newBus(d dice) *mesh {
	l, w, h := 10.5+2*d.Float64(), 2.55, 3.0+0.25*d.Float64()
	color := srgb(one(d, []uint32{0xd9b21f, 0xb8322a, 0x2c66b0, 0xe9e9e6, 0x3d8a55}))
	body := prism([][2]float64{{-l / 2, 0.35}, {l / 2, 0.35}, {l / 2, 1.3}, {l/2 - 0.12, h}, {-l / 2, h}}, -w/2, w/2, 0, 0, 1, color)
	rear, front := -l/2-0.005, l/2+0.005
	body = append(body,
		panel(rear, -w/2+0.15, w/2-0.15, 1.55, h-0.45, -1, glass),
		panel(rear, -w/2+0.5, w/2-0.5, 0.75, 1.25, -1, color.times(0.5)),
		panel(front, -0.6, 0.6, 0.4, 0.6, 1, trim),
		face{pts: []vec{{front, -w/2 + 0.1, 1.1}, {front, w/2 - 0.1, 1.1}, {front - 0.11, w/2 - 0.1, h - 0.45}, {front - 0.11, -w/2 + 0.1, h - 0.45}}, color: glass},
		panel(front-0.10, -0.8, 0.8, h-0.38, h-0.12, 1, rgb{0.75, 0.45, 0.05}),
	)
	for _, dir := range []int{-1, 1} {
		y := float64(dir) * (w/2 + 0.004)
		n := int((l - 1) / 1.5)
		for k := range n {
			x := -l/2 + 0.5 + float64(k)*1.5
			body = append(body, flank(y, x, x+1.36, 1.35, h-0.5, dir, glass))
		}
		body = append(body, flank(y, -l/2, l/2, 0.85, 1.0, dir, color.times(0.4)))
		ty := float64(dir) * (w/2 - 0.25)
		tail := panel(rear-0.003, ty-0.18, ty+0.18, 0.8, 1.2, -1, tailLamp)
		tail.glow, tail.brakes = 0.9, true
		head := panel(front+0.003, ty-0.2, ty+0.2, 0.6, 0.82, 1, headLamp)
		head.glow = 5
		body = append(body, tail, head)
	}
	m := &mesh{size: vec{l, w, h}, parts: []part{{faces: body, shell: color.times(0.3)}}}
	m.parts = append(m.parts, wheels(w, 0.48, 0.3, l/2-2.4, -l/2+2.8)...)
	return m
}
