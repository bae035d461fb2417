package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dashline/infer/ort"
	"dashline/internal/testkit"
	"dashline/internal/testkit/tinynet"
)

func TestModelQuantizeNumerics(t *testing.T) {
	needsORT(t)
	drive := filepath.Join(testkit.Root(), "testdata", "drives", "default.mp4")
	for _, args := range [][]string{
		{"--int8", "--calibrate", drive, "--pictures", "4", "--max-drop", "100"},
		{"--fp16"},
	} {
		base := filepath.Join(t.TempDir(), "small")
		code, out, errs := say(t, append([]string{"model", "quantize", "dashline-tiny", "-o", base, "--json", "-q"}, args...)...)
		if code != exitOK {
			t.Fatalf("%v: %d: %s", args, code, errs)
		}
		var r quantized
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
		const parameters = 1_232_822
		if r.Network != base+".yaml" || r.FileBytes > 3*parameters || r.FloatMS <= 0 || r.MS <= 0 {
			t.Errorf("%v: %+v", args, r)
		}
		if args[0] == "--int8" && (r.Coded < 10 || len(r.Float) != 2 || len(r.Trials) != 1 || r.FileBytes > 3*parameters/2) {
			t.Errorf("%v: %+v", args, r)
		}
	}
}

// Without ONNX Runtime float16 is written all the same: OpenCV 4.6 does not load it,
// and then it says so.
func TestModelQuantizeNotTimed(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv(ort.LibraryVar, "")
	base := filepath.Join(t.TempDir(), "half")
	args := []string{"model", "quantize", tinynet.Detector(t, "net", 1), "--fp16", "-o", base, "-q"}
	code, out, errs := say(t, args...)
	if code != exitOK || !strings.Contains(out, base+".yaml: float16") {
		t.Fatalf("%d: %q, %s", code, out, errs)
	}
	var r quantized
	done(t, &r, append(args, "--json")...)
	if (r.NotTimed == "") != (r.MS > 0) || (r.NotTimed != "") != strings.Contains(out, "not timed here: ") || r.Network != base+".yaml" {
		t.Errorf("%+v, %q", r, out)
	}
	if r.NotTimed == "" {
		t.Skip("this OpenCV loads float16")
	}
}

func TestModelQuantizeRefuses(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--int8"}, exitUsage, "--calibrate"},
		{[]string{}, exitUsage, "--int8"},
		{[]string{"--int8", "--fp16"}, exitUsage, "together"},
		{[]string{"--int8", "--calibrate", ".", "--max-drop", "-1"}, exitUsage, "--max-drop"},
		{[]string{"--int8", "--calibrate", ".", "--pictures", "0"}, exitUsage, "--pictures 0"},
		{[]string{"--int8", "--calibrate", ".", "--percentile", "99"}, exitUsage, "--percentile is for --range percentile"},
		{[]string{"--int8", "--calibrate", ".", "--range", "mse", "--percentile", "99.999"}, exitUsage, "--percentile is for --range percentile"},
		{[]string{"--fp16", "--calibrate", "."}, exitUsage, "--calibrate is for --int8"},
		{[]string{"--fp16", "--pictures", "96"}, exitUsage, "--pictures is for --int8"},
		{[]string{"--fp16", "--max-drop", "1"}, exitUsage, "--max-drop is for --int8"},
		{[]string{"--fp16", "--range", "mse"}, exitUsage, "--range is for --int8"},
		{[]string{"--fp16", "--range", "percentile", "--percentile", "99"}, exitUsage, "is for --int8"},
		{[]string{"--fp16", "--reduce-range", "auto"}, exitUsage, "--reduce-range is for --int8"},
		{[]string{"--int8", "--calibrate", t.TempDir(), "--range", "percentile", "--percentile", "99"}, exitBroken, "calibration"},
		{[]string{"--int8", "--calibrate", t.TempDir()}, exitBroken, "calibration"},
	} {
		code, _, errs := say(t, append([]string{"model", "quantize", "dashline-tiny", "-q"}, tt.args...)...)
		if code != tt.code || !strings.Contains(errs, tt.says) {
			t.Errorf("%v: %d, %q; want %d and %q", tt.args, code, errs, tt.code, tt.says)
		}
	}
}

// needsORT skips where ONNX Runtime is not installed; a full check does without
// nothing.
func needsORT(t *testing.T) {
	t.Helper()
	_, err := ort.Library()
	if errors.Is(err, ort.ErrNoLibrary) && os.Getenv("DASHLINE_REQUIRE_ASSETS") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
