package bench

import (
	"math"
	"testing"

	"dashline/bench/worker"
)

// TestEnergyOfAFrame sees that a frame's energy is what was counted over its blocks, and
// that a counter which fails gives no figure.
func TestEnergyOfAFrame(t *testing.T) {
	s := &subject{joules: 12, ran: 40, opened: &worker.Opened{}, ended: &worker.Ended{}}
	s.cfg.Ladder = []string{"one"} // no size to look up
	o := &Options{Closed: true}
	if r := s.report(o); r.Joules != .3 {
		t.Errorf("%v J a frame, want .3", r.Joules)
	}
	s.joules = math.NaN()
	if r := s.report(o); r.Joules != 0 {
		t.Errorf("%v J a frame of a counter that failed", r.Joules)
	}
}
