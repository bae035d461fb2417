package synth

import (
	"math"
	"strings"
)

const (
	stationStep = 1.0  // metres between stations of the road
	behind      = 250. // metres of road kept behind the vehicle
	ahead       = 650. // and before it
	taper       = 60.  // metres over which a width changes
)

// section is a scene with the values that were drawn for it.
type section struct {
	*Scene
	index         int     // of the scene in the scenario
	s0, s1        float64 // where it is
	weather       string
	around        string // surroundings
	lanes         int
	oncoming      int
	median        float64
	width         float64 // of a lane
	centre        string
	worn          float64
	dash, gap     float64 // metres
	speed         float64
	traffic       float64
	shoulder      float64 // paved, beyond the edge line
	walk          bool    // a sidewalk beside it
	sky           sky
	yellowOutside bool // the edge line toward the median is yellow
}

// station is the road at one s.
type station struct {
	x, y, yaw, curvature float64
	z, grade             float64
	width                float64 // of a lane
	right, left          float64 // edges of the lanes: right is negative
	median               float64
	sec                  *section
}

// crossing is where a road is crossed: a zebra, and a cross street behind it.
type crossing struct {
	s       float64
	signals bool
	phase   float64 // seconds by which its lights are ahead
	street  bool
	served  bool // its lights stand
}

const (
	zebraLength = 3.0 // metres along the road
	stopLine    = 1.5 // metres before the zebra
	streetFrom  = 5.0 // metres behind the zebra's begin
	streetWide  = 9.0
)

// road is the window of stations around the vehicle. It is extended ahead and
// trimmed behind.
type road struct {
	first     int // number of stations[0]
	stations  []station
	sections  []*section
	crossings []crossing
	dice      dice
	scenario  *Scenario

	// Where the next stations come from: curvature and grade approach targets
	// that are drawn anew now and then.
	curveTo, curveUntil float64
	gradeTo, gradeUntil float64
	mergeFrom, mergeTo  float64 // the lane that joins next
	nextMerge           float64
	nextCrossing        float64
	sceneCount          int
}

func newRoad(sc *Scenario, seed uint64) *road {
	r := &road{scenario: sc, dice: newDice(seed, 1), first: -int(behind / stationStep), nextMerge: math.Inf(1), nextCrossing: math.Inf(1)}
	if sc.Anywhere {
		r.sceneCount = r.dice.IntN(len(sc.Scenes))
	}
	r.section(float64(r.first) * stationStep)
	sec := r.sections[0]
	r.stations = append(r.stations, station{sec: sec, width: sec.width, median: sec.median,
		right: -float64(sec.lanes) * sec.width, left: sec.median + float64(sec.oncoming)*sec.width})
	r.extend(ahead)
	return r
}

// section draws the next scene.
func (r *road) section(s0 float64) *section {
	d := r.dice
	i := r.sceneCount % len(r.scenario.Scenes)
	r.sceneCount++
	sc := &r.scenario.Scenes[i]
	length := d.in(sc.Length)
	if s0 < 0 {
		length -= s0 // what is behind the start does not count
	}
	sec := &section{
		Scene: sc, index: i, s0: s0, s1: s0 + length,
		weather: one(d, sc.Weather), around: one(d, sc.Surroundings),
		lanes: d.whole(sc.Lanes), oncoming: d.whole(sc.Oncoming), median: d.in(sc.Median),
		width: d.in(sc.LaneWidth), centre: one(d, sc.Centre), worn: d.in(sc.Worn),
		speed: d.in(sc.Speed), traffic: d.in(sc.Traffic),
		yellowOutside: d.chance(0.5),
	}
	if sec.oncoming == 0 {
		sec.median = 0
	}
	if sec.lanes > 1 || sec.oncoming > 1 {
		// A broken line to oncoming traffic would look just like one between lanes of a
		// way: road codes have it only where each way has one lane.
		sec.centre = strings.Replace(sec.centre, "dashed", "double", 1)
	}
	fast := sec.speed > 17
	sec.dash, sec.gap = 3, one(d, []float64{3, 6, 4.5})
	if fast {
		sec.dash, sec.gap = one(d, []float64{3, 4, 6}), one(d, []float64{9, 8, 12})
	}
	sec.walk = sec.around == "city" || sec.around == "suburb"
	sec.shoulder = 0.6
	if fast {
		sec.shoulder = one(d, []float64{0.8, 1.6, 2.5})
	}
	if sc.Parked > 0 {
		sec.shoulder = 2.4
	}
	sec.sky = newSky(sec, r.heading(), d)
	r.sections = append(r.sections, sec)
	r.curveUntil, r.gradeUntil = s0, s0
	r.nextMerge, r.nextCrossing = math.Inf(1), math.Inf(1)
	begin := max(s0, 0)
	if sc.Merges > 0 && sec.lanes < 4 {
		r.nextMerge = begin + 80 + 400*d.Float64()/sc.Merges
	}
	if sc.Crossings > 0 {
		r.nextCrossing = begin + 50 + 500*d.Float64()/sc.Crossings
	}
	return sec
}

// s is where the road ends so far.
func (r *road) end() float64 { return float64(r.first+len(r.stations)-1) * stationStep }

// extend makes the road reach s.
func (r *road) extend(s float64) {
	for r.end() < s {
		r.stations = append(r.stations, r.next())
	}
}

// next integrates one station on.
func (r *road) next() station {
	p := r.stations[len(r.stations)-1]
	s := r.end() + stationStep
	sec := r.sections[len(r.sections)-1]
	if s > sec.s1 {
		sec = r.section(s)
	}
	d := r.dice
	if s >= r.curveUntil {
		r.curveTo, r.curveUntil = 0, s+40+120*d.Float64()
		if d.chance(0.7) {
			r.curveTo = sec.Curvature * (2*d.Float64() - 1)
		}
	}
	if s >= r.gradeUntil {
		r.gradeTo, r.gradeUntil = sec.Grade*(2*d.Float64()-1), s+100+200*d.Float64()
	}
	n := p
	n.sec = sec
	// Curvature changes like a clothoid's: at a bounded rate.
	n.curvature += clamp(r.curveTo-p.curvature, 0.00012*stationStep)
	n.grade += clamp(r.gradeTo-p.grade, 0.0004*stationStep)
	k := (p.curvature + n.curvature) / 2
	mid := p.yaw + k*stationStep/2
	n.x += math.Cos(mid) * stationStep
	n.y += math.Sin(mid) * stationStep
	n.yaw += k * stationStep
	n.z += (p.grade + n.grade) / 2 * stationStep

	r.features(s, sec)
	right := -float64(sec.lanes) * sec.width
	if s >= r.mergeFrom && s < r.mergeTo {
		in := smooth64((s - r.mergeFrom) / taper)
		out := smooth64((r.mergeTo - s) / taper)
		right -= sec.width * min(in, out)
	}
	// Widths follow the section's at a bounded rate, so that lanes do not jump.
	n.width += clamp(sec.width-p.width, 0.01*stationStep)
	n.median += clamp(sec.median-p.median, 0.15*stationStep)
	n.right += clamp(right-p.right, 0.06*stationStep)
	n.left += clamp(sec.median+float64(sec.oncoming)*sec.width-p.left, 0.15*stationStep)
	return n
}

// features starts lanes that join and crossings where it is their turn.
func (r *road) features(s float64, sec *section) {
	d := r.dice
	if s >= r.nextMerge {
		length := 180 + 120*d.Float64()
		if s+length+taper < sec.s1 {
			r.mergeFrom, r.mergeTo = s, s+length
		}
		r.nextMerge = s + length + 200 + 1500*d.Float64()/sec.Merges
	}
	if s >= r.nextCrossing {
		if s+60 < sec.s1 {
			r.crossings = append(r.crossings, crossing{s: s, signals: d.chance(sec.Signals), phase: 40 * d.Float64(), street: d.chance(0.75)})
		}
		r.nextCrossing = s + 60 + 1600*d.Float64()/sec.Crossings
	}
}

// trim forgets the road before s.
func (r *road) trim(s float64) {
	if drop := int(s/stationStep) - r.first; drop > 64 {
		r.stations = r.stations[:copy(r.stations, r.stations[drop:])]
		r.first += drop
	}
	keep := r.sections[:0]
	for _, sec := range r.sections {
		if sec.s1 >= s {
			keep = append(keep, sec)
		}
	}
	clear(r.sections[len(keep):])
	r.sections = keep
	left := r.crossings[:0]
	for _, c := range r.crossings {
		if c.s >= s {
			left = append(left, c)
		}
	}
	r.crossings = left
}

// locate returns the station before s and how far s is toward the next, 0 to 1.
// s outside of the window is moved to its end.
func (r *road) locate(s float64) (i int, t float64) {
	p := s/stationStep - float64(r.first)
	i = int(p)
	if i < 0 {
		return 0, 0
	}
	if i >= len(r.stations)-1 {
		return len(r.stations) - 2, 1
	}
	return i, p - float64(i)
}

// at interpolates the road at s.
func (r *road) at(s float64) station {
	i, t := r.locate(s)
	a, b := &r.stations[i], &r.stations[i+1]
	out := *a
	if t > 0.5 {
		out.sec = b.sec
	}
	out.x, out.y, out.yaw = mix(a.x, b.x, t), mix(a.y, b.y, t), mix(a.yaw, b.yaw, t)
	out.curvature, out.z, out.grade = mix(a.curvature, b.curvature, t), mix(a.z, b.z, t), mix(a.grade, b.grade, t)
	out.width, out.right, out.left, out.median = mix(a.width, b.width, t), mix(a.right, b.right, t), mix(a.left, b.left, t), mix(a.median, b.median, t)
	return out
}

// point is where (s, d) is in the world.
func (r *road) point(s, d float64) vec {
	st := r.at(s)
	return vec{st.x - d*math.Sin(st.yaw), st.y + d*math.Cos(st.yaw), st.z}
}

// project finds the road coordinates of a point of the world near s.
func (r *road) project(x, y, s float64) (float64, float64) {
	var d float64
	for range 4 {
		st := r.at(s)
		sin, cos := math.Sincos(st.yaw)
		dx, dy := x-st.x, y-st.y
		along := dx*cos + dy*sin
		d = -dx*sin + dy*cos
		s += along / max(0.2, 1-st.curvature*d)
		if math.Abs(along) < 1e-7 {
			break
		}
	}
	return s, d
}

// vec is a point or direction, metres.
type vec struct{ x, y, z float64 }

func (a vec) add(b vec) vec         { return vec{a.x + b.x, a.y + b.y, a.z + b.z} }
func (a vec) sub(b vec) vec         { return vec{a.x - b.x, a.y - b.y, a.z - b.z} }
func (a vec) times(k float64) vec   { return vec{a.x * k, a.y * k, a.z * k} }
func (a vec) dot(b vec) float64     { return a.x*b.x + a.y*b.y + a.z*b.z }
func (a vec) cross(b vec) vec       { return vec{a.y*b.z - a.z*b.y, a.z*b.x - a.x*b.z, a.x*b.y - a.y*b.x} }
func (a vec) norm() float64         { return math.Sqrt(a.dot(a)) }
func clamp(x, most float64) float64 { return max(-most, min(most, x)) }

// heading is the direction in which the road ends so far.
func (r *road) heading() float64 {
	if len(r.stations) == 0 {
		return 0
	}
	return r.stations[len(r.stations)-1].yaw
}
