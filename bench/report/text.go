package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// longestName is how much of a name a table shows, in characters.
const longestName = 40

// Text writes the result for a terminal: the verdict and what it rests on, the
// subjects beside each other, the first one's stages, the machine, and warnings.
func Text(w io.Writer, r *Result) error {
	t := &text{w: w}
	t.write(shown(r))
	return t.err
}

// text writes until something fails.
type text struct {
	w   io.Writer
	err error
}

func (t *text) printf(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

// say writes one line of a kind, unless there is nothing to say.
func (t *text) say(kind, what string) {
	if what != "" {
		t.printf("  %-9s %s\n", kind, what)
	}
}

func (t *text) write(r *Result) {
	t.printf("%s", r.verdictWord())
	if why := r.why(); why != "" {
		t.printf("  %s", why)
	}
	t.printf("\n")
	t.say("goal", r.goal())
	t.say("seen", r.evidence())
	t.say("scenario", r.Scenario.line())

	for g := range groups {
		t.comparison(r, g)
	}
	if len(r.Subjects) > 0 {
		t.stages(&r.Subjects[0])
	}
	t.printf("\n")
	for i := range r.Subjects {
		t.subject(&r.Subjects[i])
	}
	t.say("machine", r.Machine.String())
	t.say("features", strings.Join(r.Machine.Features, " "))
	t.say("program", program(r.Machine))
	t.say("noise", noiseLine(r.Noise))
	t.say("run", fmt.Sprintf("%.1f s, seed %d", r.Elapsed, r.Seed))
	for _, x := range r.Warnings {
		t.say("warning", x)
	}
}

// comparison is one group of columns, a line for each subject.
func (t *text) comparison(r *Result, group int) {
	var columns []column
	for _, c := range comparison(r) {
		if c.Group == group {
			columns = append(columns, c)
		}
	}
	if len(columns) == 0 {
		return
	}
	head := []string{""}
	for _, c := range columns {
		h := c.Head
		if c.Unit != "" {
			h += ", " + c.Unit
		}
		head = append(head, h)
	}
	rows := [][]string{head}
	for i := range r.Subjects {
		s := &r.Subjects[i]
		row := []string{short(s.Name, longestName)}
		for _, c := range columns {
			x := c.of(s)
			switch {
			case x.Text == "":
				x.Text = "-"
			case x.Range != "":
				x.Text += " (" + x.Range + ")"
			}
			row = append(row, x.Text)
		}
		rows = append(rows, row)
	}
	t.printf("\n")
	t.table(rows)
}

func (t *text) stages(s *Subject) {
	if len(s.Stages) == 0 {
		return
	}
	rows := [][]string{{"stages of " + short(s.Name, longestName) + ", ms", "mean", "p50", "p99"}}
	for _, x := range s.Stages {
		rows = append(rows, []string{"  " + short(x.Name, longestName), millis(x.Mean), millis(x.P50), millis(x.P99)})
	}
	t.printf("\n")
	t.table(rows)
}

// table writes rows with the first column to the left and all others to the right.
func (t *text) table(rows [][]string) {
	if t.err != nil {
		return
	}
	first := 0
	for _, row := range rows {
		first = max(first, utf8.RuneCountInString(row[0]))
	}
	w := tabwriter.NewWriter(t.w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range rows {
		name := row[0] + strings.Repeat(" ", first-utf8.RuneCountInString(row[0]))
		if _, t.err = fmt.Fprintf(w, "  %s\t%s\t\n", name, strings.Join(row[1:], "\t")); t.err != nil {
			return
		}
	}
	t.err = w.Flush()
}

// subject is what of one does not fit in a table.
func (t *text) subject(s *Subject) {
	var lines []string
	for _, n := range s.Networks {
		lines = append(lines, n.Task+": "+n.line())
	}
	if s.Why != "" {
		lines = append(lines, string(s.Verdict)+": "+s.Why)
	}
	if o := s.Outcomes; o.Produced > 0 {
		lines = append(lines, fmt.Sprintf("%s: %s on time, %s late, %s dropped, %s failed; %d to warm up before", plural(o.Produced, "frame"), count(o.OnTime), count(o.Late), count(o.Dropped), count(o.Failed), s.Warmup))
	}
	for _, c := range s.Causes {
		lines = append(lines, c.line())
	}
	lines = append(lines, s.Notes...)
	if len(lines) == 0 {
		return
	}
	t.printf("  %s\n", short(s.Name, longestName))
	for _, l := range lines {
		t.printf("    %s\n", l)
	}
}
