package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"dashline/bench/accuracy"
	"dashline/detect/ap"
	"dashline/internal/plain"
	"dashline/model"
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

Says how far B's boxes agree with A's, and for each output of both that is of one shape how far the numbers are apart, before thresholds and the suppression of boxes: at most, and in parts of A's largest. Engines round differently: --engine holds both to one.

Agreement is COCO's average precision of B with the boxes of A of a score of .30 and more as the truth: 1 where B finds all of them and scores them above all else. It needs no labels, so it says on your own drives what a smaller network gives away.

Exit codes: 0 measured; 1 files are missing or damaged, or A finds nothing in the pictures; 2 the command line is wrong.`
}

// Run compares.
func (c *modelVerifyCmd) Run(ctx context.Context, out streams) error {
	if err := c.check(); err != nil {
		return err
	}
	for _, network := range []string{c.A, c.B} { // say what is wrong with either before the first has run
		if _, err := accuracy.Known(network, "detect"); err != nil {
			return refused(err)
		}
	}
	r, err := watched(&c.measuring, out, c.B, c.Images, func(o accuracy.Options) (*accuracy.Verification, error) {
		return accuracy.Verify(ctx, o, c.A, c.bootstrap())
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(out.Out).Encode(r)
	}
	return printVerification(out.Out, r)
}

func printVerification(to io.Writer, r *accuracy.Verification) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s (%s) finds what %s finds: AP50 %.3f%s, AP %.3f%s\n%d pictures, %d boxes of %s with a score of %.2f and more\n",
		r.Network, r.Engine, r.Like, r.AP50, spanned(r.AP50Interval), r.AP, spanned(r.APInterval), r.Pictures, r.Boxes, r.Like, accuracy.Confident)
	fmt.Fprintf(&text, "outputs against those of %s on %s:\n", r.Like, r.LikeEngine)
	for _, p := range r.Outputs {
		shape, name := model.Shape(p.Shape), plain.Line(cmp.Or(p.Like, p.Name))
		switch d := p.Difference; {
		case p.Name == "":
			fmt.Fprintf(&text, "  %s, %v: not compared, for %s has no other output of this shape\n", name, shape, r.Network)
		case p.Like == "":
			fmt.Fprintf(&text, "  %s of %s, %v: not compared, for %s has no other output of this shape\n", name, r.Network, shape, r.Like)
		default:
			fmt.Fprintf(&text, "  %s, %v: differs by at most %.2g", name, shape, d.Largest)
			if d.Relative != nil {
				fmt.Fprintf(&text, ", %.2g of its largest value, %.3g", *d.Relative, d.Scale)
			} else {
				fmt.Fprintf(&text, ", where %s gives only zeros", r.Like)
			}
			if d.NotFinite > 0 {
				fmt.Fprintf(&text, "; %d places are left out, which are NaN or infinite", d.NotFinite)
			}
			text.WriteString("\n")
		}
	}
	_, err := io.WriteString(to, text.String())
	return err
}

// spanned is an interval behind its figure; nothing where it is not known.
func spanned(in ap.Interval) string {
	if !in.Known {
		return ""
	}
	return " (" + between(in) + ")"
}
