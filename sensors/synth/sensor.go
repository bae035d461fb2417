package synth

import "math"

// sensor turns light into the numbers of a picture.
type sensor struct {
	gain   float64
	ready  bool
	curve  [4097]uint8 // of the square root of light
	jitter []int8      // noise, in 1/4 of a step of the output
	fall   []float32   // what the lens lets through, by pixel
	cam    Camera
	seed   uint64
}

func newSensor(c Camera, seed uint64) sensor {
	s := sensor{cam: c, seed: seed, jitter: make([]int8, 1<<16)}
	for i := range s.curve {
		x := float64(i) / 1024 // square root of light, up to 4
		light := x * x
		// Linear in the dark, with a soft shoulder: the brightest parts keep some detail.
		v := 1.06 * (1 - math.Exp(-1.25*light)) / (1 - math.Exp(-1.25*2.2))
		s.curve[i] = uint8(math.Round(255 * min(1, math.Pow(v, 1/2.2))))
	}
	d := newDice(seed, 4)
	for i := range s.jitter {
		s.jitter[i] = int8(max(-127, min(127, math.Round(d.NormFloat64()*c.Noise*255*4))))
	}
	s.fall = make([]float32, c.Width*c.Height)
	for i := range s.fall {
		x := (float64(i%c.Width) - c.Cx) / float64(c.Width) * 2
		y := (float64(i/c.Width) - c.Cy) / float64(c.Width) * 2
		s.fall[i] = float32(1 - c.Vignette*(x*x+y*y)*0.7)
	}
	return s
}

// expose follows the brightness of the picture, as a camera does: not at once.
func (s *sensor) expose(light []float32, night float32, dt float64) {
	sum, n := 0.0, 0
	for i := 0; i+2 < len(light); i += 3 * 97 {
		sum += min(2, float64(0.3*light[i]+0.6*light[i+1]+0.1*light[i+2]))
		n++
	}
	mean := max(1e-4, sum/float64(n))
	target := mix(0.30, 0.085, float64(night)) // night is to look like night
	want := max(0.35, min(14, target/mean)) * math.Exp2(s.cam.Exposure)
	if !s.ready {
		s.gain, s.ready = want, true
		return
	}
	s.gain += (want - s.gain) * (1 - math.Exp(-dt/s.cam.Reaction))
}

// develop writes the canvas to img.
func (s *sensor) develop(st *studio, k *sky, img *Image, frame int, dt float64) {
	c := st.canvas
	s.expose(c.light, k.night, dt)
	sunX, sunY, glare := s.sun(st, k)
	gain := float32(s.gain)
	each(st.brushes, func(_ int, b *brush) {
		for y := range c.h {
			// Noise is drawn once and read from another place in each row.
			at := int(hash(uint32(frame)*7919+uint32(y)*104729+uint32(s.seed))>>16) + 3*b.x0
			for x := b.x0; x < b.x1; x++ {
				i := y*c.w + x
				l := c.light[3*i : 3*i+3 : 3*i+3]
				var add [3]float32
				if glare > 0 {
					dx, dy := float32(x)-sunX, float32(y)-sunY
					r2 := (dx*dx + dy*dy) / float32(c.w*c.w)
					g := glare * (0.35/(1+90*r2) + 0.9/(1+2600*r2) + 5/(1+60000*r2))
					add = [3]float32{g, g * 0.80, g * 0.52}
				}
				f := gain * s.fall[i]
				p := img.Pix[3*i : 3*i+3 : 3*i+3]
				for ch := range 3 {
					v := (l[ch] + add[ch]) * f
					k := int(sqrt32(max(0, v)) * 1024)
					j := int(s.jitter[at&0xffff])
					at++
					p[2-ch] = uint8(max(0, min(255, (int(s.curve[min(k, 4096)])*4+j+2)>>2)))
				}
			}
		}
	})
}

// sun is where the sun's glare starts, and how strong it is.
func (s *sensor) sun(st *studio, k *sky) (x, y, glare float32) {
	if k.glare <= 0 {
		return 0, 0, 0
	}
	px, py, ok := st.view.project(st.view.eye.add(k.toSun.times(1000)))
	if !ok {
		return 0, 0, 0
	}
	// Hidden by what is before it.
	hidden := float32(1)
	if xi, yi := int(px), int(py); xi >= 0 && yi >= 0 && xi < st.canvas.w && yi < st.canvas.h && !math.IsInf(float64(st.canvas.depth[yi*st.canvas.w+xi]), 1) {
		hidden = 0.25
	}
	return float32(px), float32(py), 0.55 * k.glare * hidden
}
