package camera

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// reportEvery is the time from one sender report to the next.
const reportEvery = time.Second

// greetings are when a new client gets sender reports, from its PLAY on: as soon
// as its session may have begun, and once more should that have taken longer.
var greetings = []time.Duration{10 * time.Millisecond, 40 * time.Millisecond, 90 * time.Millisecond}

// camera is one camera of a server: what its goroutine and the others share.
type camera struct {
	number int
	path   string
	chance chance
	shape  *shape
	stream *gortsplib.ServerStream
	media  *description.Media
	tell   func(camera int, f FrameInfo) // may be nil
	wake   chan struct{}                 // something has changed; holds one

	mu       sync.Mutex
	faults   Faults
	film     *strip // that is to be shown
	half     *strip // that it changes with; nil where the size stays
	watching map[*gortsplib.ServerSession]*gortsplib.ServerConn
	greet    []time.Time // when sender reports are due besides the usual ones
	stats    Stats
}

func (c *camera) count(f func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.stats)
}

// rouse makes the camera look at what has changed.
func (c *camera) rouse() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// joined is called when a client has asked to play.
func (c *camera) joined(s *gortsplib.ServerSession, conn *gortsplib.ServerConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, already := c.watching[s]; !already {
		c.stats.Sessions++
	}
	c.watching[s] = conn
	now := time.Now()
	for _, d := range greetings {
		c.greet = append(c.greet, now.Add(d))
	}
	c.rouse()
}

// left is called when a session has ended.
func (c *camera) left(s *gortsplib.ServerSession) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.watching, s)
}

// showing is a running camera: what its goroutine alone knows.
type showing struct {
	*camera
	clock clock
	link  link
	f     Faults // in force

	ctx   context.Context // ends with the camera
	reel  *reel
	spare *spare        // of the encoding that is to be shown; nil where it is shown
	shot  uint64        // number of the next one, through all rounds and encodings
	base  time.Duration // media time at which this round's first picture is taken
	round int
	next  shot
	data  []byte // of the next shot

	waitKey bool   // nothing is sent until a key frame
	packets uint64 // cut so far
	report  time.Time
	cut     time.Time // the next disconnection
	swap    time.Time // the next change of size
	small   bool
}

// run shows the film until ctx ends.
func (c *camera) run(ctx context.Context) error {
	now := time.Now()
	s := &showing{camera: c, ctx: ctx, clock: newClock(now), report: now.Add(reportEvery)}
	s.link = link{chance: c.chance, stats: c.count, write: s.write}
	reel, err := c.open()
	if err != nil {
		return err
	}
	s.reel = reel
	defer func() {
		s.spare.drop()
		s.reel.close()
	}()
	if err := s.load(); err != nil {
		return err
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.wake:
		case <-timer.C:
		}
		wake, err := s.step(time.Now())
		if err != nil {
			return err
		}
		timer.Reset(time.Until(wake))
	}
}

// open opens the film that is to be shown.
func (c *camera) open() (*reel, error) {
	for {
		c.mu.Lock()
		film := c.film
		c.mu.Unlock()
		reel, err := film.open()
		c.mu.Lock()
		changed := c.film != film // and removed, maybe
		c.mu.Unlock()
		if err == nil || !changed {
			return reel, err
		}
	}
}

// step does what is due, and says when the next thing is.
func (s *showing) step(now time.Time) (wake time.Time, err error) {
	greet := s.obey(now)
	s.link.flush(now)
	for !s.due().After(now) {
		if err := s.frame(now); err != nil {
			return now, err
		}
		s.link.flush(now)
	}
	if greet || !s.report.After(now) {
		s.sendReport(now)
	}
	if !s.report.After(now) {
		s.report = now.Add(reportEvery)
	}
	if s.f.DisconnectEvery > 0 && !s.cut.After(now) {
		s.disconnect()
		s.cut = now.Add(time.Duration(s.f.DisconnectEvery))
	}
	return s.soonest(), nil
}

// soonest is when the next thing is due.
func (s *showing) soonest() time.Time {
	wake := s.due()
	sooner := func(t time.Time) {
		if t.Before(wake) {
			wake = t
		}
	}
	sooner(s.report)
	if t, ok := s.link.due(); ok {
		sooner(t)
	}
	if s.f.DisconnectEvery > 0 {
		sooner(s.cut)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.greet {
		sooner(t)
	}
	return wake
}

// obey puts changed faults in force. greet says that a new client waits for a
// sender report.
func (s *showing) obey(now time.Time) (greet bool) {
	s.mu.Lock()
	f := s.faults
	kept := s.greet[:0]
	for _, t := range s.greet {
		if t.After(now) {
			kept = append(kept, t)
		} else {
			greet = true
		}
	}
	s.greet = kept
	s.mu.Unlock()
	if f == s.f {
		return greet
	}
	old := s.f
	s.f, s.link.faults = f, f
	if f.ClockDrift != old.ClockDrift {
		s.clock.drift(now, f.ClockDrift)
	}
	if f.DisconnectEvery != old.DisconnectEvery {
		s.cut = now.Add(time.Duration(f.DisconnectEvery))
	}
	if f.ResolutionEvery != old.ResolutionEvery {
		s.swap, s.small = now.Add(time.Duration(f.ResolutionEvery)), false
	}
	return greet || f.ClockJump != old.ClockJump // a jump shows at once
}

// due is when the next frame is to be sent.
func (s *showing) due() time.Time {
	return s.clock.when(s.base + s.next.dts + s.reel.film.delay)
}

// load reads the next shot.
func (s *showing) load() error {
	if s.reel.at == len(s.reel.film.shots) {
		s.base += s.reel.film.length
		s.round++
	}
	next, data, err := s.reel.next()
	s.next, s.data = next, data
	s.shot++
	return err
}

// frame sends the next shot, or leaves it out, and reads the one after it.
func (s *showing) frame(now time.Time) error {
	if s.f.Freeze {
		s.waitKey = true
	} else if later, err := s.change(now); err != nil || later {
		return err
	}
	if s.f.Freeze || s.waitKey && !s.next.key {
		s.count(func(st *Stats) { st.NotSent++ })
		return s.load()
	}
	s.waitKey = false
	packets, err := s.shape.cut(s.reel.film, s.next, bytes.Clone(s.data))
	if err != nil {
		return err
	}
	taken := s.base + s.next.pts
	info := FrameInfo{
		Index: s.next.index % s.reel.film.frames, Round: s.round,
		Width: s.reel.film.info.Width, Height: s.reel.film.info.Height, Key: s.next.key,
		RTP: s.stamp(taken), NTP: s.day(taken), TakenAt: s.clock.when(taken), SentAt: now,
		Sequence: packets[0].SequenceNumber, Packets: len(packets),
	}
	for i, p := range packets {
		p.Timestamp = info.RTP
		lost, damaged := s.link.push(p, s.packets, i, now)
		s.packets++
		if lost {
			info.Lost++
		}
		if damaged {
			info.Damaged++
		}
	}
	s.count(func(st *Stats) {
		st.Frames++
		if info.Key {
			st.KeyFrames++
		}
	})
	if s.tell != nil {
		s.tell(s.number, info)
	}
	return s.load()
}

// stamp is the RTP timestamp of a media time. A jump moves all of them by as
// much, in frames and in sender reports, so these still give the right time of day.
func (s *showing) stamp(media time.Duration) uint32 {
	return uint32(s.chance.bits(drawOffset, 0)) + ticks(media) + ticks(time.Duration(s.f.RTPJump))
}

// day is the camera's time of day at a media time.
func (s *showing) day(media time.Duration) time.Time {
	return s.clock.day(media).Add(time.Duration(s.f.ClockJump))
}

// change goes over to another encoding of the film where one is wanted, at a key
// frame, once it is ready. later says that the next frame is another one now.
func (s *showing) change(now time.Time) (later bool, err error) {
	if s.f.ResolutionEvery > 0 && !s.swap.After(now) && s.spare == nil { // else one is still under way
		s.small = !s.small
		s.swap = now.Add(time.Duration(s.f.ResolutionEvery))
	}
	want := s.wanted()
	if s.spare != nil && s.spare.film != want {
		if !s.spare.isReady() {
			s.spare.stop() // it is waited for when it has
			return false, nil
		}
		s.spare.drop()
		s.spare = nil
	}
	switch {
	case want == s.reel.film:
		return false, nil
	case s.spare == nil:
		s.prepare(want, nil)
		return false, nil
	case !s.spare.isReady() || s.shot < s.spare.at:
		return false, nil
	}
	at := s.spare.at
	reel, err := s.spare.take()
	s.spare = nil
	switch {
	case err != nil && (s.wanted() != want || s.ctx.Err() != nil): // it was removed in the meantime, or all ends
		return false, nil
	case err != nil:
		return false, err
	case s.shot != at: // it came too late for that key frame
		s.prepare(want, reel)
		return false, nil
	}
	taken := s.base + s.next.pts
	s.reel.close()
	s.reel = reel
	s.count(func(st *Stats) { st.Switches++ })
	if err := s.load(); err != nil {
		return false, err
	}
	s.base = taken - s.next.pts // this one is shown in the other's place
	return true, nil
}

// wanted is the encoding that is to be shown.
func (s *showing) wanted() *strip {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.small && s.half != nil {
		return s.half
	}
	return s.film
}

// prepare has another encoding made ready for the next key frame. from is a reel
// of it that is there already; it may be nil.
func (s *showing) prepare(want *strip, from *reel) {
	film := s.reel.film
	shots := film.shots
	n := s.reel.at // the shot after the next one
	at := s.shot + 1
	for ; !shots[n%len(shots)].key; n++ {
		at++
	}
	key := shots[n%len(shots)]
	s.spare = newSpare(s.ctx, want, key.index%film.frames, at, from)
}

// write hands a packet to all clients.
func (s *showing) write(p *rtp.Packet) {
	c := *p // the stream puts its own source into it
	if err := s.stream.WritePacketRTP(s.media, &c); err != nil {
		return // it is being closed
	}
	s.count(func(st *Stats) {
		st.Packets++
		st.Bytes += uint64(len(p.Payload))
	})
}

// sendReport says which time of day a timestamp is.
func (s *showing) sendReport(now time.Time) {
	if s.f.NoRTCP || s.f.Freeze {
		return
	}
	s.mu.Lock()
	sent, octets := s.stats.Packets, s.stats.Bytes
	s.mu.Unlock()
	media := s.clock.read(now)
	err := s.stream.WritePacketRTCP(s.media, &rtcp.SenderReport{
		SSRC:    s.stream.Stats().Medias[s.media].Formats[s.media.Formats[0]].LocalSSRC,
		NTPTime: ntp(s.day(media)), RTPTime: s.stamp(media),
		PacketCount: uint32(sent), OctetCount: uint32(octets),
	})
	if err == nil {
		s.count(func(st *Stats) { st.Reports++ })
	}
}

// disconnect closes what watches.
func (s *showing) disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for session, conn := range s.watching {
		session.Close()
		conn.Close()
		s.stats.Disconnect++
	}
	clear(s.watching)
}
