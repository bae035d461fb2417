package trace_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"dashline/internal/obs/timeline"
	"dashline/internal/obs/trace"
	"dashline/pipeline/msg"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

// memory is a file that keeps where it was after each write.
type memory struct {
	bytes.Buffer
	cuts   []int
	closed int
}

func (m *memory) Write(b []byte) (int, error) {
	n, err := m.Buffer.Write(b)
	m.cuts = append(m.cuts, m.Len())
	return n, err
}
func (m *memory) Close() error { m.closed++; return nil }

// event is one of a trace, read back.
type event struct {
	Name string         `json:"name"`
	Ph   string         `json:"ph"`
	Pid  int            `json:"pid"`
	Tid  int            `json:"tid"`
	Ts   json.Number    `json:"ts"`
	Dur  json.Number    `json:"dur"`
	ID   int            `json:"id"`
	Args map[string]any `json:"args"`
}

func nanos(t interface{ Fatal(...any) }, n json.Number) time.Duration {
	if n == "" {
		return 0
	}
	ns, err := strconv.ParseInt(strings.Replace(string(n), ".", "", 1), 10, 64) // three digits after the point
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(ns)
}

func read(t interface{ Fatal(...any) }, b []byte) (events []event) {
	if err := json.Unmarshal(b, &events); err != nil {
		t.Fatal(err, string(b))
	}
	return events
}

func traced(t interface{ Fatal(...any) }, inOrder bool, reports ...*msg.FrameReport) []event {
	var m memory
	w := trace.New(&m, inOrder)
	for _, r := range reports {
		w.Frame(r)
	}
	if err := w.Close(); err != nil || w.Lost() > 0 || m.closed != 1 {
		t.Fatal(err, w.Lost(), m.closed)
	}
	return read(t, m.Bytes())
}

// tracks are the names of the tracks by number.
func tracks(events []event) map[int]string {
	names, processes := map[int]string{}, map[int]string{}
	for _, e := range events {
		switch {
		case e.Ph == "M" && e.Name == "process_name":
			processes[e.Pid] = e.Args["name"].(string)
		case e.Ph == "M" && e.Name == "thread_name":
			names[e.Tid] = processes[e.Pid] + "/" + e.Args["name"].(string)
		}
	}
	return names
}

func lines(t *testing.T, events []event) (out []string) {
	names := tracks(events)
	for _, e := range events {
		if e.Ph == "M" {
			continue
		}
		line := fmt.Sprintf("%s %s %s %v", e.Ph, names[e.Tid], e.Name, nanos(t, e.Ts))
		if e.Dur != "" {
			line += fmt.Sprintf(" +%v", nanos(t, e.Dur))
		}
		out = append(out, line)
	}
	return out
}

var full = []msg.StageTime{{Stage: "source", Took: 5 * ms}, {Stage: "wait", Took: 10 * ms}, {Stage: "preprocess", Took: 2 * ms}, {Stage: "forward", Took: 30 * ms},
	{Stage: "decode", Took: 3 * ms}, {Stage: "lanes", Took: 40 * ms}, {Stage: "track", Took: ms}, {Stage: "plan", Took: 2 * ms}, {Stage: "publish", Took: 1500 * time.Nanosecond}}

func TestTrace(t *testing.T) {
	events := traced(t, false,
		&msg.FrameReport{Header: msg.Header{Camera: "front", Seq: 7, Arrived: 100 * ms}, Outcome: msg.Late, Age: 153*ms + 1500*time.Nanosecond, Deadline: 100 * ms, Stages: full, Rung: "large", Predicted: 60 * ms, Canary: "huge"},
		&msg.FrameReport{Header: msg.Header{Camera: "front", Seq: 8, Arrived: 133 * ms}, Outcome: msg.Dropped, Stage: "admission", Reason: "newer", Age: 33 * ms, Deadline: 100 * ms},
		&msg.FrameReport{Header: msg.Header{Camera: "left", Seq: 0, Arrived: 260 * ms}, Outcome: msg.Failed, Stage: "detect", Reason: "panic", Detail: "it \"broke\"\n", Age: 20 * ms, Deadline: 100 * ms, Stages: full[:2], Rung: "large"},
		&msg.FrameReport{Header: msg.Header{Camera: "front", Seq: 9, Arrived: 300 * ms}, Outcome: msg.OnTime, Age: 10 * ms, Deadline: 100 * ms, Stages: []msg.StageTime{{Stage: "forward", Took: 10 * ms}}, Rung: "small"},
	)
	got := lines(t, events)
	want := strings.Split(strings.TrimSpace(`
B front/rung large 110ms
i front/rung canary huge 253.0015ms
i front/deadline deadline 200ms
X front/source source 95ms +5ms
X front/wait wait 100ms +10ms
X front/preprocess preprocess 110ms +2ms
X front/forward forward 112ms +30ms
X front/decode decode 142ms +3ms
X front/lanes lanes 110ms +40ms
X front/track track 250ms +1ms
X front/plan plan 251ms +2ms
X front/publish publish 253ms +1.5µs
s front/source frame 95ms
t front/wait frame 100ms
t front/preprocess frame 110ms
t front/forward frame 112ms
t front/decode frame 142ms
t front/lanes frame 145ms
t front/track frame 250ms
t front/plan frame 251ms
f front/publish frame 253ms
i front/outcome late 253.0015ms
i front/deadline deadline 233ms
X front/wait wait 133ms +33ms
i front/outcome dropped: newer 166ms
B left/rung large 270ms
i left/deadline deadline 360ms
X left/source source 255ms +5ms
X left/wait wait 260ms +10ms
X left/detect detect 270ms +10ms
s left/source frame 255ms
t left/wait frame 260ms
f left/detect frame 270ms
i left/outcome failed: panic 280ms
E front/rung large 300ms
B front/rung small 300ms
i front/deadline deadline 400ms
X front/forward forward 300ms +10ms
E front/rung small 310ms
E left/rung large 280ms`), "\n")
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	for _, e := range events {
		if e.Name == "failed: panic" && (e.Args["detail"] != "it \"broke\"\n" || e.Args["stage"] != "detect") {
			t.Errorf("%v", e.Args)
		}
		if e.Name == "publish" && (e.Args["age_ms"] != 153.0015 || e.Args["predicted_ms"] != 60.0 || e.Args["canary"] != "huge") {
			t.Errorf("%v", e.Args)
		}
	}
}

// Any reports make a file that can be read, also when it is cut off, in which
// spans on a track do not overlap and are as long as the reports say.
func TestAnyReports(t *testing.T) {
	stages := []string{"source", "wait", "preprocess", "forward", "decode", "lanes", "lanes_forward", "track", "plan", "publish", "detect", "other"}
	duration := rapid.OneOf(
		rapid.Custom(func(t *rapid.T) time.Duration { return time.Duration(rapid.Int64().Draw(t, "wild")) }),
		rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.Int64Range(0, int64(100*ms)).Draw(t, "usual"))
		}))
	word := rapid.OneOf(rapid.SampledFrom([]string{"", "front", "left", "a\"b", "\\", "\n\x00\x1b[2J", "\xff\xfe", "</script>", "\u2028路"}), rapid.String())
	report := rapid.Custom(func(t *rapid.T) *msg.FrameReport {
		r := &msg.FrameReport{
			Header:  msg.Header{Camera: rapid.SampledFrom([]string{"front", "a\"b\\\n\xff"}).Draw(t, "camera"), Seq: rapid.Uint64().Draw(t, "seq"), Arrived: duration.Draw(t, "arrived")},
			Outcome: rapid.SampledFrom([]msg.Outcome{msg.OnTime, msg.Late, msg.Dropped, msg.Failed, ""}).Draw(t, "outcome"),
			Stage:   rapid.OneOf(rapid.SampledFrom(stages), word).Draw(t, "stage"), Reason: word.Draw(t, "reason"), Detail: word.Draw(t, "detail"),
			Age: duration.Draw(t, "age"), Deadline: duration.Draw(t, "deadline"), Predicted: duration.Draw(t, "predicted"),
			Rung: word.Draw(t, "rung"), Canary: word.Draw(t, "canary"),
		}
		for _, s := range stages {
			if rapid.IntRange(0, 2).Draw(t, "has") > 0 {
				r.Stages = append(r.Stages, msg.StageTime{Stage: s, Took: duration.Draw(t, "took")})
			}
		}
		return r
	})
	rapid.Check(t, func(t *rapid.T) {
		reports := rapid.SliceOfN(report, 0, 12).Draw(t, "reports")
		inOrder := rapid.Bool().Draw(t, "in order")
		events := traced(t, inOrder, reports...)
		names := tracks(events)
		type span struct{ from, to time.Duration }
		spans := map[int][]span{}
		sums, want := map[string]time.Duration{}, map[string]time.Duration{}
		for _, e := range events {
			ts, dur := nanos(t, e.Ts), nanos(t, e.Dur)
			if ts < 0 || dur < 0 || e.Pid == 0 {
				t.Fatalf("%+v", e)
			}
			if e.Ph != "M" && names[e.Tid] == "" {
				t.Fatalf("no name for the track of %+v", e)
			}
			if e.Ph == "X" {
				spans[e.Tid] = append(spans[e.Tid], span{ts, ts + dur})
				sums[e.Name] += dur % time.Hour // sums of hours overflow
			}
		}
		for id, on := range spans {
			slices.SortFunc(on, func(a, b span) int { return int(min(max(a.from-b.from, -1), 1)) })
			for i := 1; i < len(on); i++ {
				if on[i].from < on[i-1].to {
					t.Fatalf("%s: %+v and %+v", names[id], on[i-1], on[i])
				}
			}
		}
		p := timeline.Placer{InOrder: inOrder}
		for _, r := range reports {
			placed := p.Place(r)
			for _, s := range placed.Spans {
				want[s.Stage] += s.Took() % time.Hour
				if s.Stage != r.Stage && placed.Worked && s.From > 0 && s.Took() != timeline.Took(r, s.Stage) {
					t.Fatalf("%+v", s)
				}
			}
		}
		for stage, sum := range want {
			if sums[stage] != sum {
				t.Fatalf("%s: spans of %v, the reports say %v", stage, sums[stage], sum)
			}
		}
	})
}

// A flow goes through the spans of one frame, in the order of time.
func TestFlows(t *testing.T) {
	var reports []*msg.FrameReport
	for i := range 20 {
		reports = append(reports, &msg.FrameReport{Header: msg.Header{Camera: "front", Seq: uint64(i), Arrived: time.Duration(i) * 20 * ms}, Outcome: msg.OnTime, Age: 60 * ms, Stages: full})
	}
	events := traced(t, false, reports...)
	type at struct {
		tid int
		ts  time.Duration
	}
	flows := map[int][]at{}
	for _, e := range events {
		if !strings.Contains("stf", e.Ph) {
			continue
		}
		here := at{e.Tid, nanos(t, e.Ts)}
		flow := flows[e.ID]
		if (len(flow) == 0) != (e.Ph == "s") || len(flow) > 0 && flow[len(flow)-1].ts > here.ts {
			t.Fatalf("flow %d: %+v after %v", e.ID, e, flow)
		}
		flows[e.ID] = append(flow, here)
		if !slices.ContainsFunc(events, func(s event) bool {
			from := nanos(t, s.Ts)
			return s.Ph == "X" && s.Tid == e.Tid && from <= here.ts && here.ts < from+nanos(t, s.Dur)
		}) {
			t.Fatalf("flow %d: %+v is in no span", e.ID, e)
		}
	}
	if len(flows) != len(reports) {
		t.Errorf("%d flows of %d frames", len(flows), len(reports))
	}
	second := false
	for _, name := range tracks(events) { // frames overlap
		second = second || name == "front/forward 2"
	}
	if !second {
		t.Error("frames that are worked on side by side are on one track")
	}
}

// What is written is whole at every moment, but for the bracket at its end, and
// memory does not grow.
func TestCutOff(t *testing.T) {
	var m memory
	w := trace.New(&m, false)
	const frames = 250
	for i := range frames {
		r := &msg.FrameReport{Header: msg.Header{Camera: "front", Seq: uint64(i), Arrived: time.Duration(i) * 100 * ms}, Outcome: msg.Late, Age: 60 * ms, Stages: full}
		for lost := w.Lost(); ; lost = w.Lost() { // faster than any camera: give it again
			w.Frame(r)
			if w.Lost() == lost {
				break
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if len(m.cuts) < 5 {
		t.Fatalf("written at %v", m.cuts)
	}
	last := 0
	for i, cut := range m.cuts {
		if cut-last > 80<<10 {
			t.Errorf("%d bytes were kept in memory", cut-last)
		}
		last = cut
		text := string(m.Bytes()[:cut])
		if i < len(m.cuts)-1 {
			text += "]"
		}
		read(t, []byte(text))
	}
	n := 0
	for _, e := range read(t, m.Bytes()) {
		if e.Name == "late" {
			n++
		}
	}
	if n != frames {
		t.Errorf("%d of %d frames", n, frames)
	}
}

// stuck is a file on a disk that does not answer until it is let.
type stuck struct {
	memory
	open chan struct{}
}

func (s *stuck) Write(b []byte) (int, error) { <-s.open; return s.memory.Write(b) }

func TestAFrameNeverWaitsForTheDisk(t *testing.T) {
	s := &stuck{open: make(chan struct{})}
	w := trace.New(s, false)
	const frames = 10000
	for i := range frames {
		w.Frame(&msg.FrameReport{Header: msg.Header{Camera: "front", Seq: uint64(i)}, Outcome: msg.Dropped})
	}
	close(s.open)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	n := uint64(0)
	for _, e := range read(t, s.Bytes()) {
		if e.Name == "dropped" {
			n++
		}
	}
	if n+w.Lost() != frames || w.Lost() == 0 {
		t.Errorf("%d written and %d lost of %d", n, w.Lost(), frames)
	}
	w.Frame(&msg.FrameReport{}) // after the end: it does no harm
}

type fullDisk struct{ memory }

func (*fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestAWriteErrorIsToldAtTheEnd(t *testing.T) {
	w := trace.New(&fullDisk{}, false)
	w.Frame(&msg.FrameReport{})
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Error(err)
	}
}

func TestCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.json")
	w, err := trace.Create(path, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil || len(read(t, b)) != 0 {
		t.Errorf("%v: %s", err, b)
	}
	if _, err := trace.Create(filepath.Join(path, "x"), true); err == nil {
		t.Error("made a file in a file")
	}
}
