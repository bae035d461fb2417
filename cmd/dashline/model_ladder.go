package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"dashline/bench/ladder"
	"dashline/internal/calib"
	"dashline/internal/finetune"
	"dashline/internal/netfile"
	"dashline/model/catalog"
)

type modelLadderCmd struct {
	Net        string        `arg:"" name:"NET" help:"Name of a detector, or its description (.yaml)."`
	Deadline   time.Duration `placeholder:"50ms" help:"Say which rung is the largest that finishes a picture in this time, in 99 of 100."`
	Calibrate  []string      `required:"" sep:"none" placeholder:"PATH" help:"Pictures as the network will see them, without labels: a folder of images, a video, a recording. Several are pooled."`
	Validate   []string      `required:"" sep:"none" placeholder:"PATH" help:"Other data to measure accuracy on: labelled (a YOLO or KITTI folder, a COCO file, a video with its truth beside it), or with --unlabelled any pictures."`
	Unlabelled bool          `help:"Measure agreement with NET instead of accuracy."`
	Every      int           `default:"1" placeholder:"N" help:"Every Nth frame of a validation drive (default: ${default})."`
	Remove     string        `default:"30%,50%,70%" placeholder:"SHARES" help:"Shares of the operations to remove, a network for each; 0 for none (default: ${default})."`
	Pictures   int           `default:"64" placeholder:"N" help:"How many pictures to calibrate with (default: ${default})."`
	NoInt8     bool          `name:"no-int8" help:"Leave out int8 forms."`
	Finetune   int           `placeholder:"N" help:"Also train each pruned network on, on N pictures of --calibrate (repeats counted), by what NET says of them: see dashline model finetune."`
	Threads    int           `placeholder:"N" help:"Of each engine (default: one per core)."`
	Rounds     int           `default:"15" placeholder:"N" help:"Rounds of timing, all networks by turns in each (default: ${default})."`
	Out        string        `short:"o" default:"out/ladder" placeholder:"DIR" help:"Write networks, ladder.yaml, report.html and study.json there (default: ${default})."`
	Seed       uint64        `default:"1" help:"Of everything that is drawn (default: ${default})."`
	JSON       bool          `name:"json" help:"Print one JSON object."`
	Quiet      bool          `short:"q" help:"Show no progress."`
}

func (modelLadderCmd) Help() string {
	return `Examples:
  dashline model ladder dashline-full --deadline 50ms --calibrate drive.mp4 --validate heldout.mp4 --every 3
  dashline model ladder yolo-fastest-1.1-xl --calibrate photos/ --validate coco/ --remove 10%,30%
  dashline model ladder dashline-full --calibrate drive.mp4 --validate heldout.mp4 --finetune 4000
  dashline model ladder my.yaml --deadline 20ms --calibrate monday.mcap --validate tuesday.mcap --unlabelled

The whole study in one command: the network as it is, in float16 and int8, pruned at several strengths and int8 forms of these; each on both engines measured for size, time and accuracy. What is not faster, beyond chance, than something at least as accurate is left out; the rest is the ladder. With pruned networks come two baselines, 50 and 80 % of the single weights set to zero: measured on one engine, never a rung. Open report.html in a browser.

Exit codes: 0 done; 1 files are missing or damaged, or a share cannot be removed; 2 the command line is wrong; 3 no rung makes the deadline.`
}

// Run makes, measures and writes.
func (c *modelLadderCmd) Run(ctx context.Context, out streams) error {
	var shares []float64
	if strings.Trim(c.Remove, "0%") != "" {
		var err error
		if shares, err = parseShares("--remove", c.Remove); err != nil {
			return &exit{exitUsage, err}
		}
	}
	if c.Pictures < 1 {
		return &exit{exitUsage, fmt.Errorf("--pictures %d: give 1 and more", c.Pictures)}
	}
	if c.Every < 1 || c.Rounds < 5 || c.Rounds > 1000 || c.Deadline < 0 || c.Threads < 0 || c.Finetune < 0 {
		return &exit{exitUsage, errors.New("--every takes 1 and more, --rounds 5 to 1000, --deadline, --threads and --finetune nothing below 0")}
	}
	if c.Finetune > 0 && len(shares) == 0 {
		return &exit{exitUsage, errors.New("--finetune trains pruned networks: give --remove a share above 0")}
	}
	n, err := known(netfile.Detector(c.Net))
	if err != nil {
		return err
	}
	p := newPhases(out.Err, c.Quiet)
	defer p.end()
	pictures, err := calib.Load(ctx, c.Calibrate, n.Described.Input, c.Pictures, func(done, total int) { p.show("reading pictures", done, total) })
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return err
	}
	var sparse []float64 // baselines of what is pruned
	if len(shares) > 0 {
		sparse = []float64{.5, .8}
	}
	making := ladder.MakeOptions{
		Dir: c.Out, Remove: shares, Sparse: sparse, Int8: !c.NoInt8, Half: true, Seed: c.Seed, Progress: p.show,
	}
	if c.Finetune > 0 {
		making.Tune = c.tune(n, p)
	}
	all, err := ladder.Make(ctx, n, calib.Inputs(pictures), making)
	if err != nil {
		return err
	}
	study, err := ladder.Run(ctx, all, ladder.Options{
		Dir: c.Out, Threads: c.Threads, Deadline: c.Deadline, Pictures: c.Calibrate, Validate: c.Validate, Every: c.Every, Labelled: !c.Unlabelled,
		Rounds: c.Rounds, Seed: c.Seed, Progress: p.show,
	})
	p.end()
	if err != nil {
		return err
	}
	if err := writeStudy(c.Out, study); err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(out.Out).Encode(study)
	} else {
		err = printStudy(out.Out, c.Out, study)
	}
	if err == nil && c.Deadline > 0 && study.Largest == "" {
		err = &exit{exitPartly, fmt.Errorf("no rung takes at most %v in 99 of 100 pictures: remove more (--remove 90%%), or give it a smaller input", c.Deadline)}
	}
	return err
}

// tune trains a pruned network on, on the pictures that it was fitted to.
func (c *modelLadderCmd) tune(n *netfile.Net, p *phases) func(context.Context, string) (string, error) {
	return func(ctx context.Context, pruned string) (string, error) {
		d, err := catalog.Resolve(pruned)
		if err != nil {
			return "", err
		}
		base := strings.TrimSuffix(pruned, ".yaml")
		r, err := finetune.Run(ctx, finetune.Options{
			Network: d, Teacher: n.Described, Data: c.Calibrate, Pictures: finetunePictures, Samples: c.Finetune,
			Threads: c.Threads, Seed: c.Seed, Out: base + "-tuned",
			Progress: func(s finetune.Step) { p.show("training "+filepath.Base(base)+" on", s.Done, s.Of) },
		})
		if err != nil {
			return "", err
		}
		return r.Network, nil
	}
}

// finetunePictures is how many pictures of each source a pruned network is trained
// on at most.
const finetunePictures = 300

func writeStudy(dir string, s *ladder.Study) error {
	page, err := os.Create(filepath.Join(dir, "report.html"))
	if err != nil {
		return err
	}
	if err := errors.Join(s.WriteHTML(page), page.Close()); err != nil {
		return err
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(
		netfile.Replace(filepath.Join(dir, "study.json"), append(data, '\n')),
		netfile.Replace(filepath.Join(dir, "ladder.yaml"), []byte(s.Ladder.Text())),
	)
}

func printStudy(to io.Writer, dir string, s *ladder.Study) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "RUNG\tP50 MS\tP99 MS\tTIME\t%s\t95 %%\tAGREES\tMB\tGZIP MB\tGMACS\tLEFT OUT FOR\n", strings.ToUpper(s.Ladder.Accuracy))
	row := func(r ladder.Row, over string) {
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\tx%.2f\t%.3f\t%.3f to %.3f\t%.3f\t%.2f\t%.2f\t%.3f\t%s\n", r.Name, r.P50.Seconds()*1e3, r.P99.Seconds()*1e3, r.Ratio,
			r.Accuracy, r.Low, r.High, r.Agreement, float64(r.FileBytes)/1e6, float64(r.Zipped)/1e6, float64(r.MACs)/1e9, over)
	}
	for _, r := range s.Rows {
		row(r, r.Over)
	}
	for _, b := range s.Baselines {
		row(b.Row, "baseline, never a rung: "+b.Verdict())
	}
	for _, name := range slices.Sorted(maps.Keys(s.Refused)) {
		fmt.Fprintf(w, "\n%s did not run: %s", name, s.Refused[name])
	}
	fmt.Fprintf(w, "\n%d rungs in %s; the report is %s\n", len(s.Ladder.Rungs), filepath.Join(dir, "ladder.yaml"), filepath.Join(dir, "report.html"))
	if s.Largest != "" {
		fmt.Fprintf(w, "the largest that makes %v is %s\n", s.Ladder.Deadline, s.Largest)
	}
	return w.Flush()
}
