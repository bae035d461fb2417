package modelcmd

import (
	"fmt"
	"strings"
	"testing"
)

// Layers that cost something and have no room are not counted among those that
// cost next to nothing.
func TestSVGSaysWhatItLeavesOut(t *testing.T) {
	for _, c := range []struct {
		costly, free int
		want         string
		drawn        int
	}{
		{3, 0, ">from the first layer to the last<", 3},
		{400, 2, "; 2 that cost next to nothing are left out<", 400},
		{407, 2, "; 2 that cost next to nothing are left out; the last 7 that cost something are not drawn either, for want of room<", 400},
		{407, 0, "the last; the last 7 that cost something are not drawn either, for want of room<", 400},
	} {
		var r Report
		for i := range c.costly + c.free {
			l := Layer{Index: i, Name: fmt.Sprint("layer", i)}
			if i < c.costly {
				l.Parameters, l.FLOPs = 100, 100
			}
			r.Layers = append(r.Layers, l)
		}
		var b strings.Builder
		if err := r.SVG(&b); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(b.String(), ">layer"); got != c.drawn || !strings.Contains(b.String(), c.want) {
			t.Errorf("%d and %d layers: %d drawn, want %d and %q in %.900s", c.costly, c.free, got, c.drawn, c.want, b.String())
		}
	}
}
