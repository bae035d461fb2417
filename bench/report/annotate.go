package report

import (
	"io"
	"strings"

	"dashline/internal/plain"
)

// Annotate writes checks as GitHub's workflow commands, of which it makes notes on
// a pull request
// (https://docs.github.com/actions/reference/workflow-commands-for-github-actions):
// an error for fail and worse, a warning for what could not be judged, a notice for
// better, and nothing for pass and same.
func Annotate(w io.Writer, checks []Check) error {
	t := &text{w: w}
	for _, c := range checks {
		command := ""
		switch {
		case c.bad():
			command = "error"
		case c.unknown():
			command = "warning"
		case c.Verdict == Better:
			command = "notice"
		default:
			continue
		}
		title := c.Name
		if c.Class != "" {
			title = c.Class + ": " + c.Name
		}
		message := c.Message
		if strings.TrimSpace(message) == "" { // GitHub shows none that is empty
			message = string(c.Verdict)
		}
		t.printf("::%s title=%s::%s\n", command, property(title), data(message))
	}
	return t.err
}

// data is text as a command's message: line ends would end the command.
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(plain.Lines(s))
}

// property is text as a command's property: colons and commas would end it.
func property(s string) string {
	return strings.NewReplacer("%", "%25", ":", "%3A", ",", "%2C").Replace(plain.Line(s))
}
