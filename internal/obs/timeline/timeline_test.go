package timeline_test

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"dashline/internal/obs/timeline"
	"dashline/pipeline/msg"
)

const ms = time.Millisecond

func stages(ss ...any) (out []msg.StageTime) {
	for i := 0; i < len(ss); i += 2 {
		out = append(out, msg.StageTime{Stage: ss[i].(string), Took: time.Duration(ss[i+1].(int)) * ms})
	}
	return out
}

func TestPlace(t *testing.T) {
	captured := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	full := stages("source", 5, "wait", 10, "preprocess", 2, "forward", 30, "decode", 3, "lanes", 40, "lanes_forward", 38, "track", 1, "plan", 2, "publish", 1)
	for _, tt := range []struct {
		name    string
		inOrder bool
		r       msg.FrameReport
		want    []timeline.Span
		start   time.Duration
		sensed  time.Duration
		end     time.Duration
		due     time.Duration
		lag     time.Duration
	}{
		{
			name: "lanes beside detection", r: msg.FrameReport{Outcome: msg.OnTime, Age: 54 * ms, Stages: full},
			want: []timeline.Span{{"source", 95 * ms, 100 * ms}, {"wait", 100 * ms, 110 * ms}, {"preprocess", 110 * ms, 112 * ms}, {"forward", 112 * ms, 142 * ms},
				{"decode", 142 * ms, 145 * ms}, {"lanes", 110 * ms, 150 * ms}, {"track", 150 * ms, 151 * ms}, {"plan", 151 * ms, 153 * ms}, {"publish", 153 * ms, 154 * ms}},
			start: 110 * ms, sensed: 150 * ms, end: 154 * ms, due: 200 * ms,
		},
		{
			name: "lanes after detection", inOrder: true, r: msg.FrameReport{Outcome: msg.OnTime, Age: 89 * ms, Stages: full},
			want: []timeline.Span{{"source", 95 * ms, 100 * ms}, {"wait", 100 * ms, 110 * ms}, {"preprocess", 110 * ms, 112 * ms}, {"forward", 112 * ms, 142 * ms},
				{"decode", 142 * ms, 145 * ms}, {"lanes", 145 * ms, 185 * ms}, {"track", 185 * ms, 186 * ms}, {"plan", 186 * ms, 188 * ms}, {"publish", 188 * ms, 189 * ms}},
			start: 110 * ms, sensed: 185 * ms, end: 189 * ms, due: 200 * ms,
		},
		{
			name: "what is left between the stages is before the tracks", r: msg.FrameReport{Outcome: msg.Late, Age: 120 * ms, Stages: stages("forward", 50, "track", 10, "publish", 5)},
			want:  []timeline.Span{{"forward", 100 * ms, 150 * ms}, {"track", 205 * ms, 215 * ms}, {"publish", 215 * ms, 220 * ms}},
			start: 100 * ms, sensed: 150 * ms, end: 220 * ms, due: 200 * ms,
		},
		{
			name: "where capture is known it is lag", r: msg.FrameReport{Header: msg.Header{CapturedAt: captured}, Outcome: msg.Late, Age: 120 * ms, Stages: stages("forward", 50, "publish", 5)},
			want:  []timeline.Span{{"forward", 100 * ms, 150 * ms}, {"publish", 150 * ms, 155 * ms}},
			start: 100 * ms, sensed: 150 * ms, end: 155 * ms, due: 135 * ms, lag: 65 * ms,
		},
		{
			name: "dropped", r: msg.FrameReport{Outcome: msg.Dropped, Stage: "admission", Reason: "newer", Age: 33 * ms},
			want:  []timeline.Span{{"wait", 100 * ms, 133 * ms}},
			start: 133 * ms, sensed: 133 * ms, end: 133 * ms, due: 200 * ms,
		},
		{
			name: "lost by the source", r: msg.FrameReport{Outcome: msg.Failed, Stage: "source", Reason: "corrupt", Age: 3 * ms},
			start: 103 * ms, sensed: 103 * ms, end: 103 * ms, due: 200 * ms,
		},
		{
			name: "failed in detection", r: msg.FrameReport{Outcome: msg.Failed, Stage: "detect", Age: 30 * ms, Stages: stages("wait", 10, "lanes", 15)},
			want:  []timeline.Span{{"wait", 100 * ms, 110 * ms}, {"lanes", 110 * ms, 125 * ms}, {"detect", 110 * ms, 130 * ms}},
			start: 110 * ms, sensed: 125 * ms, end: 130 * ms, due: 200 * ms,
		},
		{
			name: "failed in planning", r: msg.FrameReport{Outcome: msg.Failed, Stage: "plan", Age: 30 * ms, Stages: stages("forward", 20, "track", 4)},
			want:  []timeline.Span{{"forward", 100 * ms, 120 * ms}, {"track", 120 * ms, 124 * ms}, {"plan", 124 * ms, 130 * ms}},
			start: 100 * ms, sensed: 120 * ms, end: 130 * ms, due: 200 * ms,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.r.Arrived, tt.r.Deadline = 100*ms, 100*ms
			p := timeline.Placer{InOrder: tt.inOrder}
			got := p.Place(&tt.r)
			if !reflect.DeepEqual(got.Spans, tt.want) {
				t.Errorf("spans\n%v, want\n%v", got.Spans, tt.want)
			}
			if got.Start != tt.start || got.Sensed != tt.sensed || got.End != tt.end || got.Due != tt.due || got.Lag != tt.lag {
				t.Errorf("start %v, sensed %v, end %v, due %v, lag %v", got.Start, got.Sensed, got.End, got.Due, got.Lag)
			}
		})
	}
}

// A frame that does not tell its lag has that of the one before.
func TestTheLagOfADroppedFrame(t *testing.T) {
	captured := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var p timeline.Placer
	p.Place(&msg.FrameReport{Header: msg.Header{Camera: "a", CapturedAt: captured}, Age: 70 * ms, Outcome: msg.OnTime, Stages: stages("forward", 50)})
	drop := msg.FrameReport{Header: msg.Header{Camera: "a", CapturedAt: captured, Arrived: 100 * ms}, Age: 53 * ms, Outcome: msg.Dropped, Stage: "admission"}
	if got := p.Place(&drop); got.Lag != 20*ms || got.End != 133*ms {
		t.Errorf("lag %v, end %v", got.Lag, got.End)
	}
	drop.Camera = "b"
	if got := p.Place(&drop); got.Lag != 0 || got.End != 153*ms {
		t.Errorf("of another camera: lag %v, end %v", got.Lag, got.End)
	}
}

// A lag that is told is taken as it is, whatever the stages leave of the age, and is no
// guess for others.
func TestToldLag(t *testing.T) {
	captured := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var p timeline.Placer
	done := msg.FrameReport{
		Header: msg.Header{Camera: "a", CapturedAt: captured, Arrived: 100 * ms}, Lag: 12 * ms, Age: 70 * ms, Deadline: 100 * ms,
		Outcome: msg.OnTime, Stages: stages("forward", 50),
	}
	// 8 ms that are in no stage passed between the networks and the end.
	if got := p.Place(&done); got.Lag != 12*ms || got.End != 158*ms || got.Due != 188*ms {
		t.Errorf("lag %v, end %v, due %v", got.Lag, got.End, got.Due)
	}
	drop := msg.FrameReport{Header: msg.Header{Camera: "a", CapturedAt: captured, Arrived: 200 * ms}, Lag: 5 * ms, Age: 38 * ms, Outcome: msg.Dropped, Stage: "admission"}
	if got := p.Place(&drop); got.Lag != 5*ms || got.End != 233*ms {
		t.Errorf("dropped: lag %v, end %v", got.Lag, got.End)
	}
	drop.Lag = time.Hour // more than its age
	if got := p.Place(&drop); got.Lag != 38*ms || got.End != 200*ms {
		t.Errorf("older than it says: lag %v, end %v", got.Lag, got.End)
	}
}

func TestRanInOrder(t *testing.T) {
	beside := &msg.FrameReport{Outcome: msg.OnTime, Age: 54 * ms, Stages: stages("forward", 50, "lanes", 30)}
	after := &msg.FrameReport{Outcome: msg.OnTime, Age: 84 * ms, Stages: stages("forward", 50, "lanes", 30)}
	neither := &msg.FrameReport{Outcome: msg.OnTime, Age: 54 * ms, Stages: stages("forward", 50)}
	dropped := &msg.FrameReport{Outcome: msg.Dropped, Age: 1}
	lagged := &msg.FrameReport{Outcome: msg.OnTime, Age: 84 * ms, Lag: 30 * ms, Stages: stages("forward", 50, "lanes", 30)}
	for _, tt := range []struct {
		reports []*msg.FrameReport
		want    bool
	}{
		{nil, false},
		{[]*msg.FrameReport{neither, dropped}, false},
		{[]*msg.FrameReport{after, neither, after}, true},
		{[]*msg.FrameReport{after, beside, dropped}, false},
		{[]*msg.FrameReport{lagged}, false},
	} {
		if got := timeline.RanInOrder(tt.reports); got != tt.want {
			t.Errorf("%v", got)
		}
	}
}

// Report draws any report, also one that no pipeline would make.
func report(t *rapid.T) *msg.FrameReport {
	duration := rapid.OneOf(
		rapid.Custom(func(t *rapid.T) time.Duration { return time.Duration(rapid.Int64().Draw(t, "wild")) }),
		rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.Int64Range(0, int64(200*ms)).Draw(t, "usual"))
		}))
	name := rapid.SampledFrom([]string{"source", "wait", "preprocess", "forward", "decode", "lanes", "track", "plan", "publish", "detect", "other"})
	r := &msg.FrameReport{
		Outcome: rapid.SampledFrom([]msg.Outcome{msg.OnTime, msg.Late, msg.Dropped, msg.Failed, ""}).Draw(t, "outcome"),
		Stage:   name.Draw(t, "stage"), Age: duration.Draw(t, "age"), Deadline: duration.Draw(t, "deadline"),
	}
	r.Arrived = duration.Draw(t, "arrived")
	if rapid.Bool().Draw(t, "captured") {
		r.CapturedAt = time.Unix(1, 0)
	}
	for range rapid.IntRange(0, 10).Draw(t, "stages") {
		r.Stages = append(r.Stages, msg.StageTime{Stage: name.Draw(t, "of"), Took: duration.Draw(t, "took")})
	}
	return r
}

func TestAnyReport(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := timeline.Placer{InOrder: rapid.Bool().Draw(t, "in order")}
		for range 3 {
			r := report(t)
			got := p.Place(r)
			if got.Start < got.Arrived || got.Sensed < got.Start || got.End < got.Sensed || got.Due < 0 || got.Lag < 0 {
				t.Fatalf("arrived %v, start %v, sensed %v, end %v, due %v", got.Arrived, got.Start, got.Sensed, got.End, got.Due)
			}
			seen := map[string]bool{}
			for _, s := range got.Spans {
				if s.From < 0 || s.To <= s.From || s.To > got.End && s.Stage != timeline.Source {
					t.Fatalf("%+v of a frame that ends at %v", s, got.End)
				}
				if seen[s.Stage] && s.Stage != r.Stage {
					t.Fatalf("%s twice", s.Stage)
				}
				seen[s.Stage] = true
				took := timeline.Took(r, s.Stage)
				cut := s.Stage == timeline.Source && s.From == 0
				if got.Worked && s.Took() != took && !cut && s.Stage != r.Stage {
					t.Fatalf("%s is %v long, but took %v", s.Stage, s.Took(), took)
				}
			}
		}
	})
}
