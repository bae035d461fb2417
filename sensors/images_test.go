package sensors_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dashline/internal/testkit"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/sensors"
)

// What only looks like a picture by its name is a failed frame; nothing waits
// for the other end of a pipe.
func TestFolderReadsRegularFilesOnly(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(syscall.Mkfifo(at("a.jpg"), 0o600))
	must(os.Symlink(os.DevNull, at("b.jpg")))
	must(os.Mkdir(at("c.jpg"), 0o700))
	l, err := net.Listen("unix", at("d.jpg"))
	must(err)
	defer l.Close()
	must(os.WriteFile(filepath.Join(elsewhere, "picture"), encodeJPEG(t, 64, 48), 0o600))
	must(os.Symlink(filepath.Join(elsewhere, "picture"), at("e.jpg")))
	want := []string{"a named pipe", "a device", "a folder", "a socket", ""}

	testkit.Promptly(t, func() {
		s, err := sensors.Open(t.Context(), dir, sensors.Options{})
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Close()
		if in := s.Info(); in.Frames != len(want) || in.Width != 64 || in.Height != 48 {
			t.Errorf("info %+v", in)
		}
		pool := frame.NewPool(1)
		defer pool.Close(context.Background())
		lease, _ := pool.Acquire()
		defer lease.Release()
		for _, says := range want {
			err := s.Next(context.Background(), lease.Frame)
			fe, failed := err.(*pipeline.FrameError)
			switch {
			case says == "" && err != nil:
				t.Error(err)
			case says != "" && (!failed || fe.Reason != "unreadable" || !strings.Contains(err.Error(), says)):
				t.Errorf("error %v; want a frame that is unreadable since it is %s", err, says)
			}
		}
	})
}
