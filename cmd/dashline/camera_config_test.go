package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"dashline/internal/strictyaml"
	"dashline/internal/testkit"
	"dashline/sensors/camera"
)

// parseCamera is the command as kong understands it.
func parseCamera(t *testing.T, args ...string) (cameraCmd, error) {
	t.Helper()
	var c cameraCmd
	p, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Parse(args)
	return c, err
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "camera.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Every flag is a key, with underscores, and the faults' keys are those of HTTP.
func TestEveryFlagOfCameraIsAKey(t *testing.T) {
	var c cameraCmd
	p, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, f := range strictyaml.Fields(reflect.ValueOf(&c).Elem()) {
		keys[f.Key] = true
	}
	flags := 0
	for _, f := range p.Model.Flags {
		if f.Name == "help" || f.Name == "config" {
			continue
		}
		flags++
		if key := strings.ReplaceAll(f.Name, "-", "_"); !keys[key] {
			t.Errorf("--%s is no key", f.Name)
		}
	}
	if flags != len(keys) || flags < 30 {
		t.Errorf("%d flags and %d keys", flags, len(keys))
	}
	b, err := json.Marshal(camera.Faults{})
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(b, &fields); err != nil {
		t.Fatal(err)
	}
	for name := range fields {
		if !keys[name] {
			t.Errorf("%s of HTTP is no key", name)
		}
	}
}

func TestCameraConfig(t *testing.T) {
	file := writeFile(t, `
count: 2
codec: h265
size: 640x360
auth: [basic, digest]
seed: 18446744073709551615
duration: 8s
quiet: true
loss: 0.01
burst: 0.001
burst_length: 8
jitter: 20ms
clock_drift: -50
rtp_jump: -90s
clock_jump: 0
no_rtcp: true
freeze: true
sdp: missing
bandwidth: 100000
`)
	c, err := parseCamera(t, "drive.mp4", "--config", file, "--loss", "0", "--no-rtcp=false", "--count", "3")
	if err != nil {
		t.Fatal(err)
	}
	want := cameraCmd{
		Source: "drive.mp4", File: cameraFile(file), RTSP: "127.0.0.1:8554", Count: 3, Codec: "h265", Size: "640x360",
		Auth: []string{"basic", "digest"}, Seed: 1<<64 - 1, Duration: 8 * time.Second, Quiet: true,
		Faults: camera.Faults{
			Burst: 0.001, BurstLength: 8, Jitter: camera.Duration(20 * time.Millisecond), ClockDrift: -50,
			RTPJump: camera.Duration(-90 * time.Second), Freeze: true, SDP: camera.SDPMissing, Bandwidth: 100_000,
		},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestCameraConfigIsStrict(t *testing.T) {
	for text, want := range map[string]string{
		"los: 0.1\n":              "camera.yaml:1:1: unknown key los: did you mean loss?",
		"loss: 0.1\nloss: 0.2\n":  "camera.yaml:2:1: key loss is set a second time",
		"loss: much\n":            "camera.yaml:1:7: loss: expected a number",
		"count: 1.5\n":            "camera.yaml:1:8: count: expected a whole number",
		"seed: -1\n":              "camera.yaml:1:7: seed: expected a whole number of 0 or more",
		"freeze: 1\n":             "camera.yaml:1:9: freeze: expected true or false",
		"seed: 1\njitter: soon\n": `camera.yaml:2:9: jitter: time span "soon": give it as in 500ms or 5s`,
		"jitter: 20\n":            `jitter: time span "20"`,
		"jitter: [20ms]\n":        "jitter: expected text or a number, found a list",
		"sdp: odd\n":              "camera.yaml:1:6: sdp: expected one of",
		"codec: vp9\n":            "camera.yaml:1:8: codec: expected one of",
		"loss: 2\n":               "camera.yaml: loss 2: give a probability from 0 to 1",
		"burst_length: 3\n":       "camera.yaml: burst_length without burst",
		"password: hunter2\n":     "unknown key password",
		"config: other.yaml\n":    "unknown key config",
		"loss: &a 0.1\n":          "anchors",
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"camera", "drive.mp4", "--config", writeFile(t, text)}, streams{&stdout, &stderr})
		if code != exitUsage || !strings.Contains(stderr.String(), want) || strings.Contains(stderr.String(), "hunter2") {
			t.Errorf("%q: code %d, %s", text, code, &stderr)
		}
	}
	if _, err := parseCamera(t, "--config", filepath.Join(t.TempDir(), "none.yaml")); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := parseCamera(t, "--config", t.TempDir()); err == nil || !strings.Contains(err.Error(), "a folder") {
		t.Errorf("a folder: %v", err)
	}
}

// The example of docs/camera.md is a file that works.
func TestDocumentedCameraConfig(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(testkit.Root(), "docs", "camera.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "```yaml\n")
	text, _, found := strings.Cut(text, "```")
	if !found {
		t.Fatal("there is no example")
	}
	c, err := parseCamera(t, "--config", writeFile(t, text))
	if err != nil {
		t.Fatal(err)
	}
	if c.Count != 2 || c.Loss != 0.01 || c.DisconnectEvery != camera.Duration(30*time.Second) {
		t.Errorf("it says %+v", c)
	}
	if _, err := c.options(); err != nil && !strings.Contains(err.Error(), "drive") {
		t.Error(err)
	}
}
