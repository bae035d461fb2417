package rtsp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

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

	errTransport = errors.New("it does not send over the transport that was chosen: choose another rtsp.transport, or auto")
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

	packets atomic.Int64 // that came
	early   *rtcp.SenderReport
	steps   uint64 // of the camera's clock, before this session
	told    bool   // the offset of its clock

	pulse   chan time.Time // arrivals of pictures, for the watchdog
	failure chan error     // what a callback found
}

// keep holds a session with the camera until ctx ends.
func (s *Source) keep(ctx context.Context) {
	auto := s.url.Scheme == "rtsp" && s.o.Transport != "udp" && s.o.Transport != "tcp"
	udp := s.url.Scheme == "rtsp" && s.o.Transport != "tcp"
	pause := firstRetry
	began := time.Now()
	for ctx.Err() == nil {
		// PTS go on where the last session's ended, or by our clock if that is
		// later: the camera's may run faster.
		base := max(time.Since(began), s.reached)
		if s.reached == 0 {
			base = 0
		}
		streamed, err := s.session(ctx, udp, base)
		if ctx.Err() != nil {
			return
		}
		if auto && !streamed {
			if udp && (errors.Is(err, errNoPacket) || errors.Is(err, errTransport)) {
				udp = false
				continue
			}
			udp = s.url.Scheme == "rtsp" // TCP gave nothing either: both are tried again
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

// describe connects and asks what the camera sends.
func (s *Source) describe(c *connection) (*description.Session, error) {
	u := *s.url
	if s.o.User != "" {
		u.User = url.UserPassword(s.o.User, s.o.Password)
	}
	address, err := base.ParseURL(u.String())
	if err != nil {
		return nil, &FinalError{fmt.Errorf("the client does not take this address: %s", s.plain(err))}
	}
	d, _, err := c.Describe(address)
	return d, s.refused(c.why(err))
}

// refused says what a camera's refusal means, and that it is final.
func (s *Source) refused(err error) error {
	if bad, ok := errors.AsType[liberrors.ErrClientBadStatusCode](err); ok {
		switch bad.Code {
		case base.StatusUnauthorized, base.StatusForbidden:
			if s.o.User == "" {
				return &FinalError{fmt.Errorf("it wants a user name and password (%s): docs/rtsp.md says where they go", s.plain(err))}
			}
			return &FinalError{fmt.Errorf("it does not take the user name and password (%s)", s.plain(err))}
		case base.StatusUnsupportedTransport:
			return errTransport
		case base.StatusNotFound:
			return &FinalError{fmt.Errorf("it has no such stream (%s): look up the path in the camera's manual", s.plain(err))}
		}
	}
	return err
}

// probe asks the camera once what it sends.
func (s *Source) probe(ctx context.Context) (Info, error) {
	c, err := s.connect(ctx, false)
	if err != nil {
		return Info{}, err
	}
	defer c.Close()
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
	c, err := s.connect(ctx, udp)
	if err != nil {
		return false, err
	}
	defer c.Close()
	bound := time.AfterFunc(setupBound, func() { c.cancel(errNoAnswer) })
	defer bound.Stop()
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
		source: s, codec: codec, clock: stream.NewClock(v.Format.ClockRate()), base: base, sets: v.Sets, period: v.Info.Period(), steps: s.State().ClockSteps,
		pulse: make(chan time.Time, 1), failure: make(chan error, 1),
	}
	n.assemble = stream.NewAssembler(codec, s.queue.buffer, n.picture)
	if _, err := c.Setup(d.BaseURL, v.Media, 0, 0); err != nil {
		return false, s.refused(c.why(err))
	}
	c.OnPacketRTP(v.Media, v.Format, n.packet)
	c.OnPacketRTCP(v.Media, n.control)
	if _, err := c.Play(nil); err != nil {
		return false, s.refused(c.why(err))
	}
	bound.Stop()
	s.tell(func(st *msg.CameraState) {
		st.Status, st.Detail, st.Transport, st.Codec = msg.CameraConnecting, "", "tcp", string(codec)
		if udp {
			st.Transport = "udp"
		}
		st.Sessions++
		st.Clock, st.ClockDrift = "", 0 // of the camera's clock nothing is known yet but where it was
	})
	return n.guard(ctx, c, udp)
}

// guard watches that pictures keep coming.
func (n *session) guard(ctx context.Context, c *connection, udp bool) (streamed bool, err error) {
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
			if udp && n.packets.Load() == 0 {
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
	n.packets.Add(1)
	n.take(n.order.Push(p, now))
	n.take(n.order.Expire(now))
}

func (n *session) take(packets []stream.Packet) {
	for _, p := range packets {
		n.count(p.Missing)
		n.assemble.Add(p)
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
	switch {
	case !ok, sr.NTPTime == 0: // the sender has no clock (RFC 3550, 6.4.1)
		return
	case !n.clock.Started():
		n.early = sr // its RTP time has no meaning before there is another
		return
	}
	n.report(sr)
}

func (n *session) report(sr *rtcp.SenderReport) {
	n.clock.Report(n.assemble.Near(sr.RTPTime), stream.NTPTime(sr.NTPTime), time.Now())
	s := n.source
	s.mu.Lock()
	defer s.mu.Unlock()
	offset := n.clock.Offset()
	if !n.told && offset != 0 {
		n.told = true
		if s.state.ClockOffset != 0 && (offset-s.state.ClockOffset).Abs() >= stream.Step {
			n.steps++ // it was set while there was no session
		}
	}
	s.state.Clock, s.state.ClockOffset, s.state.ClockDrift, s.state.ClockSteps =
		msg.SenderClock, offset, n.clock.Drift(), n.steps+n.clock.Steps()
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
	if n.early != nil {
		n.report(n.early)
		n.early = nil
	}
	n.parameters(&a)
	pts := n.base + n.clock.Media(a.Time)
	s.reached = max(s.reached, pts+max(n.period, time.Millisecond))
	u := unit{of: n, Unit: coded.Unit{
		Packet: msg.Packet{
			Codec: n.codec, Data: a.Data, PTS: pts,
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
	case a.Damaged:
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
