package gate

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// waited is how long the threads of a process were ready to run and had no processor
// so far, together (Linux, Documentation/scheduler/sched-stats.rst, the second number
// of /proc/PID/task/TID/schedstat); ok is false where the kernel does not say.
func waited(pid int) (sum time.Duration, ok bool) {
	tasks := filepath.Join("/proc", strconv.Itoa(pid), "task")
	names, err := os.ReadDir(tasks)
	if err != nil {
		return 0, false
	}
	for _, n := range names {
		text, err := os.ReadFile(filepath.Join(tasks, n.Name(), "schedstat"))
		if err != nil {
			continue // it has ended
		}
		fields := bytes.Fields(text)
		if len(fields) < 2 {
			continue
		}
		if ns, err := strconv.ParseInt(string(fields[1]), 10, 64); err == nil {
			sum, ok = sum+time.Duration(ns), true
		}
	}
	return sum, ok
}
