package layout

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestCompare(t *testing.T) {
	want := []string{"", "0.jpg", "00.jpg", "01.jpg", "1.jpg", "2.jpg", "10.jpg", "10.png", "99999999999999999999.jpg", "100000000000000000000.jpg",
		"a-2-9b.png", "a-2-10.png", "a-10-1.png", "a2b3", "a2b10", "b", "é1", "é2"}
	for seed := range 20 {
		got := slices.Clone(want)
		for i := range got {
			j := (i*7 + seed*13) % len(got)
			got[i], got[j] = got[j], got[i]
		}
		slices.SortFunc(got, Compare)
		if !slices.Equal(got, want) {
			t.Fatalf("got %q", got)
		}
	}
}

// Whatever the names, there is one order of them.
func TestCompareIsAnOrder(t *testing.T) {
	name := rapid.StringOfN(rapid.SampledFrom([]rune("0019a.-")), 0, 6, -1)
	rapid.Check(t, func(rt *rapid.T) {
		a, b, c := name.Draw(rt, "a"), name.Draw(rt, "b"), name.Draw(rt, "c")
		if Compare(a, b) != -Compare(b, a) || (Compare(a, b) == 0) != (a == b) {
			rt.Fatalf("%q and %q: %d, %d", a, b, Compare(a, b), Compare(b, a))
		}
		if Compare(a, b) < 0 && Compare(b, c) < 0 && Compare(a, c) >= 0 {
			rt.Fatalf("%q < %q < %q, but not the first and the last", a, b, c)
		}
	})
}
