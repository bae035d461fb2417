// Package load says when the frames of a bench arrive.
//
// Arrivals are decided before anything runs and do not wait for the pipeline:
// what stalls makes every frame wait that arrives meanwhile, and each is counted
// from the moment at which it was due. Load that waits for answers leaves out
// just the frames that would have suffered (Tene, "How NOT to Measure Latency",
// 2013, calls it coordinated omission).
//
// Invariant: the same plan and seed give the same times on every machine.
package load

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Scenario is a way in which frames arrive. Single-stream, multi-stream and
// server are named as in MLPerf Inference (Reddi et al., 2020); here the first two
// are open loop, too: cameras do not wait.
type Scenario string

// The scenarios.
const (
	SingleStream Scenario = "single-stream" // one camera, evenly
	MultiStream  Scenario = "multi-stream"  // several cameras, evenly, each somewhat after the one before
	Burst        Scenario = "burst"         // several frames at once, then none until the mean rate is right
	Overload     Scenario = "overload"      // evenly, at several times what the pipeline can do
	Server       Scenario = "server"        // at random: a Poisson process
)

// Scenarios are all there are.
func Scenarios() []Scenario { return []Scenario{SingleStream, MultiStream, Burst, Overload, Server} }

// Bounds on a plan; they keep a mistake from taking all memory.
const (
	MaxFrames  = 10_000_000
	MaxCameras = 64
	MaxRate    = 10_000 // frames/s of a camera
	MaxBurst   = 1000
)

// Plan is how the frames of each camera arrive.
type Plan struct {
	Scenario Scenario
	Cameras  int     // 1 to MaxCameras
	Rate     float64 // of each camera, frames/s on average, (0, MaxRate]
	Burst    int     // frames at once, with Burst; 1 to MaxBurst
}

// Check says what is wrong with a plan.
func (p *Plan) Check() error {
	switch {
	case !known(p.Scenario):
		return fmt.Errorf("scenario %q is none of %s", p.Scenario, names())
	case p.Cameras < 1 || p.Cameras > MaxCameras:
		return fmt.Errorf("%d cameras: 1 to %d can be", p.Cameras, MaxCameras)
	case !(p.Rate > 0 && p.Rate <= MaxRate):
		return fmt.Errorf("a rate of %v frames/s is not in (0, %d]", p.Rate, MaxRate)
	case p.Scenario == Burst && (p.Burst < 1 || p.Burst > MaxBurst):
		return fmt.Errorf("bursts of %d frames: 1 to %d can be", p.Burst, MaxBurst)
	}
	return nil
}

func known(s Scenario) bool {
	for _, k := range Scenarios() {
		if s == k {
			return true
		}
	}
	return false
}

func names() string {
	var all []string
	for _, s := range Scenarios() {
		all = append(all, string(s))
	}
	return strings.Join(all, ", ")
}

// Arrivals returns when n frames of each camera are due, since the begin; the
// first of the first camera is due one interval after it. Of the server scenario
// it is n of each on average: their number is left to chance, too. span is from the
// begin to where arrivals that follow these begin. n is at most MaxFrames over the
// number of cameras.
func (p *Plan) Arrivals(n int, seed uint64) (due [][]time.Duration, span time.Duration) {
	every := float64(time.Second) / p.Rate
	due = make([][]time.Duration, p.Cameras)
	if p.Scenario == Server {
		return due, p.atRandom(due, n, seed)
	}
	for c := range due {
		phase := every * float64(c) / float64(p.Cameras)
		due[c] = make([]time.Duration, n)
		for i := range due[c] {
			at := every * float64(1+i)
			if p.Scenario == Burst {
				at = every * float64(p.Burst) * float64(1+i/p.Burst)
			}
			due[c][i] = time.Duration(at + phase)
		}
	}
	return due, due[0][n-1]
}

// atRandom fills due with a Poisson process of each camera, up to one end for all:
// they are the parts of a process of all together, whose frames fall to each by
// chance. (Of n frames of each camera the last would come at different times, and
// what follows would be late for one, or leave a gap in another.)
func (p *Plan) atRandom(due [][]time.Duration, n int, seed uint64) time.Duration {
	random := rand.New(rand.NewPCG(seed, 0))
	every := float64(time.Second) / p.Rate / float64(p.Cameras)
	at := 0.0
	for range n * p.Cameras {
		at += every * random.ExpFloat64()
		c := random.IntN(p.Cameras)
		due[c] = append(due[c], time.Duration(at))
	}
	return time.Duration(at)
}
