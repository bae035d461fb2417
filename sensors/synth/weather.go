package synth

// weather paints what falls between the lens and the world.
func (st *studio) weather(b *brush, time float64) {
	l := &st.ground.light
	if l.rain <= 0.02 {
		return
	}
	// Streaks: each lives for one picture; near ones are long and few.
	n := int(l.rain * 420)
	seed := uint32(time*1000) * 2654435761
	scale := float32(b.h) / 360
	for k := range n {
		h := hash(seed + uint32(k)*7)
		x := float32(h&0xffff) / 65536 * float32(b.w)
		y := float32(h>>16) / 65536 * float32(b.h)
		g := hash(h + 17)
		near := float32(g&0xff) / 255
		long := (5 + 22*near*near) * scale
		slant := (0.06 + 0.10*float32(g>>8&0xff)/255) * long
		half := (0.35 + 0.45*near) * scale
		b.polygon([][2]float32{{x - half, y}, {x + half, y}, {x + half + slant, y + long}, {x - half + slant, y + long}},
			paint{l.fog.times(0.16 + 0.10*near), 0.14 + 0.08*near, 0})
	}
	// Drops on the glass stay for seconds.
	for k := range int(l.rain * 16) {
		h := hash(uint32(time/2.5) + uint32(k)*977)
		x := float32(h&0xffff) / 65536 * float32(b.w)
		y := float32(h>>16) / 65536 * float32(b.h)
		r := (2.5 + 4*float32(hash(h)&0xff)/255) * scale
		b.polygon(round(x, y, r), paint{l.fog.times(0.26), 0.30, 0})
		b.polygon(round(x, y-r*0.25, r*0.55), paint{l.horizon.times(0.22), 0.2, 0})
	}
}

func round(x, y, r float32) [][2]float32 {
	k := r * 0.70710678
	return [][2]float32{{x + r, y}, {x + k, y + k}, {x, y + r}, {x - k, y + k}, {x - r, y}, {x - k, y - k}, {x, y - r}, {x + k, y - k}}
}
