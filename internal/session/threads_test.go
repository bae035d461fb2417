package session

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dashline/internal/config"
	"dashline/internal/testkit"
	"dashline/sensors"
)

// TestThreadsAreNamed opens a session and finds the threads of its engines and its
// decoder by their names, and this one as it was.
func TestThreadsAreNamed(t *testing.T) {
	c := config.Default()
	c.Source, c.Quiet = testkit.Root()+"/testdata/drives/cut-in.mp4", true
	c.Detect.Threads, c.Lanes.Threads = 2, 2
	own := names(t)
	s := open(t, c, sensors.Open)
	all := names(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	decode := "decode"
	if all["av:h264:df0"] > 0 {
		decode = "av:h264:df0" // FFmpeg names them itself, from 7 on
	}
	for _, want := range []string{"detect", "lanes", decode} {
		if all[want] == own[want] {
			t.Errorf("no thread is called %s: %v", want, all)
		}
	}
	if after := names(t); after["detect"] > own["detect"] || after["lanes"] > own["lanes"] {
		t.Errorf("threads of networks that are closed: %v", after)
	}
}

// names counts the threads of this process by name.
func names(t *testing.T) map[string]int {
	files, err := filepath.Glob("/proc/self/task/*/comm")
	if err != nil || len(files) == 0 {
		t.Skip("the system does not say what threads there are")
	}
	n := map[string]int{}
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil { // it may have ended
			n[strings.TrimSpace(string(text))]++
		}
	}
	return n
}
