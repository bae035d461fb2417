package bench_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"dashline/bench"
	"dashline/bench/load"
	"dashline/bench/report"
	"dashline/bench/worker"
	"dashline/internal/config"
	"dashline/internal/session"
	"dashline/internal/testkit"
)

// options measure the tiny network alone for a moment. This program itself is the
// worker: see TestMain.
func options(t *testing.T) bench.Options {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Source = testkit.Root() + "/testdata/drives/cut-in.mp4"
	c.Detect.Network, c.Detect.Threads, c.Lanes.Enabled, c.Measure = "dashline-tiny", 1, false, 0
	return bench.Options{
		Binary: self, Config: c, Frames: 45, Seed: 1, Plan: load.Plan{Burst: 4},
		Goal: bench.Goal{Deadline: 10 * time.Second, Quantile: .9, MissRate: .5, Level: .9},
	}
}

func run(t *testing.T, o bench.Options) *report.Result {
	t.Helper()
	r, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestBenchLargeNetworks measures a network and each rung of a ladder, and sees that each has
// all that the report promises.
func TestBenchLargeNetworks(t *testing.T) {
	o := options(t)
	o.Rungs, o.Config.Detect.Network, o.Config.Ladder = true, "auto", config.Rungs{"dashline-tiny-labels", "dashline-tiny"}
	o.Config.Measure, o.Accuracy, o.Span = 200*time.Millisecond, true, time.Second
	r := run(t, o)
	if len(r.Subjects) != 3 || r.Verdict != r.Subjects[0].Verdict || r.Goal == nil || r.Scenario.Name != "single-stream" {
		t.Fatalf("got %+v", r)
	}
	for i, s := range r.Subjects {
		out := s.Outcomes
		if out.Produced == 0 || out.Produced != out.OnTime+out.Late+out.Dropped+out.Failed {
			t.Errorf("%s: the account does not close: %+v", s.Name, out)
		}
		if s.Age == nil || s.Answer == nil || s.Frame == nil || s.Forward == nil || s.Misses == nil || s.CPU == nil || s.Allocations == nil {
			t.Errorf("%s: something was not measured: %+v", s.Name, s)
		}
		if s.Peak < s.Loaded || s.Loaded == 0 || s.Load <= 0 || s.Throughput <= 0 || s.MessageBytes <= 0 || len(s.Stages) == 0 || len(s.CDF) == 0 || len(s.Series) == 0 {
			t.Errorf("%s: something is not known: %+v", s.Name, s)
		}
		if s.Accuracy == nil || s.Accuracy.Streaming == nil || (i > 0) != (s.Accuracy.Offline != nil) {
			t.Errorf("%s: its accuracy is %+v", s.Name, s.Accuracy)
		}
		if ladder := i == 0; ladder != (s.Parameters == 0) || ladder != (len(s.Networks) == 2) {
			t.Errorf("%s: %d parameters in %d networks", s.Name, s.Parameters, len(s.Networks))
		}
	}
}

// TestBenchScenarios sees that frames come as each scenario says, and that what
// cannot be done in time is a fail: the goal is not one that hides it.
func TestBenchScenarios(t *testing.T) {
	o := options(t)
	o.Plan.Scenario = load.Overload
	o.Goal.MissRate, o.All = .05, true
	r := run(t, o)
	if n := r.Subjects[0].Outcomes.Produced; n != o.Frames {
		t.Errorf("%d frames were measured of %d", n, o.Frames)
	}
	if s := r.Subjects[0]; r.Verdict != report.Fail || s.Outcomes.Dropped == 0 || !strings.Contains(s.Why, "missed") {
		t.Errorf("five times what can be done: %s (%s), %+v", r.Verdict, s.Why, s.Outcomes)
	}
	o = options(t)
	o.Config.Source = ""
	video := testkit.Root() + "/testdata/drives/cut-in.mp4"
	o.Config.Cameras = config.Cameras{config.NewCamera("a", video), config.NewCamera("b", video)}
	if r = run(t, o); r.Scenario.Name != "multi-stream" || r.Scenario.Cameras != 2 || r.Subjects[0].Outcomes.Produced != 46 {
		t.Errorf("two cameras: %+v, %+v", r.Scenario, r.Subjects[0].Outcomes)
	}
}

// TestBenchClosedLargeNetworks sees what closed loop hides: a freeze is in one frame, and in
// open loop in all that were due meanwhile. There are two, as one may be so late that no
// frame is due after it.
func TestBenchClosedLargeNetworks(t *testing.T) {
	slow := func(closed bool) (n int) {
		o := options(t)
		o.Closed, o.Plan.Rate, o.Frames = closed, 30, 90
		o.Faults = []worker.Fault{{Stall: 500 * time.Millisecond, Every: 45}}
		r := run(t, o)
		if s := r.Subjects[0]; closed && (s.Age != nil || s.Misses != nil || s.Verdict != "") {
			t.Errorf("closed loop says of ages: %+v", s)
		}
		for _, ms := range r.Subjects[0].CDF {
			if ms > 150 {
				n++
			}
		}
		return n
	}
	open, closed := slow(false), slow(true)
	if closed < 1 || open < closed+3 {
		t.Errorf("%d frames are slow in open loop, %d in closed", open, closed)
	}
}

// Bytes of messages are those of a frame, however many were measured.
func TestBenchMessagesLargeNetworks(t *testing.T) {
	bytes := func(frames int) float64 {
		o := options(t)
		o.Closed, o.Frames = true, frames
		return run(t, o).Subjects[0].MessageBytes
	}
	if few, many := bytes(20), bytes(200); math.Abs(many/few-1) > .25 {
		t.Errorf("%.0f bytes a frame of 20 frames, %.0f of 200", few, many)
	}
}

// TestBenchWithoutTruth measures a video that nothing is known of: all but accuracy.
func TestBenchWithoutTruth(t *testing.T) {
	o := options(t)
	film, err := os.ReadFile(o.Config.Source)
	if err != nil {
		t.Fatal(err)
	}
	o.Config.Source, o.Accuracy, o.Frames = filepath.Join(t.TempDir(), "drive.mp4"), true, 10
	if err := os.WriteFile(o.Config.Source, film, 0o644); err != nil {
		t.Fatal(err)
	}
	r := run(t, o)
	if r.Subjects[0].Accuracy != nil || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "no truth") {
		t.Errorf("accuracy %+v, warnings %q", r.Subjects[0].Accuracy, r.Warnings)
	}
	var text bytes.Buffer
	if err := report.JSON(&text, r); err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join(testkit.Root(), "docs", "bench.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(&text)
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Error(err)
	}
}

func TestBenchRefuses(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*bench.Options)
		want  string
		usage bool
	}{
		{"a live camera", func(o *bench.Options) { o.Config.Source = "rtsp://127.0.0.1:1/x" }, "a live camera does not let it", true},
		{"no such network", func(o *bench.Options) { o.Config.Detect.Network = "nobody" }, "nobody", true},
		{"no such file", func(o *bench.Options) { o.Config.Source = "nowhere.mp4" }, "nowhere.mp4", false},
		{"a track-only ladder", func(o *bench.Options) {
			o.Rungs, o.Config.Detect.Network, o.Config.Ladder = true, "auto", config.Rungs{config.TrackOnly}
		}, "ladder", true},
		{"no rate", func(o *bench.Options) { o.Plan.Rate = -1 }, "a rate of -1", true},
		{"no worker", func(o *bench.Options) { o.Binary = "/bin/false" }, "ended", false},
		{"not a program", func(o *bench.Options) { o.Binary = "/dev/null" }, "start dashline-tiny", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := options(t)
			tt.spoil(&o)
			_, err := bench.Run(t.Context(), o)
			_, usage := errors.AsType[*session.ConfigError](err)
			if err == nil || !strings.Contains(err.Error(), tt.want) || usage != tt.usage {
				t.Errorf("got %v (usage %v), want %q in it", err, usage, tt.want)
			}
		})
	}
}
