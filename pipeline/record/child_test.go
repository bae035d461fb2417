package record

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dashline/internal/testkit"
)

// child records until it is killed, or with a limit on the size of files until
// its recorder says that it has stopped.
func child(path string) int {
	signal.Ignore(syscall.SIGXFSZ) // so that a write fails instead
	stopped := make(chan error, 1)
	o := Options{Vehicle: "car", Notice: func(err error) { stopped <- err }}
	if limit := os.Getenv("DASHLINE_TEST_LIMIT"); limit != "" {
		n, _ := strconv.ParseUint(limit, 10, 64)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	r, err := Create(path, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for i := 0; ; i++ {
		front.feed(r, i, i+1)
		select {
		case err := <-stopped:
			// The pipeline would go on; what it gives is counted as dropped.
			front.feed(r, i+1, i+10)
			again := r.Close(context.Background())
			s := r.Stats()
			fmt.Printf("%v\n%t %d\n", err, errors.Is(again, syscall.EFBIG), s.Total().Offered-s.Total().Written-s.Total().Dropped)
			return 0
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func program(t *testing.T, path, limit string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "DASHLINE_TEST_RECORD="+path, "DASHLINE_TEST_LIMIT="+limit)
	cmd.Stderr = os.Stderr
	return cmd
}

// A recorder that is killed leaves a file that opens up to its last whole chunk,
// and is mended.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "killed.mcap")
	cmd := program(t, path, "")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// A chunk or two end by the clock, as little is recorded.
	deadline := time.Now().Add(time.Minute)
	for size := int64(0); size < 200<<10; time.Sleep(10 * time.Millisecond) {
		if st, err := os.Stat(path); err == nil {
			size = st.Size()
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was written in a minute")
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	mended(t, path)
}

// mended checks a file that was cut off, and what Recover makes of it.
func mended(t *testing.T, path string) {
	t.Helper()
	r := open(t, path)
	in := r.Info()
	if in.Cut == "" || in.Chunks == 0 {
		t.Fatalf("info of a cut file: %+v", in)
	}
	n := int(in.Cameras[0].Packets)
	checkCut(t, r, n)

	out := filepath.Join(t.TempDir(), "mended.mcap")
	rec, err := Recover(path, out, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if rec.Chunks != in.Chunks || rec.Messages != in.Messages || rec.Lost != 0 || rec.Damaged != 0 || rec.Cut == "" || rec.Tail != in.Tail {
		t.Errorf("recovered %+v of %+v", rec, in)
	}
	whole(t, out)
	m := open(t, out)
	if again := m.Info(); again.Cut != "" || again.Messages != in.Messages || again.Chunks != in.Chunks || !again.Start.Equal(in.Start) || !again.End.Equal(in.End) {
		t.Errorf("mended: %+v, was %+v", again, in)
	}
	checkPackets(t, m, front, 0, n)
	if c, ok := m.Calibration("front"); !ok || c != front.calibration() {
		t.Error("the calibration is lost")
	}
}

// checkCut reads all packets of a cut file, which has the problem of its end.
func checkCut(t *testing.T, r *Reader, n int) {
	t.Helper()
	it, err := r.Packets("front", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var p Packet
	i := 0
	for ; it.Next(&p) == nil; i++ {
		want := front.packet(i)
		if err := samePacket(&p.Packet, &want); err != nil {
			t.Fatal(err)
		}
	}
	if i != n || n == 0 {
		t.Errorf("%d packets of %d", i, n)
	}
	if len(r.Problems()) > 1 {
		t.Errorf("problems: %q", r.Problems())
	}
}

// A file system that takes no more ends the recording, and nothing else.
func TestDiskFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "full.mcap")
	cmd := program(t, path, "300000")
	var out []byte
	var err error
	testkit.Promptly(t, func() { out, err = cmd.Output() })
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(out), "\n")
	if !strings.Contains(lines[0], "file too large") || !strings.Contains(lines[0], "dashline recover") || lines[1] != "true 0" {
		t.Errorf("the child says %q", lines)
	}
	if st, err := os.Stat(path); err != nil || st.Size() != 300000 {
		t.Errorf("%v %v", st, err)
	}
	mended(t, path)
}
