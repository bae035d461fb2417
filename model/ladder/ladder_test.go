package ladder

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func rung(name string, accuracy float64, p50 float64) Rung {
	return Rung{Name: name, Network: name + ".yaml", Engine: "ort", P50MS: p50, P99MS: 2 * p50, Accuracy: accuracy, Interval: []float64{accuracy, accuracy}}
}

func ladder() *Ladder {
	return &Ladder{
		Network: "it", DeadlineMS: 50.5, Machine: "2 cores, \"AVX2\"", Threads: 2, Accuracy: "ap50",
		Rungs: []Rung{rung("full", .9, 30), rung("half", .8, 20), rung("small", .8, 1.501)},
	}
}

func TestTextLoads(t *testing.T) {
	want := ladder()
	want.Rungs[0].Parameters, want.Rungs[0].FileBytes, want.Rungs[0].MACs, want.Rungs[0].Resident, want.Rungs[1].Interval = 1, 2, 3, 4, nil
	file := filepath.Join(t.TempDir(), "ladder.yaml")
	if err := os.WriteFile(file, []byte(want.Text()), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	if n := strings.Count(want.Text(), "resident_bytes"); n != 1 {
		t.Errorf("memory of %d rungs is written, of one it is known", n)
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*Ladder)
		want string
	}{
		{"none", func(l *Ladder) { l.Rungs = nil }, "there is none"},
		{"two of a name", func(l *Ladder) { l.Rungs[1].Name = "full" }, "no name of its own"},
		{"outside", func(l *Ladder) { l.Rungs[1].Network = "../x.yaml" }, "relative path"},
		{"slower", func(l *Ladder) { l.Rungs[1].P50MS, l.Rungs[1].P99MS = 1e6, 2e6 }, "more accurate or no faster than full"},
		{"more accurate", func(l *Ladder) { l.Rungs[1].Accuracy = .95 }, "more accurate or no faster than full"},
		{"no time", func(l *Ladder) { l.Rungs[0].P50MS = 0 }, "not quantiles"},
		{"a day", func(l *Ladder) { l.Rungs[0].P50MS, l.Rungs[0].P99MS = 864e5, 864e5 }, "p50_ms"},
		{"half an interval", func(l *Ladder) { l.Rungs[0].Interval = []float64{.5} }, "from low to high"},
		{"an interval turned", func(l *Ladder) { l.Rungs[0].Interval = []float64{.5, .4} }, "from low to high"},
		{"less than no memory", func(l *Ladder) { l.Rungs[0].Resident = -1 }, "resident_bytes"},
		{"another engine", func(l *Ladder) { l.Rungs[0].Engine = "tea" }, "engine"},
	} {
		l := ladder()
		c.edit(l)
		if err := l.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestMS(t *testing.T) {
	if got := MS(12_345_678 * time.Nanosecond); got != 12.345678 {
		t.Errorf("%v ms, want 12.345678", got)
	}
}

// What is not known is no interval from 0 to 0.
func TestBetween(t *testing.T) {
	r := rung("it", .5, 1)
	if got := r.Between(); got != "0.500 to 0.500" {
		t.Error(got)
	}
	if r.Interval = nil; r.Between() != "-" {
		t.Error(r.Between())
	}
}

func TestLargest(t *testing.T) {
	l := ladder()
	for deadline, want := range map[float64]string{1000: "full", 59: "half", 3.002: "small"} {
		if r := l.Largest(deadline); r == nil || r.Name != want {
			t.Errorf("%v ms: %+v, want %s", deadline, r, want)
		}
	}
	if r := l.Largest(1); r != nil {
		t.Errorf("a rung for 1 ms: %+v", r)
	}
}

// What is kept is in order, and each rung that is left out has one kept that is
// at least as accurate and not surely slower.
func TestClimb(t *testing.T) {
	surely := func(a, b *Rung) bool { return a.P50MS < .95*b.P50MS }
	rapid.Check(t, func(t *rapid.T) {
		var all []Rung
		for i := range rapid.IntRange(1, 12).Draw(t, "rungs") {
			all = append(all, rung(string(rune('a'+i)), float64(rapid.IntRange(0, 5).Draw(t, "accuracy"))/5, float64(rapid.IntRange(1, 40).Draw(t, "p50"))))
		}
		before := slices.Clone(all)
		kept, why := Climb(all, surely)
		if !reflect.DeepEqual(all, before) {
			t.Fatal("the candidates were changed")
		}
		if len(kept)+len(why) != len(all) {
			t.Fatalf("%d kept and %d left out of %d", len(kept), len(why), len(all))
		}
		l := Ladder{Network: "it", Machine: "m", Threads: 1, Accuracy: "ap50", Rungs: kept}
		if err := l.Validate(); err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			over, out := why[r.Name]
			if !out {
				continue
			}
			i := slices.IndexFunc(kept, func(k Rung) bool { return k.Name == over })
			if i < 0 || kept[i].Accuracy < r.Accuracy || surely(&r, &kept[i]) {
				t.Fatalf("%s is left out for %s", r.Name, over)
			}
		}
		for i := range kept {
			for k := range i {
				if !surely(&kept[i], &kept[k]) {
					t.Fatalf("%s is not surely faster than %s", kept[i].Name, kept[k].Name)
				}
			}
		}
	})
}

// Being surely faster is not handed on: what is so of the last one kept is asked
// of all before it.
func TestClimbAsksAll(t *testing.T) {
	all := []Rung{rung("a", .9, 30), rung("b", .8, 20), rung("c", .7, 10)}
	kept, why := Climb(all, func(r, than *Rung) bool { return r.Name != "c" || than.Name != "a" })
	if len(kept) != 2 || why["c"] != "a" {
		t.Errorf("%d kept, %v; want a and b, and c left out for a", len(kept), why)
	}
}
