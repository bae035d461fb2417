package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"dashline/internal/obs"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

const ms = time.Millisecond

// diary is a publisher, an observer and a viewer that writes down all it is
// told, in the order in which it is told.
type diary struct {
	pages   []string
	reports []msg.FrameReport
	viewed  []uint64
}

func (d *diary) write(kind string, h *msg.Header, v any) {
	d.pages = append(d.pages, fmt.Sprintf("%s %d %+v", kind, h.Seq, v))
}
func (d *diary) Detections(m *msg.Detections) { d.write("detections", &m.Header, *m) }
func (d *diary) Tracks(m *msg.Tracks)         { d.write("tracks", &m.Header, *m) }
func (d *diary) Lanes(m *msg.LaneSet)         { d.write("lanes", &m.Header, *m) }
func (d *diary) Plan(m *msg.Trajectory)       { d.write("plan", &m.Header, *m) }
func (d *diary) Frame(m *msg.FrameReport) {
	d.write("frame", &m.Header, *m)
	d.reports = append(d.reports, *m)
}
func (d *diary) View(v *pipeline.View) error { d.viewed = append(d.viewed, v.Frame.Seq); return nil }

// kinds are the first two words of each page: "detections 3".
func (d *diary) kinds() []string {
	var all []string
	for _, p := range d.pages {
		w := strings.Fields(p)
		all = append(all, w[0]+" "+w[1])
	}
	return all
}

// timed is a source of frames with the given presentation times.
type timed struct {
	source
	pts []time.Duration
}

func newTimed(pts ...time.Duration) *timed { return &timed{source: source{n: len(pts)}, pts: pts} }

func (s *timed) Next(ctx context.Context, f *frame.Frame) error {
	err := s.source.Next(ctx, f)
	if err != io.EOF {
		f.PTS = s.pts[s.next-1]
	}
	return err
}

func took(stage string, d time.Duration) msg.StageTime { return msg.StageTime{Stage: stage, Took: d} }

func replay(t testing.TB, cfg config, st stages, service pipeline.Service) obs.Snapshot {
	t.Helper()
	account := obs.NewAccount()
	if err := pipeline.Replay(context.Background(), st.engine(nil), service, st.feed(cfg, account))[0]; err != nil {
		t.Fatal(err)
	}
	return account.Snapshot()
}

// One drive by hand: frames every 10 ms, work of 25 ms.
func TestReplayByHand(t *testing.T) {
	service := pipeline.Fixed(took(pipeline.StageSource, 2*ms), took(pipeline.StagePreprocess, 1*ms), took(pipeline.StageForward, 10*ms),
		took(pipeline.StageDecode, 1*ms), took(pipeline.StageLanes, 20*ms), took(pipeline.StageLanesForward, 15*ms),
		took(pipeline.StagePlan, 4*ms), took(pipeline.StagePublish, 1*ms))
	src := newTimed(70*ms, 80*ms, 90*ms, 100*ms, 110*ms, 120*ms, 130*ms)
	src.fate = func(seq int) error {
		if seq == 5 {
			return &pipeline.FrameError{Reason: "corrupt", Err: errors.New("half of it is missing")}
		}
		return nil
	}
	d := &diary{}
	s := replay(t, config{Camera: "front", Deadline: 40 * ms, Policy: pipeline.Newest},
		stages{Source: src, Detector: detector{}, Lanes: laneFinder{}, Planner: planner{}, Publisher: d, Viewer: d}, service)

	// 0 arrives at 2 and is at work until 27: its detections are out at 14, lanes
	// at 22, the plan at 26. 1 (at 12) gives way to 2 (at 22). 2 is at work from 27
	// to 52; 3 (at 32) gives way to 4 (at 42); 5 is lost at 52, when 4 is taken,
	// until 77; 6 comes at 62 and is at work until 102.
	want := []string{
		"detections 0", "lanes 0", "frame 1", "plan 0", "frame 0",
		"detections 2", "frame 3", "lanes 2", "plan 2", "frame 2",
		"frame 5", "detections 4", "lanes 4", "plan 4", "frame 4",
		"detections 6", "lanes 6", "plan 6", "frame 6",
	}
	if got := d.kinds(); !slices.Equal(got, want) {
		t.Errorf("order of messages\n got %q\nwant %q", got, want)
	}
	if !slices.Equal(d.viewed, []uint64{0, 2, 4, 6}) {
		t.Errorf("viewed %v", d.viewed)
	}
	type row struct {
		seq          uint64
		outcome      msg.Outcome
		reason       string
		arrived, age time.Duration
	}
	var got []row
	for _, r := range d.reports {
		got = append(got, row{r.Seq, r.Outcome, r.Reason, r.Arrived, r.Age})
	}
	rows := []row{
		{1, msg.Dropped, "newer", 12 * ms, 10 * ms}, {0, msg.OnTime, "", 2 * ms, 25 * ms},
		{3, msg.Dropped, "newer", 32 * ms, 10 * ms}, {2, msg.OnTime, "", 22 * ms, 30 * ms},
		{5, msg.Failed, "corrupt", 52 * ms, 0}, {4, msg.OnTime, "", 42 * ms, 35 * ms},
		{6, msg.OnTime, "", 62 * ms, 40 * ms},
	}
	if !slices.Equal(got, rows) {
		t.Errorf("reports\n got %+v\nwant %+v", got, rows)
	}
	stages := []msg.StageTime{
		took(pipeline.StageSource, 2*ms), took(pipeline.StageWait, 15*ms), took(pipeline.StagePreprocess, 1*ms), took(pipeline.StageForward, 10*ms),
		took(pipeline.StageDecode, 1*ms), took(pipeline.StageLanes, 20*ms), took(pipeline.StageLanesForward, 15*ms),
		took(pipeline.StagePlan, 4*ms), took(pipeline.StagePublish, 1*ms),
	}
	if last := d.reports[len(d.reports)-1]; !slices.Equal(last.Stages, stages) {
		t.Errorf("stages of the last frame\n got %+v\nwant %+v", last.Stages, stages)
	}
	if s.Produced != 7 || s.OnTime != 4 || s.Dropped != 2 || s.Failed != 1 {
		t.Errorf("account %+v", s)
	}
}

// Frames of which it is known arrive as they did: those of a burst together.
func TestReplayOfArrivals(t *testing.T) {
	d := &diary{}
	src := bursts{newTimed(0, 10*ms, 20*ms, 30*ms, 40*ms), []time.Duration{5 * ms, 35 * ms, 35 * ms, 35 * ms, 0}}
	replay(t, config{Deadline: 30 * ms, Policy: pipeline.Newest},
		stages{Source: src, Detector: detector{}, Publisher: d},
		pipeline.Fixed(took(pipeline.StageSource, ms), took(pipeline.StageForward, 4*ms)))
	var got []string
	for _, r := range d.reports {
		got = append(got, fmt.Sprintf("%d %s %v %v", r.Seq, r.Outcome, r.Arrived, r.Age))
	}
	// Of the three that come at 31 the first is taken at once, and the last after it.
	want := []string{"0 on_time 1ms 4ms", "2 dropped 31ms 0s", "1 on_time 31ms 4ms", "3 on_time 31ms 8ms", "4 on_time 36ms 7ms"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// bursts is a source that knows when its frames arrived; 0 where it does not.
type bursts struct {
	*timed
	at []time.Duration
}

func (b bursts) Next(ctx context.Context, f *frame.Frame) error {
	err := b.timed.Next(ctx, f)
	if err != io.EOF {
		f.Arrived = b.at[b.next-1]
	}
	return err
}

// A live frame that is late when its lanes are there is not planned on, by the
// virtual clock; with Every it is.
func TestReplayPlansOnNothingStale(t *testing.T) {
	for policy, want := range map[pipeline.Policy]int{pipeline.Newest: 0, pipeline.Every: 1} {
		d := &diary{}
		replay(t, config{Deadline: 30 * ms, Policy: policy},
			stages{Source: newTimed(0), Detector: detector{}, Lanes: laneFinder{}, Planner: planner{}, Publisher: d},
			pipeline.Fixed(took(pipeline.StageForward, 10*ms), took(pipeline.StageLanes, 31*ms)))
		plans := 0
		for _, p := range d.kinds() {
			if p == "plan 0" {
				plans++
			}
		}
		if plans != want || d.reports[0].Outcome != msg.Late || d.reports[0].Age != 31*ms {
			t.Errorf("%s: %d plans, want %d; %+v", policy, plans, want, d.reports[0])
		}
	}
}

func TestReplayWithEveryDropsNothing(t *testing.T) {
	d := &diary{}
	src := newTimed(0, 10*ms, 20*ms, 100*ms)
	src.fate = func(seq int) error {
		if seq == 2 {
			return &pipeline.FrameError{Reason: "corrupt", Err: errors.New("half of it is missing")}
		}
		return nil
	}
	replay(t, config{Deadline: 30 * ms, Policy: pipeline.Every},
		stages{Source: src, Detector: detector{}, Publisher: d}, pipeline.Fixed(took(pipeline.StageForward, 25*ms)))
	var got []string
	for _, r := range d.reports {
		got = append(got, fmt.Sprintf("%d %s %v %v", r.Seq, r.Outcome, r.Arrived, r.Age))
	}
	// 1 is taken at 25, and only then is 2 read.
	want := []string{"0 on_time 0s 25ms", "2 failed 25ms 0s", "1 on_time 25ms 25ms", "3 on_time 100ms 25ms"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A failed stage takes its time too, and the lag of a picture counts.
func TestReplayOfFaultsAndLag(t *testing.T) {
	d := &diary{}
	src := newTimed(0, 10*ms)
	replay(t, config{Deadline: 30 * ms, Policy: pipeline.Newest},
		stages{Source: lagging{src, 7 * ms}, Detector: detector{func(f *frame.Frame) error {
			if f.Seq == 0 {
				panic("oh")
			}
			return nil
		}}, Lanes: laneFinder{}, Publisher: d},
		pipeline.Fixed(took(pipeline.StageForward, 12*ms), took(pipeline.StageLanes, 5*ms)))
	var got []string
	for _, r := range d.reports {
		got = append(got, fmt.Sprintf("%d %s %s %v", r.Seq, r.Outcome, r.Reason, r.Age))
	}
	if want := []string{"0 failed panic 19ms", "1 on_time  21ms"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

type lagging struct {
	pipeline.Source
	lag time.Duration
}

func (l lagging) Next(ctx context.Context, f *frame.Frame) error {
	err := l.Source.Next(ctx, f)
	f.Lag = l.lag
	return err
}

// admission is the whole of Newest and Every, step by step in whole
// milliseconds, for comparison. It returns what became of each frame: the times
// at which it was taken and done, or dropped. With Newest a frame that is older
// than deadline when its turn comes is not taken.
func admission(policy pipeline.Policy, arrivals, service []int, deadline int) (fate []string) {
	fate = make([]string, len(arrivals))
	atWork, waiting, next, end := -1, -1, 0, 0
	took := func(at int) {
		if waiting >= 0 && policy == pipeline.Newest && atWork < 0 && at-arrivals[waiting] > deadline {
			fate[waiting], waiting = fmt.Sprintf("dropped at %d", at), -1
		}
		if waiting >= 0 && atWork < 0 {
			atWork, waiting, end = waiting, -1, at+service[waiting]
			fate[atWork] = fmt.Sprintf("%d to %d", at, end)
		}
	}
	for at := 0; next < len(arrivals) || atWork >= 0 || waiting >= 0; at++ {
		for busy := true; busy; {
			busy = false
			if atWork >= 0 && end == at {
				atWork, busy = -1, true
				took(at)
				continue
			}
			full := waiting >= 0 && policy == pipeline.Every // the source waits
			if next < len(arrivals) && arrivals[next] <= at && !full {
				if waiting >= 0 {
					fate[waiting] = fmt.Sprintf("dropped at %d", at)
				}
				waiting, busy = next, true
				next++
				took(at)
			}
		}
	}
	return fate
}

func TestReplayAdmitsAsTheModelSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 30).Draw(rt, "frames")
		policy := rapid.SampledFrom([]pipeline.Policy{pipeline.Every, pipeline.Newest}).Draw(rt, "policy")
		gaps := rapid.SliceOfN(rapid.IntRange(0, 12), n, n).Draw(rt, "gaps")
		service := rapid.SliceOfN(rapid.IntRange(0, 30), n, n).Draw(rt, "service")
		first := rapid.IntRange(0, 1000).Draw(rt, "first")
		arrivals, pts := make([]int, n), make([]time.Duration, n)
		for i := range n {
			if i > 0 {
				arrivals[i] = arrivals[i-1] + gaps[i]
			}
			pts[i] = time.Duration(first+arrivals[i]) * ms
		}
		d := &diary{}
		s := replay(t, config{Deadline: 20 * ms, Policy: policy},
			stages{Source: newTimed(pts...), Detector: detector{}, Lanes: laneFinder{}, Planner: planner{}, Publisher: d, Viewer: d},
			func(h *msg.Header, _ int) []msg.StageTime {
				all := service[h.Seq]
				return []msg.StageTime{took(pipeline.StageForward, time.Duration(all/3)*ms), took(pipeline.StageLanes, time.Duration(all)*ms)}
			})
		got := make([]string, n)
		last := time.Duration(-1)
		for _, r := range d.reports {
			done := r.Arrived + r.Age
			if done < last {
				rt.Fatalf("frame %d is reported at %v, after one at %v", r.Seq, done, last)
			}
			last = done
			if r.Outcome == msg.Dropped {
				got[r.Seq] = fmt.Sprintf("dropped at %d", done/ms)
				continue
			}
			wait := time.Duration(0)
			for _, s := range r.Stages {
				if s.Stage == pipeline.StageWait {
					wait = s.Took
				}
			}
			got[r.Seq] = fmt.Sprintf("%d to %d", (r.Arrived+wait)/ms, done/ms)
			if late := r.Age > 20*ms; late != (r.Outcome == msg.Late) {
				rt.Fatalf("frame %d of age %v is %s", r.Seq, r.Age, r.Outcome)
			}
		}
		if want := admission(policy, arrivals, service, 20); !slices.Equal(got, want) {
			rt.Fatalf("%s\n got %q\nwant %q", policy, got, want)
		}
		if int(s.Produced) != n || len(d.viewed) != int(s.Finished()) {
			rt.Fatalf("%d viewed, account %+v", len(d.viewed), s)
		}
	})
}

// What the machine does meanwhile changes nothing: stages that take as long as
// they like, on any number of cores.
func TestReplayDependsOnNothingElse(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	once := func() []string {
		d := &diary{}
		var pts []time.Duration
		for i := range 60 {
			pts = append(pts, time.Duration(i)*10*ms+time.Duration(i*i%7)*ms)
		}
		dawdle := func(k uint64) func(f *frame.Frame) error {
			return func(f *frame.Frame) error {
				time.Sleep(time.Duration((f.Seq*k)%5) * 200 * time.Microsecond)
				if f.Seq%11 == k {
					return errors.New("fault")
				}
				return nil
			}
		}
		replay(t, config{Camera: "front", Deadline: 22 * ms, Policy: pipeline.Newest},
			stages{Source: newTimed(pts...), Detector: detector{dawdle(3)}, Lanes: laneFinder{dawdle(5)}, Planner: planner{}, Publisher: d, Viewer: viewer{}},
			func(h *msg.Header, _ int) []msg.StageTime {
				return []msg.StageTime{took(pipeline.StageForward, time.Duration(h.Seq%4)*5*ms), took(pipeline.StageLanes, 12*ms), took(pipeline.StagePlan, 5*ms)}
			})
		return d.pages
	}
	want := once()
	if all := strings.Join(want, "\n"); !strings.Contains(all, "newer") || !strings.Contains(all, "fault") || !strings.Contains(all, "late") {
		t.Fatal("the run has no drops, faults or late frames")
	}
	for _, cores := range []int{1, 2, 4} {
		runtime.GOMAXPROCS(cores)
		if got := once(); !slices.Equal(got, want) {
			for i := range got {
				if i >= len(want) || got[i] != want[i] {
					t.Fatalf("on %d cores message %d is\n%s\nand was\n%s", cores, i, got[i], want[min(i, len(want)-1)])
				}
			}
			t.Fatalf("on %d cores there are %d messages, and were %d", cores, len(got), len(want))
		}
	}
}

func TestRecordedTimes(t *testing.T) {
	reports := map[time.Duration]*msg.FrameReport{
		0:       {Outcome: msg.OnTime, Stages: []msg.StageTime{took(pipeline.StageForward, 3*ms)}},
		10 * ms: {Outcome: msg.Dropped},
		20 * ms: {Outcome: msg.Failed, Stages: []msg.StageTime{took(pipeline.StageSource, 9*ms)}},
		30 * ms: {Outcome: msg.Late, Stages: []msg.StageTime{took(pipeline.StageForward, -5*ms)}},
		40 * ms: {Outcome: msg.Late, Stages: []msg.StageTime{took(pipeline.StageForward, 1000*time.Hour)}},
	}
	service := pipeline.Recorded(func(h *msg.Header, _ int) *msg.FrameReport { return reports[h.PTS] }, pipeline.Fixed(took(pipeline.StageForward, 7*ms)))
	d := &diary{}
	replay(t, config{Deadline: time.Second, Policy: pipeline.Every},
		stages{Source: newTimed(0, 10*ms, 20*ms, 30*ms, 40*ms, 50*ms), Detector: detector{}, Publisher: d}, service)
	var ages []time.Duration
	for _, r := range d.reports {
		ages = append(ages, r.Age)
	}
	if want := []time.Duration{3 * ms, 7 * ms, 7 * ms, 0, time.Hour, 7 * ms}; !reflect.DeepEqual(ages, want) {
		t.Errorf("ages %v, want %v", ages, want)
	}
}

// Time stamps of a hostile file: time goes on, and no age is negative.
func TestReplayOfImpossibleTimes(t *testing.T) {
	for _, policy := range []pipeline.Policy{pipeline.Every, pipeline.Newest} {
		d := &diary{}
		replay(t, config{Deadline: time.Second, Policy: policy},
			stages{Source: newTimed(5, math.MaxInt64, math.MinInt64, -1, math.MaxInt64-time.Second, 3), Detector: detector{}, Publisher: d},
			pipeline.Fixed(took(pipeline.StageSource, ms), took(pipeline.StageForward, time.Hour)))
		last := time.Duration(0)
		for _, r := range d.reports {
			if r.Age < 0 || r.Arrived < 0 || r.Arrived+r.Age < last {
				t.Errorf("%s: frame %d arrives at %v and is %v old", policy, r.Seq, r.Arrived, r.Age)
			}
			last = r.Arrived + r.Age
		}
		if len(d.reports) != 6 {
			t.Errorf("%s: %d reports", policy, len(d.reports))
		}
	}
}

func TestReplayEndsLikeARun(t *testing.T) {
	src := newTimed(0, 10*ms, 20*ms)
	src.fate = func(seq int) error {
		if seq == 2 {
			return errors.New("cable pulled")
		}
		return nil
	}
	account, d := obs.NewAccount(), &diary{}
	st := stages{Source: src, Detector: detector{}, Publisher: d, Viewer: viewer{errors.New("disk full")}}
	err := pipeline.Replay(context.Background(), st.engine(nil), pipeline.Fixed(), st.feed(config{Policy: pipeline.Newest}, account))[0]
	if err == nil || !strings.Contains(err.Error(), "cable pulled") || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("error %v, want the source's and the viewer's", err)
	}
	if len(d.reports) != 2 || account.Snapshot().OnTime != 2 {
		t.Errorf("%d reports of the 2 frames before the fault", len(d.reports))
	}
	if err := pipeline.Replay(context.Background(), st.engine(nil), nil, st.feed(config{}, account))[0]; err == nil {
		t.Error("a replay without a service began")
	}
	if err := pipeline.Replay(context.Background(), stages{}.engine(nil), pipeline.Fixed(), stages{}.feed(config{}, account))[0]; err == nil {
		t.Error("a replay without stages began")
	}
}

func TestReplayStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var pts []time.Duration
	for i := range 50 {
		pts = append(pts, time.Duration(i)*10*ms)
	}
	src := newTimed(pts...)
	src.fate = func(seq int) error {
		if seq == 20 {
			cancel()
		}
		return nil
	}
	account, d := obs.NewAccount(), &diary{}
	st := stages{Source: src, Detector: detector{}, Publisher: d, Viewer: d}
	err := pipeline.Replay(ctx, st.engine(nil), pipeline.Fixed(took(pipeline.StageForward, 25*ms)), st.feed(config{Deadline: time.Hour, Policy: pipeline.Newest}, account))[0]
	if s := account.Snapshot(); err != nil || s.Produced != 21 || len(d.reports) != 21 {
		t.Errorf("%v, %d reports, account %+v", err, len(d.reports), s)
	}
}
