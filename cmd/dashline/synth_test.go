package main

import (
	"context"
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dashline/internal/testkit"
	"dashline/sensors/synth"
)

// tiny is a scenario file of small pictures.
func tiny(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.yaml")
	text := "name: tiny\nfps: 10\nduration: 1\ncamera: {width: 96, height: 64, fx: 80, fy: 80, cx: 47.5, cy: 31.5}\nscenes: [{name: a, length: [300, 300], weather: [clear]}]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSynthMakesAVideoThatVerifies(t *testing.T) {
	scenario, video := tiny(t), filepath.Join(t.TempDir(), "x.mp4")
	code, out, errs := say(t, "synth", scenario, "-o", video, "--seed", "5", "--json")
	var m made
	if err := json.Unmarshal([]byte(out), &m); code != exitOK || err != nil {
		t.Fatalf("%d: %s%s", code, out, errs)
	}
	if m.Scenario != "tiny" || m.Pictures != 10 || m.Out != video || m.Truth != strings.TrimSuffix(video, "mp4")+"truth.jsonl.gz" {
		t.Errorf("%+v", m)
	}
	for _, step := range []struct {
		args []string
		want string
	}{
		{[]string{"synth", "verify", video}, "10 frames, as in its truth; no hashes are kept\n"},
		{[]string{"synth", "verify", "--write", video}, "x.hashes\n"},
		{[]string{"synth", "verify", video}, "10 frames, as in its truth and its 1 hashes\n"},
	} {
		if code, out, errs := say(t, step.args...); code != exitOK || !strings.HasSuffix(out, step.want) {
			t.Errorf("%q: %d: %s%s", step.args, code, out, errs)
		}
	}
	// Another drive under the same hashes.
	if code, out, errs := say(t, "synth", scenario, "-o", video, "--seed", "6"); code != exitOK {
		t.Fatalf("%d: %s%s", code, out, errs)
	}
	code, out, errs = say(t, "synth", "verify", video, "--json")
	var v verified
	if err := json.Unmarshal([]byte(out), &v); code != exitPartly || err != nil || !strings.Contains(v.Wrong, "frames 0 to 9") {
		t.Errorf("%d: %s%s", code, out, errs)
	}
}

func TestSynthExports(t *testing.T) {
	for format, file := range map[string]string{
		"yolo": "labels/tiny-3_000005.txt", "coco": "annotations.json", "tusimple": "label_data.json",
	} {
		dir := filepath.Join(t.TempDir(), "set")
		code, out, errs := say(t, "synth", tiny(t), "--export", format, "-o", dir, "--seeds", "2-4", "--every", "5", "--json")
		var m made
		if err := json.Unmarshal([]byte(out), &m); code != exitOK || err != nil || m.Pictures != 6 || m.Out != dir {
			t.Errorf("%s: %d: %s%s", format, code, out, errs)
		}
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Error(err)
		}
	}
}

func TestSynthListsItsScenarios(t *testing.T) {
	code, out, errs := say(t, "synth", "--list", "--json")
	var all []struct{ Name, Summary string }
	if err := json.Unmarshal([]byte(out), &all); code != exitOK || err != nil {
		t.Fatalf("%d: %s%s", code, out, errs)
	}
	var names []string
	for _, sc := range all {
		names = append(names, sc.Name)
		if sc.Summary == "" {
			t.Errorf("%s has no summary", sc.Name)
		}
	}
	if !slices.Equal(names, synth.Names()) {
		t.Errorf("%q; want %q", names, synth.Names())
	}
	if _, out, _ := say(t, "synth", "--list"); strings.Count(out, "\n") != len(names) {
		t.Errorf("the list is\n%s", out)
	}
}

func TestSynthRefuses(t *testing.T) {
	dir := t.TempDir()
	full := filepath.Join(dir, "full")
	if err := os.Mkdir(full, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(full, "annotations.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "x.mp4")
	for _, tt := range []struct {
		code int
		want string
		args []string
	}{
		{exitUsage, "did you mean city?", []string{"ctiy", "-o", out}},
		{exitUsage, "no such file", []string{"none.yaml", "-o", out}},
		{exitUsage, "--duration", []string{"-o", out, "--duration", "1ms"}},
		{exitUsage, "--crf 52", []string{"-o", out, "--crf", "52"}},
		{exitUsage, "as in 1-100", []string{"-o", out, "--seeds", "3-1"}},
		{exitUsage, "--every 0", []string{"--export", "yolo", "--every", "0"}},
		{exitUsage, "as in 1-100", []string{"--export", "yolo", "--seeds", "3-1"}},
		{exitUsage, "as in 1-100", []string{"--export", "yolo", "--seeds", "1"}},
		{exitUsage, "--show-truth", []string{"--export", "yolo", "--show-truth"}},
		{exitUsage, "--export", []string{"--export", "voc"}},
		{exitUsage, "give one of them", []string{"--export", "yolo", "--sheet", "x.png"}},
		{exitBroken, ".mp4", []string{"-o", filepath.Join(dir, "x.avi"), "--duration", "1s"}},
		{exitBroken, "there already", []string{"--export", "coco", "-o", full}},
		{exitBroken, "truth.jsonl", []string{"verify", filepath.Join(dir, "none.mp4")}},
	} {
		code, said, errs := say(t, append([]string{"synth"}, tt.args...)...)
		if code != tt.code || !strings.Contains(errs, tt.want) {
			t.Errorf("%q: %d %s%s; want %d and %q", tt.args, code, said, errs, tt.code, tt.want)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left %v", left)
	}
}

func TestSynthStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if code, _, _ := dashline(ctx, "synth", tiny(t), "-o", filepath.Join(dir, "x.mp4")); code != exitBroken {
		t.Errorf("exit code %d", code)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

// The page lists the scenarios that there are, in their own words.
func TestSynthPage(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(testkit.Root(), "docs", "synth.md"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := builtins()
	if err != nil {
		t.Fatal(err)
	}
	for _, sc := range all {
		if row := "| `" + sc.Name + "` | " + sc.Summary + " |\n"; !strings.Contains(string(data), row) {
			t.Errorf("docs/synth.md lacks %q", row)
		}
	}
}

func TestSynthSheetNumerics(t *testing.T) {
	if testing.Short() {
		t.Skip("it drives through every scenario")
	}
	path := filepath.Join(t.TempDir(), "sheet.png")
	if code, out, errs := say(t, "synth", "--sheet", path); code != exitOK {
		t.Fatalf("%d: %s%s", code, out, errs)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if c, err := png.DecodeConfig(f); err != nil || c.Width < 640 {
		t.Errorf("%+v, %v", c, err)
	}
}
