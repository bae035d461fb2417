// Package embedded is a NATS server in this process.
//
// It is a package of its own because linking NATS's server costs something,
// whether it is started or not: from then on it looks at the process once a
// second. Who only encodes messages, as recordings do, need not have it.
package embedded

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Options says how to run the built-in server.
type Options struct {
	// Port on the loopback interface; 0 takes a free one.
	Port int
}

// Server is a NATS server in this process. It listens on the loopback interface
// only, keeps nothing, logs nothing and takes no signals.
type Server struct {
	s *server.Server
}

// WriteBound is how long a listener may take no byte at all before it is cut
// off. A write that hangs when the server stops takes as long to end.
const WriteBound = 3 * time.Second

// closeBound is how long Close waits where its context sets no time.
const closeBound = 5 * time.Second

// startBound is how long the server may take to listen.
const startBound = 10 * time.Second

// Start starts a server and returns when it takes connections. End it
// with Close.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Port < 0 || o.Port > 65535 {
		return nil, fmt.Errorf("port %d for the built-in NATS server is out of range: use 1 to 65535, or 0 for a free one", o.Port)
	}
	port := o.Port
	if port == 0 {
		port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "dashline",
		Host:       "127.0.0.1",
		Port:       port,
		NoLog:      true,
		NoSigs:     true,
		// A listener that does not keep up loses messages; without this it would
		// hold up the publisher, and with it every other listener.
		NoFastProducerStall: true,
		WriteDeadline:       WriteBound,
	})
	if err != nil {
		return nil, fmt.Errorf("built-in NATS server: %w", err)
	}
	failed := &firstFatal{seen: make(chan struct{})}
	s.SetLoggerV2(failed, false, false, false)
	s.Start()

	ctx, cancel := context.WithTimeout(ctx, startBound)
	defer cancel()
	for !s.ReadyForConnections(time.Millisecond) {
		select {
		case <-failed.seen:
			shutdown(s)
			return nil, fmt.Errorf("built-in NATS server: %s: give it another port, or 0 for a free one", failed.text)
		case <-ctx.Done():
			shutdown(s)
			return nil, fmt.Errorf("built-in NATS server: does not listen: %w", context.Cause(ctx))
		case <-time.After(time.Millisecond):
		}
	}
	return &Server{s: s}, nil
}

// URL is where clients on this machine reach the server.
func (s *Server) URL() string { return s.s.ClientURL() }

// Subscribers is how many subscriptions a message on subject would reach now.
func (s *Server) Subscribers(subject string) int {
	return s.s.GlobalAccount().Interest(subject)
}

// WaitSubscribers waits until a message on subject would reach n subscriptions.
func (s *Server) WaitSubscribers(ctx context.Context, subject string, n int) error {
	err := poll(ctx, 10*time.Millisecond, func() bool { return s.Subscribers(subject) >= n })
	if err != nil {
		return fmt.Errorf("%d of %d subscribers on %s: %w", s.Subscribers(subject), n, subject, err)
	}
	return nil
}

// Close waits until everything that publishers sent is on its way to its
// listeners, at most until ctx is done (5 s where it has no deadline), and stops
// the server, which takes up to 3 s more where a listener has stopped reading.
// Close the publishers first. The error says what was not delivered; the server
// has stopped all the same.
func (s *Server) Close(ctx context.Context) error {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, closeBound)
		defer cancel()
	}
	err := poll(ctx, time.Millisecond, func() bool { return s.undelivered() == 0 })
	if err != nil {
		err = fmt.Errorf("built-in NATS server: %d bytes were not taken by their listeners before the end: %w", s.undelivered(), err)
	}
	shutdown(s.s)
	return err
}

// undelivered is how many bytes wait in the server for clients to take them.
func (s *Server) undelivered() int {
	z, err := s.s.Connz(nil)
	if err != nil {
		return 0 // it is shutting down: nothing waits any more
	}
	n := 0
	for _, c := range z.Conns {
		n += c.Pending
	}
	return n
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

// firstFatal is a server log that keeps only the first fatal line, which is how
// the server says that it cannot listen.
type firstFatal struct {
	once sync.Once
	seen chan struct{}
	text error
}

func (f *firstFatal) Fatalf(format string, v ...any) {
	f.once.Do(func() {
		f.text = fmt.Errorf(format, v...)
		close(f.seen)
	})
}
func (f *firstFatal) Noticef(string, ...any) {}
func (f *firstFatal) Warnf(string, ...any)   {}
func (f *firstFatal) Errorf(string, ...any)  {}
func (f *firstFatal) Debugf(string, ...any)  {}
func (f *firstFatal) Tracef(string, ...any)  {}
