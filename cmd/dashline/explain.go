package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"dashline/internal/explain"
	"dashline/internal/misses"
	"dashline/internal/plain"
	"dashline/pipeline/msg"
	"dashline/pipeline/record"
)

type explainCmd struct {
	File   string  `arg:"" help:"Recording (.mcap), or a bundle that a run wrote around a miss (.json)."`
	Frame  *uint64 `placeholder:"N" help:"Explain frame N of a camera."`
	Misses bool    `help:"List every frame that was not on time, a line each."`
	Camera string  `placeholder:"NAME" help:"Look at this camera alone; needed with --frame where several have such a frame."`
	JSON   bool    `name:"json" help:"Print one JSON object."`
	Quiet  bool    `short:"q" help:"Show no progress."`
}

func (explainCmd) Help() string {
	return `Examples:
  dashline explain drive.mcap                       outcomes, causes of misses, what rungs usually take
  dashline explain drive.mcap --misses              and every miss in a line
  dashline explain drive.mcap --frame 812           why it was late or dropped, with a time line
  dashline explain drive.mcap --frame 812 --camera front
  dashline explain misses/miss-20260102T030405-0001-front-812.json
  dashline explain drive.mcap --misses --json | jq '.misses[] | select(.cause == "forward")'

A frame is compared with the median of all finished frames on the same rung. On the time line, 0 is the frame's arrival, and each row shows what a frame was waiting for: two before it, two after it, and those of other cameras that were at work while it waited.

Exit codes: 0 it is explained; 1 the file cannot be read; 2 the command line is wrong, or there is no such frame; 3 it is explained, but the recording was cut off, or parts of it are damaged.`
}

// mostReports bounds the memory that a recording takes here: 3 GB of reports at
// the most.
const mostReports = 3 << 20

// explained is what the file had.
type explained struct {
	log    *explain.Log
	bundle *misses.Bundle // nil for a recording
	broken []string       // what could not be read
}

// Run explains.
func (c *explainCmd) Run(out streams) error {
	if c.Frame != nil && c.Misses {
		return &exit{exitUsage, errors.New("--frame, --misses: they do not go together: leave one out")}
	}
	in, err := c.read(out.Err)
	if err != nil {
		return err
	}
	switch {
	case c.Frame != nil:
		err = c.printFrame(out.Out, in, c.Camera, *c.Frame)
	case in.bundle != nil && !c.Misses && c.Camera == "":
		first := in.bundle.Misses[0]
		err = c.printFrame(out.Out, in, first.Camera, first.Frame)
	default:
		err = c.printOverview(out.Out, in)
	}
	if err == nil && len(in.broken) > 0 {
		return &exit{exitPartly, fmt.Errorf("%s: not all of it could be read: %s", c.File, strings.Join(in.broken, "; "))}
	}
	return err
}

// read tells a recording and a bundle apart by how they begin.
func (c *explainCmd) read(progress io.Writer) (*explained, error) {
	f, err := os.Open(c.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	front := make([]byte, 64)
	n, _ := io.ReadFull(f, front)
	if !bytes.HasPrefix(bytes.TrimLeft(front[:n], " \t\r\n"), []byte("{")) {
		return watchedFile(progress, c.Quiet, "reading", c.recording)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	b, err := misses.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	return &explained{log: explain.New(b.FrameReports()), bundle: b}, nil
}

func (c *explainCmd) recording(p record.Progress) (*explained, error) {
	r, err := record.OpenProgress(c.File, p)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	in := r.Info()
	out := &explained{}
	var reports []*msg.FrameReport
	for _, camera := range in.Cameras {
		for report := range r.Reports(camera.Name) {
			if len(reports) == mostReports {
				out.broken = append(out.broken, fmt.Sprintf("only the first %d reports were looked at", mostReports))
				break
			}
			report.Networks = nil // which take room, and explain nothing
			reports = append(reports, report)
		}
		if len(reports) == mostReports {
			break
		}
	}
	if len(reports) == 0 {
		return nil, fmt.Errorf("%s: there is no report of a frame in it", c.File)
	}
	if in.Cut != "" {
		out.broken = append(out.broken, in.Cut)
	}
	if problems := r.Problems(); len(problems) > 0 {
		out.broken = append(out.broken, fmt.Sprintf("%d problems, the first: %s", len(problems), plain.Line(problems[0])))
	}
	out.log = explain.New(reports)
	return out, nil
}

// printFrame explains one frame.
func (c *explainCmd) printFrame(to io.Writer, in *explained, camera string, seq uint64) error {
	e, err := in.log.Frame(camera, seq)
	if err != nil {
		return &exit{exitUsage, fmt.Errorf("%s: %w", c.File, err)}
	}
	if c.JSON {
		return printed(json.NewEncoder(to).Encode(struct {
			*explain.Explanation
			Machine *misses.Machine `json:"machine,omitempty"`
		}{e, in.machine()}))
	}
	text := e.Words
	if in.bundle != nil {
		text = append(text, in.bundle.Words()...)
	}
	text = append(append(text, ""), e.Lines...)
	if in.bundle != nil && len(in.bundle.Misses) > 1 {
		text = append(text, "", fmt.Sprintf("The bundle is about %d misses; --misses lists them.", len(in.bundle.Misses)))
	}
	_, err = fmt.Fprintln(to, strings.Join(text, "\n"))
	return printed(err)
}

func (in *explained) machine() *misses.Machine {
	if in.bundle == nil {
		return nil
	}
	return &in.bundle.Machine
}

// printOverview sums up, and lists the misses where that is asked for.
func (c *explainCmd) printOverview(to io.Writer, in *explained) error {
	o, err := in.log.Overview(c.Camera)
	if err != nil {
		return &exit{exitUsage, fmt.Errorf("%s: %w", c.File, err)}
	}
	list := o.Misses
	if !c.Misses {
		o.Misses = nil
	}
	if c.JSON {
		return printed(json.NewEncoder(to).Encode(o))
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	if c.Misses && len(list) > 0 {
		fmt.Fprintln(w, "CAMERA\tFRAME\tAT\tOUTCOME\tCAUSE\tRUNG\tWHY")
		for _, m := range list {
			at := time.Duration(m.At * float64(time.Second)).Round(time.Millisecond)
			fmt.Fprintf(w, "%s\t%d\t%v\t%s\t%s\t%s\t%s\n", m.Camera, m.Frame, at, m.Outcome, m.Cause, dash(m.Rung), m.Why)
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return printed(err)
	}
	fmt.Fprintf(w, "%d frames: %d on time, %d late, %d dropped, %d failed\n", o.Frames, o.OnTime, o.Late, o.Dropped, o.Failed)
	if err := w.Flush(); err != nil {
		return printed(err)
	}
	if len(o.Causes) > 0 {
		fmt.Fprintln(w, "\nFRAMES\tOUTCOME\tCAUSE")
		for _, x := range o.Causes {
			fmt.Fprintf(w, "%d\t%s\t%s\n", x.Frames, x.Outcome, x.Cause)
		}
		if err := w.Flush(); err != nil {
			return printed(err)
		}
	}
	if len(o.Rungs) > 0 {
		fmt.Fprintln(w, "\nRUNG\tFINISHED\tLATE\tWAIT P50\tWORK P50")
		for _, x := range o.Rungs {
			fmt.Fprintf(w, "%s\t%d\t%d\t%.1f ms\t%.1f ms\n", dash(x.Rung), x.Frames, x.Late, x.Wait, x.Work)
		}
	}
	return printed(w.Flush())
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func printed(err error) error {
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
