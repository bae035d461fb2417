package stream

import (
	"time"

	"github.com/pion/rtp"
)

// window is how many packets may wait for a missing one: some 25 frames of a
// fast camera, far more than any network overtakes by.
const window = 512

// Reorderer puts RTP packets into the order of their sequence numbers. A packet
// that is missing is waited for for a bounded time, counted from the arrival of
// the first one after it, and then never again: so one lost packet delays what
// follows by no more than that time, whatever the rate of packets.
//
// It has no clock of its own. The zero value waits for nothing: it counts what is
// missing, and drops duplicates and what comes too late.
type Reorderer struct {
	Wait time.Duration // largest wait for a missing packet

	started bool
	next    uint16       // sequence number that is due
	skipped int          // packets before next that did not come
	held    int          // packets in slots
	slots   [window]slot // by sequence number
	old     int          // packets in a row from before next
	ready   []Packet     // handed out by Push and Expire, used again
}

type slot struct {
	packet  *rtp.Packet
	arrived time.Time
}

// Packet is one of a stream's, in order, with what is known of those before it.
type Packet struct {
	*rtp.Packet
	Arrived time.Time
	Missing int // packets before it that did not come
}

// Push takes a packet that has arrived and returns those that are now in order.
// The result is valid until the next call. The packet becomes the reorderer's.
func (r *Reorderer) Push(p *rtp.Packet, now time.Time) []Packet {
	r.ready = r.ready[:0]
	if !r.started {
		r.started, r.next = true, p.SequenceNumber
	}
	ahead := int16(p.SequenceNumber - r.next)
	switch {
	case ahead < 0:
		// A duplicate, or too late. A sender that began again at another number
		// is believed when it keeps to it.
		if r.old++; r.old < window/8 {
			return nil
		}
		r.flush()
		r.next, r.skipped = p.SequenceNumber, 1 // how many is not known
	case ahead >= window:
		r.flush()
		r.skipped += int(p.SequenceNumber - r.next)
		r.next = p.SequenceNumber
	}
	r.old = 0
	s := &r.slots[p.SequenceNumber%window]
	if s.packet != nil {
		return r.ready // a duplicate of one that is held
	}
	*s = slot{p, now}
	r.held++
	r.run()
	return r.ready
}

// Expire returns what need not wait any longer. The result is valid until the
// next call.
func (r *Reorderer) Expire(now time.Time) []Packet {
	r.ready = r.ready[:0]
	for {
		at, ok := r.Deadline()
		if !ok || now.Before(at) {
			return r.ready
		}
		r.skip()
	}
}

// Deadline is when Expire will have something to hand out; ok is false for never.
func (r *Reorderer) Deadline() (at time.Time, ok bool) {
	if r.held == 0 {
		return at, false
	}
	for i := range r.slots {
		if s := &r.slots[i]; s.packet != nil && (at.IsZero() || s.arrived.Before(at)) {
			at = s.arrived
		}
	}
	return at.Add(r.Wait), true
}

// skip gives up what is missing before the first packet that is held.
func (r *Reorderer) skip() {
	for r.slots[r.next%window].packet == nil {
		r.next++
		r.skipped++
	}
	r.run()
}

// run hands out packets from next on until one is missing.
func (r *Reorderer) run() {
	for s := &r.slots[r.next%window]; s.packet != nil; s = &r.slots[r.next%window] {
		r.ready = append(r.ready, Packet{s.packet, s.arrived, r.skipped})
		*s = slot{}
		r.held--
		r.next++
		r.skipped = 0
	}
}

// flush hands out all that is held.
func (r *Reorderer) flush() {
	for r.held > 0 {
		r.skip()
	}
}
