package bus

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"dashline/internal/testkit"
	"dashline/pipeline/bus/embedded"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// long bounds what must happen at some time; no test passes or fails by how
// fast it did.
const long = 30 * time.Second

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), long)
	t.Cleanup(cancel)
	return ctx
}

// natsServer runs a real server with options of the test's own. Port 0 is free.
func natsServer(t testing.TB, change func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true}
	if change != nil {
		change(o)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(long) {
		t.Fatal("the test's NATS server does not listen")
	}
	t.Cleanup(func() { shutdown(s) })
	return s
}

// builtIn runs the project's own server.
func builtIn(t testing.TB) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(within(t), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(within(t)); err != nil {
			t.Error(err)
		}
	})
	return s
}

func connect(t testing.TB, o Options) *Publisher {
	t.Helper()
	if o.Vehicle == "" {
		o.Vehicle = "car"
	}
	p, err := Connect(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(within(t)) })
	return p
}

// client is a bare NATS client that collects every message of a subject.
func client(t testing.TB, url, subject string) (*nats.Conn, chan *nats.Msg) {
	t.Helper()
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	got := make(chan *nats.Msg, 1<<16)
	if _, err := nc.ChanSubscribe(subject, got); err != nil {
		t.Fatal(err)
	}
	if err := nc.FlushTimeout(long); err != nil {
		t.Fatal(err)
	}
	return nc, got
}

func next(t testing.TB, got <-chan *nats.Msg) *nats.Msg {
	t.Helper()
	select {
	case m := <-got:
		return m
	case <-time.After(long):
		t.Fatal("no message came")
		return nil
	}
}

// eventually waits until ok, and fails the test when that never happens.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	if err := poll(within(t), 2*time.Millisecond, ok); err != nil {
		t.Fatalf("never happened: %s", what)
	}
}

// seqOf is the number of the frame that a value is of; 0 for one of none.
func seqOf(v any) uint64 {
	if _, h := frameOf(v); h != nil {
		return h.Seq
	}
	return 0
}

// checkAccount fails the test unless every message offered is counted once.
func checkAccount(t testing.TB, s Stats) {
	t.Helper()
	if s.Offered != s.Published+s.Dropped+s.Waiting {
		t.Errorf("offered %d is not published %d + dropped %d + waiting %d", s.Offered, s.Published, s.Dropped, s.Waiting)
	}
}

func shutdown(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

func poll(ctx context.Context, every time.Duration, until func() bool) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for !until() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}
