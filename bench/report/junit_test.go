package report

import (
	"encoding/xml"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"dashline/internal/plain"
)

func madeChecks() []Check {
	return []Check{
		{"age p99.9", "dashline-full", Worse, "84.1 ms, was 79.9: 5.3 % more (4.1 % – 6.5 %)\nslower: forward"},
		{"cpu", "dashline-full", Same, "137.3 ms a frame, was 137.1"},
		{"allocations", "dashline-full", Better, "111 a frame, was 112"},
		{"peak memory", "dashline-full", Inconclusive, "the margin is 1 %, and the interval is 3 % wide"},
		{"miss rate", "tiny", Pass, ""},
		{"deadline", "tiny", Fail, ""},
		{nasty, nasty, Fail, nasty},
		{"name,title=x::error::y\n::error::z", "100%0A", "no verdict", "50 %\r\n::warning::x %0A"},
	}
}

func TestJUnit(t *testing.T) {
	var b strings.Builder
	if err := JUnit(&b, "dashline bench gate", 12.3456, madeChecks()); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "checks.xml"), b.String())
}

func TestAnnotate(t *testing.T) {
	var b strings.Builder
	if err := Annotate(&b, madeChecks()); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "checks.annotations"), b.String())
}

func drawChecks(t *rapid.T) []Check {
	words := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{nasty, "]]>", "a\n::error::b", "%0A,:", "\xff\x00"}))
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Check {
		return Check{words.Draw(t, "name"), words.Draw(t, "class"), Verdict(rapid.SampledFrom([]string{"pass", "fail", "better", "same", "worse", "inconclusive", "", "]]>"}).Draw(t, "verdict")), words.Draw(t, "message")}
	}), 0, 6).Draw(t, "checks")
}

// TestJUnitIsReadAsItWasWritten: whatever texts hold, the XML is well-formed, counts
// right, and its texts are those that went in, made fit to be shown.
func TestJUnitIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checks := drawChecks(t)
		var b strings.Builder
		if err := JUnit(&b, nasty, 1, checks); err != nil {
			t.Fatal(err)
		}
		var read junitSuites
		if err := xml.Unmarshal([]byte(b.String()), &read); err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		suite := read.Suites[0]
		failures, skipped := 0, 0
		for i, c := range suite.Cases {
			of := checks[i]
			if c.Name != plain.Line(of.Name) || c.Class != plain.Line(of.Class) {
				t.Errorf("%q is read as %q of %q", of, c.Name, c.Class)
			}
			if (c.Failure != nil) != (of.Verdict == Fail || of.Verdict == Worse) {
				t.Errorf("%q: failure %v", of, c.Failure)
			}
			if c.Failure != nil {
				failures++
				if c.Failure.Text != plain.Lines(of.Message) {
					t.Errorf("%q is read as %q", of.Message, c.Failure.Text)
				}
			}
			if c.Skipped != nil {
				skipped++
			}
		}
		if len(suite.Cases) != len(checks) || suite.Tests != len(checks) || suite.Failures != failures || suite.Skipped != skipped || read.Failures != failures {
			t.Errorf("counts of %+v", suite)
		}
	})
}

// TestAnnotationsAreOneCommandEach: whatever texts hold, each line is one command,
// and is read back as GitHub's runner does.
func TestAnnotationsAreOneCommandEach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checks := drawChecks(t)
		var b strings.Builder
		if err := Annotate(&b, checks); err != nil {
			t.Fatal(err)
		}
		var noted []Check
		for _, c := range checks {
			if c.Verdict != Pass && c.Verdict != Same {
				noted = append(noted, c)
			}
		}
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		if len(noted) == 0 {
			lines = nil
		}
		if len(lines) != len(noted) || (len(noted) == 0) != (b.String() == "") {
			t.Fatalf("%d lines of %d checks:\n%s", len(lines), len(noted), b.String())
		}
		for i, l := range lines {
			head, message, ok := strings.Cut(strings.TrimPrefix(l, "::"), "::")
			command, title, ok2 := strings.Cut(head, " title=")
			if !ok || !ok2 || (command != "error" && command != "warning" && command != "notice") || strings.ContainsAny(title, ",:") {
				t.Fatalf("%q", l)
			}
			message, err := url.PathUnescape(message)
			if err != nil {
				t.Fatal(err)
			}
			if want := plain.Lines(noted[i].Message); strings.TrimSpace(noted[i].Message) != "" && message != want {
				t.Errorf("%q is read as %q", want, message)
			}
		}
	})
}
