package schedule

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

const ms = time.Millisecond

// stream is a simulated camera.
type stream struct {
	Camera
	every, jitter, phase, lag, deadline time.Duration
	gone                                func(at time.Duration) bool // it gives nothing then
}

// world is a simulated machine, of one engine.
type world struct {
	rungs   []Rung
	streams []stream
	length  time.Duration
	seed    uint64
	// service is what a frame takes that is begun on a rung at a time.
	service func(rung int, at time.Duration, r *rand.Rand) time.Duration
	fixed   int // on this rung alone, begun whenever the engine is free; None: as scheduled
}

// answer is a finished frame.
type answer struct {
	camera, rung                       int
	captured, arrived, begun, finished time.Duration
	due                                time.Duration
}

func (a answer) late() bool { return a.finished > a.due }

// history is what became of everything.
type history struct {
	produced []int // of each camera
	answers  []answer
	drops    map[string]int
	switches []time.Duration
	rungs    []int // chosen, one for each answer
	canaries int
}

type arrival struct {
	camera   int
	captured time.Duration
	Frame
}

func (w *world) arrivals(r *rand.Rand) []arrival {
	var all []arrival
	for c, s := range w.streams {
		latest := time.Duration(-1)
		for at := s.phase; at < w.length; at += s.every {
			if s.gone != nil && s.gone(at) {
				continue
			}
			arrived := at + s.lag
			if s.jitter > 0 {
				arrived += time.Duration(r.Int64N(int64(s.jitter)))
			}
			arrived = max(arrived, latest+1)
			latest = arrived
			all = append(all, arrival{c, at, Frame{arrived, at + s.deadline}})
		}
	}
	slices.SortStableFunc(all, func(a, b arrival) int { return int(a.Arrived - b.Arrived) })
	return all
}

// run simulates.
func (w *world) run() *history {
	r := rand.New(rand.NewPCG(w.seed, 1))
	load := rand.New(rand.NewPCG(w.seed, 2))
	var cams []Camera
	for _, s := range w.streams {
		cams = append(cams, s.Camera)
	}
	rungs := w.rungs
	if w.fixed != None {
		rungs = w.rungs[w.fixed : w.fixed+1]
	}
	s := New(rungs, cams)
	h := &history{produced: make([]int, len(cams)), drops: map[string]int{}}
	waiting := make([]arrival, len(cams))
	all := w.arrivals(r)
	now, last := time.Duration(0), s.current
	arrive := func() {
		a := all[0]
		all = all[1:]
		h.produced[a.camera]++
		had := s.Waiting(a.camera)
		if !s.Arrive(a.camera, a.Frame) {
			h.drops[Rate]++
			return
		}
		if had {
			h.drops[Newer]++
		}
		waiting[a.camera] = a
	}
	spend := func(d time.Duration) {
		for now += d; len(all) > 0 && all[0].Arrived <= now; {
			arrive()
		}
	}
	serve := func(rung int) time.Duration {
		if w.fixed != None {
			rung = w.fixed
		}
		if w.rungs[rung].P50 == 0 {
			return 0
		}
		return w.service(rung, now, load)
	}
	for {
		d := s.Next(now)
		if w.fixed != None && d.Camera >= 0 { // a plain loop: the newest, at once, whatever it takes
			f := &s.places[d.Camera]
			if d.Rung == None && d.Drop == "" {
				f.take(true)
			}
			d.Rung, d.Drop, d.Canary = 0, "", None
		}
		switch {
		case d.Drop != "":
			h.drops[d.Drop]++
			continue
		case d.Rung == None:
			next := time.Duration(math.MaxInt64)
			if len(all) > 0 {
				next = all[0].Arrived
			}
			if d.Camera >= 0 {
				next = min(next, d.Until)
			}
			if next == math.MaxInt64 {
				return h
			}
			spend(max(next-now, 0))
			continue
		}
		a := waiting[d.Camera]
		took := serve(d.Rung)
		got := answer{camera: d.Camera, rung: d.Rung, captured: a.captured, arrived: a.Arrived, begun: now, due: a.Due}
		spend(took)
		got.finished = now
		if w.fixed != None {
			got.rung = w.fixed
		}
		h.answers = append(h.answers, got)
		h.rungs = append(h.rungs, d.Rung)
		if d.Rung != last {
			h.switches = append(h.switches, now)
			last = d.Rung
		}
		s.Done(d.Rung, took, got.late())
		if d.Canary != None {
			h.canaries++
			took := serve(d.Canary)
			spend(took)
			s.CanaryDone(now, d.Canary, took, a.fresh(), false)
		}
	}
}

func (h *history) dropped() int {
	n := 0
	for _, d := range h.drops {
		n += d
	}
	return n
}

// onTime is the share of the answers begun in [from, to) that were on time.
func (h *history) onTime(from, to time.Duration) float64 {
	on, all := 0, 0
	for _, a := range h.answers {
		if a.begun >= from && a.begun < to {
			all++
			if !a.late() {
				on++
			}
		}
	}
	return float64(on) / float64(max(all, 1))
}

// streaming is the mean value of what is known at each moment, of one camera: the
// accuracy of the newest answer's rung, halved with each Staleness of its age.
func (h *history) streaming(w *world, camera int, from, to time.Duration) float64 {
	sum, n, at := 0.0, 0, 0
	var mine []answer
	for _, a := range h.answers {
		if a.camera == camera {
			mine = append(mine, a)
		}
	}
	for t := from; t < to; t += 5 * ms {
		for at+1 < len(mine) && mine[at+1].finished <= t {
			at++
		}
		n++
		if len(mine) > 0 && mine[at].finished <= t {
			sum += w.rungs[mine[at].rung].Accuracy * math.Exp2(-float64(t-mine[at].captured)/float64(Staleness))
		}
	}
	return sum / float64(n)
}

// noisy is a service with a log-normal spread.
func noisy(w *world, sigma float64, load func(rung int, at time.Duration) float64) func(int, time.Duration, *rand.Rand) time.Duration {
	return func(rung int, at time.Duration, r *rand.Rand) time.Duration {
		f := math.Exp(sigma * r.NormFloat64())
		if load != nil {
			f *= load(rung, at)
		}
		return time.Duration(float64(w.rungs[rung].P50) * f)
	}
}

func rung(p50 time.Duration, accuracy float64) Rung {
	return Rung{P50: p50, P99: p50 * 13 / 10, Detect: p50, Accuracy: accuracy}
}

// threeRungs and none, of about what the shipped networks take.
func threeRungs() []Rung {
	return []Rung{rung(55*ms, .9), rung(23*ms, .75), rung(12*ms, .5), {}}
}

func camera30(deadline time.Duration) stream {
	return stream{every: 33333 * time.Microsecond, jitter: 2 * ms, lag: 1 * ms, deadline: deadline}
}
