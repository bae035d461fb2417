package pipeline_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"dashline/internal/obs"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

// aged gives pictures that are older each time; every third is lost.
type aged struct{ seq, n uint64 }

func lagOf(seq uint64) time.Duration { return time.Duration(1+seq%7) * ms }

func (a *aged) Next(_ context.Context, f *frame.Frame) error {
	if a.seq == a.n {
		return io.EOF
	}
	f.Seq, f.PTS, f.Lag = a.seq, time.Duration(a.seq)*10*ms, lagOf(a.seq)
	a.seq++
	if f.Seq%3 == 2 {
		return &pipeline.FrameError{Reason: "corrupt", Err: errors.New("fault")}
	}
	return nil
}

// Every report tells how old its picture was when it arrived: of frames that are
// finished, dropped, lost by the source and failed alike.
func TestReportsTellTheLag(t *testing.T) {
	e, d := ladder(detector{func(f *frame.Frame) error {
		if f.Seq%5 == 0 {
			return errors.New("fault")
		}
		return nil
	}}, nil), &diary{}
	st := stages{Source: &aged{n: 60}, Tracker: tracker{}, Publisher: d}
	service := forward(e, func(int, time.Duration) float64 { return 1 })
	if err := errors.Join(pipeline.Replay(context.Background(), e, service, st.feed(config{Deadline: 100 * ms, Policy: pipeline.Newest}, obs.NewAccount()))...); err != nil {
		t.Fatal(err)
	}
	seen := map[msg.Outcome]int{}
	for _, r := range d.reports {
		seen[r.Outcome]++
		if r.Lag != lagOf(r.Seq) || r.Age < r.Lag {
			t.Errorf("frame %d, %s: lag %v, want %v; age %v", r.Seq, r.Outcome, r.Lag, lagOf(r.Seq), r.Age)
		}
	}
	if seen[msg.OnTime] == 0 || seen[msg.Dropped] == 0 || seen[msg.Failed] == 0 {
		t.Errorf("outcomes %v", seen)
	}
}
