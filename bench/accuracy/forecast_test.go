package accuracy

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"dashline/detect/ap"
	"dashline/detect/labels"
	"dashline/pipeline"
	"dashline/pipeline/msg"
)

// carTracks are the tracks of a test's run: the car, as it is and goes on.
func carTracks(h msg.Header, f ran) *msg.Tracks {
	b := carAt(f.frame)
	t := msg.Track{ID: 1, Label: "car", Score: .5, State: msg.TrackConfirmed, VX: 4 * rate, Detection: 0}
	t.Box = msg.Box{X0: float32(b[0]), Y0: float32(b[1]), X1: float32(b[2]), Y1: float32(b[3])}
	out := &msg.Tracks{Header: h, Width: 640, Height: 360, Ahead: f.took + tracksAfter, Only: f.only}
	by := float32(4 * rate * out.Ahead.Seconds())
	t.Forecast = msg.Box{X0: t.Box.X0 + by, Y0: t.Box.Y0, X1: t.Box.X1 + by, Y1: t.Box.Y1}
	if f.only {
		t.State, t.Unseen, t.Detection = msg.TrackCoasting, due(1), -1
	}
	out.Items = []msg.Track{t}
	return out
}

// Forecasts of what goes on as it did are right however late they come. They come
// later than detections: lanes and tracking are before them.
func TestForecastOfALateAnswer(t *testing.T) {
	path := recorded(t, driven(t, 90, "car"), all(90, due(2)-tracksAfter/2), nil)
	_, plain := reported(t, StreamingOptions{Recording: path})
	_, r := reported(t, StreamingOptions{Recording: path, Forecast: true})
	near(t, "staleness of detections", plain.Staleness.Mean, 2000./rate)
	near(t, "staleness of tracks", r.Staleness.Mean, 3000./rate)
	near(t, "AP50", r.Streaming.AP50, 97./101) // of 90 frames 87 have an answer
	near(t, "AP", r.Streaming.AP, 97./101)
	near(t, "offline AP", r.Offline.AP, 1)
	if !r.Forecast || plain.Forecast || plain.Streaming.AP > .8 {
		t.Errorf("%+v; without forecasts %+v", r, plain)
	}
}

// A frame that no detector ran on has tracks. They are answers where tracks are, of
// the age of what was seen last, and nothing where detections are.
func TestForecastOfTrackOnlyFrames(t *testing.T) {
	frames := all(60, due(1)/2)
	for i := range frames {
		frames[i].only = i%4 != 2
	}
	path := recorded(t, driven(t, 90, "car"), frames, nil)
	age := func(m moment) int { return int(math.Round(m.age.Seconds() * rate)) }

	s, r := reported(t, StreamingOptions{Recording: path})
	for _, m := range s.moments[3:] {
		if want := (m.index-1-2)%4 + 1; age(m) != want {
			t.Errorf("at frame %d detections are of %v ago; want %d frames", m.index, m.age, want)
		}
	}
	if r.Offline.Images != 15 {
		t.Errorf("%d frames with detections; want 15", r.Offline.Images)
	}
	s, r = reported(t, StreamingOptions{Recording: path, Forecast: true})
	for _, m := range s.moments {
		// What was tracked before anything was detected is no answer.
		if none := m.index < 3; none != (m.age < 0) || !none && age(m) != (m.index-1-2)%4+1 {
			t.Errorf("at frame %d tracks are of what was seen %v ago", m.index, m.age)
		}
		if m.index >= 3 { // that of the frame before, whether a detector ran on it or not
			want := .5
			if (m.index-1)%4 != 2 {
				want *= math.Exp2(-due(1).Seconds() / .1)
			}
			near(t, "the score", m.image.Found[0].Score, want)
		}
	}
	if r.Offline.Images != 58 {
		t.Errorf("%d frames with tracks; want 58", r.Offline.Images)
	}
}

func TestMoving(t *testing.T) {
	known := labels.NewClasses([]string{"person", "car"})
	at := func(x0, y0, x1, y1 float32) msg.Box { return msg.Box{X0: x0, Y0: y0, X1: x1, Y1: y1} }
	car := func(change func(*msg.Track)) msg.Track {
		v := msg.Track{Class: 7, Label: "car", Score: .8, Box: at(10, 20, 30, 40), Forecast: at(20, 25, 50, 35), VX: 150, VY: -5}
		change(&v)
		return v
	}
	one := ap.Moving{Detection: ap.Detection{Class: 1, Score: .8, Box: ap.Box{X: 10, Y: 20, W: 20, H: 20}}, VX: 150, VY: -5, VW: 100, VH: -100}
	with := func(change func(*ap.Moving)) []ap.Moving {
		m := one
		change(&m)
		return []ap.Moving{m}
	}
	tests := []struct {
		name  string
		ahead time.Duration
		track msg.Track
		want  []ap.Moving
	}{
		{"confirmed", 100 * time.Millisecond, car(func(v *msg.Track) { v.State = msg.TrackConfirmed }), []ap.Moving{one}},
		{"tentative", 100 * time.Millisecond, car(func(v *msg.Track) { v.State = msg.TrackTentative }), []ap.Moving{one}},
		{"unseen", 100 * time.Millisecond, car(func(v *msg.Track) { v.Unseen = 2 * unseenHalf }), with(func(m *ap.Moving) { m.Score = .2 })},
		{"seen in the future", 100 * time.Millisecond, car(func(v *msg.Track) { v.Unseen = -time.Hour }), []ap.Moving{one}},
		{"of another class", 100 * time.Millisecond, car(func(v *msg.Track) { v.Label = "tram" }), nil},
		{"gone", 100 * time.Millisecond, car(func(v *msg.Track) { v.Forecast = at(640, 20, 640, 40) }), nil},
		{"no growth known", 0, car(func(v *msg.Track) { v.Forecast = v.Box }), with(func(m *ap.Moving) { m.VW, m.VH = 0, 0 })},
	}
	for _, tt := range tests {
		got := moving(&msg.Tracks{Ahead: tt.ahead, Items: []msg.Track{tt.track}}, known)
		same := func(a, b ap.Moving) bool {
			return a.Class == b.Class && a.Box == b.Box && math.Abs(a.Score-b.Score) < 1e-6 && a.VX == b.VX && a.VY == b.VY && a.VW == b.VW && a.VH == b.VH
		}
		if !slices.EqualFunc(got, tt.want, same) {
			t.Errorf("%s: %+v; want %+v", tt.name, got, tt.want)
		}
	}
}

// genRun is a virtual run of which any frame may be dropped, late or tracked only,
// with lanes beside detection or after it.
func genRun(t *rapid.T) (out map[uint64]*seen, inOrder bool) {
	out, inOrder = map[uint64]*seen{}, rapid.Bool().Draw(t, "in order")
	ms := func(name string, most int) time.Duration {
		return time.Duration(rapid.IntRange(0, most).Draw(t, name)) * time.Millisecond
	}
	px := func(name string, lo, hi int) float32 { return float32(rapid.IntRange(lo, hi).Draw(t, name)) }
	for i := range rapid.IntRange(1, 12).Draw(t, "frames") {
		h := msg.Header{Seq: uint64(i), PTS: due(i), Arrived: time.Second + due(i) + ms("arrives", 20)}
		s := &seen{report: &msg.FrameReport{Header: h}}
		out[h.Seq] = s
		how := rapid.SampledFrom([]string{"dropped", "failed", "only", "detected"}).Draw(t, "how")
		if how == "dropped" {
			continue
		}
		stages := []string{pipeline.StageSource, pipeline.StageWait, pipeline.StagePreprocess, pipeline.StageForward, pipeline.StageDecode,
			pipeline.StageLanes, pipeline.StageLanesForward, pipeline.StageTrack, pipeline.StagePlan, pipeline.StagePublish}
		for _, stage := range stages {
			if how == "only" && slices.Contains(stages[2:5], stage) {
				continue
			}
			s.report.Stages = append(s.report.Stages, msg.StageTime{Stage: stage, Took: ms(stage, 40)})
		}
		s.report.Age = trackedAfter(s.report, inOrder) + s.took(pipeline.StagePlan, pipeline.StagePublish)
		if how != "only" {
			s.found = &msg.Detections{Header: h, Width: 640, Height: 360, By: msg.Network{Name: network}}
		}
		if how == "failed" { // after its detections
			continue
		}
		s.tracks = &msg.Tracks{Header: h, Width: 640, Height: 360, Ahead: ms("ahead", 60), Only: how == "only"}
		for k := range rapid.IntRange(0, 3).Draw(t, "tracks") {
			v := msg.Track{ID: uint64(k + 1), Label: "car", Score: px("score", 1, 99) / 100, VX: px("vx", -900, 900), VY: px("vy", -90, 90), Unseen: ms("unseen", 300)}
			v.Box = msg.Box{X0: px("x", 0, 500), Y0: px("y", 0, 200)}
			v.Box.X1, v.Box.Y1 = v.Box.X0+px("w", 1, 140), v.Box.Y0+px("h", 1, 140)
			v.Forecast = msg.Box{X0: v.Box.X0, Y0: v.Box.Y0, X1: v.Box.X1 + px("grows", -150, 50), Y1: v.Box.Y1}
			if v.Forecast.X1 < v.Forecast.X0 {
				v.Forecast.X1 = v.Forecast.X0
			}
			s.tracks.Items = append(s.tracks.Items, v)
		}
	}
	return out, inOrder
}

// trackedAfter goes through a frame's stages as the pipeline does: how long after
// its arrival tracks are published.
func trackedAfter(r *msg.FrameReport, inOrder bool) time.Duration {
	took := map[string]time.Duration{}
	for _, stage := range r.Stages {
		took[stage.Stage] = stage.Took
	}
	sensed := took[pipeline.StagePreprocess] + took[pipeline.StageForward] + took[pipeline.StageDecode]
	if lanes := took[pipeline.StageLanes]; inOrder {
		sensed += lanes
	} else {
		sensed = max(sensed, lanes)
	}
	return took[pipeline.StageWait] + sensed + took[pipeline.StageTrack]
}

// bruteForecast says what is known at a time, of all that tracks say.
func bruteForecast(run map[uint64]*seen, inOrder bool, at time.Duration) (boxes []ap.Box) {
	zero := time.Duration(math.MaxInt64)
	for _, s := range run {
		zero = min(zero, s.report.Arrived-s.report.PTS)
	}
	for seq := len(run) - 1; seq >= 0; seq-- { // the newest picture first
		s := run[uint64(seq)]
		if s.tracks == nil {
			continue
		}
		if s.report.Arrived-zero+trackedAfter(s.report, inOrder) > at {
			continue
		}
		for k := 0; k <= seq; k++ {
			if run[uint64(k)].found == nil {
				continue
			}
			for _, v := range s.tracks.Items { // something has been detected by then
				dt := (at - s.report.PTS).Seconds()
				w := float64(v.Box.X1 - v.Box.X0)
				if a := s.tracks.Ahead; a > 0 {
					w += float64(v.Forecast.X1-v.Box.X1) / a.Seconds() * dt
				}
				x, y := float64(v.Box.X0+v.Box.X1)/2+float64(v.VX)*dt, float64(v.Box.Y0)+float64(v.VY)*dt
				b := ap.Corners(min(max(x-w/2, 0), 640), min(max(y, 0), 360), min(max(x+w/2, 0), 640), min(max(y+float64(v.Box.Y1-v.Box.Y0), 0), 360))
				if v.Forecast.X1 > v.Forecast.X0 && w > 0 && b.W > 0 && b.H > 0 {
					boxes = append(boxes, b)
				}
			}
			return boxes
		}
	}
	return nil
}

func TestForecastIsWhatBruteForceFinds(t *testing.T) {
	known := labels.NewClasses([]string{"car"})
	rapid.Check(t, func(t *rapid.T) {
		run, inOrder := genRun(t)
		p := &played{}
		p.settle(run, true, true)
		d := &facts{}
		for i := range 15 {
			d.all = append(d.all, ap.Moment{At: due(i)})
		}
		s := &Streamed{forecast: true}
		s.pair(p, d, known)
		if len(s.moments) != len(run) {
			t.Fatalf("%d moments of %d frames", len(s.moments), len(run))
		}
		for i, m := range s.moments {
			near := func(f ap.Detection, want ap.Box) bool {
				return max(math.Abs(f.Box.X-want.X), math.Abs(f.Box.Y-want.Y), math.Abs(f.Box.W-want.W), math.Abs(f.Box.H-want.H)) < 1e-6
			}
			if want := bruteForecast(run, inOrder, due(i)); !slices.EqualFunc(m.image.Found, want, near) {
				t.Fatalf("at frame %d: %+v; want %v", i, m.image.Found, want)
			}
		}
	})
}

// In a run by a clock tracks are published when the recorder was given them, and
// detections tell the constant.
func TestTracksOfARunByAClock(t *testing.T) {
	begin := time.Unix(1000, 0)
	run := map[uint64]*seen{}
	for i := range 5 {
		h := msg.Header{Seq: uint64(i), PTS: due(i), Arrived: time.Second + due(i)}
		took := func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }
		run[h.Seq] = &seen{
			report: &msg.FrameReport{Header: h, Stages: []msg.StageTime{
				{Stage: pipeline.StageForward, Took: took(20)}, {Stage: pipeline.StageLanes, Took: took(10)}, {Stage: pipeline.StageTrack, Took: took(1)}}},
			found: &msg.Detections{Header: h}, logged: begin.Add(h.Arrived + took(20+i)),
			tracks: &msg.Tracks{Header: h}, tracked: begin.Add(h.Arrived + took(20+i+10+1)),
		}
	}
	for tracks, after := range map[bool]int{true: 31, false: 20} {
		var p played
		p.settle(run, false, tracks)
		for i, a := range p.answers {
			if want := due(i) + time.Duration(after+i)*time.Millisecond; a.published != want || a.captured != due(i) || (a.tracks != nil) != tracks {
				t.Errorf("tracks %v: answer %d is published at %v; want %v", tracks, i, a.published, want)
			}
		}
	}
}
