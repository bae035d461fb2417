package planner

import (
	"math"

	"dashline/pipeline/msg"
)

const (
	// leadAgility is the spectral density of a lead's acceleration, the white
	// noise that drives the filter: 2 (m/s²)²·s lets it follow hard braking
	// within about half a second.
	leadAgility = 2.0
	// distanceFloor is the part of the distance's noise that does not shrink
	// with it.
	distanceFloor = 0.2 // m
	// staleNoise is how fast the place of an object becomes uncertain that no
	// detector has seen for a while: by the speed that traffic gains or loses
	// within a second of hard braking.
	staleNoise = 5.0 // m/s
	// gateSigmas and gateFloor bound how far a measured distance may be from
	// the predicted one to be of the same object.
	gateSigmas, gateFloor = 3.0, 2.0
	// knownWithin is the standard deviation below which a speed is known.
	knownWithin = 2.0 // m/s
)

// lead is the estimate of the object that is followed: a Kalman filter on its
// distance along the path and its speed over ground (Bar-Shalom, Li,
// Kirubarajan, Estimation with Applications to Tracking and Navigation, Wiley
// 2001, section 6.2: continuous white noise acceleration). Own motion is a known
// input, so own braking does not smear the other's speed.
type lead struct {
	tracked    bool
	d, v       float64 // m from the front bumper, m/s over ground
	dd, dv, vv float64 // covariance
	unseen     float64 // s since it was last seen
	index      int     // in Scene.Objects, -1 when it is not seen in this frame
}

// start is the first sight of an object: it may stand or go as fast as we do,
// and one standard deviation says just that.
func (l *lead) start(distance, ownSpeed, noise float64) {
	spread := max(ownSpeed, 5)
	*l = lead{tracked: true, d: distance, v: ownSpeed, dd: noise * noise, vv: spread * spread}
}

// predict moves on by dt, in which the vehicle went travel metres.
func (l *lead) predict(dt, travel float64) {
	l.d = max(0, l.d+l.v*dt-travel)
	l.dd += dt*(2*l.dv+dt*l.vv) + leadAgility*dt*dt*dt/3
	l.dv += dt*l.vv + leadAgility*dt*dt/2
	l.vv += leadAgility * dt
	l.unseen += dt
}

// gate is how far from the prediction a measurement of the same object may be.
func (l *lead) gate(noise float64) float64 {
	return max(gateFloor, gateSigmas*math.Sqrt(l.dd+noise*noise))
}

func (l *lead) update(distance, noise float64) {
	total := l.dd + noise*noise
	gainD, gainV := l.dd/total, l.dv/total
	innovation := distance - l.d
	l.d = max(0, l.d+gainD*innovation)
	l.v = max(0, l.v+gainV*innovation) // nobody drives backwards at us
	l.vv -= gainV * l.dv
	l.dv *= 1 - gainD
	l.dd *= 1 - gainD
	l.unseen = 0
}

// known says whether the speed rests on measurements.
func (l *lead) known() bool { return l.vv < knownWithin*knownWithin }

// cautiousSpeed is one standard deviation below the estimate, zero for what
// stands: at first sight everything stands.
func (l *lead) cautiousSpeed(standing float64) float64 {
	if l.v < standing {
		return 0
	}
	return max(0, l.v-math.Sqrt(l.vv))
}

// obstacle is what the plan makes of the lead. Before one that stands it keeps
// the standstill gap, or what there is of it; behind one that moves half of that,
// since the speed of the other is never known well enough to brake hard for the
// rest.
func (l *lead) obstacle(c *Config) obstacle {
	if !l.tracked {
		return obstacle{}
	}
	o := obstacle{present: true, gap: l.d, speed: l.cautiousSpeed(c.StandingSpeed), keep: min(l.d, c.StandstillGap)}
	if o.speed > 0 {
		o.keep /= 2
	}
	return o
}

// observe brings the lead up to date with the nearest object of a frame, index
// -1 for none, which a detector saw unseen seconds ago, dt after the last frame.
func (l *lead) observe(c *Config, index int, distance, unseen, ownSpeed, dt, travel float64) {
	l.index = -1
	if l.tracked {
		l.predict(dt, travel)
	}
	forgotten := l.unseen > c.LeadMemory
	if index < 0 {
		if forgotten {
			*l = lead{index: -1}
		}
		return
	}
	noise := distanceFloor + c.DistanceNoise*distance + staleNoise*unseen
	apart := distance - l.d
	same := l.tracked && math.Abs(apart) <= l.gate(noise)
	switch {
	case same:
		l.update(distance, noise)
	case l.tracked && apart > 0 && !forgotten:
		return // the one that was followed is hidden or gone: memory decides
	default:
		l.start(distance, ownSpeed, noise) // new, or cut in before the one that was followed
	}
	l.index = index
}

// nearest returns the object that the vehicle would meet first along the path
// and its distance from the front bumper, or index -1.
func (p *Planner) nearest(objects []msg.Object) (index int, distance float64) {
	c := &p.cfg
	index, distance = -1, math.Inf(1)
	for i := range objects {
		o := &objects[i]
		if !finite(o.Position.X) || !finite(o.Position.Y) || o.Position.X <= 0 {
			continue
		}
		width := o.Width
		if !finite(width) || width <= 0 {
			width = c.VehicleWidth // unknown: as wide as we are
		}
		s, left, ok := p.path.locate(o.Position.X, o.Position.Y)
		if !ok || math.Abs(left)-width/2 > c.VehicleWidth/2+c.SideMargin {
			continue
		}
		if d := max(0, s-c.FrontOverhang); d < distance {
			index, distance = i, d
		}
	}
	return index, distance
}
