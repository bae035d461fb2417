package ladder

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"dashline/internal/netfile"
	"dashline/internal/testkit/tinynet"
	"dashline/model/onnx"
	"dashline/model/prune"
)

func tiny(t *testing.T) *netfile.Net {
	t.Helper()
	n, err := netfile.Detector(tinynet.Detector(t, "net", 1))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func names(all []Candidate) []string {
	var out []string
	for _, c := range all {
		out = append(out, c.Name)
	}
	return out
}

func quiet(string, int, int) {}

// Every form is written, described and of the size that it is said to be: pruned ones
// have less to do, int8 and float16 ones smaller files.
func TestMake(t *testing.T) {
	n, dir := tiny(t), t.TempDir()
	all, err := Make(t.Context(), n, tinynet.Inputs(9), MakeOptions{Dir: dir, Remove: []float64{.2, .45}, Int8: true, Half: true, Seed: 1, Progress: quiet})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"full", "full-fp16", "full-int8", "pruned-20", "pruned-20-int8", "pruned-45", "pruned-45-int8"}
	if got := names(all); !slices.Equal(got, want) {
		t.Fatalf("%v, expected %v", got, want)
	}
	by := map[string]Candidate{}
	for _, c := range all {
		by[c.Name] = c
		d, err := netfile.Detector(c.Network)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		info, err := os.Stat(filepath.Join(dir, c.Name+".onnx"))
		if err != nil || info.Size() != c.FileBytes || d.Bytes != c.FileBytes || d.Described.Name != c.Name || c.How == "" {
			t.Errorf("%+v: %v", c, err)
		}
	}
	full := by["full"]
	for name, share := range map[string]float64{"pruned-20": .8, "pruned-45": .55} {
		if c := by[name]; float64(c.MACs) > share*float64(full.MACs) || c.Parameters >= full.Parameters || c.FileBytes >= full.FileBytes {
			t.Errorf("%s: %+v, the full network %+v", name, c, full)
		}
		if by[name+"-int8"].MACs != by[name].MACs {
			t.Errorf("%s has other operations in int8", name)
		}
	}
	if c := by["full-fp16"]; c.MACs != full.MACs || c.FileBytes > full.FileBytes*6/10 {
		t.Errorf("float16: %+v, the full network %+v", c, full)
	}
}

// Nothing is made that was not asked for, and what trains networks on is asked for
// each pruned one.
func TestMakeTunes(t *testing.T) {
	n := tiny(t)
	only, err := Make(t.Context(), n, nil, MakeOptions{Dir: t.TempDir(), Progress: quiet})
	if err != nil || !slices.Equal(names(only), []string{"full"}) {
		t.Errorf("%v, %v", names(only), err)
	}
	var asked []string
	o := MakeOptions{Dir: t.TempDir(), Remove: []float64{.2, .4}, Progress: quiet, Tune: func(_ context.Context, pruned string) (string, error) {
		asked = append(asked, filepath.Base(pruned))
		if d, err := netfile.Detector(pruned); err != nil || d.Darknet == nil {
			t.Errorf("%s is not what can be trained on: %v", pruned, err)
		}
		return pruned, nil
	}}
	all, err := Make(t.Context(), n, tinynet.Inputs(6), o)
	want := []string{"full", "pruned-20", "pruned-20-tuned", "pruned-40", "pruned-40-tuned"}
	if err != nil || !slices.Equal(names(all), want) || !slices.Equal(asked, []string{"pruned-20.yaml", "pruned-40.yaml"}) {
		t.Errorf("%v, tuned %v, %v", names(all), asked, err)
	}
	broken := errors.New("no more power")
	o.Dir, o.Tune = t.TempDir(), func(context.Context, string) (string, error) { return "", broken }
	if _, err := Make(t.Context(), n, tinynet.Inputs(6), o); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// Weights of 7 bits make another file, whatever this processor needs; the same
// options make the same one.
func TestMakeReduced(t *testing.T) {
	n := tiny(t)
	var files []string
	for _, reduced := range []bool{false, true, true} {
		dir := t.TempDir()
		if _, err := Make(t.Context(), n, tinynet.Inputs(6), MakeOptions{Dir: dir, Int8: true, Reduced: reduced, Progress: quiet}); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, "full-int8.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, string(data))
	}
	if files[0] == files[1] {
		t.Error("weights of 7 and 8 bits make the same file")
	}
	if files[1] != files[2] {
		t.Error("the same options make different files")
	}
}

// All that is made is the same byte for byte the second time, in another folder and
// on another number of processors.
func TestMakeTwice(t *testing.T) {
	var made []map[string]string
	for _, processors := range []int{1, 3} {
		before := runtime.GOMAXPROCS(processors)
		t.Cleanup(func() { runtime.GOMAXPROCS(before) })
		dir := t.TempDir()
		o := MakeOptions{Dir: dir, Remove: []float64{.2}, Sparse: []float64{.5}, Int8: true, Half: true, Seed: 1, Progress: quiet}
		if _, err := Make(t.Context(), tiny(t), tinynet.Inputs(6), o); err != nil {
			t.Fatal(err)
		}
		made = append(made, files(t, dir))
	}
	// ONNX and description of five forms and a baseline; cfg, weights and description
	// of the one that is pruned.
	if len(made[0]) != 2*6+3 {
		t.Errorf("made %v", slices.Sorted(maps.Keys(made[0])))
	}
	for name, data := range made[0] {
		if made[1][name] != data || data == "" {
			t.Errorf("%s is another one the second time", name)
		}
	}
	if len(made[1]) != len(made[0]) {
		t.Errorf("%d files, then %d", len(made[0]), len(made[1]))
	}
}

// files are all files below dir with what is in them.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		out[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestMakeRefuses(t *testing.T) {
	n := tiny(t)
	if _, err := Make(t.Context(), n, tinynet.Inputs(6), MakeOptions{Dir: t.TempDir(), Remove: []float64{.999}, Progress: quiet}); !errors.Is(err, prune.ErrTarget) {
		t.Errorf("a share that cannot be removed: %v", err)
	}
	path, err := n.SaveONNX(filepath.Join(t.TempDir(), "net"), n.Graph, onnx.Options{Fold: true, Decode: true}, "")
	if err != nil {
		t.Fatal(err)
	}
	other, err := netfile.Detector(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Make(t.Context(), other, tinynet.Inputs(6), MakeOptions{Dir: t.TempDir(), Progress: quiet}); err == nil {
		t.Error("an ONNX network is made smaller")
	}
}
