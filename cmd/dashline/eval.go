package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"dashline/bench/accuracy"
	"dashline/detect/ap"
)

type evalCmd struct {
	Detect    evalDetectCmd    `cmd:"" help:"Measure the average precision of a detector."`
	Streaming evalStreamingCmd `cmd:"" help:"Measure what a recorded run knew of the world at each time: late, dropped and old answers cost."`
	Lanes     evalLanesCmd     `cmd:"" help:"Measure lane lines and drivable area: of a network, or of result files."`
}

func (evalCmd) Help() string {
	return `Examples:
  dashline eval detect --network yolox-nano-416 --data coco/     boxes: COCO's average precision
  dashline eval streaming run.mcap                               boxes of a recorded run, when the world had them
  dashline eval lanes --network twinlitenet-cv46 --data drive.mp4
  dashline eval lanes --format tusimple --pred found.json --truth label_data.json

docs/eval.md says what each figure means.

Exit codes: 0 measured; 1 the data or the files of the network are missing or damaged; 2 the command line is wrong, or no such network is described.`
}

// drawing are the flags of everything that gives intervals.
type drawing struct {
	Resamples int    `default:"1000" placeholder:"N" help:"How often the pictures are drawn anew for the 95 % intervals (default: ${default})."`
	Seed      uint64 `default:"1" help:"What they are drawn with (default: ${default})."`
	JSON      bool   `name:"json" help:"Print one JSON object."`
}

func (d *drawing) check() error {
	const most = 100_000
	if d.Resamples < 1 || d.Resamples > most {
		return &exit{exitUsage, fmt.Errorf("--resamples %d: give 1 to %d", d.Resamples, most)}
	}
	return nil
}

func (d *drawing) bootstrap() ap.Bootstrap {
	return ap.Bootstrap{Resamples: d.Resamples, Seed: d.Seed}
}

// measuring are the flags of everything that runs a network on data.
type measuring struct {
	Engine  string `default:"auto" enum:"auto,opencv,ort" help:"Engine: opencv, ort (ONNX Runtime), or auto (default: ${default})."`
	Every   int    `default:"1" placeholder:"N" help:"Every Nth frame of a drive (default: ${default})."`
	drawing `embed:""`
	Quiet   bool `short:"q" help:"Show no progress."`
}

func (m *measuring) check() error {
	if m.Every < 1 {
		return &exit{exitUsage, fmt.Errorf("--every %d: give 1 or more", m.Every)}
	}
	return m.drawing.check()
}

// watched calls measure with options whose progress is shown.
func watched[T any](m *measuring, out streams, network string, data []string, measure func(accuracy.Options) (T, error)) (T, error) {
	var shown *counter
	v, err := measure(accuracy.Options{
		Network: network, Engine: m.Engine, Data: data, Every: m.Every,
		Progress: func(_, total int) {
			if shown == nil {
				shown = newCounter(out.Err, total, m.Quiet)
			}
			shown.add()
		},
	})
	if shown != nil {
		shown.wait()
	}
	return v, refused(err)
}

// refused gives an error of the command line its exit code.
func refused(err error) error {
	if _, wrong := errors.AsType[*accuracy.NetworkError](err); wrong {
		return &exit{exitUsage, err}
	}
	return err
}

type evalDetectCmd struct {
	Network   string   `required:"" placeholder:"NAME" help:"Name of a network, or the path of a description (.yaml)."`
	Data      []string `required:"" sep:"none" placeholder:"PATH" help:"Labelled pictures: a YOLO or KITTI folder, a COCO file, or a video with its truth beside it. Several are pooled."`
	Compare   string   `placeholder:"NAME" help:"Another network to hold it against, on the same pictures."`
	Dump      string   `placeholder:"FILE" help:"Write what was found as COCO results (JSON)."`
	measuring `embed:""`
}

func (evalDetectCmd) Help() string {
	return `Examples:
  dashline eval detect --network yolox-nano-416 --data coco/annotations/instances_val2017.json
  dashline eval detect --network yolo-fastest-1.1-xl --data kitti/ --json | jq .ap50
  dashline eval detect --network tiny.yaml --data a.mp4 --data b.mp4 --every 5
  dashline eval detect --network distilled.yaml --compare plain.yaml --data held-out.mp4
  dashline eval detect --network nanodet --data coco/ --dump found.json

Figures are pycocotools' (IoU .50:.05:.95, 101 recall points); -1, or - in the table, is no truth to measure by. Intervals are 95 % and come from drawing the pictures anew, of a drive its seconds. With --compare the difference has its own interval, of both networks on the same draws: one that does not hold 0 is beyond chance.

Exit codes: 0 measured; 1 the data or the files of the network are missing or damaged; 2 the command line is wrong, or no such network is described.`
}

// Run measures a detector.
func (c *evalDetectCmd) Run(ctx context.Context, out streams) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.Dump != "" && len(c.Data) > 1 {
		return &exit{exitUsage, errors.New("--dump takes one --data: numbers of images could be the same in two")}
	}
	if c.Compare != "" { // say what is wrong with it before the first has run
		if _, err := accuracy.Known(c.Compare, "detect"); err != nil {
			return refused(err)
		}
	}
	detect := func(network string) (*accuracy.Found, error) {
		return watched(&c.measuring, out, network, c.Data, func(o accuracy.Options) (*accuracy.Found, error) { return accuracy.Detect(ctx, o) })
	}
	found, err := detect(c.Network)
	if err != nil {
		return err
	}
	if c.Dump != "" {
		if err := dump(c.Dump, found); err != nil {
			return err
		}
	}
	var r struct {
		accuracy.Report
		Compare *accuracy.Comparison `json:"compare,omitempty"`
	}
	if r.Report, err = found.Report(c.bootstrap()); err != nil {
		return err
	}
	if c.Compare != "" {
		other, err := detect(c.Compare)
		if err != nil {
			return err
		}
		against, err := found.Compare(other, c.bootstrap())
		if err != nil {
			return &exit{exitUsage, err}
		}
		r.Compare = &against
	}
	if c.JSON {
		return json.NewEncoder(out.Out).Encode(r)
	}
	return printDetect(out.Out, &r.Report, r.Compare)
}

func dump(path string, found *accuracy.Found) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("--dump: %w", err)
	}
	return errors.Join(found.Dump(f), f.Close())
}
