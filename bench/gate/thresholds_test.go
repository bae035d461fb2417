package gate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dashline/internal/config"
	"dashline/internal/strictyaml"
)

func TestDefaultThresholds(t *testing.T) {
	d := DefaultThresholds()
	if err := strictyaml.Check(&d); err != nil {
		t.Error(err)
	}
	if d.Stall != 5*time.Millisecond || d.Frame != (Threshold{.03, Unsure}) || d.Level != .998 {
		t.Errorf("%+v", d)
	}
	// Every key is in the file, so that it is the reference.
	for _, f := range []Threshold{d.Frame, d.Stalls, d.Lost, d.CPU, d.Instructions, d.Allocations, d.Allocated, d.Peak, d.Messages, d.Accuracy, d.Stages} {
		if f.Margin == 0 || f.Blocks == "" {
			t.Errorf("a figure has no default: %+v", d)
		}
	}
	again, err := ParseThresholds("x.yaml", []byte(DefaultThresholdsText()))
	if err != nil || again != d {
		t.Errorf("%v: %+v", err, again)
	}
}

func TestParseThresholds(t *testing.T) {
	got, err := ParseThresholds("x.yaml", []byte("frame: {margin: 0.1}\nstages: {blocks: never}\n"))
	want := DefaultThresholds()
	want.Frame.Margin, want.Stages.Blocks = .1, Never
	if err != nil || got != want {
		t.Errorf("%v: %+v", err, got)
	}
	for text, says := range map[string]string{
		"fraem: {margin: 1}":            "frame",
		"frame: {margin: 0}":            "frame.margin",
		"frame: {margin: -1}":           "frame.margin",
		"frame: {margin: .nan}":         "frame.margin",
		"frame: {blocks: sometimes}":    "frame.blocks",
		"frame: 2":                      "frame",
		"level: 1":                      "level",
		"stall: 0s":                     "stall",
		"level: .9\nlevel: .8":          "level",
		"frame: {margin: 1, magrin: 1}": "margin",
	} {
		if _, err := ParseThresholds("x.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "x.yaml") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestLoadThresholds(t *testing.T) {
	dir := t.TempDir()
	if _, err := LoadThresholds(dir); err == nil {
		t.Error("a folder is a file of thresholds")
	}
	if _, err := LoadThresholds(filepath.Join(dir, "none.yaml")); err == nil {
		t.Error("a file that is not there is one of thresholds")
	}
	file := filepath.Join(dir, "x.yaml")
	if err := os.WriteFile(file, []byte("peak: {margin: 0.5}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := LoadThresholds(file); err != nil || got.Peak.Margin != .5 {
		t.Errorf("%v: %+v", err, got)
	}
}

func FuzzParseThresholds(f *testing.F) {
	f.Add([]byte(DefaultThresholdsText()))
	f.Add([]byte("frame: {margin: 0.1, blocks: never}"))
	f.Add([]byte("frame: [1]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := ParseThresholds("x.yaml", text)
		if err != nil {
			return
		}
		if err := strictyaml.Check(&got); err != nil {
			t.Errorf("what was taken is out of range: %v", err)
		}
		if e := (made{quadruples: 3, seed: 1}).evidence(); Judge(e, got).Verdict == "" {
			t.Error("no verdict")
		}
	})
}

// Both builds get what differs from the defaults, and nothing that one of them may
// not know.
func TestShared(t *testing.T) {
	cfg := config.Default()
	cfg.Source, cfg.Lanes.Enabled, cfg.Detect.Score = "a.mp4", false, .5
	text, err := Shared(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"detect":{"score":0.5},"lanes":{"enabled":false},"layout":"order","measure":"0s","source":"a.mp4"}`; text != want {
		t.Errorf("%s, want %s", text, want)
	}
	cfg.Ladder, cfg.Layout = config.Rungs{"dashline-full", "dashline-tiny"}, "overlap"
	if text, err = Shared(cfg); err != nil || strings.Contains(text, "measure") || !strings.Contains(text, `"layout":"overlap"`) {
		t.Errorf("%v: %s", err, text)
	}
}
