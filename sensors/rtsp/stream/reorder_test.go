package stream

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"
	"pgregory.net/rapid"
)

func packetOf(seq uint16) *rtp.Packet { return &rtp.Packet{Header: rtp.Header{SequenceNumber: seq}} }

// A stream that is lost, doubled and disordered in part: packets come out in
// order and once, each that is missing is counted, and none waits longer than it
// may.
func TestReordererProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		wait := time.Duration(rapid.IntRange(0, 50).Draw(t, "wait_ms")) * time.Millisecond
		loss := rapid.SampledFrom([]float64{0, 0.01, 0.3}).Draw(t, "loss")
		late := rapid.IntRange(0, 80).Draw(t, "late_ms")
		first := uint16(rapid.IntRange(0, 65535).Draw(t, "first"))
		const n, every = 300, 3 * time.Millisecond

		type arrival struct {
			at  time.Time
			seq uint16
		}
		var arrivals []arrival
		start := time.Unix(1000, 0)
		for i := range n {
			at := start.Add(time.Duration(i)*every + time.Duration(rng.IntN(late+1))*time.Millisecond)
			if i == 0 {
				at = start.Add(-time.Second) // the first is the first
			} else if rng.Float64() < loss {
				continue
			}
			arrivals = append(arrivals, arrival{at, first + uint16(i)})
			if rng.IntN(20) == 0 {
				arrivals = append(arrivals, arrival{at.Add(time.Duration(rng.IntN(10)) * time.Millisecond), first + uint16(i)})
			}
		}
		slices.SortStableFunc(arrivals, func(a, b arrival) int { return a.at.Compare(b.at) })

		r := Reorderer{Wait: wait}
		next := first
		take := func(out []Packet, now time.Time) {
			for _, p := range out {
				if p.SequenceNumber != next+uint16(p.Missing) {
					t.Fatalf("packet %d comes with %d missing after %d", p.SequenceNumber, p.Missing, next-1)
				}
				next = p.SequenceNumber + 1
				if held := now.Sub(p.Arrived); held > wait {
					t.Fatalf("packet %d was held for %v; at most %v is allowed", p.SequenceNumber, held, wait)
				}
			}
		}
		for i, a := range arrivals {
			now := a.at
			// As the tunnel does: what is due goes before what comes.
			for {
				at, ok := r.Deadline()
				if !ok || at.After(now) {
					break
				}
				take(r.Expire(at), at)
			}
			take(r.Push(packetOf(a.seq), now), now)
			if i == len(arrivals)-1 {
				end := now.Add(wait)
				take(r.Expire(end), now)
			}
		}
		if r.held != 0 {
			t.Fatalf("%d packets are still held", r.held)
		}
		if late*int(time.Millisecond) <= int(wait) && loss == 0 && next != first+n {
			t.Fatalf("the last packet is %d; want %d: nothing was lost and nothing later than is waited for", next-1, first+n-1)
		}
	})
}

func TestReordererFollowsAJump(t *testing.T) {
	now := time.Unix(1000, 0)
	r := Reorderer{Wait: time.Second}
	if got := r.Push(packetOf(10), now); len(got) != 1 {
		t.Fatal(got)
	}
	r.Push(packetOf(12), now) // held
	got := r.Push(packetOf(5000), now)
	if len(got) != 2 || got[0].SequenceNumber != 12 || got[0].Missing != 1 || got[1].SequenceNumber != 5000 || got[1].Missing != 4987 {
		t.Errorf("a jump ahead: %v", got)
	}
	// Back, as after a restart: believed when it stays.
	n := 0
	for i := range uint16(200) {
		for _, p := range r.Push(packetOf(100+i), now) {
			if n == 0 && p.Missing == 0 {
				t.Error("a restart without a gap")
			}
			n++
		}
	}
	if n < 100 {
		t.Errorf("%d of 200 packets came through after a restart", n)
	}
}
