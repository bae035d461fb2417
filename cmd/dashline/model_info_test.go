package main

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dashline/infer/ort"
	"dashline/internal/modelcmd"
	"dashline/internal/testkit"
	"dashline/internal/testkit/tinynet"
	"dashline/model/darknet"
)

// probe is what info --measure runs of the program that it is: here of the test.
func probe() bool { return len(os.Args) == 3 && os.Args[1] == "model" && os.Args[2] == "probe" }

// cfgOnly writes a cfg, and with weights those beside it.
func cfgOnly(t *testing.T, weights bool) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tiny.cfg")
	if err := os.WriteFile(file, []byte(tinyCfg), 0o644); err != nil {
		t.Fatal(err)
	}
	if !weights {
		return file
	}
	data, err := darknet.RandomWeights([]byte(tinyCfg), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(strings.TrimSuffix(file, ".cfg")+".weights", data, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func info(t *testing.T, args ...string) modelcmd.Report {
	t.Helper()
	code, out, errs := say(t, append([]string{"model", "info", "--json"}, args...)...)
	if code != exitOK {
		t.Fatalf("%v: %d: %s", args, code, errs)
	}
	var r modelcmd.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || strings.Count(out, "\n") != 1 {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
	return r
}

func TestModelInfo(t *testing.T) {
	file := cfgOnly(t, true)
	code, out, errs := say(t, "model", "info", file)
	if code != exitOK || errs != "" || !strings.Contains(out, "24; 24 trainable; 24 with batch normalisation folded") || !strings.Contains(out, "116 bytes") {
		t.Errorf("%d: %s\n%s", code, errs, out)
	}
	r := info(t, file)
	if r.Parameters != 24 || r.FileBytes != 20+4*24 || r.MACs != 32*32*18 || r.FLOPs != 2*r.MACs || len(r.Layers) != 3 || r.Topology {
		t.Errorf("%+v", r)
	}
	if r = info(t, file, "--size", "64x32"); r.MACs != 64*32*18 {
		t.Errorf("at twice the width: %+v", r)
	}
	if r = info(t, cfgOnly(t, false)); r.Parameters != 24 || !r.Topology || r.FileBytes != 116 {
		t.Errorf("without weights: %+v", r)
	}
	converted := filepath.Join(t.TempDir(), "tiny.onnx")
	if code, _, errs := say(t, "model", "convert", tinynet.Detector(t, "net", 1), "-o", converted); code != exitOK {
		t.Fatal(errs)
	}
	for _, tt := range []struct {
		code int
		want string
		args []string
	}{
		{exitUsage, "--size 64: give width and height", []string{file, "--size", "64"}},
		{exitUsage, "--threads 1000: give 1 to 256", []string{file, "--measure", "--threads", "1000"}},
		{exitUsage, "--threads is for --measure: leave it out", []string{file, "--threads", "2"}},
		{exitBroken, "no such file", []string{filepath.Join(t.TempDir(), "none.onnx")}},
		{exitUsage, "did you mean yolov3?", []string{"yolov33"}},
		{exitUsage, "--dim is for ONNX files", []string{file, "--dim", "x=1"}},
		{exitUsage, "--dim is for networks whose input has no size", []string{converted, "--dim", "x=1", "--size", "32x32"}},
		{exitUsage, "--dim is for networks whose input has no size", []string{converted, "--dim", "x=1"}}, // from its description
		{exitBroken, "this is not a weights file", []string{file, "--weights", file}},
	} {
		if code, _, errs := say(t, append([]string{"model", "info"}, tt.args...)...); code != tt.code || !strings.Contains(errs, tt.want) {
			t.Errorf("%v: %d: %s; want %d: %s", tt.args, code, errs, tt.code, tt.want)
		}
	}
}

// What the issue and darknet itself say of the full network, without its weights.
func TestModelInfoOfLargeNetworks(t *testing.T) {
	testkit.UseAssets(t)
	r := info(t, "yolov3")
	if r.Parameters != 62_001_757 || r.FileBytes != 248_007_048 || r.FLOPs != 65_864_075_264 || !r.Topology {
		t.Errorf("%d parameters, %d bytes, %d FLOPs", r.Parameters, r.FileBytes, r.FLOPs)
	}
}

func TestModelInfoMeasures(t *testing.T) {
	svg := filepath.Join(t.TempDir(), "layers.svg")
	args := []string{"model", "info", cfgOnly(t, false), "--measure", "--json", "-q", "--svg", svg}
	code, out, errs := say(t, args...)
	engines := 2
	if _, err := ort.Library(); err != nil {
		engines = 1
	}
	if engines == 1 && code != exitPartly || engines == 2 && code != exitOK {
		t.Fatalf("%d: %s", code, errs)
	}
	var r modelcmd.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Measured) != engines {
		t.Fatalf("measured on %d engines, want %d: %s", len(r.Measured), engines, errs)
	}
	for _, m := range r.Measured {
		if m.ForwardMS <= 0 || m.LoadMS <= 0 || m.Peak <= 0 || m.Forwards < 5 || len(m.Layers) == 0 || len(m.Groups) == 0 || m.File != "with random weights" && m.Engine == "opencv" {
			t.Errorf("%+v", m)
		}
	}
	picture, err := os.ReadFile(svg)
	if err != nil || xml.Unmarshal(picture, new(struct{})) != nil || !strings.Contains(string(picture), "time, opencv") {
		t.Errorf("%v: %s", err, picture)
	}

	t.Setenv(ort.LibraryVar, "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if code, _, errs = say(t, args...); code != exitPartly || !strings.Contains(errs, "not measured on ort") {
		t.Errorf("without ONNX Runtime: %d: %s", code, errs)
	}
}

// The models of memory in docs/model.md hold on both engines.
func TestLargeNetworksNeedThePredictedMemory(t *testing.T) {
	if race {
		t.Skip("the race detector takes memory of its own")
	}
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	testkit.UseAssets(t)
	for _, network := range []string{"yolov3", "yolov3-tiny", "dashline-full"} {
		r := info(t, network, "--measure", "-q")
		for _, m := range r.Measured {
			if m.Ratio < .85 || m.Ratio > 1.15 {
				t.Errorf("%s on %s: %d bytes predicted, %d measured", network, m.Engine, m.Predicted, m.Resident)
			}
		}
	}
}

func TestModelDiff(t *testing.T) {
	a, b := cfgOnly(t, true), cfgOnly(t, false)
	code, out, errs := say(t, "model", "diff", a, a)
	if code != exitOK || !strings.Contains(out, "3 layers are the same\n") {
		t.Errorf("%d: %s\n%s", code, errs, out)
	}
	var d modelcmd.Difference
	code, out, errs = say(t, "model", "diff", a, b, "--json")
	if err := json.Unmarshal([]byte(out), &d); err != nil || code != exitOK || d.LargestWeight == 0 || d.Relative != 1 || len(d.Layers) != 1 {
		t.Errorf("%d: %s %v\n%s", code, errs, err, out)
	}
	if code, _, errs = say(t, "model", "diff", a, "yolov33"); code != exitUsage || !strings.Contains(errs, "did you mean yolov3?") {
		t.Errorf("%d: %s", code, errs)
	}
}
