package rtsp_test

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"dashline/internal/testkit"
	"dashline/sensors/coded"
	"dashline/sensors/rtsp"
)

// gstServer starts GStreamer's RTSP server on a film.
func gstServer(t testing.TB, f *film, codec, transport string) (address string) {
	t.Helper()
	cmd := exec.Command(testkit.GStreamerServer(t), "testdata/gst_server.py", f.path, codec, transport)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// A server of another maker: what is shown is the film, bit by bit, and it goes
// on when the film begins anew.
func TestForeignServer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		codec   string
		bframes int
	}{{"h264", 0}, {"h264", 2}, {"h265", 0}} {
		f := newFilm(t, tt.codec, 90, 15, tt.bframes)
		for _, transport := range []string{"udp", "tcp"} {
			t.Run(name(tt.codec, tt.bframes, transport), func(t *testing.T) {
				t.Parallel()
				s := open(t, rtsp.Options{URL: gstServer(t, f, tt.codec, transport), Transport: transport})
				events := shown(t, s, 120)
				next := -1
				for _, e := range good(events) {
					index, known := f.pictures[e.hash]
					if !known {
						t.Fatalf("frame %d is shown and is no picture of the film", e.Seq)
					}
					if next >= 0 && index != next && index != 0 {
						t.Errorf("picture %d comes where %d should", index, next)
					}
					next = index + 1
				}
				for reason, n := range reasons(events) {
					if reason != coded.Join {
						t.Errorf("%d frames: %s", n, reason)
					}
				}
				st := s.State()
				t.Logf("%d frames, %v, %+v", len(events), reasons(events), st)
				if st.Transport != transport || st.Sessions < 2 {
					t.Errorf("state %+v", st)
				}
			})
		}
	}
}
