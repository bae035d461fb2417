package bench

import (
	"fmt"
	"math"
	"time"

	"dashline/bench/report"
	"dashline/bench/stats"
)

// Goal is what a run is to show.
type Goal struct {
	Deadline time.Duration
	// Quantile of answers that is to come within the deadline, (0, 1): an answer is the
	// time from when a frame was due until it, or a newer one of its camera, was
	// published.
	Quantile float64
	MissRate float64 // of frames that may be late, dropped or failed, (0, 1)
	Level    float64 // of confidence, (0, 1)
}

// Check says what is wrong with a goal.
func (g *Goal) Check() error {
	const least = 1e-6 // of a share; what is rarer, nobody waits for
	inside := func(v float64) bool { return v >= least && v <= 1-least }
	switch {
	case g.Deadline <= 0:
		return fmt.Errorf("a deadline of %v: give one above 0", g.Deadline)
	case !inside(g.Quantile):
		return fmt.Errorf("a quantile of %v %%: give one between 0 and 100", 100*g.Quantile)
	case !inside(g.MissRate):
		return fmt.Errorf("a miss rate of %v %%: give one between 0 and 100", 100*g.MissRate)
	case !inside(g.Level):
		return fmt.Errorf("a level of %v %%: give one between 0 and 100", 100*g.Level)
	case g.frames() > mostFrames:
		return fmt.Errorf("to show a miss rate of %v %% or a quantile of %v %% takes %d frames: give a rate or a quantile that %d can show", 100*g.MissRate, 100*g.Quantile, g.frames(), mostFrames)
	}
	return nil
}

// mostFrames bounds what a bench measures: a day at 30 frames a second.
const mostFrames = 24 * 3600 * 30

// early is the share of the error that stopping early may take; the test at the end
// has the rest.
const early = .1

// final is the level of the test at the end.
func (g *Goal) final() float64 { return 1 - (1-g.Level)*(1-early) }

// sooner is the level of the test that stops early.
func (g *Goal) sooner() float64 { return 1 - (1-g.Level)*early }

// frames is how many are needed so that a pipeline that misses nothing, or one
// frame, can be shown to be good.
func (g *Goal) frames() int {
	return max(stats.FramesForMissRate(g.MissRate, g.final(), 1), stats.FramesForQuantile(g.Quantile, g.final(), 1))
}

func (g *Goal) report() *report.Goal {
	return &report.Goal{Deadline: float64(g.Deadline) / 1e6, Quantile: g.Quantile, MissRate: g.MissRate, Level: g.Level, Frames: g.frames()}
}

// trial is the goal held against one subject, frame by frame.
type trial struct {
	goal   *Goal
	missed []bool // late, dropped or failed
	slow   []bool // not answered within the deadline
	misses *stats.Sequential
	slows  *stats.Sequential
}

// newTrial takes frames for alike that are of one burst.
func newTrial(g *Goal, burst int) *trial {
	return &trial{
		goal:   g,
		misses: stats.NewSequentialBlocks(g.MissRate, g.sooner(), max(1, burst)),
		slows:  stats.NewSequentialBlocks(1-g.Quantile, g.sooner(), max(1, burst)),
	}
}

func (t *trial) add(missed, slow bool) {
	t.missed, t.slow = append(t.missed, missed), append(t.slow, slow)
	t.misses.Add(missed)
	t.slows.Add(slow)
}

// certain says that no more frames are needed.
func (t *trial) certain() bool {
	a, b := t.misses.Decision(), t.slows.Decision()
	return a == stats.Above || b == stats.Above || a == stats.Below && b == stats.Below
}

// verdict says what all frames come to: by the sequential test where that is certain,
// and else by exact bounds of the planned number of them.
func (t *trial) verdict() (v report.Verdict, why string) {
	v1, why1 := t.part(t.misses, t.missed, t.goal.MissRate, "missed (late, dropped or failed)")
	v2, why2 := t.part(t.slows, t.slow, 1-t.goal.Quantile, fmt.Sprintf("not answered within %v", t.goal.Deadline))
	switch {
	case v1 == report.Fail:
		return v1, why1
	case v2 == report.Fail:
		return v2, why2
	case v1 == report.Inconclusive:
		return v1, why1
	case v2 == report.Inconclusive:
		return v2, why2
	}
	return report.Pass, why1 + "; " + why2
}

func (t *trial) part(s *stats.Sequential, hits []bool, bound float64, what string) (report.Verdict, string) {
	// Each side has the error that is allowed for itself.
	two := 1 - 2*(1-t.goal.final())
	in := stats.MissRateOf(hits, two)
	if len(hits) == 0 || math.IsNaN(in.Value) {
		return report.Inconclusive, "no frame was measured"
	}
	v, says := report.Inconclusive, fmt.Sprintf("which leaves it open whether more than %s are: measure more frames", percent(bound))
	switch {
	case s.Decision() == stats.Above || in.Low > bound:
		v, says = report.Fail, fmt.Sprintf("more than the %s that are allowed", percent(bound))
	case s.Decision() == stats.Below || in.High <= bound:
		v, says = report.Pass, fmt.Sprintf("within the %s that are allowed", percent(bound))
	}
	n := 0
	for _, h := range hits {
		if h {
			n++
		}
	}
	return v, fmt.Sprintf("%d of %d frames were %s, %s (%s to %s): %s", n, len(hits), what, percent(in.Value), percent(in.Low), percent(in.High), says)
}

func percent(v float64) string {
	if v == 0 {
		return "0 %"
	}
	return fmt.Sprintf("%.3g %%", 100*v)
}
