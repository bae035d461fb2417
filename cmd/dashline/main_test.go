package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// The first signal asks for an orderly end; the second ends the process even
// when that end never comes.
func TestTheSecondSignalKills(t *testing.T) {
	const child = "DASHLINE_TEST_SIGNALS"
	if os.Getenv(child) != "" {
		ctx := untilSignal()
		fmt.Println("ready")
		<-ctx.Done()
		fmt.Println("stopping")
		time.Sleep(time.Minute)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTheSecondSignalKills$", "-test.timeout=20s")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for _, want := range []string{"ready", "stopping"} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("got %q, want %q", lines.Text(), want)
		}
		_ = cmd.Process.Signal(os.Interrupt)
	}
	ended := make(chan error)
	go func() { ended <- cmd.Wait() }()
	again := time.NewTicker(50 * time.Millisecond) // one may come before the default action is back
	defer again.Stop()
	for waiting := true; waiting; {
		select {
		case <-again.C:
			_ = cmd.Process.Signal(os.Interrupt)
		case <-ended:
			waiting = false
		}
	}
	if s := cmd.ProcessState.Sys().(syscall.WaitStatus); !s.Signaled() || s.Signal() != syscall.SIGINT {
		t.Errorf("it ended with %v, not by the signal", cmd.ProcessState)
	}
}
