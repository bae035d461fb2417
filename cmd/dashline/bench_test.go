package main

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dashline/bench/gate"
)

// benchWorker says that this process was started to be measured.
func benchWorker() bool { return len(os.Args) == 3 && os.Args[1] == "bench" && os.Args[2] == "worker" }

// What is wrong with the command line is told before anything is measured, and is
// not taken for a verdict: 1 would be "worse" or "fail".
func TestBenchUsage(t *testing.T) {
	bad := writeFile(t, "frame: {margin: -1}\n")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"gate", "--base", "no-such-branch"}, "neither a program nor a revision"},
		{[]string{"gate", "--head", bad}, "not a program that can be run"},
		{[]string{"gate", "--inject", "freeze:1s/60s"}, "stall:10ms/1000"},
		{[]string{"gate", "--inject", "forward"}, "none of forward:5%"},
		{[]string{"gate", "--time", "1s"}, "give 5s to 1h"},
		{[]string{"gate", "--thresholds", bad}, "margin"},
		{[]string{"gate", "rtsp://127.0.0.1:1/x"}, "a live camera"},
		{[]string{"gate", "RTSP://127.0.0.1:1/x"}, "a live camera"},
		{[]string{"--quantile", "100"}, "quantile"},
		{[]string{"--level", "44"}, "give 50 or more"},
		{[]string{"--closed", "--deadline", "1ms"}, "--deadline does nothing with --closed"},
		{[]string{"--closed", "--scenario", "overload"}, "--scenario does nothing with --closed"},
		{[]string{"--burst", "2"}, "without --scenario burst"},
		{[]string{"--ladder", "dashline-full,dashline-tiny", "--network", "dashline-tiny"}, "give one of the two"},
		{[]string{"--scenario", "storm"}, "scenario"},
		{[]string{"rtsp://127.0.0.1:1/x"}, "a live camera"},
	} {
		code, out, errs := dashline(t.Context(), append([]string{"bench"}, tt.args...)...)
		if code != exitUsage || !strings.Contains(errs, tt.want) || out != "" {
			t.Errorf("%v: code %d, want %d; %q, want %q in it; printed %q", tt.args, code, exitUsage, errs, tt.want, out)
		}
	}
}

func TestGateShowsThresholds(t *testing.T) {
	code, out, errs := dashline(t.Context(), "bench", "gate", "--show-thresholds")
	if _, err := gate.ParseThresholds("shown", []byte(out)); code != exitOK || err != nil {
		t.Errorf("code %d, %v: %s", code, err, errs)
	}
}

// The program beside itself, with a stage that takes ten times as long: what it
// prints, what it writes and how it ends.
func TestGateLargeNetworks(t *testing.T) {
	if testing.Short() {
		t.Skip("runs two pipelines for some seconds")
	}
	noLanes := writeFile(t, "lanes: {enabled: false}\n")
	junit := filepath.Join(t.TempDir(), "gate.xml")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"bench", "gate", "--base", self, "--config", noLanes, "--time", "5s", "--no-accuracy", "--quiet", "--json", "--inject", "forward:900%"}
	code, out, errs := dashline(t.Context(), append(args, "--junit", junit, "--annotate")...)
	var r struct {
		Verdict string
		Slower  []string `json:"slower_stages"`
		Figures []struct{ Name, Verdict string }
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s%s", err, out, errs)
	}
	if code != exitBroken || r.Verdict != "worse" || len(r.Slower) != 1 || r.Slower[0] != "forward" || len(r.Figures) < 8 {
		t.Errorf("code %d: %s", code, out)
	}
	if !strings.Contains(errs, "::error") {
		t.Errorf("no note on the pull request: %s", errs)
	}
	text, err := os.ReadFile(junit)
	if err != nil || xml.Unmarshal(text, &struct{}{}) != nil || !strings.Contains(string(text), "<failure") {
		t.Errorf("%v: %s", err, text)
	}

	// A file that cannot be written costs no result.
	code, out, errs = dashline(t.Context(), append(args, "--junit", filepath.Join(noLanes, "gate.xml"))...)
	if code != exitBroken || !json.Valid([]byte(out)) || !strings.Contains(errs, filepath.Base(noLanes)) {
		t.Errorf("code %d: %q %s", code, out, errs)
	}
}

// One short bench in every form.
func TestBenchFormsLargeNetworks(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a pipeline for some seconds")
	}
	dir := t.TempDir()
	forms := map[string]string{"html": "<svg", "markdown": "| ", "gobench": "BenchmarkFrame/"}
	args := []string{"bench", "--closed", "--no-lanes", "--no-accuracy", "--count", "30", "--quiet", "--json"}
	for form := range forms {
		args = append(args, "--"+form, filepath.Join(dir, form))
	}
	code, out, errs := dashline(t.Context(), args...)
	var r struct{ Subjects []struct{ Name string } }
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitOK || len(r.Subjects) == 0 {
		t.Fatalf("code %d, %v: %s%s", code, err, out, errs)
	}
	for form, want := range forms {
		if text, err := os.ReadFile(filepath.Join(dir, form)); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v, want %q in %d bytes", form, err, want, len(text))
		}
	}
}
