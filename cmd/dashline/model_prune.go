package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"dashline/internal/calib"
	"dashline/internal/netfile"
	"dashline/internal/shrink"
	"dashline/model/prune"
)

type modelPruneCmd struct {
	Net        string        `arg:"" name:"NET" help:"Name of a network, description (.yaml), or .cfg with .weights beside it."`
	FLOPs      string        `name:"flops" placeholder:"50%" help:"How much of the multiply-accumulates to remove; several with commas, a network for each."`
	Latency    time.Duration `placeholder:"10ms" help:"Remove until a forward of the network takes no longer than this here, as ONNX on ONNX Runtime where that is installed."`
	Calibrate  []string      `required:"" sep:"none" placeholder:"PATH" help:"Pictures as the network will see them, without labels: a folder of images, a video, a recording. Several are pooled."`
	Pictures   int           `default:"128" placeholder:"N" help:"How many of them, evenly spread (default: ${default})."`
	Criterion  string        `default:"second-order" enum:"second-order,bn-scale,magnitude" help:"What channels are chosen by: second-order, bn-scale, magnitude (default: ${default})."`
	Allocation string        `default:"sensitivity" enum:"sensitivity,latency,uniform" help:"How cuts are spread over layers: by what they cost the outputs per operation (sensitivity) or per time here (latency), or uniform (default: ${default})."`
	NoFit      bool          `help:"Leave the weights that stay as they are: the baseline."`
	Multiple   int           `default:"8" placeholder:"N" help:"Numbers of channels are multiples of this, which engines run faster (default: ${default})."`
	Out        string        `short:"o" placeholder:"PATH" help:"Write PATH.cfg, PATH.weights and PATH.yaml (default: NET-pruned in this folder; with several shares, -SHARE is added)."`
	Seed       uint64        `default:"1" help:"Which pixels of the pictures are looked at (default: ${default})."`
	JSON       bool          `name:"json" help:"Print one JSON object."`
	Quiet      bool          `short:"q" help:"Show no progress."`
}

func (modelPruneCmd) Help() string {
	return `Examples:
  dashline model prune dashline-full --flops 50% --calibrate drive.mp4 -o out/half
  dashline model prune my.yaml --flops 30%,50%,70% --calibrate photos/ --calibrate drive.mcap
  dashline model prune my.yaml --latency 10ms --allocation latency --calibrate photos/
  dashline model prune my.yaml --flops 30% --criterion magnitude --allocation uniform --no-fit --calibrate photos/    the baseline

Whole channels leave, so the file gets smaller and every engine faster. Which: those whose loss the layers that read them can best make up for. How many of each layer: measured on the outputs. What stays is then fitted, layer after layer, to what the whole network made of the pictures. It needs no labels and no training; about 100 varied pictures are enough. It goes on where it was stopped when it is given the same arguments again.

Exit codes: 0 written; 1 files are missing or damaged, or the target cannot be reached; 2 the command line is wrong.`
}

// Run prunes.
func (c *modelPruneCmd) Run(ctx context.Context, out streams) error {
	shares, err := c.shares()
	if err != nil {
		return &exit{exitUsage, err}
	}
	n, err := known(netfile.Detector(c.Net))
	if err != nil {
		return err
	}
	if n.Darknet == nil {
		return fmt.Errorf("network %s is not a darknet network: pruned networks are written as darknet, for fine-tuning and both engines; convert the result to ONNX afterwards", c.Net)
	}
	p := newPhases(out.Err, c.Quiet)
	defer p.end()
	pictures, err := calib.Load(ctx, c.Calibrate, n.Described.Input, c.Pictures, func(done, total int) { p.show("reading pictures", done, total) })
	if err != nil {
		return err
	}
	timer := shrink.Timer{Described: n.Described}
	o := shrink.Options{
		Options: prune.Options{
			Remove: shares, Criterion: prune.Criterion(c.Criterion), Allocation: prune.Sensitivity, Plain: c.NoFit,
			Multiple: c.Multiple, Seed: c.Seed, Progress: p.show,
		},
		Base: base(c.Out, n, c.Net, "pruned"), Latency: c.Latency, Time: timer.Time,
	}
	switch c.Allocation {
	case "uniform":
		o.Allocation = prune.Uniform
	case "latency":
		if o.Cost, err = shrink.Costs(ctx, n.Graph, timer.Time, p.show); err != nil {
			return err
		}
	}
	made, err := shrink.Run(ctx, n, calib.Inputs(pictures), o)
	p.end()
	if err != nil && !errors.Is(err, prune.ErrTarget) {
		return err
	}
	if c.JSON {
		return errors.Join(json.NewEncoder(out.Out).Encode(made), err)
	}
	return errors.Join(printPruned(out.Out, made), err)
}

// shares are those of the command line, rising.
func (c *modelPruneCmd) shares() ([]float64, error) {
	if (c.FLOPs == "") == (c.Latency == 0) {
		return nil, errors.New("give either --flops 50% or --latency 10ms")
	}
	if c.Latency < 0 {
		return nil, fmt.Errorf("--latency %v: give a time above 0", c.Latency)
	}
	if c.Pictures < 1 {
		return nil, fmt.Errorf("--pictures %d: give 1 and more", c.Pictures)
	}
	if c.Multiple < 1 || c.Multiple > 256 {
		return nil, fmt.Errorf("--multiple %d: give 1 to 256", c.Multiple)
	}
	if c.FLOPs == "" {
		return nil, nil
	}
	return parseShares("--flops", c.FLOPs)
}

// parseShares reads rising shares of a flag: 30%,50% or .3,.5.
func parseShares(flag, text string) ([]float64, error) {
	var out []float64
	for _, word := range strings.Split(text, ",") {
		number, percent := strings.CutSuffix(word, "%")
		x, err := strconv.ParseFloat(number, 64)
		if percent {
			x /= 100
		}
		if err != nil || !(x > 0 && x < 1) || len(out) > 0 && x <= out[len(out)-1] {
			return nil, fmt.Errorf("%s %s: give rising shares between 0%% and 100%%, for example 30%%,50%%", flag, text)
		}
		out = append(out, x)
	}
	return out, nil
}

func printPruned(to io.Writer, results []shrink.Made) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NETWORK\tREMOVED\tMMACS\tGROUPS CUT\tLOSS\tMS")
	for _, r := range results {
		ms := "-"
		if r.LatencyMS > 0 {
			ms = fmt.Sprintf("%.2f", r.LatencyMS)
		}
		fmt.Fprintf(w, "%s\t%.1f %%\t%.1f\t%d\t%.3f\t%s\n", r.Network, 100*r.Removed, float64(r.MACs)/1e6, len(r.Groups), r.Loss, ms)
	}
	return w.Flush()
}
