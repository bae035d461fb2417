// Package rtsp is a camera that is reached over RTSP: H.264, H.265 and MJPEG,
// over UDP or interleaved in TCP, with TLS and authentication.
//
// Invariants:
//   - One goroutine keeps a session with the camera, and makes a new one when it
//     breaks or stalls; Next never ends of itself, only with its context.
//   - A missing packet delays what follows by no more than Options.Reorder.
//   - Every picture that the camera sent while a session was up is accounted
//     for, also one of which nothing arrived (package coded).
//   - Nothing waits for a slow reader: what has become too old before it is
//     decoded is let go up to the next key picture, and counted.
//   - User names and passwords are in no error, state or description.
package rtsp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode"

	"dashline/internal/redact"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/sensors/coded"
	"dashline/sensors/rtsp/stream"
)

// Options say which camera, and how to reach it.
type Options struct {
	URL            string // rtsp:// or rtsps://, without credentials
	User, Password string
	Camera         string // name in states
	Transport      string // "udp", "tcp" or "auto" (UDP, and TCP where no packet comes); "": auto
	TLS            *tls.Config
	Reorder        time.Duration // largest wait for a missing packet over UDP
	Deadline       time.Duration // age from which a picture is not worth showing; 0: none
	Stall          time.Duration // time without a picture that breaks a session; 0: 30 periods, at least 1 s
	Retry          time.Duration // largest pause between attempts; 0: 500 ms
	MaxPixels      int           // of a picture
	MaxSide        int           // of a picture, pixels
}

// What holds where Options leave it open.
const (
	defaultRetry = 500 * time.Millisecond
	firstRetry   = 50 * time.Millisecond
	refusedRetry = 5 * time.Second // after a refusal that waiting does not mend
	stallPeriods = 30
	leastStall   = time.Second
	answerBound  = 5 * time.Second // for connecting, and for the first picture
	firstUDP     = 2 * time.Second // for the first packet over UDP, then it is TCP
	openBound    = 3 * time.Second // for the first session, before Open goes on without
	heartbeat    = 2 * time.Second // between states that say the same
)

// Info describes the stream; zero where the camera has not told.
type Info = stream.Info

// Source is one camera. Next belongs to one goroutine, Close may be called from
// any.
type Source struct {
	o    Options
	name string // for errors: the address without secrets
	url  *url.URL
	stop context.CancelFunc
	done sync.WaitGroup

	queue   *queue
	reached time.Duration // where the next session's PTS begin at the earliest; the sessions'
	depth   int           // of the stream, as far as it was noted
	unit    unit          // that the stream has, or is to have
	stream  *coded.Stream // nil before the first unit
	codec   msg.Codec     // of stream
	ended   bool          // stream gets nothing more: another is to follow
	watch   func(msg.CameraState)
	tap     func(*msg.Packet)
	begin   sync.Once

	mu    sync.Mutex
	note  string // what is worth saying of a stream that is well
	info  Info
	state msg.CameraState
	told  time.Time
}

// FinalError is a refusal that waiting does not mend.
type FinalError struct{ Err error }

func (e *FinalError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *FinalError) Unwrap() error { return e.Err }

// Open checks the options and asks the camera once what it sends. A camera that
// cannot be reached is not an error: it may not be up yet, and is tried again
// from the first Next on. One that refuses, or has no video that can be decoded,
// is.
func Open(ctx context.Context, o Options) (*Source, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("open camera: this is no address: write rtsp://host:port/path") // the parser's words could repeat a password
	}
	if u.User != nil {
		return nil, fmt.Errorf("open camera rtsp://%s: credentials do not belong into the address", u.Host)
	}
	name := redact.URL(o.URL) // a password may be in its path or query
	if u.Scheme != "rtsp" && u.Scheme != "rtsps" || u.Host == "" {
		return nil, fmt.Errorf("open camera %s: this is no address of a camera: write rtsp://host:port/path or rtsps://", name)
	}
	switch o.Transport {
	case "", "auto", "tcp", "udp":
	default:
		return nil, fmt.Errorf("open camera %s: there is no transport %q: use udp, tcp or auto", name, o.Transport)
	}
	if u.Scheme == "rtsps" && o.Transport == "udp" {
		return nil, fmt.Errorf("open camera %s: packets of rtsps:// come through its TLS connection: use transport tcp or auto", name)
	}
	if o.Retry <= 0 {
		o.Retry = defaultRetry
	}
	if o.MaxSide <= 0 {
		o.MaxSide = stream.MaxSide
	}
	if o.MaxPixels <= 0 {
		o.MaxPixels = 64 << 20
	}
	s := &Source{o: o, name: name, url: u, queue: newQueue()}
	s.state = msg.CameraState{Camera: o.Camera, Status: msg.CameraConnecting}
	probe, cancel := context.WithTimeout(ctx, openBound)
	defer cancel()
	info, err := s.probe(probe)
	if _, final := errors.AsType[*FinalError](err); final {
		return nil, fmt.Errorf("open camera %s: %w", name, err)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err == nil {
		s.info = info
	}
	return s, nil
}

// Info describes the stream as the camera described it last.
func (s *Source) Info() Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.info
}

// Watch has f told each change of the camera's state, and every few seconds the
// state that is. Call it before the first Next.
func (s *Source) Watch(f func(msg.CameraState)) { s.watch = f }

// Tap has f told each picture as it came. Call it before the first Next.
func (s *Source) Tap(f func(*msg.Packet)) { s.tap = f }

// Next waits for the next picture of the camera.
func (s *Source) Next(ctx context.Context, f *frame.Frame) error {
	s.begin.Do(s.start)
	var idle time.Duration
	for {
		if s.stream != nil {
			ok, err := s.stream.Next(f)
			if ok || err != nil {
				f.Idle = idle
				s.advise()
				return err
			}
		}
		if s.ended { // and has told all that it had
			if err := s.decodeAnew(); err != nil {
				return err
			}
			continue
		}
		s.queue.recycle(s.unit.Data)
		s.unit = unit{}
		waited := time.Now()
		u, err := s.queue.pop(ctx)
		idle += time.Since(waited)
		if err != nil {
			return err
		}
		s.unit = u
		switch {
		case s.stream == nil:
			s.ended = true
		case u.Codec != s.codec:
			s.stream.End()
			s.ended = true
		default:
			s.stream.Put(&s.unit.Unit)
		}
	}
}

// decodeAnew goes on with a decoder for the unit that came last.
func (s *Source) decodeAnew() error {
	u := &s.unit
	next, err := coded.New(coded.Options{
		Codec: u.Codec, Name: s.name, MaxPixels: s.o.MaxPixels, MaxSide: s.o.MaxSide,
		Live: true, Deadline: s.o.Deadline, Period: u.of.period,
	})
	if err != nil {
		return err
	}
	next.Continue(s.stream)
	if s.stream != nil {
		err = s.stream.Close()
	}
	s.stream, s.codec, s.ended = next, u.Codec, false
	s.stream.Put(&u.Unit)
	return err
}

// advise notes that the camera sends pictures later than it need.
func (s *Source) advise() {
	depth := s.stream.Depth()
	if depth == s.depth {
		return
	}
	s.depth = depth
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note = ""
	if depth > 0 {
		s.note = fmt.Sprintf("its B pictures make each up to %d frames late: switch them off in the camera", depth)
	}
}

// start begins the goroutine that keeps a session.
func (s *Source) start() {
	ctx, stop := context.WithCancel(context.Background())
	s.mu.Lock()
	s.stop = stop
	s.mu.Unlock()
	s.done.Go(func() { s.keep(ctx) })
}

// Close ends the session and frees the decoder. Next must have returned.
func (s *Source) Close() error {
	s.begin.Do(func() {}) // never started
	s.mu.Lock()
	stop := s.stop
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
	s.done.Wait()
	if s.stream == nil {
		return nil
	}
	err := s.stream.Close()
	s.stream = nil
	return err
}

// tell publishes a state if it says something new or the last one is old.
func (s *Source) tell(change func(*msg.CameraState)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.state
	change(&s.state)
	now := time.Now()
	if s.state.Status == before.Status && s.state.Detail == before.Detail && now.Sub(s.told) < heartbeat {
		return
	}
	s.told, s.state.At = now, now
	if s.watch != nil {
		s.watch(s.state)
	}
}

// State is the camera's state now.
func (s *Source) State() msg.CameraState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// plain is an error without anything of the credentials, and without what a
// terminal would take for commands: a camera can say anything.
func (s *Source) plain(err error) string {
	text := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, err.Error())
	for _, secret := range []string{s.o.Password, url.QueryEscape(s.o.Password), url.PathEscape(s.o.Password), s.o.User} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}

var _ io.Closer = (*Source)(nil)
