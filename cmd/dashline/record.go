package main

import (
	"context"
	"errors"

	"dashline/internal/config"
)

type recordCmd struct {
	Input         []string    `arg:"" optional:"" name:"source" help:"As of dashline run."`
	Output        string      `short:"o" required:"" placeholder:"FILE" help:"Recording to write (.mcap)."`
	Force         bool        `short:"f" help:"Replace the file if it is there."`
	File          config.File `name:"config" short:"c" placeholder:"FILE" help:"YAML file with any of the keys below."`
	Server        string      `name:"nats" placeholder:"URL" help:"Short for --nats-url."`
	config.Config `embed:""`
}

func (recordCmd) Help() string {
	return `Examples:
  dashline record rtsp://10.0.0.7/1 -o drive.mcap
  dashline record front=rtsp://10.0.0.7/1 left=rtsp://10.0.0.8/1 -o drive.mcap --duration 10m
  dashline record drive.mp4 -o drive.mcap        a file's own packets, and what was seen in it
  dashline info drive.mcap                       what is in it
  dashline run drive.mcap --deterministic        run on it again, the same each time

It is dashline run, and keeps in one MCAP file what the cameras sent, as they sent it, and all that was published. Foxglove opens it. A source that has no compressed pictures (a synthetic drive) is recorded as JPEG. What a slow disk has no time for is left out and counted; a full one ends the recording, not the run.

Exit codes: as of dashline run; 3 also when something is not in the recording.`
}

// Run records while it runs the pipeline.
func (c *recordCmd) Run(ctx context.Context, out streams) error {
	if c.Record != "" && c.Record != c.Output {
		return &exit{exitUsage, errors.New("--output and --record name two files: give one")}
	}
	run := runCmd{Input: c.Input, File: c.File, Server: c.Server, Config: c.Config}
	run.Record = c.Output
	run.RecordForce = run.RecordForce || c.Force
	return run.Run(ctx, out)
}
