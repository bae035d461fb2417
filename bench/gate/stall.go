package gate

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// watchEvery is how often a process is looked at while it runs a block.
const watchEvery = time.Millisecond

// awake is the share of a time that a process has to compute for, so that it is not
// asleep: Go's own threads wake up now and then.
const awake = .1

// watchSleep looks at a process until done is closed and says for how long it was
// asleep at a time, if that was as long as least: it computed next to nothing, and
// none of its threads was ready to run. So to wait for a processor is no sleep, and
// other programs make none. ok is false where the system does not tell.
func watchSleep(pid int, least time.Duration, done <-chan struct{}) (longest time.Duration, ok bool) {
	last, ok := computed(pid)
	since := time.Now()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return longest, ok
		case <-tick.C:
		}
		now := time.Now()
		cpu, known := computed(pid)
		if !known {
			<-done
			return 0, false
		}
		quiet := now.Sub(since)
		switch {
		case float64(cpu-last) > awake*float64(quiet):
		case quiet < least:
			continue
		case asleep(pid):
			longest = max(longest, quiet)
			continue
		}
		last, since = cpu, now
	}
}

// computed is the processor time of all threads of a process so far: the clock
// that clock_getcpuclockid(3) gives.
func computed(pid int) (time.Duration, bool) {
	var t unix.Timespec
	const sched = 2 // CPUCLOCK_SCHED, of the whole process
	if err := unix.ClockGettime(int32(^pid<<3|sched), &t); err != nil {
		return 0, false
	}
	return time.Duration(t.Nano()), true
}

// asleep says that no thread of a process runs or is ready to (proc(5), the third
// field of /proc/PID/task/TID/stat).
func asleep(pid int) bool {
	files, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "stat"))
	if err != nil {
		return false
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		// The name in brackets may have anything in it.
		if i := bytes.LastIndexByte(text, ')'); i >= 0 && i+2 < len(text) && text[i+2] == 'R' {
			return false
		}
	}
	return len(files) > 0
}
