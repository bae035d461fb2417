package framepath

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"dashline/detect"
	"dashline/infer"
	"dashline/infer/engine"
	"dashline/internal/obs"
	"dashline/internal/testkit"
	"dashline/lanes"
	"dashline/lanes/ground"
	"dashline/model/catalog"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/sensors"
)

func TestMain(m *testing.M) { testkit.Main(m) }

type objects struct{ *detect.Detector }

func (o objects) Detect(f *frame.Frame, dst []msg.Detection) ([]msg.Detection, pipeline.Timing, error) {
	dst, t, err := o.Detector.Detect(f.Image, dst)
	return dst, pipeline.Timing(t), err
}

type lines struct {
	*lanes.Finder
	camera ground.Camera
}

func (l lines) FindLanes(f *frame.Frame, dst *msg.LaneSet) (pipeline.Timing, error) {
	t, err := l.Find(f.Image, &l.camera, dst)
	return pipeline.Timing(t), err
}

func (lines) By() msg.Network { return msg.Network{} }

type placer struct{ camera ground.Camera }

func (p *placer) Locate(d *msg.Detections, dst []msg.Object) []msg.Object {
	return p.camera.Locate(d.Items, dst)
}

// parked plans the same each time: what a plan allocates depends on the words of
// its reason, and is counted in package planner.
type parked struct{ plan msg.Trajectory }

func (p *parked) Plan(*msg.Scene) *msg.Trajectory { return &p.plan }

// census counts the heap objects that a frame's messages are made of, and reads
// the heap's own count at the first and the last frame of a stretch.
type census struct {
	first, last   uint64
	messages      int
	before, after runtime.MemStats
}

func (c *census) View(v *pipeline.View) error {
	switch seq := v.Frame.Seq; {
	case seq == c.first:
		runtime.ReadMemStats(&c.before)
		return nil
	case seq < c.first || seq > c.last:
		return nil
	case seq == c.last:
		runtime.ReadMemStats(&c.after)
	}
	has := func(n int) int { return min(n, 1) }
	c.messages += 3                                // report, its stage times and networks
	c.messages += 1 + has(len(v.Detections.Items)) // detections
	c.messages += 1 + has(len(v.Lanes.Lanes))      // lanes, and one array for all points
	c.messages += has(len(v.Lanes.Lanes) + len(v.Lanes.Drivable))
	return nil
}

func open(t *testing.T, name string) (catalog.Network, infer.Network) {
	t.Helper()
	d, err := catalog.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	n, err := engine.Open(&d, engine.Auto, infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d, n
}

// The whole frame path, with real networks and a real drive, allocates the
// messages that it publishes and nothing else. Encoding and sending them is the
// bus's, and left out here.
func TestFramePathAllocatesOnlyMessages(t *testing.T) {
	testkit.UseAssets(t)
	source, err := sensors.Open(t.Context(), testkit.Asset(t, "drives/videos/solidWhiteRight.mp4"), sensors.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	d, net := open(t, "yolo-fastest-1.1-xl")
	detector, err := detect.New(net, &d, detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer detector.Close()
	d, net = open(t, "twinlitenet-cv46")
	defer net.Close()
	finder, err := lanes.New(net, &d, lanes.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer finder.Close()

	camera := ground.Default(960, 540)
	c := &census{first: 40, last: 160}
	engine := pipeline.Engine{
		Rungs: []pipeline.Rung{{Name: d.Name}},
		Crews: []pipeline.Crew{{Detectors: []pipeline.Detector{objects{detector}}, Lanes: lines{finder, camera}}},
	}
	errs := pipeline.Run(context.Background(), engine, pipeline.Feed{
		Config: pipeline.Config{Camera: "front", Deadline: time.Hour, Policy: pipeline.Every},
		Stages: pipeline.Stages{
			Source:  sensors.Limit(source, int(c.last)+1),
			Locator: &placer{camera}, Planner: &parked{}, Viewer: c,
		},
		Account: obs.NewAccount(),
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	frames := float64(c.last - c.first)
	got, want := float64(c.after.Mallocs-c.before.Mallocs)/frames, float64(c.messages)/frames
	t.Logf("%.2f allocations a frame, of which messages are %.2f", got, want)
	if got > want+0.5 { // scratch still grows to its largest, and the runtime has its own
		t.Errorf("%.2f allocations a frame beside the messages", got-want)
	}
}
