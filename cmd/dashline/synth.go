package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"dashline/sensors/synth"
	"dashline/sensors/synth/export"
	"dashline/sensors/synth/film"
	"dashline/sensors/synth/truth"
)

type synthCmd struct {
	Make   synthMakeCmd   `cmd:"" default:"withargs" help:"Render a scenario: a video with its truth, or a folder to train from."`
	Verify synthVerifyCmd `cmd:"" help:"See that a video, its truth and its hashes are of each other."`
}

func (synthCmd) Help() string { return synthMakeCmd{}.Help() }

type synthMakeCmd struct {
	Scenario  string        `arg:"" optional:"" default:"mixed" help:"Name of a scenario (see --list), or a scenario file (.yaml) (default: ${default})."`
	Out       string        `short:"o" placeholder:"PATH" help:"Video to write, or folder to fill with --export (default: SCENARIO-SEED.mp4, or SCENARIO)."`
	Seed      uint64        `default:"1" placeholder:"N" help:"What the scenario's ranges are drawn with (default: ${default})."`
	Seeds     string        `placeholder:"A-B" help:"A drive for each seed from A to B, one after the other."`
	Duration  time.Duration `placeholder:"TIME" help:"Length of each drive, as in 10s (default: the scenario's)."`
	Every     int           `default:"1" placeholder:"N" help:"Only every Nth picture of a drive (default: ${default})."`
	Export    string        `enum:",yolo,coco,tusimple" default:"" placeholder:"FORMAT" help:"Fill a folder instead: yolo, coco or tusimple."`
	CRF       int           `name:"crf" placeholder:"N" help:"Quality of the video, 1 (best) to 51 (default: 23)."`
	ShowTruth bool          `help:"Draw the truth onto the video. It then gets no file of truth."`
	List      bool          `help:"List the scenarios that come with the program."`
	Sheet     string        `placeholder:"PNG" help:"Write a contact sheet of the scenarios that come with the program."`
	JSON      bool          `name:"json" help:"Print one JSON object at the end."`
	Quiet     bool          `short:"q" help:"Show no progress."`
}

func (synthMakeCmd) Help() string {
	return `Examples:
  dashline synth                                         the scenario mixed, as mixed-1.mp4 and mixed-1.truth.jsonl.gz
  dashline synth city -o drive.mp4 --seed 7 --duration 30s
  dashline synth city --show-truth -o look.mp4           boxes, lines and road drawn onto it
  dashline synth my.yaml --export yolo -o data --seeds 1-100 --every 15
  dashline synth mixed -o reel.mp4 --seeds 1-24 --every 120     pictures far apart, to judge networks on
  dashline synth --list
  dashline synth --sheet scenarios.png
  dashline synth verify drive.mp4                        video, truth and hashes are of each other

The same scenario and seed give the same drive. With --export, pictures of several runs may go into one YOLO folder; COCO and TuSimple have one file of labels, which must not be there yet.

Exit codes: 0 all is written; 1 it could not be written, or was stopped; 2 the command line or the scenario is wrong.`
}

// made is what the command says at its end.
type made struct {
	Scenario string  `json:"scenario,omitempty"`
	Out      string  `json:"out"`
	Truth    string  `json:"truth,omitempty"`
	Pictures int     `json:"pictures"`
	Seconds  float64 `json:"seconds"` // that it took
}

// Run renders.
func (c *synthMakeCmd) Run(ctx context.Context, out streams) error {
	if err := c.check(); err != nil {
		return &exit{exitUsage, err}
	}
	if c.List {
		return c.list(out)
	}
	begin := time.Now()
	m, err := c.make(ctx, out)
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

func (c *synthMakeCmd) make(ctx context.Context, out streams) (made, error) {
	if c.Sheet != "" {
		return c.sheet(ctx, out)
	}
	sc, err := scenario(c.Scenario)
	if err != nil {
		return made{}, &exit{exitUsage, err}
	}
	if c.Duration != 0 {
		sc.Duration = c.Duration.Seconds()
	}
	if c.Export != "" {
		return c.export(ctx, out, sc)
	}
	return c.video(ctx, out, sc)
}

// check refuses what would be ignored otherwise.
func (c *synthMakeCmd) check() error {
	switch {
	case c.Duration != 0 && (c.Duration < 100*time.Millisecond || c.Duration > 24*time.Hour):
		return fmt.Errorf("--duration %v: give 100ms to 24h", c.Duration)
	case c.CRF != 0 && (c.CRF < 1 || c.CRF > 51):
		return fmt.Errorf("--crf %d: give 1 to 51", c.CRF)
	case c.Every < 1:
		return fmt.Errorf("--every %d: give 1 or more", c.Every)
	case c.Export != "" && (c.ShowTruth || c.CRF != 0):
		return errors.New("--show-truth and --crf are for videos: leave them out with --export")
	case c.Sheet != "" && c.Export != "":
		return errors.New("--sheet and --export: give one of them")
	}
	return nil
}

// scenario finds a scenario by name or file.
func scenario(name string) (synth.Scenario, error) {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml":
		return synth.Load(name)
	}
	return synth.Builtin(name)
}

func builtins() ([]synth.Scenario, error) {
	var all []synth.Scenario
	for _, name := range synth.Names() {
		sc, err := synth.Builtin(name)
		if err != nil {
			return nil, err
		}
		all = append(all, sc)
	}
	return all, nil
}

func (c *synthMakeCmd) list(out streams) error {
	all, err := builtins()
	if err != nil {
		return err
	}
	type entry struct {
		Name    string  `json:"name"`
		Summary string  `json:"summary"`
		Seconds float64 `json:"duration"`
		FPS     float64 `json:"fps"`
	}
	var entries []entry
	for _, sc := range all {
		entries = append(entries, entry{sc.Name, sc.Summary, sc.Duration, sc.FPS})
	}
	if c.JSON {
		return json.NewEncoder(out.Out).Encode(entries)
	}
	for _, e := range entries {
		if _, err := fmt.Fprintf(out.Out, "%-12s %5gs  %s\n", e.Name, e.Seconds, e.Summary); err != nil {
			return err
		}
	}
	return nil
}

func (c *synthMakeCmd) sheet(ctx context.Context, out streams) (made, error) {
	all, err := builtins()
	if err != nil {
		return made{}, err
	}
	m := made{Out: c.Sheet}
	p := newCounter(out.Err, 0, c.Quiet)
	err = film.Sheet(ctx, c.Sheet, all, c.Seed, p.set)
	p.wait()
	m.Pictures = p.done()
	return m, err
}

func (c *synthMakeCmd) video(ctx context.Context, out streams, sc synth.Scenario) (made, error) {
	m := made{Scenario: sc.Name, Out: c.Out}
	first, last, err := c.seeds()
	if err != nil {
		return m, &exit{exitUsage, err}
	}
	if m.Out == "" {
		m.Out = fmt.Sprintf("%s-%d.mp4", sc.Name, first)
	}
	if !c.ShowTruth {
		m.Truth = film.TruthPath(m.Out)
	}
	p := newCounter(out.Err, 0, c.Quiet)
	err = film.Video(ctx, sc, film.Take{First: first, Last: last, Every: c.Every}, m.Out, film.VideoOptions{CRF: c.CRF, ShowTruth: c.ShowTruth}, p.set)
	p.wait()
	m.Pictures = p.done()
	return m, err
}

func (c *synthMakeCmd) export(ctx context.Context, out streams, sc synth.Scenario) (made, error) {
	m := made{Scenario: sc.Name, Out: c.Out}
	if m.Out == "" {
		m.Out = sc.Name
	}
	first, last, err := c.seeds()
	if err != nil {
		return m, &exit{exitUsage, err}
	}
	set, err := export.Create(m.Out, c.Export, truth.Classes())
	if err != nil {
		return m, err
	}
	p := newCounter(out.Err, 0, c.Quiet)
	err = film.Export(ctx, sc, first, last, c.Every, set, p.set)
	p.wait()
	m.Pictures = p.done()
	return m, errors.Join(err, set.Close())
}

// maxSeeds bounds a range that was meant otherwise.
const maxSeeds = 1_000_000

// seeds is the range that --seeds gives, or --seed alone.
func (c *synthMakeCmd) seeds() (first, last uint64, err error) {
	if c.Seeds == "" {
		return c.Seed, c.Seed, nil
	}
	a, b, _ := strings.Cut(c.Seeds, "-")
	first, err1 := strconv.ParseUint(a, 10, 64)
	last, err2 := strconv.ParseUint(b, 10, 64)
	if err1 != nil || err2 != nil || first > last || last-first >= maxSeeds {
		return 0, 0, fmt.Errorf("--seeds %s: give the first and the last, as in 1-100", c.Seeds)
	}
	return first, last, nil
}

type synthVerifyCmd struct {
	Videos []string `arg:"" name:"video" help:"Videos that dashline synth made, with their truth beside them."`
	Write  bool     `help:"Write the hashes of what is there, instead of comparing with those that are kept."`
	JSON   bool     `name:"json" help:"Print one JSON object for each video."`
	Quiet  bool     `short:"q" help:"Show no progress."`
}

func (synthVerifyCmd) Help() string {
	return `Examples:
  dashline synth verify drive.mp4           drive.truth.jsonl.gz and drive.hashes are of this video
  dashline synth verify --write drive.mp4   make drive.hashes

It decodes the video and sees that the truth has as many frames at the same times. Where there is a file of hashes, it draws the truth onto the luma of each picture and compares a SHA-256 a second; luma is decoded the same by every version of FFmpeg.

Exit codes: 0 they are of each other; 1 a file cannot be read or written; 2 the command line is wrong; 3 they are not of each other.`
}

// verified is what the command says of a video.
type verified struct {
	Video  string `json:"video"`
	Frames int    `json:"frames"`
	Kept   int    `json:"kept"` // hashes that were compared with
	Wrote  string `json:"wrote,omitempty"`
	Wrong  string `json:"wrong,omitempty"`
}

// Run verifies.
func (c *synthVerifyCmd) Run(ctx context.Context, out streams) error {
	wrong := 0
	for _, video := range c.Videos {
		v, err := c.verify(ctx, video, out)
		if err != nil {
			return err
		}
		if v.Wrong != "" {
			wrong++
		}
		if err := c.say(out, v); err != nil {
			return err
		}
	}
	if wrong > 0 {
		return &exit{exitPartly, fmt.Errorf("of %d videos, %d are not of their truth or hashes", len(c.Videos), wrong)}
	}
	return nil
}

func (c *synthVerifyCmd) verify(ctx context.Context, video string, out streams) (verified, error) {
	v := verified{Video: video}
	var kept []film.Hash
	if !c.Write {
		var err error
		if kept, err = film.ReadHashes(film.HashPath(video)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return v, err
		}
	}
	p := newCounter(out.Err, 0, c.Quiet)
	got, err := film.Verify(ctx, video, kept, p.set)
	p.wait()
	v.Frames, v.Kept = got.Frames, len(kept)
	if differ, ok := errors.AsType[*film.Mismatch](err); ok {
		v.Wrong = differ.Error()
		return v, nil
	}
	if err != nil || !c.Write {
		return v, err
	}
	v.Wrote = film.HashPath(video)
	return v, film.WriteHashes(v.Wrote, got.Hashes)
}

func (c *synthVerifyCmd) say(out streams, v verified) error {
	if c.JSON {
		return json.NewEncoder(out.Out).Encode(v)
	}
	text := fmt.Sprintf("%s: %d frames, as in its truth", v.Video, v.Frames)
	switch {
	case v.Wrong != "":
		text = v.Wrong
	case v.Wrote != "":
		text += "; wrote " + v.Wrote
	case v.Kept > 0:
		text += fmt.Sprintf(" and its %d hashes", v.Kept)
	default:
		text += "; no hashes are kept"
	}
	_, err := fmt.Fprintln(out.Out, text)
	return err
}
