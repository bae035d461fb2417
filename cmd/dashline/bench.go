package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"dashline/bench"
	"dashline/bench/load"
	shown "dashline/bench/report"
	"dashline/bench/worker"
	"dashline/internal/config"
	"dashline/internal/netfile"
	"dashline/internal/session"
)

type benchCmd struct {
	Run    benchRunCmd    `cmd:"" default:"withargs" help:"Measure latency under load, and say how sure that is (the default)."`
	Gate   benchGateCmd   `cmd:"" help:"Compare two builds on this machine, and say which figures became worse."`
	Worker benchWorkerCmd `cmd:"" hidden:"" help:"Be measured: follow orders on standard input."`
}

func (benchCmd) Help() string {
	return `Examples:
  dashline bench                                         the default drive, at its own rate
  dashline bench gate --base main                        did this build become slower than that branch?
  dashline bench run --help                              all there is to say about it

Exit codes: see each.`
}

type benchRunCmd struct {
	Input     []string      `arg:"" optional:"" name:"source" help:"Video file, folder of images, recording or synth:SCENARIO; NAME=SOURCE for each of several cameras (default: the default drive)."`
	File      config.File   `name:"config" short:"c" placeholder:"FILE" help:"YAML file with any of the keys of dashline run."`
	Scenario  string        `default:"auto" enum:"auto,single-stream,multi-stream,burst,overload,server" help:"How frames come: evenly from one or several cameras, so many at once (burst), five times as many as can be done (overload), or at random (server). auto: by the number of cameras."`
	FPS       float64       `name:"fps" placeholder:"N" help:"Frames a second of each camera, on average (default: the source's own)."`
	Burst     int           `placeholder:"N" help:"Frames at once, with --scenario burst (default: 4)."`
	Closed    bool          `help:"The next frame comes when the one before is done: service times alone, which hide what a stall does to the frames that come meanwhile."`
	Quantile  string        `placeholder:"PERCENT" help:"Share of frames whose answer, their own or a newer one's, is to be there within the deadline (default: 99)."`
	MissRate  string        `placeholder:"PERCENT" help:"Share of frames that may be late, dropped or failed (default: 1%)."`
	Level     string        `default:"95%" placeholder:"PERCENT" help:"How sure the verdict and intervals are to be, 50 or more (default: ${default})."`
	Count     int           `name:"count" placeholder:"N" help:"Measure so many frames of each rung (default: as many as the goal needs; 500 with --closed)."`
	EarlyStop bool          `default:"true" negatable:"" help:"End where the answer is certain, before all frames (default: yes)."`
	NoRungs   bool          `help:"Measure the ladder as a whole alone, and not each rung of it too."`
	Accuracy  bool          `default:"true" negatable:"" help:"Also measure how right each is, where the source has truth beside it (default: yes)."`
	Deadline  time.Duration `placeholder:"100ms" help:"Age at which a result is useful no more (default: the configuration's)."`
	Ladder    config.Rungs  `placeholder:"RUNG" help:"Networks from the largest to the smallest, as in dashline run."`
	Network   string        `placeholder:"NAME" help:"Network that detects, as in dashline run --detect-network."`
	Engine    string        `default:"" enum:",auto,opencv,ort" help:"Engine that it runs on, as in dashline run --detect-engine."`
	Lanes     bool          `default:"true" negatable:"" help:"Look for lanes, too (default: yes)."`
	Inject    []string      `placeholder:"FAULT" help:"Put something wrong into the pipeline on purpose, to see that it is found: forward:5% (or preprocess, decode), alloc:1, stall:10ms/1000, freeze:1s/60s."`
	HTML      string        `name:"html" placeholder:"FILE" help:"Write the report as one page for a browser."`
	Markdown  string        `placeholder:"FILE" help:"Write the report as Markdown."`
	GoBench   string        `name:"gobench" placeholder:"FILE" help:"Write the figures in Go's benchmark format, for benchstat."`
	JSON      bool          `name:"json" help:"Print one JSON object (docs/bench.schema.json)."`
	Seed      uint64        `default:"1" help:"Of the order of turns and of random arrivals (default: ${default})."`
	Quiet     bool          `short:"q" help:"Show no progress."`
}

func (benchRunCmd) Help() string {
	return `Examples:
  dashline bench                                          does the default hold 100 ms on this machine?
  dashline bench drive.mp4 --deadline 50ms --quantile 99.9 --miss-rate 0.1% --level 99%
  dashline bench --ladder dashline-full,dashline-tiny --html out/bench.html
  dashline bench --scenario server --fps 20               frames come at random
  dashline bench a=front.mp4 b=rear.mp4                   two cameras
  dashline bench --closed --no-lanes --network yolo-fastest-1.1-xl drive.mp4
  dashline bench --json | jq .verdict
  dashline bench --gobench new1.txt                       one of the six that benchstat wants (docs/bench.md)

Frames come when a camera would send them, whether or not the pipeline is ready, and each counts from the moment at which it was due. Every rung runs in a process of its own, and they take turns in random order. Deadline, quantile and miss rate are the goal; how many frames it takes to show it is worked out first, and a run ends early where the answer is certain. docs/bench.md says how the figures are made.

Exit codes: 0 pass (with --closed: measured); 1 fail, or it could not run; 2 the command line or the configuration is wrong; 3 inconclusive.`
}

// Run measures, prints and gives the verdict as exit code.
func (c *benchRunCmd) Run(ctx context.Context, out streams) error {
	o, err := c.options()
	if err != nil {
		return &exit{exitUsage, err}
	}
	if o.Binary, err = os.Executable(); err != nil {
		return fmt.Errorf("measure in processes of their own: %w", err)
	}
	p := newPhases(out.Err, c.Quiet)
	o.Progress = p.show
	r, err := bench.Run(ctx, o)
	p.end()
	if _, wrong := errors.AsType[*session.ConfigError](err); wrong {
		return &exit{exitUsage, err}
	}
	if err != nil {
		return err
	}
	if c.JSON {
		err = shown.JSON(out.Out, r)
	} else {
		err = shown.Text(out.Out, r)
	}
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	// Last: where a file cannot be written the result is not lost.
	for _, f := range []struct {
		path  string
		write func(io.Writer, *shown.Result) error
	}{{c.HTML, shown.HTML}, {c.Markdown, shown.Markdown}, {c.GoBench, shown.GoBench}} {
		if f.path == "" {
			continue
		}
		if err := netfile.Write(f.path, func(w io.Writer) error { return f.write(w, r) }); err != nil {
			return err
		}
	}
	switch r.Verdict {
	case shown.Fail:
		return &exit{exitBroken, errors.New("fail: " + r.Subjects[0].Why)}
	case shown.Inconclusive:
		return &exit{exitPartly, errors.New("inconclusive: " + r.Subjects[0].Why)}
	}
	return nil
}

// options are what the flags and the file ask for.
func (c *benchRunCmd) options() (o bench.Options, err error) {
	cfg := config.Default()
	if c.File != "" {
		if cfg, err = config.Load(string(c.File)); err != nil {
			return o, err
		}
	}
	if err := cfg.Arguments(c.Input); err != nil {
		return o, err
	}
	if c.Closed {
		for _, f := range []struct {
			flag  string
			given bool
		}{
			{"--deadline", c.Deadline != 0}, {"--quantile", c.Quantile != ""}, {"--miss-rate", c.MissRate != ""},
			{"--fps", c.FPS != 0}, {"--scenario", c.Scenario != "auto"}, {"--burst", c.Burst != 0},
		} {
			if f.given {
				return o, fmt.Errorf("%s does nothing with --closed, where a frame comes when the one before is done, and none is late: leave one of the two out", f.flag)
			}
		}
	}
	if c.Burst != 0 && c.Scenario != string(load.Burst) {
		return o, fmt.Errorf("--burst %d does nothing without --scenario burst", c.Burst)
	}
	if len(c.Ladder) > 0 && c.Network != "" {
		return o, errors.New("--ladder and --network: give one of the two")
	}
	if len(c.Ladder) > 0 {
		cfg.Ladder = c.Ladder
	}
	if c.Network != "" {
		cfg.Detect.Network, cfg.Ladder = c.Network, nil
	}
	if c.Engine != "" {
		cfg.Detect.Engine = c.Engine
	}
	if c.Deadline != 0 {
		cfg.Deadline = c.Deadline
	}
	cfg.Lanes.Enabled = cfg.Lanes.Enabled && c.Lanes
	if err := cfg.Validate(); err != nil {
		return o, err
	}
	o = bench.Options{Config: cfg, Rungs: !c.NoRungs, Closed: c.Closed, All: !c.EarlyStop, Frames: c.Count, Accuracy: c.Accuracy, Seed: c.Seed}
	o.Plan = load.Plan{Scenario: load.Scenario(c.Scenario), Rate: c.FPS, Burst: cmp.Or(c.Burst, 4)}
	if c.Scenario == "auto" {
		o.Plan.Scenario = ""
	}
	if c.Count < 0 || c.Count > load.MaxFrames {
		return o, fmt.Errorf("--count %d: give 1 to %d", c.Count, load.MaxFrames)
	}
	o.Goal.Deadline = cfg.Deadline
	for _, p := range []struct {
		flag, text string
		to         *float64
	}{{"--quantile", cmp.Or(c.Quantile, "99"), &o.Goal.Quantile}, {"--miss-rate", cmp.Or(c.MissRate, "1%"), &o.Goal.MissRate}, {"--level", c.Level, &o.Goal.Level}} {
		v, err := strconv.ParseFloat(strings.TrimSuffix(p.text, "%"), 64)
		if err != nil || !(v > 0 && v < 100) {
			return o, fmt.Errorf("%s %s: give per cent between 0 and 100, as in 99.9", p.flag, p.text)
		}
		*p.to = math.Round(v*1e10) / 1e12 // 99.9 is .999, which v/100 is not
	}
	for _, text := range c.Inject {
		f, err := worker.ParseFault(text)
		if err != nil {
			return o, err
		}
		o.Faults = append(o.Faults, f)
	}
	return o, o.Goal.Check()
}
