package planner

import (
	"math"
	"strconv"

	"dashline/pipeline/msg"
)

// usualPoints is the number of points at the default horizon and step.
const usualPoints = 41

// newTrajectory allocates a message with room for n points, at once where there
// are no more than usual.
func newTrajectory(n int) *msg.Trajectory {
	if n > usualPoints {
		return &msg.Trajectory{Points: make([]msg.TrajectoryPoint, n)}
	}
	both := new(struct {
		msg.Trajectory
		points [usualPoints]msg.TrajectoryPoint
	})
	both.Points = both.points[:n:n]
	return &both.Trajectory
}

// fill writes the points: motions laid along the path.
func (p *Planner) fill(points []msg.TrajectoryPoint) {
	n := float64(len(points) - 1)
	for i := range points {
		m := &p.motions[i]
		x, y, heading, kappa := p.path.at(m.s)
		points[i] = msg.TrajectoryPoint{
			T:            p.cfg.Horizon * float64(i) / n,
			Position:     msg.Ground{X: x, Y: y},
			Heading:      heading,
			Speed:        m.v,
			Acceleration: m.a,
			Curvature:    kappa,
		}
	}
}

// holdLateral cuts the path's curvature to what the planned speeds allow at the
// greatest lateral acceleration and reports whether it had to: the vehicle is
// too fast for the curve and runs wide.
func (p *Planner) holdLateral() bool {
	cut := false
	for i := 1; i < len(p.motions); i++ {
		v := max(p.motions[i-1].v, p.motions[i].v)
		if v*v*p.cfg.MaxCurvature <= p.cfg.MaxLateralAcceleration {
			continue
		}
		if p.path.limitCurvature(p.motions[i-1].s, p.motions[i].s, p.cfg.MaxLateralAcceleration/(v*v)) {
			cut = true
		}
	}
	if cut {
		p.path.integrate()
	}
	return cut
}

// line is the text of Trajectory.Why, built in a buffer that is kept.
type line []byte

func (l *line) text(s string) { *l = append(*l, s...) }

func (l *line) number(v float64, unit string) {
	*l = strconv.AppendFloat(*l, v, 'f', 1, 64)
	*l = append(*l, unit...)
}

// story is what Why tells.
type story struct {
	outlook
	laneless   string // why there is no lane, empty where there is one
	lane       centerline
	wide       bool // runs wide in a curve
	noSpeed    bool // own speed was not measured
	obstacle   obstacle
	impossible bool // the standstill gap cannot be kept
}

// why says in one line for people what the plan reacts to.
func (p *Planner) why(st *story, mode msg.PlanMode) string {
	w := &p.text
	*w = (*w)[:0]
	if st.laneless != "" {
		w.text("no lanes (")
		w.text(st.laneless)
		w.text("): straight on and slowing to a stop")
	}
	switch l := &p.lead; {
	case st.reacts && st.laneless != "":
		w.text("; ")
		p.tellLead(w)
	case mode == msg.PlanStop && l.known():
		w.text("stops before ")
		p.tellLead(w)
	case mode == msg.PlanStop:
		w.text("brakes for ")
		p.tellLead(w)
	case mode == msg.PlanFollow:
		w.text("follows ")
		p.tellLead(w)
		w.text(" at a time gap of ")
		w.number(p.cfg.TimeGap, " s")
	case mode == msg.PlanKeepLane:
		w.text("keeps the lane's centre at up to ")
		w.number(p.cfg.SetSpeed, " m/s")
	}
	last := &p.motions[len(p.motions)-1]
	if st.impossible {
		p.tellImpossible(w, &st.obstacle)
	} else if p.hardest() < -p.cfg.ComfortDeceleration-1e-9 {
		w.text("; brakes harder than comfort, at up to ")
		w.number(-p.hardest(), " m/s²")
	}
	if st.curve {
		w.text("; slows for a curve to ")
		w.number(last.v, " m/s")
	}
	if st.wide {
		w.text("; too fast for the curve at the lateral limit, runs wide of the lane's centre")
	}
	if st.laneless == "" {
		if p.path.tighterThanCan {
			w.text("; the lane turns more tightly than the vehicle can")
		}
		if st.lane.sides != bothSides {
			w.text("; only ")
			w.text(st.lane.sides)
			w.text(" is seen")
		}
		if last.s > st.lane.reach {
			w.text("; the lane is seen to ")
			w.number(st.lane.reach, " m, straightened beyond")
		}
	}
	if st.noSpeed {
		w.text("; own speed was not measured, taken as ")
		w.number(p.motions[0].v, " m/s")
	}
	return string(*w)
}

func (p *Planner) tellLead(w *line) {
	l := &p.lead
	switch {
	case !l.known():
		w.text("an object ")
		w.number(l.d, " m ahead whose speed is not yet known, reckoned at ")
		w.number(l.cautiousSpeed(p.cfg.StandingSpeed), " m/s")
	case l.v < p.cfg.StandingSpeed:
		w.text("an object that stands ")
		w.number(l.d, " m ahead")
	default:
		w.text("an object ")
		w.number(l.d, " m ahead at ")
		w.number(l.v, " m/s")
	}
	if l.index < 0 {
		w.text(", not seen in this frame")
	}
}

// tellImpossible says what comes of braking as hard as the limits allow.
func (p *Planner) tellImpossible(w *line, o *obstacle) {
	w.text("; brakes as hard as the limits allow, at up to ")
	w.number(-p.hardest(), " m/s²")
	least := math.Inf(1)
	for i, m := range p.motions {
		gap := o.gapAt(float64(i)*p.dt, m.s)
		if gap <= 0 && m.v > o.speed {
			w.text(", and cannot avoid it: would reach it about ")
			w.number(m.v-o.speed, " m/s faster than it goes")
			return
		}
		least = min(least, gap)
	}
	w.text(", and cannot keep the standstill gap: comes within ")
	w.number(max(least, 0), " m")
}

// hardest is the least acceleration in the plan.
func (p *Planner) hardest() float64 {
	least := 0.0
	for i := range p.motions {
		least = min(least, p.motions[i].a)
	}
	return least
}
