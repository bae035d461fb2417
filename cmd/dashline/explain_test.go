package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dashline/internal/explain"
	"dashline/internal/misses"
	"dashline/internal/obs/timeline"
	"dashline/internal/obs/trace"
	"dashline/pipeline"
	"dashline/pipeline/msg"
	"dashline/pipeline/record"
)

// Misses and traces are observed beside the metrics.
var (
	_ pipeline.Observer = (*misses.Keeper)(nil)
	_ pipeline.Observer = (*trace.Writer)(nil)
)

// What explains reports knows their stages by the names that the pipeline gives.
func TestStagesHaveOneName(t *testing.T) {
	for pipelines, timelines := range map[string]string{
		pipeline.StageSource: timeline.Source, pipeline.StageWait: timeline.Wait, pipeline.StagePreprocess: timeline.Preprocess,
		pipeline.StageForward: timeline.Forward, pipeline.StageDecode: timeline.Decode, pipeline.StageDetect: timeline.Detect,
		pipeline.StageLanes: timeline.Lanes, pipeline.StageLanesForward: timeline.LanesForward, pipeline.StageTrack: timeline.Track,
		pipeline.StagePlan: timeline.Plan, pipeline.StagePublish: timeline.Publish, pipeline.StageAdmission: timeline.Admission,
	} {
		if pipelines != timelines {
			t.Errorf("%q is %q", pipelines, timelines)
		}
	}
}

// missed are the reports of a run in which frame 20 of front was late.
func missed() (all []*msg.FrameReport) {
	const ms = time.Millisecond
	for i := range 40 {
		for _, camera := range []string{"front", "left"} {
			r := &msg.FrameReport{
				Header:  msg.Header{Camera: camera, Seq: uint64(i), Arrived: time.Duration(i) * 100 * ms},
				Outcome: msg.OnTime, Age: 46 * ms, Deadline: 100 * ms, Rung: "large", Predicted: 50 * ms,
				Stages: []msg.StageTime{{Stage: pipeline.StageWait, Took: ms}, {Stage: pipeline.StageForward, Took: 45 * ms}},
			}
			if camera == "left" {
				r.Arrived += 50 * ms
			}
			if i == 20 && camera == "front" {
				r.Outcome, r.Age, r.Stages[1].Took = msg.Late, 121*ms, 120*ms
			}
			all = append(all, r)
		}
	}
	return all
}

func missedRecording(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "drive.mcap")
	r, err := record.Create(path, record.Options{Vehicle: "truck7"})
	if err != nil {
		t.Fatal(err)
	}
	for _, report := range missed() {
		r.Frame(report)
	}
	if err := r.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExplain(t *testing.T) {
	path := missedRecording(t)
	for _, tt := range []struct {
		name string
		args []string
		code int
		want []string // in what it prints, or says
	}{
		{"overview", nil, exitOK, []string{"80 frames: 79 on time, 1 late, 0 dropped, 0 failed", "1       late     forward", "large  80        1     1.0 ms    45.0 ms"}},
		{"misses", []string{"--misses"}, exitOK, []string{"front   20     2s  late     forward  large  21.0 ms too late; forward 120.0 ms, usually 45.0 ms"}},
		{"misses of a camera without any", []string{"--misses", "--camera", "left"}, exitOK, []string{"40 frames: 40 on time"}},
		{"a frame", []string{"--frame", "20", "--camera", "front"}, exitOK, []string{"front 20 was late: 121.0 ms old", "What made it late is forward", "> front 20 late"}},
		{"a frame of several cameras", []string{"--frame", "20"}, exitUsage, []string{"name one of front, left"}},
		{"no such frame", []string{"--frame", "99"}, exitUsage, []string{"there is no report of a frame 99"}},
		{"no such camera", []string{"--camera", "rear"}, exitUsage, []string{"there is no camera rear"}},
		{"both", []string{"--frame", "1", "--misses"}, exitUsage, []string{"do not go together"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errs := say(t, append([]string{"explain", path}, tt.args...)...)
			if code != tt.code {
				t.Errorf("%d: %s", code, errs)
			}
			for _, want := range tt.want {
				if !strings.Contains(out+errs, want) {
					t.Errorf("no %q in\n%s%s", want, out, errs)
				}
			}
		})
	}
	for _, bad := range []string{path + "x", "explain_test.go"} {
		if code, _, errs := say(t, "explain", bad); code != exitBroken || errs == "" {
			t.Errorf("%s: %d %s", bad, code, errs)
		}
	}
	var o explain.Overview
	code, out, errs := say(t, "explain", path, "--misses", "--json")
	if err := json.Unmarshal([]byte(out), &o); err != nil || code != exitOK || len(o.Misses) != 1 || o.Misses[0].Cause != "forward" {
		t.Errorf("%d %v %s %s", code, err, errs, out)
	}
	var e explain.Explanation
	code, out, errs = say(t, "explain", path, "--frame", "20", "--camera", "front", "--json")
	if err := json.Unmarshal([]byte(out), &e); err != nil || code != exitOK || e.Cause != "forward" || e.Predicted != 50 || len(e.Words) == 0 || len(e.Lines) == 0 {
		t.Errorf("%d %v %s %s", code, err, errs, out)
	}
}

func TestExplainACutRecording(t *testing.T) {
	path := missedRecording(t)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b[:len(b)-20], 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, errs := say(t, "explain", path)
	if code != exitPartly || !strings.Contains(out, "80 frames") || !strings.Contains(errs, "not all of it could be read") {
		t.Errorf("%d %s\n%s", code, errs, out)
	}
}

func TestExplainABundle(t *testing.T) {
	dir := t.TempDir()
	k := misses.New(misses.Options{Dir: dir})
	for _, r := range missed() {
		k.Frame(r)
	}
	if _, err := k.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	code, out, errs := say(t, "explain", files[0])
	if code != exitOK {
		t.Errorf("%d %s", code, errs)
	}
	for _, want := range []string{"front 20 was late: 121.0 ms old", "collector of garbage", "> front 20 late"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	code, out, errs = say(t, "explain", files[0], "--misses")
	if code != exitOK || !strings.Contains(out, "1 late") {
		t.Errorf("%d %s %s", code, errs, out)
	}
	code, out, _ = say(t, "explain", files[0], "--json")
	var with struct{ Machine *misses.Machine }
	if err := json.Unmarshal([]byte(out), &with); err != nil || code != exitOK || with.Machine == nil {
		t.Errorf("%d %v %s", code, err, out)
	}
	if err := os.WriteFile(files[0], []byte(`{"format":"other"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, errs = say(t, "explain", files[0]); code != exitBroken || !strings.Contains(errs, "its format is") {
		t.Errorf("%d %s", code, errs)
	}
}
