package planner

import "math"

// freeExponent is the IDM's delta: how acceleration fades near the set speed.
const freeExponent = 4

// lawMargin is kept on top of the standstill gap by the car-following law, so
// that its approach, which the jerk limit delays, ends outside of the gap.
const lawMargin = 0.5 // m

// noticeable is how much a plan has to differ from one on a free road to be said
// to react to an object.
const noticeable = 0.1 // m/s²

// obstacle is what the plan must stay behind: a point on the path that moves at
// a constant speed.
type obstacle struct {
	present bool
	gap     float64 // m, from the front bumper now
	speed   float64 // m/s over ground, a cautious value
	keep    float64 // m, the gap not to go below where braking can help it
}

func (o *obstacle) gapAt(t, s float64) float64 { return o.gap + o.speed*t - s }

// motion is a state along the path.
type motion struct{ s, v, a float64 }

// next moves on by dt while acceleration goes linearly to a: constant jerk.
func (m motion) next(a, dt float64) motion {
	v := m.v + (m.a+a)/2*dt
	s := m.s + dt*(m.v+dt*(m.a/3+a/6))
	// The landing bound keeps both right up to rounding.
	return motion{s: max(s, m.s), v: max(v, 0), a: a}
}

// intelligentDriver is the acceleration of the improved Intelligent Driver Model
// (IIDM; Treiber and Kesting, Traffic Flow Dynamics, Springer 2013, section
// 11.3.3; the IDM itself: Treiber, Hennecke, Helbing, Phys. Rev. E 62, 2000).
// In equilibrium the gap is exactly standstill + gapTime*v and a free road
// brings exactly the set speed. closing is own minus lead's speed; a gap of +Inf
// is a free road.
func intelligentDriver(v, set, gap, closing, standstill, gapTime, accel, decel float64) float64 {
	var free float64
	if v <= set {
		free = accel * (1 - math.Pow(v/set, freeExponent))
	} else {
		free = -decel * (1 - math.Pow(set/v, accel*freeExponent/decel))
	}
	if math.IsInf(gap, 1) {
		return free
	}
	desired := standstill + max(0, v*gapTime+v*closing/(2*math.Sqrt(accel*decel)))
	z := desired / max(gap, 0.01)
	switch {
	case z >= 1 && v <= set:
		return accel * (1 - z*z)
	case z >= 1:
		return free + accel*(1-z*z)
	case v < set:
		return free * (1 - math.Pow(z, 2*accel/free))
	}
	return free
}

// coolness is the share that the cautious reckoning has in adaptiveCruise, as
// its authors have it.
const coolness = 0.99

// adaptiveCruise tempers the IIDM where it overreacts to a gap that is short but
// not closing, as after a cut-in: the ACC model of Kesting, Treiber and Helbing
// (Enhanced intelligent driver model to access the impact of driving strategies
// on traffic capacity, Phil. Trans. R. Soc. A 368, 2010) with a lead that keeps
// its speed. The braking it reckons with ends at the standstill gap, or halfway
// to the lead where that is farther on.
func adaptiveCruise(iidm, gap, closing, standstill, decel float64) float64 {
	closing = max(closing, 0)
	needed := -closing * closing / (2 * max(gap-min(standstill, gap/2), 0.01))
	if iidm >= needed {
		return iidm
	}
	return (1-coolness)*iidm + coolness*(needed+decel*math.Tanh((iidm-needed)/decel))
}

// lowestLanding is the least acceleration, zero or below, to which a step of dt
// may go so that a jerk of at most jerk can still bring acceleration to zero
// before speed is. It is exact on the grid: from acceleration -b that takes
// n = ceil(b/(jerk dt)) even steps, which cost n b dt/2 of speed.
func lowestLanding(v, a, jerk, dt float64) float64 {
	left := v + a*dt/2 // the step itself costs b dt/2 more
	if left <= 0 {
		return 0
	}
	lowest := 0.0
	for n := 1.0; ; n++ {
		b := min(n*jerk*dt, 2*left/(dt*(n+1)))
		if b <= (n-1)*jerk*dt {
			return lowest
		}
		if -b >= lowest {
			return lowest
		}
		lowest = -b
	}
}

// landable raises a start's acceleration to one from which the speed can come
// to rest without going negative.
func landable(v, a, jerk, dt float64) float64 {
	if a >= 0 || v <= 0 {
		return max(a, 0)
	}
	lowest := 0.0
	for n := 1.0; ; n++ {
		b := min(n*jerk*dt, 2*v/(dt*n))
		if -b >= lowest {
			return max(a, lowest)
		}
		lowest = -b
	}
}

// brake is the acceleration after the hardest braking step.
func (c *Config) brake(m motion, dt float64) float64 {
	a := max(m.a-c.EmergencyJerk*dt, -c.EmergencyDeceleration)
	// Far from rest the landing bound is below every limit.
	if m.v+(m.a+a)*dt/2 > a*a/(2*c.EmergencyJerk)-a*dt/2 {
		return a
	}
	return min(max(a, lowestLanding(m.v, m.a, c.EmergencyJerk, dt)), m.a+c.EmergencyJerk*dt)
}

// avoidable says whether the hardest braking from m at time t on keeps the gap to
// o at every step until the vehicle stands or is slower than o.
func (c *Config) avoidable(m motion, t, dt float64, o *obstacle) bool {
	for {
		if o.gapAt(t, m.s) < o.keep {
			return false
		}
		if m.v <= 0 || m.v <= o.speed && m.a <= 0 {
			return true
		}
		m = m.next(c.brake(m, dt), dt)
		t += dt
	}
}

// limits are the deceleration and jerk allowed for an acceleration: comfort down
// to comfort deceleration, from there opening in proportion to the emergency
// limits.
func (c *Config) limits(a float64) (decel, jerk float64) {
	beyond := -a - c.ComfortDeceleration
	if beyond <= 0 {
		return c.ComfortDeceleration, c.ComfortJerk
	}
	span := c.EmergencyDeceleration - c.ComfortDeceleration
	if beyond >= span {
		return c.EmergencyDeceleration, c.EmergencyJerk
	}
	return -a, c.ComfortJerk + (c.EmergencyJerk-c.ComfortJerk)*beyond/span
}

// step is the acceleration at the end of the next step when wanted is asked for.
func (c *Config) step(m motion, wanted, dt float64) float64 {
	floor, jerk := c.limits(wanted)
	_, release := c.limits(m.a)
	high := min(m.a+release*dt, max(c.MaxAcceleration, m.a-c.EmergencyJerk*dt))
	low := min(max(m.a-jerk*dt, -floor), high)
	a := clamp(wanted, low, high)
	if a > 0 {
		return a
	}
	// Come to rest at the comfort jerk; where it is too late for that, at the
	// emergency jerk, for which there is always time.
	if land := lowestLanding(m.v, m.a, c.ComfortJerk, dt); a < land {
		a = min(land, high)
	}
	if land := lowestLanding(m.v, m.a, c.EmergencyJerk, dt); a < land {
		a = min(land, m.a+c.EmergencyJerk*dt)
	}
	return a
}

// layEnvelope finds the speed that the path's curves allow at each of its nodes,
// with room to brake for them at a comfortable rate.
func (p *Planner) layEnvelope() (curved bool) {
	c := &p.cfg
	// Three quarters of comfort leaves the law some authority to catch up.
	gain := 2 * 0.75 * c.ComfortDeceleration * p.path.cell
	next := math.Inf(1)
	for i := pathCells; i >= 0; i-- {
		allowed := c.SetSpeed * c.SetSpeed
		if k := math.Abs(p.path.kappa[i]); k*allowed > c.LateralAcceleration {
			allowed = c.LateralAcceleration / k
			curved = true
		}
		next = min(allowed, next+gain)
		p.envelope[i] = math.Sqrt(next)
	}
	return curved
}

// curveLaw is the acceleration that keeps to the envelope: its own slope, seen
// ahead by the time that the jerk limit needs, and a correction.
func (p *Planner) curveLaw(m motion) float64 {
	c := &p.cfg
	const correction = 1.0 // s
	ahead := m.v * c.ComfortDeceleration / c.ComfortJerk / 2
	i, u := p.path.find(m.s + ahead)
	rise := (p.envelope[i+1] - p.envelope[i]) / p.path.cell
	allowed := p.envelope[i] + rise*clamp(u, 0, p.path.cell)
	return m.v*min(rise, 0) + (allowed-m.v)/correction
}

// outlook is what the plan had to do beyond keeping its speed.
type outlook struct {
	reacts bool // to the obstacle
	curve  bool // slows for a curve
}

// drive fills p.motions from the present speed and acceleration on.
func (p *Planner) drive(v, a float64, o *obstacle, laneless bool) outlook {
	var out outlook
	c, dt := &p.cfg, p.dt
	curved := p.layEnvelope()
	m := motion{v: v, a: landable(v, clamp(a, -c.EmergencyDeceleration, c.MaxAcceleration), c.EmergencyJerk, dt)}
	p.motions[0] = m
	for i := 1; i < len(p.motions); i++ {
		t := float64(i-1) * dt
		wanted := intelligentDriver(m.v, c.SetSpeed, math.Inf(1), 0, 0, 0, c.MaxAcceleration, c.ComfortDeceleration)
		if laneless {
			wanted = -c.ComfortDeceleration
		}
		if curved {
			if w := p.curveLaw(m); w < wanted {
				wanted = w
				out.curve = out.curve || w < -noticeable
			}
		}
		if o.present {
			gap, closing, standstill := o.gapAt(t, m.s), m.v-o.speed, c.StandstillGap+lawMargin
			w := intelligentDriver(m.v, c.SetSpeed, gap, closing, standstill, c.TimeGap, c.MaxAcceleration, c.ComfortDeceleration)
			w = adaptiveCruise(max(w, -c.EmergencyDeceleration), gap, closing, standstill, c.ComfortDeceleration)
			if w < wanted {
				out.reacts = out.reacts || w < wanted-noticeable
				wanted = w
			}
		}
		next := c.step(m, wanted, dt)
		// The law is a wish. What holds is that braking can always still keep
		// the gap.
		if o.present && !c.avoidable(m.next(next, dt), t+dt, dt, o) {
			next = min(next, c.brake(m, dt))
			out.reacts = true
		}
		m = m.next(next, dt)
		p.motions[i] = m
	}
	return out
}
