package camera

import (
	"bytes"
	"math"
	"math/bits"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"
)

// bench is a link with its counts and what came out of it.
type bench struct {
	link
	Stats
	out []*rtp.Packet
}

func newBench(seed uint64, f Faults) *bench {
	b := &bench{}
	b.link = link{
		chance: newChance(seed, 0), faults: f,
		write: func(p *rtp.Packet) { b.out = append(b.out, p) },
		stats: func(f func(*Stats)) { f(&b.Stats) },
	}
	return b
}

// carry sends n packets a millisecond apart, and then waits.
func (b *bench) carryAll(n int) (lost, damaged int) {
	now := time.Unix(0, 0)
	for i := range n {
		payload := bytes.Repeat([]byte{byte(i)}, 100)
		l, d := b.push(&rtp.Packet{Header: rtp.Header{SequenceNumber: uint16(i)}, Payload: payload}, uint64(i), 0, now)
		if l {
			lost++
		}
		if d {
			damaged++
		}
		now = now.Add(time.Millisecond)
		b.flush(now)
	}
	for range 100 {
		now = now.Add(time.Second)
		b.flush(now)
	}
	return lost, damaged
}

func (b *bench) numbers() []uint16 {
	var all []uint16
	for _, p := range b.out {
		all = append(all, p.SequenceNumber)
	}
	return all
}

const many = 20000

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s: %g; want %g", what, got, want)
	}
}

func TestLinkWithoutFaults(t *testing.T) {
	b := newBench(1, Faults{})
	lost, damaged := b.carryAll(many)
	if lost != 0 || damaged != 0 || len(b.out) != many || !slices.IsSorted(b.numbers()) || b.Stats != (Stats{}) {
		t.Errorf("%d lost, %d damaged, %d of %d came, %+v", lost, damaged, len(b.out), many, b.Stats)
	}
}

func TestLinkLoses(t *testing.T) {
	b := newBench(1, Faults{Loss: 0.1})
	lost, _ := b.carryAll(many)
	near(t, "lost", float64(lost)/many, 0.1, 0.01)
	if uint64(lost) != b.Lost || len(b.out)+lost != many {
		t.Errorf("%d lost, counted %d, %d of %d came", lost, b.Lost, len(b.out), many)
	}
	for _, p := range []float64{0, 1} {
		b := newBench(1, Faults{Loss: p})
		if lost, _ := b.carryAll(1000); float64(lost) != 1000*p {
			t.Errorf("at a probability of %g %d of 1000 were lost", p, lost)
		}
	}
}

func TestLinkLosesInBursts(t *testing.T) {
	b := newBench(1, Faults{Burst: 0.01, BurstLength: 8})
	lost, _ := b.carryAll(many)
	if uint64(lost) != b.BurstLost || b.Lost != 0 || len(b.out)+lost != many {
		t.Errorf("%d lost, counted %d, %d of %d came", lost, b.BurstLost, len(b.out), many)
	}
	bursts := 0
	last := -1
	for _, n := range b.numbers() {
		if int(n) != last+1 {
			bursts++
		}
		last = int(n)
	}
	// A burst can begin in or right after another: the mean is a little more.
	near(t, "length of a burst", float64(lost)/float64(bursts), 8.5, 1.5)
	near(t, "bursts", float64(bursts), many*0.01/(1+8*0.01), many*0.002)
}

func TestLinkReorders(t *testing.T) {
	b := newBench(1, Faults{Reorder: 0.05, ReorderDepth: 4})
	b.carryAll(many)
	if len(b.out) != many {
		t.Fatalf("%d of %d came", len(b.out), many)
	}
	near(t, "reordered", float64(b.Reordered)/many, 0.05, 0.005)
	late := uint64(0)
	highest := -1
	for i, n := range b.numbers() {
		if int(n) < highest {
			late++
			passed := 0
			for _, m := range b.numbers()[:i] {
				if m > n {
					passed++
				}
			}
			if passed < 4 || passed > 4+MaxReorderDepth {
				t.Fatalf("packet %d was passed by %d; want 4 at least", n, passed)
			}
		}
		highest = max(highest, int(n))
	}
	if late != b.Reordered {
		t.Errorf("%d came late, counted %d", late, b.Reordered)
	}
}

func TestLinkDuplicates(t *testing.T) {
	b := newBench(1, Faults{Duplicate: 0.1})
	b.carryAll(many)
	if uint64(len(b.out)) != many+b.Duplicated {
		t.Errorf("%d came, counted %d copies", len(b.out), b.Duplicated)
	}
	near(t, "copies", float64(b.Duplicated)/many, 0.1, 0.01)
}

func TestLinkDamages(t *testing.T) {
	b := newBench(1, Faults{Truncate: 0.1, Flip: 0.1})
	_, damaged := b.carryAll(many)
	short, flipped, both := 0, 0, 0
	for _, p := range b.out {
		wrong := 0
		for _, c := range p.Payload {
			wrong += bits.OnesCount8(c ^ byte(p.SequenceNumber))
		}
		if wrong > 1 || len(p.Payload) < 1 {
			t.Fatalf("%d wrong bits in %d bytes", wrong, len(p.Payload))
		}
		cut := len(p.Payload) < 100
		switch {
		case cut && wrong == 1:
			both++
		case cut:
			short++
		case wrong == 1:
			flipped++
		}
	}
	if uint64(short+both) != b.Truncated || uint64(flipped+both) != b.Flipped || damaged != short+flipped+both {
		t.Errorf("%d cut, %d flipped, %d both, %d said; counted %d and %d", short, flipped, both, damaged, b.Truncated, b.Flipped)
	}
	near(t, "cut", float64(b.Truncated)/many, 0.1, 0.01)
	near(t, "flipped", float64(b.Flipped)/many, 0.1, 0.01)
}

func TestLinkJitterKeepsOrderAndBound(t *testing.T) {
	b := newBench(1, Faults{Jitter: Duration(20 * time.Millisecond)})
	now := time.Unix(0, 0)
	var delays []time.Duration
	for i := range 1000 {
		b.push(&rtp.Packet{Header: rtp.Header{SequenceNumber: uint16(i)}}, uint64(i), 0, now)
		d := b.queue[len(b.queue)-1].due.Sub(now)
		if d < 0 || d > 20*time.Millisecond {
			t.Fatalf("packet %d is delayed by %v", i, d)
		}
		delays = append(delays, d)
		now = now.Add(33 * time.Millisecond)
		b.flush(now)
	}
	if !slices.IsSorted(b.numbers()) || len(b.out) != 1000 {
		t.Errorf("%d came, in order %v", len(b.out), slices.IsSorted(b.numbers()))
	}
	slices.Sort(delays)
	near(t, "median delay, ms", delays[500].Seconds()*1000, 10, 2)
}

func TestLinkThatIsTooSlow(t *testing.T) {
	const size = 100 + overhead // of a packet
	for _, tt := range []struct {
		name      string
		bandwidth int
		share     float64 // that comes through
	}{
		{"half of what is needed", 500 * size, 0.5},
		{"twice as much", 2000 * size, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(1, Faults{Bandwidth: tt.bandwidth, Queue: 20 * size})
			lost, _ := b.carryAll(many)
			if uint64(lost) != b.Overflowed || len(b.out)+lost != many {
				t.Errorf("%d lost, counted %d, %d of %d came", lost, b.Overflowed, len(b.out), many)
			}
			near(t, "share that comes", float64(len(b.out))/many, tt.share, 0.01)
		})
	}
}

// Queued packets of a slow link are bounded by its queue.
func TestLinkQueueIsBounded(t *testing.T) {
	b := newBench(1, Faults{Bandwidth: 1000, Queue: 10 * (100 + overhead)})
	now := time.Unix(0, 0)
	for i := range 1000 {
		b.push(&rtp.Packet{Payload: make([]byte, 100)}, uint64(i), 0, now)
	}
	if len(b.queue) != 10 || b.Overflowed != 990 {
		t.Errorf("%d wait, %d overflowed; want 10 and 990", len(b.queue), b.Overflowed)
	}
}

// The same seed does the same, another does not, and one fault does not move
// another's draws.
func TestLinkRepeats(t *testing.T) {
	f := Faults{Loss: 0.05, Burst: 0.01, Reorder: 0.05, Duplicate: 0.05, Truncate: 0.05, Flip: 0.05}
	run := func(seed uint64, f Faults) (*bench, []byte) {
		b := newBench(seed, f)
		b.carryAll(2000)
		var all []byte
		for _, p := range b.out {
			all = append(append(all, byte(p.SequenceNumber), byte(p.SequenceNumber>>8)), p.Payload...)
		}
		return b, all
	}
	_, first := run(1, f)
	_, again := run(1, f)
	_, other := run(2, f)
	if !bytes.Equal(first, again) {
		t.Error("the same seed gave other packets")
	}
	if bytes.Equal(first, other) {
		t.Error("another seed gave the same packets")
	}
	lossOnly, _ := run(1, Faults{Loss: 0.05})
	withMore, _ := run(1, Faults{Loss: 0.05, Duplicate: 0.5, Flip: 0.5})
	unique := slices.Compact(withMore.numbers())
	if !slices.Equal(lossOnly.numbers(), unique) {
		t.Error("duplicates and wrong bits changed which packets are lost")
	}
}
