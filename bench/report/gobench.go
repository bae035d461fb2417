package report

import (
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
)

// GoBench writes the result in the Go benchmark format
// (https://golang.org/design/14313-benchmark-format), for benchstat: a line for each
// subject. One run is one sample; what it says itself of how sure it is, the
// intervals, is not in this form.
//
// Results are compared within one configuration only. So what two builds may differ
// by is not part of it: the version is on a line that readers pass over, and of the
// source there is the name, not the folder.
func GoBench(w io.Writer, r *Result) error {
	t := &text{w: w}
	r = shown(r)
	t.configuration(r)
	units, lines := []unit{}, []string{}
	seen := map[string]int{}
	for i := range r.Subjects {
		s := &r.Subjects[i]
		line := fmt.Sprintf("%s\t%d", benchName(s.Name, r.Machine.Cores, seen), max(iterations(s), 1))
		for _, f := range figures(s) {
			line += "\t" + strconv.FormatFloat(f.value, 'g', 7, 64) + " " + f.name
			units = addUnit(units, f.unit)
		}
		lines = append(lines, line)
	}
	for _, u := range units {
		t.printf("Unit %s %s\n", u.name, u.metadata)
	}
	for _, l := range lines {
		t.printf("%s\n", l)
	}
	return t.err
}

// configuration is `key: value`, with keys that begin with a lower-case letter and
// have neither blanks nor upper-case ones.
func (t *text) configuration(r *Result) {
	goos, goarch, _ := strings.Cut(r.Machine.Platform, "/")
	loop := "open"
	if r.Scenario.Closed {
		loop = "closed"
	}
	for _, c := range [][2]string{
		{"goos", goos},
		{"goarch", goarch},
		{"pkg", "dashline"},
		{"cpu", r.Machine.CPU},
		{"scenario", r.Scenario.Name},
		{"loop", loop},
		{"source", filepath.Base(r.Scenario.Source)},
	} {
		if c[1] != "" && c[1] != "." {
			t.printf("%s: %s\n", c[0], c[1])
		}
	}
	if r.Machine.Version != "" {
		t.printf("# dashline %s\n", r.Machine.Version)
	}
}

// benchName is the benchmark of a subject. Those who read it take a number after
// the last dash to be of processors, so it has one even where the name ends in
// another.
func benchName(name string, cores int, seen map[string]int) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._+-", r):
			return r
		}
		return '_'
	}, name)
	n := seen[safe]
	seen[safe]++
	if n > 0 { // as testing tells benchmarks of one name apart
		safe += fmt.Sprintf("#%02d", n)
	}
	return fmt.Sprintf("BenchmarkFrame/rung=%s-%d", safe, max(cores, 1))
}

// iterations are the frames that the figures are of.
func iterations(s *Subject) int {
	for _, d := range []*Distribution{s.Age, s.Frame} {
		if d != nil {
			return d.Count
		}
	}
	return s.Outcomes.Produced
}

// unit is a name and what is known of it: which direction is better, and whether
// all samples are the same.
type unit struct{ name, metadata string }

func addUnit(all []unit, u unit) []unit {
	for _, x := range all {
		if x == u {
			return all
		}
	}
	return append(all, u)
}

type benchFigure struct {
	value float64
	unit
}

func figures(s *Subject) []benchFigure {
	var all []benchFigure
	add := func(value float64, name, metadata string) {
		all = append(all, benchFigure{value, unit{name, metadata}})
	}
	known := func(value float64, name, metadata string) {
		if value != 0 {
			add(value, name, metadata)
		}
	}
	const lower, higher, exact = "better=lower", "better=higher", "better=lower assume=exact"
	times := func(d *Distribution, what string) {
		if d == nil {
			return
		}
		for _, q := range d.Quantiles {
			add(q.Value, what+"-"+quantileName(q.Q)+"-ms", lower)
		}
	}
	times(s.Answer, "answer")
	times(s.Age, "age")
	times(s.Frame, "frame")
	times(s.Forward, "forward")
	if s.Misses != nil {
		add(s.Misses.Value, "misses/frame", lower)
	}
	known(s.Throughput, "frames/s", higher)
	if s.CPU != nil {
		add(s.CPU.Value, "cpu-ms/frame", lower)
	}
	known(s.Joules, "J/frame", lower)
	if s.Allocations != nil {
		add(s.Allocations.Value, "allocs/frame", lower)
	}
	known(s.MessageBytes, "message-B/frame", lower)
	known(s.Load, "load-ms", lower)
	known(s.First, "first-ms", lower)
	known(float64(s.Loaded), "loaded-B", lower)
	known(float64(s.Peak), "peak-B", lower)
	known(float64(s.Parameters), "parameters", exact)
	known(float64(s.FileBytes), "file-B", exact)
	known(float64(s.FLOPs), "FLOPs", exact)
	if a := s.Accuracy; a != nil {
		if a.Offline != nil {
			add(a.Offline.Value, "AP50-offline", higher)
		}
		if a.Streaming != nil {
			add(a.Streaming.Value, "AP50-streaming", higher)
		}
	}
	return all
}
