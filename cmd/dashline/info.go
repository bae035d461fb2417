package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"dashline/internal/plain"
	"dashline/pipeline/record"
)

type infoCmd struct {
	File  string `arg:"" help:"Recording (.mcap)."`
	Check bool   `help:"Read all of it: every checksum, and whether the index says what is there."`
	JSON  bool   `name:"json" help:"Print one JSON object."`
	Quiet bool   `short:"q" help:"Show no progress."`
}

func (infoCmd) Help() string {
	return `Examples:
  dashline info drive.mcap                   cameras, topics, how long, what is missing
  dashline info drive.mcap --check           and whether every byte of it is right
  dashline info drive.mcap --json | jq '.topics[].topic'

A recording that was cut off (a full disk, kill -9) is read up to its last whole chunk, and dashline recover makes it whole.

Exit codes: 0 it is whole; 1 it cannot be read; 2 the command line is wrong; 3 it was cut off, or parts of it are damaged.`
}

// Run prints what a recording holds.
func (c *infoCmd) Run(out streams) error {
	r, err := watchedFile(out.Err, c.Quiet, "reading", func(p record.Progress) (*record.Reader, error) {
		return record.OpenProgress(c.File, p)
	})
	if err != nil {
		return err
	}
	defer r.Close()
	in := r.Info()
	if c.Check {
		problems, err := watchedFile(out.Err, c.Quiet, "checking", func(p record.Progress) ([]string, error) {
			return record.Check(c.File, p)
		})
		if err != nil {
			return err
		}
		in.Problems = problems
	}
	if c.JSON {
		err = json.NewEncoder(out.Out).Encode(in)
	} else {
		err = printInfo(out.Out, c.File, in, c.Check)
	}
	switch {
	case err != nil:
		return fmt.Errorf("print: %w", err)
	case in.Cut != "":
		return &exit{exitPartly, fmt.Errorf("%s: %s: `dashline recover %s -o mended.mcap` makes it whole", c.File, in.Cut, c.File)}
	case len(in.Problems) > 0:
		return &exit{exitPartly, fmt.Errorf("%s: %d problems: `dashline recover %s -o mended.mcap` keeps what is whole", c.File, len(in.Problems), c.File)}
	}
	return nil
}

func printInfo(to io.Writer, path string, in *record.Info, checked bool) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	line := func(key, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", key, plain.Line(fmt.Sprintf(format, args...)))
	}
	line("file", "%s, %s, %d messages in %d chunks", path, size(in.Bytes), in.Messages, in.Chunks)
	if in.Library != "" {
		line("by", "%s", in.Library)
	}
	if in.Vehicle != "" {
		line("vehicle", "%s", in.Vehicle)
	}
	if !in.Start.IsZero() {
		line("time", "%s to %s, %s", in.Start.Format(time.RFC3339), in.End.Format(time.RFC3339), in.Duration.Round(time.Millisecond))
	}
	for _, cam := range in.Cameras {
		line("camera", "%s", describeRecorded(&cam))
	}
	for i, kind := range slices.Sorted(maps.Keys(in.Dropped)) {
		key := ""
		if i == 0 {
			key = "not recorded"
		}
		line(key, "%d %s", in.Dropped[kind], kind)
	}
	switch {
	case in.Cut != "" && in.Tail > 0:
		line("state", "%s; %d bytes at its end are no whole record", in.Cut, in.Tail)
	case in.Cut != "":
		line("state", "%s", in.Cut)
	case len(in.Problems) > 0:
		line("state", "finished, with problems")
	case checked:
		line("state", "whole, every checksum and the index are right")
	default:
		line("state", "finished")
	}
	for _, p := range in.Problems {
		line("problem", "%s", p)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nTOPIC\tMESSAGES\tSCHEMA")
	for _, t := range in.Topics {
		fmt.Fprintf(w, "%s\t%d\t%s\n", plain.Line(t.Topic), t.Messages, plain.Line(t.Schema))
	}
	return w.Flush()
}

func describeRecorded(c *record.CameraInfo) string {
	parts := []string{fmt.Sprintf("%s: %d packets", c.Name, c.Packets)}
	if c.Codec != "" {
		parts[0] += " of " + c.Codec
	}
	parts = append(parts, fmt.Sprintf("%d frames accounted for", c.Reports))
	switch {
	case c.Camera == nil:
		parts = append(parts, "not described")
	case c.Guessed:
		parts = append(parts, fmt.Sprintf("taken to be a dashcam of %dx%d, %.2f m above the road", c.Width, c.Height, c.HeightM))
	default:
		parts = append(parts, fmt.Sprintf("described for %dx%d, %.2f m above the road", c.Width, c.Height, c.HeightM))
	}
	return strings.Join(parts, ", ")
}

type recoverCmd struct {
	File   string `arg:"" help:"Recording (.mcap) that was cut off or is damaged."`
	Output string `name:"output" short:"o" required:"" placeholder:"FILE" help:"File to write; not the recording itself."`
	Force  bool   `help:"Replace FILE where there is one."`
	JSON   bool   `name:"json" help:"Print one JSON object."`
	Quiet  bool   `short:"q" help:"Show no progress."`
}

func (recoverCmd) Help() string {
	return `Examples:
  dashline recover drive.mcap -o mended.mcap
  dashline recover drive.mcap -o mended.mcap --force   replace mended.mcap
  dashline recover drive.mcap -o mended.mcap --json | jq .messages

All whole chunks of the recording are kept, with their metadata, and indexed again. What is lost is said: the chunk that was being written when the recording was cut off, which is at most a second, and chunks that are damaged. The recording itself is not changed.

Exit codes: 0 all that the file has was kept; 1 it cannot be read, or the new one not be written; 2 the command line is wrong; 3 the new file is whole, but something was lost.`
}

// Run mends a recording.
func (c *recoverCmd) Run(out streams) error {
	rec, err := watchedFile(out.Err, c.Quiet, "recovering", func(p record.Progress) (record.Recovered, error) {
		return record.Recover(c.File, c.Output, c.Force, p)
	})
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(out.Out).Encode(rec)
	} else {
		_, err = fmt.Fprintf(out.Out, "%s: %d messages in %d chunks\n", c.Output, rec.Messages, rec.Chunks)
		for _, p := range rec.Problems {
			if err == nil {
				_, err = fmt.Fprintf(out.Out, "lost: %s\n", plain.Line(p))
			}
		}
	}
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	var lost []string
	if rec.Damaged > 0 {
		lost = append(lost, fmt.Sprintf("%d damaged chunks", rec.Damaged))
	}
	if rec.Lost > 0 {
		lost = append(lost, fmt.Sprintf("%d messages", rec.Lost))
	}
	if rec.Tail > 0 {
		lost = append(lost, fmt.Sprintf("%d bytes at the end", rec.Tail))
	}
	if len(lost) > 0 {
		return &exit{exitPartly, errors.New("lost: " + strings.Join(lost, ", "))}
	}
	return nil
}

// watchedFile does what reads a whole file, and shows how far it is when that
// takes more than a moment.
func watchedFile[T any](to io.Writer, quiet bool, doing string, f func(record.Progress) (T, error)) (T, error) {
	const patience = 2 * time.Second
	begin := time.Now()
	var last time.Time
	shown := false
	v, err := f(func(done, total int64) {
		now := time.Now()
		if quiet || now.Sub(begin) < patience || now.Sub(last) < lineEvery/10 {
			return
		}
		if !onTerminal(to) && now.Sub(last) < lineEvery {
			return
		}
		last, shown = now, true
		end := "\n"
		if onTerminal(to) {
			end = "\r"
		}
		fmt.Fprintf(to, "%s: %d %% of %s %s", doing, 100*done/max(total, 1), size(total), end)
	})
	if shown && onTerminal(to) {
		fmt.Fprintln(to)
	}
	return v, err
}

func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
