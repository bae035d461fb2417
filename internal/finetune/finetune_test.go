package finetune

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dashline/internal/testkit"
	"dashline/model/catalog"
	"dashline/model/darknet"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// What compact networks are made of.
const cfg = `[net]
width=64
height=64
channels=3

[convolutional]
batch_normalize=1
filters=8
size=3
stride=4
pad=1
activation=relu

[convolutional]
batch_normalize=1
filters=8
groups=8
size=3
stride=2
pad=1
activation=leaky

[convolutional]
filters=16
size=1
activation=linear

[yolo]
mask=0,1
anchors=8,8, 24,24
classes=3
num=2
`

// network writes a described network with weights of a seed.
func network(t *testing.T, name string, seed uint64) catalog.Network {
	t.Helper()
	dir := t.TempDir()
	weights, err := darknet.RandomWeights([]byte(cfg), seed)
	if err != nil {
		t.Fatal(err)
	}
	loud(weights[len(weights)-4*16*8:])
	for suffix, data := range map[string][]byte{".cfg": []byte(cfg), ".weights": weights} {
		if err := os.WriteFile(filepath.Join(dir, name+suffix), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	n := catalog.Network{
		Name: name, Summary: "for tests", Task: "detect", Format: "darknet",
		Files:   []catalog.File{{Role: "config", Path: name + ".cfg"}, {Role: "weights", Path: name + ".weights"}},
		Input:   catalog.Input{Width: 64, Height: 64, Resize: "stretch", Color: "rgb", Scale: [3]float32{1. / 255, 1. / 255, 1. / 255}},
		Decode:  catalog.Decode{Kind: "yolo"},
		Classes: []string{"a", "b", "c"}, License: "none", Source: "made here",
	}
	file := filepath.Join(dir, name+".yaml")
	if err := catalog.Save(file, n); err != nil {
		t.Fatal(err)
	}
	if n, err = catalog.Resolve(file); err != nil {
		t.Fatal(err)
	}
	return n
}

// loud makes the head, whose random weights would say nothing, say much.
func loud(head []byte) {
	for i := 0; i < len(head); i += 4 {
		w := math.Float32frombits(binary.LittleEndian.Uint32(head[i:]))
		binary.LittleEndian.PutUint32(head[i:], math.Float32bits(20*w))
	}
}

// pictures writes a folder of pictures of blocks.
func pictures(t *testing.T, count int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range count {
		p := image.NewRGBA(image.Rect(0, 0, 80, 60))
		for y := range 60 {
			for x := range 80 {
				p.Set(x, y, color.RGBA{uint8(40 * (x / (8 + i) % 6)), uint8(40 * (y / (9 + i) % 6)), uint8(20 * i), 255})
			}
		}
		testkit.WritePNG(t, filepath.Join(dir, fmt.Sprintf("%02d.png", i)), p)
	}
	return dir
}

func options(t *testing.T) Options {
	teacher := network(t, "teacher", 2)
	return Options{
		Network: network(t, "pruned", 1), Teacher: &teacher, Data: []string{pictures(t, 10)},
		Pictures: 100, Samples: 640, Threads: 1, Seed: 1, Out: filepath.Join(t.TempDir(), "tuned"),
	}
}

// What is trained on is described without the accuracy of what it was before.
func TestDescribedWithoutAccuracy(t *testing.T) {
	o := Options{Network: catalog.Network{Name: "a", Accuracy: catalog.Accuracy{AP50: .9, Data: "yard"}}, Out: "b"}
	if n := o.result(); n.Accuracy.Known() || n.Name != "b" {
		t.Errorf("%+v", n)
	}
}

// python skips the test where nothing can be trained.
func python(t *testing.T) {
	t.Helper()
	if _, err := findPython(t.Context()); err != nil {
		t.Skip(err)
	}
}

func TestRun(t *testing.T) {
	python(t)
	o := options(t)
	var last Step
	o.Progress = func(s Step) { last = s }
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if last.Done != 40 || last.Of != 40 || r.Samples != 640 {
		t.Errorf("trained %d steps of %d, %d pictures; want 40 of 40, 640", last.Done, last.Of, r.Samples)
	}
	if !(r.After.Loss < 0.98*r.Before.Loss) {
		t.Errorf("loss %.3f, before %.3f: nothing was learnt", r.After.Loss, r.Before.Loss)
	}
	n, err := catalog.Resolve(r.Network)
	if err != nil {
		t.Fatal(err)
	}
	if err = n.Verify(); err != nil {
		t.Error(err)
	}
	if n.Name != "tuned" || n.Input != o.Network.Input || len(n.Classes) != 3 {
		t.Errorf("described as %+v", n)
	}
	made, err := os.ReadFile(n.Path("config"))
	if err != nil {
		t.Fatal(err)
	}
	if string(made) != cfg {
		t.Error("the cfg is another one")
	}
	for _, role := range []string{"config", "weights"} {
		before, _ := digest(o.Network.Path(role))
		after, _ := digest(n.Path(role))
		if (before == after) != (role == "config") {
			t.Errorf("%s: hash %s, before %s", role, after, before)
		}
	}
	if _, err := os.Stat(o.Out + ".finetune"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the run's folder is still there: %v", err)
	}
	t.Run("stopped, it goes on to the same bytes", func(t *testing.T) { goesOn(t, o) })
}

// goesOn: the run of o, which is done, has the same result when it is stopped on
// its way.
func goesOn(t *testing.T, o Options) {
	whole, err := digest(o.Out + ".weights")
	if err != nil {
		t.Fatal(err)
	}
	o.Out = filepath.Join(t.TempDir(), "parts")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	o.Progress = func(Step) { stop() }
	_, err = Run(ctx, o)
	if !errors.Is(err, ErrStopped) {
		t.Fatalf("got %v; want %v", err, ErrStopped)
	}
	other := o
	other.Seed = 2
	if _, err := Run(t.Context(), other); err == nil || !strings.Contains(err.Error(), "other arguments") {
		t.Errorf("another run in its place: got %v", err)
	}
	first := 0
	o.Progress = func(s Step) {
		if first == 0 {
			first = s.Done
		}
	}
	if _, err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if first <= 20 {
		t.Errorf("it began anew: its first report was of step %d", first)
	}
	parts, err := digest(o.Out + ".weights")
	if err != nil {
		t.Fatal(err)
	}
	if parts != whole {
		t.Error("the weights differ from those of a run that was not stopped")
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"ONNX":             {func(o *Options) { o.Network.Format = "onnx" }, "darknet detectors can be fine-tuned"},
		"lanes":            {func(o *Options) { o.Network.Task = "lanes" }, "for lanes"},
		"other pictures":   {func(o *Options) { o.Network.Input.Resize = "letterbox" }, "plainly stretched"},
		"other colours":    {func(o *Options) { o.Teacher.Input.Color = "bgr" }, "plainly stretched"},
		"other input":      {func(o *Options) { o.Teacher.Input.Width = 96 }, "96x64"},
		"no teacher":       {func(o *Options) { o.Teacher = nil }, "name the teacher"},
		"no pictures":      {func(o *Options) { o.Data = nil }, "name a folder"},
		"no validation":    {func(o *Options) { o.Labelled = true }, "folders of other drives"},
		"no length":        {func(o *Options) { o.Samples = 0 }, "above 0"},
		"no name":          {func(o *Options) { o.Out += "/Tuned It" }, "Tuned It"},
		"missing weights":  {func(o *Options) { o.Network.Dir = "/nowhere" }, "/nowhere/pruned.cfg"},
		"missing pictures": {func(o *Options) { o.Data = []string{"/nowhere"} }, "/nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			c.change(&o)
			if strings.HasPrefix(name, "missing") {
				python(t) // it is looked for before
			}
			_, err := Run(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v; want %q in it", err, c.want)
			}
		})
	}
}

// A folder without the record of a run is somebody's own, and stays.
func TestSomebodysFolder(t *testing.T) {
	o := options(t)
	dir := o.Out + ".finetune"
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := o.claim(dir); err != nil {
		t.Errorf("an empty folder: %v", err)
	}
	if err := o.claim(dir); err != nil {
		t.Errorf("the run's own: %v", err)
	}
	for _, name := range []string{"asked.json", "photo.png"} {
		file := filepath.Join(dir, name)
		if name == "photo.png" {
			if err := os.WriteFile(file, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		} else if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.claim(dir); err == nil || !strings.Contains(err.Error(), "no run's folder") {
		t.Errorf("somebody's own: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "asked.json")); err == nil {
		t.Error("it was taken")
	}
}

func TestCheck(t *testing.T) {
	n := network(t, "net", 1)
	n.Format = "onnx"
	if err := Check(t.Context(), &n); err == nil || !strings.Contains(err.Error(), "fine-tune net: ") {
		t.Error(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "python3"), []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	n.Format = "darknet"
	if err := Check(t.Context(), &n); err != nil {
		t.Error(err)
	}
}

func TestReadStep(t *testing.T) {
	for line, want := range map[string]Step{
		"tuned  step 20/1000  loss 0.723  12.2 samples/s  21.5 min left": {20, 1000, 0.723, 12.2, 21.5},
		"tuned  loss 0.706  ap50 0.871":                                  {},
		"":                                                               {},
		"tuned  step 1/0  loss 1  1 samples/s  1 min left": {},
	} {
		got, ok := readStep(line)
		if ok != (want != Step{}) || ok && got != want {
			t.Errorf("%q: got %+v, %v; want %+v", line, got, ok, want)
		}
	}
}

func TestStepsInPieces(t *testing.T) {
	var got []Step
	s := &steps{tell: func(s Step) { got = append(got, s) }}
	for _, b := range []byte("before: AP50 0.5\ntuned  step 2/4  loss 0.5  3.0 samples/s  0.1 min left\ntuned  step 4/4") {
		if n, err := s.Write([]byte{b}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if len(got) != 1 || got[0].Done != 2 {
		t.Errorf("got %+v; want the one whole line", got)
	}
}

func TestTail(t *testing.T) {
	w := &tail{}
	for range 1000 {
		fmt.Fprintln(w, "the recipe failed")
	}
	fmt.Fprintln(w, "the end")
	if s := w.String(); len(s) > tailBytes || !strings.HasSuffix(s, "the end") {
		t.Errorf("kept %d bytes: %q", len(s), s)
	}
}
