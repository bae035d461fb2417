package accuracy

import (
	"context"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"dashline/detect/ap"
	"dashline/internal/config"
	"dashline/pipeline"
	"dashline/pipeline/msg"
	"dashline/pipeline/record"
	"dashline/sensors/synth/truth"
)

const (
	rate    = 30 // frames a second
	network = "dashline-tiny"
)

// due is the presentation time of frame i, as a video with that rate has it.
func due(i int) time.Duration { return time.Duration(i) * time.Second / rate }

// carAt is where the car of the test's drive is, corners.
func carAt(i int) [4]float64 { return [4]float64{float64(50 + 4*i), 100, float64(150 + 4*i), 180} }

// driven is a drive of a car that crosses the picture: the path of its video,
// which is not there, with truth beside it.
func driven(t *testing.T, frames int, class string) string {
	t.Helper()
	stem := filepath.Join(t.TempDir(), "drive")
	w, err := truth.Create(stem+".truth.jsonl.gz", truth.Drive{
		Version: truth.Version, Scenario: "made", FPS: rate, Frames: frames, Classes: []string{class},
		Scenes: []truth.Scene{{Name: "one", Weather: "clear"}},
		Camera: truth.Camera{Width: 640, Height: 360, Fx: 500, Fy: 500, Cx: 320, Cy: 180, Mount: 1.5},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range frames {
		b := carAt(i)
		f := truth.Frame{Index: i, Time: float64(i) / rate, Objects: []truth.Object{{ID: 1, Class: class, Box: b, Full: b}}}
		if err := w.Frame(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return stem + ".mp4"
}

// What tracks are published after detections, in a test's run.
const (
	lanesAfter  = 3 * time.Millisecond
	trackTook   = time.Millisecond
	tracksAfter = lanesAfter + trackTook
)

// ran is what a test's run says of a frame.
type ran struct {
	frame   int
	took    time.Duration // from arrival to the detections; below 0: dropped
	arrives time.Duration // beyond the quickest
	only    bool          // no detector ran on it
}

// recorded writes a recording of a virtual run whose detector is always right.
// change may be nil.
//
// Lanes take longer than detection and tracks take time too, so tracks are published
// [tracksAfter] detections.
func recorded(t *testing.T, drive string, frames []ran, change func(c *config.Config, d *msg.Detections)) string {
	t.Helper()
	c := config.Default()
	c.Source, c.Deterministic, c.Policy = drive, true, "newest"
	if change != nil {
		change(&c, &msg.Detections{})
	}
	text, err := config.Effective(&c)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "run.mcap")
	r, err := record.Create(path, record.Options{Vehicle: c.Vehicle, Config: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	const start = 5 * time.Second // of the pipeline's clock, at the drive's first frame
	for _, f := range frames {
		h := msg.Header{Camera: "front", Seq: uint64(f.frame), PTS: due(f.frame), Arrived: start + due(f.frame) + f.arrives}
		rep := &msg.FrameReport{Header: h, Outcome: msg.OnTime, Deadline: time.Second, Age: f.took + tracksAfter + time.Second}
		if f.took < 0 {
			rep.Outcome, rep.Stage, rep.Reason, rep.Age = msg.Dropped, "admission", "newer", 0
		} else {
			rep.Stages = []msg.StageTime{
				{Stage: pipeline.StageSource, Took: time.Second}, // beside the work on the frame before
				{Stage: pipeline.StageWait, Took: f.took / 4}, {Stage: pipeline.StageForward, Took: f.took - f.took/4},
				{Stage: pipeline.StageLanes, Took: f.took - f.took/4 + lanesAfter}, // beside detection
				{Stage: pipeline.StageTrack, Took: trackTook},
				{Stage: pipeline.StagePlan, Took: time.Second}, // after both
			}
			b := carAt(f.frame)
			d := &msg.Detections{Header: h, Width: 640, Height: 360, By: msg.Network{Name: network, Engine: "opencv"}, Items: []msg.Detection{
				{Box: msg.Box{X0: float32(b[0]), Y0: float32(b[1]), X1: float32(b[2]), Y1: float32(b[3])}, Class: 7, Label: "car", Score: .5},
			}}
			if change != nil {
				change(&config.Config{}, d)
			}
			if !f.only {
				r.Detections(d)
			}
			if c.Track.Enabled {
				r.Tracks(carTracks(h, f))
			}
		}
		r.Frame(rep)
	}
	if err := r.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return path
}

// all are frames of which each takes the same time.
func all(n int, took time.Duration) []ran {
	var out []ran
	for i := range n {
		out = append(out, ran{frame: i, took: took})
	}
	return out
}

func reported(t *testing.T, o StreamingOptions) (*Streamed, StreamingReport) {
	t.Helper()
	s, err := Streaming(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Report(ap.Bootstrap{Resamples: 20})
	if err != nil {
		t.Fatal(err)
	}
	return s, r
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-4 {
		t.Errorf("%s is %g; want %g", what, got, want)
	}
}

// Answers that take no time are right at every frame, and streaming is offline
// exactly, though truth's times are rounded.
func TestStreamingWithoutLatency(t *testing.T) {
	_, r := reported(t, StreamingOptions{Recording: recorded(t, driven(t, 90, "car"), all(90, 0), nil)})
	near(t, "AP", r.Streaming.AP, 1)
	if !reflect.DeepEqual(r.Streaming, r.Offline) || r.NoOutput != 0 || r.Staleness.Max != 0 || r.Streaming.Images != 90 || !r.Streaming.APInterval.Known {
		t.Errorf("%+v", r)
	}
}

// Each answer takes a frame and a half, so at frame i the one on frame i-2 is
// the newest: 8 pixels of 100 behind, which is an IoU of .85.
func TestStreamingWithLatency(t *testing.T) {
	_, r := reported(t, StreamingOptions{Recording: recorded(t, driven(t, 90, "car"), all(90, due(3)/2), nil)})
	near(t, "offline AP", r.Offline.AP, 1)
	near(t, "staleness", r.Staleness.Mean, 2000./rate)
	near(t, "longest staleness", r.Staleness.Max, 2000./rate)
	near(t, "no output", r.NoOutput, 2./90)
	// 88 of 90 are found up to .85, none above: 98 of 101 points of recall, at 8 of 10 thresholds.
	near(t, "AP50", r.Streaming.AP50, 98./101)
	near(t, "AP", r.Streaming.AP, 8*98./101/10)
}

// Two of three frames are dropped, and one of those that are left comes late.
func TestStreamingWithDrops(t *testing.T) {
	frames := all(12, due(1)/2)
	for i := range frames {
		if i%3 != 0 {
			frames[i].took = -1
		}
	}
	frames[6].arrives = due(2)
	s, r := reported(t, StreamingOptions{Recording: recorded(t, driven(t, 90, "car"), frames, nil)})
	want := []int{-1, 1, 2, 3, 1, 2, 3, 4, 5, 3, 1, 2} // frames behind: that on frame 6 is there at 9
	for i, m := range s.moments {
		if m.index != i || want[i] < 0 && m.age >= 0 || want[i] >= 0 && (m.age-due(want[i])).Abs() > time.Microsecond {
			t.Errorf("at frame %d the answer is %v old; want %d frames", m.index, m.age, want[i])
		}
	}
	if len(s.moments) != 12 || r.Offline.Images != 4 {
		t.Errorf("%d moments, %d frames with an answer; want 12 and 4", len(s.moments), r.Offline.Images)
	}
}

// A part of a drive is measured at its own frames.
func TestStreamingOfAPart(t *testing.T) {
	frames := all(60, 0)[40:]
	s, r := reported(t, StreamingOptions{Recording: recorded(t, driven(t, 90, "car"), frames, nil)})
	near(t, "AP", r.Streaming.AP, 1)
	if s.moments[0].index != 40 || len(s.moments) != 20 {
		t.Errorf("%d moments from frame %d; want 20 from 40", len(s.moments), s.moments[0].index)
	}
}

func TestStreamingByNames(t *testing.T) {
	// The label counts, not the index; a class that no network knows is left out.
	_, r := reported(t, StreamingOptions{Recording: recorded(t, driven(t, 9, "tram"), all(9, 0), nil)})
	if r.Streaming.AP != -1 || r.Left["tram"] != 9 || r.Streaming.APInterval.Known {
		t.Errorf("%+v", r)
	}
}

// A run by a clock: detections are published when the recorder was given them,
// whatever the stages leave out, and its clock is the pipeline's but for a constant.
func TestAnswersOfARunByAClock(t *testing.T) {
	logged := time.Unix(1000, 0)
	all := map[uint64]*seen{}
	between := []time.Duration{3, 1, 2, 5} // what passes between the stages, ms
	for i, d := range between {
		arrived := 7*time.Second + due(i) + time.Duration(i%2)*time.Millisecond
		h := msg.Header{Seq: uint64(i), PTS: due(i), Arrived: arrived}
		all[uint64(i)] = &seen{
			report: &msg.FrameReport{Header: h, Stages: []msg.StageTime{{Stage: pipeline.StageForward, Took: 20 * time.Millisecond}}},
			found:  &msg.Detections{Header: h}, logged: logged.Add(arrived + (20+d)*time.Millisecond),
		}
	}
	for _, virtual := range []bool{false, true} {
		var p played
		p.settle(all, virtual, false)
		for i, a := range p.answers {
			want := due(i) + time.Duration(i%2)*time.Millisecond + 20*time.Millisecond
			if !virtual {
				want += (between[i] - 1) * time.Millisecond // the least is the constant
			}
			if a.captured != due(i) || a.published != want {
				t.Errorf("virtual %v: answer %d is published at %v; want %v", virtual, i, a.published, want)
			}
		}
	}
}

func TestStreamingCompares(t *testing.T) {
	drive := driven(t, 90, "car")
	quick, _ := reported(t, StreamingOptions{Recording: recorded(t, drive, all(90, due(1)/2), nil)})
	slow, _ := reported(t, StreamingOptions{Recording: recorded(t, drive, all(90, due(4)), nil)})
	part, _ := reported(t, StreamingOptions{Recording: recorded(t, drive, all(90, due(4))[30:], nil)})
	b := ap.Bootstrap{Resamples: 50}
	c, err := quick.Compare(slow, b)
	if err != nil || c.Images != 90 || c.Difference.AP < .2 || c.Difference.APInterval.Low <= 0 {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err = slow.Compare(slow, b); err != nil || c.Difference.AP != 0 || c.Difference.APInterval != (ap.Interval{Known: true}) {
		t.Errorf("with itself: %+v, %v", c, err)
	}
	if c, err = quick.Compare(part, b); err != nil || c.Images != 60 {
		t.Errorf("with a part: %+v, %v", c, err)
	}
	early, _ := reported(t, StreamingOptions{Recording: recorded(t, drive, all(20, 0), nil)})
	if _, err = early.Compare(part, b); err == nil || !strings.Contains(err.Error(), "same part") {
		t.Errorf("with another part: %v", err)
	}
	other, _ := reported(t, StreamingOptions{Recording: recorded(t, driven(t, 90, "person"), all(90, 0), nil)})
	if _, err = quick.Compare(other, b); err == nil || !strings.Contains(err.Error(), "same drive") {
		t.Errorf("with another drive: %v", err)
	}
}

func TestStreamingRefuses(t *testing.T) {
	drive := driven(t, 30, "car")
	good := recorded(t, drive, all(30, 0), nil)
	var dropped []ran
	for i := range 5 {
		dropped = append(dropped, ran{frame: i, took: -1})
	}
	changed := func(change func(c *config.Config, d *msg.Detections)) string {
		return recorded(t, drive, all(30, 0), change)
	}
	tests := []struct {
		name string
		o    StreamingOptions
		want string
	}{
		{"no file", StreamingOptions{Recording: "none.mcap"}, "none.mcap"},
		{"no such camera", StreamingOptions{Recording: good, Camera: "left"}, "--camera one of front"},
		{"no clock", StreamingOptions{Recording: changed(func(c *config.Config, _ *msg.Detections) { c.Deterministic = false })}, "--realtime"},
		{"no detections", StreamingOptions{Recording: recorded(t, drive, dropped, nil)}, "nothing that a detector found"},
		{"no tracks", StreamingOptions{Forecast: true, Recording: changed(func(c *config.Config, _ *msg.Detections) { c.Track.Enabled = false })}, "without --no-track"},
		{"unknown network", StreamingOptions{Recording: changed(func(_ *config.Config, d *msg.Detections) { d.By.Name = "mine" })}, "--network"},
		{"no truth beside", StreamingOptions{Recording: changed(func(c *config.Config, _ *msg.Detections) { c.Source = "x.mp4" })}, "give --truth"},
		{"no truth beside what is given", StreamingOptions{Recording: good, Truth: "x.mp4"}, "dashline synth"},
		{"a shorter drive", StreamingOptions{Recording: good, Truth: driven(t, 20, "car")}, "once through"},
		{"other pictures", StreamingOptions{Recording: changed(func(_ *config.Config, d *msg.Detections) { d.Width = 1280 })}, "1280x360"},
		{"not a network", StreamingOptions{Recording: good, Networks: []string{"dashline-lanes"}}, "not detect"},
	}
	for _, tt := range tests {
		if _, err := Streaming(t.Context(), tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.want)
		}
	}
}
