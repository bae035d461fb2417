package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"gocv.io/x/gocv"
	"pgregory.net/rapid"

	"dashline/internal/obs"
	"dashline/internal/testkit"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// clock is a virtual clock: stages move it, nothing sleeps.
type clock struct {
	mu  sync.Mutex
	now time.Duration
}

func (c *clock) Now() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += d
}

// source makes n small pictures; fate may fail one.
type source struct {
	n    int
	next int
	fate func(seq int) error
	wait chan struct{} // when set, one receive a frame
}

func (s *source) Next(ctx context.Context, f *frame.Frame) error {
	if s.next == s.n {
		return io.EOF
	}
	if s.wait != nil {
		select {
		case <-s.wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.Seq = uint64(s.next)
	s.next++
	if f.Image.Empty() {
		_ = f.Image.Close()
		f.Image = gocv.NewMatWithSize(4, 6, gocv.MatTypeCV8UC3)
	}
	if s.fate != nil {
		return s.fate(int(f.Seq))
	}
	return nil
}

// detector finds one object, after whatever do does.
type detector struct{ do func(f *frame.Frame) error }

func (d detector) Detect(f *frame.Frame, dst []msg.Detection) ([]msg.Detection, pipeline.Timing, error) {
	if d.do != nil {
		if err := d.do(f); err != nil {
			return nil, pipeline.Timing{}, err
		}
	}
	return append(dst, msg.Detection{Label: "car", Score: 1}), pipeline.Timing{}, nil
}
func (detector) By() msg.Network { return msg.Network{Name: "fake", Engine: "test"} }

type laneFinder struct{ do func(f *frame.Frame) error }

func (l laneFinder) FindLanes(f *frame.Frame, set *msg.LaneSet) (pipeline.Timing, error) {
	if l.do != nil {
		return pipeline.Timing{}, l.do(f)
	}
	return pipeline.Timing{}, nil
}
func (laneFinder) By() msg.Network { return msg.Network{Name: "fake-lanes", Engine: "test"} }

type planner struct{ do func(s *msg.Scene) }

func (p planner) Plan(s *msg.Scene) *msg.Trajectory {
	if p.do != nil {
		p.do(s)
	}
	return &msg.Trajectory{Header: s.Header}
}

// listener is publisher, observer and viewer in one: it keeps all it is told.
type listener struct {
	mu                      sync.Mutex
	detections, lanes, plan []uint64
	viewed                  []uint64
	reports                 []msg.FrameReport
}

func (l *listener) keep(to *[]uint64, seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*to = append(*to, seq)
}
func (l *listener) Detections(m *msg.Detections) { l.keep(&l.detections, m.Seq) }
func (l *listener) Tracks(*msg.Tracks)           {}
func (l *listener) Lanes(m *msg.LaneSet)         { l.keep(&l.lanes, m.Seq) }
func (l *listener) Plan(m *msg.Trajectory)       { l.keep(&l.plan, m.Seq) }
func (l *listener) Frame(r *msg.FrameReport) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reports = append(l.reports, *r)
}
func (l *listener) View(v *pipeline.View) error { l.keep(&l.viewed, v.Frame.Seq); return nil }

// config and stages are those of one camera on a ladder of one rung.
type config struct {
	Camera   string
	Deadline time.Duration
	Policy   pipeline.Policy
	Speed    float64
	Now      func() time.Duration
}

type stages struct {
	Source    pipeline.Source
	Detector  pipeline.Detector
	Lanes     pipeline.LaneFinder
	Tracker   pipeline.Tracker
	Locator   pipeline.Locator
	Planner   pipeline.Planner
	Publisher pipeline.Publisher
	Viewer    pipeline.Viewer
	Observers []pipeline.Observer
}

func (s stages) engine(now func() time.Duration) pipeline.Engine {
	return pipeline.Engine{
		Rungs: []pipeline.Rung{{Name: "only"}},
		Crews: []pipeline.Crew{{Detectors: []pipeline.Detector{s.Detector}, Lanes: s.Lanes}},
		Now:   now,
	}
}

func (s stages) feed(c config, account *obs.Account) pipeline.Feed {
	return pipeline.Feed{
		Config: pipeline.Config{Camera: c.Camera, Deadline: c.Deadline, Policy: c.Policy, Speed: c.Speed},
		Stages: pipeline.Stages{
			Source: s.Source, Tracker: s.Tracker, Locator: s.Locator, Planner: s.Planner,
			Publisher: s.Publisher, Viewer: s.Viewer, Observers: s.Observers,
		},
		Account: account,
	}
}

func run(t testing.TB, ctx context.Context, cfg config, st stages) (obs.Snapshot, error) {
	t.Helper()
	account := obs.NewAccount()
	err := pipeline.Run(ctx, st.engine(cfg.Now), st.feed(cfg, account))[0]
	s := account.Snapshot()
	if cerr := s.Check(); cerr != nil {
		t.Error(cerr)
	}
	return s, err
}

func TestEveryFrameOfAFileIsPublishedInOrder(t *testing.T) {
	l := &listener{}
	s, err := run(t, context.Background(),
		config{Deadline: time.Hour, Policy: pipeline.Every},
		stages{Source: &source{n: 50}, Detector: detector{}, Lanes: laneFinder{}, Planner: planner{}, Publisher: l, Viewer: l})
	if err != nil {
		t.Fatal(err)
	}
	if s.Produced != 50 || s.OnTime != 50 {
		t.Fatalf("got %+v, want 50 on time", s)
	}
	for _, got := range [][]uint64{l.detections, l.lanes, l.plan, l.viewed} {
		if len(got) != 50 {
			t.Fatalf("%d messages, want 50", len(got))
		}
		for i, seq := range got {
			if seq != uint64(i) {
				t.Fatalf("message %d is of frame %d", i, seq)
			}
		}
	}
	if len(l.reports) != 50 {
		t.Fatalf("%d reports", len(l.reports))
	}
}

func TestOutcomes(t *testing.T) {
	boom := errors.New("boom")
	tests := []struct {
		name          string
		stages        func(c *clock, st *stages)
		outcome       msg.Outcome
		stage, reason string
	}{
		{"on time", func(*clock, *stages) {}, msg.OnTime, "", ""},
		{"late", func(c *clock, st *stages) {
			st.Detector = detector{func(*frame.Frame) error { c.Add(101 * time.Millisecond); return nil }}
		}, msg.Late, "", ""},
		{"exactly at the deadline", func(c *clock, st *stages) {
			st.Detector = detector{func(*frame.Frame) error { c.Add(100 * time.Millisecond); return nil }}
		}, msg.OnTime, "", ""},
		{"source loses a frame", func(_ *clock, st *stages) {
			st.Source = &source{n: 1, fate: func(int) error { return &pipeline.FrameError{Reason: "corrupt", Err: boom} }}
		}, msg.Failed, "source", "corrupt"},
		{"source panics", func(_ *clock, st *stages) {
			st.Source = &source{n: 1, fate: func(int) error { panic("oh") }}
		}, msg.Failed, "source", "panic"},
		{"detector fails", func(_ *clock, st *stages) {
			st.Detector = detector{func(*frame.Frame) error { return boom }}
		}, msg.Failed, "detect", "error"},
		{"detector panics", func(_ *clock, st *stages) {
			st.Detector = detector{func(*frame.Frame) error { panic("oh") }}
		}, msg.Failed, "detect", "panic"},
		{"lanes fail", func(_ *clock, st *stages) {
			st.Lanes = laneFinder{func(*frame.Frame) error { return &pipeline.FrameError{Reason: "shape", Err: boom} }}
		}, msg.Failed, "lanes", "shape"},
		{"lanes panic", func(_ *clock, st *stages) {
			st.Lanes = laneFinder{func(*frame.Frame) error { panic("oh") }}
		}, msg.Failed, "lanes", "panic"},
		{"planner panics", func(_ *clock, st *stages) {
			st.Planner = planner{func(*msg.Scene) { panic("oh") }}
		}, msg.Failed, "plan", "panic"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &clock{}
			l := &listener{}
			st := stages{Source: &source{n: 1}, Detector: detector{}, Lanes: laneFinder{}, Planner: planner{}, Publisher: l}
			tt.stages(c, &st)
			_, err := run(t, context.Background(), config{Camera: "front", Deadline: 100 * time.Millisecond, Policy: pipeline.Every, Now: c.Now}, st)
			if err != nil {
				t.Fatal(err)
			}
			if len(l.reports) != 1 {
				t.Fatalf("%d reports of one frame", len(l.reports))
			}
			got := l.reports[0]
			if got.Camera != "front" { // without it the report could not be published
				t.Errorf("the report is of camera %q", got.Camera)
			}
			if got.Outcome != tt.outcome || got.Stage != tt.stage || got.Reason != tt.reason {
				t.Fatalf("got %s %s %s (%s), want %s %s %s", got.Outcome, got.Stage, got.Reason, got.Detail, tt.outcome, tt.stage, tt.reason)
			}
		})
	}
}

// What a source waits for its picture is not what reading it takes.
func TestTheSourceStageIsReadingOnly(t *testing.T) {
	c, l := &clock{}, &listener{}
	src := &source{n: 2}
	src.fate = func(seq int) error { c.Add(10 * time.Millisecond); return nil }
	paced := idle{src, c}
	_, err := run(t, context.Background(), config{Deadline: time.Hour, Policy: pipeline.Every, Now: c.Now},
		stages{Source: paced, Detector: detector{}, Publisher: l})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range l.reports {
		if got := r.Stages[0]; got.Stage != pipeline.StageSource || got.Took != 10*time.Millisecond {
			t.Errorf("frame %d: %+v, want 10 ms of reading", r.Seq, got)
		}
	}
}

// idle is a source that waits 30 ms for each picture.
type idle struct {
	*source
	clock *clock
}

func (i idle) Next(ctx context.Context, f *frame.Frame) error {
	err := i.source.Next(ctx, f)
	f.Idle = 30 * time.Millisecond
	i.clock.Add(f.Idle)
	return err
}

// A live source that is quicker than the detector: the newest frame waits, the
// older ones are dropped at the entrance, and none is dropped later.
func TestNewestWins(t *testing.T) {
	feed, at, release := make(chan struct{}), make(chan uint64), make(chan struct{})
	l := &listener{}
	st := stages{
		Source: &source{n: 6, wait: feed},
		Detector: detector{func(f *frame.Frame) error {
			at <- f.Seq
			<-release
			return nil
		}},
		Publisher: l,
	}
	done := make(chan error)
	go func() {
		_, err := run(t, context.Background(), config{Deadline: time.Hour, Policy: pipeline.Newest}, st)
		done <- err
	}()
	feed <- struct{}{}
	if got := <-at; got != 0 {
		t.Fatalf("frame %d came first", got)
	}
	for range 5 { // 1 to 5 arrive while 0 is at work
		feed <- struct{}{}
	}
	// The source has ended once it has offered frame 5: 1 to 4 are gone by then.
	for l.count() < 4 {
		time.Sleep(time.Millisecond)
	}
	release <- struct{}{}
	if got := <-at; got != 5 {
		t.Fatalf("frame %d followed, want the newest, 5", got)
	}
	release <- struct{}{}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, r := range l.reports {
		want := msg.Dropped
		if r.Seq == 0 || r.Seq == 5 {
			want = msg.OnTime
		}
		if r.Outcome != want || (want == msg.Dropped && (r.Stage != "admission" || r.Reason != "newer")) {
			t.Errorf("frame %d: %s %s %s", r.Seq, r.Outcome, r.Stage, r.Reason)
		}
	}
}

func (l *listener) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.reports)
}

func TestALateLiveFrameIsNotPlannedOn(t *testing.T) {
	for _, policy := range []pipeline.Policy{pipeline.Every, pipeline.Newest} {
		c, l := &clock{}, &listener{}
		slow := detector{func(*frame.Frame) error { c.Add(time.Second); return nil }}
		_, err := run(t, context.Background(), config{Deadline: time.Millisecond, Policy: policy, Now: c.Now},
			stages{Source: &source{n: 1}, Detector: slow, Planner: planner{}, Publisher: l})
		if err != nil {
			t.Fatal(err)
		}
		want := 1
		if policy == pipeline.Newest {
			want = 0
		}
		if len(l.plan) != want || len(l.detections) != 1 {
			t.Errorf("%s: %d plans, want %d; %d detections, want 1", policy, len(l.plan), want, len(l.detections))
		}
	}
}

func TestAViewerThatFailsCostsNoFrame(t *testing.T) {
	s, err := run(t, context.Background(), config{Deadline: time.Hour, Policy: pipeline.Every},
		stages{Source: &source{n: 20}, Detector: detector{}, Viewer: viewer{errors.New("disk full")}})
	if err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Fatalf("got %v, want the viewer's error", err)
	}
	if s.OnTime != 20 {
		t.Fatalf("%d frames on time, want 20", s.OnTime)
	}
}

type viewer struct{ err error }

func (v viewer) View(*pipeline.View) error { return v.err }

func TestABrokenSourceEndsTheRunWithItsError(t *testing.T) {
	src := &source{n: 5, fate: func(seq int) error {
		if seq == 3 {
			return errors.New("cable pulled")
		}
		return nil
	}}
	s, err := run(t, context.Background(), config{Deadline: time.Hour, Policy: pipeline.Every},
		stages{Source: src, Detector: detector{}})
	if err == nil || !strings.Contains(err.Error(), "cable pulled") {
		t.Fatalf("got %v", err)
	}
	if s.Produced != 3 {
		t.Fatalf("%d frames, want the 3 before the fault", s.Produced)
	}
}

// Whatever fails, wherever it is stopped: produced = sum of outcomes, one
// report a frame, finished frames in order.
func TestAccountAlwaysCloses(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 40).Draw(rt, "frames")
		stopAt := rapid.IntRange(-1, 40).Draw(rt, "stop")
		policy := rapid.SampledFrom([]pipeline.Policy{pipeline.Every, pipeline.Newest}).Draw(rt, "policy")
		faults := rapid.SliceOfN(rapid.IntRange(0, 12), 40, 40).Draw(rt, "faults")
		fault := func(kind int) func(f *frame.Frame) error {
			return func(f *frame.Frame) error {
				switch faults[f.Seq] - kind {
				case 0:
					return errors.New("fault")
				case 1:
					panic("fault")
				}
				return nil
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		src := &source{n: n, fate: func(seq int) error {
			if seq == stopAt {
				cancel()
			}
			switch faults[seq] {
			case 6:
				return &pipeline.FrameError{Reason: "corrupt", Err: errors.New("fault")}
			case 7:
				panic("fault")
			}
			return nil
		}}
		l := &listener{}
		account := obs.NewAccount()
		st := stages{Source: src, Detector: detector{fault(0)}, Lanes: laneFinder{fault(2)}, Planner: planner{}, Publisher: l, Viewer: l}
		err := pipeline.Run(ctx, st.engine(nil), st.feed(config{Deadline: time.Hour, Policy: policy}, account))[0]
		if err != nil {
			rt.Fatal(err)
		}
		s := account.Snapshot()
		if int(s.Produced) != src.next || len(l.reports) != src.next {
			rt.Fatalf("%d produced, %d reported, source made %d", s.Produced, len(l.reports), src.next)
		}
		seen := map[uint64]bool{}
		for _, r := range l.reports {
			if seen[r.Seq] {
				rt.Fatalf("frame %d was reported twice", r.Seq)
			}
			seen[r.Seq] = true
		}
		last := -1
		for _, seq := range l.plan {
			if int(seq) <= last {
				rt.Fatalf("plan of frame %d after that of %d", seq, last)
			}
			last = int(seq)
		}
	})
}

// The runner itself allocates the messages and nothing else.
func TestFramePathAllocatesOnlyMessages(t *testing.T) {
	// Detections and its items, LaneSet, FrameReport with its stage times and
	// networks; the fake planner makes one Trajectory.
	const messages = 2 + 1 + 3 + 1
	const warm, frames = 50, 2000
	var before, after runtime.MemStats
	src := &source{n: warm + frames + 1, fate: func(seq int) error {
		switch seq {
		case warm:
			runtime.ReadMemStats(&before)
		case warm + frames:
			runtime.ReadMemStats(&after)
		}
		return nil
	}}
	_, err := run(t, context.Background(), config{Deadline: time.Hour, Policy: pipeline.Every},
		stages{Source: src, Detector: detector{}, Lanes: laneFinder{}, Planner: planner{}, Publisher: discard{}, Viewer: viewer{}})
	if err != nil {
		t.Fatal(err)
	}
	got := float64(after.Mallocs-before.Mallocs) / frames
	t.Logf("%.3f allocations a frame, of which %d are messages", got, messages)
	if got > messages+0.05 { // the runtime itself allocates now and then
		t.Errorf("%.3f allocations a frame, want the %d of its messages", got, messages)
	}
}

type discard struct{}

func (discard) Detections(*msg.Detections) {}
func (discard) Tracks(*msg.Tracks)         {}
func (discard) Lanes(*msg.LaneSet)         {}
func (discard) Plan(*msg.Trajectory)       {}
func (discard) Frame(*msg.FrameReport)     {}

func ExampleFrameError() {
	fmt.Println(&pipeline.FrameError{Reason: "corrupt", Err: errors.New("picture ends early")})
	// Output: corrupt: picture ends early
}
