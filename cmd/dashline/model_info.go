package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/alecthomas/kong"

	"dashline/infer"
	"dashline/internal/modelcmd"
	"dashline/internal/netfile"
	"dashline/model/catalog"
)

// loading is how a network is read of which nothing but its files has to be known.
type loading struct {
	Weights string         `placeholder:"FILE" help:"Weights of a .cfg (default: those beside it)."`
	Size    string         `placeholder:"WxH" help:"Size of the input, as in 416x416 (default: the description's, else the file's)."`
	Dim     map[string]int `placeholder:"NAME=N" help:"Size of a dimension that an ONNX file only names, as in sequence=128."`
}

// load reads a network. One whose weights are not there is its topology alone.
func (l *loading) load(ref string) (*netfile.Net, error) {
	o := netfile.Options{Topology: true, Weights: l.Weights, Dims: l.Dim}
	if l.Size != "" {
		if n, err := fmt.Sscanf(l.Size, "%dx%d", &o.Width, &o.Height); err != nil || n != 2 || fmt.Sprintf("%dx%d", o.Width, o.Height) != l.Size ||
			o.Width < 1 || o.Height < 1 {
			return nil, &exit{exitUsage, fmt.Errorf("--size %s: give width and height in pixels, as in 416x416", l.Size)}
		}
	}
	n, err := known(netfile.LoadWith(ref, o))
	if errors.Is(err, netfile.ErrDims) {
		err = &exit{exitUsage, fmt.Errorf("--dim is for ONNX files, and %s is a darknet network: use --size", ref)}
	}
	if errors.Is(err, netfile.ErrSized) {
		err = &exit{exitUsage, fmt.Errorf("--dim is for networks whose input has no size from --size or a description: leave it out: %w", err)}
	}
	return n, err
}

// known makes a name that no network has a mistake of the command line.
func known[T any](n T, err error) (T, error) {
	if _, unknown := errors.AsType[*catalog.UnknownError](err); unknown {
		err = &exit{exitUsage, err}
	}
	return n, err
}

type modelInfoCmd struct {
	Net     string `arg:"" name:"NET" help:"Name of a network, description (.yaml), .cfg with or without .weights beside it, or .onnx file."`
	loading `embed:""`
	Measure bool   `help:"Also run it on each engine, in a process of its own: time by layer, memory. Weights that are not there are random."`
	Threads int    `placeholder:"N" help:"Threads of the engine with --measure (default: one per core)."`
	SVG     string `name:"svg" placeholder:"FILE" help:"Write a picture: bars for each layer's parameters, FLOPs and, with --measure, time."`
	JSON    bool   `name:"json" help:"Print one JSON object."`
	Quiet   bool   `short:"q" help:"Show no progress."`
}

func (modelInfoCmd) Help() string {
	return `Examples:
  dashline model info yolov3                        layer by layer, and in all
  dashline model info yolov3.cfg --size 608x608     a topology at another size
  dashline model info dashline-full --measure       and what it really takes on each engine
  dashline model info bert.onnx --dim batch=1 --dim sequence=128
  dashline model info dashline-full --measure --svg layers.svg
  dashline model info yolov3 --json | jq '.parameters, .flops'

FLOPs are two for each multiply-accumulate, as darknet counts; papers that count one call MACs FLOPs. Bytes of values are those of float32. docs/model.md says how everything is counted.

Exit codes: 0 shown; 1 files are missing or damaged, or an engine failed; 2 the command line is wrong; 3 shown, but not measured on every engine.`
}

// Run shows what a network costs.
func (c *modelInfoCmd) Run(ctx context.Context, k *kong.Context, out streams) error {
	if !c.Measure {
		if err := unread(k, "is for --measure", "threads"); err != nil {
			return err
		}
	}
	if c.Threads < 0 || c.Threads > infer.MaxThreads {
		return &exit{exitUsage, fmt.Errorf("--threads %d: give 1 to %d", c.Threads, infer.MaxThreads)}
	}
	n, err := c.load(c.Net)
	if err != nil {
		return err
	}
	r := modelcmd.Describe(n)
	var missing *modelcmd.NoEngineError
	if c.Measure {
		if err := c.measure(ctx, r, n, out); err != nil && !errors.As(err, &missing) {
			return err
		}
	}
	if c.SVG != "" {
		if err := netfile.Write(c.SVG, r.SVG); err != nil {
			return err
		}
	}
	if c.JSON {
		err = json.NewEncoder(out.Out).Encode(r)
	} else {
		err = r.Print(out.Out)
	}
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if missing != nil {
		return &exit{exitPartly, missing}
	}
	return nil
}

func (c *modelInfoCmd) measure(ctx context.Context, r *modelcmd.Report, n *netfile.Net, out streams) error {
	program, err := probing()
	if err != nil {
		return err
	}
	return r.Measure(ctx, n, modelcmd.MeasureOptions{Program: program, Threads: c.Threads, Log: out.Err, Quiet: c.Quiet})
}

// probing is the command line of this program that measures in a process of its own.
func probing() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("measure in a process of its own: %w", err)
	}
	return []string{self, "model", "probe"}, nil
}

type modelProbeCmd struct{}

// Run measures what standard input says.
func (modelProbeCmd) Run(ctx context.Context, out streams) error {
	return modelcmd.Probe(ctx, os.Stdin, out.Out)
}
