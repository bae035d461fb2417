package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"gocv.io/x/gocv"

	"dashline/internal/config"
	"dashline/internal/testkit"
	"dashline/pipeline"
	"dashline/pipeline/bus"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/pipeline/record"
	"dashline/sensors"
)

const (
	secret  = "hunter2"
	address = "rtsp://admin:" + secret + "@10.0.0.7:554/stream"
	escape  = "\x1b[2J\r\n" // a camera's own words may be of a terminal's
)

// camera is a live source without a network: it streams, loses one picture,
// stalls, and then fails, breaks or waits. What it says has the secret in it, as
// errors of careless libraries do.
type camera struct {
	frames int   // before it stalls
	end    error // after that; nil waits for the run's end
	watch  func(msg.CameraState)

	o    sensors.Options
	path string
	n    int
}

func (c *camera) open(_ context.Context, path string, o sensors.Options) (sensors.Source, error) {
	c.path, c.o = path, o
	return c, nil
}

func (c *camera) Info() sensors.Info {
	return sensors.Info{Kind: "rtsp", Path: address, Live: true}
}

func (c *camera) Watch(f func(msg.CameraState)) { c.watch = f }

func (c *camera) Close() error {
	if c.watch != nil { // a state that comes after the run goes nowhere
		c.say(msg.CameraFailed, "closed")
	}
	return nil
}

func (c *camera) say(status msg.CameraStatus, detail string) {
	c.watch(msg.CameraState{Status: status, Detail: detail, Transport: "udp", Codec: "h264", Sessions: 1, Packets: uint64(c.n), Lost: 3})
}

func (c *camera) Next(ctx context.Context, f *frame.Frame) error {
	switch {
	case c.n == 0:
		c.say(msg.CameraConnecting, "")
		c.say(msg.CameraStreaming, "")
	case c.n == c.frames:
		c.say(msg.CameraStalled, "no picture for 1.2 s from "+address+escape)
		if c.end != nil {
			return c.end
		}
		<-ctx.Done()
		return ctx.Err()
	}
	f.Seq = uint64(c.n)
	c.n++
	if c.n == 2 {
		return &pipeline.FrameError{Reason: "reference", Err: errors.New("no key frame yet from " + address + escape)}
	}
	time.Sleep(time.Millisecond)
	if f.Image.Empty() {
		_ = f.Image.Close()
		f.Image = gocv.NewMatWithSize(360, 640, gocv.MatTypeCV8UC3)
	}
	return nil
}

// byName opens the camera that an address is of, and real sources by themselves.
func byName(cameras map[string]*camera) opener {
	return func(ctx context.Context, path string, o sensors.Options) (sensors.Source, error) {
		if c := cameras[o.Camera]; c != nil {
			return c.open(ctx, path, o)
		}
		return sensors.Open(ctx, path, o)
	}
}

func quick() config.Config {
	cfg := config.Default()
	cfg.Detect.Network, cfg.Lanes.Enabled = "dashline-tiny", false
	cfg.Deadline = time.Hour
	return cfg
}

func open(t *testing.T, cfg config.Config, o opener) *Session {
	t.Helper()
	s, err := openWith(t.Context(), cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Everything that a run of live cameras lets out: none of it has the password in
// it, and the states of the cameras are in all of it.
func TestLiveCameras(t *testing.T) {
	cfg := quick()
	cfg.Cameras = config.Cameras{{Name: "front", Source: address}, {Name: "left", Source: address}}
	cfg.Metrics.Listen = "127.0.0.1:0"
	cfg.RTSP.Insecure, cfg.RTSP.Transport = true, "udp"
	cameras := map[string]*camera{"front": {frames: 20}, "left": {frames: 10}}
	s := open(t, cfg, byName(cameras))

	for name, c := range cameras {
		want := sensors.Options{Camera: name, Deadline: time.Hour, RTSP: sensors.RTSPOptions{Transport: "udp",
			Retry: 500 * time.Millisecond, User: "admin", Password: secret, Insecure: true}}
		if c.o != want {
			t.Errorf("%s is opened with other options", name)
		}
	}
	if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "rtsp.insecure") {
		t.Errorf("warnings %q", s.Warnings)
	}

	var published []string
	heard := map[string][]msg.CameraStatus{}
	var wg sync.WaitGroup
	nc, err := nats.Connect(s.server.URL())
	if err != nil {
		t.Fatal(err)
	}
	messages := make(chan *nats.Msg, 4096)
	if _, err := nc.ChanSubscribe("dashline.>", messages); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	var shown lockedBuffer
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() { s.Progress(ctx, &shown) })
	var description, text bytes.Buffer
	s.Describe(&description)
	run, end := context.WithTimeout(t.Context(), time.Minute)
	wg.Go(func() { // ends it once both have stalled and that was shown
		for strings.Count(shown.String(), ": stalled") < len(cameras) && run.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		end()
	})
	sum, err := s.Run(run)
	cancel()
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	close(messages)
	for m := range messages {
		read, err := bus.Decode(m.Subject, m.Header, m.Data)
		if err != nil {
			t.Fatal(err)
		}
		published = append(published, fmt.Sprintf("%s %v %+v", m.Subject, m.Header, read.Value))
		if c, ok := read.Value.(*msg.CameraState); ok {
			heard[read.Camera] = append(heard[read.Camera], c.Status)
		}
	}
	metrics := scrape(t, s.metrics.Address())
	sum.Print(&text)
	data, err := json.Marshal(sum)
	if err != nil {
		t.Fatal(err)
	}

	for name, out := range map[string]string{
		"description": description.String(), "progress": shown.String(), "summary": text.String(), "JSON": string(data),
		"metrics": metrics, "messages": strings.Join(published, "\n"), "session": fmt.Sprintf("%+v %+v %+v", s.Config, s.Feeds[0].Config, s.Feeds[0].Source),
	} {
		if strings.Contains(out, secret) || strings.Contains(out, "admin") {
			t.Errorf("the password is in the %s:\n%s", name, out)
		}
		if strings.ContainsAny(out, "\x1b\r") {
			t.Errorf("the camera drives the terminal in the %s:\n%q", name, out)
		}
		if !strings.Contains(out, "10.0.0.7") && name != "metrics" {
			t.Errorf("the address is not in the %s:\n%s", name, out)
		}
	}
	for name, frames := range map[string]uint64{"front": 20, "left": 10} {
		i := slices.IndexFunc(sum.Cameras, func(c CameraRun) bool { return c.Camera.Name == name })
		c := sum.Cameras[i]
		if c.Frames.Produced != frames || c.Frames.Failed != 1 || c.Policy != "newest" || c.Source.Path != "rtsp://10.0.0.7:554/stream" {
			t.Errorf("%s: %+v", name, c)
		}
		if c.State == nil || c.State.Status != "stalled" || c.State.Packets != frames || c.State.Lost != 3 || c.State.Codec != "h264" {
			t.Errorf("%s: state %+v", name, c.State)
		}
		if want := []msg.CameraStatus{msg.CameraConnecting, msg.CameraStreaming, msg.CameraStalled}; !slices.Equal(heard[name], want) {
			t.Errorf("%s: heard %q", name, heard[name])
		}
		for _, line := range []string{
			`dashline_camera_state{camera="` + name + `",state="stalled"} 1`,
			`dashline_camera_packets_lost_total{camera="` + name + `"} 3`,
			fmt.Sprintf(`dashline_frames_total{camera="%s",outcome="failed",reason="reference",stage="source"} 1`, name),
			`dashline_network_info{backend="cpu",camera="` + name + `",`,
		} {
			if !strings.Contains(metrics, line) {
				t.Errorf("no metric %s", line)
			}
		}
		if want := name + ": stalled, no picture for 1.2 s from rtsp://10.0.0.7:554/stream\uFFFD[2J\uFFFD\uFFFD (udp)\n"; !strings.Contains(shown.String(), want) {
			t.Errorf("progress does not say %q:\n%s", want, &shown)
		}
	}
	if sum.Frames.Produced != 30 || sum.Frames.Failed != 2 || len(sum.Causes) == 0 || sum.Source != (SourceSummary{}) || sum.Networks != nil {
		t.Errorf("totals %+v", sum.CameraRun)
	}
	if sum.Bus.Dropped != 0 {
		t.Errorf("bus %+v", sum.Bus)
	}
	if err := sum.OK(); err == nil || !strings.Contains(err.Error(), "2 of 30 frames failed") {
		t.Errorf("it says %v", err)
	}
}

// What logs in may also be in the path or the query: the camera is given it, and
// nobody else.
func TestCredentialsInPathsAndQueriesAreNotShown(t *testing.T) {
	for _, end := range []string{"/x?user=admin&password=" + secret, "/user=admin&password=" + secret + "&channel=1"} {
		cfg := quick()
		cfg.Source, cfg.Frames = "rtsp://10.0.0.7"+end, 5
		cfg.Record = filepath.Join(t.TempDir(), "drive.mcap")
		quotes := fmt.Errorf("it has no %s (rtsp://10.0.0.7%s)", end, end)
		front := &camera{frames: 3, end: quotes}
		s := open(t, cfg, front.open)
		if front.path != cfg.Source {
			t.Errorf("opened %s", front.path)
		}
		var out bytes.Buffer
		s.Describe(&out)
		s.Feeds[0].state.listen(func(c msg.CameraState, _ bool) { fmt.Fprintf(&out, "%+v\n", c) })
		s.Feeds[0].state.set(msg.CameraState{Status: msg.CameraFailed, Detail: quotes.Error()})
		sum, err := s.Run(t.Context())
		if err == nil {
			t.Error("it did not break")
		}
		sum.Print(&out)
		data, _ := json.Marshal(sum)
		_, refused := openWith(t.Context(), cfg, func(context.Context, string, sensors.Options) (sensors.Source, error) { return nil, quotes })
		recorded, rerr := os.ReadFile(cfg.Record)
		r, oerr := record.Open(cfg.Record)
		if err := errors.Join(rerr, oerr); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s %v %v %s %s %+v", data, err, refused, recorded, r.Config(), s.Config)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		all := out.String()
		if strings.Contains(all, secret) || strings.Contains(all, "admin") || !strings.Contains(all, "password=***") {
			t.Errorf("the password is in it:\n%q", all)
		}
	}
}

func scrape(t *testing.T, address string) string {
	t.Helper()
	res, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A camera that breaks leaves the others alone; when all are broken, so is the run.
func TestACameraThatBreaks(t *testing.T) {
	cfg := quick()
	cfg.Cameras = config.Cameras{{Name: "front", Source: address}, {Name: "synth", Source: "synth:city?seed=3&duration=3s"}}
	cfg.Frames = 15
	broken := errors.New("it refuses " + address + escape)
	s := open(t, cfg, byName(map[string]*camera{"front": {frames: 3, end: broken}}))
	sum, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	front, synth := sum.Cameras[0], sum.Cameras[1]
	if front.Error != "source: it refuses rtsp://10.0.0.7:554/stream\uFFFD[2J\uFFFD\uFFFD" || front.Frames.Produced != 3 {
		t.Errorf("front %+v", front)
	}
	if synth.Error != "" || synth.Frames.Produced != 15 || synth.State != nil || synth.Policy != "every" {
		t.Errorf("synth %+v", synth)
	}
	if err := sum.OK(); err == nil || !strings.Contains(err.Error(), "camera front broke: source: it refuses rtsp://10.0.0.7") {
		t.Errorf("it says %v", err)
	}

	cfg.Cameras[1].Source = address
	s = open(t, cfg, byName(map[string]*camera{"front": {frames: 3, end: broken}, "synth": {frames: 2, end: broken}}))
	if _, err = s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "camera front: source:") || !strings.Contains(err.Error(), "camera synth: source:") {
		t.Errorf("it says %v", err)
	}
}

func TestOneLiveCamera(t *testing.T) {
	cfg := quick()
	cfg.Source, cfg.Frames = address, 8
	t.Setenv("DASHLINE_RTSP_USER_FRONT", "another") // the address comes first
	front := &camera{frames: 100}
	s := open(t, cfg, front.open)
	sum, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if front.path != "rtsp://10.0.0.7:554/stream" || front.o.RTSP.User != "admin" {
		t.Errorf("opened %s", front.path)
	}
	// What the camera says now is of no run, and is no message that was lost.
	before := s.publisher.Stats().Offered
	front.say(msg.CameraFailed, "")
	if after := s.publisher.Stats().Offered; after != before {
		t.Errorf("%d messages after the run", after-before)
	}
	want := Cause{"failed", "source", "reference", 1, "no key frame yet from rtsp://10.0.0.7:554/stream\uFFFD[2J\uFFFD\uFFFD"}
	if !slices.Contains(sum.Causes, want) {
		t.Errorf("causes %+v", sum.Causes)
	}
	if sum.Cameras != nil || sum.Frames.Produced != 8 || sum.Policy != "newest" || sum.State == nil || sum.State.Status != "streaming" || len(sum.Networks) != 1 {
		t.Errorf("%+v", sum.CameraRun)
	}
}

// A run of so much time ends although the camera has stalled.
func TestDurationEndsALiveRun(t *testing.T) {
	cfg := quick()
	cfg.Source, cfg.Duration = address, 300*time.Millisecond
	s := open(t, cfg, (&camera{frames: 3}).open)
	testkit.Promptly(t, func() {
		if _, err := s.Run(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatLiveCamerasCannotDo(t *testing.T) {
	for name, change := range map[string]func(*config.Config){
		"loop":               func(c *config.Config) { c.Loop = true },
		"rtsp.credentials: ": func(c *config.Config) { c.RTSP.Credentials = "none.yaml" },
	} {
		cfg := quick()
		cfg.Source = address
		change(&cfg)
		_, err := openWith(t.Context(), cfg, (&camera{}).open)
		_, ours := errors.AsType[*ConfigError](err)
		if !ours || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f := newFeed(quick(), 1)
	f.Config.Source, f.Config.Start = "rtsp://10.0.0.7/1", time.Second
	err := f.open(t.Context(), (&camera{}).open, f.Config.Source, config.Login{})
	if _, ours := errors.AsType[*ConfigError](err); !ours || !errors.Is(err, sensors.ErrLive) {
		t.Errorf("start: %v", err)
	}
	cfg := quick()
	cfg.Source = strings.Replace(address, "10.0.0.7:554", "127.0.0.1:1", 1)
	cfg.RTSP.CA = "nobody.pem"
	if _, err := Open(t.Context(), cfg); err == nil || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "admin") {
		t.Errorf("open says %v", err)
	}
}

// Several cameras are asked at the same time, and the end of the context ends it.
func TestCamerasAreOpenedSideBySide(t *testing.T) {
	cfg := quick()
	var all sync.WaitGroup
	for i := range 8 {
		cfg.Cameras = append(cfg.Cameras, config.Camera{Name: fmt.Sprint("c", i), Source: address})
		all.Add(1)
	}
	testkit.Promptly(t, func() {
		s, err := openWith(t.Context(), cfg, func(ctx context.Context, path string, o sensors.Options) (sensors.Source, error) {
			all.Done()
			all.Wait() // for ever, where one is opened after the other
			if o.Camera == "c3" || o.Camera == "c5" {
				return nil, &ConfigError{errors.New("it refuses " + address + escape)}
			}
			return new(camera).open(ctx, path, o)
		})
		const says = "it refuses rtsp://10.0.0.7:554/stream\uFFFD[2J\uFFFD\uFFFD"
		if _, kept := errors.AsType[*ConfigError](err); s != nil || !kept || err.Error() != "camera c3: "+says+"\ncamera c5: "+says {
			t.Errorf("it says %q", err)
		}
	})

	ctx, cancel := context.WithCancel(t.Context())
	testkit.Promptly(t, func() {
		s, err := openWith(ctx, cfg, func(ctx context.Context, path string, o sensors.Options) (sensors.Source, error) {
			if o.Camera == "c7" {
				cancel()
			}
			<-ctx.Done()
			return nil, ctx.Err()
		})
		if s != nil || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "before the first frame") {
			t.Errorf("it says %v", err)
		}
	})
}

func TestAlone(t *testing.T) {
	cfg := config.Default()
	cfg.Source, cfg.Save = address, "out/seen.mp4"
	one := Alone(cfg)
	if len(one) != 1 || one[0].Camera != "front" || one[0].Source != "rtsp://10.0.0.7:554/stream" || one[0].Save != "out/seen.mp4" || one[0].Detect.Threads != 0 {
		t.Errorf("%+v", one)
	}
	cfg.Source, cfg.CameraModel = "", ""
	cfg.Detect.Threads = 3
	for i := range runtime.GOMAXPROCS(0) + 1 {
		cfg.Cameras = append(cfg.Cameras, config.Camera{Name: fmt.Sprint("c", i), Source: address, CameraModel: fmt.Sprint(i, ".yaml")})
	}
	for i, c := range Alone(cfg) {
		if c.Camera != fmt.Sprint("c", i) || c.CameraModel != fmt.Sprint(i, ".yaml") || c.Save != fmt.Sprintf("out/seen.c%d.mp4", i) ||
			c.Cameras != nil || c.Detect.Threads != 3 || c.Lanes.Threads != 0 {
			t.Errorf("%d: %+v", i, c)
		}
	}
}

// The newest state is told again when nothing was told for a while, and a file
// has none.
func TestStatesAreRepeated(t *testing.T) {
	w := watch{camera: "front"}
	var told []msg.CameraState
	w.listen(func(c msg.CameraState, _ bool) { told = append(told, c) })
	now := time.Now()
	w.repeat(now.Add(time.Hour))
	if len(told) != 0 {
		t.Fatalf("told %+v", told)
	}
	w.set(msg.CameraState{Status: msg.CameraStreaming, Packets: 7})
	w.repeat(now)
	w.repeat(time.Now().Add(stateEvery))
	w.repeat(time.Now().Add(stateEvery + stateEvery/2))
	if len(told) != 2 || told[1] != (msg.CameraState{Camera: "front", Status: msg.CameraStreaming, Packets: 7}) {
		t.Errorf("told %+v", told)
	}
	w.repeat(time.Now().Add(3 * stateEvery))
	w.end()
	w.set(msg.CameraState{Status: msg.CameraFailed})
	if c, _ := w.state(); len(told) != 3 || c.Status != msg.CameraStreaming {
		t.Errorf("told %+v, then it is %+v", told, c)
	}
}
