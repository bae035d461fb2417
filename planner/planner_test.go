package planner

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"dashline/pipeline/msg"
)

func TestPlan(t *testing.T) {
	curve := road(cubic(1.8, 0, 0.004, 0), cubic(-1.8, 0, 0.004, 0))
	faint := straightRoad()
	faint.Lanes[0].Confidence, faint.Lanes[1].Confidence = 0.1, 0.1
	distant := straightRoad()
	distant.Lanes[0].Curve.X0, distant.Lanes[1].Curve.X0 = 20, 20
	short := straightRoad()
	short.Lanes[0].Curve.X1, short.Lanes[1].Curve.X1 = 9, 9
	outOfRange := straightRoad()
	outOfRange.EgoLeft, outOfRange.EgoRight = 7, -3

	for _, tc := range []struct {
		name  string
		scene *msg.Scene
		mode  msg.PlanMode
		lead  int
		says  []string
		end   func(p msg.TrajectoryPoint) bool // of the last point
	}{
		{"straight", scene(0, 20, straightRoad()), msg.PlanKeepLane, -1, []string{"keeps the lane's centre"},
			func(p msg.TrajectoryPoint) bool { return math.Abs(p.Position.Y) < 1e-9 && p.Speed > 20 && p.Speed < 25 }},
		{"at the set speed", scene(0, 25, straightRoad()), msg.PlanKeepLane, -1, nil,
			func(p msg.TrajectoryPoint) bool {
				return math.Abs(p.Speed-25) < 1e-9 && math.Abs(p.Position.X-100) < 1e-6
			}},
		{"above the set speed", scene(0, 32, straightRoad()), msg.PlanKeepLane, -1, nil,
			func(p msg.TrajectoryPoint) bool { return p.Speed < 31 && p.Speed > 25 && p.Acceleration > -2 }},
		{"from rest", scene(0, 0, straightRoad()), msg.PlanKeepLane, -1, nil,
			func(p msg.TrajectoryPoint) bool { return p.Speed > 4 && p.Speed < 6 }},
		{"left of the centre", scene(0, 15, road(cubic(1, 0, 0, 0), cubic(-2.6, 0, 0, 0))), msg.PlanKeepLane, -1, nil,
			func(p msg.TrajectoryPoint) bool {
				return math.Abs(p.Position.Y+0.8) < 3e-3 && math.Abs(p.Heading) < 1e-4
			}},
		{"left boundary only", scene(0, 15, road(cubic(1, 0, 0, 0), nil)), msg.PlanKeepLane, -1, []string{"only the left boundary is seen"},
			func(p msg.TrajectoryPoint) bool { return math.Abs(p.Position.Y+0.8) < 3e-3 }},
		{"right boundary only", scene(0, 15, road(nil, cubic(-1, 0, 0, 0))), msg.PlanKeepLane, -1, []string{"only the right boundary is seen"},
			func(p msg.TrajectoryPoint) bool { return math.Abs(p.Position.Y-0.8) < 3e-3 }},
		{"gentle curve", scene(0, 15, curve), msg.PlanKeepLane, -1, nil,
			func(p msg.TrajectoryPoint) bool {
				return math.Abs(p.Position.Y-0.002*p.Position.X*p.Position.X) < 0.02 && p.Heading > 0.2
			}},
		{"curve too fast for comfort", scene(0, 25, curve), msg.PlanKeepLane, -1, []string{"slows for a curve"},
			func(p msg.TrajectoryPoint) bool { return p.Speed < 24 }},
		{"lane seen in part", scene(0, 25, straightRoad()), msg.PlanKeepLane, -1, []string{"the lane is seen to 70.0 m, straightened beyond"}, nil},

		{"no lane set", scene(0, 10, nil), msg.PlanNoLanes, -1, []string{"no lanes were found"},
			func(p msg.TrajectoryPoint) bool { return p.Position.Y == 0 && p.Speed < 3.5 && p.Curvature == 0 }},
		{"no lanes, slow", scene(0, 4, nil), msg.PlanNoLanes, -1, nil, func(p msg.TrajectoryPoint) bool { return p.Speed == 0 && p.Acceleration == 0 }},
		{"no boundaries", scene(0, 10, road(nil, nil)), msg.PlanNoLanes, -1, []string{"no boundary of this lane"}, nil},
		{"faint", scene(0, 10, faint), msg.PlanNoLanes, -1, []string{"below the least confidence"}, nil},
		{"distant", scene(0, 10, distant), msg.PlanNoLanes, -1, []string{"begin too far ahead"}, nil},
		{"short", scene(0, 10, short), msg.PlanNoLanes, -1, []string{"too short"}, nil},
		{"index out of range", scene(0, 10, outOfRange), msg.PlanNoLanes, -1, []string{"no boundary of this lane"}, nil},
		{"too narrow", scene(0, 10, road(cubic(0.5, 0, 0, 0), cubic(-0.5, 0, 0, 0))), msg.PlanNoLanes, -1, []string{"not a lane's width apart"}, nil},
		{"too wide", scene(0, 10, road(cubic(5, 0, 0, 0), cubic(-5, 0, 0, 0))), msg.PlanNoLanes, -1, []string{"not a lane's width apart"}, nil},
		{"crossed", scene(0, 10, road(cubic(-1.8, 0, 0, 0), cubic(1.8, 0, 0, 0))), msg.PlanNoLanes, -1, []string{"not a lane's width apart"}, nil},
		{"another lane", scene(0, 10, road(cubic(8, 0, 0, 0), cubic(4.4, 0, 0, 0))), msg.PlanNoLanes, -1, []string{"not in the lane"}, nil},
		{"not a road", scene(0, 10, road(cubic(1.8, 2, 0, 0), cubic(-1.8, 2, 0, 0))), msg.PlanNoLanes, -1, []string{"bend like no road"}, nil},
		{"no lanes but an object", scene(0, 10, nil, car(16, 0)), msg.PlanNoLanes, 0, []string{"no lanes", "an object 16.0 m ahead"},
			func(p msg.TrajectoryPoint) bool { return p.Speed < 0.5 && p.Position.X <= 12 }},
		{"nothing at all", nil, msg.PlanNoLanes, -1, nil, nil},

		{"first sight", scene(0, 15, straightRoad(), car(40, 0)), msg.PlanStop, 0, []string{"brakes for an object 40.0 m ahead whose speed is not yet known, reckoned at 0.0 m/s"},
			func(p msg.TrajectoryPoint) bool { return p.Position.X <= 36 }},
		{"too near to stop", scene(0, 20, straightRoad(), car(15, 0)), msg.PlanStop, 0, []string{"as hard as the limits allow", "cannot avoid it"}, nil},
		{"too near for the gap", scene(0, 10, straightRoad(), car(12, 0)), msg.PlanStop, 0, []string{"as hard as the limits allow", "cannot keep the standstill gap"},
			func(p msg.TrajectoryPoint) bool { return p.Position.X < 12 && p.Position.X > 8 }},
		{"standing behind an object", scene(0, 0, straightRoad(), car(4, 0)), msg.PlanStop, 0, nil,
			func(p msg.TrajectoryPoint) bool { return p.Position.X == 0 && p.Speed == 0 }},
		{"beside the lane", scene(0, 15, straightRoad(), car(20, 3.4), car(20, -3.4)), msg.PlanKeepLane, -1, nil,
			func(p msg.TrajectoryPoint) bool { return p.Speed > 15 }},
		{"behind", scene(0, 15, straightRoad(), car(-20, 0)), msg.PlanKeepLane, -1, nil, nil},
		{"beyond the horizon", scene(0, 15, straightRoad(), car(350, 0)), msg.PlanKeepLane, -1, nil, func(p msg.TrajectoryPoint) bool { return p.Speed > 15 }},
		{"nearest of several", scene(0, 15, straightRoad(), car(60, 0), car(30, 0.5), car(45, 0), car(10, 4)), msg.PlanStop, 1, nil, nil},
		{"beside on the chord, in the curve", scene(0, 15, curve, car(50, 0.002*51.7*51.7)), msg.PlanStop, 0, nil, nil},
		{"ahead on the chord, beside the curve", scene(0, 15, curve, car(50, 0)), msg.PlanKeepLane, -1, nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Default()
			tr := newPlanner(t, c).Plan(tc.scene)
			if err := breach(&c, tr); err != nil {
				t.Error(err)
			}
			if tr.Mode != tc.mode || tr.LeadObject != tc.lead {
				t.Errorf("mode %s, lead %d, want %s, %d", tr.Mode, tr.LeadObject, tc.mode, tc.lead)
			}
			for _, says := range tc.says {
				if !strings.Contains(tr.Why, says) {
					t.Errorf("why does not say %q", says)
				}
			}
			if last := tr.Points[len(tr.Points)-1]; tc.end != nil && !tc.end(last) {
				t.Errorf("ends at %+v", last)
			}
			if tc.scene != nil && !reflect.DeepEqual(tr.Header, tc.scene.Header) {
				t.Errorf("header %+v, want %+v", tr.Header, tc.scene.Header)
			}
			if t.Failed() {
				t.Log(tr.Why)
			}
		})
	}
}

// The lateral limits are told apart: the plan slows for comfort, and no plan
// goes beyond the greatest, even where the vehicle comes in too fast.
func TestCurveSpeed(t *testing.T) {
	c := Default()
	c.Step = 0.02
	for _, tc := range []struct {
		name  string
		speed float64
		says  string
		most  float64 // lateral acceleration at the end
	}{
		{"ahead", 15, "slows for a curve", 2.1},
		{"too fast", 25, "runs wide", 4.0001},
	} {
		t.Run(tc.name, func(t *testing.T) {
			// Straight at first, 1/50 m at 60 m.
			lane := road(cubic(1.8, 0, 0, 0.0004), cubic(-1.8, 0, 0, 0.0004))
			if tc.name == "too fast" {
				lane = road(cubic(1.8, 0, 0.02, 0), cubic(-1.8, 0, 0.02, 0))
			}
			tr := newPlanner(t, c).Plan(scene(0, tc.speed, lane))
			if err := breach(&c, tr); err != nil {
				t.Error(err)
			}
			if err := disagreement(tr); err != nil {
				t.Error(err)
			}
			if !strings.Contains(tr.Why, tc.says) {
				t.Errorf("why %q does not say %q", tr.Why, tc.says)
			}
			for _, p := range tr.Points {
				if lateral := p.Speed * p.Speed * p.Curvature; lateral > tc.most {
					t.Errorf("%.2f m/s² to the side at %.1f s", lateral, p.T)
				}
			}
		})
	}
}

// A vehicle on the centre of a curve is to stay on it: frame after frame starts
// with the lane's curvature, not from straight wheels.
func TestStaysOnCurve(t *testing.T) {
	c := Default()
	lane := road(cubic(1.8, 0, 0.01, 0), cubic(-1.8, 0, 0.01, 0))
	tr := newPlanner(t, c).Plan(scene(0, 10, lane))
	for _, p := range tr.Points {
		if off := p.Position.Y - 0.005*p.Position.X*p.Position.X; math.Abs(off) > 1e-3 {
			t.Errorf("%.4f m off the centre at %.1f s", off, p.T)
		}
	}
}

func TestNotFiniteIsAbsent(t *testing.T) {
	c := Default()
	bad := []float64{math.NaN(), math.Inf(1), math.Inf(-1)}
	plain := newPlanner(t, c).Plan(scene(0, 15, straightRoad()))
	for _, v := range bad {
		for name, o := range map[string]msg.Object{
			"x": {Position: msg.Ground{X: v}, Width: 2},
			"y": {Position: msg.Ground{X: 20, Y: v}, Width: 2},
		} {
			if tr := newPlanner(t, c).Plan(scene(0, 15, straightRoad(), o)); !reflect.DeepEqual(tr, plain) {
				t.Errorf("an object with %s %v changes the plan: %s", name, v, tr.Why)
			}
		}
		wide := car(30, 0)
		wide.Width = v
		if tr := newPlanner(t, c).Plan(scene(0, 15, straightRoad(), wide)); tr.LeadObject != 0 {
			t.Errorf("an object of width %v is not seen", v)
		}
		for i := range 4 {
			l := straightRoad()
			l.Lanes[0].Curve.C[i] = v
			tr := newPlanner(t, c).Plan(scene(0, 15, l))
			if !strings.Contains(tr.Why, "only the right boundary") {
				t.Errorf("a left boundary with coefficient %d %v: %s", i, v, tr.Why)
			}
		}
		p := newPlanner(t, c)
		p.Plan(scene(0, 12, straightRoad()))
		tr := p.Plan(scene(0.04, v, straightRoad()))
		if tr.Points[0].Speed != 12 || !strings.Contains(tr.Why, "own speed was not measured") {
			t.Errorf("own speed %v: planned from %v: %s", v, tr.Points[0].Speed, tr.Why)
		}
	}
}

func TestPlanAllocates(t *testing.T) {
	p := newPlanner(t, Default())
	lane := road(cubic(1.6, 0.02, 0.004, 0), cubic(-2, 0.02, 0.004, 0))
	frame := 0
	s := scene(0, 25, lane, car(30, 0), car(30, 5))
	allocs := testing.AllocsPerRun(200, func() {
		s.Header = at(float64(frame) / 25)
		frame++
		p.Plan(s)
	})
	// The message with its points, and its Why.
	if allocs > 2 {
		t.Errorf("%v allocations a plan, want at most 2", allocs)
	}
}

func TestOtherHorizon(t *testing.T) {
	c := Default()
	c.Horizon, c.Step = 6, 0.05
	tr := newPlanner(t, c).Plan(scene(0, 20, straightRoad(), car(70, 0)))
	if err := breach(&c, tr); err != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		change func(*Config)
		says   []string
	}{
		{func(c *Config) { c.SetSpeed = 0 }, []string{"set_speed", "0 m/s", "1 to 70"}},
		{func(c *Config) { c.TimeGap = math.NaN() }, []string{"time_gap", "NaN"}},
		{func(c *Config) { c.EmergencyDeceleration = 1 }, []string{"emergency_deceleration", "2 to 10"}},
		{func(c *Config) { c.EmergencyJerk = 1 }, []string{"emergency_jerk", "2 to 50"}},
		{func(c *Config) { c.LaneWidth = 8 }, []string{"lane_width", "8 m", "2.2 to 6"}},
		{func(c *Config) { c.Step = 0.3 }, []string{"step", "0.3 s", "divides horizon (4 s)"}},
		{func(c *Config) { c.MinLaneConfidence = 1.5 }, []string{"min_lane_confidence", "0 to 1"}},
	} {
		c := Default()
		tc.change(&c)
		_, err := New(c)
		if err == nil {
			t.Errorf("%v: no error", tc.says)
			continue
		}
		for _, says := range tc.says {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%q does not say %q", err, says)
			}
		}
	}
}

// Every field is checked: NaN is in no range.
func TestValidateCoversEveryKey(t *testing.T) {
	for i := range reflect.TypeFor[Config]().NumField() {
		f := reflect.TypeFor[Config]().Field(i)
		c := Default()
		reflect.ValueOf(&c).Elem().Field(i).SetFloat(math.NaN())
		if key := f.Tag.Get("yaml"); key == "" || c.Validate() == nil {
			t.Errorf("%s (key %q) may be NaN", f.Name, key)
		}
	}
}

func BenchmarkPlan(b *testing.B) {
	p := newPlanner(b, Default())
	lane := road(cubic(1.6, 0.02, 0.004, 0), cubic(-2, 0.02, 0.004, 0))
	s := scene(0, 25, lane, car(40, 0), car(30, 5), car(60, -4), car(80, 8))
	b.ReportAllocs()
	for i := range b.N {
		s.Header = at(float64(i) / 25)
		p.Plan(s)
	}
}
