package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"dashline/internal/obs"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/pipeline/schedule"
)

// tracker follows the one object that the fake detector finds.
type tracker struct{ fail func(h *msg.Header) bool }

func (t tracker) Track(s *pipeline.Sighting) *msg.Tracks {
	if t.fail != nil && t.fail(&s.Header) {
		panic("tracker")
	}
	item := msg.Track{ID: 1, Label: "car", Detection: -1, Unseen: time.Second}
	if !s.Only {
		item.Detection, item.Unseen = 0, 0
	}
	return &msg.Tracks{Header: s.Header, Ahead: s.Ahead, Only: s.Only, Items: []msg.Track{item}}
}

// located places each detection straight ahead.
type located struct{}

func (located) Locate(d *msg.Detections, dst []msg.Object) []msg.Object {
	for i := range d.Items {
		dst = append(dst, msg.Object{Label: d.Items[i].Label, Detection: i})
	}
	return dst
}

func rung(name string, p50 time.Duration, accuracy float64) pipeline.Rung {
	return pipeline.Rung{Name: name, Rung: schedule.Rung{P50: p50, P99: p50 + p50/10, Detect: p50, Accuracy: accuracy}}
}

// three rungs and none.
func ladder(det pipeline.Detector, lanes pipeline.LaneFinder) pipeline.Engine {
	return pipeline.Engine{
		Rungs: []pipeline.Rung{rung("full", 30*ms, .9), rung("half", 14*ms, .75), rung("tiny", 8*ms, .5), {Name: "track-only"}},
		Crews: []pipeline.Crew{{Detectors: []pipeline.Detector{det, det, det, nil}, Lanes: lanes}},
	}
}

func every33(n int) *timed {
	var pts []time.Duration
	for i := range n {
		pts = append(pts, time.Duration(i)*33*ms)
	}
	return newTimed(pts...)
}

// forward takes what the rung takes, times the load at the frame's time.
func forward(e pipeline.Engine, load func(rung int, pts time.Duration) float64) pipeline.Service {
	return func(h *msg.Header, rung int) []msg.StageTime {
		d := time.Duration(float64(e.Rungs[rung].P50) * load(rung, h.PTS))
		return []msg.StageTime{took(pipeline.StageForward, d)}
	}
}

// A burst of load: the frames that cannot be made on a large rung are made on a
// smaller one, the ladder is climbed again, and nothing is late but the first.
func TestReplayClimbsAndFalls(t *testing.T) {
	e, d := ladder(detector{}, nil), &diary{}
	st := stages{Source: every33(600), Tracker: tracker{}, Locator: located{}, Planner: planner{}, Publisher: d}
	account := obs.NewAccount()
	load := func(_ int, pts time.Duration) float64 {
		if pts > 5*time.Second && pts < 10*time.Second {
			return 3
		}
		return 1
	}
	if err := errors.Join(pipeline.Replay(context.Background(), e, forward(e, load), st.feed(config{Camera: "front", Deadline: 80 * ms, Policy: pipeline.Newest}, account))...); err != nil {
		t.Fatal(err)
	}
	on := map[string]map[string]int{"before": {}, "under": {}, "after": {}}
	canaries, late := 0, 0
	for _, r := range d.reports {
		if r.Canary != "" {
			canaries++
		}
		if r.Outcome == msg.Late {
			late++
		}
		if r.Rung == "" {
			continue
		}
		switch {
		case r.PTS < 5*time.Second:
			on["before"][r.Rung]++
		case r.PTS > 5500*ms && r.PTS < 10*time.Second:
			on["under"][r.Rung]++
		case r.PTS > 13*time.Second:
			on["after"][r.Rung]++
		}
	}
	t.Logf("rungs %v, %d canaries, %d late, %+v", on, canaries, late, account.Snapshot())
	if on["before"]["full"] < 50 || len(on["before"]) != 1 || on["after"]["full"] < 50 || len(on["after"]) != 1 {
		t.Errorf("rungs without load: %v", on)
	}
	if on["under"]["full"] > 0 || on["under"]["half"] < 20 {
		t.Errorf("rungs under load: %v", on["under"])
	}
	if canaries == 0 || late > 2 {
		t.Errorf("%d canaries, %d late", canaries, late)
	}
}

// Where no network is in time, tracks go on without one, and are not detections.
func TestTrackOnly(t *testing.T) {
	e, d := ladder(detector{}, nil), &diary{}
	var unseen []time.Duration
	st := stages{
		Source: every33(150), Tracker: tracker{}, Locator: located{}, Publisher: d,
		Planner: planner{func(s *msg.Scene) {
			if s.Detections == nil {
				unseen = append(unseen, s.Objects[0].Unseen)
			}
		}},
	}
	service := forward(e, func(_ int, pts time.Duration) float64 {
		if pts > time.Second {
			return 30
		}
		return 1
	})
	account := obs.NewAccount()
	if err := errors.Join(pipeline.Replay(context.Background(), e, service, st.feed(config{Deadline: 100 * ms, Policy: pipeline.Newest}, account))...); err != nil {
		t.Fatal(err)
	}
	tracks, only := 0, 0
	for _, p := range d.kinds() {
		if p[:6] == "tracks" {
			tracks++
		}
	}
	for _, r := range d.reports {
		if r.Rung == "track-only" {
			only++
			if len(r.Networks) != 0 || r.Outcome != msg.OnTime {
				t.Errorf("frame %d: %+v", r.Seq, r)
			}
		}
	}
	s := account.Snapshot()
	if only < 20 || len(unseen) != only || tracks != int(s.Finished()) {
		t.Errorf("%d on track only, %d planned on; %d tracks of %d", only, len(unseen), tracks, s.Finished())
	}
	for _, u := range unseen {
		if u != time.Second {
			t.Errorf("the planner was told %v", u)
		}
	}
}

// Lanes on every third frame: the planner has the newest, and knows its age.
func TestLanesEvery(t *testing.T) {
	for _, policy := range []pipeline.Policy{pipeline.Every, pipeline.Newest} {
		d := &diary{}
		var ages []time.Duration
		st := stages{Source: every33(9), Detector: detector{}, Lanes: laneFinder{}, Publisher: d, Planner: planner{func(s *msg.Scene) {
			ages = append(ages, s.LanesAge)
		}}}
		feed := st.feed(config{Deadline: 100 * ms, Policy: policy}, obs.NewAccount())
		feed.LanesEvery = 3
		if err := errors.Join(pipeline.Replay(context.Background(), st.engine(nil), pipeline.Fixed(), feed)...); err != nil {
			t.Fatal(err)
		}
		lanes := 0
		for _, k := range d.kinds() {
			if k[:5] == "lanes" {
				lanes++
			}
		}
		if want := []time.Duration{0, 33 * ms, 66 * ms, 0, 33 * ms, 66 * ms, 0, 33 * ms, 66 * ms}; lanes != 3 || !slices.Equal(ages, want) {
			t.Errorf("%s: %d lanes, ages %v", policy, lanes, ages)
		}
	}
}

// Crews finish frames in any order; they are published in theirs.
func TestCrewsSideBySide(t *testing.T) {
	const n = 200
	var mu sync.Mutex
	// Each even frame is done after the odd one behind it.
	var found [n]chan struct{}
	for i := range found {
		found[i] = make(chan struct{})
	}
	var order []uint64
	crew := func() pipeline.Crew {
		det := detector{func(f *frame.Frame) error {
			if f.Seq%2 == 0 {
				<-found[f.Seq+1]
			}
			mu.Lock()
			order = append(order, f.Seq)
			mu.Unlock()
			close(found[f.Seq])
			return nil
		}}
		return pipeline.Crew{Detectors: []pipeline.Detector{det}, Lanes: laneFinder{}, InOrder: true}
	}
	e := pipeline.Engine{Rungs: []pipeline.Rung{{Name: "only"}}, Crews: []pipeline.Crew{crew(), crew(), crew()}}
	l := &listener{}
	st := stages{Source: &source{n: n}, Planner: planner{}, Publisher: l, Viewer: l}
	account := obs.NewAccount()
	if err := errors.Join(pipeline.Run(context.Background(), e, st.feed(config{Deadline: time.Hour, Policy: pipeline.Every}, account))...); err != nil {
		t.Fatal(err)
	}
	if s := account.Snapshot(); s.OnTime != n {
		t.Errorf("%+v", s)
	}
	for _, got := range [][]uint64{l.detections, l.lanes, l.plan, l.viewed} {
		if len(got) != n || !slices.IsSorted(got) {
			t.Errorf("%d messages, sorted: %v", len(got), slices.IsSorted(got))
		}
	}
	if len(order) != n || slices.IsSorted(order) {
		t.Errorf("%d frames were done, in their order: %v", len(order), slices.IsSorted(order))
	}
}

// Cameras of a replay share the engine by turns, in one order of time.
func TestReplayOfSeveralCameras(t *testing.T) {
	once := func() ([]string, []obs.Snapshot) {
		e, d := ladder(detector{}, laneFinder{}), &diary{}
		var feeds []pipeline.Feed
		var accounts []*obs.Account
		for _, name := range []string{"a", "b", "c", "d"} {
			a := obs.NewAccount()
			accounts = append(accounts, a)
			st := stages{Source: every33(90), Tracker: tracker{}, Locator: located{}, Planner: planner{}, Publisher: d}
			feeds = append(feeds, st.feed(config{Camera: name, Deadline: 100 * ms, Policy: pipeline.Newest}, a))
		}
		if err := errors.Join(pipeline.Replay(context.Background(), e, forward(e, func(int, time.Duration) float64 { return 1 }), feeds...)...); err != nil {
			t.Fatal(err)
		}
		var all []obs.Snapshot
		for _, a := range accounts {
			all = append(all, a.Snapshot())
		}
		last := time.Duration(-1)
		for _, r := range d.reports {
			if at := r.Arrived + r.Age; at < last {
				t.Errorf("camera %s frame %d is reported at %v, after one at %v", r.Camera, r.Seq, at, last)
			} else {
				last = at
			}
		}
		return d.pages, all
	}
	pages, accounts := once()
	for _, s := range accounts {
		if s.Produced != 90 || s.Finished() < 12 {
			t.Errorf("%+v", s)
		}
	}
	for range 3 {
		if again, _ := once(); !slices.Equal(pages, again) {
			t.Fatal("a second replay published something else")
		}
	}
}

// unsteady is a source of its own times, with faults.
type unsteady struct {
	r    *rand.Rand
	left int
	seq  uint64
	pts  time.Duration
}

func (u *unsteady) Next(_ context.Context, f *frame.Frame) error {
	if u.left == 0 {
		return io.EOF
	}
	u.left--
	f.Seq, f.PTS = u.seq, u.pts
	u.seq++
	u.pts += time.Duration(u.r.IntN(60)) * ms
	if u.r.IntN(20) == 0 {
		u.pts += 300 * ms
	}
	f.Lag = time.Duration(u.r.IntN(4)) * 5 * ms
	switch u.r.IntN(25) {
	case 0:
		return &pipeline.FrameError{Reason: "corrupt", Err: errors.New("fault")}
	case 1:
		return &pipeline.FrameError{Reason: "old", Err: errors.New("fault"), Dropped: true}
	case 2:
		panic("source")
	case 3:
		if u.r.IntN(20) == 0 {
			return errors.New("cable pulled")
		}
	}
	return nil
}

// ledger checks that messages and reports agree.
type ledger struct {
	detections, tracks, lanes, plans, reports map[id]int
	outcomes                                  map[id]msg.FrameReport
}

func newLedger() *ledger {
	return &ledger{map[id]int{}, map[id]int{}, map[id]int{}, map[id]int{}, map[id]int{}, map[id]msg.FrameReport{}}
}

type id struct {
	camera string
	seq    uint64
}

func key(h *msg.Header) id                     { return id{h.Camera, h.Seq} }
func (l *ledger) Detections(m *msg.Detections) { l.detections[key(&m.Header)]++ }
func (l *ledger) Tracks(m *msg.Tracks)         { l.tracks[key(&m.Header)]++ }
func (l *ledger) Lanes(m *msg.LaneSet)         { l.lanes[key(&m.Header)]++ }
func (l *ledger) Plan(m *msg.Trajectory)       { l.plans[key(&m.Header)]++ }
func (l *ledger) Frame(m *msg.FrameReport) {
	l.reports[key(&m.Header)]++
	l.outcomes[key(&m.Header)] = *m
}

func (l *ledger) check() error {
	for k, n := range l.reports {
		r := l.outcomes[k]
		finished := r.Outcome == msg.OnTime || r.Outcome == msg.Late
		detected := finished && r.Rung != "track-only"
		switch {
		case n != 1:
			return fmt.Errorf("%v: %d reports", k, n)
		case r.Outcome == msg.Dropped && l.detections[k]+l.tracks[k]+l.lanes[k]+l.plans[k] > 0:
			return fmt.Errorf("%v was dropped, and published", k)
		case detected && l.detections[k] != 1 || finished && !detected && l.detections[k] != 0:
			return fmt.Errorf("%v on rung %s: %d detections", k, r.Rung, l.detections[k])
		case finished && l.tracks[k] != 1:
			return fmt.Errorf("%v: %d tracks", k, l.tracks[k])
		case r.Outcome == msg.OnTime && l.plans[k] != 1 || l.plans[k] > 1:
			return fmt.Errorf("%v: %d plans, %s", k, l.plans[k], r.Outcome)
		}
	}
	for _, m := range []map[id]int{l.detections, l.tracks, l.lanes, l.plans} {
		for k := range m {
			if l.reports[k] == 0 {
				return fmt.Errorf("%v has no report", k)
			}
		}
	}
	return nil
}

// Over ten thousand random schedules of cameras, rungs, loads, stalls and faults
// in every stage, each frame has one outcome, and the messages are those that its
// report says there are.
func TestConservationNumerics(t *testing.T) {
	produced, outcomes := 0, map[msg.Outcome]int{}
	for seed := range uint64(10_000) {
		r := rand.New(rand.NewPCG(seed, 3))
		ledger := newLedger()
		fail := func(one int) bool { return r.IntN(one) == 0 }
		det := detector{func(*frame.Frame) error {
			switch {
			case fail(60):
				return errors.New("fault")
			case fail(60):
				panic("detector")
			}
			return nil
		}}
		var lanes pipeline.LaneFinder
		if r.IntN(2) == 0 {
			lanes = laneFinder{}
		}
		e := ladder(det, lanes)
		e.Crews[0].InOrder = r.IntN(2) == 0
		if r.IntN(3) == 0 { // without track only
			e.Rungs, e.Crews[0].Detectors = e.Rungs[:3], e.Crews[0].Detectors[:3]
		}
		policy := pipeline.Newest
		if r.IntN(5) == 0 {
			policy = pipeline.Every
		}
		var feeds []pipeline.Feed
		var accounts []*obs.Account
		for c := range 1 + r.IntN(3) {
			a := obs.NewAccount()
			accounts = append(accounts, a)
			st := stages{
				Source:  &unsteady{r: rand.New(rand.NewPCG(seed, uint64(10+c))), left: r.IntN(14)},
				Tracker: tracker{func(*msg.Header) bool { return fail(60) }}, Locator: located{}, Publisher: ledger,
				Planner: planner{func(*msg.Scene) {
					if fail(60) {
						panic("planner")
					}
				}},
			}
			f := st.feed(config{Camera: fmt.Sprint("c", c), Deadline: time.Duration(10+r.IntN(200)) * ms, Policy: policy}, a)
			f.Rate, f.LanesEvery = float64(r.IntN(3)*8), r.IntN(3)
			feeds = append(feeds, f)
		}
		service := func(h *msg.Header, rung int) []msg.StageTime {
			x := float64(h.Seq*7919%13) / 6
			if (h.Seq+seed)%11 == 0 {
				x *= 8
			}
			return []msg.StageTime{
				took(pipeline.StageForward, time.Duration(float64(e.Rungs[rung].P50)*x)),
				took(pipeline.StageLanes, time.Duration(seed%40)*ms), took(pipeline.StagePlan, ms),
			}
		}
		for i, err := range pipeline.Replay(context.Background(), e, service, feeds...) {
			if err != nil && err.Error() != "source: cable pulled" {
				t.Fatalf("seed %d: %v", seed, err)
			}
			made, onTime, late, dropped, failed := accounts[i].Counts()
			produced += int(made)
			outcomes[msg.OnTime] += int(onTime)
			outcomes[msg.Late] += int(late)
			outcomes[msg.Dropped] += int(dropped)
			outcomes[msg.Failed] += int(failed)
			if err := accounts[i].Check(); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
		}
		if err := ledger.check(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		if t.Failed() {
			return
		}
	}
	sum := 0
	for _, n := range outcomes {
		sum += n
	}
	t.Logf("%d frames produced: %v", produced, outcomes)
	if sum != produced || outcomes[msg.OnTime] < 1000 || outcomes[msg.Late] < 1000 || outcomes[msg.Dropped] < 1000 || outcomes[msg.Failed] < 1000 {
		t.Errorf("%d produced, %d outcomes: %v", produced, sum, outcomes)
	}
}

// Five times more frames than can be worked on, for a minute: the age of what is
// finished stays that of one service, and does not grow.
func TestOverloadBuildsNothingUp(t *testing.T) {
	const service = 5 * 33 * ms
	d := &diary{}
	e := pipeline.Engine{
		Rungs: []pipeline.Rung{rung("only", service, 0)},
		Crews: []pipeline.Crew{{Detectors: []pipeline.Detector{detector{}}}},
	}
	r := rand.New(rand.NewPCG(1, 1))
	noise := map[uint64]float64{}
	for i := range uint64(1830) {
		noise[i] = .9 + .2*r.Float64()
	}
	times := func(h *msg.Header, _ int) []msg.StageTime {
		return []msg.StageTime{took(pipeline.StageForward, time.Duration(noise[h.Seq]*float64(service)))}
	}
	st := stages{Source: every33(1830), Planner: planner{}, Publisher: d}
	if err := errors.Join(pipeline.Replay(context.Background(), e, times, st.feed(config{Deadline: 400 * ms, Policy: pipeline.Newest}, obs.NewAccount()))...); err != nil {
		t.Fatal(err)
	}
	p99 := func(from, to time.Duration) time.Duration {
		var ages []time.Duration
		for _, r := range d.reports {
			if r.Outcome == msg.OnTime && r.PTS >= from && r.PTS < to {
				ages = append(ages, r.Age)
			}
		}
		slices.Sort(ages)
		return ages[len(ages)*99/100]
	}
	all, early, late := p99(0, time.Hour), p99(time.Second, 11*time.Second), p99(50*time.Second, 60*time.Second)
	t.Logf("p99 of the age %v; from second 1 to 11 %v, from 50 to 60 %v; median service %v", all, early, late, service)
	if all > service*3/2 {
		t.Errorf("p99 of the age is %v, more than 1.5 times %v", all, service)
	}
	if late > early*11/10 {
		t.Errorf("p99 of the age grew from %v to %v", early, late)
	}
}

// Fifteen of thirty frames a second, live and from a file.
func TestRate(t *testing.T) {
	for _, policy := range []pipeline.Policy{pipeline.Newest, pipeline.Every} {
		account := obs.NewAccount()
		st := stages{Source: every33(301), Detector: detector{}}
		feed := st.feed(config{Deadline: 100 * ms, Policy: policy}, account)
		feed.Rate = 15
		if err := errors.Join(pipeline.Replay(context.Background(), st.engine(nil), pipeline.Fixed(), feed)...); err != nil {
			t.Fatal(err)
		}
		s := account.Snapshot()
		if s.OnTime < 148 || s.OnTime > 152 || s.Causes[0].Reason != schedule.Rate || s.OnTime+s.Dropped != 301 {
			t.Errorf("%s: %+v", policy, s)
		}
		account = obs.NewAccount()
		feed = st.feed(config{Deadline: time.Hour, Policy: policy}, account)
		feed.Rate, feed.Source = 15, every33(100)
		if policy == pipeline.Newest { // arrivals have a clock of their own there
			continue
		}
		if err := errors.Join(pipeline.Run(context.Background(), st.engine(nil), feed)...); err != nil {
			t.Fatal(err)
		}
		if s := account.Snapshot(); s.OnTime < 49 || s.OnTime > 51 {
			t.Errorf("run: %+v", s)
		}
	}
}
