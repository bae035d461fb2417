package gate

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"dashline/bench/report"
	"dashline/bench/stats"
	"dashline/internal/plain"
)

// Text writes a result for people.
func Text(w io.Writer, r *Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "base %s (%s)\nhead %s (%s)\n", plain.Line(r.Base.Name), plain.Line(r.Base.Version), plain.Line(r.Head.Name), plain.Line(r.Head.Version))
	if len(r.Faults) > 0 {
		fmt.Fprintf(&b, "injected into head: %s\n", plain.Line(strings.Join(r.Faults, ", ")))
	}
	fmt.Fprintf(&b, "%s, %d frames of each in %d processes, %.0f s, seed %d\n\n", plain.Line(r.Source), r.Frames, r.Processes, r.Elapsed, r.Seed)
	rows := [][]string{{"", "base", "head", "change", "interval", "margin", "verdict"}}
	staged := false
	for i := range r.Figures {
		f := &r.Figures[i]
		if f.Stage && !staged {
			rows, staged = append(rows, []string{"stages"}), true
		}
		rows = append(rows, f.row())
	}
	table(&b, rows)
	for i := range r.Figures {
		if f := &r.Figures[i]; f.Verdict == stats.Inconclusive && f.Why != "" {
			fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Why)
		}
	}
	if len(r.Slower) > 0 {
		fmt.Fprintf(&b, "slower: %s\n", strings.Join(r.Slower, ", "))
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", plain.Line(n))
	}
	fmt.Fprintf(&b, "machine: %s\n", plain.Line(r.Machine.String()))
	if r.Noise.Noisy {
		fmt.Fprintf(&b, "noisy: %s\n", plain.Line(r.Noise.Why))
	} else {
		b.WriteString("the machine was quiet\n")
	}
	fmt.Fprintf(&b, "\n%s: %s\n", r.Verdict, r.Why)
	_, err := io.WriteString(w, b.String())
	return err
}

func (f *Figure) row() []string {
	name := f.Name
	if f.Stage {
		name = "  " + name
	}
	verdict := string(f.Verdict)
	if f.Blocks == Never || f.Blocks == Worse && f.Verdict == stats.Inconclusive {
		verdict = "(" + verdict + ")" // which decides nothing
	}
	change, between, margin := f.change()
	return []string{name, f.amount(f.Base), f.amount(f.Head), change, between, margin, verdict}
}

// amount is a value with its unit.
func (f *Figure) amount(v float64) string {
	switch f.Unit {
	case "ms":
		return fmt.Sprintf("%.3g ms", v)
	case "bytes":
		switch {
		case v >= 1e6:
			return fmt.Sprintf("%.1f MB", v/1e6)
		case v >= 1e4:
			return fmt.Sprintf("%.1f kB", v/1e3)
		}
		return fmt.Sprintf("%.0f B", v)
	case "of frames":
		return fmt.Sprintf("%.2f %%", 100*v)
	case "AP50":
		return fmt.Sprintf("%.4f", v)
	}
	if v >= 1e5 {
		return fmt.Sprintf("%.4g", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// change is what the head has more, its interval and the margin, in words.
func (f *Figure) change() (value, between, margin string) {
	if iv := f.Ratio; iv != nil {
		return percent(iv.Value, 1), bounds(percent(iv.Low, 1), percent(iv.High, 1)), fmt.Sprintf("%.3g %%", 100*f.Margin)
	}
	iv := f.Difference
	switch f.Unit {
	case "of frames":
		return percent(iv.Value, 0), bounds(percent(iv.Low, 0), percent(iv.High, 0)), fmt.Sprintf("%.3g %%", 100*f.Margin)
	case "AP50":
		return signed(iv.Value, "%+.4f"), "exact", fmt.Sprintf("%.4f", f.Margin)
	}
	return signed(iv.Value, "%+.2f"), bounds(signed(iv.Low, "%+.2f"), signed(iv.High, "%+.2f")), fmt.Sprintf("%.3g", f.Margin)
}

// percent is a part above base in percent; "?" where it is not known.
func percent(v *float64, base float64) string {
	if v == nil {
		return "?"
	}
	p := 100 * (*v - base)
	if math.Abs(p) < .005 {
		p = 0
	}
	return fmt.Sprintf("%+.2f %%", p)
}

func signed(v *float64, format string) string {
	if v == nil {
		return "?"
	}
	return fmt.Sprintf(format, *v)
}

func bounds(low, high string) string { return low + " to " + high }

// table writes rows with the first column and the last to the left, the others to
// the right.
func table(b *strings.Builder, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch {
			case i == 0:
				line.WriteString(cell + pad)
			case i == len(widths)-1:
				line.WriteString("  " + cell)
			default:
				line.WriteString("  " + pad + cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// Remarks are the checks of what decides: without what could not be told and does not
// have to be.
func (r *Result) Remarks() []report.Check {
	var some []report.Check
	for i, c := range r.Checks() {
		if f := &r.Figures[i]; f.Verdict != stats.Inconclusive && f.Blocks != Never || f.Verdict == stats.Inconclusive && f.Blocks == Unsure {
			some = append(some, c)
		}
	}
	return some
}

// Checks are the figures for CI systems, in their order. What decides nothing is
// not worse for them: it is inconclusive, and its text says what was seen.
func (r *Result) Checks() []report.Check {
	var all []report.Check
	for i := range r.Figures {
		f := &r.Figures[i]
		c := report.Check{Name: f.Name, Class: "gate", Verdict: report.Verdict(f.Verdict)}
		if f.Stage {
			c.Class = "gate.stages"
		}
		change, between, margin := f.change()
		c.Message = fmt.Sprintf("%s: from %s to %s, %s (%s; margin %s)", f.Verdict, f.amount(f.Base), f.amount(f.Head), change, between, margin)
		if f.Why != "" {
			c.Message += "\n" + f.Why
		}
		if f.Blocks == Never && f.Verdict == stats.Worse {
			c.Verdict = report.Inconclusive
		}
		all = append(all, c)
	}
	return all
}
