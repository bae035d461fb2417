package synth

import (
	"math"
	"slices"

	"dashline/sensors/synth/truth"
)

// Control is what the driver of the vehicle asks for.
type Control struct {
	Accel     float64 // along the vehicle, m/s²
	Curvature float64 // of its path, 1/m, left positive
}

// World is a road with traffic, at one moment.
type World struct {
	scenario Scenario
	seed     uint64
	time     float64
	road     *road
	ego      ego
	actors   []*actor
	dice     dice
	nextID   int
	self     *actor // the vehicle as others meet it

	builtTo   float64 // s up to which things stand beside the road
	lampsTo   float64
	nextEvent float64

	studio *studio // for pictures, made with the first
}

// ego is the vehicle that carries the camera: a bicycle model whose front wheels
// turn the path's curvature at once.
type ego struct {
	x, y, yaw, v, accel, yawRate float64
	s, d                         float64
	pitch, roll                  float64 // of the body beyond the road's, radians
	lane                         int
	nextLane                     float64 // when it may change lanes
	shake                        [8]float64
}

// New makes a world at its first moment.
func New(sc Scenario, seed uint64) (*World, error) {
	if err := sc.Validate(); err != nil {
		return nil, err
	}
	w := &World{scenario: sc, seed: seed, dice: newDice(seed, 2), road: newRoad(&sc, seed), builtTo: -12, lampsTo: -20}
	w.road.scenario = &w.scenario
	w.self = &actor{dir: 1, mesh: &mesh{size: vec{egoLength, egoWidth, 1.5}}}
	st := w.road.at(0)
	w.ego.lane = w.dice.IntN(max(1, st.lanesAt(1)))
	w.ego.d = w.laneMiddle(&st, w.ego.lane, 1)
	p := w.road.point(0, w.ego.d)
	w.ego.x, w.ego.y, w.ego.yaw = p.x, p.y, st.yaw
	w.ego.v = st.sec.speed * (0.85 + 0.15*w.dice.Float64())
	w.placeSelf()
	w.ego.nextLane = 4 + 12*w.dice.Float64()
	for i := range w.ego.shake {
		w.ego.shake[i] = 2 * math.Pi * w.dice.Float64()
	}
	w.nextEvent = 1 + st.sec.Every*w.dice.Float64()
	w.furnish()
	w.populate(true)
	return w, nil
}

// maxStep is the longest step that traffic is integrated in, seconds.
const maxStep = 1.0 / 25

// Step moves the world on by dt seconds. A nil control leaves the vehicle to its
// own driver, who keeps the lane and follows others as they do.
func (w *World) Step(dt float64, c *Control) {
	for dt > 1e-9 {
		h := min(dt, maxStep)
		w.step(h, c)
		dt -= h
	}
}

func (w *World) step(dt float64, c *Control) {
	w.time += dt
	if c == nil {
		own := w.ownDriver()
		c = &own
	}
	w.moveEgo(*c, dt)
	for _, a := range w.actors {
		switch {
		case a.kind == signal:
			for i := range w.road.crossings {
				if k := &w.road.crossings[i]; k.s == a.cross {
					a.lit = w.signalAt(k)
				}
			}
		case a.kind == person, a.kind == bicycle:
			w.walk(a, dt)
		case a.vehicle():
			w.drive(a, dt)
		}
	}
	w.road.extend(w.ego.s + ahead)
	w.furnish()
	w.populate(false)
	w.events()
	w.forget()
	w.road.trim(w.ego.s - behind)
}

// ownDriver keeps the lane by a linear law in the offset and the heading, which
// is critically damped over a distance, and the speed by the driver model.
func (w *World) ownDriver() Control {
	e := &w.ego
	st := w.road.at(e.s)
	l := w.inWay(w.self, w.self.front(), e.d, egoWidth/2+0.25, 1)
	w.atSignal(&l, w.self.front(), e.v, 1)
	soon := w.road.at(e.s + laneEnds + 2.5*e.v)
	n := min(st.lanesAt(1), soon.lanesAt(1))
	if e.lane >= n {
		e.lane = n - 1
	} else if w.time > e.nextLane && e.v > 8 {
		e.nextLane = w.time + 6 + 14*w.dice.Float64()
		if lane := e.lane + 1 - 2*w.dice.IntN(2); lane >= 0 && lane < n && w.freeForEgo(lane, &st) {
			e.lane = lane
		}
	}
	want := w.laneMiddle(&st, e.lane, 1) + 0.12*math.Sin(w.time*0.31+e.shake[0])
	far := max(9, 1.1*e.v)
	off := clamp(e.d-want, 2.2)
	if math.Abs(off) > 0.4 && w.beside(w.self, -off) {
		off, l.gap = 0, min(l.gap, 12)
		l.v = min(l.v, max(0, e.v-2))
	}
	turn := math.Remainder(e.yaw-st.yaw, 2*math.Pi)
	k := st.curvature/max(0.3, 1-st.curvature*e.d) - off/(far*far) - 2*turn/far
	v0 := min(st.sec.speed, w.curveSpeed(e.s, 1))
	return Control{Accel: idm(e.v, v0, l.v, l.gap), Curvature: clamp(k, 0.18)}
}

func (w *World) freeForEgo(lane int, st *station) bool {
	d := w.laneMiddle(st, lane, 1)
	for _, a := range w.actors {
		if a.kind < signal && math.Abs(a.d-d) < 2 && math.Abs(a.s-w.ego.s) < 14+math.Abs(a.v-w.ego.v)*6 {
			return false
		}
	}
	return true
}

// placeSelf puts the vehicle where others meet it.
func (w *World) placeSelf() {
	w.self.s, w.self.d, w.self.v = w.ego.s+egoMiddle, w.ego.d, w.ego.v
}

func (w *World) moveEgo(c Control, dt float64) {
	e := &w.ego
	accel := clamp(c.Accel, 10)
	v := max(0, e.v+accel*dt)
	e.accel = (v - e.v) / dt
	e.yawRate = clamp(c.Curvature, 0.3) * (v + e.v) / 2
	mid := e.yaw + e.yawRate*dt/2
	step := (v + e.v) / 2 * dt
	e.x += math.Cos(mid) * step
	e.y += math.Sin(mid) * step
	e.yaw += e.yawRate * dt
	e.v = v
	e.s, e.d = w.road.project(e.x, e.y, e.s+step)
	w.placeSelf()

	// The body dives under the brakes and leans out of curves.
	follow := min(1, dt*3)
	e.pitch += (-0.0022*e.accel - e.pitch) * follow
	e.roll += (0.0012*e.v*e.yawRate - e.roll) * follow
}

// shaken is pitch and roll of the body with what the road's bumps add at this moment.
func (w *World) shaken() (pitch, roll float64) {
	e := &w.ego
	most := math.Pi / 180 * w.scenario.Camera.Vibration * min(1, e.v/8)
	for i, f := range [4]float64{1.3, 2.9, 7.1, 12.7} {
		pitch += math.Sin(2*math.Pi*f*w.time+e.shake[i]) / float64(i+1)
		roll += math.Sin(2*math.Pi*f*1.17*w.time+e.shake[i+4]) / float64(i+1)
	}
	return e.pitch + most*pitch*1.19, e.roll + most*roll*0.6
}

// Time is how long the world has been stepped, seconds.
func (w *World) Time() float64 { return w.time }

// Drive describes a drive from now on, for the head of a truth file.
func (w *World) Drive() truth.Drive {
	d := truth.Drive{
		Version: truth.Version, Scenario: w.scenario.Name, Seed: w.seed, FPS: w.scenario.FPS,
		Frames: int(math.Round(w.scenario.FPS * w.scenario.Duration)), Camera: w.scenario.Camera.Camera, Classes: truth.Classes(),
	}
	for _, sc := range w.scenario.Scenes {
		for _, weather := range sc.Weather {
			d.Scenes = append(d.Scenes, truth.Scene{Name: sc.Name, Weather: weather})
		}
	}
	return d
}

// sceneOf is the index of a section's scene in its weather among a drive's.
func (w *World) sceneOf(sec *section) int {
	n := 0
	for i := range sec.index {
		n += len(w.scenario.Scenes[i].Weather)
	}
	return n + slices.Index(sec.Weather, sec.weather)
}

// add puts a thing into the world.
func (w *World) add(a *actor) *actor {
	if a.kind != scenery {
		w.nextID++
		a.id = w.nextID
	}
	w.actors = append(w.actors, a)
	return a
}

// forget drops what is far away.
func (w *World) forget() {
	w.actors = slices.DeleteFunc(w.actors, func(a *actor) bool {
		off := a.s - w.ego.s
		if a.vehicle() {
			return off < -170 || off > 430
		}
		return off < -40 || off > 470
	})
}
