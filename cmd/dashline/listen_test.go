package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"dashline/pipeline/bus"
	"dashline/pipeline/bus/embedded"
	"dashline/pipeline/msg"
)

// listening is a dashline listen under test.
type listening struct {
	out, err lockedBuffer
	ended    chan error
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

func startListen(t *testing.T, ctx context.Context, c listenCmd) *listening {
	t.Helper()
	l := &listening{ended: make(chan error, 1)}
	go func() { l.ended <- c.Run(ctx, streams{Out: &l.out, Err: &l.err}) }()
	for !strings.Contains(l.err.String(), "listening to") {
		select {
		case err := <-l.ended:
			t.Fatalf("listen ended: %v", err)
		case <-time.After(2 * time.Millisecond):
		}
	}
	return l
}

// listenBus is a server with a publisher on it.
func listenBus(t *testing.T) (context.Context, *embedded.Server, *bus.Publisher) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	s, err := embedded.Start(ctx, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(ctx) })
	p, err := bus.Connect(ctx, bus.Options{URL: s.URL(), Vehicle: "truck7"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(ctx) })
	return ctx, s, p
}

func publishOneFrame(p *bus.Publisher) {
	h := msg.Header{Camera: "front", Seq: 12}
	p.Detections(&msg.Detections{Header: h, Width: 960, Height: 540,
		By:    msg.Network{Name: "yolo", Engine: "opencv", Requested: "cuda", Backend: "cpu"},
		Items: []msg.Detection{{Label: "car", Score: 0.91}, {Label: "evil\x1b[2J", Score: 0.5}}})
	p.Tracks(&msg.Tracks{Header: h, Ahead: 80500 * time.Microsecond, Only: true, Items: []msg.Track{
		{ID: 4, Label: "car", State: msg.TrackConfirmed}, {ID: 6, Label: "evil\x1b[2J", State: msg.TrackCoasting, Unseen: 340 * time.Millisecond}}})
	p.Lanes(&msg.LaneSet{Header: h, Lanes: make([]msg.Lane, 2), EgoRight: -1})
	p.Plan(&msg.Trajectory{Header: h, Mode: msg.PlanFollow, Why: "car ahead", LeadDistance: 20, LeadSpeed: 12,
		Points: []msg.TrajectoryPoint{{Speed: 15}, {T: 4, Speed: 12, Position: msg.Ground{X: 54}}}})
	p.Frame(&msg.FrameReport{Header: h, Outcome: msg.Late, Age: 123456 * time.Microsecond,
		Stages: []msg.StageTime{{Stage: "detect", Took: 20 * time.Millisecond}}})
}

func TestListenPrintsLines(t *testing.T) {
	ctx, s, p := listenBus(t)
	l := startListen(t, ctx, listenCmd{Subject: "dashline.>", NATS: s.URL(), Count: 5})
	publishOneFrame(p)
	if err := <-l.ended; err != nil {
		t.Fatal(err)
	}
	want := `truck7.front detections      12          -  2 objects: car 0.91, evil` + "\uFFFD" + `[2J 0.50  (yolo, opencv/cpu instead of cuda)
truck7.front tracks          12          -  2 tracks without a detector, forecast 80.5 ms ahead: 4 car confirmed, 6 evil` + "\uFFFD" + `[2J coasting for 0.3 s
truck7.front lanes           12          -  2 lane lines, ego lane left only, drivable outline of 0 points
truck7.front plan            12          -  follow, 15.0 m/s to 12.0 m/s and 54.0 m in 4.0 s, lead at 20.0 m, 12.0 m/s: car ahead
truck7.front frames          12   123.5 ms  late  detect 20.0 ms
`
	if got := l.out.String(); got != want {
		t.Errorf("printed\n%swant\n%s", got, want)
	}
	if !strings.Contains(l.err.String(), "5 messages, 0 of them not readable") {
		t.Errorf("said %q", l.err.String())
	}
}

func TestListenPrintsCameras(t *testing.T) {
	ctx, s, p := listenBus(t)
	l := startListen(t, ctx, listenCmd{Subject: "dashline.*.*.camera", NATS: s.URL(), Count: 3})
	for _, c := range []*msg.CameraState{
		{Status: msg.CameraFailed, Detail: "connection refused\x1b[2J"},
		{Status: msg.CameraStreaming, Transport: "udp", Codec: "h264", Sessions: 2, Packets: 900, Lost: 7,
			Clock: msg.SenderClock, ClockOffset: -12300 * time.Microsecond, ClockDrift: 40, ClockSteps: 1},
		{Status: msg.CameraStalled, Detail: "no picture for 1.2 s", Transport: "tcp", Codec: "mjpeg", Sessions: 3, Packets: 900, Clock: msg.ArrivalClock},
	} {
		c.Camera = "front"
		p.Camera(c)
	}
	if err := <-l.ended; err != nil {
		t.Fatal(err)
	}
	want := `truck7.front camera           -          -  failed: connection refused` + "\uFFFD" + `[2J, session 0, 0 packets, 0 lost
truck7.front camera           -          -  streaming, h264 over udp, session 2, 900 packets, 7 lost, its clock -12.3 ms, +40.0 ppm, 1 steps
truck7.front camera           -          -  stalled: no picture for 1.2 s, mjpeg over tcp, session 3, 900 packets, 0 lost, timed by arrival
`
	if got := l.out.String(); got != want {
		t.Errorf("printed\n%swant\n%s", got, want)
	}
}

func TestListenShowsTheAge(t *testing.T) {
	ctx, s, p := listenBus(t)
	l := startListen(t, ctx, listenCmd{Subject: "dashline.>", NATS: s.URL(), Count: 1})
	p.Detections(&msg.Detections{Header: msg.Header{Camera: "front", CapturedAt: time.Now().Add(-time.Hour)}})
	if err := <-l.ended; err != nil {
		t.Fatal(err)
	}
	if got := l.out.String(); !regexp.MustCompile(` 1h0m\d+s  0 objects`).MatchString(got) {
		t.Errorf("printed %q", got)
	}
}

func TestListenPrintsJSON(t *testing.T) {
	ctx, s, p := listenBus(t)
	l := startListen(t, ctx, listenCmd{Subject: "dashline.*.*.detections", NATS: s.URL(), Count: 1, JSON: true})
	publishOneFrame(p)
	if err := <-l.ended; err != nil {
		t.Fatal(err)
	}
	var got struct {
		Subject string
		Headers map[string]string
		Message struct {
			Header struct{ Camera, Seq string }
			Width  int
			Items  []struct {
				Label string
				Score float64
				Class *int
			}
		}
	}
	if err := json.Unmarshal([]byte(l.out.String()), &got); err != nil {
		t.Fatalf("%v: %s", err, l.out.String())
	}
	if got.Subject != "dashline.truck7.front.detections" || got.Headers[bus.HeaderSeq] != "12" || got.Headers[bus.HeaderSchema] != "dashline.v1.Detections" {
		t.Errorf("envelope %+v", got)
	}
	if m := got.Message; m.Header.Seq != "12" || m.Width != 960 || len(m.Items) != 2 || m.Items[0].Label != "car" || m.Items[0].Class == nil {
		t.Errorf("message %+v", m)
	}
	if n := strings.Count(l.out.String(), "\n"); n != 1 {
		t.Errorf("%d lines", n)
	}
}

func TestListenPassesOverWhatItCannotRead(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		ctx, s, p := listenBus(t)
		l := startListen(t, ctx, listenCmd{Subject: ">", NATS: s.URL(), Count: 3, JSON: asJSON})
		nc, err := nats.Connect(s.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		_ = nc.Publish("weather", []byte("rain"))
		m := nats.NewMsg("dashline.truck7.front.plan")
		m.Header.Set(bus.HeaderSchema, "dashline.v9.Plan")
		_ = nc.PublishMsg(m)
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		p.Frame(&msg.FrameReport{Header: msg.Header{Camera: "front"}, Outcome: msg.OnTime})

		var e *exit
		if err := <-l.ended; !errors.As(err, &e) || e.code != exitPartly || !strings.Contains(err.Error(), "2 of 3 messages") {
			t.Errorf("listen says %v", err)
		}
		lines := strings.Split(l.out.String(), "\n")
		if len(lines) != 4 || !strings.Contains(lines[0], "is not dashline.") || !strings.Contains(lines[1], "dashline.v9.Plan") {
			t.Errorf("printed %q", lines)
		}
	}
}

func TestListenEndsWithItsContext(t *testing.T) {
	ctx, s, p := listenBus(t)
	ctx, cancel := context.WithCancel(ctx)
	l := startListen(t, ctx, listenCmd{Subject: "dashline.>", NATS: s.URL()})
	publishOneFrame(p)
	for strings.Count(l.out.String(), "\n") < 5 {
		time.Sleep(2 * time.Millisecond)
		if ctx.Err() != nil {
			t.Fatal("the messages did not come")
		}
	}
	cancel()
	if err := <-l.ended; err != nil {
		t.Error(err)
	}
	if !strings.Contains(l.err.String(), "5 messages") {
		t.Errorf("said %q", l.err.String())
	}
}

func TestListenExitCodes(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var out lockedBuffer
	var e *exit
	err := (&listenCmd{Subject: "a b"}).Run(ctx, streams{&out, &out})
	if !errors.As(err, &e) || e.code != exitUsage {
		t.Errorf("a wrong subject says %v", err)
	}
	err = (&listenCmd{Subject: ">", NATS: "nats://u:hunter2@127.0.0.1:1"}).Run(ctx, streams{&out, &out})
	if err == nil || errors.As(err, &e) || !strings.Contains(err.Error(), "Start one with nats-server") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("an absent server says %v", err)
	}
}
