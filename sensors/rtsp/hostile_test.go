package rtsp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dashline/pipeline/msg"
	"dashline/sensors/rtsp"
)

// peer answers every request of every connection with what answer says; an empty
// answer is silence.
func peer(t *testing.T, answer func(request string) string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ctx, func() { _ = c.Close() })
			all.Go(func() {
				defer c.Close()
				r := bufio.NewReader(c)
				var request strings.Builder
				for {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					request.WriteString(line)
					if line != "\r\n" {
						continue
					}
					cseq := ""
					for _, l := range strings.Split(request.String(), "\r\n") {
						if strings.HasPrefix(l, "CSeq:") {
							cseq = l
						}
					}
					if a := answer(request.String()); a != "" {
						fmt.Fprintf(c, "RTSP/1.0 %s\r\n%s\r\n\r\n", a, cseq)
					}
					request.Reset()
				}
			})
		}
	})
	t.Cleanup(func() {
		stop()
		_ = l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

// within fails when f takes longer than any bound of ours allows.
func within(t *testing.T, d time.Duration, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(d):
		t.Fatalf("%s takes longer than %v", what, d)
	}
}

// Somebody takes the connection and says nothing: nothing hangs on it, with TLS
// or without, over UDP or TCP.
func TestSilentPeer(t *testing.T) {
	for _, scheme := range []string{"rtsp", "rtsps"} {
		for _, transport := range []string{"auto", "tcp"} {
			t.Run(scheme+"/"+transport, func(t *testing.T) {
				t.Parallel()
				address := peer(t, func(string) string { return "" })
				var s *rtsp.Source
				within(t, 20*time.Second, "Open", func() {
					var err error
					if s, err = rtsp.Open(t.Context(), rtsp.Options{URL: scheme + "://" + address + "/x", Camera: "front", Transport: transport}); err != nil {
						t.Error(err)
					}
				})
				if got := during(t, s, time.Second); len(got) > 0 {
					t.Errorf("%d frames of nobody", len(got))
				}
				within(t, 20*time.Second, "Close", func() {
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// A peer that sends on and on, or away with our password.
func TestRedirects(t *testing.T) {
	t.Parallel()
	var self string
	var asked atomic.Int64
	self = peer(t, func(r string) string {
		asked.Add(1)
		if strings.HasPrefix(r, "OPTIONS") {
			return "200 OK"
		}
		return "302 Found\r\nLocation: rtsp://" + self + "/again"
	})
	s, err := rtsp.Open(t.Context(), rtsp.Options{URL: "rtsp://" + self + "/x", Camera: "front", Transport: "tcp"})
	if err != nil {
		t.Fatal(err)
	}
	during(t, s, time.Second)
	if st := s.State(); !strings.Contains(st.Detail, "redirects") {
		t.Errorf("state %+v", st)
	}
	if n := asked.Load(); n > 300 {
		t.Errorf("%d requests were sent", n)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}

	var leaked atomic.Bool
	thief := peer(t, func(r string) string {
		leaked.Store(true)
		return "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\""
	})
	_, port, _ := net.SplitHostPort(thief)
	honest := peer(t, func(r string) string {
		if strings.HasPrefix(r, "OPTIONS") {
			return "200 OK"
		}
		return "302 Found\r\nLocation: rtsp://localhost:" + port + "/x"
	})
	_, err = rtsp.Open(t.Context(), rtsp.Options{URL: "rtsp://" + honest + "/x", Camera: "front", User: "u", Password: "secret"})
	if _, final := errors.AsType[*rtsp.FinalError](err); !final || strings.Contains(err.Error(), "secret") || leaked.Load() {
		t.Errorf("a redirect to another host: %v; it was asked: %v", err, leaked.Load())
	}
}

// What a camera says is not what a terminal does.
func TestWordsOfACameraAreClean(t *testing.T) {
	t.Parallel()
	address := peer(t, func(string) string { return "404 \x1b[2Jgone\x07" })
	_, err := rtsp.Open(t.Context(), rtsp.Options{URL: "rtsp://" + address + "/x"})
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\x07") {
		t.Errorf("open says %q", err)
	}
	address = peer(t, func(string) string { return "500 \x1b[2Jbroken" })
	s, err := rtsp.Open(t.Context(), rtsp.Options{URL: "rtsp://" + address + "/x", Camera: "front"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	during(t, s, 300*time.Millisecond)
	if st := s.State(); st.Status != msg.CameraFailed || !strings.Contains(st.Detail, "broken") || strings.Contains(st.Detail, "\x1b") {
		t.Errorf("state %+v", st)
	}
}
