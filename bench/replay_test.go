package bench_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"dashline/detect"
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

// replayDrive runs frames of a shipped drive through real networks in virtual
// time.
func replayDrive(t testing.TB, detector, lines string, frames int) *wire {
	t.Helper()
	source, err := sensors.Open(t.Context(), filepath.Join(testkit.Root(), "testdata", "drives", "cut-in.mp4"), sensors.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	d, net := openNetwork(t, detector)
	det, err := detect.New(net, d, detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer det.Close()
	d, net = openNetwork(t, lines)
	defer net.Close()
	finder, err := lanes.New(net, d, lanes.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer finder.Close()
	plan, err := planner.New(planner.Default())
	if err != nil {
		t.Fatal(err)
	}
	camera := ground.Default(source.Info().Width, source.Info().Height)
	w := &wire{t: t}
	account := obs.NewAccount()
	err = flow.Replay(context.Background(),
		flow.Config{Camera: "front", Deadline: 80 * time.Millisecond, Policy: flow.Newest, Speed: 20},
		flow.Stages{
			Source: sensors.Limit(source, frames), Detector: seeing{det}, Lanes: tracing{finder, camera},
			Locator: &placing{camera}, Planner: plan, Publisher: w,
		}, account,
		// 20 frames a second of 30 at most, now and then one that is late.
		func(h *msg.Header) []msg.StageTime {
			forward := 30 * time.Millisecond
			if h.Seq%7 == 0 {
				forward = 90 * time.Millisecond
			}
			return []msg.StageTime{
				{Stage: flow.StageSource, Took: 3 * time.Millisecond}, {Stage: flow.StageForward, Took: forward},
				{Stage: flow.StageLanes, Took: 45 * time.Millisecond}, {Stage: flow.StagePlan, Took: 2 * time.Millisecond},
			}
		})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Two replays, and replays on 1, 2 and 4 cores, publish the same bytes: the
// networks' threads, one a core, change nothing either.
func TestReplayIsTheSameByteForByte(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	const frames = 30
	want := replayDrive(t, "dashline-tiny", "dashline-lanes", frames)
	outcomes := map[msg.Outcome]int{}
	for _, r := range want.reports {
		outcomes[r.Outcome]++
	}
	t.Logf("%d messages, %d objects, outcomes %v, SHA-256 %x", len(want.messages), want.items, outcomes, sha256.Sum256(bytes.Join(want.messages, nil)))
	if len(want.reports) != frames || want.items == 0 || outcomes[msg.OnTime] == 0 || outcomes[msg.Late] == 0 || outcomes[msg.Dropped] == 0 {
		t.Fatal("the run says too little: it needs objects, and frames that are on time, late and dropped")
	}
	for _, cores := range []int{1, 2, 4} {
		t.Run(fmt.Sprint(cores), func(t *testing.T) {
			runtime.GOMAXPROCS(cores)
			got := replayDrive(t, "dashline-tiny", "dashline-lanes", frames)
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
