package session

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"dashline/internal/config"
	"dashline/internal/testkit"
	"dashline/internal/version"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/pipeline/record"
	"dashline/sensors"
	simulator "dashline/sensors/camera"
)

var drive = filepath.Join(testkit.Root(), "testdata", "drives", "cut-in.mp4")

// recordRun runs with a recording, and returns its path.
func recordRun(t *testing.T, cfg config.Config) (path string, sum Summary) {
	t.Helper()
	cfg.Record = filepath.Join(t.TempDir(), "drive.mcap")
	s := open(t, cfg, sensors.Open)
	sum, err := s.Run(t.Context())
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	if r := sum.Recording; r == nil || r.Dropped > 0 || r.Error != "" || r.Written == 0 {
		t.Fatalf("recording %+v", r)
	}
	if problems, err := record.Check(cfg.Record, nil); err != nil || len(problems) > 0 {
		t.Fatalf("the recording is not whole: %v %q", err, problems)
	}
	if library := libraryOf(t, cfg.Record); !strings.HasSuffix(library, " "+version.Read().Name()) {
		t.Errorf("the recording is by %q", library)
	}
	return cfg.Record, sum
}

func libraryOf(t *testing.T, path string) string {
	t.Helper()
	r, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return r.Info().Library
}

// published are the messages of a recording that went over the bus.
func published(t *testing.T, path string) (all [][]byte, frames []*msg.FrameReport, found []*msg.Detections) {
	t.Helper()
	r, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for m := range r.Messages(record.Query{}) {
		v, err := m.Value()
		if err != nil || !strings.HasPrefix(m.Topic, "dashline.") {
			continue
		}
		switch v := v.(type) {
		case *msg.FrameReport:
			frames = append(frames, v)
		case *msg.Detections:
			found = append(found, v)
		case *msg.LaneSet, *msg.Trajectory:
		default:
			continue
		}
		all = append(all, append([]byte(m.Topic+"\x00"), m.Data...))
	}
	return all, frames, found
}

// A recording gives the pictures that were recorded: what is seen in them is the
// same, box by box.
func TestRecordingIsASource(t *testing.T) {
	cfg := quick()
	cfg.Source, cfg.Frames, cfg.Speed = drive, 40, 13
	first, _ := recordRun(t, cfg)
	again := quick()
	again.Source, again.Detect.Network = first, auto
	second, sum := recordRun(t, again)
	if sum.Source.Kind != "recording" || sum.Source.FPS != 30 || sum.Source.Width != 640 || sum.Networks[0].Name != "dashline-tiny" || sum.Camera.Guessed {
		t.Errorf("%+v %+v", sum.Source, sum.Networks)
	}
	_, frames, want := published(t, first)
	_, replayed, got := published(t, second)
	// Of a video with B pictures the packets of the last frames may be missing
	// that were to come in the wrong order.
	if len(frames) != 40 || len(replayed) < 37 || len(got) < 37 {
		t.Fatalf("%d frames, %d of the recording", len(frames), len(replayed))
	}
	for i := range got[:37] {
		if got[i].PTS != want[i].PTS || got[i].Seq != want[i].Seq || len(got[i].Items) != len(want[i].Items) {
			t.Fatalf("frame %d: %+v; want %+v", i, got[i], want[i])
		}
		for k := range got[i].Items {
			if got[i].Items[k] != want[i].Items[k] {
				t.Fatalf("frame %d: %+v; want %+v", i, got[i].Items[k], want[i].Items[k])
			}
		}
	}
}

// A deterministic run of a recording publishes the same bytes each time, on any
// number of cores, drops and all.
func TestDeterministicRunsAreTheSame(t *testing.T) {
	cfg := quick()
	cfg.Source, cfg.Frames, cfg.Realtime = drive, 45, true // live, so that there are times to go by
	made, _ := recordRun(t, cfg)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var first [][]byte
	for _, procs := range []int{1, 2, 4} {
		runtime.GOMAXPROCS(procs)
		again := quick()
		again.Source, again.Deterministic, again.Policy, again.Deadline = made, true, "newest", 60*time.Millisecond
		path, sum := recordRun(t, again)
		all, frames, _ := published(t, path)
		if uint64(len(frames)) != sum.Frames.Produced || len(all) < 2*len(frames)/2 {
			t.Fatalf("%d messages of %d frames, %d produced", len(all), len(frames), sum.Frames.Produced)
		}
		if first == nil {
			first = all
			continue
		}
		if len(all) != len(first) {
			t.Fatalf("%d messages on %d cores; %d on 1", len(all), procs, len(first))
		}
		for i := range all {
			if !bytes.Equal(all[i], first[i]) {
				t.Fatalf("message %d is another one on %d cores:\n%q\n%q", i, procs, all[i], first[i])
			}
		}
	}
}

// A range of a source, by its own time; a deterministic run's duration is one.
func TestStartAndEnd(t *testing.T) {
	cfg := quick()
	cfg.Source, cfg.Start, cfg.End = drive, time.Second, 2*time.Second
	path, sum := recordRun(t, cfg)
	_, frames, _ := published(t, path)
	if sum.Frames.Produced != 30 || frames[0].PTS != time.Second || frames[0].Seq != 30 {
		t.Errorf("%d frames from %v (%d)", sum.Frames.Produced, frames[0].PTS, frames[0].Seq)
	}
	// The same of a recording, which begins to decode at a key picture before.
	whole := quick()
	whole.Source = drive
	all, _ := recordRun(t, whole)
	cfg.Source, cfg.Start, cfg.End = all, 2500*time.Millisecond, 0
	cfg.Deterministic, cfg.Duration = true, 500*time.Millisecond
	path, sum = recordRun(t, cfg)
	_, frames, _ = published(t, path)
	if sum.Frames.Produced != 15 || frames[0].PTS != 2500*time.Millisecond || frames[0].Seq != 75 {
		t.Errorf("%d frames from %v (%d)", sum.Frames.Produced, frames[0].PTS, frames[0].Seq)
	}
}

// A deterministic run lasts as long by its source's clock, however slow or fast
// this machine is: here each frame takes longer than all of them may, and the
// cameras run one after the other.
func TestDeterministicDurationIsTheSources(t *testing.T) {
	const lasts = 90 * time.Millisecond // three frames
	for _, loop := range []bool{false, true} {
		cfg := quick()
		cfg.Deterministic, cfg.Duration, cfg.Loop, cfg.Start = true, lasts, loop, time.Second
		cfg.Cameras = config.Cameras{{Name: "front", Source: drive}, {Name: "rear", Source: drive}}
		if loop {
			cfg.End = cfg.Start + lasts/2 // so that it goes round, two frames each time
		}
		s := open(t, cfg, sensors.Open)
		var seen []time.Duration
		for _, f := range s.Feeds {
			f.Viewer = slow{lasts, &seen}
		}
		sum, err := s.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if sum.Frames.Produced != 6 || len(seen) != 6 {
			t.Errorf("loop %v: %d frames at %v, want those of %v of two cameras", loop, sum.Frames.Produced, seen, lasts)
		}
	}
}

// slow takes its time to look at a frame.
type slow struct {
	time time.Duration
	seen *[]time.Duration
}

func (s slow) View(v *pipeline.View) error {
	*s.seen = append(*s.seen, v.Frame.PTS)
	time.Sleep(s.time)
	return nil
}

// What a camera over a bad network sent is in the recording as it came, and is
// accounted for again in the same way.
func TestLiveRecordingReplays(t *testing.T) {
	cam, err := simulator.Start(t.Context(), simulator.Options{
		Listen: "127.0.0.1:0", Source: drive, Codec: simulator.H264, GOP: 10, Seed: 3, Faults: simulator.Faults{Loss: 0.02},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer cam.Close()
	cfg := quick()
	cfg.Source, cfg.Duration, cfg.RTSP.Transport = cam.URLs()[0], 4*time.Second, "udp"
	path, sum := recordRun(t, cfg)
	if sum.State == nil || sum.State.Lost == 0 || sum.Frames.Failed == 0 {
		t.Fatalf("nothing was lost: %+v %+v", sum.State, sum.Frames)
	}
	again := quick()
	again.Source = path
	second, _ := recordRun(t, again)
	_, then, _ := published(t, path)
	_, now, _ := published(t, second)
	outcome := map[time.Duration]string{}
	for _, f := range now {
		outcome[f.PTS] = f.Reason
	}
	for _, f := range then {
		reason, there := outcome[f.PTS]
		switch {
		case f.Reason == "newer": // let go for want of time, which a recording has
		case f.Reason == "lost": // of which there is no packet to record; found missing again
		case !there && f.PTS > then[len(then)-1].PTS-200*time.Millisecond: // still in the decoder at the end
		case !there || reason != f.Reason:
			t.Errorf("frame at %v: %q then, %q now (there: %v)", f.PTS, f.Reason, reason, there)
		}
	}
}

// pusher is a camera that sends until it is closed, whether or not anybody asks
// for frames.
type pusher struct {
	camera
	tap    func(*msg.Packet)
	stop   chan struct{}
	sender sync.WaitGroup
	onEnd  func()
}

func (p *pusher) Tap(f func(*msg.Packet)) { p.tap = f }

func (p *pusher) Next(ctx context.Context, f *frame.Frame) error {
	if p.n == 0 {
		p.sender.Go(func() {
			tick := time.NewTicker(100 * time.Microsecond)
			defer tick.Stop()
			packet := msg.Packet{Codec: msg.MJPEG, Data: []byte("a picture"), Key: true}
			for {
				select {
				case <-tick.C:
					p.tap(&packet)
					packet.PTS += 100 * time.Microsecond
				case <-p.stop:
					return
				}
			}
		})
	}
	return p.camera.Next(ctx, f)
}

func (p *pusher) Close() error {
	p.onEnd()
	close(p.stop)
	p.sender.Wait()
	return p.camera.Close()
}

// A camera that goes on sending at the end of a run does not make the recording
// lack anything: it is closed first.
func TestSourcesEndBeforeTheRecording(t *testing.T) {
	cfg := quick()
	cfg.Source, cfg.Frames = address, 5
	cfg.Record = filepath.Join(t.TempDir(), "drive.mcap")
	p := &pusher{camera: camera{frames: 100}, stop: make(chan struct{})}
	s := open(t, cfg, func(ctx context.Context, path string, o sensors.Options) (sensors.Source, error) {
		_, err := p.open(ctx, path, o)
		return p, err
	})
	closed := 0
	p.onEnd = func() {
		closed++
		if s.recorder == nil {
			t.Error("the recording is closed and the camera is not")
		}
	}
	sum, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r := sum.Recording; r == nil || r.Dropped > 0 || r.Written < 15 {
		t.Errorf("recording %+v", r)
	}
	if closed != 1 || sum.Source.Kind != "rtsp" || sum.State == nil || sum.State.Status != "streaming" {
		t.Errorf("closed %d times; %+v %+v", closed, sum.Source, sum.State)
	}
}

func TestRecordingsAreNotOverwritten(t *testing.T) {
	cfg := quick()
	cfg.Source, cfg.Frames = drive, 5
	made, _ := recordRun(t, cfg)
	before, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, want string
		change     func(*config.Config)
	}{
		{"a file that is there", "such a file already", func(c *config.Config) {}},
		{"the source itself", "the source itself", func(c *config.Config) { c.Source, c.RecordForce = made, true }},
		{"a loop", "record, loop", func(c *config.Config) { c.Loop = true }},
		{"the overlay's name", "record, save", func(c *config.Config) { c.Save = c.Record }},
	} {
		one := cfg
		one.Record = made
		tt.change(&one)
		s, err := Open(context.Background(), one)
		if err == nil {
			_ = s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if after, _ := os.ReadFile(made); !bytes.Equal(before, after) {
		t.Error("the recording was changed")
	}
	cfg.Record, cfg.RecordForce = made, true
	s, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(context.Background()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
