package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"dashline/model/catalog"
	"dashline/model/darknet"
	"dashline/model/fetch"
	"dashline/model/onnx"
)

type fetchCmd struct {
	Name  string `arg:"" help:"Name of a network, or the path of a description (.yaml)."`
	Into  string `placeholder:"DIR" help:"Folder for the files (default: the user's cache, where run looks)."`
	Force bool   `help:"Download also what is there already."`
	JSON  bool   `name:"json" help:"Print one JSON object at the end."`
}

func (fetchCmd) Help() string {
	return `Examples:
  dashline fetch yolov3                   into the user's cache, where dashline run finds it
  dashline fetch yolov3-tiny --into nets  into a folder of one's own
  dashline fetch my/net.yaml              what a description of one's own names

A download that was stopped goes on where it was. Length and sha256 are checked; a file that differs is refused. Where a description has no sha256, that of the first download is recorded and holds from then on.

Exit codes: 0 all files are in place; 1 a file could not be fetched or is not the described one; 2 the name or the description is wrong.`
}

// Run downloads a network.
func (c *fetchCmd) Run(ctx context.Context, out streams) error {
	n, err := catalog.Resolve(c.Name)
	var missing *catalog.MissingError
	if err != nil && !errors.As(err, &missing) {
		return &exit{exitUsage, err}
	}
	if err == nil && c.Into == "" && !c.Force && n.Verify() == nil && hashed(n) {
		return c.done(out, n, n.Dir, nil)
	}
	dir := c.Into
	if dir == "" {
		if dir, err = catalog.CacheDir(n.Name); err != nil {
			return err
		}
	}
	p := newProgress(out.Err)
	got, err := fetch.Fetch(ctx, n, fetch.Options{Dir: dir, Force: c.Force, Report: p.report})
	p.wait()
	if err != nil {
		return err
	}
	n.Dir = dir
	if err := whole(n); err != nil {
		return errors.Join(err, distrust(got))
	}
	return c.done(out, n, dir, got)
}

// hashed says whether every file is known by its hash. Where one is not, fetch
// has a look at what it recorded.
func hashed(n catalog.Network) bool {
	for _, f := range n.Files {
		if f.SHA256 == "" {
			return false
		}
	}
	return true
}

// whole looks into the files: a hash may be unknown, or of the wrong file.
func whole(n catalog.Network) error {
	var parts [][]byte
	for _, f := range n.Files {
		data, err := os.ReadFile(n.Path(f.Role))
		if err != nil {
			return err
		}
		parts = append(parts, data)
	}
	var err error
	switch n.Format {
	case "onnx":
		err = onnx.Validate(parts[0])
	case "darknet":
		config, weights := 0, 1
		if n.Files[0].Role == "weights" {
			config, weights = 1, 0
		}
		err = darknet.Validate(parts[config], parts[weights])
	}
	if err != nil {
		return fmt.Errorf("%s: fetched as described, but not usable: %w", n.Name, err)
	}
	return nil
}

// distrust removes files that are trusted only because they came first: they
// turned out to be unusable, and must not be what later ones are held against.
func distrust(got []fetch.Result) error {
	var errs []error
	for _, r := range got {
		if r.Recorded {
			errs = append(errs, os.Remove(r.Path), os.Remove(r.Path+".sha256"))
		}
	}
	return errors.Join(errs...)
}

func (c *fetchCmd) done(out streams, n catalog.Network, dir string, got []fetch.Result) error {
	if c.JSON {
		return json.NewEncoder(out.Out).Encode(struct {
			Name  string         `json:"name"`
			Dir   string         `json:"dir"`
			Files []fetch.Result `json:"files"`
		}{n.Name, dir, got})
	}
	for _, r := range got {
		if r.Recorded {
			fmt.Fprintf(out.Out, "%s: no sha256 is described; recorded %s and trusted from now on\n", r.Path, r.SHA256)
		}
	}
	_, err := fmt.Fprintf(out.Out, "%s is in %s\n", n.Name, dir)
	return err
}

// progress shows how downloads go: bars on a terminal, else a line now and then.
type progress struct {
	out  io.Writer
	bars *mpb.Progress // nil where out is no terminal
	bar  *mpb.Bar
	file string
	last time.Time // of the last line
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out}
	if f, ok := out.(*os.File); ok {
		// A terminal that does not say how wide it is gets no bar from mpb.
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			p.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40))
		}
	}
	return p
}

// wait ends the bars, also one that is not full.
func (p *progress) wait() {
	if p.bars == nil {
		return
	}
	p.end(false)
	p.bars.Wait()
}

func (p *progress) end(full bool) {
	if p.bar == nil {
		return
	}
	if full {
		p.bar.SetTotal(-1, true)
	} else {
		p.bar.Abort(false)
	}
	p.bar.Wait()
	p.bar = nil
}

func (p *progress) report(e fetch.Event) {
	if p.bars != nil && (e.State == fetch.Started || e.State == fetch.Running || e.State == fetch.Finished) {
		p.draw(e)
		return
	}
	const every = 5 * time.Second
	switch e.State {
	case fetch.Present:
		p.line("%s is there already (%s)", e.File, size(e.Done))
	case fetch.Started:
		p.line("%s: %s of %s", e.File, size(e.Done), total(e.Total))
	case fetch.Running:
		if time.Since(p.last) >= every {
			p.line("%s: %s of %s", e.File, size(e.Done), total(e.Total))
		}
	case fetch.Retrying:
		p.line("%v; trying again in %v", e.Err, e.Wait)
	case fetch.Finished:
		p.line("%s: whole, %s", e.File, size(e.Done))
	}
}

func (p *progress) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...) + "\n"
	if p.bars != nil {
		_, _ = p.bars.Write([]byte(text)) // above the bars
		return
	}
	_, _ = io.WriteString(p.out, text)
	p.last = time.Now()
}

func total(n int64) string {
	if n == 0 {
		return "unknown"
	}
	return size(n)
}

func (p *progress) draw(e fetch.Event) {
	if p.bar == nil || p.file != e.File {
		p.end(true)
		p.file = e.File
		p.bar = p.bars.AddBar(e.Total,
			mpb.PrependDecorators(decor.Name(e.File+" ")),
			mpb.AppendDecorators(decor.CountersKiloByte("% .1f / % .1f"), decor.Name("  "), decor.AverageSpeed(decor.SizeB1000(0), "% .1f"), decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO)),
		)
	}
	p.bar.SetCurrent(e.Done)
	if e.State == fetch.Finished {
		p.end(true)
	}
}
