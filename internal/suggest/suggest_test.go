package suggest

import (
	"testing"

	"pgregory.net/rapid"
)

func TestNearest(t *testing.T) {
	known := []string{"network", "engine", "backend", "require", "threads"}
	for _, c := range []struct{ word, want string }{
		{"netwrok", "network"},
		{"NETWORK", "network"},
		{"engin", "engine"},
		{"backends", "backend"},
		{"colour", ""},
		{"", ""},
		{string(make([]byte, 1000)), ""},
	} {
		if got := Nearest(c.word, known); got != c.want {
			t.Errorf("Nearest(%q) = %q, want %q", c.word, got, c.want)
		}
	}
}

func TestDistanceIsAMetricOnWords(t *testing.T) {
	word := rapid.StringMatching(`[abc]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := distance(a, b)
		if d != distance(b, a) {
			t.Fatalf("distance(%q, %q) is not symmetric", a, b)
		}
		if (d == 0) != (a == b) {
			t.Fatalf("distance(%q, %q) = %d", a, b, d)
		}
		if d > max(len(a), len(b)) {
			t.Fatalf("distance(%q, %q) = %d is more than the longer word", a, b, d)
		}
	})
}
