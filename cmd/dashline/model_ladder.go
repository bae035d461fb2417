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

	"github.com/alecthomas/kong"

	"dashline/bench/accuracy"
	"dashline/bench/ladder"
	"dashline/infer"
	"dashline/internal/calib"
	"dashline/internal/finetune"
	"dashline/internal/modelcmd"
	"dashline/internal/netfile"
	"dashline/model/catalog"
	rungs "dashline/model/ladder"
)

type modelLadderCmd struct {
	Net         string        `arg:"" name:"NET" help:"Name of a detector, or its description (.yaml)."`
	Deadline    time.Duration `placeholder:"50ms" help:"Say which rung is the largest that finishes a picture in this time, in 99 of 100."`
	Calibrate   []string      `required:"" sep:"none" placeholder:"PATH" help:"Pictures as the network will see them, without labels: a folder of images, a video, a recording. Several are pooled."`
	Validate    []string      `required:"" sep:"none" placeholder:"PATH" help:"Other data to measure accuracy on: labelled (a YOLO or KITTI folder, a COCO file, a video with its truth beside it), or with --unlabelled any pictures."`
	Unlabelled  bool          `help:"Measure agreement with NET instead of accuracy."`
	Every       int           `default:"1" placeholder:"N" help:"Every Nth frame of a validation drive (default: ${default})."`
	Remove      string        `default:"30%,50%,70%" placeholder:"SHARES" help:"Shares of the operations to remove, a network for each; 0 for none (default: ${default})."`
	Pictures    int           `default:"64" placeholder:"N" help:"How many pictures to calibrate with (default: ${default})."`
	NoInt8      bool          `name:"no-int8" help:"Leave out int8 forms."`
	ReduceRange string        `default:"auto" enum:"auto,on,off" help:"Weights of int8 forms have 7 bits, which a CPU without VNNI needs: auto looks at this one (default: ${default})."`
	Finetune    int           `placeholder:"N" help:"Also train each pruned network on, on N pictures of --calibrate (repeats counted), by what NET says of them: see dashline model finetune."`
	Threads     int           `placeholder:"N" help:"Of each engine (default: one per core)."`
	Rounds      int           `default:"15" placeholder:"N" help:"Rounds of timing, all networks by turns in each (default: ${default})."`
	Out         string        `short:"o" default:"out/ladder" placeholder:"DIR" help:"Write networks, ladder.yaml, report.html and study.json there (default: ${default})."`
	Seed        uint64        `default:"1" help:"Of everything that is drawn (default: ${default})."`
	JSON        bool          `name:"json" help:"Print one JSON object."`
	Quiet       bool          `short:"q" help:"Show no progress."`
}

func (modelLadderCmd) Help() string {
	return `Examples:
  dashline model ladder dashline-full --deadline 50ms --calibrate drive.mp4 --validate heldout.mp4 --every 3
  dashline model ladder yolo-fastest-1.1-xl --calibrate photos/ --validate coco/ --remove 10%,30%
  dashline model ladder dashline-full --calibrate drive.mp4 --validate heldout.mp4 --finetune 4000
  dashline model ladder my.yaml --deadline 20ms --calibrate monday.mcap --validate tuesday.mcap --unlabelled

The whole study in one command: the network as it is, in float16 and int8, pruned at several strengths and int8 forms of these; each on both engines measured for size, memory, time and accuracy. What is not faster, beyond chance, than something at least as accurate is left out; the rest is the ladder. With pruned networks come two baselines, 50 and 80 % of the single weights set to zero: measured on one engine, never a rung. Open report.html in a browser.

Exit codes: 0 done; 1 files or Python's modules are missing or damaged, or a share cannot be removed; 2 the command line is wrong; 3 no rung makes the deadline, or stopped while training, and can go on.

The same command goes on after a stop: in pruning, where it was; in training, from the checkpoint of the network that was being trained, for which the shares are pruned once more, to the same networks. What was trained of the same network, pictures and options is not trained again.`
}

// Run makes, measures and writes.
func (c *modelLadderCmd) Run(ctx context.Context, k *kong.Context, out streams) error {
	var shares []float64
	if strings.Trim(c.Remove, "0%") != "" {
		var err error
		if shares, err = parseShares("--remove", c.Remove); err != nil {
			return &exit{exitUsage, err}
		}
	}
	if err := c.check(len(shares)); err != nil {
		return &exit{exitUsage, err}
	}
	if err := c.unread(k, len(shares)); err != nil {
		return err
	}
	n, err := known(netfile.Detector(c.Net))
	if err != nil {
		return err
	}
	if err := c.early(ctx, n); err != nil {
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
		Dir: c.Out, Remove: shares, Sparse: sparse, Int8: !c.NoInt8, Reduced: reduced(c.ReduceRange), Half: true, Seed: c.Seed, Progress: p.show,
	}
	if c.Finetune > 0 {
		making.Tune = c.tune(n, p)
	}
	all, err := ladder.Make(ctx, n, calib.Inputs(pictures), making)
	if errors.Is(err, finetune.ErrStopped) {
		return &exit{exitPartly, err}
	}
	if err != nil {
		return err
	}
	study, err := ladder.Run(ctx, all, ladder.Options{
		Network: n.Described.Name, Dir: c.Out, Threads: c.Threads, Deadline: c.Deadline, Pictures: c.Calibrate, Validate: c.Validate, Every: c.Every, Labelled: !c.Unlabelled,
		Rounds: c.Rounds, Seed: c.Seed, Progress: p.show, Resident: c.resident,
	})
	p.end()
	if err != nil {
		return err
	}
	if err := errors.Join(study.Describe(c.Out), writeStudy(c.Out, study)); err != nil {
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

// check holds the flags against their ranges.
func (c *modelLadderCmd) check(shares int) error {
	switch {
	case c.Pictures < 1:
		return fmt.Errorf("--pictures %d: give 1 and more", c.Pictures)
	case c.Every < 1 || c.Rounds < 5 || c.Rounds > 1000 || c.Finetune < 0:
		return errors.New("--every takes 1 and more, --rounds 5 to 1000, --finetune nothing below 0")
	case c.Deadline < 0 || c.Deadline > rungs.MaxDeadline:
		return fmt.Errorf("--deadline %v: give a time above 0, at most %v", c.Deadline, rungs.MaxDeadline)
	case c.Threads < 0 || c.Threads > infer.MaxThreads:
		return fmt.Errorf("--threads %d: give 1 to %d", c.Threads, infer.MaxThreads)
	case c.Finetune > 0 && shares == 0:
		return errors.New("--finetune trains pruned networks: give --remove a share above 0")
	case c.Finetune > 0 && c.Seed > 1<<31:
		return fmt.Errorf("--seed %d: with --finetune give at most %d", c.Seed, 1<<31)
	}
	return nil
}

// unread refuses flags that say how to make what is not made.
func (c *modelLadderCmd) unread(k *kong.Context, shares int) error {
	if !c.NoInt8 {
		return nil
	}
	if err := unread(k, "is for int8 forms, which --no-int8 leaves out", "reduce-range"); err != nil {
		return err
	}
	if shares > 0 {
		return nil
	}
	return unread(k, "is for int8 forms and pruned networks, of which there are none", "pictures")
}

// early finds what would end the study only after hours.
func (c *modelLadderCmd) early(ctx context.Context, n *netfile.Net) error {
	if c.Finetune > 0 {
		if err := finetune.Check(ctx, n.Described); err != nil {
			return err
		}
	}
	return accuracy.Options{Data: c.Validate, Plain: c.Unlabelled}.Readable(ctx, n.Described.Classes)
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
			Threads: c.Threads, Seed: c.Seed, Out: base + "-tuned", Reuse: true,
			Progress: func(s finetune.Step) { p.show("training "+filepath.Base(base)+" on", s.Done, s.Of) },
		})
		if err != nil {
			return "", err
		}
		return r.Network, nil
	}
}

// resident is the memory that a network takes on an engine, measured by this program
// in another process.
func (c *modelLadderCmd) resident(ctx context.Context, network, engine string) (int64, error) {
	d, err := catalog.Resolve(network)
	if err != nil {
		return 0, err
	}
	program, err := probing()
	if err != nil {
		return 0, err
	}
	return modelcmd.Resident(ctx, &d, engine, modelcmd.MeasureOptions{Program: program, Threads: c.Threads})
}

// finetunePictures is how many pictures of each source a pruned network is trained
// on at most.
const finetunePictures = 300

func writeStudy(dir string, s *ladder.Study) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(
		netfile.Write(filepath.Join(dir, "report.html"), s.WriteHTML),
		netfile.Replace(filepath.Join(dir, "study.json"), append(data, '\n')),
		netfile.Replace(filepath.Join(dir, "ladder.yaml"), []byte(s.Ladder.Text())),
	)
}

func printStudy(to io.Writer, dir string, s *ladder.Study) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "RUNG\tP50 MS\tP99 MS\tP50, %s = 1\t%s\t95 %%\tAGREES\tMEMORY MB\tFILE MB\tGZIP MB\tGMACS\tLEFT OUT FOR\n", s.Rows[0].Name, strings.ToUpper(s.Ladder.Accuracy))
	row := func(r ladder.Row, over string) {
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.2f\t%.3f\t%s\t%.3f\t%s\t%s\t%s\t%.3f\t%s\n", r.Name, r.P50MS, r.P99MS, r.Ratio,
			r.Accuracy, r.Between(), r.Agreement, ladder.MB(r.Resident), ladder.MB(r.FileBytes), ladder.MB(r.Zipped), float64(r.MACs)/1e9, over)
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
	for _, name := range slices.Sorted(maps.Keys(s.Unweighed)) {
		fmt.Fprintf(w, "\nmemory of %s is not known: %s", name, s.Unweighed[name])
	}
	fmt.Fprintf(w, "\n%d rungs in %s; the report is %s\n", len(s.Ladder.Rungs), filepath.Join(dir, "ladder.yaml"), filepath.Join(dir, "report.html"))
	if s.Largest != "" {
		fmt.Fprintf(w, "the largest that makes %v ms is %s\n", s.Ladder.DeadlineMS, s.Largest)
	}
	return w.Flush()
}
