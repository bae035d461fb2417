package schedule

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// broke runs a ladder of which some networks fail on every frame while broken says
// so, at once, and counts the frames that fail and those that are answered, by rung.
func broke(rungs []Rung, length time.Duration, broken func(rung int, at time.Duration) bool) (failed, answered []int, switches int) {
	s := New(rungs, []Camera{{}})
	failed, answered = make([]int, len(rungs)), make([]int, len(rungs))
	last := 0
	for now := time.Duration(0); now < length; now += 33 * ms {
		s.Arrive(0, Frame{now, now + 100*ms})
		d := s.Next(now)
		if d.Rung == None {
			continue
		}
		if d.Rung != last {
			switches, last = switches+1, d.Rung
		}
		if broken(d.Rung, now) {
			failed[d.Rung]++
			s.Failed(now + ms)
			continue
		}
		answered[d.Rung]++
		s.Done(d.Rung, s.rungs[d.Rung].P50/4, false)
		if d.Canary != None {
			took := s.rungs[d.Canary].Detect / 4
			s.CanaryDone(now+ms, d.Canary, took, 100*ms, broken(d.Canary, now))
		}
	}
	return failed, answered, switches
}

// A network that is broken costs three frames: its rung is left, and climbed to when
// the network works again. A fault now and then costs no rung.
func TestBrokenRungIsLeft(t *testing.T) {
	rungs := []Rung{rung(30*ms, .9), rung(14*ms, .75), rung(8*ms, .5)}
	for _, tt := range []struct {
		name         string
		broken       func(rung int, at time.Duration) bool
		failed, most []int // frames that fail at most; frames that each rung answers at least, of 909 in 30 s
	}{
		{"none", func(int, time.Duration) bool { return false }, []int{0, 0, 0}, []int{909, 0, 0}},
		{"the largest", func(r int, _ time.Duration) bool { return r == 0 }, []int{3, 0, 0}, []int{0, 900, 0}},
		{"the two largest", func(r int, _ time.Duration) bool { return r < 2 }, []int{3, 3, 0}, []int{0, 0, 900}},
		{"the middle one", func(r int, _ time.Duration) bool { return r == 1 }, []int{0, 0, 0}, []int{909, 0, 0}},
		{"for ten seconds", func(r int, at time.Duration) bool { return r == 0 && at < 10*time.Second }, []int{3, 0, 0}, []int{500, 290, 0}},
		{"now and then", func(r int, at time.Duration) bool { return r == 0 && at/(33*ms)%3 != 0 }, []int{606, 0, 0}, []int{303, 0, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			failed, answered, switches := broke(rungs, 30*time.Second, tt.broken)
			t.Logf("failed %v, answered %v, %d switches", failed, answered, switches)
			for i := range rungs {
				if failed[i] > tt.failed[i] || answered[i] < tt.most[i] {
					t.Errorf("rung %d: %d failed, %d answered; want at most %d, at least %d", i, failed[i], answered[i], tt.failed[i], tt.most[i])
				}
			}
			if switches > 3 {
				t.Errorf("%d switches", switches)
			}
		})
	}
}

// The smallest network broken, under a load that only it is said to bear: the one
// above it is tried, and taken when the load is gone.
func TestSmallestRungBroken(t *testing.T) {
	s := New([]Rung{rung(30*ms, .9), rung(8*ms, .5)}, []Camera{{}})
	s.current = 1
	for now := time.Duration(0); now < time.Second; now += 33 * ms {
		s.Arrive(0, Frame{now, now + 100*ms})
		d := s.Next(now)
		if d.Rung == 0 {
			return
		}
		s.Failed(now + ms)
	}
	t.Error("the broken rung is held")
}

// Whichever networks are broken, and whenever: where one is not, and fits, no more
// than three frames in a row fail on each of the others, and switches stay few.
func TestBrokenRungs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rungs := []Rung{rung(30*ms, .9), rung(14*ms, .75), rung(8*ms, .5), {}}
		var bad [3]bool
		for i := range bad {
			bad[i] = rapid.Bool().Draw(t, "broken")
		}
		until := time.Duration(rapid.IntRange(0, 60).Draw(t, "seconds")) * time.Second
		failed, answered, switches := broke(rungs, time.Minute, func(r int, at time.Duration) bool { return r < 3 && bad[r] && at < until })
		sum := 0
		for i := range rungs {
			sum += answered[i]
			if failed[i] > broken {
				t.Errorf("%d frames failed on rung %d of %v", failed[i], i, bad)
			}
		}
		if sum < 1800 || switches > 60+burst {
			t.Errorf("%d frames of 1819 answered, %d switches", sum, switches)
		}
	})
}
