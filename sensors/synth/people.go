package synth

var clothes = []uint32{0x2a3550, 0x7b2230, 0x1f1f22, 0x5f6b3a, 0xb8893a, 0xd8d4c8, 0x3f6fa0, 0xa3423a, 0x4b4f57, 0x7a4f86, 0xc7602b, 0x2f7d6d}

// limb is an upright bar that narrows downward.
func limb(x, y, z0, z1, thick float64, color rgb, swings float64) part {
	h := thick / 2
	return part{
		faces: prism([][2]float64{{x - h*0.75, z0}, {x + h*0.75, z0}, {x + h, z1}, {x - h, z1}}, y-h, y+h, 0, 0, 1, color),
		x:     x, shell: color.times(0.7), swings: swings,
	}
}

func head(x, z float64, skin, hair rgb) part {
	return part{x: x, discs: []disc{
		{at: vec{x - 0.01, 0, z + 0.03}, radius: 0.125, color: hair},
		{at: vec{x + 0.02, 0, z - 0.01}, radius: 0.105, color: skin},
	}}
}

func newPerson(d dice) *mesh {
	h := d.spread(1.72, 0.09)
	skin, coat, legs := one(d, skinColors), srgb(one(d, clothes)), srgb(one(d, clothes)).times(0.6)
	hip, neck := 0.50*h, 0.83*h
	wide := 0.40 + 0.06*d.Float64()
	torso := prism([][2]float64{{-0.12, hip - 0.05}, {0.12, hip - 0.05}, {0.14, neck - 0.08}, {0.05, neck}, {-0.07, neck}, {-0.13, neck - 0.10}}, -wide/2, wide/2, hip, neck, 0.95, coat)
	m := &mesh{size: vec{0.95, wide + 0.2, h}, parts: []part{
		limb(0, 0.09, 0.03, hip, 0.16, legs, 0.5), limb(0, -0.09, 0.03, hip, 0.16, legs, -0.5),
		limb(0, wide/2+0.05, hip-0.02, neck-0.03, 0.10, coat.times(0.85), -0.4),
		{faces: torso, shell: coat.times(0.7), x: 0.001},
		limb(0.002, -wide/2-0.05, hip-0.02, neck-0.03, 0.10, coat.times(0.85), 0.4),
		head(0.003, h-0.115, skin, srgb(one(d, []uint32{0x1c140e, 0x4a3220, 0x8a6a3c, 0x777777, 0x101010}))),
	}}
	return m
}

func newBicycle(d dice) *mesh {
	frame := srgb(one(d, []uint32{0xb3261e, 0x2f5fa8, 0x1a1a1c, 0xe0e0dc, 0x2f8a55}))
	coat, legs := srgb(one(d, clothes)), srgb(one(d, clothes)).times(0.6)
	tyre := rgb{0.02, 0.02, 0.022}
	bike := part{x: 0, faces: []face{
		ring(-0.52, 0.34, 0.05, tyre), ring(0.52, 0.34, 0.05, tyre),
		tube(-0.52, 0.34, -0.05, 0.30, 0, 0.04, frame), tube(-0.05, 0.30, -0.2, 0.88, 0, 0.04, frame), tube(-0.18, 0.80, 0.38, 0.82, 0, 0.04, frame),
		tube(-0.05, 0.30, 0.38, 0.78, 0, 0.04, frame), tube(0.52, 0.34, 0.36, 0.98, 0, 0.04, frame), tube(-0.52, 0.34, -0.18, 0.80, 0, 0.035, frame),
	}}
	// Seen from behind a wheel is a narrow upright bar.
	bike.faces = append(bike.faces, panel(-0.86, -0.025, 0.025, 0.05, 0.64, -1, tyre), panel(0.86, -0.025, 0.025, 0.05, 0.64, 1, tyre))
	lean := 0.28
	torso := prism([][2]float64{{-0.32, 0.90}, {-0.08, 0.90}, {lean + 0.02, 1.42}, {lean - 0.10, 1.50}, {lean - 0.24, 1.45}}, -0.20, 0.20, 0.9, 1.5, 0.95, coat)
	helmet := srgb(one(d, []uint32{0xe8e8e8, 0x1a1a1c, 0xc0392b, 0x2f5fa8}))
	lamp := panel(-0.40, -0.05, 0.05, 0.72, 0.80, -1, tailLamp)
	lamp.glow = 0.8
	m := &mesh{size: vec{1.75, 0.46, 1.79}, parts: []part{
		bike,
		limb(-0.10, 0.11, 0.30, 0.95, 0.15, legs, 0.35), limb(-0.10, -0.11, 0.34, 0.95, 0.15, legs, -0.35),
		{faces: torso, shell: coat.times(0.7), x: 0.01},
		{x: 0.02, faces: []face{tube(0.10, 1.38, 0.40, 1.00, 0.20, 0.09, coat.times(0.85)), tube(0.10, 1.38, 0.40, 1.00, -0.20, 0.09, coat.times(0.85)), lamp}},
		head(0.27, 1.63, one(d, skinColors), helmet),
	}}
	return m
}

func newMotorcycle(d dice) *mesh {
	paint := srgb(one(d, []uint32{0xb3261e, 0x2f5fa8, 0x1a1a1c, 0xd8d8d4, 0x2f8a55, 0xd07a1f}))
	coat := srgb(one(d, []uint32{0x1c1c1f, 0x2b2d31, 0x4a1d1d, 0x23314f, 0x55585d}))
	body := prism([][2]float64{{-0.70, 0.62}, {-0.45, 0.40}, {0.45, 0.36}, {0.70, 0.62}, {0.55, 1.0}, {0.2, 0.98}, {-0.35, 0.82}, {-0.72, 0.86}}, -0.17, 0.17, 0, 0, 1, paint)
	tail := panel(-0.725, -0.13, 0.13, 0.72, 0.84, -1, tailLamp)
	tail.glow, tail.brakes = 0.9, true
	front := panel(0.70, -0.12, 0.12, 0.68, 0.90, 1, headLamp)
	front.glow = 5
	body = append(body, tail, front, panel(-0.726, -0.10, 0.10, 0.56, 0.68, -1, plate))
	torso := prism([][2]float64{{-0.36, 0.84}, {-0.02, 0.84}, {0.20, 1.36}, {0.08, 1.46}, {-0.12, 1.42}}, -0.25, 0.25, 0.84, 1.46, 0.92, coat)
	helmet := srgb(one(d, []uint32{0xe8e8e8, 0x141416, 0xc0392b, 0x2f5fa8, 0xd0a020}))
	bar := rgb{0.03, 0.03, 0.03}
	m := &mesh{size: vec{2.1, 0.75, 1.72}, parts: []part{
		{faces: prism(octagon(-0.72, 0.32), -0.08, 0.08, 0, 0, 1, bar), x: -0.72, shell: bar},
		{faces: prism(octagon(0.72, 0.32), -0.06, 0.06, 0, 0, 1, bar), x: 0.72, shell: bar},
		{faces: body, shell: paint.times(0.3), x: 0},
		limb(0.05, 0.26, 0.38, 0.88, 0.17, coat.times(0.8), 0), limb(0.05, -0.26, 0.38, 0.88, 0.17, coat.times(0.8), 0),
		{faces: torso, shell: coat.times(0.6), x: -0.01},
		{x: 0.06, faces: []face{tube(0.10, 1.32, 0.46, 1.06, 0.27, 0.11, coat.times(0.85)), tube(0.10, 1.32, 0.46, 1.06, -0.27, 0.11, coat.times(0.85))}},
		{x: 0.07, discs: []disc{{at: vec{0.10, 0, 1.58}, radius: 0.15, color: helmet}, {at: vec{0.19, 0, 1.57}, radius: 0.085, color: glass}}},
	}}
	return m
}

func octagon(x, r float64) [][2]float64 {
	k := 0.7071067811865476 * r
	return [][2]float64{{x + r, r}, {x + k, r + k}, {x, 2 * r}, {x - k, r + k}, {x - r, r}, {x - k, r - k}, {x, 0}, {x + k, r - k}}
}
