package bench_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dashline/internal/config"
	"dashline/internal/session"
	"dashline/internal/testkit"
)

var soak = flag.Duration("soak", 6*time.Second, "how long TestSoak runs")

// sample is what the process holds at one moment.
type sample struct {
	rssKB, files, goroutines, mats int
}

func take(t testing.TB) sample {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("this test reads /proc/self, which is not there: ", err)
	}
	var s sample
	for line := range bytes.Lines(status) {
		if f := bytes.Fields(line); len(f) == 3 && string(f[0]) == "VmRSS:" {
			s.rssKB, _ = strconv.Atoi(string(f[1]))
		}
	}
	s.files, s.goroutines = len(descriptors(t)), runtime.NumGoroutine()
	if p := pprof.Lookup("gocv.io/x/gocv.Mat"); p != nil { // with -tags matprofile
		s.mats = p.Count()
	}
	return s
}

// descriptors are the files, sockets and others that the process has open.
func descriptors(t testing.TB) []string {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Error(err) // not Fatal: this also runs beside the test
	}
	var names []string
	for _, e := range open {
		// That of this very reading is closed again.
		if name, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			names = append(names, name)
		}
	}
	return names
}

// warmUp runs a session of a second: the Go runtime and the libraries keep some
// descriptors from their first use on.
func warmUp(t testing.TB, cfg config.Config) {
	t.Helper()
	cfg.Duration = time.Second
	s, err := session.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(context.Background()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestSoak runs the whole program on a looped video and looks at what it holds
// on to. Run it long with
//
//	go test -tags matprofile ./bench -run Soak -v -soak 10m -timeout 30m
//
// Descriptors, goroutines and Mats must be the same all along, and when all is
// closed no more than before; from two minutes on, resident memory too: the
// median of the last quarter may be at most 2 % above that of the second
// quarter.
func TestSoak(t *testing.T) {
	testkit.UseAssets(t)
	cfg := config.Default()
	cfg.Source, cfg.Quiet, cfg.Loop = testkit.Asset(t, drive), true, true
	cfg.Deadline = time.Hour // what is counted here is memory
	first := descriptors(t)
	warmUp(t, cfg)
	cfg.Duration = *soak
	before := take(t)
	s, err := session.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	every := max(*soak/120, 200*time.Millisecond)
	stop, watched := make(chan struct{}), make(chan []sample)
	go func() {
		var all []sample
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				all = append(all, take(t))
			case <-stop:
				watched <- all
				return
			}
		}
	}()
	sum, err := s.Run(context.Background())
	close(stop)
	all := <-watched
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if sum.Frames.Failed > 0 || sum.Frames.Produced < 20 {
		t.Fatalf("frames: %+v", sum.Frames)
	}
	quarter := len(all) / 4
	if quarter == 0 {
		t.Fatal("too short to say anything: use -soak 6s or more")
	}
	q2, q4 := medians(all[quarter:2*quarter]), medians(all[3*quarter:])
	after := take(t)
	t.Logf("%v, %d frames, %d samples", *soak, sum.Frames.Produced, len(all))
	t.Logf("before       %+v", before)
	t.Logf("2nd quarter  %+v", q2)
	t.Logf("4th quarter  %+v (memory x %.4f)", q4, float64(q4.rssKB)/float64(q2.rssKB))
	t.Logf("after        %+v", after)

	// One round of the loop opens the file anew; the median sees through it.
	if q4.files > q2.files || q4.goroutines > q2.goroutines || q4.mats > q2.mats {
		t.Errorf("something leaks: %+v, then %+v", q2, q4)
	}
	if after.files > before.files {
		t.Errorf("%d descriptors are left open: %v", after.files-before.files, descriptors(t))
	}
	// What is kept from the first use on may be an epoll, not a file.
	for _, name := range descriptors(t) {
		if strings.HasPrefix(name, "/") && !slices.Contains(first, name) {
			t.Errorf("%s is left open", name)
		}
	}
	if after.mats > before.mats {
		t.Errorf("%d Mats are left open", after.mats-before.mats)
	}
	if *soak >= 2*time.Minute && q4.rssKB > q2.rssKB+q2.rssKB/50 {
		t.Errorf("resident memory grows: %d kB in the second quarter, %d kB in the last", q2.rssKB, q4.rssKB)
	}
}

func medians(v []sample) sample {
	at := func(get func(sample) int) int {
		var x []int
		for _, s := range v {
			x = append(x, get(s))
		}
		slices.Sort(x)
		return x[len(x)/2]
	}
	return sample{
		at(func(s sample) int { return s.rssKB }), at(func(s sample) int { return s.files }),
		at(func(s sample) int { return s.goroutines }), at(func(s sample) int { return s.mats }),
	}
}
