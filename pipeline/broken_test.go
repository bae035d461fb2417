package pipeline_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"dashline/internal/obs"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

// A largest network that fails on every frame costs a few, and the next one answers
// the others. What fails after the networks moves no rung.
func TestBrokenNetwork(t *testing.T) {
	for _, tt := range []struct {
		name           string
		largest        pipeline.Detector
		fail           func(*msg.Header) bool // of the tracker
		failed, rest   int                    // frames at most, frames of the second rung at least
		onlyOnTheFirst bool
	}{
		{"an error", detector{func(*frame.Frame) error { return errors.New("broken") }}, nil, 30, 250, false},
		{"a panic", detector{func(*frame.Frame) error { panic("broken") }}, nil, 30, 250, false},
		{"the tracker", detector{}, func(*msg.Header) bool { return true }, 300, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, d := ladder(detector{}, nil), &diary{}
			e.Crews[0].Detectors[0] = tt.largest
			st := stages{Source: every33(300), Tracker: tracker{tt.fail}, Publisher: d}
			account := obs.NewAccount()
			service := forward(e, func(int, time.Duration) float64 { return 1 })
			if err := errors.Join(pipeline.Replay(context.Background(), e, service, st.feed(config{Deadline: 100 * ms, Policy: pipeline.Newest}, account))...); err != nil {
				t.Fatal(err)
			}
			on := map[string]int{}
			for _, r := range d.reports {
				on[r.Rung]++
			}
			s := account.Snapshot()
			t.Logf("rungs %v, %d failed", on, s.Failed)
			if int(s.Failed) > tt.failed || on["half"] < tt.rest || tt.onlyOnTheFirst && on["half"] > 0 {
				t.Errorf("rungs %v, %d failed; want at most %d, at least %d on half", on, s.Failed, tt.failed, tt.rest)
			}
		})
	}
}
