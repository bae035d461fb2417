package planner

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"dashline/pipeline/msg"
)

// A curve that is looked at from further along is the same curve.
func TestAhead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := func(name string, size float64) float64 { return rapid.Float64Range(-size, size).Draw(t, name) }
		b := msg.Cubic{C: [4]float64{n("y", 4), n("slope", .3), n("bend", .01), n("twist", 1e-4)}, X0: 2, X1: 60}
		by := rapid.Float64Range(0, 30).Draw(t, "by")
		got := ahead(b, by)
		for x := -10.0; x < 60; x += 7 {
			if d := math.Abs(got.At(x) - b.At(x+by)); d > 1e-9 {
				t.Fatalf("at %g it is off by %g", x, d)
			}
		}
		if got.X0 != b.X0-by || got.X1 != b.X1-by {
			t.Errorf("from %g to %g", got.X0, got.X1)
		}
	})
}

// Lanes of a moment ago still lead around the bend that is now nearer; lanes of
// long ago are none.
func TestOldLanes(t *testing.T) {
	const speed = 20.0
	bend := func(y float64) *msg.Cubic { return cubic(y, 0, 2e-3, 0) }
	s := scene(0, speed, road(bend(1.8), bend(-1.8)))
	s.LanesAge = 100 * time.Millisecond
	old := newPlanner(t, Default()).Plan(s)

	moved := func(y float64) *msg.Cubic { c := ahead(*bend(y), speed*.1); return &c }
	fresh := newPlanner(t, Default()).Plan(scene(0, speed, road(moved(1.8), moved(-1.8))))
	if old.Mode != msg.PlanKeepLane || len(old.Points) != len(fresh.Points) {
		t.Fatalf("%s: %s", old.Mode, old.Why)
	}
	for i, p := range old.Points {
		if d := math.Hypot(p.Position.X-fresh.Points[i].Position.X, p.Position.Y-fresh.Points[i].Position.Y); d > .05 {
			t.Fatalf("point %d is %.2f m from that of the same lanes seen now", i, d)
		}
	}
	s.LanesAge = 3 * time.Second
	if p := newPlanner(t, Default()).Plan(s); p.Mode != msg.PlanNoLanes || !strings.Contains(p.Why, lowConfid) {
		t.Errorf("lanes of 3 s ago: %s: %s", p.Mode, p.Why)
	}
}

// Where an object was not seen, what is said of it counts for less.
func TestUnseenObjectCountsLess(t *testing.T) {
	c := Default()
	after := func(unseen float64) lead {
		var l lead
		l.start(30, 20, .5)
		for range 20 {
			l.observe(&c, 0, 30, 0, 20, .05, 1)
		}
		l.observe(&c, 0, 33, unseen, 20, .05, 1)
		return l
	}
	seen, guessed := after(0), after(1)
	if math.Abs(guessed.d-30) > math.Abs(seen.d-30)/2 || guessed.dd <= seen.dd {
		t.Errorf("seen: %.2f m (variance %.3f), not seen: %.2f m (%.3f)", seen.d, seen.dd, guessed.d, guessed.dd)
	}
}
