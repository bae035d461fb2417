package record

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dashline/internal/testkit"
	"dashline/lanes/ground"
	"dashline/pipeline/msg"
)

// TestMain is also the program that tests of a killed recorder start.
func TestMain(m *testing.M) {
	if path := os.Getenv("DASHLINE_TEST_RECORD"); path != "" {
		os.Exit(child(path))
	}
	testkit.Main(m)
}

var day = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

const period = time.Second / 30

// drive makes what one camera gives and what is made of it, the same each time.
type drive struct {
	camera string
	codec  msg.Codec
	clock  msg.CaptureClock // empty: no capture times
	group  int              // pictures from key frame to key frame
	size   int              // bytes of a packet
}

func (d drive) pts(i int) time.Duration { return time.Duration(i) * period }

func (d drive) header(i int) msg.Header {
	h := msg.Header{Camera: d.camera, Seq: uint64(i), CaptureClock: d.clock, Arrived: d.pts(i) + time.Millisecond, PTS: d.pts(i)}
	if d.clock != "" {
		h.CapturedAt = day.Add(d.pts(i) + 123*time.Nanosecond)
	}
	return h
}

// packet is the i-th picture: random bytes, as compressed pictures look.
func (d drive) packet(i int) msg.Packet {
	h := d.header(i)
	p := msg.Packet{
		Codec: d.codec, PTS: h.PTS, CapturedAt: h.CapturedAt, CaptureClock: h.CaptureClock,
		Arrived: day.Add(d.pts(i) + 7*time.Millisecond + 1), Key: i%d.group == 0,
		Damaged: d.group > 1 && i%d.group == d.group-1,
	}
	src := rand.NewChaCha8([32]byte{byte(i), byte(i >> 8), byte(len(d.camera))})
	p.Data = make([]byte, d.size+i%17)
	_, _ = src.Read(p.Data)
	copy(p.Data, []byte{0, 0, 0, 1, 0x65})
	binary.BigEndian.PutUint32(p.Data[5:], uint32(i))
	return p
}

func (d drive) detections(i int) *msg.Detections {
	out := &msg.Detections{Header: d.header(i), Width: 640, Height: 360, By: msg.Network{Name: "net", Engine: "opencv", Requested: "cpu", Backend: "cpu"}}
	for k := range 2 + i%5 {
		x := float32(100 + 60*k)
		out.Items = append(out.Items, msg.Detection{Box: msg.Box{X0: x, Y0: 180, X1: x + 40, Y1: 240 + float32(k)}, Class: k, Label: []string{"car", "person", "truck"}[k%3], Score: 0.5 + float32(k)/16})
	}
	return out
}

func (d drive) tracks(i int) *msg.Tracks {
	out := &msg.Tracks{Header: d.header(i), Width: 640, Height: 360, Ahead: 30 * time.Millisecond, Only: i%4 == 3}
	for k, o := range d.detections(i).Items {
		t := msg.Track{ID: uint64(k + 1), Class: o.Class, Label: o.Label, Score: o.Score, State: msg.TrackConfirmed, Measured: o.Box, Box: o.Box,
			Forecast: msg.Box{X0: o.Box.X0 + 3, Y0: o.Box.Y0, X1: o.Box.X1 + 3, Y1: o.Box.Y1}, VX: 100, Sigma: 1.5, Detection: k}
		if out.Only {
			t.State, t.Measured, t.Unseen, t.Detection = msg.TrackCoasting, msg.Box{}, period, -1
		}
		out.Items = append(out.Items, t)
	}
	return out
}

func (d drive) lanes(i int) *msg.LaneSet {
	out := &msg.LaneSet{Header: d.header(i), Width: 640, Height: 360, EgoLeft: 0, EgoRight: 1, DrivableConfidence: 0.9}
	for k := range 2 {
		l := msg.Lane{Curve: msg.Cubic{C: [4]float64{1.8 - 3.6*float64(k), 0.01, 0, 0}, X0: 5, X1: 45}, Confidence: 0.8}
		for y := 350; y > 200; y -= 10 {
			l.Points = append(l.Points, msg.Pixel{X: float32(200 + 200*k), Y: float32(y)})
		}
		out.Lanes = append(out.Lanes, l)
	}
	for k := range 12 {
		out.Drivable = append(out.Drivable, msg.Pixel{X: float32(100 + 30*k), Y: float32(350 - 10*(k%6))})
	}
	return out
}

func (d drive) plan(i int) *msg.Trajectory {
	out := &msg.Trajectory{Header: d.header(i), Mode: msg.PlanKeepLane, Why: "the lane is free", LeadObject: -1}
	for k := range 31 {
		out.Points = append(out.Points, msg.TrajectoryPoint{T: float64(k) / 10, Position: msg.Ground{X: float64(2 * k)}, Speed: 20})
	}
	return out
}

func (d drive) frame(i int) *msg.FrameReport {
	out := &msg.FrameReport{Header: d.header(i), Outcome: msg.OnTime, Age: 30 * time.Millisecond, Deadline: 100 * time.Millisecond,
		Stages: []msg.StageTime{{Stage: "source", Took: 3 * time.Millisecond}, {Stage: "forward", Took: time.Duration(20+i%7) * time.Millisecond}}}
	if i%10 == 9 {
		out.Outcome, out.Stage, out.Reason = msg.Dropped, "admission", "replaced"
	}
	return out
}

func (d drive) calibration() ground.Camera {
	c := ground.Default(640, 360)
	c.Fx, c.K1, c.P1, c.Pitch, c.Yaw, c.Roll, c.Guessed = 555.123456789012, -0.23, 0.0007, 3.3, -1.25, 0.5, false
	return c
}

// feed gives the recorder what happens from picture begin to before end.
func (d drive) feed(r *Recorder, begin, end int) {
	if begin == 0 {
		r.Calibration(d.camera, d.calibration())
	}
	for i := begin; i < end; i++ {
		p := d.packet(i)
		r.Packet(d.camera, &p)
		clear(p.Data) // the source uses it again
		if i%10 != 9 {
			r.Detections(d.detections(i))
			r.Tracks(d.tracks(i))
			r.Lanes(d.lanes(i))
			r.Plan(d.plan(i))
		}
		r.Frame(d.frame(i))
	}
}

var front = drive{camera: "front", codec: msg.H264, clock: msg.SenderClock, group: 30, size: 3000}
var rear = drive{camera: "rear", codec: msg.MJPEG, group: 1, size: 5000}

func create(t testing.TB, o Options) (*Recorder, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "drive.mcap")
	if o.Vehicle == "" {
		o.Vehicle = "car"
	}
	r, err := Create(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	return r, path
}

func finish(t testing.TB, r *Recorder) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		t.Fatal(err)
	}
	settled(t, r.Stats())
}

// settled fails the test unless every value is counted once.
func settled(t testing.TB, s Stats) {
	t.Helper()
	for k, c := range s.Kinds {
		if c.Offered != c.Written+c.Dropped || c.Waiting != 0 {
			t.Errorf("%s: %+v: offered is not written and dropped", k, c)
		}
	}
}

// recorded makes a recording of n pictures of both cameras.
func recorded(t testing.TB, o Options, n int) string {
	t.Helper()
	r, path := create(t, o)
	for i := range n {
		front.feed(r, i, i+1)
		rear.feed(r, i, i+1)
	}
	finish(t, r)
	if s := r.Stats(); s.Total().Dropped != 0 {
		t.Fatalf("%d values were dropped: %s", s.Total().Dropped, s.LastDrop)
	}
	return path
}

func open(t testing.TB, path string) *Reader {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// whole fails the test unless there is nothing wrong with a recording.
func whole(t testing.TB, path string) {
	t.Helper()
	problems, err := Check(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

func samePacket(a, b *msg.Packet) error {
	switch {
	case a.Codec != b.Codec || a.PTS != b.PTS || a.CaptureClock != b.CaptureClock || a.Key != b.Key || a.Damaged != b.Damaged,
		!a.CapturedAt.Equal(b.CapturedAt), !a.Arrived.Equal(b.Arrived):
		return fmt.Errorf("got %v %v %v %q %v key %t damaged %t, want %v %v %v %q %v key %t damaged %t",
			a.Codec, a.PTS, a.CapturedAt, a.CaptureClock, a.Arrived, a.Key, a.Damaged,
			b.Codec, b.PTS, b.CapturedAt, b.CaptureClock, b.Arrived, b.Key, b.Damaged)
	case string(a.Data) != string(b.Data):
		return fmt.Errorf("the %d bytes are not the %d that were recorded", len(a.Data), len(b.Data))
	}
	return nil
}
