package ladder

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dashline/infer/ort"
	"dashline/internal/netfile"
	"dashline/internal/testkit"
	"dashline/model"
)

// Baselines are of the size of the whole network, smaller only after gzip, with as
// much to do; the network itself stays as it is.
func TestMakeSparse(t *testing.T) {
	n := tiny(t)
	all, err := Make(t.Context(), n, nil, MakeOptions{Dir: t.TempDir(), Sparse: []float64{.5, .8}, Progress: quiet})
	if err != nil || !slices.Equal(names(all), []string{"full", "sparse-50", "sparse-80"}) {
		t.Fatalf("%v, %v", names(all), err)
	}
	full := all[0]
	if full.Baseline || full.Zipped <= 0 || full.Zipped > full.FileBytes || sparsity(n.Graph) > .01 {
		t.Errorf("%+v, its weights are zero to %g", full, sparsity(n.Graph))
	}
	for i, c := range all[1:] {
		part := []float64{.5, .8}[i]
		if !c.Baseline || c.FileBytes != full.FileBytes || c.MACs != full.MACs || float64(c.Zipped) > (1.15-part)*float64(full.Zipped) {
			t.Errorf("%+v, the full network %+v", c, full)
		}
		d, err := netfile.Detector(c.Network)
		if err != nil {
			t.Fatal(err)
		}
		if got := sparsity(d.Graph); math.Abs(got-part) > .01 || !strings.Contains(d.Described.Summary, "baseline") {
			t.Errorf("%s: sparsity %g, %s", c.Name, got, d.Described.Summary)
		}
	}
	if _, err := Make(t.Context(), n, nil, MakeOptions{Dir: t.TempDir(), Sparse: []float64{1.5}, Progress: quiet}); err == nil {
		t.Error("a sparsity of 1.5 was taken")
	}
}

// sparsity is the part of the weights that is zero.
func sparsity(g *model.Graph) float64 {
	zeros, n := 0, 0
	for i := range g.Layers {
		for part := range model.Weights(g.Layers[i].Op) {
			if part.Name != "weight" {
				continue
			}
			n += len(part.Values)
			for _, w := range part.Values {
				if w == 0 {
					zeros++
				}
			}
		}
	}
	return float64(zeros) / float64(n)
}

// A baseline is no rung and leaves nothing out, were it the best of all.
func TestBaselinesAreNoRungs(t *testing.T) {
	dir := t.TempDir()
	candidate := func(name string, baseline bool) Candidate {
		return Candidate{Name: name, Network: filepath.Join(dir, name+".yaml"), Baseline: baseline}
	}
	all := []Candidate{candidate("full", false), candidate("fast", true), candidate("slow", true), candidate("small", false)}
	worth := []value{{accuracy: .5, agreement: 1}, {accuracy: .9}, {accuracy: .4}, {accuracy: .3}}
	on := func(candidate int, engine string, ms ...int) *contestant {
		c := contest(ms...)
		c.candidate, c.engine = candidate, engine
		return c
	}
	open := []*contestant{
		on(0, "opencv", 20, 20, 20, 20, 20, 20), on(0, "ort", 10, 10, 10, 10, 10, 10), on(1, "ort", 1, 1, 1, 1, 1, 1),
		on(2, "ort", 10, 10, 10, 10, 10, 10), on(3, "ort", 5, 5, 5, 5, 5, 5),
	}
	s, err := conclude(all, worth, open, nil, Options{Dir: dir, Threads: 1, Deadline: time.Second, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	var rungs []string
	for _, r := range s.Ladder.Rungs {
		rungs = append(rungs, r.Name)
	}
	if !slices.Equal(rungs, []string{"full-ort", "small-ort"}) || len(s.Rows) != 3 || s.Largest != "full-ort" || strings.Contains(s.Ladder.Text(), "fast") {
		t.Errorf("rungs %v, %d rows, the largest is %s", rungs, len(s.Rows), s.Largest)
	}
	for i, want := range []string{"faster than full-ort", "no faster than full-ort"} {
		if b := s.Baselines[i]; b.Verdict() != want || b.Kept || b.Ratio != []float64{.05, .5}[i] || b.Accuracy != worth[i+1].accuracy {
			t.Errorf("%+v: %s, want %s", b, b.Verdict(), want)
		}
	}
	if w := s.Whole(); len(w) != 1 || w[0].Name != "full-ort" {
		t.Errorf("held against %+v", w)
	}
	if b := held(Row{}, on(1, "other", 1), open, "full", 1); b.Than != "" || b.Verdict() != "nothing to hold it against" {
		t.Errorf("%+v", b)
	}
	if _, err := Run(t.Context(), all[1:], Options{}); err == nil || !strings.Contains(err.Error(), "no baseline") {
		t.Errorf("a baseline as the first: %v", err)
	}
}

// In a study each is measured once, on the last engine there is, and the page has it
// apart from the rungs.
func TestBaselinesInAStudy(t *testing.T) {
	n, dir := tiny(t), t.TempDir()
	all, err := Make(t.Context(), n, nil, MakeOptions{Dir: dir, Sparse: []float64{.5}, Progress: quiet})
	if err != nil {
		t.Fatal(err)
	}
	drive := filepath.Join(testkit.Root(), "testdata/drives/cut-in.mp4")
	s, err := Run(t.Context(), all, Options{Dir: dir, Threads: 1, Pictures: []string{drive}, Validate: []string{drive}, Every: 60, Stills: 2, Rounds: 5, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	engine := "ort"
	if _, err := ort.Library(); errors.Is(err, ort.ErrNoLibrary) {
		engine = "opencv"
	}
	if len(s.Baselines) != 1 || s.Baselines[0].Name != "sparse-50-"+engine || s.Baselines[0].Than != "full-"+engine {
		t.Fatalf("%+v", s.Baselines)
	}
	b := s.Baselines[0]
	if b.P50MS <= 0 || b.P99MS < b.P50MS || b.Agreement <= 0 || b.Agreement >= 1 || b.Zipped >= all[0].Zipped || b.FileBytes != all[0].FileBytes {
		t.Errorf("%+v", b)
	}
	for _, r := range s.Rows {
		if r.Candidate != "full" || r.Zipped != all[0].Zipped {
			t.Errorf("%+v", r)
		}
	}
	var page strings.Builder
	if err := s.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	top, bottom, found := strings.Cut(page.String(), "<h2>Baseline: single weights set to zero</h2>")
	if !found || strings.Contains(top, "sparse-50") || !strings.Contains(bottom, "sparse-50-"+engine) || !strings.Contains(bottom, b.Verdict()) ||
		!strings.Contains(bottom, "the smallest 50 % of the weights") {
		t.Error("the page does not have it apart")
	}
}
