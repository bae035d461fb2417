package report

import (
	"fmt"
	"io"
	"strings"
)

// Markdown writes the result for a page or a comment on GitHub.
func Markdown(w io.Writer, r *Result) error {
	m := &markdown{text{w: w}}
	m.write(shown(r))
	return m.err
}

type markdown struct{ text }

// escaped is text that stays text: no markup, no link, no mention of anyone.
func escaped(s string) string {
	return strings.NewReplacer(
		`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "#", `\#`, "!", `\!`, "|", `\|`, "~", `\~`, "$", `\$`,
		"&", "&amp;", "<", "&lt;", ">", "&gt;", "@", "&#64;", "://", "&#58;//", "www.", `www\.`, "WWW.", `WWW\.`,
	).Replace(s)
}

func (m *markdown) row(cells ...string) {
	m.printf("| %s |\n", strings.Join(cells, " | "))
}

func (m *markdown) item(kind, what string) {
	if what != "" {
		m.printf("- %s: %s\n", kind, escaped(what))
	}
}

func (m *markdown) write(r *Result) {
	m.printf("## Bench: %s\n\n", escaped(strings.ToLower(r.verdictWord())))
	if why := r.why(); why != "" {
		m.printf("%s\n\n", escaped(why))
	}
	m.item("Goal", r.goal())
	m.item("Seen", r.evidence())
	m.item("Scenario", r.Scenario.line())
	m.comparison(r)
	if len(r.Subjects) > 0 {
		m.stages(&r.Subjects[0])
	}
	m.printf("\n")
	for i := range r.Subjects {
		s := &r.Subjects[i]
		for _, n := range s.Networks {
			m.item("Network of "+escaped(s.Name), n.line())
		}
		for _, c := range s.Causes {
			m.item("Lost by "+escaped(s.Name), c.line())
		}
		for _, n := range s.Notes {
			m.item("Note on "+escaped(s.Name), n)
		}
	}
	m.item("Machine", r.Machine.String())
	m.item("Program", program(r.Machine))
	m.item("Noise", noiseLine(r.Noise))
	m.item("Run", fmt.Sprintf("%.1f s, seed %d", r.Elapsed, r.Seed))
	for _, x := range r.Warnings {
		m.item("**Warning**", x)
	}
}

func (m *markdown) comparison(r *Result) {
	columns := comparison(r)
	if len(r.Subjects) == 0 || len(columns) == 0 {
		return
	}
	head, line := []string{""}, []string{"---"}
	for _, c := range columns {
		h := c.Head
		if c.Unit != "" {
			h += ", " + c.Unit
		}
		head, line = append(head, h), append(line, "---:")
	}
	m.printf("\n")
	m.row(head...)
	m.row(line...)
	for i := range r.Subjects {
		s := &r.Subjects[i]
		row := []string{escaped(short(s.Name, longestName))}
		for _, c := range columns {
			x := c.of(s)
			text := escaped(x.Text)
			if x.Range != "" {
				text += " <sub>" + x.Range + "</sub>"
			}
			row = append(row, text)
		}
		m.row(row...)
	}
}

func (m *markdown) stages(s *Subject) {
	if len(s.Stages) == 0 {
		return
	}
	m.printf("\n")
	m.row("stages of "+escaped(short(s.Name, longestName))+", ms", "mean", "p50", "p99")
	m.row("---", "---:", "---:", "---:")
	for _, x := range s.Stages {
		m.row(escaped(short(x.Name, longestName)), millis(x.Mean), millis(x.P50), millis(x.P99))
	}
}
