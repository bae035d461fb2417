package bus

import (
	"bufio"
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"dashline/pipeline/bus/embedded"
)

func TestServerListensOnLoopbackOnly(t *testing.T) {
	s := builtIn(t)
	host, _, err := net.SplitHostPort(strings.TrimPrefix(s.URL(), "nats://"))
	if err != nil || !net.ParseIP(host).IsLoopback() {
		t.Errorf("listens at %s", s.URL())
	}
}

func TestServerPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	s, err := embedded.Start(within(t), embedded.Options{Port: port})
	if err == nil {
		_ = s.Close(within(t))
		t.Fatal("started")
	}
	for _, want := range []string{"address already in use", strconv.Itoa(port), "another port"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	for _, port := range []int{-1, 65536} {
		if s, err := embedded.Start(within(t), embedded.Options{Port: port}); err == nil {
			_ = s.Close(within(t))
			t.Errorf("port %d was taken", port)
		}
	}
}

func TestServerOnAGivenPort(t *testing.T) {
	first := builtIn(t)
	_, text, err := net.SplitHostPort(strings.TrimPrefix(first.URL(), "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	second, err := embedded.Start(within(t), embedded.Options{Port: port})
	if err != nil {
		t.Fatal(err)
	}
	if want := "nats://127.0.0.1:" + strconv.Itoa(port); second.URL() != want {
		t.Errorf("URL is %s, want %s", second.URL(), want)
	}
	if err := second.Close(within(t)); err != nil {
		t.Error(err)
	}
}

func TestWaitSubscribers(t *testing.T) {
	s := builtIn(t)
	const subject = "dashline.car.front.detections"
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if err := s.WaitSubscribers(ctx, subject, 1); err == nil || !strings.Contains(err.Error(), "0 of 1 subscribers") {
		t.Errorf("waiting for nobody says %v", err)
	}
	_, _ = client(t, s.URL(), "dashline.car.front.lanes")
	_, _ = client(t, s.URL(), "dashline.>")
	if err := s.WaitSubscribers(within(t), subject, 1); err != nil {
		t.Error(err)
	}
	if n := s.Subscribers(subject); n != 1 {
		t.Errorf("%d subscribers", n)
	}
}

// A listener that is slow, but reads, has everything when the server has closed.
func TestCloseDeliversFirst(t *testing.T) {
	s := builtIn(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB dashline.> 1\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := s.WaitSubscribers(within(t), "dashline.car.front.detections", 1); err != nil {
		t.Fatal(err)
	}
	p := connect(t, Options{URL: s.URL()})
	big := detections(0)
	big.Items[0].Label = strings.Repeat("x", 200_000)
	// 20 MB, more than the sockets between take, in two parts, so that the second
	// waits in the server behind a write that hangs on the first.
	const frames = 100
	for _, part := range []uint64{frames / 2, frames} {
		for p.Stats().Offered < part {
			p.Detections(big)
		}
		eventually(t, "the server has a part", func() bool { return p.Stats().Published == part })
	}
	received := make(chan int)
	go func() {
		time.Sleep(100 * time.Millisecond) // so that Close has to wait
		n := 0
		for lines := bufio.NewReaderSize(throttled{conn}, 64<<10); ; {
			line, err := lines.ReadString('\n')
			if strings.HasPrefix(line, "HMSG dashline.car.front.detections") {
				n++
			}
			if err != nil {
				received <- n
				return
			}
		}
	}()
	if err := p.Close(within(t)); err != nil {
		t.Error(err)
	}
	if err := s.Close(within(t)); err != nil {
		t.Error(err)
	}
	if n := <-received; n != frames {
		t.Errorf("%d of %d messages were received", n, frames)
	}
}

// throttled reads slowly enough for the server to have much left when it closes.
type throttled struct{ io.Reader }

func (r throttled) Read(b []byte) (int, error) {
	time.Sleep(5 * time.Millisecond)
	return r.Reader.Read(b)
}

// A listener that never reads does not hold up the end for ever.
func TestCloseIsBounded(t *testing.T) {
	s, err := embedded.Start(within(t), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB dashline.> 1\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := s.WaitSubscribers(within(t), "dashline.car.front.detections", 1); err != nil {
		t.Fatal(err)
	}
	p := connect(t, Options{URL: s.URL()})
	big := detections(0)
	big.Items[0].Label = strings.Repeat("x", 400_000)
	for range 50 {
		p.Detections(big)
	}
	if err := p.Close(within(t)); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := s.Close(ctx); err == nil || !strings.Contains(err.Error(), "were not taken by their listeners") {
		t.Errorf("closing says %v", err)
	}
}

func TestListen(t *testing.T) {
	s := builtIn(t)
	p := connect(t, Options{URL: s.URL()})
	ctx, cancel := context.WithCancel(within(t))
	var seqs []string
	err := Listen(ctx, ListenOptions{URL: s.URL(), Subject: "dashline.>"},
		func() {
			for i := range 20 {
				p.Detections(detections(i))
			}
		},
		func(m *nats.Msg) error {
			seqs = append(seqs, m.Header.Get(HeaderSeq))
			if len(seqs) == 20 {
				cancel()
			}
			return nil
		})
	if err != nil || len(seqs) != 20 || seqs[0] != "0" || seqs[19] != "19" {
		t.Errorf("got %v, %v", seqs, err)
	}
}

func TestListenSurvivesARestart(t *testing.T) {
	first := natsServer(t, nil)
	port := first.Addr().(*net.TCPAddr).Port
	ctx, cancel := context.WithCancel(within(t))
	listening, notices := make(chan struct{}), make(chan string, 100)
	heard, ended := make(chan *nats.Msg, 100), make(chan error, 1)
	go func() {
		ended <- Listen(ctx, ListenOptions{URL: first.ClientURL(), Subject: "dashline.>", Notice: func(s string) { notices <- s }},
			func() { close(listening) }, func(m *nats.Msg) error { heard <- m; return nil })
	}()
	<-listening
	shutdown(first)
	if n := <-notices; !strings.Contains(n, "lost nats://127.0.0.1:") {
		t.Errorf("notice %q", n)
	}
	second := natsServer(t, func(o *server.Options) { o.Port = port })
	if n := <-notices; !strings.Contains(n, "again") {
		t.Errorf("notice %q", n)
	}
	p := connect(t, Options{URL: second.ClientURL()})
	eventually(t, "a message is heard after the restart", func() bool {
		p.Detections(detections(1))
		return len(heard) > 0
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestListenSaysWhyNot(t *testing.T) {
	s := natsServer(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "drive", Password: "hunter2",
			Permissions: &server.Permissions{Subscribe: &server.SubjectPermission{Deny: []string{">"}}}}}
	})
	url := strings.Replace(s.ClientURL(), "://", "://drive:hunter2@", 1)
	never := func(*nats.Msg) error { t.Error("a message came"); return nil }
	for _, tt := range []struct{ url, subject, want string }{
		{"nats://127.0.0.1:1", "dashline.>", "connection refused"},
		{url, "a b", "has a space"},
		{url, "dashline.>", "use credentials that may"},
	} {
		err := Listen(within(t), ListenOptions{URL: tt.url, Subject: tt.subject}, nil, never)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want an error with %q", tt.subject, err, tt.want)
		}
	}
}
