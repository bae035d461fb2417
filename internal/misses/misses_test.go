package misses_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"dashline/internal/misses"
	"dashline/pipeline/msg"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

func frame(seq int, o msg.Outcome) *msg.FrameReport {
	return &msg.FrameReport{Header: msg.Header{Camera: "front", Seq: uint64(seq), Arrived: time.Duration(seq) * 33 * ms}, Outcome: o, Age: 50 * ms, Deadline: 100 * ms, Rung: "large"}
}

// keep gives reports to a keeper and reads what it has written.
func keep(t *testing.T, o misses.Options, reports ...*msg.FrameReport) (names []string, bundles []*misses.Bundle, s misses.Stats) {
	t.Helper()
	var ticks atomic.Int64
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "misses")
	}
	o.Now = func() time.Time { return start.Add(time.Duration(ticks.Add(1)) * 33 * ms) }
	k := misses.New(o)
	for _, r := range reports {
		for lost := k.Lost(); ; lost = k.Lost() { // faster than any camera: give it again
			k.Frame(r)
			if k.Lost() == lost {
				break
			}
			runtime.Gosched()
		}
	}
	s, err := k.Close()
	if err != nil {
		t.Fatal(err)
	}
	names, err = filepath.Glob(filepath.Join(o.Dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := misses.Read(f)
		f.Close()
		if err != nil {
			t.Fatal(name, err)
		}
		bundles = append(bundles, b)
	}
	return names, bundles, s
}

// run is one of n frames on time, but for those that are late.
func run(n int, late ...int) (all []*msg.FrameReport) {
	for i := range n {
		o := msg.OnTime
		if slices.Contains(late, i) {
			o = msg.Late
		}
		all = append(all, frame(i, o))
	}
	return all
}

func TestWhatIsKept(t *testing.T) {
	with := func(seq int, change func(r *msg.FrameReport)) []*msg.FrameReport {
		all := run(100)
		change(all[seq])
		return all
	}
	for _, tt := range []struct {
		name    string
		reports []*msg.FrameReport
		want    []string // the misses, and the first and the last report of each bundle
	}{
		{"nothing", run(100), nil},
		{"a late frame", run(100, 50), []string{"[50] 20-80"}},
		{"a failed frame", with(50, func(r *msg.FrameReport) { r.Outcome = msg.Failed }), []string{"[50] 20-80"}},
		{"one dropped for its deadline", with(50, func(r *msg.FrameReport) { r.Outcome, r.Reason = msg.Dropped, "deadline" }), []string{"[50] 20-80"}},
		{"one dropped for a newer one", with(50, func(r *msg.FrameReport) { r.Outcome, r.Reason = msg.Dropped, "newer" }), nil},
		{"the first frame", run(100, 0), []string{"[0] 0-30"}},
		{"the last frame", run(100, 99), []string{"[99] 69-99"}},
		{"neighbours", run(200, 50, 60, 90), []string{"[50 60 90] 20-120"}},
		{"not quite neighbours", run(200, 50, 81), []string{"[50] 20-80", "[81] 51-111"}},
		{"on and on", run(400, func() (all []int) {
			for i := 0; i < 400; i += 10 {
				all = append(all, i)
			}
			return all
		}()...), []string{fmt.Sprint(func() (all []int) {
			for i := 0; i < 300; i += 10 {
				all = append(all, i)
			}
			return all
		}()) + " 0-299", "[300 310 320 330 340 350 360 370 380 390] 270-399"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, bundles, s := keep(t, misses.Options{}, tt.reports...)
			var got []string
			for _, b := range bundles {
				var seqs []uint64
				for _, m := range b.Misses {
					seqs = append(seqs, m.Frame)
				}
				all := b.FrameReports()
				got = append(got, fmt.Sprintf("%v %d-%d", seqs, all[0].Seq, all[len(all)-1].Seq))
				for i, r := range all {
					if !reflect.DeepEqual(r, tt.reports[int(all[0].Seq)+i]) {
						t.Fatalf("%+v, want %+v", r, tt.reports[int(all[0].Seq)+i])
					}
				}
			}
			if !slices.Equal(got, tt.want) || s.Written != len(tt.want) || s.Left != 0 {
				t.Errorf("%v, %+v, want %v", got, s, tt.want)
			}
		})
	}
}

func TestTheMachine(t *testing.T) {
	all := run(200, 100)
	for i := range all {
		if i >= 95 {
			all[i].Rung = "tiny"
		}
	}
	names, bundles, _ := keep(t, misses.Options{}, all...)
	b := bundles[0]
	if want := []misses.Switch{{Frame: misses.Frame{Camera: "front", Frame: 95}, From: "large", To: "tiny"}}; !reflect.DeepEqual(b.Switches, want) {
		t.Errorf("switches %+v", b.Switches)
	}
	m := b.Machine
	if m.Over <= 0 || m.Cores < 1 || m.Procs < 1 || m.Goroutines < 1 || m.Heap == 0 || m.Mapped < m.Heap || m.Goal == 0 {
		t.Errorf("%+v", m)
	}
	if m.Waits.P50 > m.Waits.P99 || m.Waits.P99 > m.Waits.Max {
		t.Errorf("waits %+v", m.Waits)
	}
	if want := "-0001-front-100.json"; !strings.HasSuffix(names[0], want) {
		t.Errorf("%s does not end in %s", names[0], want)
	}
	text := strings.Join(b.Words(), "\n")
	for _, want := range []string{"collector of garbage", "heap"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// The words of what was measured.
func TestWords(t *testing.T) {
	b := misses.Bundle{Machine: misses.Machine{
		Over: 2500, Cores: 4, Procs: 2, Load: []float64{3.5, 1, 1}, Pressure: "some avg10=40.00\x1b[2J", Heap: 5e6, Goal: 9e6,
		Pauses: []misses.Pause{{At: -20, Took: 0.5}, {At: 3, Took: 0.25}},
		Waits:  misses.Waits{Count: 900, P99: 2, Max: 8},
	}}
	want := []string{
		"In the 2.5 s around it Go's collector of garbage stopped the program 2 times, for 0.50 ms at most (20.0 ms before the miss was known).",
		"Goroutines waited for a processor 900 times: 2.00 ms at the 99th percentile, 8.00 ms at most.",
		"The load average was 3.50 on 4 cores, of which Go used 2.",
		"Pressure on the processors: some avg10=40.00\uFFFD[2J.",
		"Go's heap had 5.0 MB of objects and was to be collected at 9.0 MB.",
	}
	if got := b.Words(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// far are n misses that have a bundle each.
func far(n int) []*msg.FrameReport {
	var late []int
	for i := range n {
		late = append(late, 100*i+50)
	}
	return run(100*n, late...)
}

// The first bundles stay, and of the others the latest.
func TestBounds(t *testing.T) {
	kept := func(bundles []*misses.Bundle) (seqs []uint64) {
		for _, b := range bundles {
			seqs = append(seqs, b.Misses[0].Frame)
		}
		return seqs
	}
	_, bundles, s := keep(t, misses.Options{Most: 5}, far(9)...)
	if got := kept(bundles); !slices.Equal(got, []uint64{50, 150, 250, 750, 850}) || s.Written != 9 || s.Left != 0 {
		t.Errorf("%v %+v", got, s)
	}
	names, bundles, _ := keep(t, misses.Options{}, far(1)...)
	info, err := os.Stat(names[0])
	if err != nil || len(bundles) != 1 {
		t.Fatal(err)
	}
	size := info.Size()
	names, bundles, s = keep(t, misses.Options{Bytes: 5 * size}, far(9)...)
	sum := int64(0)
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
	}
	got := kept(bundles)
	if sum > 5*size || len(got) < 3 || got[0] != 50 || got[len(got)-1] != 850 || s.Written != 9 {
		t.Errorf("%v of %d bytes, %+v", got, sum, s)
	}
	if _, bundles, s = keep(t, misses.Options{Bytes: size / 2}, far(3)...); len(bundles) != 0 || s.Written != 0 || s.Left != 3 {
		t.Errorf("%d bundles where there is no room, %+v", len(bundles), s)
	}
}

func TestABundleThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	k := misses.New(misses.Options{Dir: filepath.Join(file, "misses")})
	for _, r := range run(60, 5) {
		k.Frame(r)
	}
	s, err := k.Close()
	if err == nil || s.Written != 0 || s.Left != 1 {
		t.Errorf("%v %+v", err, s)
	}
}

// However many reports come at once, none waits, and each is looked at or counted.
func TestAFrameNeverWaits(t *testing.T) {
	entered, hold := make(chan struct{}), make(chan struct{})
	var asked atomic.Int64
	k := misses.New(misses.Options{Dir: t.TempDir(), Now: func() time.Time {
		// By New, then for each report, and then by who writes, who hangs in this.
		if asked.Add(1) == 1+1+misses.Around+1 {
			close(entered)
			<-hold
		}
		return time.Unix(1, 0)
	}})
	for _, r := range run(1+misses.Around, 0) {
		k.Frame(r)
	}
	<-entered
	const more = 1000
	for range more {
		k.Frame(frame(100, msg.OnTime))
	}
	lost := k.Lost()
	close(hold)
	s, err := k.Close()
	if err != nil || lost == 0 || lost >= more || s.Lost != lost || s.Written != 1 {
		t.Errorf("%v %+v, %d lost while the disk did not answer", err, s, lost)
	}
}

func TestRead(t *testing.T) {
	for _, tt := range []struct{ name, text, err string }{
		{"nothing", "", "unexpected end"},
		{"another file", `{"a":1}`, `its format is ""`},
		{"another version", `{"format":"dashline miss bundle 2"}`, `this version reads "dashline miss bundle 1"`},
		{"no frame", `{"format":"dashline miss bundle 1"}`, "no frame"},
		{"a word for a number", `{"format":"dashline miss bundle 1","reports":[{"age_ms":"x"}]}`, "age_ms"},
		{"too large", strings.Repeat(" ", misses.MaxBytes+1), "larger than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := misses.Read(strings.NewReader(tt.text)); err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A report comes back from a bundle as it was.
func TestAnyReportComesBack(t *testing.T) {
	dir := t.TempDir()
	d := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.Int64Range(int64(-40*24*time.Hour), int64(40*24*time.Hour)).Draw(t, "time"))
	})
	word := rapid.OneOf(rapid.SampledFrom([]string{"", "front", "</script>", "\x00\x1b\"\\"}), rapid.StringN(0, 20, 60))
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		r := &msg.FrameReport{
			Header: msg.Header{Camera: word.Draw(t, "camera"), Seq: rapid.Uint64().Draw(t, "seq"), Arrived: d.Draw(t, "arrived"), PTS: d.Draw(t, "pts"),
				CapturedAt: time.Unix(rapid.Int64Range(0, 1e10).Draw(t, "captured"), 5).UTC(), CaptureClock: msg.CaptureClock(word.Draw(t, "clock"))},
			Outcome: msg.Late, Stage: word.Draw(t, "stage"), Reason: word.Draw(t, "reason"), Detail: word.Draw(t, "detail"),
			Age: d.Draw(t, "age"), Deadline: d.Draw(t, "deadline"), Rung: word.Draw(t, "rung"), Predicted: d.Draw(t, "predicted"), Canary: word.Draw(t, "canary"), Lag: d.Draw(t, "lag"),
		}
		for range rapid.IntRange(0, 4).Draw(t, "stages") {
			r.Stages = append(r.Stages, msg.StageTime{Stage: word.Draw(t, "of"), Took: d.Draw(t, "took")})
		}
		for range rapid.IntRange(0, 2).Draw(t, "networks") {
			r.Networks = append(r.Networks, msg.Network{Name: word.Draw(t, "network"), Engine: "ort", Requested: "cuda", Backend: "cpu"})
		}
		round++
		to := filepath.Join(dir, fmt.Sprint(round))
		k := misses.New(misses.Options{Dir: to})
		k.Frame(r)
		if _, err := k.Close(); err != nil {
			t.Fatal(err)
		}
		files, _ := os.ReadDir(to)
		if len(files) != 1 {
			t.Fatal(files)
		}
		f, err := os.Open(filepath.Join(to, files[0].Name()))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b, err := misses.Read(f)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.FrameReports(); len(got) != 1 || !reflect.DeepEqual(got[0], r) {
			t.Fatalf("%+v, want %+v", got[0], r)
		}
	})
}

func FuzzRead(f *testing.F) {
	b, err := json.Marshal(misses.Bundle{
		Format: misses.Format, Misses: []misses.Frame{{Camera: "front", Frame: 1}},
		Reports: []misses.Report{{Camera: "front", Seq: 1, Outcome: "late", Age: 1e300, Stages: []misses.Stage{{Name: "forward", Took: -1e300}}}},
		Machine: misses.Machine{Load: []float64{1}, Pauses: []misses.Pause{{At: 1, Took: 2}}, Waits: misses.Waits{Count: 1}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"format":"dashline miss bundle 1","reports":[{}],"misses":[{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := misses.Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		if len(b.FrameReports()) != len(b.Reports) || len(b.Words()) == 0 {
			t.Error("a part is missing")
		}
	})
}
