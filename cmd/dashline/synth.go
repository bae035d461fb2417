package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"dashline/sensors/synth"
	"dashline/sensors/synth/export"
	"dashline/sensors/synth/film"
)

type synthCmd struct {
	Make synthMakeCmd `cmd:"" default:"withargs" help:"Render a scenario as a video with its truth, or as a folder to train from."`
}

type synthMakeCmd struct {
	Scenario string        `arg:"" optional:"" default:"mixed" help:"Name of a scenario (see --list), or a scenario file (.yaml) (default: ${default})."`
	Out      string        `short:"o" placeholder:"PATH" help:"Video to write, or folder to fill with --export (default: SCENARIO-SEED.mp4, or SCENARIO)."`
	Seed     uint64        `default:"1" help:"What the scenario's ranges are drawn with (default: ${default})."`
	Seeds    string        `placeholder:"A-B" help:"With --export: a drive for each seed from A to B."`
	Duration time.Duration `placeholder:"TIME" help:"Length of each drive (default: the scenario's)."`
	Every    int           `default:"1" placeholder:"N" help:"With --export: every Nth picture of a drive (default: ${default})."`
	Export   string        `placeholder:"FORMAT" help:"Fill a folder instead: yolo, coco or tusimple."`
	JSON     bool          `name:"json" help:"Print one JSON object at the end."`
	Quiet    bool          `short:"q" help:"Show no progress."`
}

// made is what the command says at its end.
type made struct {
	Scenario string  `json:"scenario"`
	Out      string  `json:"out"`
	Truth    string  `json:"truth,omitempty"`
	Pictures int     `json:"pictures"`
	Seconds  float64 `json:"seconds"` // that it took
}

// Run renders.
func (c *synthMakeCmd) Run(ctx context.Context, out streams) error {
	sc, err := scenario(c.Scenario)
	if err != nil {
		return &exit{exitUsage, err}
	}
	if c.Duration != 0 {
		if sc.Duration = c.Duration.Seconds(); sc.Duration < 0.1 || sc.Duration > 86400 {
			return &exit{exitUsage, fmt.Errorf("--duration %v: give 100ms to 24h", c.Duration)}
		}
	}
	begin := time.Now()
	m := made{Scenario: sc.Name}
	if c.Export != "" {
		err = c.export(ctx, out, sc, &m)
	} else {
		err = errors.New("not yet")
	}
	if err != nil {
		return err
	}
	m.Seconds = time.Since(begin).Seconds()
	if c.JSON {
		return json.NewEncoder(out.Out).Encode(m)
	}
	_, err = fmt.Fprintf(out.Out, "%s: %d pictures in %.1f s\n", m.Out, m.Pictures, m.Seconds)
	return err
}

// scenario finds a scenario by name or file.
func scenario(name string) (synth.Scenario, error) {
	if strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") || strings.ContainsRune(name, os.PathSeparator) {
		return synth.Load(name)
	}
	return synth.Builtin(name)
}

func (c *synthMakeCmd) export(ctx context.Context, out streams, sc synth.Scenario, m *made) error {
	first, last, err := c.seeds()
	if err != nil {
		return &exit{exitUsage, err}
	}
	if c.Every < 1 {
		return &exit{exitUsage, fmt.Errorf("--every %d: give 1 or more", c.Every)}
	}
	if m.Out = c.Out; m.Out == "" {
		m.Out = sc.Name
	}
	w, err := synth.New(sc, first)
	if err != nil {
		return err
	}
	d := w.Drive()
	set, err := export.Create(m.Out, c.Export, d.Classes)
	if err != nil {
		return &exit{exitUsage, err}
	}
	p := newCounter(out.Err, film.Pictures(d, first, last, c.Every), c.Quiet)
	err = film.Export(ctx, sc, first, last, c.Every, set, p.add)
	p.wait()
	m.Pictures = p.done()
	return errors.Join(err, set.Close())
}

// seeds is the range that --seeds gives, or --seed alone.
func (c *synthMakeCmd) seeds() (first, last uint64, err error) {
	if c.Seeds == "" {
		return c.Seed, c.Seed, nil
	}
	a, b, _ := strings.Cut(c.Seeds, "-")
	first, err1 := strconv.ParseUint(a, 10, 64)
	last, err2 := strconv.ParseUint(b, 10, 64)
	if err1 != nil || err2 != nil || first > last || last-first >= 1_000_000 {
		return 0, 0, fmt.Errorf("--seeds %s: give the first and the last, as in 1-100", c.Seeds)
	}
	return first, last, nil
}
