package regular

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dashline/internal/testkit"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(at("file"), []byte("text"), 0o600))
	must(os.Symlink(at("file"), at("link")))
	must(syscall.Mkfifo(at("pipe"), 0o600))
	must(os.Symlink(at("pipe"), at("link to pipe")))
	l, err := net.Listen("unix", at("socket"))
	must(err)
	defer l.Close()
	for _, tt := range []struct{ path, says string }{
		{at("file"), ""},
		{at("link"), ""},
		{at("pipe"), "named pipe"},
		{at("link to pipe"), "named pipe"},
		{at("socket"), "socket"},
		{dir, "folder"},
		{os.DevNull, "device"},
		{at("absent"), "no such file"},
	} {
		t.Run(filepath.Base(tt.path), func(t *testing.T) {
			testkit.Promptly(t, func() {
				f, err := Open(tt.path)
				if err == nil {
					f.Close()
				}
				var perr *fs.PathError
				switch {
				case tt.says == "" && err != nil:
					t.Error(err)
				case tt.says != "" && (!errors.As(err, &perr) || !strings.Contains(err.Error(), tt.says) || perr.Path != tt.path):
					t.Errorf("error %v; want one that says %q", err, tt.says)
				}
			})
		})
	}
}
