package session

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"dashline/internal/config"
	"dashline/pipeline"
	"dashline/pipeline/frame"
)

// group is the cameras that share networks: all that are live and look with the
// same ones, or one that reads a file.
type group struct {
	feeds    []*Feed
	rungs    []rung
	unused   int    // rungs of the configuration that a file does not need
	blind    string // why the accuracies of rungs are of no use; empty: they are, or there are none
	engine   pipeline.Engine
	opened   []networks // of each crew
	measured *pipeline.Measured
	probe    func(pipeline.Detector) pipeline.Detector // nil: none
}

// terms are what the cameras of a group have in common.
type terms struct {
	live   bool
	detect config.Detect
	lanes  config.Lanes
}

// groups puts feeds together whose sources are open.
func groups(feeds []*Feed) (all []*group) {
	shared := map[terms]*group{}
	for _, f := range feeds {
		t := terms{f.policy == pipeline.Newest, f.Config.Detect, f.Config.Lanes}
		g := shared[t]
		if g == nil || !t.live {
			g = &group{}
			all = append(all, g)
			shared[t] = g
		}
		g.feeds = append(g.feeds, f)
		f.group = g
	}
	return all
}

// crews is how many sets of networks a group has: of files' frames several are at
// work side by side, each on one core.
func (g *group) crews(groups int) int {
	c := &g.feeds[0].Config
	if g.feeds[0].policy == pipeline.Newest || c.Deterministic {
		return 1
	}
	if c.Workers > 0 {
		return c.Workers
	}
	if c.Detect.Threads > 0 || c.Detect.Backend != "cpu" { // that is how many cores it is to have
		return 1
	}
	return max(1, min(runtime.GOMAXPROCS(0)/groups, mostCrews))
}

// mostCrews bounds what a file takes of a large machine, above all of its memory.
const mostCrews = 8

// open opens the networks, of a session with so many groups.
func (g *group) open(groups int) (err error) {
	c := g.feeds[0].Config
	if g.rungs, g.blind, err = rungsOf(&c); err != nil {
		return err
	}
	if g.feeds[0].policy != pipeline.Newest {
		g.unused, g.rungs = len(g.rungs)-1, g.rungs[:1] // nothing hurries
	}
	if c.Deterministic {
		if err := assume(g.rungs, c.ServiceTime); err != nil {
			return &ConfigError{err}
		}
	}
	crews := g.crews(groups)
	threads := max(1, runtime.GOMAXPROCS(0)/(groups*crews))
	g.engine.Score = float32(c.Detect.Score)
	for _, r := range g.rungs {
		g.engine.Rungs = append(g.engine.Rungs, pipeline.Rung{Name: r.name, Rung: r.facts})
	}
	g.opened = make([]networks, crews)
	for i := range crews {
		crew, err := g.openCrew(i, threads, crews > 1)
		if err != nil {
			return err
		}
		g.engine.Crews = append(g.engine.Crews, crew)
	}
	g.engine.Patience = max(leastPatience, 10*c.Deadline)
	g.engine.Renew = func(index int) (pipeline.Crew, error) {
		// What hangs is still at work, so it is never closed.
		g.opened[index] = networks{}
		inOrder := g.engine.Crews[index].InOrder
		crew, err := g.openCrew(index, threads, crews > 1)
		crew.InOrder = inOrder
		g.instrument(crew)
		return crew, err
	}
	return nil
}

// leastPatience is how long networks may work on a frame at least before they are
// taken to hang: a busy machine can keep a thread waiting for seconds.
const leastPatience = 5 * time.Second

// networks are those of one crew.
type networks struct {
	objects []*objects // of each rung; nil for track only
	lanes   *lines     // nil: none
}

func (n networks) close() error {
	var errs []error
	for _, o := range n.objects {
		if o != nil {
			errs = append(errs, o.Close())
		}
	}
	if n.lanes != nil {
		errs = append(errs, n.lanes.Close())
	}
	return errors.Join(errs...)
}

// openCrew opens the networks of a crew, which the group owns, also on an error.
func (g *group) openCrew(index, threads int, many bool) (crew pipeline.Crew, err error) {
	c := g.feeds[0].Config
	if c.Detect.Threads == 0 && threads < runtime.GOMAXPROCS(0) {
		c.Detect.Threads = threads
	}
	if c.Lanes.Threads == 0 && threads < runtime.GOMAXPROCS(0) {
		c.Lanes.Threads = threads
	}
	crew.InOrder = many || c.Layout == "order"
	own := &g.opened[index]
	for _, r := range g.rungs {
		if r.network == "" {
			crew.Detectors, own.objects = append(crew.Detectors, nil), append(own.objects, nil)
			continue
		}
		d := c.Detect
		d.Network = r.network
		if r.engine != "" && d.Engine == "auto" {
			d.Engine = r.engine
		}
		o, err := openObjects(d, g.faintest(&c))
		if err != nil {
			return crew, err
		}
		crew.Detectors, own.objects = append(crew.Detectors, o), append(own.objects, o)
	}
	if !c.Lanes.Enabled {
		return crew, nil
	}
	if own.lanes, err = openLines(c.Lanes, g.feeds); err != nil {
		return crew, err
	}
	crew.Lanes = own.lanes
	return crew, nil
}

// faintest is the least score that anybody wants: a track that is there may be
// seen faintly for a while.
func (g *group) faintest(c *config.Config) float64 {
	if !c.Track.Enabled {
		return c.Detect.Score
	}
	return min(c.Detect.Score, c.Track.Low)
}

// measure times the rungs of a live group, unless there is nothing to choose or
// it was forbidden.
func (g *group) measure(ctx context.Context) error {
	f := g.feeds[0]
	c := &f.Config
	if f.policy != pipeline.Newest || c.Deterministic {
		return nil
	}
	if c.Measure <= 0 {
		return g.timed()
	}
	m, err := pipeline.Measure(ctx, g.engine, c.Layout == "auto", c.Measure, func(p *frame.Frame) error {
		if f.Source.Width < 1 || f.Source.Height < 1 { // a camera that has not said yet
			return p.Noise(1280, 720)
		}
		return p.Noise(f.Source.Width, f.Source.Height)
	})
	if err != nil {
		return fmt.Errorf("measuring the rungs: %w", err)
	}
	g.measured = &m
	for i := range m.Rungs {
		g.engine.Rungs[i].Rung = m.Rungs[i]
	}
	for i := range g.engine.Crews {
		g.engine.Crews[i].InOrder = m.InOrder
	}
	return nil
}

// timed says whether all rungs have times without being measured. Where there is
// but one it needs none.
func (g *group) timed() error {
	for _, r := range g.rungs {
		if r.network != "" && r.facts.P50 <= 0 && len(g.rungs) > 1 {
			return &ConfigError{fmt.Errorf("measure: how long rung %s takes is not known without: give a ladder.yaml of dashline model ladder, or some time to measure", r.name)}
		}
	}
	return nil
}

// run moves the frames of all cameras until their sources end or ctx does.
func (g *group) run(ctx context.Context, publisher pipeline.Publisher, observers []pipeline.Observer) {
	feeds := make([]pipeline.Feed, len(g.feeds))
	for i, f := range g.feeds {
		feeds[i] = f.feed(publisher, observers)
	}
	var errs []error
	if g.feeds[0].Config.Deterministic {
		errs = pipeline.Replay(ctx, g.engine, g.service(), feeds...)
	} else {
		errs = pipeline.Run(ctx, g.engine, feeds...)
	}
	for i, f := range g.feeds {
		f.broke = errs[min(i, len(errs)-1)]
	}
}

// networks are those of one crew, the largest rung first.
func (g *group) networks() (out []described) {
	for _, n := range g.opened {
		for _, o := range n.objects {
			if o != nil {
				out = append(out, described{o.net, "detect", pipeline.StageForward})
			}
		}
		if n.lanes != nil {
			out = append(out, described{n.lanes.net.Info(), "lanes", pipeline.StageLanesForward})
		}
		if len(out) > 0 { // the others are the same
			return out
		}
	}
	return out
}

// fits says which rung fits the deadline first; None: none does. The track-only
// rung always does.
func (g *group) fits() int {
	return slices.IndexFunc(g.engine.Rungs, func(r pipeline.Rung) bool { return r.P99 <= g.feeds[0].Config.Deadline })
}

func (g *group) close() error {
	var errs []error
	for _, n := range g.opened {
		errs = append(errs, n.close())
	}
	g.opened = nil
	return errors.Join(errs...)
}
