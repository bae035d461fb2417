package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"dashline/internal/session"
	"dashline/internal/testkit"
	"dashline/pipeline/bus/embedded"
)

func TestMain(m *testing.M) {
	if probe() || benchWorker() {
		os.Exit(run(context.Background(), os.Args[1:], streams{os.Stdout, os.Stderr}))
	}
	testkit.Main(m)
}

// dashline runs the program in this process.
func dashline(ctx context.Context, args ...string) (code int, out, err string) {
	var o, e lockedBuffer
	code = run(ctx, args, streams{&o, &e})
	return code, o.String(), e.String()
}

// drive is a real recording and the setting that its networks need.
func drive(t *testing.T) string {
	t.Helper()
	video := testkit.Asset(t, "drives/videos/solidWhiteRight.mp4")
	testkit.UseAssets(t)
	return video
}

func summary(t *testing.T, out string) session.Summary {
	t.Helper()
	var s session.Summary
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return s
}

func TestRunOnARecordedDrive(t *testing.T) {
	video := drive(t)
	saved := filepath.Join(t.TempDir(), "seen.mp4")
	code, out, errs := dashline(context.Background(), "run", video, "--frames", "12", "--save", saved, "--json", "--deadline", "1h")
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	// The names that programs depend on.
	var names struct {
		Frames   map[string]uint64             `json:"frames"`
		Age      map[string]float64            `json:"age_ms"`
		FPS      *float64                      `json:"fps"`
		Stages   map[string]map[string]float64 `json:"stages_ms"`
		Networks []map[string]any              `json:"networks"`
	}
	if err := json.Unmarshal([]byte(out), &names); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"produced", "on_time", "late", "dropped", "failed"} {
		if _, ok := names.Frames[k]; !ok {
			t.Errorf("frames.%s is missing", k)
		}
	}
	for _, k := range []string{"p50", "p99", "p999", "max"} {
		if names.Age[k] <= 0 {
			t.Errorf("age_ms.%s is %v", k, names.Age[k])
		}
	}
	for _, k := range []string{"source", "preprocess", "forward", "decode", "lanes", "plan", "publish"} {
		if _, ok := names.Stages[k]; !ok {
			t.Errorf("stages_ms.%s is missing", k)
		}
	}
	if names.FPS == nil || *names.FPS <= 0 {
		t.Errorf("fps is %v", names.FPS)
	}
	if len(names.Networks) != 2 {
		t.Fatalf("%d networks", len(names.Networks))
	}
	for _, n := range names.Networks {
		for _, k := range []string{"name", "engine", "requested", "backend"} {
			if s, _ := n[k].(string); s == "" {
				t.Errorf("a network without %s: %v", k, n)
			}
		}
		if f, _ := n["forward_ms"].(map[string]any); f["p50"] == nil {
			t.Errorf("a network without forward_ms: %v", n)
		}
	}

	s := summary(t, out)
	if s.Frames != (session.Frames{Produced: 12, OnTime: 12}) {
		t.Errorf("frames %+v", s.Frames)
	}
	// Detections, tracks, lanes, plan and report of each frame.
	if s.Bus.Published != 60 || s.Bus.Dropped != 0 {
		t.Errorf("bus %+v", s.Bus)
	}
	if st, err := os.Stat(saved); err != nil || st.Size() < 10000 {
		t.Errorf("overlay: %v %v", st, err)
	}
	if !s.Camera.Guessed || !strings.Contains(errs, "camera") {
		t.Errorf("the guessed camera is not said to be one")
	}
}

// Every frame is accounted for, and a client in another language has every
// message of them.
func TestPythonClientReadsAWholeDrive(t *testing.T) {
	video := drive(t)
	py := testkit.Python(t)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	server, err := embedded.Start(ctx, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close(ctx)
	args := []string{"run", video, "--json", "--no-lanes", "--nats-url", server.URL(), "--deadline", "1h"}
	frames := 221
	if testing.Short() {
		frames = 40
		args = append(args, "--frames", "40")
	}
	var out, trouble bytes.Buffer
	client := exec.CommandContext(ctx, py, filepath.Join(testkit.Root(), "testdata", "oracles", "nats_client.py"),
		server.URL(), filepath.Join(testkit.Root(), "pipeline", "bus", "proto"), "--frames", fmt.Sprint(frames))
	client.Stdout, client.Stderr = &out, &trouble
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	if err := server.WaitSubscribers(ctx, "dashline.car.front.frames", 1); err != nil {
		cancel()
		t.Fatalf("%v: %v %s", err, client.Wait(), trouble.String())
	}
	code, sum, errs := dashline(ctx, args...)
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	if err := client.Wait(); err != nil {
		t.Fatalf("the client: %v\n%s", err, trouble.String())
	}
	var got struct {
		Kinds    map[string]int
		Boxes    int
		Problems []string
		Messages map[string][]struct{ Seq uint64 }
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, out.Bytes())
	}
	t.Logf("%+v; the client read %v, %d boxes, problems %q", summary(t, sum).Frames, got.Kinds, got.Boxes, got.Problems)
	if s := summary(t, sum); s.Frames.Produced != uint64(frames) || s.Frames.OnTime != uint64(frames) {
		t.Errorf("frames %+v, want %d on time", s.Frames, frames)
	}
	if len(got.Problems) > 0 {
		t.Error("the client met problems")
	}
	seqs := got.Messages["dashline.car.front.detections"]
	if len(seqs) != frames || got.Boxes == 0 {
		t.Fatalf("%d detections messages with %d boxes, want %d messages", len(seqs), got.Boxes, frames)
	}
	for i, m := range seqs {
		if m.Seq != uint64(i) {
			t.Fatalf("message %d is of frame %d", i, m.Seq)
		}
	}
}

func TestRunEndsWithASummaryWhenStopped(t *testing.T) {
	video := drive(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, err := embedded.Start(ctx, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close(context.Background())
	stop, end := context.WithCancel(ctx)
	defer end()
	listener := startListen(t, ctx, listenCmd{Subject: "dashline.*.*.frames", NATS: server.URL()})
	go func() { // stops it in the midst of its frames
		for strings.Count(listener.out.String(), "\n") < 5 && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
		end()
	}()
	code, out, errs := dashline(stop, "run", video, "--loop", "--no-lanes", "--json", "--quiet", "--nats", server.URL())
	cancel()
	<-listener.ended
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	f := summary(t, out).Frames
	if f.Produced == 0 || f.Produced != f.OnTime+f.Late+f.Dropped+f.Failed {
		t.Errorf("frames %+v", f)
	}
}

func TestRealtimeDropsAtTheEntranceAndAccountsForAll(t *testing.T) {
	video := drive(t)
	code, out, errs := dashline(context.Background(), "run", video, "--realtime", "--frames", "40", "--json", "--quiet")
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	s := summary(t, out)
	if f := s.Frames; f.Produced != 40 || f.Produced != f.OnTime+f.Late+f.Dropped+f.Failed || f.Failed != 0 {
		t.Errorf("frames %+v", f)
	}
	for _, c := range s.Causes {
		if c.Stage != "admission" || c.Reason != "newer" && c.Reason != "deadline" {
			t.Errorf("%d frames lost in %s: %s", c.Frames, c.Stage, c.Reason)
		}
	}
	if s.Policy != "newest" {
		t.Errorf("policy %s", s.Policy)
	}
}

func TestRunRefusesWithTheMend(t *testing.T) {
	video := drive(t)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	recording, err := os.ReadFile(video)
	if err != nil {
		t.Fatal(err)
	}
	copied := write("copied.mp4", string(recording))
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts and never speaks
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no such flag", []string{"run", "--colour"}, exitUsage, "dashline run --help"},
		{"no such command", []string{"fly"}, exitUsage, "--help"},
		{"bad value", []string{"run", video, "--detect-score", "7"}, exitUsage, "score"},
		{"bad name", []string{"run", video, "--vehicle", "a.b"}, exitUsage, "vehicle"},
		{"unknown key", []string{"run", video, "--config", write("typo.yaml", "dedline: 50ms\n")}, exitUsage, "deadline"},
		{"config that is not there", []string{"run", video, "--config", filepath.Join(dir, "none.yaml")}, exitUsage, "none.yaml"},
		{"no such source", []string{"run", filepath.Join(dir, "none.mp4")}, exitBroken, "no such file"},
		{"a source that is no video", []string{"run", write("text.mp4", "hello")}, exitBroken, "not a video"},
		{"no such network", []string{"run", video, "--detect-network", "yolo-fastest-1.1-xxl"}, exitUsage, "yolo-fastest-1.1-xl"},
		{"a network for something else", []string{"run", video, "--detect-network", "twinlitenet-cv46"}, exitUsage, "dashline networks"},
		{"a backend that is not there", []string{"run", video, "--detect-backend", "cuda", "--detect-require"}, exitBroken, "CUDA"},
		{"no NATS server", []string{"run", video, "--nats-url", "nats://" + closed.Addr().String()}, exitBroken, closed.Addr().String()},
		{"a NATS server that never speaks", []string{"run", video, "--nats-url", "nats://user:hunter2@" + silent.Addr().String()}, exitBroken, "nats"},
		{"camera with a typo", []string{"run", video, "--camera-model", write("cam.yaml", "widht: 640\n")}, exitUsage, "width"},
		{"overlay in a file", []string{"run", video, "--save", filepath.Join(write("plain", ""), "x.mp4")}, exitBroken, "save overlay"},
		{"overlay that is no video", []string{"run", video, "--save", filepath.Join(dir, "shot1.png")}, exitUsage, "must end in .mp4"},
		{"overlay over the source", []string{"run", copied, "--save", copied}, exitUsage, "the source itself"},
		{"several sources without names", []string{"run", video, video}, exitUsage, "NAME="},
		{"a name twice", []string{"run", "a=" + video, "a=" + video}, exitUsage, "give each its own"},
		{"one of several that is not there", []string{"run", "a=" + video, "b=none.mp4"}, exitBroken, "camera b: open source none.mp4"},
		{"one overlay over another source", []string{"run", "front=" + video, "rear=" + write("seen.front.mp4", string(recording)), "--save", filepath.Join(dir, "seen.mp4")}, exitUsage, "the source itself"},
		{"logins that are not there", []string{"run", video, "--rtsp-credentials", filepath.Join(dir, "none.yaml")}, exitUsage, "none.yaml"},
		{"end before start", []string{"run", video, "--start", "9s", "--end", "3s"}, exitUsage, "not after start"},
		{"metrics on a taken port", []string{"run", video, "--metrics-listen", silent.Addr().String()}, exitBroken, "metrics.listen"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, _, errs := dashline(context.Background(), append(tt.args, "--frames", "1")[:len(tt.args)]...)
			t.Log(strings.TrimSpace(errs))
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if !strings.Contains(errs, tt.want) {
				t.Errorf("it does not say %q", tt.want)
			}
			if strings.Contains(errs, "hunter2") {
				t.Error("it shows the password")
			}
		})
	}
}

// Pictures that cannot be read cost themselves and are said so by the exit code.
func TestRunOnAFolderWithBadPictures(t *testing.T) {
	testkit.UseAssets(t)
	dir := t.TempDir()
	still, err := os.ReadFile(testkit.Asset(t, "drives/carnd_images/lanelines_960x540/solidWhiteRight.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"1.jpg": still, "2.jpg": still[:len(still)/2], "3.jpg": nil, "4.jpg": still} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, out, errs := dashline(context.Background(), "run", dir, "--json", "--deadline", "1h")
	if code != exitPartly || !strings.Contains(errs, "2 of 4 frames failed") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if f := summary(t, out).Frames; f != (session.Frames{Produced: 4, OnTime: 2, Failed: 2}) {
		t.Errorf("frames %+v", f)
	}
}

// broken writes a description of yolo-fastest-1.1 whose files are changed.
func broken(t *testing.T, change func(cfg, weights []byte) ([]byte, []byte)) string {
	t.Helper()
	dir := t.TempDir()
	read := func(name string) []byte {
		b, err := os.ReadFile(testkit.Asset(t, "networks/"+name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	cfg, weights := change(read("yolo-fastest-1.1.cfg"), read("yolo-fastest-1.1.weights"))
	for name, data := range map[string][]byte{"net.cfg": cfg, "net.weights": weights, "net.yaml": []byte(`
name: broken
summary: a test
task: detect
format: darknet
files:
  - {role: config, path: net.cfg}
  - {role: weights, path: net.weights}
input: {width: 320, height: 320, resize: stretch, color: rgb, scale: [0.00392156862745098, 0.00392156862745098, 0.00392156862745098]}
decode: {kind: yolo}
classes: ["@coco"]
license: none
source: a test
`)} {
		if data == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "net.yaml")
}

func TestRunRefusesBrokenNetworks(t *testing.T) {
	video := drive(t)
	tests := []struct {
		name   string
		change func(cfg, weights []byte) ([]byte, []byte)
		want   string
	}{
		{"missing weights", func(c, w []byte) ([]byte, []byte) { return c, nil }, "net.weights"},
		{"empty weights", func(c, w []byte) ([]byte, []byte) { return c, []byte{} }, "empty"},
		{"truncated weights", func(c, w []byte) ([]byte, []byte) { return c, w[:len(w)-1204] }, "short"},
		{"weights too long", func(c, w []byte) ([]byte, []byte) { return c, append(w, make([]byte, 400)...) }, "long"},
		{"weights of another network", func(c, w []byte) ([]byte, []byte) {
			return bytes.Replace(c, []byte("filters=16"), []byte("filters=24"), 1), w
		}, ""},
		{"an unknown layer", func(c, w []byte) ([]byte, []byte) { return append(c, "\n[transformer]\nheads=8\n"...), w }, "transformer"},
		{"a cycle", func(c, w []byte) ([]byte, []byte) { return append(c, "\n[route]\nlayers=999\n"...), w }, "route"},
		{"a huge layer", func(c, w []byte) ([]byte, []byte) {
			return append(c, "\n[convolutional]\nfilters=2000000000\nsize=3\nstride=1\npad=1\nactivation=linear\n"...), w
		}, "filters"},
		{"a cfg of noise", func(c, w []byte) ([]byte, []byte) { return bytes.Repeat([]byte{0xA7, 0x00, '\n'}, 500), w }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, _, errs := dashline(context.Background(), "run", video, "--detect-network", broken(t, tt.change))
			t.Log(strings.TrimSpace(errs))
			if code != exitBroken || !strings.Contains(errs, tt.want) {
				t.Errorf("exit code %d; want 1 and %q", code, tt.want)
			}
		})
	}
}

// A NATS server that goes away and comes back costs messages at most: the run
// goes on, and says what was lost.
func TestRunOutlivesItsServer(t *testing.T) {
	video := drive(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, err := embedded.Start(ctx, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	url := server.URL()
	port, err := strconv.Atoi(url[strings.LastIndex(url, ":")+1:])
	if err != nil {
		t.Fatal(err)
	}
	type result struct {
		code      int
		out, errs string
	}
	done := make(chan result)
	stop, end := context.WithCancel(ctx)
	defer end()
	go func() {
		code, out, errs := dashline(stop, "run", video, "--loop", "--realtime", "--no-lanes", "--json", "--quiet", "--deadline", "1h",
			"--nats", url, "--nats-buffer", "8")
		done <- result{code, out, errs}
	}()
	listener := startListen(t, ctx, listenCmd{Subject: "dashline.*.*.frames", NATS: url})
	arrive := func(what string) { // a message reaches a subscriber
		n := strings.Count(listener.out.String(), "\n")
		for strings.Count(listener.out.String(), "\n") == n {
			select {
			case <-ctx.Done():
				t.Fatalf("no message %s", what)
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	arrive("at first")
	_ = server.Close(ctx)
	select { // the run must go on without its server
	case r := <-done:
		t.Fatalf("it ended with its server: %d %s", r.code, r.errs)
	case <-time.After(time.Second):
	}
	if server, err = embedded.Start(ctx, embedded.Options{Port: port}); err != nil {
		t.Fatal(err)
	}
	defer server.Close(ctx)
	arrive("after the server came back")
	end()
	r := <-done
	s := summary(t, r.out)
	t.Logf("exit code %d, frames %+v, bus %+v", r.code, s.Frames, s.Bus)
	if s.Bus.Reconnects == 0 || s.Bus.Dropped == 0 || s.Frames.Failed != 0 {
		t.Errorf("frames %+v, bus %+v", s.Frames, s.Bus)
	}
	if r.code != exitPartly || !strings.Contains(r.errs, "did not reach the NATS server") {
		t.Errorf("exit code %d: %s", r.code, r.errs)
	}
	cancel()
	<-listener.ended
}

// Messages that a server never took are no broken run, but no good one either.
func TestRunWhoseServerIsGoneAtTheEnd(t *testing.T) {
	video := drive(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, err := embedded.Start(ctx, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	listener := startListen(t, ctx, listenCmd{Subject: "dashline.*.*.frames", NATS: server.URL()})
	go func() {
		for !strings.Contains(listener.out.String(), "\n") && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
		_ = server.Close(ctx)
	}()
	code, out, errs := dashline(ctx, "run", video, "--no-lanes", "--json", "--quiet", "--nats", server.URL())
	if code != exitPartly || !strings.Contains(errs, "did not reach the NATS server") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if b := summary(t, out).Bus; b.Dropped == 0 {
		t.Errorf("bus %+v", b)
	}
	cancel()
	<-listener.ended
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestASummaryThatCannotBePrintedIsAnError(t *testing.T) {
	var errs lockedBuffer
	code := run(context.Background(), []string{"run", drive(t), "--no-lanes", "--frames", "1", "--json", "--quiet"}, streams{full{}, &errs})
	if code != exitBroken || !strings.Contains(errs.String(), "no space left") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}

// Without ONNX Runtime everything but that engine works, and says so.
func TestRunWithoutONNXRuntime(t *testing.T) {
	video := drive(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("DASHLINE_ONNXRUNTIME", "")
	code, out, errs := dashline(context.Background(), "run", video, "--frames", "3", "--json", "--deadline", "1h")
	if code != exitOK || !strings.Contains(errs, "ONNX Runtime is not installed") || !strings.Contains(errs, "scripts/setup") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	for _, n := range summary(t, out).Networks {
		if n.Engine != "opencv" {
			t.Errorf("%s ran on %s", n.Name, n.Engine)
		}
	}
	code, _, errs = dashline(context.Background(), "run", video, "--frames", "3", "--lanes-engine", "ort")
	if code != exitBroken || !strings.Contains(errs, "scripts/setup") {
		t.Errorf("asked for: exit code %d: %s", code, errs)
	}
}

// A file of which every frame is worked on has no deadline to choose rungs by.
func TestRunSaysThatAFileNeedsNoLadder(t *testing.T) {
	code, out, errs := dashline(context.Background(), "run", "--frames", "2", "--no-lanes", "--ladder", "dashline-tiny,track-only", "--json", "--deadline", "1h")
	if code != exitOK || !strings.Contains(errs, "all frames run on dashline-tiny") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if s := summary(t, out); len(s.Networks) != 1 || s.Ladder != nil {
		t.Errorf("networks %+v, ladder %+v", s.Networks, s.Ladder)
	}
}
