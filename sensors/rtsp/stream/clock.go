package stream

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
	// Step is the least jump of the sender's clock that counts as one.
	Step = 50 * time.Millisecond
	// driftEvery is the least time that one point of the drift is taken from: the
	// fastest of fewer pictures is too seldom a fast one.
	driftEvery = 900 * time.Millisecond
	// driftSpan is the least time over which drift is told, seconds: a
	// millisecond of jitter then counts for no more than 100 ppm.
	driftSpan = 10
)

const unknown = time.Duration(math.MaxInt64)

// Clock tells when pictures were taken.
//
// RTP times run evenly by the camera's crystal. RTCP sender reports tie them to
// the camera's wall clock (RFC 3550, 6.4.1). Without them, or to know the age
// when that clock is not ours, arrival is taken less the delay beyond the
// fastest recent packet: that is the age but for the shortest transit time, which
// nobody can measure from this side. Ages are never negative.
type Clock struct {
	rate   int64     // RTP ticks a second
	origin time.Time // the first arrival, to which all durations refer

	started bool
	first   int64         // RTP time at origin
	delay   time.Duration // of the latest picture: arrival less media time
	highest time.Duration // media time so far
	period  time.Duration // the least by which it rose
	jump    time.Duration // how much that changed with it

	fastest slidingMin // arrival less media time: what is above it is delay
	transit slidingMin // arrival less capture by the sender's clock

	reported   bool // there was a sender report
	reportTime int64
	reportNTP  time.Time
	steps      uint64
	drift      slope
	quickest   time.Duration // transit since the latest point of the drift, or unknown
	noted      time.Duration // when that point was taken
	offset     time.Duration // of the sender's clock to ours
}

// Capture is what is known of one picture's capture.
type Capture struct {
	At    time.Time
	Clock msg.CaptureClock // by which At is
	Lag   time.Duration    // age at its arrival, not negative
}

// NewClock returns the clock of a stream whose RTP times count so many ticks a
// second.
func NewClock(rate int) *Clock { return &Clock{rate: int64(max(1, rate)), quickest: unknown} }

// Media is an RTP time as the time since the first picture.
func (c *Clock) Media(rtp int64) time.Duration { return c.ticks(rtp - c.first) }

// ticks avoids overflow: days of a 90 kHz clock in nanoseconds.
func (c *Clock) ticks(n int64) time.Duration {
	return time.Duration(n/c.rate)*time.Second + time.Duration(n%c.rate)*time.Second/time.Duration(c.rate)
}

// Picture tells when a picture was taken whose first packet arrived at the given
// time. arrived must have a monotonic reading.
func (c *Clock) Picture(rtp int64, arrived time.Time) Capture {
	if !c.started {
		c.started, c.first, c.origin = true, rtp, arrived
	}
	since := arrived.Sub(c.origin)
	c.follow(rtp)
	before := c.delay
	c.delay = since - c.Media(rtp)
	c.jump = c.delay - before
	beyond := c.delay - c.fastest.add(since, c.delay)
	if !c.reported {
		return Capture{arrived.Add(-beyond), msg.ArrivalClock, beyond}
	}
	at := c.reportNTP.Add(c.ticks(rtp - c.reportTime))
	// Our wall clock as it was at the first picture, so that its own steps are
	// nothing to us.
	transit := c.origin.Round(0).Add(since).Sub(at)
	least := c.transit.add(since, transit)
	c.offset = -least
	c.quickest = min(c.quickest, transit)
	if least >= 0 && least <= synced {
		return Capture{at, msg.SenderClock, transit}
	}
	return Capture{at, msg.SenderClock, beyond}
}

// leastFall is by how much RTP time falls at least when it was set back. B
// pictures make it fall, too, by a few periods.
const (
	leastFall   = 100 * time.Millisecond
	fallPeriods = 5
)

// follow keeps media time rising where the sender sets its RTP clock back, as
// those do that derive it from their time of day.
func (c *Clock) follow(rtp int64) {
	media := c.Media(rtp)
	if d := media - c.highest; d > 0 && (c.period == 0 || d < c.period) {
		c.period = d
	}
	if c.highest-media > max(leastFall, fallPeriods*c.period) {
		c.first += c.count(media - c.highest - c.period)
		media = c.Media(rtp)
		c.steps++
		c.fastest.reset()
		c.transit.reset()
		c.drift, c.quickest = slope{}, unknown
		c.reported = false // the next one ties the new RTP time to the clock
	}
	c.highest = max(c.highest, media)
}

// count is the inverse of ticks.
func (c *Clock) count(d time.Duration) int64 {
	return int64(d/time.Second)*c.rate + int64(d%time.Second)*c.rate/int64(time.Second)
}

// Report takes a sender report: the sender's wall clock at an RTP time.
func (c *Clock) Report(rtp int64, ntp time.Time, arrived time.Time) {
	if c.reported {
		jump := ntp.Sub(c.reportNTP.Add(c.ticks(rtp - c.reportTime)))
		if jump.Abs() >= Step {
			c.steps++
			c.transit.reset() // what was measured was of another clock
			c.drift, c.quickest = slope{}, unknown
		}
	}
	c.reported, c.reportTime, c.reportNTP = true, rtp, ntp
	// What is between two reports is one point of the drift.
	since := arrived.Sub(c.origin)
	switch {
	case c.quickest == unknown:
		c.noted = since
	case since-c.noted >= driftEvery:
		c.drift.add(since.Seconds(), -c.quickest.Seconds())
		c.noted, c.quickest = since, unknown
	}
}

// Started says that there was a picture: times before it have no meaning.
func (c *Clock) Started() bool { return c.started }

// Jump is by how much the sender's RTP time and ours came apart between the last
// two pictures: jitter, or a sender that counts on elsewhere.
func (c *Clock) Jump() time.Duration { return c.jump }

// Offset is how far the sender's wall clock is ahead of ours, less the shortest
// transit time; 0 without reports.
func (c *Clock) Offset() time.Duration { return c.offset }

// Steps is how often the sender's wall clock was set anew.
func (c *Clock) Steps() uint64 { return c.steps }

// Drift is how fast the sender's wall clock gains on ours, parts per million; 0
// until ten seconds of it were seen.
func (c *Clock) Drift() float64 { return c.drift.slope() * 1e6 }

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

func (m *slidingMin) reset() { m.times, m.values = m.times[:0], m.values[:0] }

// slope fits a line by least squares, in which old points fade away: each counts
// 1/64 less than the one after it.
type slope struct{ n, x, y, xx, xy, x0, span float64 }

func (s *slope) add(x, y float64) {
	if s.n == 0 {
		s.x0 = x
	}
	x -= s.x0
	s.span = x
	const keep = 1 - 1.0/64
	s.n, s.x, s.y, s.xx, s.xy = s.n*keep+1, s.x*keep+x, s.y*keep+y, s.xx*keep+x*x, s.xy*keep+x*y
}

// slope is 0 while there are too few points, or they are too close together.
func (s *slope) slope() float64 {
	d := s.n*s.xx - s.x*s.x
	if s.n < 3 || d < 1 || s.span < driftSpan {
		return 0
	}
	v := (s.n*s.xy - s.x*s.y) / d
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// NTPTime reads an NTP timestamp, 32.32 bits since 1900 (RFC 3550, 4). Times
// before 1968 are taken to be after 2036, when the seconds wrap (RFC 4330, 3).
func NTPTime(v uint64) time.Time {
	seconds := int64(v >> 32)
	if seconds < 1<<31 {
		seconds += 1 << 32
	}
	nanos := int64((v & math.MaxUint32) * uint64(time.Second) >> 32)
	return time.Unix(seconds-2208988800, nanos)
}
