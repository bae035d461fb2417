package synth

import "math"

// Tables take the place of functions that are asked for at each pixel. From one
// entry to the next the light changes by at most 3.5 %.
const (
	tableSize = 256 // a power of two
	bellEnd   = 9.0 // three widths of a lamp's lobe, squared
)

// lighting is a sky, ready to shade with in one picture.
type lighting struct {
	sky
	flat rgb          // light on level ground
	haze [432]float32 // share of a thing's own light that is lost, by whole metres
	lamp float32      // the vehicle's own lamps, 0 to 1
	fade [432]float32 // of their light, by whole metres

	bell   [tableSize]float32 // exp(-q) for q in [0, bellEnd)
	street [tableSize]float32 // light of street lamps, over the way from one to the next
}

func newLighting(k sky) lighting {
	l := lighting{sky: k, lamp: k.night}
	l.flat = k.ambient.add(k.sun.times(float32(max(0, k.toSun.z))))
	for i := range l.haze {
		l.haze[i] = float32(1 - math.Exp(-k.air*float64(i)))
		if l.lamp > 0 {
			l.fade[i] = float32(2.2 / (1 + math.Pow(float64(i)/17, 2.2)))
		}
	}
	if l.lamp > 0 {
		for i := range tableSize {
			share := (float64(i) + 0.5) / tableSize
			l.bell[i] = float32(math.Exp(-share * bellEnd))
			l.street[i] = k.night * float32(0.10*(0.55+0.45*math.Cos(share*2*math.Pi)))
		}
	}
	return l
}

// hazeAt is the share of light lost over a distance.
func (l *lighting) hazeAt(x float64) float32 {
	return l.haze[min(len(l.haze)-1, max(0, int(x)))]
}

// beam is the light of the vehicle's own low beams at a point of its frame: two
// lobes that widen and fade, and a cut-off above.
func (l *lighting) beam(x, y, z float64) float32 {
	if l.lamp == 0 || x < 1 {
		return 0
	}
	wide := 1.6 + 0.24*x
	q := y * y / (wide * wide)
	if q >= bellEnd {
		return 0
	}
	i := min(len(l.fade)-2, int(x))
	fade := mix(float64(l.fade[i]), float64(l.fade[i+1]), min(1, x-float64(i)))
	b := fade * float64(l.bell[int(q*(tableSize/bellEnd))])
	if cut := 0.75 + 0.004*x; z > cut {
		b *= max(0.12, 1-1.4*(z-cut))
	}
	return l.lamp * float32(b)
}

// pool is the light of the street lamps on the middle of the road at s.
func (l *lighting) pool(s float64) float32 {
	return l.street[int(s*(tableSize/lampEvery))&(tableSize-1)]
}

// face is the light on a surface by its normal, a unit vector of the world.
func (l *lighting) face(n vec) rgb {
	k := float32(max(0, n.dot(l.toSun)))
	up := float32(0.72 + 0.28*n.z) // less of the sky is seen from below
	return l.ambient.times(up).add(l.sun.times(k))
}

var (
	hillColor  = srgb(0x5a6f4e)
	cloudColor = rgb{0.95, 0.95, 0.97}
)

// skyColumn is what one column of a picture has in common above the ground. A
// camera that is level to a few degrees sees one azimuth in it.
type skyColumn struct {
	sin, cos float32
	hill     float32 // tangent of the elevation of the hills
	far      rgb     // their colour
}

func (l *lighting) column(azimuth float64, n *noise) skyColumn {
	sin, cos := math.Sincos(azimuth)
	a := float32(azimuth)
	return skyColumn{
		sin: float32(sin), cos: float32(cos),
		// Hills in the haze of some kilometres.
		hill: 0.018 + 0.022*n.at(a*18, 7.5) + 0.006*n.at(a*110, 99.5),
		far:  hillColor.by(l.flat).toward(l.fog, 0.55+0.4*l.haze[400]),
	}
}

// toward mixes two columns.
func (s *skyColumn) toward(o *skyColumn, t float32) skyColumn {
	return skyColumn{s.sin + (o.sin-s.sin)*t, s.cos + (o.cos-s.cos)*t, s.hill + (o.hill-s.hill)*t, s.far}
}

// at writes what is seen above the ground at an elevation whose tangent is up.
func (s *skyColumn) at(dst []float32, l *lighting, up float32, n *noise) {
	c := l.horizon.toward(l.zenith, sqrt32(min(1, max(0, up)*1.8)))
	if l.cloud > 0.05 && l.night < 0.5 && up > 0.02 {
		// A plane of clouds far above: lines of sight meet it at 1/up.
		far := min(12, 1/(up+0.04))
		x, y := s.cos*far*9, s.sin*far*9
		v := n.at(x, y)*0.5 + 0.5 + (l.cloud-0.5)*0.9
		cover := min(1, max(0, (v-0.45)*2.2)) * min(1, up*9)
		lit := cloudColor.by(l.ambient.times(0.9).add(l.sun.times(0.55)))
		if l.cloud > 0.9 { // a closed cover: darker and lighter parts only
			lit, cover = c.times(0.88+0.14*n.at(x*0.6, y*0.6)), 0.9
		}
		c = c.toward(lit, cover*0.85)
	}
	if edge := (s.hill - up) * 520; edge > 0 {
		c = c.toward(s.far, min(1, edge))
	}
	dst[0], dst[1], dst[2] = c.r, c.g, c.b
}

func sqrt32(x float32) float32 { return float32(math.Sqrt(float64(x))) }
