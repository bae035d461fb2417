package schedule

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A second process that burns both cores for ten seconds: frames take three times
// as long.
func TestLoadStep(t *testing.T) {
	for seed := range uint64(20) {
		w := &world{rungs: threeRungs(), streams: []stream{camera30(100 * ms)}, length: 40 * time.Second, seed: seed, fixed: None}
		burn := func(_ int, at time.Duration) float64 {
			if at >= 10*time.Second && at < 20*time.Second {
				return 3
			}
			return 1
		}
		w.service = noisy(w, .05, burn)
		checkStep(t, w, 10*time.Second, 20*time.Second)
	}
}

// One rung that is slowed three times.
func TestRungStep(t *testing.T) {
	for seed := range uint64(20) {
		w := &world{rungs: threeRungs(), streams: []stream{camera30(100 * ms)}, length: 40 * time.Second, seed: seed, fixed: None}
		slow := func(rung int, at time.Duration) float64 {
			if rung == 0 && at >= 10*time.Second && at < 20*time.Second {
				return 3
			}
			return 1
		}
		w.service = noisy(w, .05, slow)
		checkStep(t, w, 10*time.Second, 20*time.Second)
	}
}

// Four cameras instead of one for ten seconds.
func TestCameraStep(t *testing.T) {
	for seed := range uint64(20) {
		w := &world{rungs: threeRungs(), length: 40 * time.Second, seed: seed, fixed: None}
		for c := range 4 {
			s := camera30(100 * ms)
			s.phase = time.Duration(c) * 7 * ms
			if c > 0 {
				s.gone = func(at time.Duration) bool { return at < 10*time.Second || at >= 20*time.Second }
			}
			w.streams = append(w.streams, s)
		}
		w.service = noisy(w, .05, nil)
		checkStep(t, w, 10*time.Second, 20*time.Second)
	}
}

// checkStep: on time but for the first frames, no more than a switch a second, back
// within three seconds, and worth more than any fixed rung over all.
func checkStep(t *testing.T, w *world, from, to time.Duration) {
	t.Helper()
	h := w.run()
	if p := h.produced; sum(p) != len(h.answers)+h.dropped() {
		t.Errorf("seed %d: %d produced, %d answered, %d dropped", w.seed, sum(p), len(h.answers), h.dropped())
	}
	for _, span := range [][2]time.Duration{{300 * ms, from}, {from + 400*ms, to}, {to, w.length}} {
		if on := h.onTime(span[0], span[1]); on < .99 {
			t.Errorf("seed %d: from %v to %v %.4f are on time", w.seed, span[0], span[1], on)
		}
	}
	before, after := h.usual(from-3*time.Second, from), h.usual(to+3*time.Second, to+6*time.Second)
	if before != after {
		t.Errorf("seed %d: on rung %d before and on %d three seconds after", w.seed, before, after)
	}
	if n := len(h.switches); n > int(w.length/time.Second) {
		t.Errorf("seed %d: %d switches in %v", w.seed, n, w.length)
	}
	best, steppedBest := 0.0, 0.0 // of fixed rungs
	for r := range w.rungs[:len(w.rungs)-1] {
		f := *w
		f.fixed = r
		fixed := f.run()
		best = max(best, fixed.streaming(w, 0, from+400*ms, to))
		steppedBest = max(steppedBest, fixed.streaming(w, 0, time.Second, w.length))
		t.Logf("seed %d: fixed rung %d: %.4f, in the step %.4f", w.seed, r, fixed.streaming(w, 0, time.Second, w.length), fixed.streaming(w, 0, from+400*ms, to))
	}
	all, in := h.streaming(w, 0, time.Second, w.length), h.streaming(w, 0, from+400*ms, to)
	t.Logf("seed %d: ladder: %.4f, in the step %.4f; %d switches, %d canaries, %d late of %d, drops %v", w.seed, all, in, len(h.switches), h.canaries, h.late(), len(h.answers), h.drops)
	if in < .98*best {
		t.Errorf("seed %d: in the step %.4f, a fixed rung %.4f", w.seed, in, best)
	}
	if all <= steppedBest {
		t.Errorf("seed %d: over all %.4f, a fixed rung %.4f", w.seed, all, steppedBest)
	}
}

func (h *history) late() int {
	n := 0
	for _, a := range h.answers {
		if a.late() {
			n++
		}
	}
	return n
}

// usual is the rung of most answers.
func (h *history) usual(from, to time.Duration) int {
	count := map[int]int{}
	best := None
	for _, a := range h.answers {
		if a.begun >= from && a.begun < to {
			if count[a.rung]++; best == None || count[a.rung] > count[best] {
				best = a.rung
			}
		}
	}
	return best
}

func sum(n []int) (s int) {
	for _, i := range n {
		s += i
	}
	return s
}

// Noise that does not change: however near the deadline a rung is, and whatever the
// tail, there is no more than a switch a second, and frames are on time.
func TestSteadyNoise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		top := time.Duration(rapid.IntRange(40, 120).Draw(t, "top")) * ms
		w := &world{
			rungs:   []Rung{rung(top, .9), rung(top*6/10, .8), rung(top*3/10, .7), {}},
			streams: []stream{camera30(100 * ms)}, length: 60 * time.Second,
			seed: rapid.Uint64().Draw(t, "seed"), fixed: None,
		}
		sigma := rapid.Float64Range(0, .25).Draw(t, "sigma")
		spikes := rapid.Float64Range(0, .01).Draw(t, "spikes")
		plain := noisy(w, sigma, nil)
		w.service = func(rung int, at time.Duration, r *rand.Rand) time.Duration {
			d := plain(rung, at, r)
			if r.Float64() < spikes {
				d *= 4
			}
			return d
		}
		h := w.run()
		if n := len(h.switches); n > 60+burst {
			t.Errorf("%d switches in 60 s", n)
		}
		if on := h.onTime(time.Second, w.length); on < .97-spikes {
			t.Errorf("%.4f are on time", on)
		}
	})
}

// Whatever happens, every frame is accounted for, what was begun was finished, and
// no camera that gives pictures waits long for an answer.
func TestConservation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{length: 10 * time.Second, seed: rapid.Uint64().Draw(t, "seed"), fixed: None}
		p50 := 200 * ms
		for range rapid.IntRange(1, 5).Draw(t, "rungs") {
			p50 = p50 * time.Duration(rapid.IntRange(20, 95).Draw(t, "of the one above")) / 100
			w.rungs = append(w.rungs, rung(p50+1, rapid.Float64Range(0, 1).Draw(t, "accuracy")))
		}
		if rapid.Bool().Draw(t, "track only") {
			w.rungs = append(w.rungs, Rung{})
		}
		for c := range rapid.IntRange(1, 6).Draw(t, "cameras") {
			w.streams = append(w.streams, stream{
				every:    time.Duration(rapid.IntRange(8, 200).Draw(t, "every")) * ms,
				jitter:   time.Duration(rapid.IntRange(0, 60).Draw(t, "jitter")) * ms,
				phase:    time.Duration(c*rapid.IntRange(0, 20).Draw(t, "phase")) * ms,
				lag:      time.Duration(rapid.IntRange(0, 30).Draw(t, "lag")) * ms,
				deadline: time.Duration(rapid.IntRange(1, 300).Draw(t, "deadline")) * ms,
				Camera:   Camera{Weight: float64(rapid.IntRange(0, 3).Draw(t, "weight")), Rate: float64(rapid.SampledFrom([]int{0, 0, 5, 15}).Draw(t, "rate"))},
			})
		}
		sigma := rapid.Float64Range(0, .5).Draw(t, "sigma")
		stall := time.Duration(rapid.IntRange(0, 2000).Draw(t, "stall")) * ms
		plain := noisy(w, sigma, nil)
		w.service = func(rung int, at time.Duration, r *rand.Rand) time.Duration {
			if r.Float64() < .005 {
				return stall
			}
			return plain(rung, at, r)
		}
		h := w.run()
		if got := len(h.answers) + h.dropped(); sum(h.produced) != got {
			t.Errorf("%d produced, %d with an outcome", sum(h.produced), got)
		}
		for i, a := range h.answers {
			if i > 0 && a.begun < h.answers[i-1].finished {
				t.Errorf("answer %d began before the one before it ended", i)
			}
			if a.finished < a.begun || a.begun < a.arrived {
				t.Errorf("answer %d out of order: %+v", i, a)
			}
		}
	})
}

// Cameras in overload take turns by their weights.
func TestNoCameraStarves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{rungs: []Rung{rung(40*ms, 0), {}}, length: 20 * time.Second, seed: rapid.Uint64().Draw(t, "seed"), fixed: None}
		n := rapid.IntRange(2, 6).Draw(t, "cameras")
		weights := 0.0
		for range n {
			s := camera30(150 * ms)
			s.phase = time.Duration(rapid.IntRange(0, 33).Draw(t, "phase")) * ms
			s.jitter = time.Duration(rapid.IntRange(0, 20).Draw(t, "jitter")) * ms
			s.Weight = float64(rapid.IntRange(1, 4).Draw(t, "weight"))
			weights += s.Weight
			w.streams = append(w.streams, s)
		}
		w.service = noisy(w, .1, nil)
		h := w.run()
		last := make([]time.Duration, n)
		count := make([]int, n)
		for _, a := range h.answers {
			// A turn is at most that of all weights over its own, and a picture has to come.
			bound := time.Duration(weights/w.streams[a.camera].Weight*float64(60*ms)) + 200*ms
			if gap := a.begun - last[a.camera]; gap > bound {
				t.Errorf("camera %d of weight %g waited %v of %v", a.camera, w.streams[a.camera].Weight, gap, bound)
			}
			last[a.camera] = a.begun
			count[a.camera]++
		}
		for c := range n {
			if count[c] == 0 {
				t.Errorf("camera %d was never served", c)
			}
		}
	})
}

// Where every answer takes longer than an interval, waiting for the next frame
// gives fresher answers than beginning on what is there: the mean lag of what is
// known is less than that of a plain loop for any service time.
func TestShrinkingTail(t *testing.T) {
	better := 0
	for service := 36 * ms; service < 120*ms; service += 4 * ms {
		w := &world{rungs: []Rung{rung(service, 1)}, streams: []stream{camera30(300 * ms)}, length: 20 * time.Second, fixed: None}
		w.streams[0].jitter = 0
		w.service = func(int, time.Duration, *rand.Rand) time.Duration { return service }
		waiting := w.run().streaming(w, 0, time.Second, w.length)
		w.fixed = 0
		plain := w.run().streaming(w, 0, time.Second, w.length)
		t.Logf("%v: %.4f, a plain loop %.4f", service, waiting, plain)
		if waiting < .999*plain {
			t.Errorf("%v: worth %.4f, a plain loop %.4f", service, waiting, plain)
		}
		if waiting > 1.001*plain {
			better++
		}
	}
	if better < 8 {
		t.Errorf("better for only %d service times", better)
	}
}

func TestWaits(t *testing.T) {
	for _, c := range []struct {
		age, service time.Duration
		fits, want   bool
	}{
		{0, 50 * ms, true, false},        // fresh
		{10 * ms, 150 * ms, true, false}, // done at 160 of 100: 60 > 10
		{90 * ms, 150 * ms, true, true},  // done at 240: 40 < 90
		{90 * ms, 90 * ms, true, false},  // shorter than an interval
		{100 * ms, 150 * ms, true, false},
		{20 * ms, 50 * ms, false, true},
		{130 * ms, 50 * ms, false, false}, // what was waited for does not come
	} {
		if got := waits(c.age, 100*ms, c.service, c.fits); got != c.want {
			t.Errorf("age %v, service %v, fits %v: %v", c.age, c.service, c.fits, got)
		}
	}
}

// A ladder that nothing fits of tries again, and finds out when the load is gone.
func TestNothingFits(t *testing.T) {
	for _, rungs := range [][]Rung{{rung(50*ms, 0)}, {rung(50*ms, 0), {}}} {
		w := &world{rungs: rungs, streams: []stream{camera30(100 * ms)}, length: 30 * time.Second, fixed: None}
		w.service = noisy(w, .02, func(_ int, at time.Duration) float64 {
			if at > 10*time.Second && at < 20*time.Second {
				return 10
			}
			return 1
		})
		h := w.run()
		if h.usual(5*time.Second, 10*time.Second) != 0 || h.usual(23*time.Second, 30*time.Second) != 0 {
			t.Errorf("%d rungs: not on the network before or after the load", len(rungs))
		}
		after := 0
		for _, a := range h.answers {
			if a.rung == 0 && a.begun > 25*time.Second {
				after++
			}
		}
		if after < 75 { // of a hundred that there is time for
			t.Errorf("%d rungs: %d answers of a network in the last 5 s", len(rungs), after)
		}
		if n := h.late(); n > 12 {
			t.Errorf("%d rungs: %d late", len(rungs), n)
		}
	}
}

// The prediction is seldom exceeded, and not by far more than needed.
func TestPredictions(t *testing.T) {
	for _, sigma := range []float64{0, .05, .1, .3} {
		p := newPredictor([]Rung{rung(20*ms, 0)})
		r := rand.New(rand.NewPCG(7, 7))
		over, n := 0, 5000
		sum := 0.0
		for i := range n {
			took := time.Duration(float64(20*ms) * math.Exp(sigma*r.NormFloat64()))
			if want := p.predict(0); i > 300 {
				sum += float64(want) / float64(20*ms)
				if took > want {
					over++
				}
			}
			p.observe(0, took, false)
		}
		share, mean := float64(over)/float64(n-300), sum/float64(n-300)
		t.Logf("sigma %g: exceeded by %.4f, mean %.2f", sigma, share, mean)
		if share > .035 {
			t.Errorf("sigma %g: exceeded by %.4f", sigma, share)
		}
		if limit := math.Exp(2.06*sigma) * (1 + 2*sigma); mean > limit+.001 {
			t.Errorf("sigma %g: %.2f times the median, more than %.2f", sigma, mean, limit)
		}
	}
}

func TestDecisionsAllocNothing(t *testing.T) {
	s := New(threeRungs(), []Camera{{}, {Rate: 10}})
	now := time.Duration(0)
	step := func() {
		for c := range 2 {
			s.Arrive(c, Frame{now, now + 100*ms})
			if d := s.Next(now); d.Rung != None {
				s.Done(d.Rung, 20*ms, false)
			}
		}
		now += 33 * ms
	}
	for range 300 {
		step()
	}
	if n := testing.AllocsPerRun(100, step); n > 0 {
		t.Errorf("%g allocations", n)
	}
}

// A rung that was measured in a bad moment, or whose first frame was slow, is not
// locked out for what it did once.
func TestOneSlowFrameLocksNothingOut(t *testing.T) {
	for _, rungs := range [][]Rung{
		{{P50: 55 * ms, P99: 110 * ms, Detect: 55 * ms}},
		{{P50: 55 * ms, P99: 110 * ms, Detect: 55 * ms}, {}},
	} {
		w := &world{rungs: rungs, streams: []stream{camera30(80 * ms)}, length: 20 * time.Second, fixed: None}
		w.service = func(_ int, at time.Duration, r *rand.Rand) time.Duration {
			if at < 50*ms {
				return 92 * ms
			}
			return time.Duration(float64(50*ms) * (1 + .05*r.NormFloat64()))
		}
		h := w.run()
		networks := 0
		for _, a := range h.answers {
			if a.rung == 0 && a.begun > 5*time.Second {
				networks++
			}
		}
		t.Logf("%d rungs: %d answers of a network in 15 s, drops %v, %d late", len(rungs), networks, h.drops, h.late())
		if networks < 180 {
			t.Errorf("%d rungs: %d answers of a network in 15 s", len(rungs), networks)
		}
	}
}

// A canary that fails is not tried again with the next frame, and a trial that
// fails makes nothing trusted.
func TestFailures(t *testing.T) {
	s := New(threeRungs(), []Camera{{}})
	s.current = 1
	now := time.Duration(0)
	canaries := 0
	for range 60 { // two seconds
		s.Arrive(0, Frame{now, now + 100*ms})
		d := s.Next(now)
		s.Done(d.Rung, 14*ms, false)
		if d.Canary != None {
			canaries++
			s.CanaryDone(now+20*ms, d.Canary, 20*ms, 100*ms, true)
		}
		now += 33 * ms
	}
	if canaries < 1 || canaries > 3 || s.current != 1 {
		t.Errorf("%d canaries in two seconds, on rung %d", canaries, s.current)
	}

	s = New([]Rung{rung(200*ms, 0)}, []Camera{{}})
	s.Arrive(0, Frame{0, 100 * ms})
	if d := s.Next(0); d.Rung != 0 {
		t.Fatal("no trial")
	} // it fails: nobody says that it is done
	s.Arrive(0, Frame{33 * ms, 133 * ms})
	if d := s.Next(33 * ms); d.Drop != Deadline {
		t.Errorf("%+v", d)
	}
	s.Done(0, 50*ms, false)
	if s.trusted {
		t.Error("the rung is trusted for a frame that was no trial")
	}
}
