package modelcmd

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"dashline/internal/plain"
	"dashline/model"
)

// barWidth is how many characters the largest share has.
const barWidth = 20

// Print writes the report for people.
func (r *Report) Print(to io.Writer) error {
	t := table{{"#", "layer", "what", "value", "parameters", "MFLOPs", "value kB", "share of FLOPs"}}
	var most int64
	for _, l := range r.Layers {
		most = max(most, l.FLOPs)
	}
	for _, l := range r.Layers {
		t = append(t, []string{fmt.Sprint(l.Index), plain.Line(l.Name), plain.Line(l.What), model.Shape(l.Shape).String(), Thousands(l.Parameters),
			fmt.Sprintf("%.1f", float64(l.FLOPs)/1e6), fmt.Sprintf("%.0f", float64(l.Activation)/1e3), bar(l.FLOPs, r.FLOPs, most)})
	}
	if err := t.print(to, "><<<>>><"); err != nil {
		return err
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	line := func(key, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", key, plain.Line(fmt.Sprintf(format, args...)))
	}
	fmt.Fprintln(w)
	r.totals(line)
	return w.Flush()
}

func (r *Report) totals(line func(key, format string, args ...any)) {
	line("network", "%s, %s, %s", r.Name, r.Format, r.from())
	line("input", "%s", strings.Join(r.Inputs, ", "))
	line("output", "%s", strings.Join(r.Outputs, ", "))
	line("parameters", "%s; %s trainable; %s with batch normalisation folded", Thousands(r.Parameters), Thousands(r.Trainable), Thousands(r.Folded))
	line("file", "%s bytes", Thousands(r.FileBytes))
	line("weights", "%s fp32, %s fp16, %s int8, folded", Bytes(r.FP32), Bytes(r.FP16), Bytes(r.Int8))
	line("work", "%.3f GMACs = %.3f GFLOPs of 2 a MAC, as darknet counts; %.3f G elementwise operations besides",
		float64(r.MACs)/1e9, float64(r.FLOPs)/1e9, float64(r.Elementwise)/1e9)
	line("values", "%s in all, at most %s at once (at %s)", Bytes(r.Activations), Bytes(r.PeakActivations), r.PeakLayer)
	line("intensity", "%.1f FLOPs a byte moved", r.Intensity)
	for _, p := range r.Predicted {
		line("memory, "+p.Engine, "%s predicted: weights %s, values %s, input and outputs %s, else %s",
			Bytes(p.Total), Bytes(p.Weights), Bytes(p.Values), Bytes(p.Buffers), Bytes(p.Fixed))
	}
	for _, m := range r.Measured {
		m.print(line)
	}
}

// table is rows of cells, the first the heading.
type table [][]string

// print aligns each column as sides says, < or >.
func (t table) print(to io.Writer, sides string) error {
	widths := make([]int, len(sides))
	for _, row := range t {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range t {
		line := ""
		for i, cell := range row {
			fill := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if sides[i] == '>' {
				line += fill + cell + "  "
			} else {
				line += cell + fill + "  "
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(to, b.String())
	return err
}

// from is where the weights came from, in words.
func (r *Report) from() string {
	switch {
	case r.Topology:
		return r.Path + " without weights"
	case r.Weights != "":
		return r.Path + " and " + r.Weights
	}
	return r.Path
}

func bar(part, whole, most int64) string {
	if part == 0 {
		return ""
	}
	n := float64(part) / float64(most) * barWidth
	return fmt.Sprintf("%4.1f%% %s", 100*float64(part)/float64(whole), strings.Repeat("#", max(1, int(n+.5))))
}

// Thousands writes a number with commas: 248,007,048.
func Thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Bytes writes a size for people, in units of 1000.
func Bytes(n int64) string {
	switch {
	case n >= 1e8:
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}
