package planner

import "dashline/pipeline/msg"

// Planner plans for one vehicle from the frames of one camera. Its memory is the
// estimate of the lead, the last plan's motion and scratch space; it must not be
// used by two goroutines at once.
type Planner struct {
	cfg Config
	dt  float64 // s, cfg.Step as it divides cfg.Horizon

	// From frame to frame.
	ego     ego
	lead    lead
	motions []motion // of the last plan, one a point

	// Scratch.
	path     path
	envelope [pathCells + 1]float64 // m/s, at the path's nodes
	text     line
}

// longUnseen bounds for how long an object may be said not to have been seen.
const longUnseen = 10.0 // s

// New returns a planner with no memory, or cfg's error from [Config.Validate].
func New(cfg Config) (*Planner, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := cfg.steps()
	return &Planner{
		cfg:     cfg,
		dt:      cfg.Horizon / float64(n),
		lead:    lead{index: -1},
		motions: make([]motion, n+1),
		text:    make(line, 0, 512),
	}, nil
}

// Plan returns a plan for one frame. Frames come in the order of their time; one
// that does not follow the last (see the package comment) starts afresh. Every
// number in a scene may be anything: what is not finite counts as not there. The
// scene is only read, the trajectory is the caller's, and nothing of either is
// kept. A nil scene is an empty one.
func (p *Planner) Plan(s *msg.Scene) *msg.Trajectory {
	if s == nil {
		s = &msg.Scene{}
	}
	var st story

	dt, follows := p.ego.since(&s.Header)
	last := p.ego.speed
	if !follows {
		dt = 0
		p.lead = lead{index: -1}
	}
	speed := s.Speed
	if st.noSpeed = !finite(speed); st.noSpeed {
		speed = last
	}
	speed = clamp(speed, 0, fastest)
	accel := 0.0
	if follows {
		accel = p.acceleration(speed, dt)
	}
	p.ego = ego{seen: true, header: s.Header, speed: speed}

	st.laneless = p.layPath(s.Lanes, s.LanesAge.Seconds(), speed, &st.lane)

	index, distance := p.nearest(s.Objects)
	unseen := 0.0
	if index >= 0 {
		unseen = clamp(s.Objects[index].Unseen.Seconds(), 0, longUnseen)
	}
	p.lead.observe(&p.cfg, index, distance, unseen, speed, dt, (last+speed)/2*dt)
	st.obstacle = p.lead.obstacle(&p.cfg)

	st.outlook = p.drive(speed, accel, &st.obstacle, st.laneless != "")
	st.impossible = st.obstacle.present && !p.cfg.avoidable(p.motions[0], 0, p.dt, &st.obstacle)
	st.wide = p.holdLateral()

	t := newTrajectory(len(p.motions))
	t.Header = s.Header
	t.LeadObject = -1
	t.Mode = p.mode(&st)
	if st.reacts {
		t.LeadObject = p.lead.index
		t.LeadDistance = p.lead.d
		t.LeadSpeed = st.obstacle.speed
		if p.lead.known() {
			t.LeadSpeed = p.lead.v
		}
	}
	p.fill(t.Points)
	t.Why = p.why(&st, t.Mode)
	return t
}

// layPath lays the path along the lane, or straight, and then says why.
func (p *Planner) layPath(lanes *msg.LaneSet, age, speed float64, lane *centerline) (laneless string) {
	c := &p.cfg
	// Room for the horizon and for a comfortable stop after it.
	v := max(speed, c.SetSpeed)
	length := clamp(v*c.Horizon+v*v/(2*c.ComfortDeceleration), minPath, maxPath)
	// But always for the horizon.
	length = max(length, (speed+c.MaxAcceleration*c.Horizon)*c.Horizon)

	var why string
	if *lane, why = c.findCenterline(lanes, age, speed); why != "" {
		p.path.straight(length)
		return why
	}
	if !p.path.follow(c, *lane, speed, length) {
		p.path.straight(length)
		return notInLane
	}
	return ""
}

func (p *Planner) mode(st *story) msg.PlanMode {
	switch {
	case st.laneless != "":
		return msg.PlanNoLanes
	case !st.reacts:
		return msg.PlanKeepLane
	case st.obstacle.speed < p.cfg.StandingSpeed:
		return msg.PlanStop
	}
	return msg.PlanFollow
}
