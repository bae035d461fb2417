package explain_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"dashline/internal/explain"
	"dashline/pipeline/msg"
)

var update = flag.Bool("update", false, "write testdata again")

const ms = time.Millisecond

// frame is a finished one of the camera front, with a deadline of 100 ms.
type frame struct {
	arrived, wait, forward, lanes, track time.Duration
	rung                                 string
}

func (f frame) report(seq uint64) *msg.FrameReport {
	r := &msg.FrameReport{
		Header:   msg.Header{Camera: "front", Seq: seq, Arrived: f.arrived},
		Outcome:  msg.OnTime,
		Deadline: 100 * ms, Predicted: 55 * ms, Rung: f.rung,
		Stages: []msg.StageTime{{Stage: "source", Took: 4 * ms}, {Stage: "wait", Took: f.wait}, {Stage: "preprocess", Took: 2 * ms}, {Stage: "forward", Took: f.forward},
			{Stage: "decode", Took: 3 * ms}, {Stage: "lanes", Took: f.lanes}, {Stage: "lanes_forward", Took: f.lanes - ms}, {Stage: "track", Took: f.track},
			{Stage: "plan", Took: ms}, {Stage: "publish", Took: ms}},
	}
	r.Age = f.wait + max(5*ms+f.forward, f.lanes) + f.track + 2*ms
	if r.Age > r.Deadline {
		r.Outcome = msg.Late
	}
	return r
}

// drive is one of 40 frames, one each 100 ms and all alike, but for those that
// change is given. It returns the frames with their numbers as indices.
func drive(change func(f *frame, seq uint64)) (all []*msg.FrameReport) {
	for seq := range uint64(40) {
		f := frame{arrived: time.Duration(seq) * 100 * ms, wait: ms, forward: 40 * ms, lanes: 30 * ms, track: 2 * ms, rung: "large"}
		if seq%2 == 0 {
			f.forward += 2 * ms
		}
		if change != nil {
			change(&f, seq)
		}
		all = append(all, f.report(seq))
	}
	return all
}

// lost turns a report into one of a frame that was not begun.
func lost(r *msg.FrameReport, outcome msg.Outcome, stage, reason string, age time.Duration) {
	r.Outcome, r.Stage, r.Reason, r.Age = outcome, stage, reason, age
	r.Stages, r.Networks, r.Rung, r.Predicted, r.Canary = nil, nil, "", 0, ""
}

func only(seq uint64, change func(f *frame)) func(*frame, uint64) {
	return func(f *frame, at uint64) {
		if at == seq {
			change(f)
		}
	}
}

// cases are frames 20 of drives, one for each kind of miss.
var cases = []struct {
	name, cause string
	reports     func() []*msg.FrameReport
}{
	{"on time", "", func() []*msg.FrameReport { return drive(nil) }},
	{"late by forward", "forward", func() []*msg.FrameReport {
		return drive(only(20, func(f *frame) { f.forward = 95 * ms; f.track = 9 * ms }))
	}},
	{"late by wait", "wait", func() []*msg.FrameReport {
		all := drive(func(f *frame, seq uint64) {
			if seq == 20 {
				f.wait = 70 * ms
			}
			if seq < 18 {
				f.rung = "tiny"
			}
		})
		all[19].Canary = "huge"
		all[19].Arrived += 30 * ms
		left := frame{arrived: 2040 * ms, wait: ms, forward: 20 * ms, lanes: 10 * ms, rung: "tiny"}.report(7)
		left.Camera = "left"
		return append(all, left)
	}},
	{"late by a wait that is shorter than forward", "wait", func() []*msg.FrameReport {
		return drive(only(20, func(f *frame) { f.wait, f.forward = 45*ms, 60*ms }))
	}},
	{"late by lanes", "lanes", func() []*msg.FrameReport {
		return drive(only(20, func(f *frame) { f.lanes = 120 * ms; f.forward = 44 * ms }))
	}},
	{"late by lanes in order", "lanes", func() []*msg.FrameReport {
		all := drive(only(20, func(f *frame) { f.lanes = 80 * ms }))
		for _, r := range all {
			r.Age += r.Stages[5].Took // nothing ran beside
			if r.Age > r.Deadline {
				r.Outcome = msg.Late
			}
			if r.Seq == 20 {
				r.Age = 1 + 47*ms + 80*ms + 5*ms + ms
			}
		}
		return all
	}},
	{"late on a rung that is too slow", "rung", func() []*msg.FrameReport {
		return drive(func(f *frame, _ uint64) { f.forward += 80 * ms; f.arrived *= 2 })
	}},
	{"late by lanes that are always too slow", "lanes", func() []*msg.FrameReport {
		all := drive(func(f *frame, _ uint64) { f.lanes = 120 * ms; f.arrived *= 2; f.rung = "track-only" })
		for _, r := range all {
			r.Stages = append(r.Stages[:2:2], r.Stages[5:]...) // no network but that of lanes
		}
		return all
	}},
	{"late by wait on a rung that is too slow", "wait", func() []*msg.FrameReport {
		return drive(func(f *frame, seq uint64) {
			if f.arrived *= 2; seq == 20 {
				f.wait = 60 * ms
			} else {
				f.forward += 80 * ms
			}
		})
	}},
	{"late on a rung that hardly ran", "forward", func() []*msg.FrameReport {
		return drive(only(20, func(f *frame) { f.forward, f.rung = 110*ms, "huge" }))
	}},
	{"late by an old picture", "lag", func() []*msg.FrameReport {
		all := drive(nil)
		for _, r := range all {
			r.CapturedAt, r.CaptureClock = time.Unix(1, 0), msg.ArrivalClock
			r.Age += 10 * ms
		}
		all[20].Age, all[20].Outcome = all[20].Age+60*ms, msg.Late
		return all
	}},
	{"late between the stages", "between", func() []*msg.FrameReport {
		all := drive(nil)
		all[20].Age, all[20].Outcome = 130*ms, msg.Late
		return all
	}},
	{"dropped newer", "newer", func() []*msg.FrameReport {
		all := drive(only(19, func(f *frame) { f.forward = 190 * ms }))
		lost(all[20], msg.Dropped, "admission", "newer", 99*ms)
		all[20].Arrived, all[21].Arrived = 1950*ms, 2049*ms
		return all
	}},
	{"dropped deadline", "deadline", func() []*msg.FrameReport {
		all := drive(only(19, func(f *frame) { f.forward = 150 * ms }))
		lost(all[20], msg.Dropped, "admission", "deadline", 65*ms)
		all[20].Arrived = 1995 * ms
		return all
	}},
	{"dropped although it might have fitted", "deadline", func() []*msg.FrameReport {
		all := drive(nil)
		lost(all[20], msg.Dropped, "admission", "deadline", 2*ms)
		return all
	}},
	{"dropped past its deadline", "deadline", func() []*msg.FrameReport {
		all := drive(only(19, func(f *frame) { f.forward = 250 * ms }))
		lost(all[20], msg.Dropped, "admission", "deadline", 160*ms)
		return all
	}},
	{"dropped rate", "rate", func() []*msg.FrameReport {
		all := drive(nil)
		for i := 1; i < len(all); i += 2 {
			all[i].Arrived -= 50 * ms
		}
		lost(all[20], msg.Dropped, "admission", "rate", 20*time.Microsecond)
		return all
	}},
	{"dropped at the end", "shutdown", func() []*msg.FrameReport {
		all := drive(nil)[:21]
		lost(all[20], msg.Dropped, "admission", "shutdown", 20*ms)
		return all
	}},
	{"dropped by the source", "source: stale", func() []*msg.FrameReport {
		all := drive(nil)
		lost(all[20], msg.Dropped, "source", "stale", 150*ms)
		return all
	}},
	{"failed stage", "detect: panic", func() []*msg.FrameReport {
		all := drive(nil)
		for _, i := range []int{20, 25} {
			r := all[i]
			r.Outcome, r.Stage, r.Reason, r.Detail, r.Age = msg.Failed, "detect", "panic", "panic: index out of \x1b[31mrange", 31*ms
			r.Stages = []msg.StageTime{r.Stages[0], r.Stages[1], r.Stages[5], r.Stages[6]}
		}
		return all
	}},
	{"failed source", "source: corrupt", func() []*msg.FrameReport {
		all := drive(nil)
		lost(all[20], msg.Failed, "source", "corrupt", ms)
		all[20].Detail = "a part is missing"
		return all
	}},
}

func text(e *explain.Explanation) string {
	return strings.Join(e.Words, "\n") + "\n\n" + strings.Join(e.Lines, "\n") + "\n"
}

func TestFrame(t *testing.T) {
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			e, err := explain.New(tt.reports()).Frame("front", 20)
			if err != nil {
				t.Fatal(err)
			}
			if e.Cause != tt.cause {
				t.Errorf("cause %q, want %q", e.Cause, tt.cause)
			}
			golden(t, tt.name, text(e))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", strings.ReplaceAll(name, " ", "_")+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || got != string(want) {
		t.Errorf("%v: got\n%s\nwant\n%s", err, got, want)
	}
}

func TestOverview(t *testing.T) {
	all := drive(func(f *frame, seq uint64) {
		switch seq {
		case 10, 11:
			f.forward = 95 * ms
		case 12:
			f.wait = 80 * ms
		}
		if seq > 30 {
			f.rung, f.forward = "tiny", 10*ms
		}
	})
	lost(all[20], msg.Dropped, "admission", "newer", 33*ms)
	lost(all[21], msg.Failed, "source", "corrupt", ms)
	left := frame{arrived: 5 * ms, forward: 150 * ms, rung: "large"}.report(3)
	left.Camera = "left"
	l := explain.New(append(all, left))
	o, err := l.Overview("front")
	if err != nil {
		t.Fatal(err)
	}
	if o.Frames != 40 || o.OnTime != 35 || o.Late != 3 || o.Dropped != 1 || o.Failed != 1 {
		t.Errorf("%+v", o)
	}
	causes := []explain.Cause{{"late", "forward", 2}, {"dropped", "newer", 1}, {"failed", "source: corrupt", 1}, {"late", "wait", 1}}
	if !reflect.DeepEqual(o.Causes, causes) {
		t.Errorf("causes %+v", o.Causes)
	}
	if len(o.Rungs) != 2 || o.Rungs[0].Rung != "large" || o.Rungs[0].Frames != 29 || o.Rungs[0].Late != 3 || o.Rungs[1].Frames != 9 || o.Rungs[1].Work != 34 {
		t.Errorf("rungs %+v", o.Rungs)
	}
	if m := o.Misses[0]; len(o.Misses) != 5 || m.Frame != 10 || m.At != 1 || m.Why != "5.0 ms too late; forward 95.0 ms, usually 42.0 ms" && m.Why != "5.0 ms too late; forward 95.0 ms, usually 40.0 ms" {
		t.Errorf("misses %+v", o.Misses)
	}
	if o, err = l.Overview(""); err != nil || o.Frames != 41 || len(o.Misses) != 6 {
		t.Errorf("of all: %v %+v", err, o)
	}
	if _, err = l.Overview("rear"); err == nil || !strings.Contains(err.Error(), "front, left") {
		t.Error(err)
	}
}

func TestWhichFrame(t *testing.T) {
	left := frame{arrived: 5 * ms, rung: "large"}.report(3)
	left.Camera = "left"
	l := explain.New(append(drive(nil), left))
	for _, tt := range []struct {
		camera string
		seq    uint64
		err    string
	}{
		{"", 5, ""}, {"left", 3, ""}, {"front", 3, ""},
		{"", 3, "several cameras have a frame 3: name one of front, left"},
		{"left", 5, "there is no report of a frame 5"},
		{"rear", 5, "there is no camera rear: there are front, left"},
		{"", 99, "there is no report of a frame 99"},
	} {
		e, err := l.Frame(tt.camera, tt.seq)
		if tt.err == "" && (err != nil || e.Frame != tt.seq) || tt.err != "" && (err == nil || err.Error() != tt.err) {
			t.Errorf("%q %d: %v", tt.camera, tt.seq, err)
		}
	}
}

// Any reports are explained: in words that can be shown, the same in whatever order
// the reports come, and each miss once.
func TestAnyReports(t *testing.T) {
	duration := rapid.OneOf(
		rapid.Custom(func(t *rapid.T) time.Duration { return time.Duration(rapid.Int64().Draw(t, "wild")) }),
		rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.Int64Range(0, int64(300*ms)).Draw(t, "usual"))
		}))
	word := rapid.SampledFrom([]string{"", "newer", "deadline", "rate", "source", "detect", "lanes", "plan", "\x1b[2J", "\xff\n", "large", "tiny"})
	stages := []string{"source", "wait", "preprocess", "forward", "decode", "lanes", "track", "plan", "publish", "other"}
	rapid.Check(t, func(t *rapid.T) {
		var all []*msg.FrameReport
		for i := range rapid.IntRange(0, 12).Draw(t, "frames") {
			r := &msg.FrameReport{
				Header:  msg.Header{Camera: rapid.SampledFrom([]string{"front", "a\x1b[2Jb"}).Draw(t, "camera"), Seq: uint64(i), Arrived: duration.Draw(t, "arrived")},
				Outcome: rapid.SampledFrom([]msg.Outcome{msg.OnTime, msg.Late, msg.Dropped, msg.Failed, "\n"}).Draw(t, "outcome"),
				Stage:   word.Draw(t, "stage"), Reason: word.Draw(t, "reason"), Detail: word.Draw(t, "detail"),
				Rung: word.Draw(t, "rung"), Canary: word.Draw(t, "canary"),
				Age: duration.Draw(t, "age"), Deadline: duration.Draw(t, "deadline"), Predicted: duration.Draw(t, "predicted"),
			}
			if rapid.Bool().Draw(t, "captured") {
				r.CapturedAt = time.Unix(1, 0)
			}
			if rapid.Bool().Draw(t, "worked") {
				for _, s := range stages {
					r.Stages = append(r.Stages, msg.StageTime{Stage: s, Took: duration.Draw(t, "took")})
				}
			}
			all = append(all, r)
		}
		tell := func(l *explain.Log) string {
			o, err := l.Overview("")
			if err != nil {
				t.Fatal(err)
			}
			misses := 0
			for _, r := range all {
				if r.Outcome != msg.OnTime {
					misses++
				}
			}
			counted := 0
			for _, c := range o.Causes {
				counted += c.Frames
			}
			if len(o.Misses) != misses || counted != misses || o.Frames != len(all) {
				t.Fatalf("%d misses of %d frames: %+v", misses, len(all), o)
			}
			told, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range all {
				e, err := l.Frame(r.Camera, r.Seq)
				if err != nil {
					t.Fatal(err)
				}
				for _, line := range append(e.Words, e.Lines...) {
					if strings.ContainsFunc(line, func(c rune) bool { return !unicode.IsPrint(c) }) {
						t.Fatalf("%q", line)
					}
				}
				if len(e.Lines) > 12 || len(e.Words) == 0 {
					t.Fatalf("%q", e.Lines)
				}
				told = fmt.Append(told, text(e))
			}
			return string(told)
		}
		first := tell(explain.New(all))
		shuffled := append([]*msg.FrameReport(nil), all...)
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if again := tell(explain.New(shuffled)); again != first {
			t.Fatalf("in another order:\n%s\nis not\n%s", again, first)
		}
	})
}
