package synth

import (
	"math"
	"slices"
)

// The intelligent driver model: Treiber, Hennecke and Helbing, "Congested
// traffic states in empirical observations and microscopic simulations",
// Physical Review E 62, 2000.
const (
	idmTimeGap = 1.4 // s
	idmGap     = 2.5 // standing, m
	idmAccel   = 1.8 // m/s²
	idmBrake   = 2.2 // comfortable, m/s²
	hardBrake  = 8.0 // never exceeded, m/s²
)

// idm is the acceleration of a driver at speed v who wants v0 and has a leader
// at speed vl, gap metres ahead (bumper to bumper; +Inf: none).
func idm(v, v0, vl, gap float64) float64 {
	a := 1 - math.Pow(v/max(v0, 0.1), 4)
	if !math.IsInf(gap, 1) {
		want := idmGap + max(0, v*idmTimeGap+v*(v-vl)/(2*math.Sqrt(idmAccel*idmBrake)))
		a -= (want / max(gap, 0.2)) * (want / max(gap, 0.2))
	}
	return max(-hardBrake, idmAccel*a)
}

// leader is what is next ahead in one's way.
type leader struct {
	gap, v float64
	stays  bool // it does not mean to move
}

// nearer takes another candidate.
func (l *leader) nearer(c leader) {
	if c.gap < l.gap {
		*l = c
	}
}

// sideways is how fast who drives at v can move across. He steers out at a crawl
// from behind what stays, such as a cone, or a parked car where his lane has ended:
// he would stand there for ever, and all who wait for him.
func (l leader) sideways(v float64) float64 {
	if l.stays && l.gap < 2*idmGap {
		return max(0.25*v, 0.3)
	}
	return 0.25 * v
}

// curveSpeed is the speed at which the road ahead is driven comfortably.
func (w *World) curveSpeed(s, dir float64) float64 {
	most := 0.0
	for k := range 4 {
		most = max(most, math.Abs(w.road.at(s+dir*float64(k)*15).curvature))
	}
	return math.Sqrt(2.2 / max(most, 1e-4))
}

// inWay finds what a vehicle must not drive into: from its front at s, on the
// way d of half width half, in direction dir, up to 120 m on.
func (w *World) inWay(self *actor, s, d, half, dir float64) leader {
	l := leader{gap: math.Inf(1)}
	look := func(a *actor) {
		gap := (a.s - s) * dir
		if a == self || a.kind == scenery || a.kind == signal || gap > 120 || gap+a.precedence(dir) <= 0 {
			return
		}
		// Who comes across will be there: a person walking is as wide as the next
		// second, but not while he waits for someone.
		reach := a.mesh.size.y/2 + half
		off := math.Abs(a.d - d)
		if a.walking && a.across != 0 && math.Abs(a.d+a.across*1.2-d) < reach+0.3 {
			off = 0
		}
		if off <= reach {
			l.nearer(leader{gap - a.mesh.size.x/2, max(0, a.v*a.dir*dir), a.stays()})
		}
	}
	for _, a := range w.actors {
		look(a)
	}
	look(w.self)
	return l
}

// footroom is how far before a standing vehicle's front a person's middle must be
// to walk past it, metres.
const footroom = 0.2

// precedence is how far ahead of its middle a thing's claim to the road reaches,
// for who drives in direction dir: he whose front has passed it need not wait.
// Of two who are side by side only one waits, or both would for ever.
func (a *actor) precedence(dir float64) float64 {
	switch {
	case a.kind == person: // waits in turn for the front that has passed him, see blocked
		return -footroom
	case a.kind <= bicycle && a.dir == dir: // the first goes first
		return a.mesh.size.x / 2
	}
	return -a.mesh.size.x / 2 // it stays, or comes toward one: who is beside it passes
}

// The vehicle that carries the camera, metres: its length and width, and its
// middle from the camera.
const (
	egoLength = 4.6
	egoWidth  = 1.85
	egoMiddle = -0.4
)

// atSignal takes a red light ahead as a leader that stands.
func (w *World) atSignal(l *leader, s, v, dir float64) {
	for i := range w.road.crossings {
		c := &w.road.crossings[i]
		if !c.signals {
			continue
		}
		stop := c.s - stopLine - 0.6
		if dir < 0 {
			stop = c.s + streetFrom + streetWide + 1.5
		}
		gap := (stop - s) * dir
		if gap < -1 || gap > 90 {
			continue
		}
		switch w.signalAt(c) {
		case 1:
			l.nearer(leader{gap: gap})
		case 2:
			if gap > v*v/(2*3.5) { // there is room to stop
				l.nearer(leader{gap: gap})
			}
		}
	}
}

// signalAt is what a crossing's lights show: 1 red, 2 yellow, 3 green.
func (w *World) signalAt(c *crossing) int8 {
	const green, yellow, red = 14, 3, 11
	switch t := math.Mod(w.time+c.phase, green+yellow+red); {
	case t < green:
		return 3
	case t < green+yellow:
		return 2
	}
	return 1
}

// drive moves a vehicle in traffic.
func (w *World) drive(a *actor, dt float64) {
	s := a.front()
	if a.dir < 0 {
		s = a.back()
	}
	l := w.inWay(a, s, a.d, a.mesh.size.y/2+0.25, a.dir)
	w.atSignal(&l, s, a.v, a.dir)
	st := w.road.at(a.s)
	w.chooseLane(a, &st, l, dt)
	a.accel = idm(a.v, min(a.wanted, w.curveSpeed(a.s, a.dir)), l.v, l.gap)
	if a.braking > 0 {
		a.braking -= dt
		a.accel = min(a.accel, -6)
	}
	a.v = max(0, a.v+a.accel*dt)
	a.s += a.dir * a.v * dt / max(0.5, 1-st.curvature*a.d)

	want := w.laneMiddle(&st, a.lane, a.dir)
	a.across = clamp((want-a.d)*0.9, min(1.1, l.sideways(a.v)))
	if w.beside(a, a.across) {
		// Wait for who is there, and let him go ahead.
		a.across = 0
		a.v = max(0, a.v-1.2*dt)
	}
	a.d += a.across * dt
	a.turn = 0
	if a.v > 0.5 {
		a.turn = a.dir * math.Atan(a.across/a.v)
	}
}

// beside says that a vehicle that moves toward d would touch another one that is
// next to it, or soon will be at the speeds of both.
func (w *World) beside(self *actor, toward float64) bool {
	if math.Abs(toward) < 0.05 {
		return false
	}
	return w.someone(self, person, func(a *actor) bool {
		if off := (a.d - self.d) * math.Copysign(1, toward); off < 0.3 || off > (a.mesh.size.y+self.mesh.size.y)/2+0.45 {
			return false
		}
		ahead := (a.s - self.s) * self.dir
		closing := max(0, (self.v-a.v*a.dir*self.dir)*math.Copysign(1, ahead))
		return math.Abs(ahead) < (a.mesh.size.x+self.mesh.size.x)/2+1+2*closing
	})
}

// someone says that one of the kinds before end, other than self, is as is says: the
// vehicle that carries the camera is one of them.
func (w *World) someone(self *actor, end kind, is func(*actor) bool) bool {
	return self != w.self && is(w.self) || slices.ContainsFunc(w.actors, func(a *actor) bool {
		return a != self && a.kind < end && is(a)
	})
}

// laneMiddle is d of the middle of a lane, counted from the centre outward.
func (w *World) laneMiddle(st *station, lane int, dir float64) float64 {
	if dir < 0 {
		return st.median + (float64(lane)+0.5)*st.width
	}
	return -(float64(lane) + 0.5) * st.width
}

// lanesAt is how many lanes there are to drive in.
func (st *station) lanesAt(dir float64) int {
	if dir < 0 {
		return int(math.Round((st.left - st.median) / st.width))
	}
	return int(math.Round(-st.right / st.width))
}

// laneEnds is how far ahead a lane's end is seen by who stands, metres: as far as
// he needs to get into the next one.
const laneEnds = 40.0

// chooseLane leaves a lane that ends, and overtakes who is slow.
func (w *World) chooseLane(a *actor, st *station, l leader, dt float64) {
	soon := w.road.at(a.s + a.dir*(laneEnds+2.5*a.v))
	if n := max(1, soon.lanesAt(a.dir)); a.lane >= n {
		a.lane = n - 1 // who is beside and behind brakes: a zip
		return
	}
	if l.gap > 30 || l.v > a.wanted-3 || a.v < 4 || math.Abs(w.laneMiddle(st, a.lane, a.dir)-a.d) > 0.4 {
		return
	}
	if !w.dice.chance(0.25 * dt) {
		return
	}
	for _, lane := range []int{a.lane - 1, a.lane + 1} {
		if lane >= 0 && lane < min(st.lanesAt(a.dir), soon.lanesAt(a.dir)) && w.free(a, lane, st) {
			a.lane = lane
			return
		}
	}
}

// free says that a vehicle may change into a lane without hindering anyone much.
func (w *World) free(self *actor, lane int, st *station) bool {
	d := w.laneMiddle(st, lane, self.dir)
	return !w.someone(self, signal, func(a *actor) bool {
		if math.Abs(a.d-d) > 1.9 {
			return false
		}
		off, faster := (a.s-self.s)*self.dir, a.v*a.dir*self.dir-self.v
		return math.Abs(off) < 4+(a.mesh.size.x+self.mesh.size.x)/2+2.5*max(0, -faster*math.Copysign(1, off))
	})
}

const rideInside = 0.55 // of the edge line, metres

// rideOff is where a cyclist rides, from the right edge.
func rideOff(sec *section) float64 {
	if sec.Parked > 0 { // between parked cars and traffic
		return rideInside
	}
	return -0.75
}

// inSight is how far ahead a cyclist sees what he has to pass, metres.
const inSight = 40.0

// ride moves a bicycle along the road's edge.
func (w *World) ride(a *actor, dt float64) {
	l := w.inWay(a, a.front(), a.d, a.mesh.size.y/2+0.05, 1) // he squeezes past
	// Where cars park or something stays he moves over in time, when nobody is beside him.
	soon := w.road.at(a.s + inSight)
	to := rideOff(soon.sec)
	if l.stays && l.gap < inSight {
		to = rideInside
	}
	a.across = clamp(to-a.off, l.sideways(a.v))
	if w.beside(a, a.across) {
		a.across = 0
	}
	a.off += a.across * dt
	a.v = max(0, a.v+idm(a.v, a.wanted, l.v, l.gap)*dt)
	a.s += a.dir * a.v * dt
	a.turn = 0
	if a.v > 0.5 {
		a.turn = math.Atan(a.across / a.v)
	}
	a.phase += 4.5 * dt * min(1, a.v)
}

// walk moves a person, or a bicycle with its rider.
func (w *World) walk(a *actor, dt float64) {
	if a.edge != 0 && !a.walking { // the road may grow wider or narrower
		st := w.road.at(a.s)
		edge := st.right
		if a.edge > 0 {
			edge = st.left
		}
		a.d = edge + a.off
	}
	if a.kind == bicycle {
		w.ride(a, dt)
		return
	}
	if a.walking {
		a.across = math.Copysign(a.wanted, a.to-a.d)
		if w.blocked(a) {
			a.across = 0
			return
		}
		if math.Abs(a.to-a.d) < a.wanted*dt {
			a.d, a.across, a.walking = a.to, 0, false
		}
		a.d += a.across * dt
		a.turn = math.Copysign(math.Pi/2, a.across)
		if a.dir < 0 {
			a.turn = -a.turn
		}
		a.phase += 2.6 * a.wanted * dt
		return
	}
	a.across, a.turn = 0, 0
	a.s += a.dir * a.v * dt
	a.phase += 2.6 * a.v * dt
}

// blocked says that a vehicle or a bicycle is right before a walking person. One
// that stands and has not reached him lets him cross.
func (w *World) blocked(self *actor) bool {
	return w.someone(self, person, func(a *actor) bool {
		off := (a.d - self.d) * math.Copysign(1, self.across)
		if off <= 0 || off >= a.mesh.size.y/2+0.7 {
			return false
		}
		ahead, half := (self.s-a.s)*math.Copysign(1, a.dir), a.mesh.size.x/2
		if a.v < 0.3 && ahead > half+footroom {
			return false
		}
		return math.Abs(ahead) < half+0.6
	})
}
