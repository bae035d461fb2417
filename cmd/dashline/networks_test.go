package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dashline/internal/version"
	"dashline/model/darknet"
)

// say runs the program and returns what it printed.
func say(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, streams{&o, &e})
	return code, o.String(), e.String()
}

func TestConfigPrintsWhatItReads(t *testing.T) {
	code, first, errs := say(t, "config", "--detect-score", "0.5", "--no-lanes", "--vehicle", "truck7")
	if code != exitOK {
		t.Fatalf("%d: %s", code, errs)
	}
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte(first), 0o644); err != nil {
		t.Fatal(err)
	}
	code, second, errs := say(t, "config", "-c", file)
	if code != exitOK || second != first {
		t.Errorf("%d: %s\n%s", code, errs, second)
	}
	var v struct {
		Vehicle string
		Detect  struct{ Score float64 }
		Lanes   struct{ Enabled bool }
	}
	code, out, errs := say(t, "config", "-c", file, "--detect-score", "0.6", "--json")
	if err := json.Unmarshal([]byte(out), &v); err != nil || code != exitOK {
		t.Fatalf("%d: %s %v\n%s", code, errs, err, out)
	}
	if v.Vehicle != "truck7" || v.Detect.Score != .6 || v.Lanes.Enabled {
		t.Errorf("%+v", v)
	}
	if code, out, _ = say(t, "config", "--schema"); code != exitOK || !json.Valid([]byte(out)) {
		t.Errorf("schema: %d\n%s", code, out)
	}

	if err := os.WriteFile(file, []byte("detect:\n  netwrok: yolov3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, _, errs = say(t, "config", "-c", file)
	if code != exitUsage || !strings.Contains(errs, file+":2:3: unknown key detect.netwrok: did you mean detect.network?") {
		t.Errorf("%d: %s", code, errs)
	}
	if code, _, errs = say(t, "config", "--detect-score", "2"); code != exitUsage || !strings.Contains(errs, "detect.score: 2 is outside") {
		t.Errorf("%d: %s", code, errs)
	}
}

func TestVersion(t *testing.T) {
	var v version.Build
	code, out, errs := say(t, "version", "--json")
	if err := json.Unmarshal([]byte(out), &v); err != nil || code != exitOK || v.Go == "" || v.Platform == "" {
		t.Errorf("%d: %s %v %+v", code, errs, err, v)
	}
	if code, out, _ = say(t, "version"); code != exitOK || !strings.HasPrefix(out, "dashline ") {
		t.Errorf("%d: %s", code, out)
	}
}

// empty makes a machine without assets and without a cache.
func empty(t *testing.T) (cache string) {
	t.Helper()
	cache = t.TempDir()
	t.Setenv("DASHLINE_ASSETS", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", cache)
	return cache
}

func TestNetworks(t *testing.T) {
	empty(t)
	code, out, errs := say(t, "networks")
	if code != exitOK || !strings.Contains(out, "missing: dashline fetch yolov3\n") {
		t.Errorf("%d: %s\n%s", code, errs, out)
	}
	var all []listed
	code, out, errs = say(t, "networks", "list", "--json")
	if err := json.Unmarshal([]byte(out), &all); err != nil || code != exitOK || len(all) < 13 {
		t.Errorf("%d: %s %v %+v", code, errs, err, all)
	}
	for _, l := range all {
		// Those that come with the program are there, the others are not.
		if ours := strings.HasPrefix(l.Name, "dashline-"); ours == (l.Dir == "") || ours == (l.Mend != "") {
			t.Errorf("%s: in %q, mend %q", l.Name, l.Dir, l.Mend)
		}
	}
	code, out, errs = say(t, "networks", "show", "YOLOv3")
	if code != exitBroken || !strings.Contains(out, "yolov3.weights, 248.0 MB") || !strings.Contains(errs, ": dashline fetch yolov3") {
		t.Errorf("%d: %s\n%s", code, errs, out)
	}
	code, _, errs = say(t, "networks", "show", "yolov4")
	if code != exitUsage || !strings.Contains(errs, "did you mean yolov3?") {
		t.Errorf("%d: %s", code, errs)
	}
}

const tinyCfg = "[net]\nwidth=32\nheight=32\nchannels=3\n[convolutional]\nfilters=6\nsize=1\nactivation=linear\n[yolo]\nmask=0\nanchors=10,10\nclasses=1\nnum=1\n"

// describe writes a description of a small darknet network that a server has.
func describe(t *testing.T, url string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tiny.yaml")
	text := fmt.Sprintf(`name: tiny
task: detect
format: darknet
files:
  - {role: weights, path: tiny.weights, url: "%s/tiny.weights"}
  - {role: config, path: tiny.cfg, url: "%s/tiny.cfg"}
input: {width: 32, height: 32, resize: stretch, color: rgb, scale: [1, 1, 1]}
decode: {kind: yolo}
classes: [thing]
`, url, url)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestFetch(t *testing.T) {
	cache := empty(t)
	weights, err := darknet.RandomWeights([]byte(tinyCfg), 1)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		if r.URL.Path == "/tiny.cfg" {
			fmt.Fprint(w, tinyCfg)
			return
		}
		_, _ = w.Write(weights)
	}))
	t.Cleanup(s.Close)
	file := describe(t, s.URL)
	code, out, errs := say(t, "fetch", file)
	if code != exitOK || strings.Count(out, "recorded ") != 2 || !strings.Contains(errs, "tiny.weights: whole") {
		t.Fatalf("%d: %s\n%s", code, errs, out)
	}
	if _, err := os.Stat(filepath.Join(cache, "dashline", "networks", "tiny", "tiny.weights")); err != nil {
		t.Error(err)
	}
	if code, out, errs = say(t, "networks", "show", file); code != exitOK || !strings.Contains(out, "whole, as described") {
		t.Errorf("%d: %s\n%s", code, errs, out)
	}
	var v struct {
		Name  string
		Files []struct{ Present bool }
	}
	code, out, errs = say(t, "fetch", file, "--json")
	if err := json.Unmarshal([]byte(out), &v); err != nil || code != exitOK || v.Name != "tiny" || len(v.Files) != 2 || !v.Files[0].Present {
		t.Errorf("%d: %s %v\n%s", code, errs, err, out)
	}

	// Weights of another network: every byte came, and still it is refused.
	weights = append(weights, 0, 0, 0, 0)
	into := t.TempDir()
	code, _, errs = say(t, "fetch", file, "--into", into)
	if code != exitBroken || !strings.Contains(errs, "4 bytes too long after the last layer") {
		t.Errorf("%d: %s", code, errs)
	}
	if left, err := os.ReadDir(into); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
