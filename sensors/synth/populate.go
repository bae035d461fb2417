package synth

import (
	"math"
	"slices"
)

const (
	spawnAhead  = 350.0 // metres from the vehicle where traffic appears
	spawnBehind = 150.0
	builtAhead  = 420.0 // up to where things stand beside the road
	walkWidth   = 2.6   // of a sidewalk
)

// populate keeps as much traffic in the window as the scene has. At the first
// moment it may appear anywhere, later only at the ends.
func (w *World) populate(first bool) {
	if !first && int(w.time*5) == int((w.time-maxStep)*5) {
		return // five times a second is enough
	}
	for _, dir := range []float64{1, -1} {
		st := w.road.at(w.ego.s + spawnAhead)
		lanes := st.lanesAt(dir)
		for lane := range lanes {
			w.fillLane(lane, dir, &st, first)
		}
	}
}

func (w *World) fillLane(lane int, dir float64, st *station, first bool) {
	if st.sec.traffic <= 0 {
		return
	}
	want := 1000 / st.sec.traffic // metres a vehicle
	if first {
		for s := -spawnBehind + want*w.dice.Float64(); s < spawnAhead; s += want * (0.5 + w.dice.Float64()) {
			w.enter(s, lane, dir)
		}
		return
	}
	have := 0
	for _, a := range w.actors {
		if a.vehicle() && a.dir == dir && a.lane == lane {
			have++
		}
	}
	if float64(have)*want > spawnAhead+spawnBehind || !w.dice.chance(0.25) {
		return
	}
	s := w.ego.s + spawnAhead
	if dir > 0 && w.dice.chance(0.45) {
		s = w.ego.s - spawnBehind
	}
	w.enter(s, lane, dir)
}

// enter lets a vehicle in where there is room.
func (w *World) enter(s float64, lane int, dir float64) {
	st := w.road.at(s)
	if lane >= st.lanesAt(dir) {
		return
	}
	d := w.laneMiddle(&st, lane, dir)
	for _, a := range w.actors {
		if a.kind < signal && math.Abs(a.d-d) < 2.2 && math.Abs(a.s-s) < 20 {
			return
		}
	}
	if math.Abs(w.ego.d-d) < 2.2 && math.Abs(w.ego.s-s) < 18 {
		return
	}
	k, m := newVehicle(st.sec.Scene, w.dice)
	slow := 0.10 * float64(lane)
	if k == truck || k == bus {
		slow += 0.12
	}
	wanted := st.sec.speed * (0.82 + 0.32*w.dice.Float64() - slow)
	if s < w.ego.s && dir > 0 {
		wanted = max(wanted, w.ego.v*1.08) // who comes from behind comes faster
	}
	w.add(&actor{kind: k, mesh: m, s: s, d: d, dir: dir, lane: lane, v: min(wanted, w.curveSpeed(s, dir)) * 0.95, wanted: wanted})
}

// furnish builds what stands beside the road, ten metres at a time.
func (w *World) furnish() {
	for w.builtTo < w.ego.s+builtAhead {
		w.block(w.builtTo)
		w.builtTo += blockLength
	}
	for w.lampsTo < w.ego.s+builtAhead {
		w.lampsTo += lampEvery
		w.lamp(math.Round(w.lampsTo/lampEvery) * lampEvery)
	}
	for i := range w.road.crossings {
		if c := &w.road.crossings[i]; !c.served && c.s < w.ego.s+builtAhead {
			c.served = true
			w.serve(c)
		}
	}
}

const blockLength = 10.0

// atCrossing says that s lies on a crossing or its street.
func (w *World) atCrossing(s float64) bool {
	for i := range w.road.crossings {
		c := &w.road.crossings[i]
		if s > c.s-6 && s < c.s+streetFrom+streetWide+6 {
			return true
		}
	}
	return false
}

func (w *World) block(s float64) {
	st := w.road.at(s)
	sec := st.sec
	d := w.dice
	if w.atCrossing(s + blockLength/2) {
		return
	}
	right, left := st.right-sec.shoulder, st.left+sec.shoulder
	stand := func(m *mesh, s, at, turn float64) {
		w.add(&actor{kind: scenery, mesh: m, s: s, d: at, turn: turn})
	}
	// side is the ground off metres beyond the road's edge.
	side := func(off float64) (float64, float64) { // d, and the turn that faces the road
		if d.chance(0.5) {
			return right - off, 0
		}
		return left + off, math.Pi
	}
	if sec.speed > 17 && (sec.around == "fields" || sec.around == "forest") {
		if st.median > 2 {
			stand(newRail(blockLength), s+blockLength/2, st.median/2, 0)
		}
		if hash(uint32(int(s/200)))%3 == 0 {
			stand(newRail(blockLength), s+blockLength/2, right-0.4, math.Pi)
		}
	}
	trees := map[string]float64{"fields": 0.25, "forest": 2.6, "suburb": 0.7, "city": 0.25}[sec.around]
	for ; d.chance(min(1, trees)); trees-- {
		off := 4 + 16*d.Float64()
		if sec.around == "city" || sec.around == "suburb" {
			off = walkWidth - 0.7 + d.Float64()*0.3
		}
		at, _ := side(off)
		stand(newTree(d), s+blockLength*d.Float64(), at, 2*math.Pi*d.Float64())
	}
	if d.chance(0.35) && sec.around != "city" {
		at, _ := side(2.2 + 5*d.Float64() + map[bool]float64{true: walkWidth}[sec.walk])
		stand(newBush(d), s+blockLength*d.Float64(), at, 2*math.Pi*d.Float64())
	}
	if sec.walk && int(s/blockLength)%2 == 0 {
		for _, right2 := range []bool{true, false} {
			if !d.chance(0.85) {
				continue
			}
			h := newHouse(d, sec.around == "city")
			off := walkWidth + 1 + h.size.y/2 + 4*d.Float64()
			at, turn := right-off, 0.0
			if !right2 {
				at = left + off
			}
			stand(h, s+blockLength, at, turn)
		}
	}
	if sec.around == "fields" && d.chance(0.03) {
		at, _ := side(25 + 30*d.Float64())
		stand(newHouse(d, false), s, at, d.Float64())
	}
	if d.chance(0.05) {
		stand(newSign(d), s, right-0.9, 0)
	}
	w.roadside(s, &st)
}

// roadside places what a detector is asked for: parked cars, people, cyclists, cones.
func (w *World) roadside(s float64, st *station) {
	sec, d := st.sec, w.dice
	share := blockLength / 1000
	// Nobody parks where a lane ends: who leaves it late could not get past.
	even := w.even(s)
	if d.chance(sec.Parked*share) && even {
		m := newCar(d)
		w.add(&actor{kind: car, mesh: m, s: s + 5, d: st.right - m.size.y/2 - 0.25, parked: true, turn: 0.02 * d.NormFloat64()})
	}
	if sec.oncoming > 0 && st.median < 1 && d.chance(sec.Parked*share) && even {
		m := newCar(d)
		w.add(&actor{kind: car, mesh: m, s: s + 5, d: st.left + m.size.y/2 + 0.25, parked: true, turn: math.Pi})
	}
	for range 3 {
		if !d.chance(sec.People * share / 3) {
			continue
		}
		off, edge, dir := sec.shoulder+0.6+1.6*d.Float64(), 1, 1.0
		if d.chance(0.5) {
			off, edge = -off, -1
		}
		if d.chance(0.5) {
			dir = -1
		}
		v := d.in([2]float64{0.9, 1.7})
		if d.chance(0.15) {
			v = 0
		}
		a := w.add(&actor{kind: person, mesh: newPerson(d), s: s + 10*d.Float64(), dir: dir, v: v, edge: edge, off: off, wanted: 1.5, phase: 6 * d.Float64()})
		w.walk(a, 0)
	}
	if d.chance(sec.Cyclists * share) {
		v := d.in([2]float64{3.5, 6.5})
		off := rideOff(sec)
		w.add(&actor{kind: bicycle, mesh: newBicycle(d), s: s, d: st.right + off, dir: 1, v: v, edge: -1, off: off, wanted: v, phase: 6 * d.Float64()})
	}
	on := w.road.at(s + 80)
	works := sec.RoadWorks > 0 && (sec.Cyclists == 0 || rideOff(sec) > 0) // not where cyclists ride
	if works && math.Abs(on.right-st.right) < 0.1 && d.chance(sec.RoadWorks*share) {
		// A row that closes the shoulder, up to the edge line.
		n := 4 + d.IntN(8)
		for k := range n {
			in := 0.4 * smooth64(float64(k)/4)
			w.add(&actor{kind: cone, mesh: newCone(), s: s + 3.5*float64(k), d: st.right - 0.75 + in})
		}
	}
}

// even says that the road keeps its width for some way before and behind s, and is
// just as wide as its lanes.
func (w *World) even(s float64) bool {
	st := w.road.at(s)
	for _, off := range []float64{-60, -30, 30, 60} {
		if o := w.road.at(s + off); math.Abs(o.right-st.right) > 0.1 || math.Abs(o.left-st.left) > 0.1 {
			return false
		}
	}
	right, left := float64(st.lanesAt(1))*st.width, st.median+float64(st.lanesAt(-1))*st.width
	return math.Abs(st.right+right) < 0.3 && math.Abs(st.left-left) < 0.3
}

func (w *World) lamp(s float64) {
	st := w.road.at(s)
	if !st.sec.walk || w.atCrossing(s) {
		return
	}
	w.add(&actor{kind: scenery, mesh: newLampPost(2.2), s: s, d: st.right - st.sec.shoulder - 0.4})
	w.add(&actor{kind: scenery, mesh: newLampPost(-2.2), s: s + lampEvery/2, d: st.left + st.sec.shoulder + 0.4})
}

// serve puts lights and people at a crossing.
func (w *World) serve(c *crossing) {
	st := w.road.at(c.s)
	d := w.dice
	if c.signals {
		beyond := c.s + streetFrom + streetWide + 1
		right := st.right - st.sec.shoulder - 0.7
		head := func(s, at, z float64) {
			w.add(&actor{kind: signal, mesh: newSignal(), s: s, d: at, z: z, cross: c.s, lit: w.signalAt(c)})
		}
		w.add(&actor{kind: scenery, mesh: signalPole(3.4, 0), s: c.s - 0.6, d: right - 0.05})
		head(c.s-0.75, right, 2.25)
		reach := min(-right-0.5, -right+st.right/2+0.4)
		w.add(&actor{kind: scenery, mesh: signalPole(5.9, reach), s: beyond, d: right})
		head(beyond-0.2, right+reach, 4.80)
	}
	if st.sec.People <= 0 {
		return
	}
	for range d.IntN(4) {
		at, to := st.right-st.sec.shoulder-0.8, st.left+st.sec.shoulder+0.8
		if d.chance(0.5) {
			at, to = to, at
		}
		w.add(&actor{kind: person, mesh: newPerson(d), s: c.s + 0.4 + 2.2*d.Float64(), d: at, to: to, wanted: d.in([2]float64{1.1, 1.8}), dir: 1})
	}
}

// events starts what a scene has in store, and people at zebras.
func (w *World) events() {
	st := w.road.at(w.ego.s)
	for _, a := range w.actors {
		if w.setsOut(a) {
			a.walking = true
		}
	}
	if st.sec.Every <= 0 || w.time < w.nextEvent {
		return
	}
	w.nextEvent = w.time + st.sec.Every*(0.6+0.8*w.dice.Float64())
	switch one(w.dice, st.sec.Events) {
	case "cut_in":
		w.cutIn()
	case "hard_brake":
		w.brakeHard()
	case "step_out":
		w.stepOut()
	}
}

// setsOut says that a person who wants to cross begins to, as the vehicle comes
// near or as another one stands and waits for him.
func (w *World) setsOut(a *actor) bool {
	waits := a.kind == person && !a.walking && a.v == 0 && a.to != 0 && a.d != a.to
	return waits && (a.s-w.ego.s < 70 || w.waitedFor(a)) && w.mayCross(a)
}

// waitedFor says that a vehicle stands within a few steps of a person.
func (w *World) waitedFor(self *actor) bool {
	return slices.ContainsFunc(w.actors, func(a *actor) bool {
		return a.vehicle() && a.v < 0.3 && math.Abs(a.d-self.d) < 3 && math.Abs(a.s-self.s) < a.mesh.size.x/2+4
	})
}

// mayCross: at lights people walk when the road has red.
func (w *World) mayCross(a *actor) bool {
	for i := range w.road.crossings {
		if c := &w.road.crossings[i]; math.Abs(c.s-a.s) < zebraLength+1 && c.signals {
			return w.signalAt(c) == 1
		}
	}
	return true
}

// cutIn makes a vehicle from the next lane change close before the vehicle.
func (w *World) cutIn() {
	for _, a := range w.actors {
		if off := a.s - w.ego.s; a.vehicle() && a.dir > 0 && off > 7 && off < 30 && abs(a.lane-w.ego.lane) == 1 {
			a.lane = w.ego.lane
			// Not slower at each cut-in, or all would crawl in the end.
			a.wanted = max(0.6*w.road.at(a.s).sec.speed, w.ego.v*0.9)
			return
		}
	}
}

// brakeHard makes the vehicle ahead brake as hard as it can for two seconds.
func (w *World) brakeHard() {
	var next *actor
	for _, a := range w.actors {
		if off := a.s - w.ego.s; a.vehicle() && a.dir > 0 && off > 5 && off < 80 && a.lane == w.ego.lane && (next == nil || a.s < next.s) {
			next = a
		}
	}
	if next != nil {
		next.braking = 2
	}
}

// stepOut makes a person at the right walk into the road, from behind a parked
// car where there is one. Before a vehicle that hardly moves it is no event, and
// one after another would hold it for ever.
func (w *World) stepOut() {
	if w.ego.v < 3 {
		return
	}
	s := w.ego.s + 12 + 1.4*w.ego.v
	st := w.road.at(s)
	at := st.right - st.sec.shoulder - 0.5
	for _, a := range w.actors {
		if a.parked && a.d < 0 && math.Abs(a.s-s) < 15 && w.openAcross(a.front()+0.7) {
			s, at = a.front()+0.7, a.d-0.3
			break
		}
	}
	if !w.openAcross(s) {
		return
	}
	w.add(&actor{kind: person, mesh: newPerson(w.dice), s: s, d: at, to: st.left + st.sec.shoulder + 0.8, wanted: 1.7, dir: 1, walking: true})
}

// openAcross says that no car is parked at the left where a person who crosses at s
// leaves the road.
func (w *World) openAcross(s float64) bool {
	return !slices.ContainsFunc(w.actors, func(a *actor) bool {
		return a.parked && a.d > 0 && math.Abs(a.s-s) < a.mesh.size.x/2+1
	})
}

func abs(x int) int {
	if x < 0 {
		return -x
	}
	return x
}
