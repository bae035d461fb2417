package gate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dashline/bench/stats"
	"dashline/bench/worker"
	"dashline/internal/config"
	"dashline/internal/testkit"
)

// The test's own binary is a worker when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "bench" && os.Args[2] == "worker" {
		if err := worker.Serve(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testkit.Main(m)
}

// short is a run with no lanes, of this binary beside itself.
func short(t *testing.T) Options {
	t.Helper()
	t.Setenv("DASHLINE_DATA", filepath.Join(testkit.Root(), "testdata"))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Source = filepath.Join(testkit.Root(), "testdata", "drives", "default.mp4")
	cfg.Lanes.Enabled = false
	text, err := Shared(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Base: Binary{"base", self}, Head: Binary{"head", self}, Config: text,
		Time: 4 * time.Second, Stall: 5 * time.Millisecond, Seed: 1, least: 16,
	}
}

// Two real workers of one build: nothing is worse, and both saw the same. With a
// stage that takes three times as long, that stage is.
func TestMeasureLargeNetworks(t *testing.T) {
	if testing.Short() {
		t.Skip("runs two pipelines for some seconds")
	}
	perf(t, counts)
	for _, tt := range []struct {
		name   string
		faults []worker.Fault
		worse  bool
	}{
		{"alike", nil, false},
		{"forward takes three times as long", []worker.Fault{{Stage: "forward", Percent: 200}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := short(t)
			o.Faults = tt.faults
			o.Every = 100
			// Tracks go by time, so messages of one build differ a little: four pairs of
			// processes do not always show by how little, eight do.
			o.Rounds, o.least = 8, 8
			var err error
			if o.Perf, err = FindPerf(t.Context()); err != nil {
				t.Fatal(err)
			}
			e, err := Measure(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			r := Judge(e, DefaultThresholds())
			forward := figure(t, &r, "forward")
			if got := r.Verdict == stats.Worse; got != tt.worse {
				t.Errorf("%s: %s; %+v", r.Verdict, r.Why, r.Figures)
			}
			if tt.worse && (forward.Verdict != stats.Worse || len(r.Slower) != 1 || r.Slower[0] != "forward") {
				t.Errorf("%+v, slower %v", forward, r.Slower)
			}
			for _, name := range []string{"frame", "lost", "cpu", "allocations", "allocated", "peak", "messages", "accuracy", "instructions"} {
				figure(t, &r, name)
			}
			if f := figure(t, &r, "accuracy"); f.Verdict != stats.Same || f.Base != f.Head {
				t.Errorf("the same detector: %+v", f)
			}
			if f := figure(t, &r, "messages"); f.Verdict != stats.Same {
				t.Errorf("the same messages: %+v", f)
			}
		})
	}
}

func TestMeasureWhatIsNoWorker(t *testing.T) {
	o := short(t)
	script := filepath.Join(t.TempDir(), "old")
	sh := testkit.Program(t, "sh")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct{ text, says string }{
		"no program":                {"\x7fELF nonsense", "is it a program?"},
		"a build without a worker":  {"#!" + sh + "\necho 'dashline: unexpected argument worker' >&2; exit 80\n", "A newer base may do"},
		"a program that says other": {"#!" + sh + "\nread x; echo hello; sleep 1\n", "A newer base may do"},
		"another protocol":          {"#!" + sh + "\nread x; echo '{\"error\":\"protocol 1 is asked for, and this build speaks 9\"}'\n", "rebuild the older"},
	} {
		t.Run(name, func(t *testing.T) {
			write(tt.text)
			o.Base = Binary{"old", script}
			if _, err := Measure(t.Context(), o); err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "base (old)") {
				t.Errorf("%v", err)
			}
		})
	}
}

// A build that hangs, or goes on talking, does not hang the gate.
func TestMeasureWhatHangs(t *testing.T) {
	sh := testkit.Program(t, "sh")
	for name, tt := range map[string]struct{ text, says string }{
		"silent":    {"exec sleep 1000", "head (new): there was no answer when the run had taken"},
		"talkative": {"exec yes '{}'", "(new): it answered no frames"},
	} {
		t.Run(name, func(t *testing.T) {
			o := short(t)
			o.Time, o.slack = time.Second, 3*time.Second
			o.Head = Binary{"new", filepath.Join(t.TempDir(), "new")}
			if err := os.WriteFile(o.Head.Path, []byte("#!"+sh+"\n"+tt.text+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			testkit.Promptly(t, func() {
				if _, err := Measure(t.Context(), o); err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%v", err)
				}
			})
		})
	}
}

func TestMeasureWhatIsWrong(t *testing.T) {
	o := short(t)
	o.Config = "source: nothing-there.mp4"
	_, err := Measure(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "nothing-there.mp4") {
		t.Errorf("%v", err)
	}
	o.Config = "detect: {network: no-such-network}"
	_, err = Measure(t.Context(), o)
	if order, ok := errors.AsType[*worker.OrderError](err); !ok || !order.Usage {
		t.Errorf("%v", err)
	}
}

func TestMeasureInterrupted(t *testing.T) {
	o := short(t)
	ctx, cancel := context.WithCancel(t.Context())
	o.Progress = func(what string) {
		if strings.Contains(what, "ms a frame") {
			cancel()
		}
	}
	if _, err := Measure(ctx, o); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "new enough") {
		t.Errorf("%v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	o.Progress = func(what string) { // while they start
		if strings.Contains(what, "starting") {
			time.AfterFunc(20*time.Millisecond, cancel)
		}
	}
	if _, err := Measure(ctx, o); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "new enough") {
		t.Errorf("while starting: %v", err)
	}
}
