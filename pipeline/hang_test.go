package pipeline_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"dashline/internal/obs"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

// turns lets a source give a frame when the one before has its outcome.
type turns chan struct{}

func (t turns) Frame(*msg.FrameReport) { t <- struct{}{} }

// A crew that never answers costs its frame. With another one at hand the run goes
// on, and without it ends with an error that says so; every frame is accounted for.
func TestACrewThatHangs(t *testing.T) {
	for _, policy := range []pipeline.Policy{pipeline.Newest, pipeline.Every} {
		for _, renewed := range []bool{true, false} {
			t.Run(string(policy)+map[bool]string{true: " renewed", false: " alone"}[renewed], func(t *testing.T) {
				back := make(chan struct{}) // lets the hanging crew go at the end
				var hangs sync.WaitGroup
				hangs.Add(1)
				stuck := detector{func(f *frame.Frame) error {
					if f.Seq == 3 {
						defer hangs.Done()
						<-back
					}
					return nil
				}}
				l := &listener{}
				next := make(turns, 10)
				next <- struct{}{}
				st := stages{
					Source: &source{n: 10, wait: next}, Detector: stuck, Lanes: laneFinder{}, Planner: planner{},
					Publisher: l, Viewer: l, Observers: []pipeline.Observer{next},
				}
				e := st.engine(nil)
				e.Patience = 300 * time.Millisecond
				opened := 0
				if renewed {
					e.Renew = func(int) (pipeline.Crew, error) {
						opened++
						return pipeline.Crew{Detectors: []pipeline.Detector{detector{}}, Lanes: laneFinder{}}, nil
					}
				}
				account := obs.NewAccount()
				err := pipeline.Run(context.Background(), e, st.feed(config{Camera: "front", Deadline: time.Hour, Policy: policy}, account))[0]
				close(back)
				hangs.Wait()

				made, onTime, _, dropped, failed := account.Counts()
				var report *msg.FrameReport
				for i := range l.reports {
					if l.reports[i].Reason == "hang" && l.reports[i].Seq == 3 {
						report = &l.reports[i]
					}
				}
				if report == nil || report.Outcome != msg.Failed || report.Stage != pipeline.StageDetect {
					t.Fatalf("reports %+v", l.reports)
				}
				for _, seq := range l.detections {
					if seq == 3 {
						t.Error("detections of the frame that failed are published")
					}
				}
				var hang *pipeline.HangError
				switch {
				case renewed && (err != nil || opened != 1 || made != 10 || failed != 1 || onTime != 9 || dropped != 0):
					t.Errorf("%v; %d opened, %d made, %d on time, %d dropped, %d failed", err, opened, made, onTime, dropped, failed)
				case !renewed && (!errors.As(err, &hang) || hang.Seq != 3 || hang.Camera != "front"):
					t.Errorf("%v", err)
				}
			})
		}
	}
}

// A crew that cannot be opened again ends the run with both reasons.
func TestACrewThatHangsAndCannotBeRenewed(t *testing.T) {
	back := make(chan struct{})
	defer close(back)
	st := stages{Source: &source{n: 1}, Detector: detector{func(*frame.Frame) error { <-back; return nil }}}
	e := st.engine(nil)
	e.Patience = 50 * time.Millisecond
	e.Renew = func(int) (pipeline.Crew, error) { return pipeline.Crew{}, io.ErrUnexpectedEOF }
	account := obs.NewAccount()
	err := pipeline.Run(context.Background(), e, st.feed(config{Deadline: time.Hour, Policy: pipeline.Newest}, account))[0]
	var hang *pipeline.HangError
	if !errors.As(err, &hang) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
}
