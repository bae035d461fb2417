package ladder

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dashline/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// The shipped networks as a ladder: both stay, the full one is the more accurate, the
// tiny one the faster, and an engine that does not run them is named.
func TestShippedNetworks(t *testing.T) {
	root, err := filepath.Abs(testkit.Root())
	if err != nil {
		t.Fatal(err)
	}
	drive := filepath.Join(root, "testdata/drives/cut-in.mp4")
	study, err := Run(t.Context(), []Candidate{
		{Name: "full", Network: described(t, root, "dashline-full"), MACs: 2e9, FileBytes: 15e6},
		{Name: "tiny", Network: described(t, root, "dashline-tiny"), MACs: 1e9, FileBytes: 5e6},
	}, Options{
		Dir: root, Pictures: []string{drive}, Validate: []string{drive}, Every: 30, Labelled: true,
		Stills: 2, Rounds: 5, Deadline: time.Hour, Seed: 1, Engines: []string{"opencv", "ort", "abacus"},
	})
	if err != nil {
		t.Fatal(err)
	}
	rungs := study.Ladder.Rungs
	if n := len(rungs); n < 2 || !strings.HasPrefix(rungs[0].Name, "full-") || !strings.HasPrefix(rungs[n-1].Name, "tiny-") || study.Largest != rungs[0].Name {
		t.Errorf("rungs %+v, largest %q", study.Ladder.Rungs, study.Largest)
	}
	if len(study.Refused) != 2 || !strings.Contains(study.Refused["full on abacus"], "unknown engine") {
		t.Errorf("refused %v", study.Refused)
	}
	for _, r := range study.Rows {
		if r.Accuracy < .3 || r.Accuracy > 1 || r.Agreement <= 0 || (r.Candidate == "full") != (r.Agreement == 1) {
			t.Errorf("row %+v", r)
		}
	}
	var page strings.Builder
	if err := study.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"full-opencv", "tiny-opencv", "full-ort", "tiny-ort", "the largest rung that makes it", "<polyline", "What did not run"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
}

// described is a shipped network's description with a path, below root.
func described(t *testing.T, root, name string) string {
	t.Helper()
	return filepath.Join(root, "model/catalog/networks", name+".yaml")
}

// times of a contestant: rounds of one picture each.
func contest(ms ...int) *contestant {
	c := &contestant{}
	for _, m := range ms {
		c.times = append(c.times, []time.Duration{time.Duration(m) * time.Millisecond})
	}
	return c
}

func TestSurelyFaster(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b *contestant
		want bool
	}{
		{"clearly", contest(5, 5, 6, 5, 5, 6), contest(9, 9, 8, 9, 9, 9), true},
		{"equal", contest(5, 5, 5, 5, 5, 5), contest(5, 5, 5, 5, 5, 5), false},
		{"by chance", contest(5, 9, 5, 9, 5, 9, 5), contest(9, 5, 9, 5, 9, 5, 9), false},
		{"slower", contest(9, 9, 9, 9, 9), contest(5, 5, 5, 5, 5), false},
		{"both disturbed at once", contest(5, 5, 50, 5, 5, 50, 5, 5), contest(9, 9, 90, 9, 9, 90, 9, 9), true},
	} {
		if got := surelyFaster(c.a, c.b, 1); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestQuantile(t *testing.T) {
	c := contest(5, 1, 4, 2, 3)
	for q, want := range map[float64]int{0: 1, .5: 3, .99: 5, 1: 5} {
		if got := c.quantile(q); got != time.Duration(want)*time.Millisecond {
			t.Errorf("%v: %v, want %d ms", q, got, want)
		}
	}
}
