package rtsp

import (
	"math"
	"time"

	"dashline/pipeline/msg"
)

// What the capture clock goes by.
const (
	// memory is for how long the fastest packets are remembered. Clocks of
	// cameras drift by up to 100 ppm: 1 ms in this time.
	memory = 10 * time.Second
	// synced is the largest transit time that is believed. A camera whose clock
	// is not set the same as ours is off by more, or is ahead of us.
	synced = 500 * time.Millisecond
	// step is the least jump of the sender's clock that counts as one.
	step = 50 * time.Millisecond
)

// captureClock tells when pictures were taken.
//
// RTP times run evenly by the camera's crystal. RTCP sender reports tie them to
// the camera's wall clock (RFC 3550, 6.4.1). Without them, or to know the age
// when that clock is not ours, arrival is taken less the delay beyond the
// fastest recent packet: that is the age but for the shortest transit time, which
// nobody can measure from this side. Ages are never negative.
type captureClock struct {
	rate   int64     // RTP ticks a second
	origin time.Time // the first arrival, to which all durations refer

	started bool
	first   int64         // RTP time at origin
	delay   time.Duration // of the latest picture: arrival less media time
	jump    time.Duration // how much that changed with it

	fastest slidingMin // arrival less media time: what is above it is delay
	transit slidingMin // arrival less capture by the sender's clock

	reported   bool // there was a sender report
	reportTime int64
	reportNTP  time.Time
	steps      uint64
	drift      slope
	offset     time.Duration // of the sender's clock to ours
}

// capture is what is known of one picture's capture.
type capture struct {
	at    time.Time
	clock msg.CaptureClock
	lag   time.Duration // at its arrival, not negative
}

func newCaptureClock(rate int) *captureClock { return &captureClock{rate: int64(max(1, rate))} }

// media is an RTP time as the time since the first picture.
func (c *captureClock) media(rtp int64) time.Duration { return c.ticks(rtp - c.first) }

// ticks avoids overflow: days of a 90 kHz clock in nanoseconds.
func (c *captureClock) ticks(n int64) time.Duration {
	return time.Duration(n/c.rate)*time.Second + time.Duration(n%c.rate)*time.Second/time.Duration(c.rate)
}

// picture tells when a picture was taken whose first packet arrived at the given
// time. arrived must have a monotonic reading.
func (c *captureClock) picture(rtp int64, arrived time.Time) capture {
	if !c.started {
		c.started, c.first, c.origin = true, rtp, arrived
	}
	since := arrived.Sub(c.origin)
	before := c.delay
	c.delay = since - c.media(rtp)
	c.jump = c.delay - before
	beyond := c.delay - c.fastest.add(since, c.delay)
	if !c.reported {
		return capture{arrived.Add(-beyond), msg.ArrivalClock, beyond}
	}
	at := c.reportNTP.Add(c.ticks(rtp - c.reportTime))
	transit := arrived.Round(0).Sub(at)
	least := c.transit.add(since, transit)
	c.offset = -least
	if least >= 0 && least <= synced {
		return capture{at, msg.SenderClock, transit}
	}
	return capture{at, msg.SenderClock, beyond}
}

// report takes a sender report: the sender's wall clock at an RTP time.
func (c *captureClock) report(rtp int64, ntp time.Time, arrived time.Time) {
	if c.reported {
		jump := ntp.Sub(c.reportNTP.Add(c.ticks(rtp - c.reportTime)))
		if jump.Abs() >= step {
			c.steps++
			c.transit.reset() // what was measured was of another clock
			c.drift = slope{}
		}
	}
	c.reported, c.reportTime, c.reportNTP = true, rtp, ntp
	if c.started && c.transit.known() {
		c.drift.add(arrived.Sub(c.origin).Seconds(), c.offset.Seconds())
	}
}

// ppm is how fast the sender's clock gains on ours, parts per million.
func (c *captureClock) ppm() float64 { return c.drift.slope() * 1e6 }

// slidingMin is the least of the values of the last [memory], in constant time:
// the monotonic deque.
type slidingMin struct {
	times, values []time.Duration // increasing values
}

func (m *slidingMin) add(now, v time.Duration) time.Duration {
	n := len(m.values)
	for n > 0 && m.values[n-1] >= v {
		n--
	}
	m.times, m.values = append(m.times[:n], now), append(m.values[:n], v)
	old := 0
	for m.times[old] < now-memory {
		old++
	}
	m.times, m.values = m.times[old:], m.values[old:]
	return m.values[0]
}

func (m *slidingMin) known() bool { return len(m.values) > 0 }

func (m *slidingMin) reset() { m.times, m.values = m.times[:0], m.values[:0] }

// slope fits a line by least squares, in which old points fade away: each counts
// 1/64 less than the one after it.
type slope struct{ n, x, y, xx, xy, x0 float64 }

func (s *slope) add(x, y float64) {
	if s.n == 0 {
		s.x0 = x
	}
	x -= s.x0
	const keep = 1 - 1.0/64
	s.n, s.x, s.y, s.xx, s.xy = s.n*keep+1, s.x*keep+x, s.y*keep+y, s.xx*keep+x*x, s.xy*keep+x*y
}

// slope is 0 while there are too few points, or they are too close together.
func (s *slope) slope() float64 {
	d := s.n*s.xx - s.x*s.x
	if s.n < 3 || d < 1 {
		return 0
	}
	v := (s.n*s.xy - s.x*s.y) / d
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// ntpTime reads an NTP timestamp, 32.32 bits since 1900 (RFC 3550, 4). Times
// before 1968 are taken to be after 2036, when the seconds wrap (RFC 4330, 3).
func ntpTime(v uint64) time.Time {
	seconds := int64(v >> 32)
	if seconds < 1<<31 {
		seconds += 1 << 32
	}
	nanos := int64((v & math.MaxUint32) * uint64(time.Second) >> 32)
	return time.Unix(seconds-2208988800, nanos)
}
