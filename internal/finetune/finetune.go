// Package finetune hands a darknet detector to the training recipe (training/)
// and takes it back: on labels, or on what the network that it was pruned from
// says about pictures without any.
//
// Invariants:
//   - The layers stay as they are: the cfg that comes back has the bytes of the
//     one that went out.
//   - What comes back is read and checked before it has its name.
//   - A run that is stopped leaves its checkpoint beside the result, and the same
//     options go on from it. Other options do not: that is an error.
//   - A result is given back without training, where that is asked for, only if all
//     that it depends on here is the same, to the byte.
package finetune

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"dashline/internal/regular"
	"dashline/model/catalog"
	"dashline/model/darknet"
	"dashline/training"
)

// Options say what is trained, on what and for how long.
type Options struct {
	Network catalog.Network  // darknet, a detector; its files are read
	Teacher *catalog.Network // what Network was pruned from; nil: there is none, with Labelled only

	// Data are sources of pictures: folders, videos, recordings. With Labelled they
	// are folders that `dashline synth --export yolo` wrote.
	Data     []string
	Labelled bool
	Validate []string // with Labelled: folders of other drives, to measure on

	Pictures int     // of each source without labels at most
	Minutes  float64 // how long to train, by the speed of the first steps; 0: Samples
	Samples  int     // how many pictures to train on, repeats counted
	Threads  int     // 0: the recipe's choice, all processors
	Seed     uint64

	Out      string // path of the result without suffix; the run lives in Out.finetune until it is done
	Progress func(Step)
	// Reuse gives back a result that is there where it was made of the same networks,
	// pictures and options by the same recipe, instead of making it once more.
	// Out.finetuned says what it was made of.
	Reuse bool
}

// Step is how far a run is.
type Step struct {
	Done, Of int
	Loss     float64
	Speed    float64 // pictures a second
	Left     float64 // minutes
}

// Measured is how well a network does on what was held out. Without labels Loss
// is what is trained on, and AP50 is held against the teacher's confident boxes,
// nil where it has none there.
type Measured struct {
	AP50 *float64 `json:"ap50,omitempty"`
	Loss float64  `json:"loss,omitempty"`
}

// Result is what came of a run.
type Result struct {
	Network string   `json:"network"` // path of the new description
	Before  Measured `json:"before"`
	After   Measured `json:"after"`
	Samples int      `json:"samples"`
	Seconds float64  `json:"seconds"`
}

// ErrStopped says that the run was stopped and has left a checkpoint.
var ErrStopped = errors.New("stopped; the same command goes on from its checkpoint")

// Run trains until it is done or ctx ends, which is [ErrStopped].
func Run(ctx context.Context, o Options) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	python, err := findPython(ctx)
	if err != nil {
		return nil, err
	}
	dir := o.Out + ".finetune"
	if err := o.claim(dir); err != nil {
		return nil, err
	}
	data, err := o.pictures(ctx, dir)
	if err != nil {
		return nil, err
	}
	var of string
	if o.Reuse {
		if of, err = o.of(data); err != nil {
			return nil, fmt.Errorf("fine-tune: %w", err)
		}
		if r, ok := o.made(of); ok {
			// The description of the network may be another one by now.
			return r, errors.Join(catalog.Save(r.Network, o.result()), os.RemoveAll(dir))
		}
	}
	if err := training.Write(filepath.Join(dir, "recipe")); err != nil {
		return nil, err
	}
	if err := recipe(ctx, python, o.arguments(dir, data), o.Progress); err != nil {
		return nil, err
	}
	r, err := o.takeBack(dir)
	if err != nil {
		return nil, err
	}
	if o.Reuse {
		if err := o.remember(of, r); err != nil {
			return nil, err
		}
	}
	return r, os.RemoveAll(dir)
}

func (o *Options) check() error {
	networks := []*catalog.Network{&o.Network}
	if o.Teacher != nil {
		networks = append(networks, o.Teacher)
	}
	for _, n := range networks {
		if err := trainable(n); err != nil {
			return fmt.Errorf("fine-tune %s: %w", n.Name, err)
		}
	}
	in := o.Network.Input
	switch {
	case len(o.Data) == 0:
		return errors.New("fine-tune: no pictures: name a folder, a video or a recording")
	case o.Teacher == nil && !o.Labelled:
		return errors.New("fine-tune: without labels somebody must say what is in the pictures: name the teacher, the network that this one was pruned from")
	case o.Labelled && len(o.Validate) == 0:
		return errors.New("fine-tune on labels: name folders of other drives, too, to measure on")
	case o.Teacher != nil && (o.Teacher.Input.Width != in.Width || o.Teacher.Input.Height != in.Height):
		return fmt.Errorf("fine-tune %s: its input is %dx%d, that of its teacher %s %dx%d: they must be alike",
			o.Network.Name, in.Width, in.Height, o.Teacher.Name, o.Teacher.Input.Width, o.Teacher.Input.Height)
	case (o.Minutes > 0) == (o.Samples > 0):
		return errors.New("fine-tune: give either minutes or a number of pictures to train on, above 0")
	}
	// What has no valid name is not trained first.
	if err := o.result().Validate(); err != nil {
		return fmt.Errorf("fine-tune %s as %s: %w", o.Network.Name, filepath.Base(o.Out), err)
	}
	return nil
}

// Check says whether networks like n, of its input and format, can be trained here:
// [Run] would refuse them, or find no Python with what the recipe needs. It is for
// telling before other long work.
func Check(ctx context.Context, n *catalog.Network) error {
	if err := trainable(n); err != nil {
		return fmt.Errorf("fine-tune %s: %w", n.Name, err)
	}
	_, err := findPython(ctx)
	return err
}

// trainable says whether the recipe can train the network: it knows one way of
// preparing pictures.
func trainable(n *catalog.Network) error {
	if n.Task != "detect" || n.Format != "darknet" {
		return fmt.Errorf("it is a network for %s in the format %s: darknet detectors can be fine-tuned, which is what pruned networks are; convert to ONNX afterwards", n.Task, n.Format)
	}
	const byte1 = float32(1) / 255
	in := n.Input
	plain := in.Resize == "stretch" && in.Color == "rgb"
	for c := range 3 {
		plain = plain && in.Mean[c] == 0 && abs(in.Scale[c]-byte1) < 1e-6
	}
	if !plain {
		return errors.New("it wants other pictures than plainly stretched ones of RGB / 255: the recipe has no others")
	}
	return nil
}

func abs(x float32) float32 { return max(x, -x) }

// claim makes the run's folder, or finds that it is of the same run. One of
// another run is in the way only where it has a checkpoint to lose.
func (o *Options) claim(dir string) error {
	asked, err := o.asked()
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "asked.json")
	was, err := os.ReadFile(file)
	if err == nil && bytes.Equal(was, asked) {
		return nil
	}
	switch {
	case err == nil: // what is there is a run's
		err = forget(dir)
	case errors.Is(err, fs.ErrNotExist):
		err = unused(dir)
	}
	if err = errors.Join(err, os.MkdirAll(dir, 0o755)); err == nil {
		err = os.WriteFile(file, asked, 0o644)
	}
	if err != nil {
		return fmt.Errorf("fine-tune: %w", err)
	}
	return nil
}

// unused says whether a folder is missing or empty: what else has no record of a run
// is somebody's own, and would be deleted at the run's end.
func unused(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is there and no run's folder: give another output, or move it away", dir)
	}
	return err
}

// forget removes a run that has no checkpoint.
func forget(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "runs", runName, "checkpoint.pt")); err == nil {
		return fmt.Errorf("%s holds a run that was stopped, of other arguments: give the same ones to go on, another output, or delete it", dir)
	}
	return os.RemoveAll(dir)
}

// asked is what makes a run the same run.
func (o *Options) asked() ([]byte, error) {
	type files struct {
		Name   string
		Hashes []string
	}
	hashes := func(n *catalog.Network) (files, error) {
		f := files{Name: n.Name}
		for _, role := range []string{"config", "weights"} {
			sum, err := digest(n.Path(role))
			if err != nil {
				return f, err
			}
			f.Hashes = append(f.Hashes, sum)
		}
		return f, nil
	}
	var all []files
	for _, n := range []*catalog.Network{&o.Network, o.Teacher} {
		if n == nil {
			continue
		}
		f, err := hashes(n)
		if err != nil {
			return nil, fmt.Errorf("fine-tune %s: %w", n.Name, err)
		}
		all = append(all, f)
	}
	return json.MarshalIndent(struct {
		Networks          []files
		Data, Validate    []string
		Labelled          bool
		Pictures, Samples int
		Minutes           float64
		Seed              uint64
	}{all, o.Data, o.Validate, o.Labelled, o.Pictures, o.Samples, o.Minutes, o.Seed}, "", " ")
}

// takeBack reads what the recipe made, and gives it its name.
func (o *Options) takeBack(dir string) (*Result, error) {
	text, err := os.ReadFile(filepath.Join(dir, "runs", runName, "run.json"))
	if err != nil {
		return nil, fmt.Errorf("fine-tune: the recipe left no record: %w", err)
	}
	var record struct {
		Details struct {
			Before Measured `json:"before"`
		} `json:"details"`
		Settings struct {
			Samples int `json:"samples"`
		} `json:"settings"`
		After   Measured `json:"held_out"`
		Seconds float64  `json:"wall_s"`
	}
	if err := json.Unmarshal(text, &record); err != nil {
		return nil, fmt.Errorf("fine-tune: the recipe's record: %w", err)
	}
	cfg, err := os.ReadFile(o.Network.Path("config"))
	if err != nil {
		return nil, fmt.Errorf("fine-tune: %w", err)
	}
	made := filepath.Join(dir, "runs", runName, runName+".weights")
	if err := valid(cfg, made); err != nil {
		return nil, fmt.Errorf("fine-tune: what the recipe wrote cannot be used: %w", err)
	}
	if err := os.WriteFile(o.Out+".cfg", cfg, 0o644); err != nil {
		return nil, fmt.Errorf("fine-tune: %w", err)
	}
	if err := os.Rename(made, o.Out+".weights"); err != nil {
		return nil, fmt.Errorf("fine-tune: %w", err)
	}
	file := o.Out + ".yaml"
	if err := catalog.Save(file, o.result()); err != nil {
		return nil, err
	}
	return &Result{file, record.Details.Before, record.After, record.Settings.Samples, record.Seconds}, nil
}

const tuned = "; fine-tuned"

// result describes what will be made.
func (o *Options) result() catalog.Network {
	n := o.Network
	n.Name = filepath.Base(o.Out)
	n.Accuracy = catalog.Accuracy{} // which was of the weights before
	n.Files = []catalog.File{
		{Role: "config", Path: n.Name + ".cfg"},
		{Role: "weights", Path: n.Name + ".weights"},
	}
	if !strings.HasSuffix(n.Summary, tuned) {
		n.Summary += tuned
	}
	return n
}

// valid reads the weights as the program will.
func valid(cfg []byte, weights string) error {
	f, err := regular.Open(weights)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	_, err = darknet.Read(cfg, f, info.Size())
	return err
}
