package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"dashline/model/catalog"
)

// ladders are valid ones, and none at all.
var ladders = rapid.Custom(func(t *rapid.T) Rungs {
	items := rapid.OneOf(
		rapid.StringMatching(`[a-z0-9.-]{1,9}`), rapid.StringMatching(`\.?/[a-z,: ]{1,9}\.yaml`), rapid.String(),
		rapid.SampledFrom([]string{"true", "12", "a, b", "- a", "#", "null", "'"}),
	).Filter(func(s string) bool { return s != TrackOnly && strings.TrimSpace(s) != "" })
	rungs := rapid.SliceOfNDistinct(items, 0, MaxRungs-1, func(s string) string {
		if catalog.IsPath(s) {
			return filepath.Clean(s)
		}
		return s
	}).Draw(t, "rungs")
	if len(rungs) > 0 && rapid.Bool().Draw(t, "track-only") {
		rungs = append(rungs, TrackOnly)
	}
	return rungs
})

func TestLadderByFlagAndByFile(t *testing.T) {
	want := Rungs{"yolov3", "a/b.yaml", TrackOnly}
	for _, text := range []string{
		"ladder: [yolov3, a/b.yaml, track-only]\n", "ladder:\n  - yolov3\n  - a/b.yaml\n  - track-only\n",
		"ladder: yolov3,a/b.yaml,track-only\n", "ladder: 'yolov3, a/b.yaml , track-only'\n",
	} {
		file := write(t, text)
		if c, err := Load(file); err != nil || !reflect.DeepEqual(c.Ladder, want) {
			t.Errorf("%q: %q, %v", text, c.Ladder, err)
		}
		if c, err := flags(t, "--config", file); err != nil || !reflect.DeepEqual(c.Ladder, want) {
			t.Errorf("%q by flags: %q, %v", text, c.Ladder, err)
		}
		if c, err := flags(t, "--config", file, "--ladder", "nanodet", "--rate=15"); err != nil || !reflect.DeepEqual(c.Ladder, Rungs{"nanodet"}) || c.Rate != 15 {
			t.Errorf("a flag over %q: %q, %v", text, c.Ladder, err)
		}
		if c, err := flags(t, "--config", file, "--ladder=", "--detect-network=nanodet"); err != nil || len(c.Ladder) != 0 {
			t.Errorf("an empty flag over %q: %q, %v", text, c.Ladder, err)
		}
	}
	for _, args := range [][]string{
		{"--ladder", "yolov3,a/b.yaml,track-only"}, {"--ladder=yolov3", "--ladder=a/b.yaml", "--ladder", "track-only"}, {"--ladder=yolov3", "--ladder=a/b.yaml, track-only"},
	} {
		if c, err := flags(t, args...); err != nil || !reflect.DeepEqual(c.Ladder, want) {
			t.Errorf("%q: %q, %v", args, c.Ladder, err)
		}
	}
	for _, text := range []string{"ladder: ''\n", "ladder: []\n", "ladder:\n"} {
		if c, err := Load(write(t, text)); text != "ladder:\n" && (err != nil || len(c.Ladder) != 0) || text == "ladder:\n" && err == nil {
			t.Errorf("%q: %q, %v", text, c.Ladder, err)
		}
	}
	if c, err := Load(write(t, "ladder: ['a,b.yaml']\n")); err != nil || !reflect.DeepEqual(c.Ladder, Rungs{"a,b.yaml"}) {
		t.Errorf("a comma in a list: %q, %v", c.Ladder, err)
	}
}

func TestLadderErrors(t *testing.T) {
	numbered := func(n int) string {
		var names []string
		for i := range n {
			names = append(names, fmt.Sprint("n", i))
		}
		return strings.Join(names, ",")
	}
	for _, c := range []struct{ name, text, want string }{
		{"an empty item", "a,,b", "ladder[1]: is empty"},
		{"an empty end", "a,b,", "ladder[2]: is empty"},
		{"blanks", "a, ,b", "ladder[1]: is empty"},
		{"twice", "a,b,a", `ladder[2]: "a" is ladder[0] too`},
		{"a path twice", "./x/a.yaml,b,x//a.yaml", `ladder[2]: "x//a.yaml" is ladder[0] too`},
		{"track-only first", "track-only,a", "ladder[0]: track-only is the last rung"},
		{"track-only twice", "a,track-only,track-only", "ladder[1]: track-only is the last rung"},
		{"track-only alone", "track-only", "put one before it"},
		{"too many", numbered(MaxRungs + 1), "more than 32 rungs"},
		{"far too many", strings.Repeat("a,", 500_000), "more than 32 rungs"},
		{"long", strings.Repeat("a", 10_000) + "," + strings.Repeat("a", 10_000), "is ladder[0] too"},
	} {
		t.Run(c.name, func(t *testing.T) {
			list := strings.Split(c.text, ",")
			for i := range list {
				list[i] = quote(list[i])
			}
			texts := map[string]string{"text": "ladder: " + quote(c.text) + "\n"}
			if len(list) < 100 {
				texts["list"] = "ladder: [" + strings.Join(list, ", ") + "]\n"
			}
			for kind, text := range texts {
				if _, err := Load(write(t, text)); err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 1000 {
					t.Errorf("%s: %.200v", kind, err)
				}
			}
			if _, err := flags(t, "--ladder="+c.text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("flag: %.200v", err)
			}
		})
	}
	if _, err := flags(t, "--ladder="+numbered(MaxRungs)); err != nil {
		t.Errorf("%d rungs: %v", MaxRungs, err)
	}
	var many []string
	for i := range MaxRungs + 1 {
		many = append(many, fmt.Sprint("--ladder=n", i))
	}
	if _, err := flags(t, many...); err == nil || !strings.Contains(err.Error(), "more than 32 rungs") {
		t.Errorf("as many flags: %v", err)
	}
	if _, err := flags(t, "--ladder=a,b", "--detect-network=c"); err == nil || !strings.Contains(err.Error(), "detect.network, ladder: both are set") {
		t.Errorf("both: %v", err)
	}
	if _, err := Load(write(t, "ladder: [a, 12]\n")); err == nil || !strings.Contains(err.Error(), ":1:13: ladder[1]: expected text, found the number 12") {
		t.Errorf("a number: %v", err)
	}
}

// What is read from text is what stands in it, and there is never more of it than
// one too many.
func TestRungsFromText(t *testing.T) {
	var r Rungs
	if err := r.UnmarshalText([]byte(strings.Repeat("a,", 500_000))); err != nil || len(r) != MaxRungs+1 {
		t.Fatalf("of half a million %d are kept, %v", len(r), err)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`([a-c./ ]{0,3},?){0,30}`).Draw(t, "text")
		r := Rungs{"before"}
		if err := r.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		squeezed := func(s string) string { return strings.ReplaceAll(s, " ", "") }
		if squeezed(strings.Join(r, ",")) != squeezed(text) {
			t.Fatalf("%q became %q", text, r)
		}
	})
}
