package machine

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"
)

func stat(pid, parent int, name string, utime, stime, waited int) string {
	return fmt.Sprintf("%d (%s) S %d 1 1 0 -1 0 1 0 0 0 %d %d %d 0 20 0 1 0", pid, name, parent, utime, stime, waited)
}

func put(m fstest.MapFS, name, text string) { m[name] = &fstest.MapFile{Data: []byte(text)} }

func processors(user, idle, steal int) string {
	return fmt.Sprintf("cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 %d 0 0 %d 0 0 0 %d 0 0\ncpu1 77 0 0 0 0 0 0 0 0 0\n", user, idle, steal)
}

func TestNoise(t *testing.T) {
	quiet := Facts{Cores: 4}
	for _, tt := range []struct {
		name               string
		facts              Facts
		load               string
		user, idle, steal  int // of processor 0, while it was watched
		own, child, waited int // ticks of this process, of its child's child, of one that it waited for
		other, given       int
		want               Noise
	}{
		{name: "quiet", facts: quiet, load: "1.0 1 1", user: 500, idle: 500, own: 490, want: Noise{LoadBefore: 1, Others: .01}},
		{name: "children are its own", facts: quiet, load: "0.5 1 1", user: 500, idle: 500, own: 100, child: 200, waited: 100, given: 60, other: 40,
			want: Noise{LoadBefore: .5, Others: .04}},
		{name: "others", facts: quiet, load: "0.5 1 1", user: 500, idle: 500, own: 400, other: 100,
			want: Noise{LoadBefore: .5, Others: .1, Noisy: true, Why: "other processes had 10.0 % of the processors' time (more than 5 %)"}},
		{name: "stolen", facts: quiet, load: "0.5 1 1", user: 400, idle: 500, steal: 100, own: 400,
			want: Noise{LoadBefore: .5, Steal: .1, Noisy: true, Why: "other machines had 10.0 % of it (more than 1 %)"}},
		{name: "loaded before", facts: quiet, load: "2.50 1 1", user: 500, idle: 500, own: 500,
			want: Noise{LoadBefore: 2.5, Noisy: true, Why: "the load before was 2.50 (more than half of 4 cores)"}},
		{name: "governor", facts: Facts{Cores: 4, Governor: "powersave"}, load: "0 0 0", user: 500, idle: 500, own: 500,
			want: Noise{Noisy: true, Why: "the governor is powersave, so that the processors' speed changes with the load"}},
		{name: "good governor", facts: Facts{Cores: 4, Governor: "performance"}, load: "0 0 0", user: 500, idle: 500, own: 500},
		{name: "too short", facts: quiet, load: "0 0 0", user: 40, idle: 50, own: 1,
			want: Noise{Noisy: true, Why: "what else ran is not known: the time was too short to tell"}},
		{name: "load not known", facts: quiet, load: "nan", user: 500, idle: 500, own: 500,
			want: Noise{Noisy: true, Why: "the load before is not known"}},
		{name: "more than the processors did, by ticks", facts: quiet, load: "0 0 0", user: 500, idle: 500, own: 503},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := tree(
				"proc/loadavg", tt.load,
				"proc/self/status", "Name:\tx\nCpus_allowed_list:\t0,2-3\n",
				"proc/stat", processors(1000, 2000, 30),
				"proc/7/stat", stat(7, 1, "bench) (x", 10, 5, 3),
				"proc/8/stat", stat(8, 7, "sh", 0, 0, 0),
				"proc/9/stat", stat(9, 8, "subject", 20, 0, 0),
				"proc/20/stat", stat(20, 1, "other", 50, 0, 0),
				"proc/30/stat", stat(30, 1, "given", 50, 0, 0),
			)
			w := start(m, 7, tt.facts, 30)
			put(m, "proc/stat", strings.Replace(processors(1000+tt.user, 2000+tt.idle, 30+tt.steal), "cpu1 77", "cpu1 9999", 1))
			put(m, "proc/7/stat", stat(7, 1, "bench) (x", 10, 5+tt.own, 3+tt.waited))
			put(m, "proc/9/stat", stat(9, 8, "subject", 20+tt.child, 0, 0))
			put(m, "proc/20/stat", stat(20, 1, "other", 50+tt.other, 0, 0))
			put(m, "proc/30/stat", stat(30, 1, "given", 50, tt.given, 0))
			got := w.Stop()
			if math.Abs(got.Others-tt.want.Others) > 1e-9 || math.Abs(got.Steal-tt.want.Steal) > 1e-9 {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			got.Others, got.Steal, tt.want.Others, tt.want.Steal = 0, 0, 0, 0
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestAChildThatEndsIsCountedOnce: its time moves to the one that waited for it.
func TestAChildThatEndsIsCountedOnce(t *testing.T) {
	m := tree("proc/loadavg", "0 0 0", "proc/stat", processors(0, 0, 0),
		"proc/7/stat", stat(7, 1, "bench", 10, 0, 0), "proc/8/stat", stat(8, 7, "subject", 400, 0, 0))
	w := start(m, 7, Facts{Cores: 1})
	put(m, "proc/stat", processors(200, 0, 0))
	delete(m, "proc/8/stat")
	put(m, "proc/7/stat", stat(7, 1, "bench", 10, 0, 500)) // 400 were before
	if n := w.Stop(); n.Others != .5 {
		t.Errorf("got %+v; want half", n)
	}
}

func TestNoiseIsUnknownWithoutFiles(t *testing.T) {
	for name, m := range map[string]fstest.MapFS{
		"none":           tree(),
		"no processors":  tree("proc/loadavg", "0 0 0", "proc/7/stat", stat(7, 1, "x", 1, 1, 1)),
		"no own process": tree("proc/loadavg", "0 0 0", "proc/stat", processors(1, 1, 1)),
		"a short line":   tree("proc/loadavg", "0 0 0", "proc/stat", "cpu0 1 2 3\n", "proc/7/stat", stat(7, 1, "x", 1, 1, 1)),
	} {
		if n := start(m, 7, Facts{Cores: 1}).Stop(); !n.Noisy || !strings.Contains(n.Why, "what else ran is not known: /proc does not tell") {
			t.Errorf("%s: %+v", name, n)
		}
	}
}

func TestWatchHere(t *testing.T) {
	if _, err := os.Stat("/proc/stat"); err != nil {
		t.Skip("no /proc/stat")
	}
	w := Start(Read())
	for s := w.begin; s.processors.total < w.begin.processors.total+2*minTicks; { // works, for the processors' time is what is waited for
		s = w.sample()
	}
	n := w.Stop()
	if strings.Contains(n.Why, "not known") || n.Others < 0 || n.Others > 1 || n.LoadBefore < 0 {
		t.Errorf("got %+v", n)
	}
	t.Logf("%+v", n)
}

func TestEnergy(t *testing.T) {
	const limit = "262143328850"
	m := tree(
		"intel-rapl:0/name", "package-0\n", "intel-rapl:0/energy_uj", "1000000\n", "intel-rapl:0/max_energy_range_uj", limit,
		"intel-rapl:0:0/name", "core\n", "intel-rapl:0:0/energy_uj", "77\n", "intel-rapl:0:0/max_energy_range_uj", limit,
		"intel-rapl:0:1/name", "dram\n", "intel-rapl:0:1/energy_uj", "0\n", "intel-rapl:0:1/max_energy_range_uj", limit,
		"intel-rapl:1/name", "package-1\n", "intel-rapl:1/energy_uj", "262143328000\n", "intel-rapl:1/max_energy_range_uj", limit,
		"intel-rapl:2/name", "psys\n", "intel-rapl:2/energy_uj", "5\n", "intel-rapl:2/max_energy_range_uj", limit,
		"intel-rapl-mmio:0/name", "package-0\n", "intel-rapl-mmio:0/energy_uj", "5\n", "intel-rapl-mmio:0/max_energy_range_uj", limit,
	)
	e, err := openEnergy(m)
	if err != nil {
		t.Fatal(err)
	}
	want := func(joules float64) {
		t.Helper()
		if got, err := e.Joules(); err != nil || math.Abs(got-joules) > 1e-9 {
			t.Errorf("got %g J, %v; want %g", got, err, joules)
		}
	}
	want(0)
	put(m, "intel-rapl:0/energy_uj", "3500000\n")
	put(m, "intel-rapl:0:0/energy_uj", "9999999\n")   // within the package
	put(m, "intel-rapl:2/energy_uj", "9999999\n")     // all of the machine
	put(m, "intel-rapl-mmio:0/energy_uj", "999999\n") // the same again
	want(2.5)
	put(m, "intel-rapl:0:1/energy_uj", "250000\n")
	put(m, "intel-rapl:1/energy_uj", "249150\n") // went round
	want(2.5 + .25 + .25)
	want(3)
	delete(m, "intel-rapl:1/energy_uj")
	if _, err := e.Joules(); err == nil {
		t.Error("a counter that left is no error")
	}
	put(m, "intel-rapl:1/energy_uj", "349150\n")
	want(3.1)
}

func TestEnergyThatIsNotTold(t *testing.T) {
	for name, m := range map[string]fstest.MapFS{
		"no folder":  tree(),
		"psys alone": tree("intel-rapl:0/name", "psys", "intel-rapl:0/energy_uj", "1", "intel-rapl:0/max_energy_range_uj", "9"),
		"no range":   tree("intel-rapl:0/name", "package-0", "intel-rapl:0/energy_uj", "1"),
		"no number":  tree("intel-rapl:0/name", "package-0", "intel-rapl:0/energy_uj", "-1", "intel-rapl:0/max_energy_range_uj", "9"),
	} {
		if _, err := openEnergy(m); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestEnergyGoesRound: whatever a counter does within its range, the sum is what
// was taken.
func TestEnergyGoesRound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Uint64Range(1, 1<<40).Draw(t, "limit")
		at := rapid.Uint64Range(0, limit-1).Draw(t, "begin")
		m := tree("intel-rapl:0/name", "package-0", "intel-rapl:0/energy_uj", fmt.Sprint(at), "intel-rapl:0/max_energy_range_uj", fmt.Sprint(limit))
		e, err := openEnergy(m)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.
		for _, step := range rapid.SliceOf(rapid.Uint64Range(0, limit-1)).Draw(t, "steps") {
			at = (at + step) % limit
			sum += float64(step) / 1e6
			put(m, "intel-rapl:0/energy_uj", fmt.Sprint(at))
			if got, err := e.Joules(); err != nil || math.Abs(got-sum) > 1e-6*(1+sum) {
				t.Fatalf("got %g, %v; want %g", got, err, sum)
			}
		}
	})
}

// FuzzEnergy: whatever counters hold, joules are not negative and do not shrink.
func FuzzEnergy(f *testing.F) {
	f.Add("100", "5", "200")
	f.Add("4611686018427387903", "0", "4611686018427387903")
	f.Add("-1", "x", "")
	f.Add("9", "3", "5")
	f.Fuzz(func(t *testing.T, first, then, limit string) {
		m := tree("intel-rapl:0/name", "package-0", "intel-rapl:0/energy_uj", first, "intel-rapl:0/max_energy_range_uj", limit)
		e, err := openEnergy(m)
		if err != nil {
			return
		}
		last := 0.
		for range 3 {
			put(m, "intel-rapl:0/energy_uj", then)
			j, err := e.Joules()
			if err != nil {
				return
			}
			if j < last {
				t.Fatalf("%g after %g", j, last)
			}
			last = j
		}
	})
}
