package opencv

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"dashline/infer"
)

// workers returns the processor time in ns of each thread that a pool started.
func workers(t *testing.T) (times []int64) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("threads are counted in /proc")
	}
	tasks, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		name, err := os.ReadFile(filepath.Join(task, "comm"))
		if err != nil || strings.TrimSpace(string(name)) != "dashline-dnn" {
			continue // a thread may have ended since
		}
		var ns int64
		if stat, err := os.ReadFile(filepath.Join(task, "schedstat")); err == nil {
			fmt.Sscan(string(stat), &ns)
		}
		times = append(times, ns)
	}
	return times
}

// processorTime is that of the whole process, ns.
func processorTime(t *testing.T) int64 {
	t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return r.Utime.Nano() + r.Stime.Nano()
}

// A network has one thread less of its own than it was opened with, they take
// part in forwards, and Close ends them.
func TestThreadsAreTheNetworks(t *testing.T) {
	m := realModel(t, "yolo-fastest-1.1.cfg")
	for _, threads := range []int{1, 2, 5} {
		n := mustOpen(t, m, infer.Options{Threads: threads})
		before := processorTime(t)
		for range 20 {
			if _, err := n.Forward(); err != nil {
				t.Fatal(err)
			}
		}
		times := workers(t)
		if len(times) != threads-1 {
			t.Errorf("%d threads: %d of its own, want %d", threads, len(times), threads-1)
		}
		var sum int64
		for _, ns := range times {
			sum += ns
		}
		if all := processorTime(t) - before; threads > 1 && sum < all/20 {
			t.Errorf("%d threads: its own took %d ns of %d: they take no part", threads, sum, all)
		}
		n.Close()
		if left := len(workers(t)); left != 0 {
			t.Errorf("%d threads: %d left after Close", threads, left)
		}
	}
}
