package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dashline/internal/avenc"
	"dashline/internal/testkit"
	"dashline/sensors/camera"
)

// The default drive is served, its faults are changed while it runs, and the
// counts come at the end.
func TestCameraServesTheDefaultDrive(t *testing.T) {
	t.Setenv("DASHLINE_DATA", filepath.Join(testkit.Root(), "testdata"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	var stderr bytes.Buffer
	code := make(chan int)
	go func() {
		defer w.Close()
		code <- run(ctx, []string{"camera", "--rtsp", "127.0.0.1:0", "--control", "127.0.0.1:0", "--count", "2", "--json", "--loss", "0.5", "--no-rtcp"}, streams{w, &stderr})
	}()
	out := json.NewDecoder(r)
	var start struct {
		URLs    []string
		Control string
	}
	if err := out.Decode(&start); err != nil || len(start.URLs) != 2 || !strings.HasPrefix(start.URLs[1], "rtsp://127.0.0.1:") {
		t.Fatalf("it began with %+v, %v", start, err)
	}
	req, err := http.NewRequestWithContext(ctx, "PATCH", start.Control+"/cameras/1/faults", strings.NewReader(`{"freeze":true}`))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	var f camera.Faults
	err = json.NewDecoder(res.Body).Decode(&f)
	_ = res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if err != nil || f != (camera.Faults{Loss: 0.5, NoRTCP: true, Freeze: true}) {
		t.Errorf("the faults are now %+v, %v", f, err)
	}
	for began := time.Now(); !frozen(t, start.Control); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatal("no frame was sent, or none swallowed")
		}
	}
	cancel()
	var end struct{ Cameras []camera.Report }
	if err := out.Decode(&end); err != nil || len(end.Cameras) != 2 || end.Cameras[0].Stats.Frames == 0 || end.Cameras[1].Stats.NotSent == 0 {
		t.Errorf("it ended with %+v, %v", end, err)
	}
	if c := <-code; c != exitOK {
		t.Errorf("exit code %d\n%s", c, &stderr)
	}
}

// frozen says that the first camera has sent frames and the second swallowed some.
func frozen(t *testing.T, control string) bool {
	t.Helper()
	res, err := http.Get(control + "/cameras")
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	var all []camera.Report
	if err := json.NewDecoder(res.Body).Decode(&all); err != nil || len(all) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	return all[0].Stats.Frames > 0 && all[1].Stats.NotSent > 0
}

func TestCameraEndsByItself(t *testing.T) {
	drive := filepath.Join(testkit.Root(), "testdata", "drives", "cut-in.mp4")
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"camera", drive, "--rtsp", "127.0.0.1:0", "--duration", "200ms"}, streams{&stdout, &stderr})
	if code != exitOK || !strings.HasPrefix(stdout.String(), "rtsp://127.0.0.1:") || !strings.Contains(stderr.String(), "frames") {
		t.Errorf("code %d, %q, %q", code, &stdout, &stderr)
	}
}

// Whoever measures ages with a film that has B-frames is told; of one that is
// encoded without there is nothing to tell.
func TestCameraSaysThatAFilmHasBFrames(t *testing.T) {
	film := filepath.Join(t.TempDir(), "b.mp4")
	w, err := avenc.Create(film, avenc.Options{Width: 64, Height: 64, FPS: 30, BFrames: 2})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := w.Write(bytes.Repeat([]byte{byte(i)}, 64*64*3)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		told bool
	}{
		{[]string{film}, true},
		{[]string{film, "--quiet"}, false},
		{[]string{film, "--codec", "h264", "--gop", "30"}, false},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"camera", "--rtsp", "127.0.0.1:0", "--duration", "50ms"}, tt.args...), streams{&stdout, &stderr})
		if told := strings.Contains(stderr.String(), "has B-frames"); code != exitOK || told != tt.told {
			t.Errorf("%q: code %d, told %v: %s", tt.args, code, told, &stderr)
		}
	}
}

func TestCameraPassword(t *testing.T) {
	dir := t.TempDir()
	good, empty := filepath.Join(dir, "good"), filepath.Join(dir, "empty")
	for path, text := range map[string]string{good: "secret\r\nmore\n", empty: "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, user, file, env, want, err string
	}{
		{"nobody", "", "", "secret", "", ""},
		{"environment", "a", "", "secret", "secret", ""},
		{"file", "a", good, "other", "secret", ""},
		{"nothing", "a", "", "", "", "DASHLINE_CAMERA_PASSWORD"},
		{"empty file", "a", empty, "", "", "first line is empty"},
		{"no file", "a", filepath.Join(dir, "none"), "", "", "none"},
		{"file of nobody", "", good, "", "", "without --user"},
	} {
		t.Setenv("DASHLINE_CAMERA_PASSWORD", tt.env)
		got, err := (&cameraCmd{User: tt.user, PasswordFile: tt.file}).password()
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
}

func TestCameraUsage(t *testing.T) {
	drive := filepath.Join(testkit.Root(), "testdata", "drives", "cut-in.mp4")
	for want, args := range map[string][]string{
		"loss 2":        {"--loss", "2"},
		"--size":        {"--size", "wide", "--codec", "h264"},
		"--count 0":     {"--count", "0"},
		"--duration":    {"--duration=-1s"},
		"needs encod":   {"--gop", "10"},
		"codec":         {"--codec", "vp9"},
		"sdp":           {"--sdp", "odd"},
		"password":      {"--user", "a"},
		"unknown flag":  {"--password", "x"},
		"only key":      {"--codec", "mjpeg", "--gop", "3"},
		"burst_length ": {"--burst-length", "3"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"camera", drive, "--rtsp", "127.0.0.1:0"}, args...), streams{&stdout, &stderr})
		if code != exitUsage || !strings.Contains(stderr.String(), want) {
			t.Errorf("%q: code %d, %s", args, code, &stderr)
		}
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"camera", "none.mp4", "--rtsp", "127.0.0.1:0"}, streams{&stdout, &stderr}); code != exitBroken {
		t.Errorf("a film that is not there: code %d, %s", code, &stderr)
	}
}
