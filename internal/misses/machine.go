package misses

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// sample is the state of the process at a moment.
type sample struct {
	at         time.Time
	goroutines uint64
	heap       uint64
	mapped     uint64
	goal       uint64
	waits      *metrics.Float64Histogram
}

const (
	waitsMetric      = "/sched/latencies:seconds"
	goroutinesMetric = "/sched/goroutines:goroutines"
	heapMetric       = "/memory/classes/heap/objects:bytes"
	mappedMetric     = "/memory/classes/total:bytes"
	goalMetric       = "/gc/heap/goal:bytes"
)

// take reads the state of the process. What this version of Go does not tell is 0.
func take(now time.Time) sample {
	values := []metrics.Sample{{Name: waitsMetric}, {Name: goroutinesMetric}, {Name: heapMetric}, {Name: mappedMetric}, {Name: goalMetric}}
	metrics.Read(values)
	s := sample{at: now}
	if values[0].Value.Kind() == metrics.KindFloat64Histogram {
		s.waits = values[0].Value.Float64Histogram()
	}
	for i, to := range []*uint64{&s.goroutines, &s.heap, &s.mapped, &s.goal} {
		if v := values[i+1].Value; v.Kind() == metrics.KindUint64 {
			*to = v.Uint64()
		}
	}
	return s
}

// machine is how things were from one sample to another, around a miss that was
// known at a moment.
func machine(before, after sample, known time.Time) Machine {
	m := Machine{
		Over: millis(after.at.Sub(before.at)), Cores: runtime.NumCPU(), Procs: runtime.GOMAXPROCS(0),
		Goroutines: after.goroutines, Heap: after.heap, Mapped: after.mapped, Goal: after.goal,
		Waits: waitsBetween(before.waits, after.waits), Load: load(), Pressure: pressure(),
	}
	var gc debug.GCStats
	debug.ReadGCStats(&gc) // the latest 256, the newest first
	for i := min(len(gc.Pause), len(gc.PauseEnd)) - 1; i >= 0; i-- {
		if end := gc.PauseEnd[i]; end.After(before.at) && !end.After(after.at) {
			m.Pauses = append(m.Pauses, Pause{millis(end.Sub(known)), millis(gc.Pause[i])})
		}
	}
	return m
}

// waitsBetween sums up what came to a histogram from one reading to another.
func waitsBetween(before, after *metrics.Float64Histogram) (w Waits) {
	if after == nil {
		return w
	}
	count := make([]uint64, len(after.Counts))
	for i, n := range after.Counts {
		if before != nil && i < len(before.Counts) {
			n -= min(n, before.Counts[i])
		}
		count[i] = n
		w.Count += n
	}
	var seen uint64
	for i, n := range count {
		if n == 0 {
			continue
		}
		end := after.Buckets[i+1]
		if math.IsInf(end, 1) {
			end = after.Buckets[i]
		}
		before := seen
		seen += n
		if at := w.Count / 2; before <= at && at < seen {
			w.P50 = end * 1e3
		}
		if at := w.Count * 99 / 100; before <= at && at < seen {
			w.P99 = end * 1e3
		}
		w.Max = end * 1e3
	}
	return w
}

// load are the load averages, where the system tells them.
func load() (averages []float64) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return nil
	}
	for i, word := range strings.Fields(string(text)) {
		v, err := strconv.ParseFloat(word, 64)
		if i == 3 || err != nil {
			break
		}
		averages = append(averages, v)
	}
	return averages
}

// pressure is how much work waited for a processor, where the system tells it:
// "some avg10=..." (Linux, Documentation/accounting/psi.rst).
func pressure() string {
	text, err := os.ReadFile("/proc/pressure/cpu")
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return short(line)
}
