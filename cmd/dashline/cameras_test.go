package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dashline/internal/session"
)

// Two cameras run side by side: each has its own account, networks, subjects and
// video, and the totals are of both.
func TestRunSeveralCameras(t *testing.T) {
	dir := t.TempDir()
	code, out, errs := dashline(context.Background(), "run", "front=synth:city?seed=3&duration=2s", "rear=synth:highway?seed=4&duration=2s",
		"--frames", "6", "--save", filepath.Join(dir, "seen.mp4"), "--json", "--deadline", "1h")
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	s := summary(t, out)
	if s.Frames != (session.Frames{Produced: 12, OnTime: 12}) || s.Bus.Published != 60 || len(s.Cameras) != 2 {
		t.Fatalf("%+v", s)
	}
	for i, name := range []string{"front", "rear"} {
		c := s.Cameras[i]
		if c.Camera.Name != name || c.Frames != (session.Frames{Produced: 6, OnTime: 6}) || len(c.Networks) != 2 || c.Age.P50 <= 0 || c.Error != "" {
			t.Errorf("%s: %+v", name, c)
		}
		saved := filepath.Join(dir, "seen."+name+".mp4")
		if st, err := os.Stat(saved); err != nil || st.Size() < 1000 || c.Overlay == nil || c.Overlay.Path != saved {
			t.Errorf("%s: overlay %v %v", name, st, err)
		}
		if !strings.Contains(errs, name+"\nsource ") {
			t.Errorf("it does not describe %s: %s", name, errs)
		}
	}
	for _, gone := range []string{`"source":{"kind"`, `"policy":`} {
		if i := strings.Index(out, `"cameras":[`); strings.Contains(out[:i], gone) {
			t.Errorf("%s is among the totals", gone)
		}
	}
}

func TestSummaryOfSeveralCamerasForPeople(t *testing.T) {
	code, out, errs := dashline(context.Background(), "run", "front=synth:city?seed=3&duration=2s", "rear=synth:city?seed=4&duration=2s",
		"--frames", "3", "--no-lanes", "--quiet", "--deadline", "1h")
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	for _, want := range []string{"\n6 frames of 2 cameras in ", "\nfront  3 frames of ", "\nrear  3 frames of ", "\n  bus "} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}

// Whoever lists the processes sees their arguments. None of the ways to give a
// password there works, and none prints it again.
func TestPasswordsOnTheCommandLineAreRefused(t *testing.T) {
	const address = "rtsp://admin:hunter2@127.0.0.1:1/stream"
	for _, args := range [][]string{
		{"run", "rtsp://127.0.0.1:1/x?user=admin&password=hunter2"},
		{"run", "front=rtsp://127.0.0.1:1/user=admin&password=hunter2&channel=1"},
		{"run", "--source", "rtsp://127.0.0.1:1/user=admin_password=hunter2_channel=1.sdp"},
		{"run", "--cameras", "front=rtsp://127.0.0.1:1/x?usr=admin&pwd=hunter2"},
		{"record", "rtsp://127.0.0.1:1/x?auth=hunter2", "-o", "drive.mcap"},
		{"config", "rtsp://127.0.0.1:1/x?access_token=hunter2"},
		{"doctor", "rtsp://127.0.0.1:1/x?token=hunter2"},
		{"listen", "dashline.>", "rtsp://127.0.0.1:1/x?user=admin&password=hunter2"},
		{"run", address},
		{"run", "front=" + address},
		{"run", "a=drive.mp4", "b=" + address},
		{"run", "--source=" + address},
		{"run", "--source", address},
		{"run", "--cameras", "front=" + address},
		{"run", "--cameras", address},
		{"run", "rtsp://admin:hun/ter2@127.0.0.1:1/stream"},
		{"config", "--source", address},
		{"config", address},
		{"listen", "dashline.>", address},
		{"doctor", address},
		{address},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // one that is taken would run for ever
		code, out, errs := dashline(ctx, args...)
		cancel()
		if code != exitUsage {
			t.Errorf("%q: exit code %d: %s", args, code, errs)
		}
		if all := out + errs; strings.Contains(all, "hunter2") || strings.Contains(all, "ter2@") || strings.Contains(all, "admin") {
			t.Errorf("%q shows it: %s", args, all)
		}
		if args[0] == "run" && strings.Contains(args[len(args)-1], "=") && !strings.Contains(errs, "DASHLINE_RTSP_PASSWORD") {
			t.Errorf("%q does not say the mend: %s", args, errs)
		}
	}
}

// From a file they are taken, and come out nowhere.
func TestPasswordsFromFilesAreNotShown(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	one := write("one.yaml", "source: rtsp://admin:hunter2@127.0.0.1:1/stream\nnats: {url: 'nats://admin:hunter2@127.0.0.1:1'}\n")
	two := write("two.yaml", "cameras:\n  - {name: a, source: 'rtsp://admin:hunter2@127.0.0.1:1/a'}\n  - {name: b, source: 'rtsp://127.0.0.1:1/b'}\nrtsp:\n  credentials: "+
		write("logins.yaml", "b: {user: admin, password: hunter2}\n")+"\n")
	query := write("query.yaml", "source: rtsp://127.0.0.1:1/user=admin&password=hunter2&channel=1\n")
	for _, args := range [][]string{
		{"config", "-c", query}, {"config", "-c", query, "--json"}, {"doctor", "-c", query}, {"run", "-c", query, "--duration", "1s"},
		{"record", "-c", query, "--duration", "1s", "-o", filepath.Join(dir, "query.mcap"), "--json"},
		{"run", "-c", write("space.yaml", "source: rtsp://127.0.0.1:1/x?password=hunter2 hunter2\n")},
		{"config", "-c", one}, {"config", "-c", one, "--json"}, {"config", "-c", two}, {"config", "-c", two, "--json"},
		{"doctor", "-c", one}, {"doctor", "-c", two, "--json"},
		{"run", "-c", one, "--duration", "1s"}, {"run", "-c", two, "--duration", "1s", "--json"},
		{"run", "-c", write("typo.yaml", "sources: rtsp://admin:hunter2@127.0.0.1:1/a\n")},
		{"run", "-c", write("port.yaml", "source: rtsp://admin:hunter2@127.0.0.1:port/a\n")},
		{"run", "-c", write("list.yaml", "cameras: [rtsp://admin:hunter2@127.0.0.1:1/a]\n")},
		{"run", "-c", write("text.yaml", "rtsp://admin:hunter2@127.0.0.1:1/a\n")},
		{"run", "rtsp://127.0.0.1:1/a", "--rtsp-credentials", write("bad.yaml", "front: {user: admin, pasword: hunter2}\n")},
	} {
		code, out, errs := dashline(context.Background(), args...)
		t.Logf("%q: exit code %d: %s", args, code, errs)
		if all := out + errs; strings.Contains(all, "hunter2") || strings.Contains(all, "admin") {
			t.Errorf("%q shows it: %s", args, all)
		}
		if args[0] == "config" && (code != exitOK || !strings.Contains(errs, "are left out") || !strings.Contains(out, "rtsp://127.0.0.1:1/")) {
			t.Errorf("%q: exit code %d: %s%s", args, code, errs, out)
		}
	}
}

// rude answers every request with a refusal in words that drive a terminal.
func rude(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					if n, ok := strings.CutPrefix(lines.Text(), "CSeq: "); ok {
						fmt.Fprintf(c, "RTSP/1.0 404 Not \x1b]0;mine\a\x1b[2J\nhere\r\nCSeq: %s\r\n\r\n", n)
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

// What a camera says in its refusal is shown, and drives nothing.
func TestCamerasDoNotDriveTheTerminal(t *testing.T) {
	code, out, errs := dashline(context.Background(), "run", "rtsp://"+rude(t)+"/1", "--duration", "1s", "--detect-network", "dashline-tiny", "--no-lanes")
	if all := out + errs; code != exitBroken || !strings.Contains(all, "mine") || strings.ContainsAny(all, "\x1b\a") || strings.Count(all, "\n") != 1 {
		t.Errorf("exit code %d: %q", code, all)
	}
	var said bytes.Buffer
	report(streams{&said, &said}, errors.New("a\x1b[2J\nb"))
	if got, want := said.String(), "dashline: a\uFFFD[2J\nb\n"; got != want {
		t.Errorf("it reports %q, want %q", got, want)
	}
}
