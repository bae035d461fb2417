package rtsp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"dashline/pipeline/msg"
	"dashline/sensors/coded"
	"dashline/sensors/rtsp/stream"
)

// jumped is how far the camera's RTP clock may run from ours before the session
// is made anew.
const jumped = 10 * time.Second

var (
	errNoPacket = errors.New("no packet came over UDP")
	errJump     = errors.New("the camera's RTP clock jumped")
)

// session is one session with the camera. Its callbacks run on the client's
// goroutine, one at a time, until the client is closed.
type session struct {
	source   *Source
	codec    msg.Codec
	order    stream.Reorderer // waits for nothing: it counts, and drops duplicates
	assemble *stream.Assembler
	clock    *stream.Clock
	base     time.Duration // PTS of its first picture
	period   time.Duration // between pictures, as the parameter sets say; 0: they do not
	sets     []byte        // latest parameter sets, Annex B

	pulse   chan time.Time // arrivals of pictures, for the watchdog
	failure chan error     // what a callback found
}

// keep holds a session with the camera until ctx ends.
func (s *Source) keep(ctx context.Context) {
	transport := s.o.Transport
	pause := firstRetry
	var base time.Duration // where the next session's PTS begin
	began := time.Now()
	for ctx.Err() == nil {
		udp := s.url.Scheme == "rtsp" && transport != "tcp"
		streamed, err := s.session(ctx, udp, base)
		if ctx.Err() != nil {
			return
		}
		base = time.Since(began)
		if udp && transport != "udp" && (errors.Is(err, errNoPacket) || refusesUDP(err)) {
			transport = "tcp"
			continue
		}
		if streamed {
			pause = firstRetry
		}
		if _, final := errors.AsType[*FinalError](err); final {
			pause = refusedRetry // asking often gets users locked out
		}
		s.tell(func(st *msg.CameraState) {
			st.Status, st.Detail, st.Transport = msg.CameraFailed, s.plain(err), ""
		})
		// Between half and all of the pause: cameras that were cut off together
		// do not all come back together.
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-ctx.Done():
			return
		}
		pause = min(2*pause, max(s.o.Retry, firstRetry))
	}
}

func refusesUDP(err error) bool {
	bad, ok := errors.AsType[liberrors.ErrClientBadStatusCode](err)
	return ok && bad.Code == base.StatusUnsupportedTransport
}

// client makes an RTSP client, which connects when it is first used. Over UDP its
// packets come through a tunnel, which closes with it.
func (s *Source) client(udp bool) (*gortsplib.Client, error) {
	tcp := gortsplib.TransportTCP
	c := &gortsplib.Client{
		Scheme: s.url.Scheme, Host: s.url.Host, Transport: &tcp,
		TLSConfig: s.o.TLS.Clone(), UserAgent: "dashline",
		ReadTimeout: answerBound, WriteTimeout: answerBound,
		OnPacketsLost:     func(uint64) {},
		OnDecodeError:     func(error) {},
		OnTransportSwitch: func(error) {},
	}
	if udp {
		c.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialTunnel(ctx, network, address, s.o.Reorder)
		}
	}
	return c, c.Start2()
}

// describe connects and asks what the camera sends.
func (s *Source) describe(c *gortsplib.Client) (*description.Session, error) {
	u := *s.url
	if s.o.User != "" {
		u.User = url.UserPassword(s.o.User, s.o.Password)
	}
	address, err := base.ParseURL(u.String())
	if err != nil {
		return nil, &FinalError{fmt.Errorf("the client does not take this address: %s", s.plain(err))}
	}
	d, _, err := c.Describe(address)
	return d, s.refused(err)
}

// refused says what a camera's refusal means, and that it is final.
func (s *Source) refused(err error) error {
	if bad, ok := errors.AsType[liberrors.ErrClientBadStatusCode](err); ok {
		switch bad.Code {
		case base.StatusUnauthorized, base.StatusForbidden:
			if s.o.User == "" {
				return &FinalError{fmt.Errorf("it wants a user name and password: %w: docs/rtsp.md says where they go", err)}
			}
			return &FinalError{fmt.Errorf("it does not take the user name and password: %w", err)}
		case base.StatusUnsupportedTransport:
			return fmt.Errorf("it does not send that way: %w: choose another rtsp.transport, or auto", err)
		case base.StatusNotFound:
			return &FinalError{fmt.Errorf("it has no such stream: %w: look up the path in the camera's manual", err)}
		}
	}
	return err
}

// probe asks the camera once what it sends.
func (s *Source) probe(ctx context.Context) (Info, error) {
	c, err := s.client(false)
	if err != nil {
		return Info{}, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, c.Close)()
	d, err := s.describe(c)
	if err != nil {
		return Info{}, err
	}
	v, err := stream.Choose(d)
	if err != nil {
		return Info{}, &FinalError{err}
	}
	return v.Info, nil
}

// session holds one session until it breaks, which is the error. PTS of its
// pictures begin at base. streamed says whether pictures came.
func (s *Source) session(ctx context.Context, udp bool, base time.Duration) (streamed bool, err error) {
	s.tell(func(st *msg.CameraState) {
		if st.Status != msg.CameraFailed { // which it stays until a session is there
			st.Status = msg.CameraConnecting
		}
	})
	c, err := s.client(udp)
	if err != nil {
		return false, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, c.Close)()
	d, err := s.describe(c)
	if err != nil {
		return false, err
	}
	v, err := stream.Choose(d)
	if err != nil {
		return false, &FinalError{err}
	}
	codec := v.Info.Codec
	s.mu.Lock()
	s.info = v.Info
	s.mu.Unlock()
	n := &session{
		source: s, codec: codec, clock: stream.NewClock(v.Format.ClockRate()), base: base, sets: v.Sets, period: v.Info.Period(),
		pulse: make(chan time.Time, 1), failure: make(chan error, 1),
	}
	n.assemble = stream.NewAssembler(codec, s.queue.buffer, n.picture)
	if _, err := c.Setup(d.BaseURL, v.Media, 0, 0); err != nil {
		return false, s.refused(err)
	}
	c.OnPacketRTP(v.Media, v.Format, n.packet)
	c.OnPacketRTCP(v.Media, n.control)
	if _, err := c.Play(nil); err != nil {
		return false, s.refused(err)
	}
	s.tell(func(st *msg.CameraState) {
		st.Status, st.Detail, st.Transport, st.Codec = msg.CameraConnecting, "", "tcp", string(codec)
		if udp {
			st.Transport = "udp"
		}
		st.Sessions++
	})
	return n.guard(ctx, c, udp)
}

// guard watches that pictures keep coming.
func (n *session) guard(ctx context.Context, c *gortsplib.Client, udp bool) (streamed bool, err error) {
	s := n.source
	gone := make(chan error, 1)
	var waiting sync.WaitGroup
	waiting.Go(func() { gone <- c.Wait() })
	defer func() {
		c.Close()
		waiting.Wait()
	}()
	wait := answerBound
	if udp && s.o.Transport != "udp" {
		wait = firstUDP
	}
	if s.o.Stall > 0 {
		wait = max(wait, s.o.Stall)
	}
	stall := time.NewTimer(wait)
	defer stall.Stop()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	var usual meanPeriod
	for {
		select {
		case at := <-n.pulse:
			streamed = true
			usual.add(at)
			wait = s.o.Stall
			if wait == 0 {
				wait = max(leastStall, stallPeriods*usual.period())
			}
			stall.Reset(wait)
			s.tell(func(st *msg.CameraState) { st.Status, st.Detail = msg.CameraStreaming, s.note })
		case <-beat.C:
			s.tell(func(*msg.CameraState) {})
		case err := <-n.failure:
			return streamed, err
		case err := <-gone:
			return streamed, fmt.Errorf("the session ended: %w", err)
		case <-stall.C:
			if !streamed && udp {
				return false, errNoPacket
			}
			why := fmt.Errorf("no picture for %v", wait.Round(10*time.Millisecond))
			s.tell(func(st *msg.CameraState) { st.Status, st.Detail = msg.CameraStalled, why.Error() })
			return streamed, why
		case <-ctx.Done():
			return streamed, ctx.Err()
		}
	}
}

// packet takes an RTP packet, in the order in which the client has it.
func (n *session) packet(p *rtp.Packet) {
	now := time.Now()
	ready := n.order.Push(p, now)
	for range 2 { // what push has in order, and what nothing is waited for
		for _, q := range ready {
			n.count(q.Missing)
			n.assemble.Add(q)
		}
		ready = n.order.Expire(now)
	}
}

func (n *session) count(missing int) {
	s := n.source
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Packets++
	s.state.Lost += uint64(missing)
}

// control takes an RTCP packet.
func (n *session) control(p rtcp.Packet) {
	sr, ok := p.(*rtcp.SenderReport)
	if !ok || sr.NTPTime == 0 || !n.clock.Started() {
		return // 0: the sender has no clock (RFC 3550, 6.4.1)
	}
	n.clock.Report(n.assemble.Near(sr.RTPTime), stream.NTPTime(sr.NTPTime), time.Now())
	s := n.source
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Clock, s.state.ClockOffset, s.state.ClockDrift, s.state.ClockSteps =
		msg.SenderClock, n.clock.Offset(), n.clock.Drift(), n.clock.Steps()
}

// picture takes an access unit and queues it for Next.
func (n *session) picture(a stream.AccessUnit) {
	s := n.source
	first := !n.clock.Started()
	c := n.clock.Picture(a.Time, a.First)
	if n.clock.Jump().Abs() > jumped {
		n.fail(errJump)
		return
	}
	n.parameters(&a)
	u := unit{of: n, Unit: coded.Unit{
		Packet: msg.Packet{
			Codec: n.codec, Data: a.Data, PTS: n.base + n.clock.Media(a.Time),
			CapturedAt: c.At, CaptureClock: c.Clock, Arrived: a.Arrived,
			Key: a.Kind.Key, Damaged: a.Damaged, Gap: a.Gap, Restart: first,
		},
		Kind: a.Kind, Lag: c.Lag + a.Arrived.Sub(a.First),
	}}
	if s.tap != nil {
		s.tap(&u.Packet)
	}
	select {
	case n.pulse <- a.Arrived:
	default:
	}
	s.queue.push(u, s.o.Deadline)
}

// parameters sees to it that a key picture has its parameter sets with it.
func (n *session) parameters(a *stream.AccessUnit) {
	switch {
	case a.Kind.Parameters:
		n.sets = stream.AppendSets(n.sets[:0], n.codec, a.Data)
	case a.Kind.Key && len(n.sets) > 0:
		at := len(a.Data)
		a.Data = append(a.Data, n.sets...)
		copy(a.Data[len(n.sets):], a.Data[:at])
		copy(a.Data, n.sets)
	}
}

func (n *session) fail(err error) {
	select {
	case n.failure <- err:
	default:
	}
}

// meanPeriod is the mean time between pictures, of which the latest weigh most.
type meanPeriod struct {
	last time.Time
	mean float64 // seconds; 0: not known
}

func (m *meanPeriod) add(at time.Time) {
	if !m.last.IsZero() {
		d := min(at.Sub(m.last).Seconds(), 1)
		if m.mean == 0 {
			m.mean = d
		}
		m.mean += (d - m.mean) / 16
	}
	m.last = at
}

func (m *meanPeriod) period() time.Duration { return time.Duration(m.mean * float64(time.Second)) }
