package session

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"gocv.io/x/gocv"

	"dashline/internal/config"
	"dashline/internal/obs"
	"dashline/pipeline"
	"dashline/pipeline/frame"
)

// group is the cameras that share networks: all that are live and look with the
// same ones, or one that reads a file.
type group struct {
	feeds    []*Feed
	rungs    []rung
	engine   pipeline.Engine
	objects  [][]*objects // of each crew, for each rung; nil for track only
	lanes    []*lines     // of each crew; empty: none
	measured *pipeline.Measured
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
	if g.rungs, err = rungsOf(&c); err != nil {
		return err
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
	for range crews {
		if err := g.openCrew(c, threads, crews > 1); err != nil {
			return err
		}
	}
	return nil
}

// openCrew opens a set of networks. On an error what is open is left to close.
func (g *group) openCrew(c config.Config, threads int, many bool) error {
	if c.Detect.Threads == 0 && threads < runtime.GOMAXPROCS(0) {
		c.Detect.Threads = threads
	}
	if c.Lanes.Threads == 0 && threads < runtime.GOMAXPROCS(0) {
		c.Lanes.Threads = threads
	}
	crew := pipeline.Crew{InOrder: many || c.Layout == "order"}
	at := len(g.objects)
	g.objects = append(g.objects, nil)
	for _, r := range g.rungs {
		if r.network == "" {
			crew.Detectors = append(crew.Detectors, nil)
			g.objects[at] = append(g.objects[at], nil)
			continue
		}
		d := c.Detect
		d.Network = r.network
		if r.engine != "" && d.Engine == "auto" {
			d.Engine = r.engine
		}
		o, err := openObjects(d, g.faintest(&c))
		if err != nil {
			return err
		}
		g.objects[at] = append(g.objects[at], o)
		crew.Detectors = append(crew.Detectors, o)
	}
	if c.Lanes.Enabled {
		l, err := openLines(c.Lanes, g.feeds)
		if err != nil {
			return err
		}
		g.lanes = append(g.lanes, l)
		crew.Lanes = l
	}
	g.engine.Crews = append(g.engine.Crews, crew)
	return nil
}

// faintest is the least score that anybody wants.
func (g *group) faintest(c *config.Config) float64 {
	if !c.Track.Enabled {
		return c.Detect.Score
	}
	return min(c.Detect.Score, faintTracked)
}

// measure times the rungs of a live group, unless there is nothing to choose or
// it was forbidden.
func (g *group) measure(ctx context.Context) error {
	f := g.feeds[0]
	c := &f.Config
	if f.policy != pipeline.Newest || c.Deterministic || c.Measure <= 0 {
		return nil
	}
	m, err := pipeline.Measure(ctx, g.engine, c.Layout == "auto", c.Measure, func(p *frame.Frame) error {
		return noise(p, f.Source.Width, f.Source.Height)
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

// noise fills a frame with a picture that is as large as those that come. What is
// in a picture changes what a network takes by very little.
func noise(f *frame.Frame, width, height int) error {
	if width < 1 || height < 1 { // a camera that has not said yet
		width, height = 1280, 720
	}
	_ = f.Image.Close()
	f.Image = gocv.NewMatWithSizes([]int{height, width}, gocv.MatTypeCV8UC3)
	data, err := f.Image.DataPtrUint8()
	if err != nil {
		return err
	}
	x := uint32(1)
	for i := range data {
		x = x*1664525 + 1013904223 // Numerical Recipes' generator: any would do
		data[i] = byte(x >> 24)
	}
	return nil
}

// run moves the frames of all cameras until their sources end or ctx does.
func (g *group) run(ctx context.Context, publisher pipeline.Publisher, metrics *obs.Metrics) {
	feeds := make([]pipeline.Feed, len(g.feeds))
	for i, f := range g.feeds {
		feeds[i] = f.feed(publisher, metrics)
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

// networks are those of the first crew, the largest rung first.
func (g *group) networks() (out []described) {
	if len(g.objects) > 0 {
		for _, o := range g.objects[0] {
			if o != nil {
				out = append(out, described{o.net, "detect", pipeline.StageForward})
			}
		}
	}
	for _, l := range g.lanes[:min(1, len(g.lanes))] {
		out = append(out, described{l.net.Info(), "lanes", pipeline.StageLanesForward})
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
	for _, crew := range g.objects {
		for _, o := range crew {
			if o != nil {
				errs = append(errs, o.Close())
			}
		}
	}
	for _, l := range g.lanes {
		errs = append(errs, l.Close())
	}
	g.objects, g.lanes = nil, nil
	return errors.Join(errs...)
}
