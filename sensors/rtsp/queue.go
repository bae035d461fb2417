package rtsp

import (
	"context"
	"sync"
	"time"

	"dashline/sensors/coded"
)

// unit is an access unit with the session that it came in.
type unit struct {
	coded.Unit
	of *session
}

// Bounds of what waits to be decoded.
const (
	maxUnits = 256
	maxBytes = 64 << 20
)

// queue holds what has arrived and is not yet decoded. Its writer never waits.
type queue struct {
	mu    sync.Mutex
	units []unit
	bytes int
	more  chan struct{} // has a token while there are units
	free  [][]byte
}

func newQueue() *queue { return &queue{more: make(chan struct{}, 1)} }

// push adds a unit. When it is a key picture, and the oldest one that waits is
// older than the deadline, all before it are let go: nothing that comes later
// refers to them. So they are when there is no room.
func (q *queue) push(u unit, deadline time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	full := len(q.units) >= maxUnits || q.bytes+len(u.Data) > maxBytes
	late := u.Key && deadline > 0 && len(q.units) > 0 && q.units[0].age() > deadline
	if full || late {
		q.skip()
	}
	if len(q.units) >= 4*maxUnits { // nobody reads: what is let go is not kept for ever
		for i := range maxUnits {
			u.Skipped += 1 + q.units[i].Skipped
		}
		q.units = append(q.units[:0], q.units[maxUnits:]...)
	}
	q.units = append(q.units, u)
	q.bytes += len(u.Data)
	q.signal()
}

// age is the time since the unit was captured.
func (u *unit) age() time.Duration { return time.Since(u.Arrived) + u.Lag }

// skip empties all units that wait; they are still to be counted.
func (q *queue) skip() {
	for i := range q.units {
		u := &q.units[i]
		u.Skip = true
		q.keep(u.Data)
		u.Data = nil
	}
	q.bytes = 0
}

// pop waits for the oldest unit.
func (q *queue) pop(ctx context.Context) (unit, error) {
	for {
		q.mu.Lock()
		if len(q.units) > 0 {
			u := q.units[0]
			q.units[0] = unit{}
			q.units = q.units[1:]
			q.bytes -= len(u.Data)
			q.mu.Unlock()
			return u, nil
		}
		q.mu.Unlock()
		select {
		case <-q.more:
		case <-ctx.Done():
			return unit{}, ctx.Err()
		}
	}
}

func (q *queue) signal() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// buffer gives memory for a unit; recycle takes it back.
func (q *queue) buffer() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := len(q.free); n > 0 {
		b := q.free[n-1]
		q.free = q.free[:n-1]
		return b
	}
	return nil
}

func (q *queue) recycle(b []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.keep(b)
}

func (q *queue) keep(b []byte) {
	if cap(b) > 0 && cap(b) <= 1<<20 && len(q.free) < 16 {
		q.free = append(q.free, b)
	}
}
