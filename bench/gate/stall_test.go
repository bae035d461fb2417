package gate

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"dashline/internal/testkit"
)

// A process that computes does not sleep, however busy the machine is.
func TestWatchSleep(t *testing.T) {
	sh := testkit.Program(t, "sh")
	for _, tt := range []struct {
		name, script string
		want         bool
	}{
		{"asleep", "sleep 60", true},
		{"computing", "while :; do :; done", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command(sh, "-c", "echo begun; "+tt.script)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
			if _, err := out.Read(make([]byte, 8)); err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			time.AfterFunc(300*time.Millisecond, func() { close(done) })
			slept, ok := watchSleep(cmd.Process.Pid, 20*time.Millisecond, done)
			if !ok || slept > 0 != tt.want {
				t.Errorf("slept %v, known %v; want %v", slept, ok, tt.want)
			}
		})
	}
}

func TestWatchOfNoProcess(t *testing.T) {
	cmd := exec.Command(testkit.Program(t, "true"))
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	time.AfterFunc(20*time.Millisecond, func() { close(done) })
	if _, ok := watchSleep(cmd.Process.Pid, time.Millisecond, done); ok {
		t.Error("it is known what a process does that has ended")
	}
}

func TestWaited(t *testing.T) {
	if _, ok := waited(os.Getpid()); !ok {
		t.Skip("this kernel does not say how long threads wait")
	}
	if _, ok := waited(1 << 30); ok {
		t.Error("a process waited that is none")
	}
}
