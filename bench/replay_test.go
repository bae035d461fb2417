package bench_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"dashline/detect"
	"dashline/detect/track"
	"dashline/infer"
	"dashline/infer/engine"
	"dashline/internal/obs"
	"dashline/internal/testkit"
	"dashline/lanes"
	"dashline/lanes/ground"
	"dashline/model/catalog"
	flow "dashline/pipeline"
	"dashline/pipeline/bus"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/pipeline/schedule"
	"dashline/planner"
	"dashline/sensors"
)

// wire keeps what would go over the bus, as it is encoded there, one message
// after another.
type wire struct {
	t        testing.TB
	messages [][]byte
	reports  []msg.FrameReport
	items    int
}

func (w *wire) encode(kind bus.Kind, v any) {
	m, err := bus.ToProto(v)
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		w.t.Fatal(err)
	}
	w.messages = append(w.messages, append([]byte(kind+" "), b...))
}

func (w *wire) Detections(m *msg.Detections) {
	w.items += len(m.Items)
	w.encode(bus.KindDetections, m)
}
func (w *wire) Tracks(m *msg.Tracks)   { w.encode(bus.KindTracks, m) }
func (w *wire) Lanes(m *msg.LaneSet)   { w.encode(bus.KindLanes, m) }
func (w *wire) Plan(m *msg.Trajectory) { w.encode(bus.KindPlan, m) }
func (w *wire) Frame(m *msg.FrameReport) {
	w.reports = append(w.reports, *m)
	w.encode(bus.KindFrames, m)
}

type seeing struct{ *detect.Detector }

func (s seeing) Detect(f *frame.Frame, dst []msg.Detection) ([]msg.Detection, flow.Timing, error) {
	dst, t, err := s.Detector.Detect(f.Image, dst)
	return dst, flow.Timing(t), err
}

type tracing struct {
	*lanes.Finder
	camera ground.Camera
}

func (l tracing) FindLanes(f *frame.Frame, dst *msg.LaneSet) (flow.Timing, error) {
	t, err := l.Find(f.Image, &l.camera, dst)
	return flow.Timing(t), err
}

func (tracing) By() msg.Network { return msg.Network{Name: "lanes"} }

type placing struct{ ground.Camera }

func (p *placing) Locate(d *msg.Detections, dst []msg.Object) []msg.Object {
	return p.Camera.Locate(d.Items, dst)
}

func openNetwork(t testing.TB, name string) (*catalog.Network, infer.Network) {
	t.Helper()
	d, err := catalog.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	// As many threads as there are cores, which is what users have.
	n, err := engine.Open(&d, engine.Auto, infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &d, n
}

// following is the pipeline's tracker.
type following struct{ *track.Tracker }

func (f following) Track(s *flow.Sighting) *msg.Tracks {
	if s.Only {
		f.Coast(s.Captured)
	} else {
		f.Update(s.Captured, s.Width, s.Height, s.Detections)
	}
	return &msg.Tracks{Header: s.Header, Width: s.Width, Height: s.Height, Ahead: s.Ahead, Only: s.Only, Items: f.Append(nil, s.Ahead)}
}

// replayDrive runs frames of a shipped drive through a ladder of real networks in
// virtual time.
func replayDrive(t testing.TB, ladder []string, lines string, frames int) *wire {
	t.Helper()
	source, err := sensors.Open(t.Context(), filepath.Join(testkit.Root(), "testdata", "drives", "cut-in.mp4"), sensors.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	camera := ground.Default(source.Info().Width, source.Info().Height)
	d, net := openNetwork(t, lines)
	defer net.Close()
	finder, err := lanes.New(net, d, lanes.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer finder.Close()
	e := flow.Engine{Crews: []flow.Crew{{Lanes: tracing{finder, camera}}}}
	p50 := 60 * time.Millisecond
	for _, name := range ladder {
		d, net := openNetwork(t, name)
		det, err := detect.New(net, d, detect.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer det.Close()
		e.Rungs = append(e.Rungs, flow.Rung{Name: name, Rung: schedule.Rung{P50: p50, P99: p50, Detect: p50}})
		e.Crews[0].Detectors = append(e.Crews[0].Detectors, seeing{det})
		p50 /= 4
	}
	e.Rungs = append(e.Rungs, flow.Rung{Name: "track-only"})
	e.Crews[0].Detectors = append(e.Crews[0].Detectors, nil)
	plan, err := planner.New(planner.Default())
	if err != nil {
		t.Fatal(err)
	}
	tracks, err := track.New(track.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t}
	// Load comes and goes: now a rung fits, now only a smaller one, now none.
	service := func(h *msg.Header, rung int) []msg.StageTime {
		load := []time.Duration{1, 2, 8, 1}[h.Seq/15%4]
		return []msg.StageTime{
			{Stage: flow.StageSource, Took: 3 * time.Millisecond}, {Stage: flow.StageForward, Took: load * e.Rungs[rung].P50},
			{Stage: flow.StageLanes, Took: 10 * time.Millisecond}, {Stage: flow.StagePlan, Took: 2 * time.Millisecond},
		}
	}
	err = errors.Join(flow.Replay(context.Background(), e, service, flow.Feed{
		Config: flow.Config{Camera: "front", Deadline: 80 * time.Millisecond, Policy: flow.Newest, Speed: 20},
		Stages: flow.Stages{
			Source: sensors.Limit(source, frames), Tracker: following{tracks},
			Locator: &placing{camera}, Planner: plan, Publisher: w,
		},
		Account: obs.NewAccount(),
	})...)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Two replays, and replays on 1, 2 and 8 cores, publish the same bytes: the
// networks' threads, one a core, change nothing either.
func TestReplayIsTheSameByteForByte(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	const frames = 75
	ladder := []string{"dashline-full", "dashline-tiny"}
	want := replayDrive(t, ladder, "dashline-lanes", frames)
	outcomes, rungs := map[msg.Outcome]int{}, map[string]int{}
	for _, r := range want.reports {
		outcomes[r.Outcome]++
		rungs[r.Rung]++
	}
	t.Logf("%d messages, %d objects, outcomes %v, SHA-256 %x", len(want.messages), want.items, outcomes, sha256.Sum256(bytes.Join(want.messages, nil)))
	if len(want.reports) != frames || want.items == 0 || outcomes[msg.OnTime] == 0 || outcomes[msg.Late] == 0 || outcomes[msg.Dropped] == 0 {
		t.Fatal("the run says too little: it needs objects, and frames that are on time, late and dropped")
	}
	t.Logf("rungs %v", rungs)
	if rungs["dashline-full"] == 0 || rungs["dashline-tiny"] == 0 || rungs["track-only"] == 0 {
		t.Fatalf("not every rung ran: %v", rungs)
	}
	for _, cores := range []int{1, 2, 8} {
		t.Run(fmt.Sprint(cores), func(t *testing.T) {
			runtime.GOMAXPROCS(cores)
			got := replayDrive(t, ladder, "dashline-lanes", frames)
			if len(got.messages) != len(want.messages) {
				t.Fatalf("%d messages, and %d before", len(got.messages), len(want.messages))
			}
			for i, m := range got.messages {
				if !bytes.Equal(m, want.messages[i]) {
					t.Fatalf("message %d differs:\n%.300q\n%.300q", i, m, want.messages[i])
				}
			}
		})
	}
}
