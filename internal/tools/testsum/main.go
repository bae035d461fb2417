// Testsum reads what `go test -json` writes, from one run or several one after
// another, and prints it for people: a line a package, failures in full, why
// tests were skipped, and at last one line "N passed, N failed, N skipped".
//
// Invariants:
//   - Every test and subtest that ended is counted once a run.
//   - A package that failed without a failing test (it did not build, leaked, or
//     crashed) counts as one failure and its output is shown.
//   - Lines that are not JSON are passed on, so that nothing a run said is lost.
//   - The exit code is 1 when anything failed or nothing ran, else 0.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"time"
)

func main() {
	sum, err := summarize(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
	sum.print(os.Stdout)
	if sum.failed > 0 || sum.passed == 0 {
		os.Exit(1)
	}
}

// event is one line of go test -json; see `go doc test2json`.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output, in place of Package
	Test        string
	Output      string
	Elapsed     float64
	FailedBuild string
}

// running is a package whose tests have not all ended.
type running struct {
	output  map[string][]string // by test, "" for the package's own
	unended map[string]bool
	passed  int
	failed  int
	skipped int
}

type summary struct {
	passed, failed, skipped int
	reasons                 map[string]int // why tests were skipped
	began                   time.Time
}

func summarize(in io.Reader, out io.Writer) (*summary, error) {
	sum := &summary{reasons: map[string]int{}, began: time.Now()}
	packages := map[string]*running{}
	builds := map[string][]string{}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
				fmt.Fprint(out, line)
			} else {
				sum.take(e, packages, builds, out)
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the test run: %w", err)
		}
	}
	// A run that was cut off leaves packages open: that is a failure too.
	for _, name := range sortedKeys(packages) {
		fmt.Fprintf(out, "FAIL %s: the run ended before this package did\n", name)
		packages[name].show(out, true)
		sum.add(packages[name])
		sum.failed++
	}
	return sum, nil
}

func (s *summary) take(e event, packages map[string]*running, builds map[string][]string, out io.Writer) {
	switch e.Action {
	case "build-output":
		builds[e.ImportPath] = append(builds[e.ImportPath], e.Output)
		return
	case "build-fail":
		return // the package that needed it fails with FailedBuild
	}
	if e.Package == "" {
		return
	}
	p := packages[e.Package]
	if p == nil {
		p = &running{output: map[string][]string{}, unended: map[string]bool{}}
		packages[e.Package] = p
	}
	switch e.Action {
	case "run":
		p.unended[e.Test] = true
	case "output":
		p.output[e.Test] = append(p.output[e.Test], e.Output)
	case "pass", "fail", "skip":
		if e.Test != "" {
			s.end(e, p)
			return
		}
		delete(packages, e.Package)
		s.endPackage(e, p, builds[e.FailedBuild], out)
	}
}

// end counts one test and keeps the output of failing ones alone.
func (s *summary) end(e event, p *running) {
	delete(p.unended, e.Test)
	switch e.Action {
	case "pass":
		p.passed++
		delete(p.output, e.Test)
	case "skip":
		p.skipped++
		s.reasons[reason(p.output[e.Test])]++
		delete(p.output, e.Test)
	case "fail":
		p.failed++
	}
}

func (s *summary) endPackage(e event, p *running, build []string, out io.Writer) {
	switch {
	case e.Action == "fail":
		if p.failed == 0 || len(p.unended) > 0 {
			p.failed++
		}
		fmt.Fprintf(out, "FAIL %s (%.1f s)\n", e.Package, e.Elapsed)
		for _, l := range build {
			fmt.Fprint(out, "    ", l)
		}
		p.show(out, true)
	case p.passed+p.skipped > 0:
		fmt.Fprintf(out, "ok   %-40s %4d passed %6.1f s\n", e.Package, p.passed, e.Elapsed)
		p.show(out, false)
	}
	s.add(p)
}

func (s *summary) add(p *running) {
	s.passed += p.passed
	s.failed += p.failed
	s.skipped += p.skipped
}

// show prints the output of what failed. Of a passing package it shows the
// results of benchmarks alone; go test's own frame around tests is left out.
func (p *running) show(out io.Writer, failed bool) {
	for _, test := range sortedKeys(p.output) {
		for _, l := range p.output[test] {
			frame := strings.HasPrefix(l, "=== ") || l == "FAIL\n" || strings.HasPrefix(l, "FAIL\t")
			if failed && !frame || strings.HasPrefix(l, "Benchmark") {
				fmt.Fprint(out, "    ", l)
			}
		}
	}
}

func (s *summary) print(out io.Writer) {
	if len(s.reasons) > 0 {
		fmt.Fprintln(out, "\nskipped:")
		for _, r := range sortedKeys(s.reasons) {
			fmt.Fprintf(out, "  %d x %s\n", s.reasons[r], r)
		}
	}
	fmt.Fprintf(out, "\ntests took %s\n", time.Since(s.began).Round(time.Second))
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
}

// reason is what a skipped test said: its last line that is not go test's own.
func reason(output []string) string {
	for i := len(output) - 1; i >= 0; i-- {
		l := strings.TrimSpace(output[i])
		if l == "" || strings.HasPrefix(l, "---") || strings.HasPrefix(l, "===") {
			continue
		}
		// file_test.go:12: reason
		if _, after, ok := strings.Cut(l, ".go:"); ok {
			if _, said, ok := strings.Cut(after, ": "); ok {
				return said
			}
		}
		return l
	}
	return "no reason given"
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
