package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"dashline/bench/accuracy"
	"dashline/internal/plain"
)

type evalStreamingCmd struct {
	Recording string   `arg:"" help:"Recording (.mcap) of a run on a synthetic drive: with --realtime or --deterministic, or of a camera."`
	Truth     string   `placeholder:"PATH" help:"The drive, or its NAME.truth.jsonl.gz (default: what lies beside the recording's source)."`
	Camera    string   `placeholder:"NAME" help:"Camera of the recording, where it has several."`
	Network   []string `sep:"none" placeholder:"FILE" help:"Description of a detector of the recording that dashline networks does not list. May be given several times."`
	Compare   string   `placeholder:"FILE" help:"Another recording to hold it against, of the same drive."`
	Forecast  bool     `help:"Take tracks, brought up to each frame, instead of detections: what a listener knows that forecasts."`
	drawing   `embed:""`
}

func (evalStreamingCmd) Help() string {
	return `Examples:
  dashline run drive.mp4 --realtime --record run.mcap && dashline eval streaming run.mcap
  dashline eval streaming run.mcap --truth drive.truth.jsonl.gz --json | jq .streaming.ap50
  dashline eval streaming run.mcap --forecast            answers are tracks that go on as they did
  dashline eval streaming ladder.mcap --compare fixed.mcap
  dashline eval streaming run.mcap --camera front --network tiny.yaml

At each frame of the drive the newest answer that was published by then is held against what is there then: streaming accuracy as Li, Wang and Ramanan have it (Towards Streaming Perception, 2020). With --forecast it is the newest tracks, moved on from their picture to the frame as fast as they moved and grew; frames that no detector ran on count as answers, too. Offline are the same answers, each at its own frame, as if they took no time. Intervals are 95 % and come from drawing the seconds of the drive anew.

Exit codes: 0 measured; 1 the recording or the truth is missing or damaged, they do not belong together, or the run had no clock; 2 the command line is wrong, or a network is not described.`
}

// Run measures a recorded run.
func (c *evalStreamingCmd) Run(ctx context.Context, out streams) error {
	if err := c.check(); err != nil {
		return err
	}
	read := func(recording string) (*accuracy.Streamed, error) {
		s, err := accuracy.Streaming(ctx, accuracy.StreamingOptions{Recording: recording, Truth: c.Truth, Camera: c.Camera, Networks: c.Network, Forecast: c.Forecast})
		return s, refused(err)
	}
	run, err := read(c.Recording)
	if err != nil {
		return err
	}
	var other *accuracy.Streamed
	if c.Compare != "" { // say what is wrong with it before anything is drawn
		if other, err = read(c.Compare); err != nil {
			return err
		}
	}
	var r struct {
		accuracy.StreamingReport
		Compare *accuracy.StreamingComparison `json:"compare,omitempty"`
	}
	if r.StreamingReport, err = run.Report(c.bootstrap()); err != nil {
		return err
	}
	if other != nil {
		against, err := run.Compare(other, c.bootstrap())
		if err != nil {
			return err
		}
		r.Compare = &against
	}
	if c.JSON {
		return json.NewEncoder(out.Out).Encode(r)
	}
	return printStreaming(out.Out, &r.StreamingReport, r.Compare)
}

func printStreaming(to io.Writer, r *accuracy.StreamingReport, c *accuracy.StreamingComparison) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	what := "detections"
	if r.Forecast {
		what = "forecasts of tracks"
	}
	fmt.Fprintf(w, "%s, %s by %s\n\n", plain.Line(r.Recording), what, plain.Line(strings.Join(r.Networks, ", ")))
	fmt.Fprintln(w, "\tAP\t95 %\tAP50\t95 %\tAP75\tSMALL\tMEDIUM\tLARGE\tAR100\tFRAMES")
	row := func(name string, v *accuracy.StreamingScore) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", name, part(v.AP), between(v.APInterval), part(v.AP50), between(v.AP50Interval),
			part(v.AP75), part(v.APS), part(v.APM), part(v.APL), part(v.AR100), v.Images)
	}
	row("streaming", &r.Streaming)
	row("offline", &r.Offline)
	if err := w.Flush(); err != nil { // what follows has columns of its own
		return err
	}
	fmt.Fprintln(w, "\nSTALENESS, ms\tMEAN\tP50\tP99\tMAX\tNO OUTPUT")
	if s := &r.Staleness; s.Max >= 0 {
		fmt.Fprintf(w, "\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f %%\n", s.Mean, s.P50, s.P99, s.Max, 100*r.NoOutput)
	} else {
		fmt.Fprintf(w, "\t-\t-\t-\t-\t%.1f %%\n", 100*r.NoOutput)
	}
	if c != nil {
		fmt.Fprintf(w, "\nless %s (AP %s, AP50 %s), at the %d frames of both, in the %d classes that both know\n", plain.Line(c.Recording), part(c.AP), part(c.AP50), c.Images, c.Classes)
		printDifference(w, &c.Difference)
	}
	printLeft(w, r.Left)
	return w.Flush()
}
