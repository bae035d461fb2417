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
	case !inside(g.Level) || g.Level < .5:
		return fmt.Errorf("a level of %v %%: give 50 or more, and less than 100", 100*g.Level)
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

// half is the level of each of two tests of which one is enough.
func half(level float64) float64 { return 1 - (1-level)/2 }

// frames is how many are needed so that a pipeline that misses nothing, or one
// frame, can be shown to be good.
func (g *Goal) frames() int {
	return max(stats.FramesForMissRate(g.MissRate, g.final(), 1), stats.FramesForQuantile(g.Quantile, g.final(), 1))
}

func (g *Goal) report() *report.Goal {
	return &report.Goal{Deadline: float64(g.Deadline) / 1e6, Quantile: g.Quantile, MissRate: g.MissRate, Level: g.Level, Frames: g.frames()}
}

// trial is the goal held against one subject, frame by frame. It passes where both
// parts hold, so each may be wrong as often as the goal's level allows; it fails where
// one does not, so there each has half of that.
type trial struct {
	goal   *Goal
	misses part // late, dropped or failed
	slows  part // not answered within the deadline
}

// part is one of the two bounds that a goal has.
type part struct {
	bound          float64
	hits           []bool
	within, beyond *stats.Sequential // whether it holds, and whether it does not
}

// newTrial takes frames for alike that are of one burst.
func newTrial(g *Goal, burst int) *trial {
	bounded := func(bound float64) part {
		return part{
			bound:  bound,
			within: stats.NewSequentialBlocks(bound, g.sooner(), max(1, burst)),
			beyond: stats.NewSequentialBlocks(bound, half(g.sooner()), max(1, burst)),
		}
	}
	return &trial{goal: g, misses: bounded(g.MissRate), slows: bounded(1 - g.Quantile)}
}

func (t *trial) add(missed, slow bool) {
	t.misses.add(missed)
	t.slows.add(slow)
}

func (p *part) add(hit bool) {
	p.hits = append(p.hits, hit)
	p.within.Add(hit)
	p.beyond.Add(hit)
}

func (p *part) holds() bool { return p.within.Decision() == stats.Below }
func (p *part) fails() bool { return p.beyond.Decision() == stats.Above }

// certain says that no more frames are needed.
func (t *trial) certain() bool {
	return t.misses.fails() || t.slows.fails() || t.misses.holds() && t.slows.holds()
}

// verdict says what all frames come to: by the sequential test where that is certain,
// and else by exact bounds of the planned number of them.
func (t *trial) verdict() (v report.Verdict, why string) {
	v1, why1 := t.misses.verdict(t.goal, "missed (late, dropped or failed)")
	v2, why2 := t.slows.verdict(t.goal, fmt.Sprintf("not answered within %v", t.goal.Deadline))
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

func (p *part) verdict(g *Goal, what string) (report.Verdict, string) {
	// Each side has the error that is allowed for itself.
	in := stats.MissRateOf(p.hits, oneSided(g.final()))
	if len(p.hits) == 0 || math.IsNaN(in.Value) {
		return report.Inconclusive, "no frame was measured"
	}
	in.Low = stats.MissRateOf(p.hits, oneSided(half(g.final()))).Low
	v, says := report.Inconclusive, fmt.Sprintf("which leaves it open whether more than %s are: measure more frames", percent(p.bound))
	switch {
	case p.fails() || in.Low > p.bound:
		v, says = report.Fail, fmt.Sprintf("more than the %s that are allowed", percent(p.bound))
	case p.holds() || in.High <= p.bound:
		v, says = report.Pass, fmt.Sprintf("within the %s that are allowed", percent(p.bound))
	}
	n := 0
	for _, h := range p.hits {
		if h {
			n++
		}
	}
	return v, fmt.Sprintf("%d of %d frames were %s, %s (%s to %s): %s", n, len(p.hits), what, percent(in.Value), percent(in.Low), percent(in.High), says)
}

// oneSided is the level of an interval of which one side is at level.
func oneSided(level float64) float64 { return 1 - 2*(1-level) }

func percent(v float64) string {
	if v == 0 {
		return "0 %"
	}
	return fmt.Sprintf("%.3g %%", 100*v)
}
