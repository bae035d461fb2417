package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"dashline/bench/accuracy"
	"dashline/internal/calib"
	"dashline/internal/doctor"
	"dashline/internal/netfile"
	"dashline/internal/shrink"
	"dashline/model/onnx"
	"dashline/model/quantize"
)

type modelQuantizeCmd struct {
	Net         string   `arg:"" name:"NET" help:"Name of a network, description (.yaml), or .cfg with .weights beside it."`
	INT8        bool     `name:"int8" xor:"to" required:"" help:"Compute in 8 bits, but for what would lose too much."`
	FP16        bool     `name:"fp16" xor:"to" required:"" help:"Weights and computation in float16. Needs no pictures."`
	Calibrate   []string `sep:"none" placeholder:"PATH" help:"Pictures as the network will see them, without labels: a folder of images, a video, a recording. Several are pooled."`
	Pictures    int      `default:"96" placeholder:"N" help:"How many of them, evenly spread; a third calibrates, the others judge (default: ${default})."`
	Range       string   `default:"mse" enum:"minmax,percentile,entropy,mse" help:"How ranges of values are chosen: minmax, percentile, entropy, mse (default: ${default})."`
	Percentile  float64  `default:"99.999" placeholder:"P" help:"For --range percentile (default: ${default})."`
	MaxDrop     float64  `default:"1" placeholder:"POINTS" help:"How many points of AP50 of agreement with the network in float may be lost; what is most sensitive stays float to hold it (default: ${default})."`
	ReduceRange string   `default:"auto" enum:"auto,on,off" help:"Weights of 7 bits, which a CPU without VNNI needs: auto looks at this one (default: ${default})."`
	Out         string   `short:"o" placeholder:"PATH" help:"Write PATH.onnx and PATH.yaml (default: NET-int8 or NET-fp16 in this folder)."`
	JSON        bool     `name:"json" help:"Print one JSON object."`
	Quiet       bool     `short:"q" help:"Show no progress."`
}

func (modelQuantizeCmd) Help() string {
	return `Examples:
  dashline model quantize dashline-full --int8 --calibrate drive.mp4 -o out/int8
  dashline model quantize my.yaml --int8 --calibrate photos/ --max-drop 0.5
  dashline model quantize my.yaml --fp16

Channels are equalised, weights rounded by what they multiply and biases corrected. The loss is measured without labels: what the network in 8 bits does not find of the confident boxes of the network in float. In the end both are timed by turns; 8 bits often are not faster, and then it says so. What no engine here runs (float16 without ONNX Runtime) is written and not timed.

Exit codes: 0 written; 1 files are missing or damaged, or the drop cannot be held; 2 the command line is wrong.`
}

// quantized is what the command did.
type quantized struct {
	Network   string           `json:"network"`
	Coded     int              `json:"convolutions_int8"`
	Float     []string         `json:"convolutions_float"`
	Trials    []quantize.Trial `json:"trials,omitempty"`
	Drop      float64          `json:"drop"` // points
	Reduced   bool             `json:"reduced_range"`
	FileBytes int64            `json:"file_bytes"`
	FloatMS   float64          `json:"float_ms,omitempty"`
	MS        float64          `json:"ms,omitempty"`
	Faster    float64          `json:"faster,omitempty"`    // times
	NotTimed  string           `json:"not_timed,omitempty"` // why there are no times
}

// reduced says whether weights get 7 bits: on, off, or auto, as this processor
// needs it.
func reduced(flag string) bool {
	return flag == "on" || flag == "auto" && !doctor.ReadMachine().VNNI()
}

// Run quantises.
func (c *modelQuantizeCmd) Run(ctx context.Context, k *kong.Context, out streams) error {
	if c.INT8 && len(c.Calibrate) == 0 {
		return &exit{exitUsage, errors.New("--int8 needs pictures: --calibrate PATH, as the network will see them")}
	}
	if c.FP16 {
		if err := unread(k, "is for --int8", "calibrate", "pictures", "range", "percentile", "max-drop", "reduce-range"); err != nil {
			return err
		}
	}
	if c.Range != "percentile" {
		if err := unread(k, "is for --range percentile", "percentile"); err != nil {
			return err
		}
	}
	if c.Pictures < 2 {
		return &exit{exitUsage, fmt.Errorf("--pictures %d: give 2 and more, for some calibrate and others judge", c.Pictures)}
	}
	if !(c.MaxDrop >= 0 && c.MaxDrop <= 100) {
		return &exit{exitUsage, fmt.Errorf("--max-drop %v: give 0 to 100 points", c.MaxDrop)}
	}
	n, err := known(netfile.Detector(c.Net))
	if err != nil {
		return err
	}
	p := newPhases(out.Err, c.Quiet)
	defer p.end()
	var r quantized
	g, options, how, held := n.Graph, onnx.Options{Half: true, Decode: true}, "float16", error(nil)
	if c.INT8 {
		var plan *quantize.Plan
		if plan, held = c.plan(ctx, n, p, &r); plan == nil {
			return held
		}
		g, options = plan.Graph, onnx.Options{Decode: true, Quant: &plan.Quant}
		how = fmt.Sprintf("%d of %d convolutions in 8 bits", r.Coded, r.Coded+len(r.Float))
	}
	suffix := "int8"
	if c.FP16 {
		suffix = "fp16"
	}
	path := base(c.Out, n, c.Net, suffix)
	if r.Network, err = n.SaveONNX(path, g, options, named(n, c.Net)+": "+how); err != nil {
		return err
	}
	if err := c.time(ctx, n, path+".onnx", &r); err != nil {
		return err
	}
	p.end()
	if c.JSON {
		return errors.Join(json.NewEncoder(out.Out).Encode(r), held)
	}
	return errors.Join(c.print(out.Out, how, &r), held)
}

// plan chooses codes. With an error that wraps quantize.ErrDrop there is a plan, too.
func (c *modelQuantizeCmd) plan(ctx context.Context, n *netfile.Net, p *phases, r *quantized) (*quantize.Plan, error) {
	pictures, err := calib.Load(ctx, c.Calibrate, n.Described.Input, c.Pictures, func(done, total int) { p.show("reading pictures", done, total) })
	if err != nil {
		return nil, err
	}
	if len(pictures) < 2 {
		return nil, errors.New("one picture is not enough: some calibrate, others judge")
	}
	calibrate, judged := quantize.Split(n.Graph, calib.Inputs(pictures))
	r.Reduced = reduced(c.ReduceRange)
	o := quantize.Options{Method: quantize.Method(c.Range), Percentile: c.Percentile, Reduced: r.Reduced}
	judge := func(want, have quantize.Outputs) (float64, error) {
		return accuracy.Drop(n.Described, n.Graph, want, have)
	}
	plan, trials, err := quantize.Hold(ctx, n.Graph, calibrate, judged, o, c.MaxDrop, judge, p.show)
	if plan == nil {
		return nil, err
	}
	r.Coded, r.Float, r.Trials = len(plan.Coded()), plan.Float(), trials
	for _, t := range trials {
		if t.Float == len(r.Float) {
			r.Drop = t.Drop
		}
	}
	return plan, err
}

// time races the file against the network in float. That no engine here runs it is
// no error: it is written, and may be for another machine.
func (c *modelQuantizeCmd) time(ctx context.Context, n *netfile.Net, path string, r *quantized) error {
	small, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	r.FileBytes = int64(len(small))
	var float bytes.Buffer
	if err := onnx.Write(&float, n.Graph, onnx.Options{Fold: true, Decode: true}); err != nil {
		return err
	}
	times, err := shrink.Timer{Described: n.Described}.Race(ctx, float.Bytes(), small)
	if err != nil && ctx.Err() == nil {
		r.NotTimed = err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	r.FloatMS, r.MS = ms(times[0]), ms(times[1])
	r.Faster = r.FloatMS / r.MS
	return nil
}

func (c *modelQuantizeCmd) print(to io.Writer, how string, r *quantized) error {
	_, err := fmt.Fprintf(to, "%s: %s, %.2f MB\n", r.Network, how, float64(r.FileBytes)/1e6)
	if c.INT8 {
		_, err2 := fmt.Fprintf(to, "loses %.2f points of AP50 against the network in float, measured without labels\n", r.Drop)
		err = errors.Join(err, err2)
	}
	if r.NotTimed != "" {
		_, err2 := fmt.Fprintf(to, "not timed here: %s\n", r.NotTimed)
		return errors.Join(err, err2)
	}
	verdict := fmt.Sprintf("%.2f times as fast here", r.Faster)
	if r.Faster < 1.02 {
		verdict = "not faster here: keep the network in float"
	}
	_, err2 := fmt.Fprintf(to, "%.2f ms a forward, in float %.2f: %s\n", r.MS, r.FloatMS, verdict)
	return errors.Join(err, err2)
}
