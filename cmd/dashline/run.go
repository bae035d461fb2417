package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"dashline/internal/config"
	"dashline/internal/session"
)

type runCmd struct {
	Input         []string    `arg:"" optional:"" name:"source" help:"Video file, folder of images, synth:SCENARIO or rtsp:// address; NAME=SOURCE for each of several cameras (default: the keys source or cameras; else the default drive)."`
	File          config.File `name:"config" short:"c" placeholder:"FILE" help:"YAML file with any of the keys below."`
	Server        string      `name:"nats" placeholder:"URL" help:"Short for --nats-url."`
	config.Config `embed:""`
}

func (runCmd) Help() string {
	return `Examples:
  dashline run                                   the default drive
  dashline run drive.mp4 --save seen.mp4         write boxes, lanes and the plan as a video
  dashline run drive.mp4 --realtime              as a live camera: the newest frame wins
  dashline run images/ --json | jq .frames       the summary for machines
  dashline run drive.mp4 --nats nats://10.0.0.5:4222 --vehicle truck7
  dashline run drive.mp4 --detect-network yolox-nano-416 --detect-engine ort
  dashline run 'synth:city?seed=3&duration=20s'  a synthetic drive, made while it runs (dashline synth --list)
  dashline run drive.mp4 --config truck7.yaml    every flag is also a key of the file
  dashline run front=rtsp://10.0.0.7/1 left=rtsp://10.0.0.8/1 --duration 60s
                                                 several cameras side by side

Users and passwords of cameras come from the configuration file, from a file that --rtsp-credentials names, or from DASHLINE_RTSP_USER and DASHLINE_RTSP_PASSWORD (of camera left: DASHLINE_RTSP_USER_LEFT and so on); never from the command line, where others can read them.

The summary goes to standard output, everything else to standard error. Ctrl-C ends the run after the frames in flight, with a summary.

Exit codes: 0 no frame failed and every message arrived (frames may be late or dropped); 1 it could not start, or broke on the way (of several cameras: all of them); 2 the command line or the configuration is wrong; 3 it ran to its end, but frames failed, one of several cameras broke or gave no frame, or messages did not reach the NATS server.`
}

func (c *runCmd) Run(ctx context.Context, out streams) error {
	cfg := c.Config
	if err := cfg.Arguments(c.Input); err != nil {
		return &exit{exitUsage, err}
	}
	if c.Server != "" {
		cfg.NATS.URL = c.Server
	}
	if err := cfg.Validate(); err != nil {
		return &exit{exitUsage, err}
	}
	s, err := session.Open(ctx, cfg)
	if _, wrong := errors.AsType[*session.ConfigError](err); wrong {
		return &exit{exitUsage, err}
	}
	if err != nil {
		return err
	}
	for _, line := range s.Warnings {
		fmt.Fprintf(out.Err, "warning: %s\n", line)
	}
	if !cfg.Quiet {
		s.Describe(out.Err)
	}
	sum, err := showing(ctx, s, out)
	if cerr := s.Close(); err == nil {
		err = cerr
	}
	if cfg.JSON {
		b, jerr := json.Marshal(sum)
		if jerr != nil {
			return jerr
		}
		if _, werr := out.Out.Write(append(b, '\n')); werr != nil {
			err = errors.Join(err, fmt.Errorf("print the summary: %w", werr))
		}
	} else {
		sum.Print(out.Out)
	}
	if err != nil {
		return err
	}
	if err := sum.OK(); err != nil {
		return &exit{exitPartly, err}
	}
	return nil
}

// showing runs the session with its progress beside it.
func showing(ctx context.Context, s *session.Session, out streams) (session.Summary, error) {
	var wg sync.WaitGroup
	show, stop := context.WithCancel(context.WithoutCancel(ctx))
	if !s.Config.Quiet {
		wg.Go(func() { s.Progress(show, out.Err) })
	}
	sum, err := s.Run(ctx)
	stop()
	wg.Wait()
	return sum, err
}
