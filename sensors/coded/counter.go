package coded

import (
	"slices"
	"time"

	"dashline/pipeline/msg"
)

// Counter numbers the pictures of a stream as a [Stream] that is given them does,
// with those that are missing, and decodes nothing. It belongs to one goroutine.
type Counter struct {
	seq     uint64
	taken   int
	gapAt   int
	lossy   bool
	begun   bool
	last    time.Duration
	period  periodMeter
	depth   depthMeter
	pending []counted // in the order of presentation
}

type counted struct {
	pts        time.Duration
	taken      int
	key, first bool
}

// NewCounter begins with the number of the first picture; period is as in
// [Options]. The first pictures of the stream tell how far the order of decoding
// differs from that of presentation, which a decoder finds in its headers.
func NewCounter(number uint64, period time.Duration, first []time.Duration) *Counter {
	c := &Counter{seq: number, period: periodMeter{nominal: period}}
	for _, pts := range first {
		c.depth.add(pts)
	}
	c.depth = depthMeter{depth: c.depth.depth}
	return c
}

// Restart says that a new stream continues this one, as [Stream.Continue] does.
func (c *Counter) Restart() {
	*c = Counter{seq: c.seq, begun: c.begun, last: c.last, period: periodMeter{nominal: c.period.nominal}}
}

// Put counts the next picture, in the order of decoding.
func (c *Counter) Put(p *msg.Packet) {
	c.note(p)
	c.depth.add(p.PTS)
	c.taken++
	at := len(c.pending)
	for at > 0 && c.pending[at-1].pts > p.PTS {
		at--
	}
	c.pending = slices.Insert(c.pending, at, counted{p.PTS, c.taken, p.Key && !p.Damaged, p.Restart})
	for len(c.pending) > c.depth.depth {
		c.pop()
	}
}

// Next is the number of the first picture from the key picture p on, which is to
// be put next.
func (c *Counter) Next(p *msg.Packet) uint64 {
	n := *c
	n.pending = slices.Clone(c.pending)
	n.note(p)
	for len(n.pending) > 0 {
		n.pop()
	}
	return n.seq + n.missing(p.PTS, p.Restart)
}

// note says that pictures may be missing before p.
func (c *Counter) note(p *msg.Packet) {
	if p.Gap {
		c.lossy, c.gapAt = true, c.taken+1
	}
}

// missing is how many pictures are between the latest and one at pts.
func (c *Counter) missing(pts time.Duration, first bool) uint64 {
	if !c.begun || !c.lossy || first {
		return 0
	}
	return uint64(c.period.between(pts - c.last))
}

func (c *Counter) pop() {
	p := c.pending[0]
	c.pending = slices.Delete(c.pending, 0, 1)
	c.seq += c.missing(p.pts, p.first) + 1
	if c.begun && !c.lossy && !p.first {
		c.period.add(p.pts - c.last)
	}
	c.begun, c.last = true, p.pts
	if p.key && p.taken >= c.gapAt {
		c.lossy = false
	}
}
