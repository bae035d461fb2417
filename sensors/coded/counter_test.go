package coded_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"dashline/sensors/coded"
)

// From a key picture on, a counter gives the number that a stream gives which
// decoded all before it, whatever was lost.
func TestCounterNumbersAsAStreamDoes(t *testing.T) {
	f := load(t)
	keys := 0
	for seed := range uint64(16) {
		rng := rand.New(rand.NewPCG(seed, 0))
		loss := []float64{0, 0.02, 0.1, 0.3}[seed%4]
		var units []coded.Unit
		gap := false
		for i, u := range f.units {
			switch r := rng.Float64(); {
			case i > 0 && r < loss:
				gap = true
				continue
			case i > 0 && r > 1-loss/2, i == 0 && seed >= 8:
				u.Damaged = true
			}
			u.Gap = gap
			gap = false
			units = append(units, u)
		}
		numbers := map[int64]uint64{}
		for _, e := range play(t, options, units) {
			if e.reason != coded.Lost {
				numbers[int64(e.pts)] = e.seq
			}
		}
		var first []time.Duration
		for i := range units[:64] {
			first = append(first, units[i].PTS)
		}
		c := coded.NewCounter(0, options.Period, first)
		for i := range units {
			u := &units[i]
			if u.Key && !u.Damaged && i > 0 {
				if got, want := c.Next(&u.Packet), numbers[int64(u.PTS)]; got != want {
					t.Errorf("seed %d: the key picture at %v has number %d; the stream says %d", seed, u.PTS, got, want)
				}
				keys++
			}
			c.Put(&u.Packet)
		}
	}
	if keys == 0 {
		t.Error("there was no key picture to begin at")
	}
}
