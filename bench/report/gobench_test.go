package report

import (
	"maps"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// benchFile is what a reader of the Go benchmark format takes of a text, by the
// rules of https://golang.org/design/14313-benchmark-format and, for Unit lines, of
// golang.org/x/perf/benchfmt.
type benchFile struct {
	configuration map[string]string
	units         map[string]string
	results       map[string]map[string]float64 // by name, by unit
	wrong         []string                      // lines that are nothing
}

func readBench(text string) benchFile {
	f := benchFile{map[string]string{}, map[string]string{}, map[string]map[string]float64{}, nil}
	key := regexp.MustCompile(`^([a-z][^\sA-Z:]*):[ \t]+(.*)$`)
	name := regexp.MustCompile(`^Benchmark([^a-z\s]\S*)?$`)
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if m := key.FindStringSubmatch(line); m != nil {
			f.configuration[m[1]] = m[2]
			continue
		}
		words := strings.Fields(line)
		if len(words) >= 3 && words[0] == "Unit" {
			ok := f.units[words[1]] == ""
			for _, w := range words[2:] {
				ok = ok && (w == "better=lower" || w == "better=higher" || w == "assume=exact")
			}
			if f.units[words[1]] = strings.Join(words[2:], " "); ok {
				continue
			}
		}
		if len(words) >= 4 && len(words)%2 == 0 && name.MatchString(words[0]) && f.results[words[0]] == nil {
			if n, err := strconv.Atoi(words[1]); err == nil && n > 0 {
				values := map[string]float64{}
				for i := 2; i < len(words); i += 2 {
					v, err := strconv.ParseFloat(words[i], 64)
					if _, twice := values[words[i+1]]; twice || err != nil {
						f.wrong = append(f.wrong, line)
					}
					values[words[i+1]] = v
				}
				f.results[words[0]] = values
				continue
			}
		}
		if !strings.HasPrefix(line, "# ") {
			f.wrong = append(f.wrong, line)
		}
	}
	return f
}

// TestGoBenchIsRead: by the format's rules, each line is something, each subject is
// one result, and each unit has its metadata.
func TestGoBenchIsRead(t *testing.T) {
	for name, of := range made() {
		r := of()
		f := readBench(render(t, GoBench, r))
		if len(f.wrong) > 0 || len(f.results) != len(r.Subjects) {
			t.Errorf("%s: %d results of %d subjects; not of the format: %q", name, len(f.results), len(r.Subjects), f.wrong)
		}
		for name, values := range f.results {
			if !strings.HasPrefix(name, "BenchmarkFrame/rung=") || !strings.HasSuffix(name, "-2") {
				t.Errorf("name %s", name)
			}
			for unit := range values {
				if f.units[unit] == "" {
					t.Errorf("%s: nothing is said of unit %s", name, unit)
				}
			}
		}
	}
	f := readBench(render(t, GoBench, failing()))
	full := f.results["BenchmarkFrame/rung=full-70-2"] // 70 is not of processors
	for unit, want := range map[string]float64{"forward-p50-ms": 22.54641, "file-B": 3040000, "AP50-offline": .822, "misses/frame": 0} {
		if got, ok := full[unit]; !ok || got != want {
			t.Errorf("%s is %g, want %g", unit, got, want)
		}
	}
	if f.units["frames/s"] != "better=higher" || f.units["file-B"] != "better=lower assume=exact" || f.configuration["cpu"] != "AMD EPYC 7B13" || f.configuration["goos"] != "linux" {
		t.Errorf("%v, %v", f.units, f.configuration)
	}
}

// TestGoBenchOfTwoBuildsIsCompared: benchstat puts results of another configuration
// into a table of their own, without a word.
func TestGoBenchOfTwoBuildsIsCompared(t *testing.T) {
	r := passing()
	r.Scenario.Source = "a/drive.mp4"
	old := readBench(render(t, GoBench, r))
	r.Machine.Version, r.Scenario.Source = "v9.9.9", "b/drive.mp4"
	if f := readBench(render(t, GoBench, r)); !maps.Equal(f.configuration, old.configuration) {
		t.Errorf("%v, and of the other build %v", f.configuration, old.configuration)
	}
	r.Scenario.Source = "other.mp4"
	if f := readBench(render(t, GoBench, r)); f.configuration["source"] != "other.mp4" {
		t.Errorf("the source is %q", f.configuration["source"])
	}
}

// TestGoBenchTellsSubjectsApart: names that become the same are numbered.
func TestGoBenchTellsSubjectsApart(t *testing.T) {
	r := passing()
	one := r.Subjects[0]
	for _, name := range []string{"a b", "a/b", "a_b"} {
		one.Name = name
		r.Subjects = append(r.Subjects, one)
	}
	f := readBench(render(t, GoBench, r))
	for _, want := range []string{"a_b-2", "a_b#01-2", "a_b#02-2"} {
		if f.results["BenchmarkFrame/rung="+want] == nil {
			t.Errorf("no %s", want)
		}
	}
}
