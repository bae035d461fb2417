package session

import (
	"context"
	"runtime"
	"testing"
	"time"

	"dashline/internal/config"
	"dashline/internal/testkit"
	"dashline/pipeline"
)

func TestMain(m *testing.M) { testkit.Main(m) }

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
	c.messages += 2 + 2*has(len(v.Plan.Why)) // plan, its points, its reason and the number in it
	return nil
}

// The whole frame path, with real networks and a real drive, allocates the
// messages that it publishes and nothing else. Encoding and sending them is the
// bus's, and left out here.
func TestFramePathAllocatesOnlyMessages(t *testing.T) {
	testkit.UseAssets(t)
	cfg := config.Default()
	cfg.Source, cfg.Deadline = testkit.Asset(t, "drives/videos/solidWhiteRight.mp4"), time.Hour
	cfg.Frames = 71
	s, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := &census{first: 20, last: 70}
	err = pipeline.Run(context.Background(),
		pipeline.Config{Camera: "front", Deadline: time.Hour, Policy: pipeline.Every, Speed: 20},
		pipeline.Stages{Source: s.source, Detector: s.detector, Lanes: s.lanes, Locator: newPlacer(s.Camera), Planner: s.planner, Viewer: c},
		s.Account)
	if err != nil {
		t.Fatal(err)
	}
	frames := float64(c.last - c.first)
	got, want := float64(c.after.Mallocs-c.before.Mallocs)/frames, float64(c.messages)/frames
	t.Logf("%.2f allocations a frame, of which messages are %.2f", got, want)
	if got > want+0.5 { // one object in two frames: the runtime's own
		t.Errorf("%.2f allocations a frame beside the messages", got-want)
	}
}
