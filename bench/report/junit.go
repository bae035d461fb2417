package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"dashline/internal/plain"
)

// The verdicts of a figure beside its base. Same is within a margin, and not just
// no difference that was seen.
const (
	Better Verdict = "better"
	Same   Verdict = "same"
	Worse  Verdict = "worse"
)

// Check is one thing that was judged.
type Check struct {
	Name    string // what was judged: "age p99.9", say
	Class   string // of what: the subject, or the stage
	Verdict Verdict
	Message string // in words, with the figures; may have lines
}

// bad says whether the check is to stop a change.
func (c Check) bad() bool { return c.Verdict == Fail || c.Verdict == Worse }

// unknown says whether it could not be judged: any verdict but those that are
// known is none.
func (c Check) unknown() bool {
	switch c.Verdict {
	case Pass, Better, Same, Fail, Worse:
		return false
	}
	return true
}

// junitSuites and below are JUnit's XML as CI systems read it: no standard says
// what it is, and https://github.com/testmoapp/junitxml collects what they take.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string       `xml:"name,attr"`
	Class   string       `xml:"classname,attr"`
	Failure *junitDetail `xml:"failure"`
	Skipped *junitDetail `xml:"skipped"`
	Output  string       `xml:"system-out,omitempty"`
}

type junitDetail struct {
	Message string `xml:"message,attr"` // the first line
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// JUnit writes checks as JUnit's XML: fail and worse are failures, and what could
// not be judged is skipped, for it says nothing against a change. The suite has the
// name; seconds is how long it all took.
func JUnit(w io.Writer, name string, seconds float64, checks []Check) error {
	took := fmt.Sprintf("%.3f", seconds)
	s := junitSuite{Name: plain.Line(name), Tests: len(checks), Time: took}
	for _, c := range checks {
		text := plain.Lines(c.Message)
		first, _, _ := strings.Cut(text, "\n")
		detail := &junitDetail{Message: first, Type: plain.Line(string(c.Verdict)), Text: text}
		one := junitCase{Name: plain.Line(c.Name), Class: plain.Line(c.Class)}
		switch {
		case c.bad():
			one.Failure = detail
			s.Failures++
		case c.unknown():
			detail.Type = ""
			one.Skipped = detail
			s.Skipped++
		default:
			one.Output = strings.TrimSpace(string(c.Verdict) + ": " + text)
		}
		s.Cases = append(s.Cases, one)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	all := junitSuites{Name: s.Name, Tests: s.Tests, Failures: s.Failures, Skipped: s.Skipped, Time: took, Suites: []junitSuite{s}}
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
