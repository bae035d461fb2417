package planner

import (
	"fmt"
	"math"

	"dashline/pipeline/msg"
)

// breach returns what is wrong with a plan whatever it was made from, or nil.
func breach(c *Config, tr *msg.Trajectory) error {
	n := c.steps()
	if len(tr.Points) != n+1 {
		return fmt.Errorf("%d points, want %d", len(tr.Points), n+1)
	}
	first := tr.Points[0]
	if first.Position != (msg.Ground{}) || first.Heading != 0 {
		return fmt.Errorf("starts at %+v", first)
	}
	const eps = 1e-9
	for i, p := range tr.Points {
		if want := c.Horizon * float64(i) / float64(n); p.T != want {
			return fmt.Errorf("point %d is at %v s, want %v", i, p.T, want)
		}
		for _, v := range []float64{p.Position.X, p.Position.Y, p.Heading, p.Speed, p.Acceleration, p.Curvature} {
			if !finite(v) {
				return fmt.Errorf("point %d is not finite: %+v", i, p)
			}
		}
		switch {
		case p.Speed < 0:
			return fmt.Errorf("point %d goes backwards: %+v", i, p)
		case p.Acceleration > c.MaxAcceleration+eps, p.Acceleration < -c.EmergencyDeceleration-eps:
			return fmt.Errorf("point %d is beyond the limits of acceleration: %+v", i, p)
		case math.Abs(p.Curvature) > c.MaxCurvature+eps:
			return fmt.Errorf("point %d is beyond the limit of curvature: %+v", i, p)
		case p.Speed*p.Speed*math.Abs(p.Curvature) > c.MaxLateralAcceleration+eps:
			return fmt.Errorf("point %d is beyond the limit of lateral acceleration: %+v", i, p)
		}
		if i == 0 {
			continue
		}
		last, dt := tr.Points[i-1], p.T-tr.Points[i-1].T
		if j := math.Abs(p.Acceleration-last.Acceleration) / dt; j > c.EmergencyJerk+1e-6 {
			return fmt.Errorf("point %d comes with a jerk of %v m/s³", i, j)
		}
		if want := last.Speed + dt*(last.Acceleration+p.Acceleration)/2; math.Abs(want-p.Speed) > 1e-9 {
			return fmt.Errorf("point %d has speed %v, its accelerations make it %v", i, p.Speed, want)
		}
		arc := arcLength(last, p)
		turn := p.Heading - last.Heading
		if math.Abs(turn) > c.MaxCurvature*arc+eps {
			return fmt.Errorf("point %d turns by %v over %v m", i, turn, arc)
		}
		// A chord is as long as its arc but for a third order term, and
		// points between the headings at its ends.
		dx, dy := p.Position.X-last.Position.X, p.Position.Y-last.Position.Y
		short := arc * math.Pow(c.MaxCurvature*arc, 2) / 6
		if chord := math.Hypot(dx, dy); chord > arc+1e-6 || chord < arc-short-1e-6 {
			return fmt.Errorf("point %d is %v m on, its speeds make it %v m", i, chord, arc)
		}
		if arc > 0.01 {
			off := math.Remainder(math.Atan2(dy, dx)-last.Heading-turn/2, 2*math.Pi)
			if math.Abs(off) > c.MaxCurvature*arc/2+1e-6 {
				return fmt.Errorf("point %d lies %v rad off its heading", i, off)
			}
		}
	}
	if tr.Why == "" || tr.Mode == "" {
		return fmt.Errorf("says nothing: mode %q, why %q", tr.Mode, tr.Why)
	}
	if tr.LeadObject < -1 || !finite(tr.LeadDistance) || !finite(tr.LeadSpeed) || tr.LeadDistance < 0 || tr.LeadSpeed < 0 {
		return fmt.Errorf("lead %d at %v m, %v m/s", tr.LeadObject, tr.LeadDistance, tr.LeadSpeed)
	}
	return nil
}

// arcLength is the way from one point to the next at a jerk that is constant
// between them.
func arcLength(a, b msg.TrajectoryPoint) float64 {
	dt := b.T - a.T
	return dt * (a.Speed + dt*(a.Acceleration/3+b.Acceleration/6))
}

// lengths returns the way gone at each point.
func lengths(tr *msg.Trajectory) []float64 {
	s := make([]float64, len(tr.Points))
	for i := 1; i < len(s); i++ {
		s[i] = s[i-1] + arcLength(tr.Points[i-1], tr.Points[i])
	}
	return s
}

// disagreement returns where a plan of short steps is not the sum of its own
// speeds and curvatures, or nil.
func disagreement(tr *msg.Trajectory) error {
	var s, heading, x, y float64
	for i, q := range tr.Points[1:] {
		last := tr.Points[i]
		ds := arcLength(last, q)
		turn := ds * (last.Curvature + q.Curvature) / 2
		sin, cos := math.Sincos(heading + turn/2)
		s, heading, x, y = s+ds, heading+turn, x+ds*cos, y+ds*sin
		if math.Abs(heading-q.Heading) > 0.004 || math.Hypot(x-q.Position.X, y-q.Position.Y) > 0.004*s+1e-6 {
			return fmt.Errorf("at %.2f s the sums are at %.4f %.4f heading %.5f, the plan at %+v", q.T, x, y, heading, q)
		}
	}
	return nil
}
