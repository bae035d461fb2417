package worker

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// usage is what the process has used so far.
type usage struct {
	cpu         time.Duration
	allocs      uint64
	bytes       uint64
	collections uint64
}

// read says what has been used so far. It stops the world for a moment: other ways
// to count allocations leave out what processors have not handed in yet.
func (u *usage) read(stats *runtime.MemStats) error {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		return fmt.Errorf("processor time: %w", err)
	}
	runtime.ReadMemStats(stats)
	*u = usage{
		cpu:    time.Duration(ru.Utime.Nano() + ru.Stime.Nano()),
		allocs: stats.Mallocs, bytes: stats.TotalAlloc, collections: uint64(stats.NumGC),
	}
	return nil
}

// memory is the process's resident memory now and at most, in bytes (proc(5),
// VmRSS and VmHWM of /proc/self/status); 0 where the system does not say.
func memory() (now, peak int64) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kb, _ := strconv.ParseInt(string(fields[1]), 10, 64)
		switch string(fields[0]) {
		case "VmRSS:":
			now = kb << 10
		case "VmHWM:":
			peak = kb << 10
		}
	}
	return now, peak
}
