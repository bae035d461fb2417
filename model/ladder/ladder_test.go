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

func rung(name string, accuracy float64, p50 time.Duration) Rung {
	return Rung{Name: name, Network: name + ".yaml", Engine: "ort", P50: p50, P99: 2 * p50, Accuracy: accuracy, Low: accuracy, High: accuracy}
}

func ladder() *Ladder {
	return &Ladder{
		Network: "it", Deadline: 50 * time.Millisecond, Machine: "2 cores, \"AVX2\"", Threads: 2, Accuracy: "ap50",
		Rungs: []Rung{rung("full", .9, 30*time.Millisecond), rung("half", .8, 20*time.Millisecond), rung("small", .8, 1500*time.Microsecond)},
	}
}

func TestTextLoads(t *testing.T) {
	want := ladder()
	want.Rungs[0].Parameters, want.Rungs[0].FileBytes, want.Rungs[0].MACs, want.Rungs[0].Memory = 1, 2, 3, 4
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
		{"slower", func(l *Ladder) { l.Rungs[1].P50, l.Rungs[1].P99 = time.Hour/2, time.Hour }, "more accurate or no faster than full"},
		{"more accurate", func(l *Ladder) { l.Rungs[1].Accuracy = .95 }, "more accurate or no faster than full"},
		{"an interval from above", func(l *Ladder) { l.Rungs[0].Low, l.Rungs[0].High = .9, .8 }, "no interval"},
		{"no time", func(l *Ladder) { l.Rungs[0].P50 = 0 }, "not quantiles"},
		{"another engine", func(l *Ladder) { l.Rungs[0].Engine = "tea" }, "engine"},
	} {
		l := ladder()
		c.edit(l)
		if err := l.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestLargest(t *testing.T) {
	l := ladder()
	for deadline, want := range map[time.Duration]string{time.Second: "full", 59 * time.Millisecond: "half", 3 * time.Millisecond: "small"} {
		if r := l.Largest(deadline); r == nil || r.Name != want {
			t.Errorf("%v: %+v, want %s", deadline, r, want)
		}
	}
	if r := l.Largest(time.Millisecond); r != nil {
		t.Errorf("a rung for 1 ms: %+v", r)
	}
}

// What is kept is in order, and each rung that is left out has one kept that is
// at least as accurate and not surely slower.
func TestClimb(t *testing.T) {
	surely := func(a, b *Rung) bool { return float64(a.P50) < .95*float64(b.P50) }
	rapid.Check(t, func(t *rapid.T) {
		var all []Rung
		for i := range rapid.IntRange(1, 12).Draw(t, "rungs") {
			all = append(all, rung(string(rune('a'+i)), float64(rapid.IntRange(0, 5).Draw(t, "accuracy"))/5, time.Duration(rapid.IntRange(1, 40).Draw(t, "p50"))*time.Millisecond))
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
	all := []Rung{rung("a", .9, 30*time.Millisecond), rung("b", .8, 20*time.Millisecond), rung("c", .7, 10*time.Millisecond)}
	kept, why := Climb(all, func(r, than *Rung) bool { return r.Name != "c" || than.Name != "a" })
	if len(kept) != 2 || why["c"] != "a" {
		t.Errorf("%d kept, %v; want a and b, and c left out for a", len(kept), why)
	}
}
