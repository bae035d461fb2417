package planner

import (
	"math"
	"strings"
	"testing"
	"time"

	"dashline/pipeline/msg"
)

func TestWatchedLead(t *testing.T) {
	c := Default()
	for _, tc := range []struct {
		name             string
		speed, gap, lead float64
		mode             msg.PlanMode
		says             string
		last             func(p msg.TrajectoryPoint) bool
	}{
		{"same speed, near", 20, 20, 20, msg.PlanFollow, "at a time gap of 1.8 s", func(p msg.TrajectoryPoint) bool { return p.Speed < 19 && p.Speed > 12 }},
		{"closing", 20, 30, 10, msg.PlanFollow, "brakes harder than comfort", func(p msg.TrajectoryPoint) bool { return p.Speed < 10.5 && p.Position.X < 66 }},
		{"opening", 10, 30, 20, msg.PlanKeepLane, "keeps", func(p msg.TrajectoryPoint) bool { return p.Speed > 13 }},
		{"far ahead, as fast", 20, 120, 20, msg.PlanKeepLane, "keeps", func(p msg.TrajectoryPoint) bool { return p.Speed > 20 }},
		{"standing", 12, 50, 0, msg.PlanStop, "an object that stands 50.0 m ahead", func(p msg.TrajectoryPoint) bool { return p.Speed < 8 && p.Position.X < 46 }},
		{"standing, both", 0, 5, 0, msg.PlanStop, "an object that stands 5.0 m ahead", func(p msg.TrajectoryPoint) bool { return p.Position.X < 1 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := watch(newPlanner(t, c), straightRoad(), tc.speed, tc.gap, tc.lead, 0)
			if err := breach(&c, tr); err != nil {
				t.Error(err)
			}
			if tr.Mode != tc.mode || !strings.Contains(tr.Why, tc.says) {
				t.Errorf("%s: %s; want %s, %q", tr.Mode, tr.Why, tc.mode, tc.says)
			}
			if last := tr.Points[len(tr.Points)-1]; !tc.last(last) {
				t.Errorf("ends at %+v", last)
			}
			if tr.Mode == msg.PlanKeepLane {
				if tr.LeadObject != -1 || tr.LeadDistance != 0 || tr.LeadSpeed != 0 {
					t.Errorf("follows nothing, yet lead %d at %v m, %v m/s", tr.LeadObject, tr.LeadDistance, tr.LeadSpeed)
				}
			} else if tr.LeadObject != 0 || math.Abs(tr.LeadDistance-tc.gap) > 0.3 || math.Abs(tr.LeadSpeed-tc.lead) > 0.5 {
				t.Errorf("lead %d at %v m, %v m/s, want 0 at %v m, %v m/s", tr.LeadObject, tr.LeadDistance, tr.LeadSpeed, tc.gap, tc.lead)
			}
		})
	}
}

// A gap that is short but does not close is no cause for more than comfort.
func TestShortGapIsNoEmergency(t *testing.T) {
	tr := watch(newPlanner(t, Default()), straightRoad(), 20, 12, 20, 0)
	for _, p := range tr.Points {
		if p.Acceleration < -2.3 {
			t.Fatalf("brakes at %v m/s² at %.1f s: %s", p.Acceleration, p.T, tr.Why)
		}
	}
}

// behind returns a planner that knows a lead 40 m ahead at its own 20 m/s since
// 2 s, and the time of the next frame.
func behind(t *testing.T) (*Planner, float64) {
	p := newPlanner(t, Default())
	if tr := watch(p, straightRoad(), 20, 40, 20, 0); tr.Mode != msg.PlanFollow || !p.lead.known() {
		t.Fatalf("does not follow: %s", tr.Why)
	}
	return p, 2 + 0.04
}

func TestCutIn(t *testing.T) {
	p, now := behind(t)
	tr := p.Plan(scene(now, 20, straightRoad(), car(40, 0), car(15, 0)))
	if tr.LeadObject != 1 || tr.LeadDistance != 15 || !strings.Contains(tr.Why, "whose speed is not yet known") {
		t.Errorf("lead %d at %v m: %s", tr.LeadObject, tr.LeadDistance, tr.Why)
	}
	// Some frames on its speed is known and the planner calm again.
	for range 50 {
		now += 0.04
		tr = p.Plan(scene(now, 20, straightRoad(), car(15, 0)))
	}
	if tr.Mode != msg.PlanFollow || math.Abs(tr.LeadSpeed-20) > 0.5 {
		t.Errorf("%s, lead at %v m/s: %s", tr.Mode, tr.LeadSpeed, tr.Why)
	}
}

func TestLostLead(t *testing.T) {
	c := Default()
	p, now := behind(t)
	var tr *msg.Trajectory
	for unseen := 0.04; unseen < c.LeadMemory; unseen += 0.04 {
		tr = p.Plan(scene(now, 20, straightRoad()))
		now += 0.04
		if tr.Mode != msg.PlanFollow || tr.LeadObject != -1 || !strings.Contains(tr.Why, "not seen in this frame") {
			t.Fatalf("after %.2f s: %s, lead %d: %s", unseen, tr.Mode, tr.LeadObject, tr.Why)
		}
		if math.Abs(tr.LeadDistance-40) > 0.5 {
			t.Fatalf("after %.2f s: reckoned %v m ahead", unseen, tr.LeadDistance)
		}
	}
	for range 3 {
		tr = p.Plan(scene(now, 20, straightRoad()))
		now += 0.04
	}
	if tr.Mode != msg.PlanKeepLane || p.lead.tracked {
		t.Errorf("not forgotten: %s", tr.Why)
	}
}

// An object that shows behind the place of the lead is not taken for it, and
// takes its place only when the lead has been gone for long.
func TestNextLead(t *testing.T) {
	p, now := behind(t)
	tr := p.Plan(scene(now, 20, straightRoad(), car(70, 0)))
	if tr.LeadObject != -1 || math.Abs(tr.LeadDistance-40) > 0.5 {
		t.Errorf("lead %d at %v m", tr.LeadObject, tr.LeadDistance)
	}
	for range 17 {
		now += 0.04
		tr = p.Plan(scene(now, 20, straightRoad(), car(70, 0)))
	}
	if tr.LeadObject != 0 || math.Abs(tr.LeadDistance-70) > 0.5 {
		t.Errorf("lead %d at %v m: %s", tr.LeadObject, tr.LeadDistance, tr.Why)
	}
}

func TestStartsAfresh(t *testing.T) {
	for name, change := range map[string]func(*msg.Header){
		"another camera":    func(h *msg.Header) { h.Camera = "rear" },
		"time goes back":    func(h *msg.Header) { h.PTS = time.Second },
		"numbers go back":   func(h *msg.Header) { h.Seq = 1 },
		"too long a gap":    func(h *msg.Header) { h.PTS += 5 * time.Second },
		"time without end":  func(h *msg.Header) { h.PTS = math.MaxInt64 },
		"time without sign": func(h *msg.Header) { h.PTS = math.MinInt64 },
	} {
		t.Run(name, func(t *testing.T) {
			p, now := behind(t)
			s := scene(now, 20, straightRoad(), car(40, 0))
			change(&s.Header)
			got := p.Plan(s)
			want := newPlanner(t, Default()).Plan(s)
			if got.Why != want.Why || got.LeadSpeed != want.LeadSpeed || got.Points[40] != want.Points[40] {
				t.Errorf("%s\nwant %s", got.Why, want.Why)
			}
		})
	}
}

// The speed comes from times, so that a lead after skipped frames is the same.
func TestSkippedFrames(t *testing.T) {
	p, now := behind(t)
	now += 0.5
	tr := p.Plan(scene(now, 20, straightRoad(), car(38, 0)))
	if tr.LeadObject != 0 || math.Abs(tr.LeadSpeed-18) > 2.5 || !p.lead.known() {
		t.Errorf("lead %d at %v m/s: %s", tr.LeadObject, tr.LeadSpeed, tr.Why)
	}
}

// A vehicle that does not obey (a recorded drive) is planned for as it moves.
func TestDisobedientVehicle(t *testing.T) {
	p := newPlanner(t, Default())
	var tr *msg.Trajectory
	for i := range 100 {
		tr = p.Plan(scene(float64(i)/25, 15, nil))
	}
	if a := tr.Points[0].Acceleration; a < -0.6 || a > 0 {
		t.Errorf("a vehicle at a constant speed is taken to accelerate at %v m/s²", a)
	}
}

// The filter against the textbook's equations written out with matrices.
func TestLeadFilter(t *testing.T) {
	var l lead
	l.start(50, 20, 1)
	x := [2]float64{50, 20}
	P := [2][2]float64{{1, 0}, {0, 400}}
	for i, z := range []float64{49, 48.2, 47, 46.1, 45.2} {
		dt, noise := 0.04*float64(i+1), 0.5+0.1*float64(i)
		travel := 25 * dt
		l.predict(dt, travel)
		l.update(z, noise)

		// x = Fx - Bu, P = FPF' + Q
		x = [2]float64{x[0] + dt*x[1] - travel, x[1]}
		FP := [2][2]float64{{P[0][0] + dt*P[1][0], P[0][1] + dt*P[1][1]}, P[1]}
		P = [2][2]float64{
			{FP[0][0] + dt*FP[0][1] + leadAgility*dt*dt*dt/3, FP[0][1] + leadAgility*dt*dt/2},
			{FP[1][0] + dt*FP[1][1] + leadAgility*dt*dt/2, FP[1][1] + leadAgility*dt},
		}
		// K = PH'/(HPH' + R), P = (I-KH)P(I-KH)' + KRK', Joseph's form.
		S := P[0][0] + noise*noise
		K := [2]float64{P[0][0] / S, P[1][0] / S}
		y := z - x[0]
		x = [2]float64{x[0] + K[0]*y, x[1] + K[1]*y}
		A := [2][2]float64{{1 - K[0], 0}, {-K[1], 1}}
		var AP, J [2][2]float64
		for r := range 2 {
			for c := range 2 {
				AP[r][c] = A[r][0]*P[0][c] + A[r][1]*P[1][c]
			}
		}
		for r := range 2 {
			for c := range 2 {
				J[r][c] = AP[r][0]*A[c][0] + AP[r][1]*A[c][1] + K[r]*K[c]*noise*noise
			}
		}
		P = J
		for _, pair := range [][2]float64{{l.d, x[0]}, {l.v, x[1]}, {l.dd, P[0][0]}, {l.dv, P[0][1]}, {l.vv, P[1][1]}} {
			if !near(pair[0], pair[1], 1e-9) {
				t.Fatalf("after %d measurements: %+v, want x %v, P %v", i+1, l, x, P)
			}
		}
	}
}
