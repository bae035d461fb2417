package planner

import (
	"math"
	"reflect"
	"testing"
	"time"

	"dashline/pipeline/msg"

	"pgregory.net/rapid"
)

func drawCubic(t *rapid.T, name string, y0 float64) *msg.Cubic {
	return &msg.Cubic{
		C: [4]float64{
			y0 + rapid.Float64Range(-0.5, 0.5).Draw(t, name+" y0"),
			rapid.Float64Range(-0.3, 0.3).Draw(t, name+" slope"),
			rapid.Float64Range(-0.02, 0.02).Draw(t, name+" bend"),
			rapid.Float64Range(-0.0003, 0.0003).Draw(t, name+" twist"),
		},
		X0: rapid.Float64Range(-5, 20).Draw(t, name+" x0"),
		X1: rapid.Float64Range(0, 120).Draw(t, name+" x1"),
	}
}

func drawLanes(t *rapid.T) *msg.LaneSet {
	switch rapid.SampledFrom([]string{"both", "straight", "left", "right", "none", "nil"}).Draw(t, "lanes") {
	case "both":
		left := drawCubic(t, "left", 1.8)
		right := *left
		right.C[0] -= rapid.Float64Range(2, 6).Draw(t, "width")
		return road(left, &right)
	case "straight":
		return straightRoad()
	case "left":
		return road(drawCubic(t, "left", 1.8), nil)
	case "right":
		return road(nil, drawCubic(t, "right", -1.8))
	case "none":
		return road(nil, nil)
	}
	return nil
}

func drawObjects(t *rapid.T) []msg.Object {
	n := rapid.IntRange(0, 5).Draw(t, "objects")
	objects := make([]msg.Object, n)
	for i := range objects {
		objects[i] = msg.Object{
			Position: msg.Ground{X: rapid.Float64Range(-10, 200).Draw(t, "x"), Y: rapid.Float64Range(-8, 8).Draw(t, "y")},
			Width:    rapid.Float64Range(0, 3).Draw(t, "width"),
		}
	}
	return objects
}

// drawScenes draws frames of one drive, with gaps, at any own speeds.
func drawScenes(t *rapid.T) []*msg.Scene {
	now := 0.0
	scenes := make([]*msg.Scene, rapid.IntRange(1, 12).Draw(t, "frames"))
	for i := range scenes {
		scenes[i] = scene(now, rapid.Float64Range(0, 45).Draw(t, "speed"), drawLanes(t), drawObjects(t)...)
		now += rapid.SampledFrom([]float64{0.04, 0.04, 0.08, 0.2, 0.7, 3}).Draw(t, "dt")
	}
	return scenes
}

func drawConfig(t *rapid.T) Config {
	c := Default()
	if !rapid.Bool().Draw(t, "other config") {
		return c
	}
	c.SetSpeed = rapid.Float64Range(1, 70).Draw(t, "set speed")
	c.TimeGap = rapid.Float64Range(0.5, 5).Draw(t, "time gap")
	c.StandstillGap = rapid.Float64Range(0.5, 20).Draw(t, "standstill gap")
	c.MaxAcceleration = rapid.Float64Range(0.2, 5).Draw(t, "acceleration")
	c.ComfortDeceleration = rapid.Float64Range(0.5, 5).Draw(t, "comfort")
	c.EmergencyDeceleration = rapid.Float64Range(c.ComfortDeceleration, 10).Draw(t, "emergency")
	c.ComfortJerk = rapid.Float64Range(0.5, 10).Draw(t, "comfort jerk")
	c.EmergencyJerk = rapid.Float64Range(c.ComfortJerk, 50).Draw(t, "emergency jerk")
	c.MaxCurvature = rapid.Float64Range(0.02, 0.3).Draw(t, "curvature")
	return c
}

func TestNeverInBreach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawConfig(t)
		p, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range drawScenes(t) {
			tr := p.Plan(s)
			if err := breach(&c, tr); err != nil {
				t.Fatalf("frame %d: %v\n%s", i, err, tr.Why)
			}
			if tr.Points[0].Speed != s.Speed {
				t.Fatalf("frame %d: starts at %v m/s, the vehicle goes %v", i, tr.Points[0].Speed, s.Speed)
			}
			if (tr.Mode == msg.PlanNoLanes) && tr.Points[len(tr.Points)-1].Position.Y != 0 {
				t.Fatalf("frame %d: turns without a lane", i)
			}
		}
	})
}

// At a step short enough for sums to stand for integrals: speed makes the arc,
// curvature the heading, heading the position.
func TestKinematics(t *testing.T) {
	c := Default()
	c.Step = 0.02
	rapid.Check(t, func(t *rapid.T) {
		p, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		tr := p.Plan(scene(0, rapid.Float64Range(0, 40).Draw(t, "speed"), drawLanes(t), drawObjects(t)...))
		if err := disagreement(tr); err != nil {
			t.Fatal(err)
		}
	})
}

// The object is seen for the first time, so it counts as standing.
func TestNeverPassesWhatItCanStopFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawConfig(t)
		p, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		v := rapid.Float64Range(0, 40).Draw(t, "speed")
		gap := rapid.Float64Range(0, 150).Draw(t, "gap")
		tr := p.Plan(scene(0, v, straightRoad(), car(gap, 0)))
		s := lengths(tr)
		end := s[len(s)-1]
		// Reckoned apart: the brakes come up over a ramp, hold, and go over a
		// ramp; two steps for the grid. Longer than the best, so if it fits
		// the planner's has to.
		b, j := c.EmergencyDeceleration, c.EmergencyJerk
		stop := v*(b/j+2*c.Step) + v*v/(2*b)
		if stop <= gap-c.StandstillGap && end > gap-c.StandstillGap+1e-9 {
			t.Fatalf("goes %v m, could stop within %v, may go %v\n%s", end, stop, gap-c.StandstillGap, tr.Why)
		}
		// And where nothing can stop in time, it brakes with all it has, if
		// there is speed and time enough to get there.
		if v*v/(2*b) > gap && v > b*b/j+2*b*c.Step && b/j < c.Horizon-2*c.Step && p.hardest() > -b+1e-9 {
			t.Fatalf("cannot stop, yet brakes at %v only", p.hardest())
		}
	})
}

func TestNearerIsNeverFaster(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Float64Range(0, 35).Draw(t, "speed")
		near := rapid.Float64Range(0, 120).Draw(t, "near")
		far := near + rapid.Float64Range(0, 60).Draw(t, "more")
		known := rapid.Bool().Draw(t, "known")
		moves := math.Max(0, rapid.Float64Range(-10, 35).Draw(t, "lead speed"))
		plan := func(gap float64) (*Planner, *msg.Trajectory) {
			p, err := New(Default())
			if err != nil {
				t.Fatal(err)
			}
			if !known {
				return p, p.Plan(scene(0, v, straightRoad(), car(gap, 0)))
			}
			p.lead = lead{tracked: true, d: gap, v: moves, dd: 0.1, vv: 0.1, index: -1}
			p.ego = ego{seen: true, header: at(0), speed: v}
			p.motions[0] = motion{v: v}
			return p, p.Plan(scene(0, v, straightRoad()))
		}
		p, a := plan(near)
		_, b := plan(far)
		slack := 1e-6
		o := p.lead.obstacle(&p.cfg)
		if o.speed > 0 {
			// How fast the brakes may be released, when the gap opens
			// again, depends on how hard they were on.
			slack = 0.2
		}
		as, bs := lengths(a), lengths(b)
		for i := range as {
			if o.gapAt(a.Points[i].T, as[i]) <= 0 {
				return // beyond an impact there is nothing to compare
			}
			if as[i] > bs[i]+slack {
				t.Fatalf("at %.1f s the plan for %.2f m has gone %v, that for %.2f m %v\n%s\n%s", a.Points[i].T, near, as[i], far, bs[i], a.Why, b.Why)
			}
		}
	})
}

func TestDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scenes := drawScenes(t)
		run := func() []*msg.Trajectory {
			p, err := New(Default())
			if err != nil {
				t.Fatal(err)
			}
			var out []*msg.Trajectory
			for _, s := range scenes {
				out = append(out, p.Plan(s))
			}
			return out
		}
		// DeepEqual tells every float apart but -0 from 0; nothing is NaN.
		if a, b := run(), run(); !reflect.DeepEqual(a, b) {
			t.Fatal("the same frames gave other plans")
		}
	})
}

// A plan is the caller's: later frames leave it as it is.
func TestPlanIsNotTouchedLater(t *testing.T) {
	p := newPlanner(t, Default())
	tr := p.Plan(scene(0, 20, straightRoad(), car(40, 0)))
	copied := *tr
	copied.Points = append([]msg.TrajectoryPoint(nil), tr.Points...)
	p.Plan(scene(0.04, 5, nil))
	if !reflect.DeepEqual(*tr, copied) {
		t.Error("the next frame changed a plan")
	}
}

// Whichever clock a stream has, the lead's speed comes out the same.
func TestClocks(t *testing.T) {
	for name, header := range map[string]func(t float64) msg.Header{
		"pts":     at,
		"capture": func(t float64) msg.Header { return msg.Header{CapturedAt: time.Unix(1e9, int64(t*1e9))} },
		"arrival": func(t float64) msg.Header { return msg.Header{Arrived: time.Duration(t * 1e9)} },
		"pts with skipped numbers and jittered arrival": func(t float64) msg.Header {
			h := at(t)
			h.Seq *= 7
			h.Arrived = time.Duration((t + 0.01*math.Sin(100*t)) * 1e9)
			return h
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlanner(t, Default())
			var tr *msg.Trajectory
			for i := range 60 {
				if i%5 == 3 {
					continue // a dropped frame
				}
				now := float64(i) / 25
				s := scene(now, 20, straightRoad(), car(40-5*now, 0))
				s.Header = header(now)
				tr = p.Plan(s)
			}
			if math.Abs(tr.LeadSpeed-15) > 0.3 || tr.Mode != msg.PlanFollow {
				t.Errorf("%s, lead at %v m/s, want about 15: %s", tr.Mode, tr.LeadSpeed, tr.Why)
			}
		})
	}
}
