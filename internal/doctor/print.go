package doctor

import (
	"fmt"
	"io"
	"strings"
)

// Marks are what stands before each check.
type Marks struct{ Good, Note, Missing string }

// The marks for a terminal, with colour, and for everything else.
var (
	Terminal = Marks{"\x1b[32m✓\x1b[0m", "\x1b[33m!\x1b[0m", "\x1b[31m✗\x1b[0m"}
	Plain    = Marks{"ok  ", "note", "MISS"}
)

// Print writes the report for people, each mend on the line of what it mends.
func (r Report) Print(w io.Writer, m Marks) error {
	mark := map[State]string{Good: m.Good, Note: m.Note, Missing: m.Missing}
	var b strings.Builder
	missing := 0
	for i, g := range r.Groups {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s\n", g.Name)
		for _, c := range g.Checks {
			fmt.Fprintf(&b, "  %s %-14s %s", mark[c.State], c.Name, c.Says)
			if c.Mend != "" {
				fmt.Fprintf(&b, "; %s", c.Mend)
			}
			b.WriteByte('\n')
			if c.State == Missing {
				missing++
			}
		}
	}
	if missing == 0 {
		b.WriteString("\nready: all that is needed is there\n")
	} else {
		fmt.Fprintf(&b, "\nnot ready: %d needed thing(s) missing, see above\n", missing)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
