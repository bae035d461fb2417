package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"dashline/bench/gate"
	"dashline/bench/machine"
	shown "dashline/bench/report"
	"dashline/bench/stats"
	"dashline/bench/worker"
	"dashline/internal/config"
	"dashline/internal/netfile"
	"dashline/internal/session"
	"dashline/sensors/synth/truth"
)

type benchGateCmd struct {
	Source     string        `arg:"" optional:"" help:"Video file, folder of images or synth:SCENARIO (default: the default drive)."`
	Base       string        `default:"HEAD~1" placeholder:"BUILD" help:"What is compared with: a program, or a git revision, which is built (default: ${default})."`
	Head       string        `placeholder:"BUILD" help:"What is judged: a program, or a git revision (default: this program)."`
	File       config.File   `name:"config" short:"c" placeholder:"FILE" help:"YAML file with any of the keys of dashline run, for both."`
	Thresholds string        `placeholder:"FILE" help:"YAML file that says what is asked of each figure (default: .dashline-gate.yaml where there is one, else what --show-thresholds prints)."`
	Time       time.Duration `default:"55s" help:"How long all takes together, except building (default: ${default})."`
	Accuracy   bool          `default:"true" negatable:"" help:"Also compare how right the detectors are, where the source has truth (default: yes)."`
	Every      int           `default:"10" placeholder:"N" help:"Every Nth picture, for the accuracy (default: ${default})."`
	Inject     []string      `placeholder:"FAULT" help:"Put something wrong into the head on purpose, to see that it is found: forward:5% (or preprocess, decode), alloc:1, stall:10ms/1000."`
	Seed       uint64        `default:"1" help:"Seed of the random order of turns (default: ${default})."`
	JSON       bool          `name:"json" help:"Print one JSON object."`
	JUnit      string        `name:"junit" placeholder:"FILE" help:"Write the figures as JUnit's XML, for CI systems."`
	Annotate   bool          `help:"Print them as notes on a pull request too, in GitHub's form."`
	Quiet      bool          `short:"q" help:"Show no progress."`

	ShowThresholds bool `help:"Print the thresholds that apply where no file says else, and end."`
}

func (benchGateCmd) Help() string {
	return `Examples:
  dashline bench gate                                     this program beside the commit before the last, HEAD~1
  dashline bench gate --base main                         beside another branch
  dashline bench gate --base old/dashline --head new/dashline
  dashline bench gate --base v1.2 --head HEAD drive.mp4 --config truck7.yaml
  dashline bench gate --base bin/dashline --inject forward:5%
                                                          the self-test: is it found on this machine?
  dashline bench gate --json | jq .verdict
  dashline bench gate --junit out/gate.xml --annotate     for CI
  dashline bench gate --show-thresholds > .dashline-gate.yaml

Both builds run the same frames by turns, a frame or a few at a time, so that whatever else the machine does hits both. Each figure is better, the same (within its margin, which is shown and not just not refuted), worse, or inconclusive. docs/gate.md says how it is done, what the thresholds mean, and how often it is wrong.

Revisions are checked out into a folder of their own that is removed afterwards.

Exit codes: 0 nothing is worse; 1 something is worse, or it could not run; 2 the command line, the configuration or the thresholds are wrong; 3 inconclusive, and nothing is worse.`
}

// Run compares, prints and gives the verdict as exit code.
func (c *benchGateCmd) Run(ctx context.Context, out streams) (err error) {
	if c.ShowThresholds {
		_, err := io.WriteString(out.Out, gate.DefaultThresholdsText())
		return err
	}
	t, err := c.thresholds()
	if err != nil {
		return &exit{exitUsage, err}
	}
	o, source, err := c.options()
	if err != nil {
		return &exit{exitUsage, err}
	}
	say := func(what string) {
		if !c.Quiet {
			fmt.Fprintf(out.Err, "%s\n", what)
		}
	}
	o.Progress, o.Stall = say, t.Stall
	if err := c.check(ctx); err != nil {
		return err
	}
	for _, b := range []struct {
		name string
		into *gate.Binary
	}{{c.Base, &o.Base}, {c.Head, &o.Head}} {
		if b.name == "" {
			if b.into.Path, err = os.Executable(); err != nil {
				return fmt.Errorf("this program: %w", err)
			}
			b.into.Name = "this program"
			continue
		}
		made, done, perr := gate.Prepare(ctx, ".", b.name, say)
		defer func() { err = errors.Join(err, done()) }()
		if perr != nil {
			return perr
		}
		*b.into = made
	}
	var notes []string
	if perf, perr := gate.FindPerf(ctx); perr == nil {
		o.Perf = perf
	} else {
		notes = append(notes, perr.Error())
	}
	facts := machine.Read()
	watch := machine.Start(facts)
	begun := time.Now()
	e, err := gate.Measure(ctx, o)
	if err != nil {
		if order, ok := errors.AsType[*worker.OrderError](err); ok && order.Usage {
			return &exit{exitUsage, err}
		}
		return err
	}
	e.Notes = append(e.Notes, notes...)
	r := gate.Judge(e, t)
	r.Source, r.Machine, r.Noise = source, facts, watch.Stop()
	r.Seed, r.Elapsed, r.Faults = c.Seed, time.Since(begun).Seconds(), c.Inject
	return c.print(out, &r)
}

// check looks for both builds before one of them is made.
func (c *benchGateCmd) check(ctx context.Context) error {
	for _, name := range []string{c.Base, c.Head} {
		if name == "" {
			continue // this program
		}
		err := gate.Check(ctx, ".", name)
		if errors.Is(err, gate.ErrNoBuild) {
			return &exit{exitUsage, err}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// print writes the result in every form that was asked for.
func (c *benchGateCmd) print(out streams, r *gate.Result) error {
	if c.Annotate {
		// On standard error where standard output is the object.
		w := out.Out
		if c.JSON {
			w = out.Err
		}
		if err := shown.Annotate(w, r.Remarks()); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	write := gate.Text
	if c.JSON {
		write = gate.JSON
	}
	if err := write(out.Out, r); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if c.JUnit != "" { // last: where the file cannot be written the result is not lost
		if err := netfile.Write(c.JUnit, func(w io.Writer) error { return shown.JUnit(w, "dashline bench gate", r.Elapsed, r.Checks()) }); err != nil {
			return err
		}
	}
	switch r.Verdict {
	case stats.Worse:
		return &exit{exitBroken, errors.New("worse: " + r.Why)}
	case stats.Inconclusive:
		return &exit{exitPartly, errors.New("inconclusive: " + r.Why)}
	}
	return nil
}

// gateFile is where thresholds are looked for.
const gateFile = ".dashline-gate.yaml"

func (c *benchGateCmd) thresholds() (gate.Thresholds, error) {
	if c.Thresholds != "" {
		return gate.LoadThresholds(c.Thresholds)
	}
	if _, err := os.Stat(gateFile); errors.Is(err, os.ErrNotExist) {
		return gate.DefaultThresholds(), nil
	}
	return gate.LoadThresholds(gateFile)
}

// options are what the flags and the file ask for; source is its name.
func (c *benchGateCmd) options() (o gate.Options, source string, err error) {
	const least, most = 5 * time.Second, time.Hour
	switch {
	case c.Time < least || c.Time > most:
		return o, "", fmt.Errorf("--time %v: give %v to %v", c.Time, least, most)
	case c.Every < 1:
		return o, "", fmt.Errorf("--every %d: give 1 or more", c.Every)
	}
	o.Time, o.Seed = c.Time, c.Seed
	for _, text := range c.Inject {
		f, err := worker.ParseFault(text)
		if err != nil {
			return o, "", fmt.Errorf("--inject: %w", err)
		}
		if f.Freeze > 0 {
			return o, "", fmt.Errorf("--inject %s: a process lives for a few seconds here: take stall:10ms/1000, or dashline bench --inject %s", text, text)
		}
		o.Faults = append(o.Faults, f)
	}
	cfg := config.Default()
	if c.File != "" {
		if cfg, err = config.Load(string(c.File)); err != nil {
			return o, "", err
		}
	}
	if c.Source != "" {
		if err := cfg.Arguments([]string{c.Source}); err != nil {
			return o, "", err
		}
	}
	if len(cfg.Cameras) > 0 {
		return o, "", errors.New("several cameras: the gate compares on one, give it as SOURCE")
	}
	if config.Remote(cfg.Source) {
		return o, "", errors.New("a live camera shows each build other pictures: give a video file, a folder of images or synth:SCENARIO")
	}
	if cfg.Source == "" {
		if cfg.Source, err = session.DefaultDrive(); err != nil {
			return o, "", err
		}
	}
	if err := cfg.Validate(); err != nil {
		return o, "", err
	}
	if _, known := truth.Beside(cfg.Source); known && c.Accuracy && len(cfg.Ladder) == 0 {
		o.Every = c.Every
	}
	o.Config, err = gate.Shared(cfg)
	return o, cfg.Source, err
}
