package camera

import "time"

// clock is a camera's. Media time is what it has counted since it was switched
// on; it runs too fast by its drift.
type clock struct {
	at    time.Time     // some moment, by this machine's clock
	media time.Duration // that was then
	rate  float64       // media time passing in a second
	on    time.Time     // the time of day at media time 0
}

func newClock(now time.Time) clock { return clock{at: now, rate: 1, on: now} }

// drift sets how much too fast it is, in parts per million, from now on.
func (c *clock) drift(now time.Time, ppm float64) {
	c.media = c.read(now)
	c.at, c.rate = now, 1+ppm/1e6
}

// read is the media time at a moment.
func (c *clock) read(t time.Time) time.Duration {
	d := t.Sub(c.at)
	return c.media + d + time.Duration(float64(d)*(c.rate-1))
}

// when is the moment of a media time.
func (c *clock) when(media time.Duration) time.Time {
	d := media - c.media
	return c.at.Add(d + time.Duration(float64(d)*(1/c.rate-1)))
}

// day is the camera's time of day at a media time, without jumps.
func (c *clock) day(media time.Duration) time.Time {
	return c.on.Round(0).Add(media) // its own, not this machine's monotonic one
}

// ticks are media time in units of 1/90000 s.
func ticks(media time.Duration) uint32 {
	return uint32((int64(media)*9 + 50000) / 100000) // to the nearest
}

// ntp is a time of day as sender reports have it: seconds since 1900 and their
// fraction, 32 bits each.
func ntp(t time.Time) uint64 {
	const between = 2208988800 // seconds from 1900 to 1970
	return uint64(t.Unix()+between)<<32 | uint64(t.Nanosecond())<<32/1e9
}
