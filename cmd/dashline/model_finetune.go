package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"dashline/internal/finetune"
	"dashline/model/catalog"
)

type modelFinetuneCmd struct {
	Net      string   `arg:"" name:"NET" help:"The pruned network: a name, or a description (.yaml). A darknet one."`
	Teacher  string   `placeholder:"NET" help:"The network that it was pruned from."`
	Data     []string `required:"" sep:"none" placeholder:"PATH" help:"Pictures as the network will see them, without labels: a folder of images, a video, a recording. With --labels folders that dashline synth --export yolo wrote. Several are pooled."`
	Labels   bool     `help:"Train on the data's labels, and on what the teacher says if there is one."`
	Validate []string `sep:"none" placeholder:"DIR" help:"With --labels: folders of other drives, to measure on."`
	Pictures int      `default:"300" placeholder:"N" help:"How many pictures to take of each source without labels, evenly spread (default: ${default})."`
	Minutes  float64  `default:"10" placeholder:"N" help:"How long to train, by the speed of the first steps (default: ${default})."`
	Samples  int      `placeholder:"N" help:"Instead of --minutes: train on so many pictures, repeats counted: the result does not depend on how busy the machine is."`
	Threads  int      `placeholder:"N" help:"Of the training (default: one per core)."`
	Out      string   `required:"" short:"o" placeholder:"PATH" help:"Write PATH.cfg, PATH.weights and PATH.yaml. The run lives in PATH.finetune until it is done."`
	Seed     uint64   `default:"1" help:"Of order and changes of the pictures (default: ${default})."`
	JSON     bool     `name:"json" help:"Print one JSON object."`
	Quiet    bool     `short:"q" help:"Show no progress."`
}

func (modelFinetuneCmd) Help() string {
	return `Examples:
  dashline model finetune half.yaml --teacher dashline-full --data drive.mp4 -o tuned
  dashline model finetune xl-30.yaml --teacher yolo-fastest-1.1-xl --data photos/ --data drive.mcap --minutes 20 -o xl-30-tuned
  dashline model finetune half.yaml --teacher dashline-full --labels --data synth/train --validate synth/val -o tuned

Without labels the network learns what the teacher says about each picture, changed in many ways: give some hundred frames of what it will see (docs/finetune.md says what they were worth). The layers stay as they are, so size and time do, too. It needs Python 3 with PyTorch, NumPy and OpenCV, and takes darknet networks: convert to ONNX afterwards. Interrupted, it leaves a checkpoint, and the same command goes on from it.

Exit codes: 0 written; 1 files or Python's modules are missing or damaged; 2 the command line is wrong; 3 stopped, and can go on.`
}

// Run fine-tunes.
func (c *modelFinetuneCmd) Run(ctx context.Context, k *kong.Context, out streams) error {
	if c.Labels {
		if err := unread(k, "is for pictures without labels: with --labels all are taken", "pictures"); err != nil {
			return err
		}
	}
	if c.Samples > 0 {
		if err := unread(k, "is not for --samples, which says how long to train already", "minutes"); err != nil {
			return err
		}
	}
	o, err := c.options()
	if err != nil {
		return err
	}
	shown := time.Time{}
	o.Progress = func(s finetune.Step) {
		if !c.Quiet && (time.Since(shown) >= lineEvery || s.Done == s.Of) {
			shown = time.Now()
			fmt.Fprintf(out.Err, "step %d of %d  loss %.3f  %.1f pictures/s  %.1f min left\n", s.Done, s.Of, s.Loss, s.Speed, s.Left)
		}
	}
	r, err := finetune.Run(ctx, o)
	if errors.Is(err, finetune.ErrStopped) {
		return &exit{exitPartly, err}
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(out.Out).Encode(r)
	}
	return printFinetuned(out.Out, r, c.Labels)
}

func printFinetuned(to io.Writer, r *finetune.Result, labels bool) error {
	what := "agreement with the teacher, AP50"
	if labels {
		what = "AP50"
	}
	found := fmt.Sprintf("loss %.3f, before %.3f, on what was held out, where the teacher finds nothing to agree on: give pictures that show what it knows", r.After.Loss, r.Before.Loss)
	if r.After.AP50 != nil && r.Before.AP50 != nil {
		found = fmt.Sprintf("%s %.3f, before %.3f, on what was held out", what, *r.After.AP50, *r.Before.AP50)
	}
	_, err := fmt.Fprintf(to, "%s: %s; %d pictures in %.1f min\n", r.Network, found, r.Samples, r.Seconds/60)
	return err
}

func (c *modelFinetuneCmd) options() (finetune.Options, error) {
	wrong := func(format string, args ...any) (finetune.Options, error) {
		return finetune.Options{}, &exit{exitUsage, fmt.Errorf(format, args...)}
	}
	switch {
	case c.Teacher == "" && !c.Labels:
		return wrong("give --teacher, the network that %s was pruned from, or --labels", c.Net)
	case c.Labels && len(c.Validate) == 0:
		return wrong("--labels needs --validate: folders of other drives, to measure on")
	case !c.Labels && len(c.Validate) > 0:
		return wrong("--validate is for --labels: without labels a tenth of the pictures is held out")
	case c.Pictures < 4 || c.Pictures > 20_000:
		return wrong("--pictures %d: give 4 to 20000", c.Pictures)
	case c.Samples < 0 || c.Threads < 0 || c.Seed > 1<<31:
		return wrong("--samples, --threads and --seed take nothing below 0, and --seed nothing above 2147483648")
	case !(c.Minutes > 0 && c.Minutes <= 1e5) && c.Samples == 0:
		return wrong("--minutes %g: give a time above 0", c.Minutes)
	}
	for _, suffix := range []string{".yaml", ".cfg", ".weights"} {
		if strings.HasSuffix(c.Out, suffix) {
			return wrong("-o %s: leave out %s, it is added", c.Out, suffix)
		}
	}
	n, err := known(catalog.Resolve(c.Net))
	if err != nil {
		return finetune.Options{}, err
	}
	o := finetune.Options{
		Network: n, Data: c.Data, Labelled: c.Labels, Validate: c.Validate, Pictures: c.Pictures, Minutes: c.Minutes,
		Threads: c.Threads, Seed: c.Seed, Out: filepath.Clean(c.Out),
	}
	if c.Samples > 0 {
		o.Samples, o.Minutes = c.Samples, 0
	}
	if c.Teacher != "" {
		t, err := known(catalog.Resolve(c.Teacher))
		if err != nil {
			return finetune.Options{}, err
		}
		o.Teacher = &t
	}
	return o, nil
}
