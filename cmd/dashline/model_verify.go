package main

import (
	"context"
	"encoding/json"
	"fmt"

	"dashline/bench/accuracy"
	"dashline/detect/ap"
)

type modelVerifyCmd struct {
	A         string   `arg:"" name:"A" help:"The network whose confident boxes count as the truth: a name or a description (.yaml)."`
	B         string   `arg:"" name:"B" help:"The network to hold against it."`
	Images    []string `required:"" sep:"none" placeholder:"PATH" help:"Pictures without labels: a folder of images, a video, a recording. Several are pooled."`
	measuring `embed:""`
}

func (modelVerifyCmd) Help() string {
	return `Examples:
  dashline model verify yolo-fastest-1.1-xl out/xl.yaml --images photos/
  dashline model verify dashline-full out/half.yaml --images drive.mp4 --every 10 --json | jq .ap50

Agreement is COCO's average precision of B with the boxes of A of a score of .30 and more as the truth: 1 where B finds all of them and scores them above all else. It needs no labels, so it says on your own drives what a smaller network gives away.

Exit codes: 0 measured; 1 files are missing or damaged, or A finds nothing in the pictures; 2 the command line is wrong.`
}

// Run compares.
func (c *modelVerifyCmd) Run(ctx context.Context, out streams) error {
	if err := c.check(); err != nil {
		return err
	}
	detect := func(network string) (*accuracy.Found, error) {
		return watched(&c.measuring, out, network, c.Images, func(o accuracy.Options) (*accuracy.Found, error) {
			o.Plain = true
			return accuracy.Detect(ctx, o)
		})
	}
	for _, network := range []string{c.A, c.B} { // say what is wrong with either before the first has run
		if _, err := accuracy.Known(network, "detect"); err != nil {
			return refused(err)
		}
	}
	a, err := detect(c.A)
	if err != nil {
		return err
	}
	b, err := detect(c.B)
	if err != nil {
		return err
	}
	r, err := b.Agree(a, c.bootstrap())
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(out.Out).Encode(r)
	}
	_, err = fmt.Fprintf(out.Out, "%s (%s) finds what %s finds: AP50 %.3f%s, AP %.3f%s\n%d pictures, %d boxes of %s with a score of %.2f and more\n",
		r.Network, r.Engine, r.Like, r.AP50, spanned(r.AP50Interval), r.AP, spanned(r.APInterval), r.Pictures, r.Boxes, r.Like, accuracy.Confident)
	return err
}

// spanned is an interval behind its figure; nothing where it is not known.
func spanned(in ap.Interval) string {
	if !in.Known {
		return ""
	}
	return " (" + between(in) + ")"
}
