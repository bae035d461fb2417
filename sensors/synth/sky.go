package synth

import "math"

// rgb is linear light or reflectance.
type rgb struct{ r, g, b float32 }

func (a rgb) times(k float32) rgb { return rgb{a.r * k, a.g * k, a.b * k} }
func (a rgb) add(b rgb) rgb       { return rgb{a.r + b.r, a.g + b.g, a.b + b.b} }
func (a rgb) by(b rgb) rgb        { return rgb{a.r * b.r, a.g * b.g, a.b * b.b} }
func (a rgb) toward(b rgb, t float32) rgb {
	return rgb{a.r + (b.r-a.r)*t, a.g + (b.g-a.g)*t, a.b + (b.b-a.b)*t}
}

// srgb is a colour as people write it, 0xRRGGBB, in linear light.
func srgb(hex uint32) rgb {
	lin := func(v uint32) float32 { return float32(math.Pow(float64(v&255)/255, 2.2)) }
	return rgb{lin(hex >> 16), lin(hex >> 8), lin(hex)}
}

// sky is the light and the air of a place.
type sky struct {
	toSun   vec // unit vector
	sun     rgb // light on a surface that faces the sun
	ambient rgb // light from everywhere
	zenith  rgb
	horizon rgb
	cloud   float32 // cover, 0 to 1
	air     float64 // extinction, 1/m
	fog     rgb     // what far things fade to
	wet     float32 // of the road, 0 to 1
	rain    float32 // falling, 0 to 1
	night   float32 // 0 day, 1 night: lamps are lit
	glare   float32 // of the sun in the lens, 0 to 1
}

// newSky draws the weather of a section that the road enters heading yaw.
func newSky(sec *section, yaw float64, d dice) sky {
	elevation, azimuth := 0.5+0.6*d.Float64(), 2*math.Pi*d.Float64()
	k := sky{
		sun: rgb{1.05, 0.98, 0.86}, ambient: rgb{0.34, 0.40, 0.50},
		zenith: rgb{0.20, 0.38, 0.78}, horizon: rgb{0.62, 0.74, 0.88},
		cloud: 0.15 + 0.35*d.Float32(), air: 3.0 / (1500 + 2500*d.Float64()),
	}
	k.fog = k.horizon
	visibility := 0.0
	switch sec.weather {
	case "overcast":
		grey := 0.52 + 0.12*d.Float32()
		k.sun, k.ambient = rgb{0.10, 0.10, 0.10}, rgb{0.62, 0.65, 0.70}
		k.zenith, k.horizon, k.fog = rgb{grey, grey * 1.03, grey * 1.08}, rgb{0.72, 0.75, 0.79}, rgb{0.70, 0.73, 0.77}
		k.cloud, visibility = 1, 700+900*d.Float64()
	case "rain":
		k.rain = 0.25 + 0.35*d.Float32()
		k.sun, k.ambient = rgb{0.02, 0.02, 0.02}, rgb{0.47, 0.50, 0.55}
		k.zenith, k.horizon, k.fog = rgb{0.36, 0.39, 0.44}, rgb{0.50, 0.53, 0.57}, rgb{0.50, 0.53, 0.57}
		k.cloud, visibility = 1, 250+250*d.Float64()
	case "fog":
		k.sun, k.ambient = rgb{0.03, 0.03, 0.03}, rgb{0.60, 0.62, 0.65}
		k.zenith, k.horizon, k.fog = rgb{0.66, 0.69, 0.72}, rgb{0.67, 0.69, 0.72}, rgb{0.67, 0.69, 0.72}
		k.cloud, visibility = 1, 60+80*d.Float64()
	case "low_sun":
		elevation, azimuth = 0.07+0.10*d.Float64(), yaw+0.5*(d.Float64()-0.5)
		k.sun, k.ambient = rgb{1.5, 1.02, 0.55}, rgb{0.30, 0.30, 0.36}
		k.zenith, k.horizon, k.fog = rgb{0.24, 0.36, 0.62}, rgb{1.10, 0.78, 0.48}, rgb{0.95, 0.72, 0.48}
		k.cloud, k.glare, visibility = 0.25*d.Float32(), 0.7+0.3*d.Float32(), 900+800*d.Float64()
	case "night":
		elevation = 0.6
		k.sun, k.ambient = rgb{0.006, 0.007, 0.010}, rgb{0.010, 0.012, 0.018}
		k.zenith, k.horizon, k.fog = rgb{0.004, 0.006, 0.014}, rgb{0.020, 0.022, 0.034}, rgb{0.014, 0.016, 0.022}
		k.cloud, k.night, visibility = 0.3, 1, 700+600*d.Float64()
	}
	if sec.Visibility[1] > 0 {
		visibility = d.in(sec.Visibility)
	}
	if visibility > 0 {
		k.air = 3.0 / visibility // 5 % of the contrast is left there (Koschmieder)
	}
	if sec.RainRate[1] > 0 {
		k.rain = float32(d.in(sec.RainRate))
	}
	k.wet = float32(smooth64(float64(k.rain) * 4))
	sinE, cosE := math.Sincos(elevation)
	sinA, cosA := math.Sincos(azimuth)
	k.toSun = vec{cosE * cosA, cosE * sinA, sinE}
	return k
}

// toward mixes two skies.
func (a sky) toward(b sky, t float64) sky {
	f := float32(t)
	lerp := func(x, y float32) float32 { return x + (y-x)*f }
	s := a.toSun.add(b.toSun.sub(a.toSun).times(t))
	if n := s.norm(); n > 1e-6 {
		a.toSun = s.times(1 / n)
	}
	a.sun, a.ambient = a.sun.toward(b.sun, f), a.ambient.toward(b.ambient, f)
	a.zenith, a.horizon, a.fog = a.zenith.toward(b.zenith, f), a.horizon.toward(b.horizon, f), a.fog.toward(b.fog, f)
	a.cloud, a.wet, a.rain, a.night, a.glare = lerp(a.cloud, b.cloud), lerp(a.wet, b.wet), lerp(a.rain, b.rain), lerp(a.night, b.night), lerp(a.glare, b.glare)
	a.air = mix(a.air, b.air, t)
	return a
}

// skyAt mixes the skies around s: over a hundred metres from one section to the next.
func (r *road) skyAt(s float64) sky {
	const blend = 100.0
	for i, sec := range r.sections {
		if s > sec.s1 && i+1 < len(r.sections) {
			continue
		}
		k := sec.sky
		if i+1 < len(r.sections) && s > sec.s1-blend {
			k = k.toward(r.sections[i+1].sky, smooth64((s-sec.s1+blend)/blend))
		}
		return k
	}
	return r.sections[0].sky
}
