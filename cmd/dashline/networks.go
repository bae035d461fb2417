package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"dashline/model/catalog"
)

type networksCmd struct {
	List networksListCmd `cmd:"" default:"withargs" help:"List the networks that are described (the default)."`
	Show networksShowCmd `cmd:"" help:"Show all that is described of one network, and check its files."`
}

func (networksCmd) Help() string {
	return `Examples:
  dashline networks                       names, sizes, licences, and where the files are
  dashline networks show yolov3           everything about one
  dashline networks show my/net.yaml      the same for a description of one's own
  dashline networks list --json | jq '.[].name'

docs/networks.md says how to describe one's own.

Exit codes: 0 shown; 1 the files of the network to show are missing or damaged; 2 the name or the description is wrong.`
}

type networksListCmd struct {
	JSON bool `name:"json" help:"Print one JSON array."`
}

// listed is one network in a list.
type listed struct {
	Name    string   `json:"name"`
	Task    string   `json:"task"`
	Format  string   `json:"format"`
	Width   int      `json:"width"`
	Height  int      `json:"height"`
	Bytes   int64    `json:"bytes"`
	License string   `json:"license"`
	Summary string   `json:"summary"`
	Source  string   `json:"source"`
	Dir     string   `json:"dir"` // where the files are; empty where they are not
	Missing []string `json:"missing,omitempty"`
	Mend    string   `json:"mend,omitempty"`
	// What was measured of it, and on what; 0: nothing was.
	AP50   float64 `json:"ap50,omitempty"`
	AP50On string  `json:"ap50_data,omitempty"`
}

func list(n catalog.Network) listed {
	l := listed{Name: n.Name, Task: n.Task, Format: n.Format, Width: n.Input.Width, Height: n.Input.Height,
		Bytes: n.Bytes(), License: n.License, Summary: n.Summary, Source: n.Source, AP50: n.Accuracy.AP50, AP50On: n.Accuracy.Data}
	at, err := n.Locate()
	var missing *catalog.MissingError
	if errors.As(err, &missing) {
		l.Missing = missing.Files
		l.Mend = mend(n, n.Name)
		return l
	}
	l.Dir = at.Dir
	return l
}

// mend is how missing files are got.
func mend(n catalog.Network, ref string) string {
	if n.Fetchable() {
		return "dashline fetch " + ref
	}
	return "no address is known; put the files into networks/ under DASHLINE_ASSETS"
}

// Run prints the list.
func (c *networksListCmd) Run(out streams) error {
	var all []listed
	for _, name := range catalog.Names() {
		n, err := catalog.Get(name)
		if err != nil {
			return err
		}
		all = append(all, list(n))
	}
	if c.JSON {
		return json.NewEncoder(out.Out).Encode(all)
	}
	w := tabwriter.NewWriter(out.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tTASK\tINPUT\tSIZE\tLICENCE\tFILES")
	for _, l := range all {
		where := l.Dir
		if where == "" {
			where = "missing: " + l.Mend
		}
		fmt.Fprintf(w, "%s\t%s\t%dx%d\t%s\t%s\t%s\n", l.Name, l.Task, l.Width, l.Height, size(l.Bytes), license(l.License), where)
	}
	return w.Flush()
}

// license is the first words of a licence, for a column.
func license(s string) string {
	short, _, _ := strings.Cut(s, " (")
	return short
}

// size writes bytes for people.
func size(n int64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}

type networksShowCmd struct {
	Name string `arg:"" help:"Name of a network, or the path of a description (.yaml)."`
	JSON bool   `name:"json" help:"Print one JSON object."`
}

// Run prints one network and whether its files are the described ones.
func (c *networksShowCmd) Run(out streams) error {
	n, err := catalog.Resolve(c.Name)
	var missing *catalog.MissingError
	if err != nil && !errors.As(err, &missing) {
		return &exit{exitUsage, err}
	}
	state := "whole, as described"
	if missing != nil {
		state = "missing: " + strings.Join(missing.Files, ", ")
	} else if err = n.Verify(); err != nil {
		state = err.Error()
	}
	if c.JSON {
		l := list(n)
		if missing != nil {
			l.Mend = mend(n, missing.Ref)
		}
		return errors.Join(err, json.NewEncoder(out.Out).Encode(struct {
			listed
			Classes []string `json:"classes"`
			State   string   `json:"state"`
		}{l, n.Classes, state}))
	}
	show(out.Out, n, state)
	return err
}

func show(to io.Writer, n catalog.Network, state string) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	defer w.Flush()
	line := func(key, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", key, fmt.Sprintf(format, args...)) }
	line("name", "%s", n.Name)
	line("summary", "%s", n.Summary)
	line("task", "%s (%s, read as %s)", n.Task, n.Format, n.Decode.Kind)
	line("input", "%dx%d, %s, %s, (pixel - %v) x %v", n.Input.Width, n.Input.Height, n.Input.Resize, n.Input.Color, n.Input.Mean, n.Input.Scale)
	if len(n.Classes) > 0 {
		line("classes", "%d: %s", len(n.Classes), strings.Join(n.Classes, ", "))
	}
	if a := n.Accuracy; a.Known() {
		line("accuracy", "AP50 %.3f on %s", a.AP50, a.Data)
	}
	for _, f := range n.Files {
		where := f.URL
		if where == "" {
			where = "no address known"
		}
		hash := f.SHA256
		if hash == "" {
			hash = "unknown, recorded at the first fetch"
		}
		line(f.Role, "%s, %s, %s", f.Path, size(f.Bytes), where)
		line("", "sha256 %s", hash)
	}
	line("license", "%s", n.License)
	line("source", "%s", n.Source)
	if n.Dir != "" {
		line("folder", "%s", n.Dir)
	}
	line("state", "%s", state)
}
