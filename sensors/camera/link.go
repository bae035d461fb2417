package camera

import (
	"bytes"
	"slices"
	"time"

	"github.com/pion/rtp"
)

// Packets of a frame up to burst leave at once, as from a camera's own buffer;
// the others follow at the rate of a fast network, so that a client's buffer for
// UDP holds a large key frame.
const (
	burst   = 32
	spacing = 25 * time.Microsecond
)

// maxHeld bounds how long a packet waits for others to overtake it.
const maxHeld = 500 * time.Millisecond

// overhead of a packet on the wire besides its payload: RTP, UDP and IP.
const overhead = 12 + 8 + 20

// link is the network behind a camera, with what it does wrong to packets.
type link struct {
	chance chance
	write  func(*rtp.Packet) // to all clients
	stats  func(func(*Stats))

	faults Faults
	bad    bool      // in a burst of losses
	free   time.Time // when a slow link has carried all that waits
	queue  []queued  // by due time, which never falls
	held   []heldBack
}

type queued struct {
	packet *rtp.Packet
	due    time.Time
	number uint64
}

type heldBack struct {
	packet   *rtp.Packet
	number   uint64
	overtake int // packets that have yet to pass it
	until    time.Time
}

// push takes packet number n of the camera, the ith of its frame. lost says that
// it will never leave, damaged that its payload is changed.
func (l *link) push(p *rtp.Packet, n uint64, i int, now time.Time) (lost, damaged bool) {
	if l.loses(n) {
		return true, false
	}
	due := now.Add(time.Duration(max(0, i-burst)) * spacing)
	if l.faults.Bandwidth > 0 {
		at, ok := l.carry(len(p.Payload)+overhead, due)
		if !ok {
			l.stats(func(s *Stats) { s.Overflowed++ })
			return true, false
		}
		due = at
	}
	if j := l.faults.Jitter; j > 0 {
		due = due.Add(time.Duration(l.chance.unit(drawJitter, n) * float64(j)))
	}
	if k := len(l.queue); k > 0 && due.Before(l.queue[k-1].due) {
		due = l.queue[k-1].due // delays keep the order
	}
	damaged = l.damage(p, n)
	l.queue = append(l.queue, queued{p, due, n})
	return false, damaged
}

// loses decides by chance: alone, or in a burst, which is a chain of two states
// after Gilbert.
func (l *link) loses(n uint64) bool {
	begins := l.chance.unit(drawBurst, n) < l.faults.Burst
	if l.bad {
		l.bad = l.chance.unit(drawBurstEnd, n) >= 1/l.faults.burstLength()
	}
	l.bad = (l.bad || begins) && l.faults.Burst > 0
	switch {
	case l.bad:
		l.stats(func(s *Stats) { s.BurstLost++ })
	case l.chance.unit(drawLoss, n) < l.faults.Loss:
		l.stats(func(s *Stats) { s.Lost++ })
	default:
		return false
	}
	return true
}

// carry queues so many bytes on a slow link: when they are through, or that there
// is no room.
func (l *link) carry(size int, now time.Time) (through time.Time, ok bool) {
	if l.free.Before(now) {
		l.free = now
	}
	rate := float64(l.faults.Bandwidth)
	if waiting := l.free.Sub(now).Seconds() * rate; waiting+float64(size) > float64(l.faults.queue()) {
		return now, false
	}
	l.free = l.free.Add(time.Duration(float64(size) / rate * float64(time.Second)))
	return l.free, true
}

// damage cuts a payload short, or turns one of its bits, or both.
func (l *link) damage(p *rtp.Packet, n uint64) bool {
	damaged := false
	if size := len(p.Payload); size > 1 && l.chance.unit(drawTruncate, n) < l.faults.Truncate {
		p.Payload = p.Payload[:1+l.chance.bits(drawTruncateAt, n)%uint64(size-1)]
		damaged = true
		l.stats(func(s *Stats) { s.Truncated++ })
	}
	if size := len(p.Payload); size > 0 && l.chance.unit(drawFlip, n) < l.faults.Flip {
		p.Payload = bytes.Clone(p.Payload)
		bit := l.chance.bits(drawFlipAt, n) % uint64(8*size)
		p.Payload[bit/8] ^= 1 << (bit % 8)
		damaged = true
		l.stats(func(s *Stats) { s.Flipped++ })
	}
	return damaged
}

// flush writes what is due.
func (l *link) flush(now time.Time) {
	done := 0
	for _, q := range l.queue {
		if q.due.After(now) {
			break
		}
		done++
		if l.chance.unit(drawReorder, q.number) < l.faults.Reorder {
			l.held = append(l.held, heldBack{q.packet, q.number, l.faults.reorderDepth(), now.Add(maxHeld)})
			continue
		}
		l.send(q.packet, q.number)
		l.overtaken()
	}
	l.queue = slices.Delete(l.queue, 0, done)
	l.held = slices.DeleteFunc(l.held, func(h heldBack) bool {
		if now.Before(h.until) {
			return false
		}
		l.send(h.packet, h.number)
		return true
	})
}

// overtaken counts a packet that passed those held back, and lets go of those
// that enough have passed.
func (l *link) overtaken() {
	for i := range l.held {
		h := &l.held[i]
		if h.overtake--; h.overtake == 0 {
			l.stats(func(s *Stats) { s.Reordered++ })
			l.send(h.packet, h.number)
		}
	}
	l.held = slices.DeleteFunc(l.held, func(h heldBack) bool { return h.overtake == 0 })
}

func (l *link) send(p *rtp.Packet, n uint64) {
	copies := 1
	if l.chance.unit(drawDuplicate, n) < l.faults.Duplicate {
		copies = 2
		l.stats(func(s *Stats) { s.Duplicated++ })
	}
	for range copies {
		l.write(p)
	}
}

// due is when flush next has something to do; ok is false where nothing waits.
func (l *link) due() (t time.Time, ok bool) {
	if len(l.queue) > 0 {
		t, ok = l.queue[0].due, true
	}
	for _, h := range l.held {
		if !ok || h.until.Before(t) {
			t, ok = h.until, true
		}
	}
	return t, ok
}
