package planner

import (
	"math"
	"math/rand/v2"
	"testing"

	"dashline/pipeline/msg"
)

// drive is a vehicle that obeys its own plans behind a lead, 25 plans a second.
type drive struct {
	speed, gap, lead float64 // at the start
	leadAccel        func(t float64) float64
	noise            float64 // standard deviation of distances, as a share
	seconds          float64
	seen             func(t, gap float64) (float64, bool) // what is seen of the gap; nil for all of it
}

type driven struct {
	leastGap, lastGap, lastSpeed, most, hardest, jerk float64
	modes                                             map[msg.PlanMode]int
}

func (d drive) run(t *testing.T) driven {
	t.Helper()
	c := Default()
	p := newPlanner(t, c)
	rnd := rand.New(rand.NewPCG(1, 2))
	const dt = 1.0 / 25
	v, gap, lead := d.speed, d.gap, d.lead
	out := driven{leastGap: math.Inf(1), modes: map[msg.PlanMode]int{}}
	last := math.NaN()
	for now := 0.0; now < d.seconds; now += dt {
		s := scene(now, v, straightRoad())
		seen, ok := gap, true
		if d.seen != nil {
			seen, ok = d.seen(now, gap)
		}
		if ok {
			s.Objects = append(s.Objects, car(seen*(1+d.noise*rnd.NormFloat64()), 0))
		}
		tr := p.Plan(s)
		if err := breach(&c, tr); err != nil {
			t.Fatalf("at %.2f s: %v", now, err)
		}
		out.modes[tr.Mode]++
		a, b := tr.Points[0], tr.Points[1]
		jerk := (b.Acceleration - a.Acceleration) / (b.T - a.T)
		end := a.Acceleration + jerk*dt
		// Within the plan and across the joint of two.
		out.jerk = math.Max(out.jerk, math.Abs(jerk))
		if !math.IsNaN(last) {
			out.jerk = math.Max(out.jerk, math.Abs(a.Acceleration-last)/dt)
		}
		last = end
		moved := dt * (v + dt*(a.Acceleration/3+end/6))
		v = math.Max(0, v+dt*(a.Acceleration+end)/2)
		next := lead
		if d.leadAccel != nil {
			next = math.Max(0, lead+d.leadAccel(now)*dt)
		}
		gap += (lead+next)/2*dt - moved
		lead = next
		out.leastGap = math.Min(out.leastGap, gap)
		out.hardest = math.Min(out.hardest, end)
		out.most = math.Max(out.most, v)
	}
	out.lastGap, out.lastSpeed = gap, v
	return out
}

func after(start, accel float64) func(float64) float64 {
	return func(t float64) float64 {
		if t < start {
			return 0
		}
		return accel
	}
}

func TestClosedLoop(t *testing.T) {
	c := Default()
	for _, tc := range []struct {
		name    string
		drive   drive
		gap     [2]float64 // at the end
		speed   float64    // at the end, NaN for any
		hardest float64
		least   float64 // gap ever
	}{
		{"lead brakes gently to a stop", drive{speed: 20, gap: 60, lead: 20, leadAccel: after(4, -2), seconds: 40}, [2]float64{4, 6}, 0, 4, 4},
		{"lead brakes hard to a stop", drive{speed: 25, gap: 50, lead: 25, leadAccel: after(4, -6), seconds: 30}, [2]float64{4, 6}, 0, 8, 4},
		{"the same through noise", drive{speed: 25, gap: 50, lead: 25, leadAccel: after(4, -6), noise: 0.03, seconds: 30}, [2]float64{3, 7}, 0, 8, 3},
		{"standing object from afar", drive{speed: 20, gap: 200, lead: 0, seconds: 40}, [2]float64{4, 6}, 0, 3.5, 4},
		{"settles at the time gap", drive{speed: 20, gap: 60, lead: 18, seconds: 60}, [2]float64{18*1.8 + 4, 18*1.8 + 12}, 18, 8, 30},
		{"lead drives off", drive{speed: 0, gap: 4.5, lead: 0, leadAccel: after(2, 1), seconds: 12}, [2]float64{10, 40}, math.NaN(), 8, 4},
		{"flickering detections", drive{speed: 20, gap: 60, lead: 20, leadAccel: after(4, -3), seconds: 30,
			seen: func(t, gap float64) (float64, bool) { return gap, int(t*25)%4 != 1 }}, [2]float64{4, 6}, 0, 8, 4},
		{"a second object seen past the lead at times", drive{speed: 20, gap: 60, lead: 20, leadAccel: after(4, -3), seconds: 30,
			seen: func(t, gap float64) (float64, bool) {
				if int(t*25)%5 == 1 {
					return gap + 30, true
				}
				return gap, true
			}}, [2]float64{4, 6}, 0, 8, 4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := tc.drive.run(t)
			if got.leastGap < tc.least {
				t.Errorf("came within %.2f m", got.leastGap)
			}
			if got.lastGap < tc.gap[0] || got.lastGap > tc.gap[1] {
				t.Errorf("ends %.2f m behind, want %v", got.lastGap, tc.gap)
			}
			if math.Abs(got.lastSpeed-tc.speed) > 0.5 {
				t.Errorf("ends at %.2f m/s, want %v", got.lastSpeed, tc.speed)
			}
			if got.jerk > c.EmergencyJerk+1e-6 {
				t.Errorf("jerk of %.2f m/s³", got.jerk)
			}
			if -got.hardest > tc.hardest {
				t.Errorf("brakes at %.2f m/s²", -got.hardest)
			}
			t.Logf("least gap %.2f m, ends %.2f m behind at %.2f m/s; braked at up to %.2f m/s², jerk %.2f m/s³; %v",
				got.leastGap, got.lastGap, got.lastSpeed, -got.hardest, got.jerk, got.modes)
		})
	}
}
