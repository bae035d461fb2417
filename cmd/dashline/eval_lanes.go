package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"dashline/bench/accuracy"
	"dashline/lanes/metric"
)

type evalLanesCmd struct {
	Network string   `placeholder:"NAME" help:"Name of a lane network, or the path of a description (.yaml), to run on --data."`
	Data    []string `sep:"none" placeholder:"VIDEO" help:"Video with its truth beside it. Several are pooled."`

	Format string  `placeholder:"FORMAT" help:"Instead of a network: compare result files of tusimple or culane."`
	Pred   string  `placeholder:"PATH" help:"What was found: a TuSimple file, or a CULane NAME.lines.txt or a folder of them."`
	Truth  string  `placeholder:"PATH" help:"What is there, in the same form."`
	Size   string  `default:"1640x590" placeholder:"WxH" help:"Size of the pictures of --format culane (default: ${default})."`
	IoU    float64 `name:"iou" default:"0.5" help:"IoU above which a lane of --format culane is found (default: ${default})."`

	measuring `embed:""`
}

func (evalLanesCmd) Help() string {
	return `Examples:
  dashline eval lanes --network twinlitenet-cv46 --data held-out.mp4
  dashline eval lanes --network lanes.yaml --data a.mp4 --data b.mp4 --every 5 --json | jq .f1
  dashline eval lanes --format tusimple --pred found.json --truth label_data.json
  dashline eval lanes --format culane --pred found/ --truth annotations/ --iou 0.3

Lines of a network are counted by CULane's rule, scaled to pictures 1640 pixels wide; the drivable area by intersection over union of its pixels. The figures of result files are those of the official evaluators.

Exit codes: 0 measured; 1 the data or the files of the network are missing or damaged; 2 the command line is wrong, or no such network is described.`
}

// Run measures a lane network, or compares files.
func (c *evalLanesCmd) Run(ctx context.Context, out streams) error {
	usage := func(format string, args ...any) error { return &exit{exitUsage, fmt.Errorf(format, args...)} }
	switch {
	case (c.Network == "") == (c.Format == ""):
		return usage("give --network and --data, or --format with --pred and --truth")
	case c.Network != "" && (len(c.Data) == 0 || c.Pred != "" || c.Truth != ""):
		return usage("--network goes with --data: give one or more videos, and no --pred and --truth")
	case c.Format != "" && (len(c.Data) > 0 || c.Pred == "" || c.Truth == ""):
		return usage("--format goes with --pred and --truth: give both, and no --data")
	}
	if err := c.check(); err != nil {
		return err
	}
	switch c.Format {
	case "":
		r, err := watched(&c.measuring, out, c.Network, c.Data, func(o accuracy.Options) (accuracy.LanesReport, error) {
			return accuracy.Lanes(ctx, o, c.bootstrap())
		})
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(out.Out).Encode(r)
		}
		return printLanes(out.Out, &r)
	case "tusimple":
		return c.tusimple(out)
	case "culane":
		return c.culane(ctx, out)
	}
	return usage("--format %s: give tusimple or culane", c.Format)
}

func (c *evalLanesCmd) tusimple(out streams) error {
	found, err := metric.ReadTuSimple(c.Pred)
	if err != nil {
		return err
	}
	truth, err := metric.ReadTuSimple(c.Truth)
	if err != nil {
		return err
	}
	a, err := metric.TuSimple(found, truth)
	if err != nil {
		return fmt.Errorf("compare %s with %s: %w", c.Pred, c.Truth, err)
	}
	if c.JSON {
		return json.NewEncoder(out.Out).Encode(struct {
			metric.Accuracy
			Images int `json:"images"`
		}{a, len(truth)})
	}
	_, err = fmt.Fprintf(out.Out, "%d frames by TuSimple's rule\n\naccuracy  %.6f\nFP        %.6f\nFN        %.6f\n", len(truth), a.Accuracy, a.FP, a.FN)
	return err
}

func (c *evalLanesCmd) culane(ctx context.Context, out streams) error {
	var w, h int
	if n, err := fmt.Sscanf(c.Size, "%dx%d", &w, &h); n != 2 || err != nil || fmt.Sprintf("%dx%d", w, h) != c.Size {
		return &exit{exitUsage, fmt.Errorf("--size %s: give width and height, as in 1640x590", c.Size)}
	}
	if !(c.IoU > 0 && c.IoU < 1) {
		return &exit{exitUsage, fmt.Errorf("--iou %g: give a number above 0 and below 1", c.IoU)}
	}
	canvas, err := metric.NewCanvas(w, h)
	if err != nil {
		return &exit{exitUsage, err}
	}
	defer canvas.Close()
	pairs, err := c.pairs()
	if err != nil {
		return err
	}
	r := struct {
		metric.Counts
		Precision float64 `json:"precision"`
		Recall    float64 `json:"recall"`
		F1        float64 `json:"f1"`
		IoU       float64 `json:"iou"`
		Images    int     `json:"images"`
		Missing   int     `json:"missing"` // without a file of what was found
	}{IoU: c.IoU, Images: len(pairs)}
	shown := newCounter(out.Err, len(pairs), c.Quiet)
	defer shown.wait()
	for _, p := range pairs {
		if err := ctx.Err(); err != nil {
			return err
		}
		s, err := canvas.Similarity(p.Found, p.Truth)
		if err != nil {
			return fmt.Errorf("picture %s: %w", p.Name, err)
		}
		r.Add(metric.Count(s, len(p.Found), len(p.Truth), c.IoU))
		if p.Missing {
			r.Missing++
		}
		shown.add()
	}
	r.Precision, r.Recall, r.F1 = r.Counts.Precision(), r.Counts.Recall(), r.Counts.F1()
	if c.JSON {
		return json.NewEncoder(out.Out).Encode(r)
	}
	_, err = fmt.Fprintf(out.Out, "%d pictures by CULane's rule, IoU > %g\n\nF1         %.6f\nprecision  %.6f\nrecall     %.6f\nlines      %d found, %d wrong, %d missed\n",
		r.Images, r.IoU, r.F1, r.Precision, r.Recall, r.TP, r.FP, r.FN)
	if err == nil && r.Missing > 0 {
		_, err = fmt.Fprintf(out.Out, "%d pictures have no file of what was found and count as having none\n", r.Missing)
	}
	return err
}

// pairs reads two files or two folders.
func (c *evalLanesCmd) pairs() ([]metric.Pair, error) {
	info, err := os.Stat(c.Truth)
	if err != nil {
		return nil, fmt.Errorf("read lanes: %w", err)
	}
	if info.IsDir() {
		return metric.ReadCULanePairs(c.Pred, c.Truth)
	}
	found, err := metric.ReadCULane(c.Pred)
	truth, terr := metric.ReadCULane(c.Truth)
	return []metric.Pair{{Name: c.Truth, Found: found, Truth: truth}}, errors.Join(err, terr)
}
