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
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"dashline/pipeline/msg"
	"dashline/sensors/coded"
	"dashline/sensors/nal"
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
	order    reorderer // waits for nothing: it counts, and drops duplicates
	assemble *assembler
	clock    *captureClock
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
	_, f, err := pick(d)
	if err != nil {
		return Info{}, err
	}
	return infoOf(f), nil
}

// pick chooses the first video that can be decoded.
func pick(d *description.Session) (*description.Media, format.Format, error) {
	var others []string
	for _, m := range d.Medias {
		for _, f := range m.Formats {
			if _, ok := codecOf(f); ok && !m.IsBackChannel {
				return m, f, nil
			}
			others = append(others, f.Codec())
		}
	}
	return nil, nil, &FinalError{fmt.Errorf("it sends no H.264, H.265 or MJPEG, but %q: choose another stream of the camera", others)}
}

func codecOf(f format.Format) (msg.Codec, bool) {
	switch f.(type) {
	case *format.H264:
		return msg.H264, true
	case *format.H265:
		return msg.H265, true
	case *format.MJPEG:
		return msg.MJPEG, true
	}
	return "", false
}

// parameterSets are those of the session description, in Annex B form.
func parameterSets(f format.Format) []byte {
	var b []byte
	add := func(sets ...[]byte) {
		for _, set := range sets {
			if len(set) > 0 {
				b = append(append(b, startCode...), set...)
			}
		}
	}
	switch f := f.(type) {
	case *format.H264:
		add(f.SafeParams())
	case *format.H265:
		vps, sps, pps := f.SafeParams()
		add(vps, sps, pps)
	}
	return b
}

// infoOf reads the size and rate from the parameter sets, where they are there.
func infoOf(f format.Format) Info {
	codec, _ := codecOf(f)
	in := Info{Codec: codec}
	switch f := f.(type) {
	case *format.H264:
		var sps h264.SPS
		if set, _ := f.SafeParams(); sps.Unmarshal(set) == nil {
			in.Width, in.Height, in.FPS = sps.Width(), sps.Height(), sps.FPS()
		}
	case *format.H265:
		var sps h265.SPS
		if _, set, _ := f.SafeParams(); sps.Unmarshal(set) == nil {
			in.Width, in.Height, in.FPS = sps.Width(), sps.Height(), sps.FPS()
		}
	}
	if !(in.FPS > 0 && in.FPS <= 1000) {
		in.FPS = 0
	}
	if min(in.Width, in.Height) < 1 || max(in.Width, in.Height) > defaultMaxSide {
		in.Width, in.Height = 0, 0
	}
	return in
}

func (in Info) period() time.Duration {
	if in.FPS == 0 {
		return 0
	}
	return time.Duration(float64(time.Second) / in.FPS)
}

// session holds one session until it breaks, which is the error. PTS of its
// pictures begin at base. streamed says whether pictures came.
func (s *Source) session(ctx context.Context, udp bool, base time.Duration) (streamed bool, err error) {
	s.tell(func(st *msg.CameraState) { st.Status = msg.CameraConnecting })
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
	media, f, err := pick(d)
	if err != nil {
		return false, err
	}
	codec, _ := codecOf(f)
	in := infoOf(f)
	s.mu.Lock()
	s.info = in
	s.mu.Unlock()
	n := &session{
		source: s, codec: codec, clock: newCaptureClock(f.ClockRate()), base: base, sets: parameterSets(f), period: in.period(),
		pulse: make(chan time.Time, 1), failure: make(chan error, 1),
	}
	n.assemble = newAssembler(codec, s.queue.buffer, n.picture)
	if _, err := c.Setup(d.BaseURL, media, 0, 0); err != nil {
		return false, s.refused(err)
	}
	c.OnPacketRTP(media, f, n.packet)
	c.OnPacketRTCP(media, n.control)
	if _, err := c.Play(nil); err != nil {
		return false, s.refused(err)
	}
	s.tell(func(st *msg.CameraState) {
		st.Detail, st.Transport, st.Codec = "", "tcp", string(codec)
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
			s.tell(func(st *msg.CameraState) { st.Status, st.Detail = msg.CameraStreaming, "" })
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
	ready := n.order.push(p, now)
	for range 2 { // what push has in order, and what nothing is waited for
		for _, q := range ready {
			n.count(q.missing)
			n.assemble.add(q)
		}
		ready = n.order.expire(now)
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
	if !ok || sr.NTPTime == 0 || !n.clock.started {
		return // 0: the sender has no clock (RFC 3550, 6.4.1)
	}
	n.clock.report(n.assemble.clock.near(sr.RTPTime), ntpTime(sr.NTPTime), time.Now())
	s := n.source
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Clock, s.state.ClockOffset, s.state.ClockDrift, s.state.ClockSteps =
		msg.SenderClock, n.clock.offset, n.clock.ppm(), n.clock.steps
}

// picture takes an access unit and queues it for Next.
func (n *session) picture(a access) {
	s := n.source
	first := !n.clock.started
	c := n.clock.picture(a.time, a.first)
	if !first && n.clock.jump.Abs() > jumped {
		n.fail(errJump)
		return
	}
	n.parameters(&a)
	u := unit{of: n, Unit: coded.Unit{
		Packet: msg.Packet{
			Codec: n.codec, Data: a.data, PTS: n.base + n.clock.media(a.time),
			CapturedAt: c.at, CaptureClock: c.clock, Arrived: a.arrived,
			Key: a.kind.Key, Damaged: a.damaged,
		},
		Kind: a.kind, Gap: a.gap, Lag: c.lag + a.arrived.Sub(a.first),
	}}
	if s.tap != nil {
		s.tap(&u.Packet)
	}
	select {
	case n.pulse <- a.arrived:
	default:
	}
	s.queue.push(u, s.o.Deadline)
}

// parameters sees to it that a key picture has its parameter sets with it.
func (n *session) parameters(a *access) {
	switch {
	case a.kind.Parameters:
		n.sets = setsOf(n.sets[:0], n.codec, a.data)
	case a.kind.Key && len(n.sets) > 0:
		at := len(a.data)
		a.data = append(a.data, n.sets...)
		copy(a.data[len(n.sets):], a.data[:at])
		copy(a.data, n.sets)
	}
}

// setsOf appends the parameter sets of an access unit.
func setsOf(dst []byte, codec msg.Codec, annexB []byte) []byte {
	for n := range nal.NALs(annexB) {
		t := int(n[0] & 31)
		set := t == 7 || t == 8
		if codec == msg.H265 {
			t = int(n[0] >> 1 & 63)
			set = t >= 32 && t <= 34
		}
		if set {
			dst = append(append(dst, startCode...), n...)
		}
	}
	return dst
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
