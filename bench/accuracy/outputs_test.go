package accuracy

import (
	"slices"
	"strings"
	"testing"

	"dashline/internal/testkit/tinynet"
	"dashline/model/exec"
)

// Outputs held against themselves lose nothing, those that say nothing all; where
// nothing is found there is nothing to lose.
func TestDrop(t *testing.T) {
	g, d := tinynet.Graph(1), tinynet.Describe("net")
	r, err := exec.New(g)
	if err != nil {
		t.Fatal(err)
	}
	var all, silent [][][]float32
	for _, x := range tinynet.Inputs(4) {
		out, err := r.Run(&exec.Scratch{}, [][]float32{x}, nil)
		if err != nil {
			t.Fatal(err)
		}
		all, silent = append(all, [][]float32{slices.Clone(out[0])}), append(silent, [][]float32{make([]float32, len(out[0]))})
	}
	for _, c := range []struct {
		name string
		have [][][]float32
		want float64
	}{{"itself", all, 0}, {"silence", silent, 100}} {
		if points, err := Drop(&d, g, all, c.have); err != nil || points < c.want-.01 || points > c.want+.01 {
			t.Errorf("%s: %g points, %v; want %g", c.name, points, err, c.want)
		}
	}
	if _, err := Drop(&d, g, silent, all); err == nil || !strings.Contains(err.Error(), "network net finds nothing") {
		t.Errorf("nothing to lose: %v", err)
	}
	if _, err := Drop(&d, g, all, all[:1]); err == nil {
		t.Error("fewer pictures were taken")
	}
}
