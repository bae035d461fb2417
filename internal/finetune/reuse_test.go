package finetune

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dashline/model/catalog"
)

// fakePython is a recipe of no learning: it copies the weights, and notes in a file
// that it ran.
const fakePython = `#!/bin/sh
[ "$1" = -c ] && exit 0
echo ran >> %q
weights=$4
while [ "$1" != --out ]; do shift; done
mkdir -p "$2/tuned"
cp "$weights" "$2/tuned/tuned.weights"
echo '{"details": {"before": {"loss": 2}}, "settings": {"samples": 64}, "held_out": {"ap50": 0.5, "loss": 1}, "wall_s": 9}' > "$2/tuned/run.json"
`

// counted puts a fake recipe in Python's place, and gives how often it has run.
func counted(t *testing.T) func() int {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	if err := os.WriteFile(filepath.Join(dir, "python3"), fmt.Appendf(nil, fakePython, log), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() int {
		text, _ := os.ReadFile(log)
		return strings.Count(string(text), "ran")
	}
}

// What is there is given back only where all that it depends on is the same, and it
// is as it was made.
func TestReuse(t *testing.T) {
	runs, o := counted(t), options(t)
	again := func(what string, o Options, trains bool) {
		t.Helper()
		before := runs()
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if trained := runs() > before; trained != trains {
			t.Errorf("%s: trained %v, want %v", what, trained, trains)
		}
		if r.Network != o.Out+".yaml" || r.Samples != 64 || r.Before.Loss != 2 || r.After.Loss != 1 || r.After.AP50 == nil || *r.After.AP50 != .5 || r.Seconds != 9 {
			t.Errorf("%s: %+v", what, r)
		}
		if n, err := catalog.Resolve(r.Network); err != nil || n.Verify() != nil || n.Summary != o.Network.Summary+tuned {
			t.Errorf("%s: %+v, %v", what, n, err)
		}
		if _, err := os.Stat(o.Out + ".finetune"); !os.IsNotExist(err) {
			t.Errorf("%s: the run's folder is still there: %v", what, err)
		}
	}
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	again("without asking", o, true)
	o.Reuse = true
	again("of which nothing is known", o, true)
	again("the same", o, false)
	o.Network.Summary = "said otherwise"
	again("with another summary", o, false)
	o.Reuse = false
	again("without asking again", o, true)
	o.Reuse = true
	again("the same bytes", o, false)

	for what, change := range map[string]func(*Options){
		"seed": func(o *Options) { o.Seed++ }, "samples": func(o *Options) { o.Samples++ }, "threads": func(o *Options) { o.Threads++ },
		"network":  func(o *Options) { o.Network = network(t, "pruned", 3); o.Network.Summary = "said otherwise" },
		"teacher":  func(o *Options) { n := network(t, "teacher", 3); o.Teacher = &n },
		"pictures": func(o *Options) { o.Pictures = 5 },
	} {
		other := o
		change(&other)
		again("another "+what, other, true)
		again("the same other "+what, other, false)
		again("as before: "+what, o, true)
	}

	picture := filepath.Join(o.Data[0], "00.png")
	same, err := os.ReadFile(picture)
	if err != nil {
		t.Fatal(err)
	}
	twin, err := os.ReadFile(filepath.Join(o.Data[0], "01.png"))
	if err != nil {
		t.Fatal(err)
	}
	write(picture, string(twin))
	again("another picture of the same name", o, true)
	write(picture, string(same))
	again("the picture as it was", o, true)

	for _, suffix := range []string{".weights", ".cfg", ".finetuned"} {
		write(o.Out+suffix, "damaged")
		again("damaged "+suffix, o, true)
		if err := os.Remove(o.Out + suffix); err != nil {
			t.Fatal(err)
		}
		again("lost "+suffix, o, true)
	}
	if err := os.Remove(o.Out + ".yaml"); err != nil {
		t.Fatal(err)
	}
	again("only its description is lost", o, false)
}
