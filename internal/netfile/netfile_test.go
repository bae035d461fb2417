package netfile

import (
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"dashline/internal/testkit/tinynet"
	"dashline/model"
	"dashline/model/catalog"
	"dashline/model/onnx"
)

// bare copies some of a network's files to a folder without its description.
func bare(t *testing.T, description string, endings ...string) (base string) {
	t.Helper()
	base = filepath.Join(t.TempDir(), "bare")
	for _, ending := range endings {
		data, err := os.ReadFile(stem(description) + ending)
		if err != nil {
			t.Fatal(err)
		}
		write(t, base+ending, data)
	}
	return base
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Every way to name a network gives the same network.
func TestLoad(t *testing.T) {
	described := tinynet.Detector(t, "net", 1)
	base := stem(described)
	want, err := Load(described, false)
	if err != nil {
		t.Fatal(err)
	}
	got, wrote := weights(want.Graph), weights(tinynet.Graph(1))
	for i := range wrote {
		if len(got) != len(wrote) || math.Abs(float64(got[i]-wrote[i])) > 1e-4 { // darknet adds another number to variances
			t.Fatalf("%d weights, number %d is %g; %d were written, %g", len(got), i, got[i], len(wrote), wrote[i])
		}
	}
	if _, err := want.SaveONNX(base+"-raw", want.Graph, onnx.Options{}, ""); err != nil {
		t.Fatal(err)
	}
	undescribed := bare(t, described, ".cfg", ".weights")
	for _, c := range []struct {
		ref            string
		described, cfg bool
		files          []string
	}{
		{described, true, true, []string{base + ".cfg", base + ".weights"}},
		{base + ".cfg", true, true, []string{base + ".cfg", base + ".weights"}},
		{undescribed + ".cfg", false, true, []string{undescribed + ".cfg", undescribed + ".weights"}},
		{base + "-raw.onnx", false, false, []string{base + "-raw.onnx"}},
	} {
		n, err := Load(c.ref, false)
		if err != nil {
			t.Errorf("%s: %v", c.ref, err)
			continue
		}
		if (n.Described != nil) != c.described || (n.Darknet != nil) != c.cfg || !slices.Equal(n.Files, c.files) {
			t.Errorf("%s: described %v, darknet %v, files %v", c.ref, n.Described != nil, n.Darknet != nil, n.Files)
		}
		info, err := os.Stat(c.files[len(c.files)-1])
		if err != nil || n.Bytes != info.Size() {
			t.Errorf("%s: %d bytes, the file has %v, %v", c.ref, n.Bytes, info.Size(), err)
		}
		if c.cfg && !reflect.DeepEqual(weights(n.Graph), weights(want.Graph)) {
			t.Errorf("%s: other weights", c.ref)
		}
	}
}

// weights are all numbers of a network, in order.
func weights(g *model.Graph) []float32 {
	var out []float32
	for i := range g.Layers {
		for p := range model.Weights(g.Layers[i].Op) {
			out = append(out, p.Values...)
		}
	}
	return out
}

// A description's input size is the network's, whatever the cfg says.
func TestLoadAtTheDescribedSize(t *testing.T) {
	described := tinynet.Detector(t, "net", 1)
	text, err := os.ReadFile(described)
	if err != nil {
		t.Fatal(err)
	}
	write(t, described, []byte(strings.Replace(string(text), "width: 64", "width: 96", 1)))
	n, err := Load(described, false)
	if err != nil {
		t.Fatal(err)
	}
	in, out := n.Graph.Layers[0].Shape, n.Graph.Layers[n.Graph.Outputs[0]]
	if in.Height() != 64 || in.Width() != 96 || out.Op.(*model.Yolo).Input != [2]int{64, 96} {
		t.Errorf("the input is %v, the head's %+v", in, out.Op)
	}
}

// A cfg without weights is a topology, where that is allowed.
func TestLoadTopology(t *testing.T) {
	described := tinynet.Detector(t, "net", 1)
	base := bare(t, described, ".cfg")
	whole, err := Load(described, false)
	if err != nil {
		t.Fatal(err)
	}
	n, err := Load(base+".cfg", true)
	if err != nil {
		t.Fatal(err)
	}
	if w := weights(n.Graph); len(w) != len(weights(whole.Graph)) || slices.Max(w) != 0 || slices.Min(w) != 0 {
		t.Errorf("%d weights, not all 0", len(w))
	}
	if n.Bytes+20 < whole.Bytes || len(n.Files) != 1 {
		t.Errorf("%d bytes of weights, with them %d; files %v", n.Bytes, whole.Bytes, n.Files)
	}
	if err := os.Remove(stem(described) + ".weights"); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(described, true); err != nil {
		t.Errorf("described: %v", err)
	}
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	described := tinynet.Detector(t, "net", 1)
	cfg := bare(t, described, ".cfg") + ".cfg"
	short := bare(t, described, ".cfg", ".weights")
	data, err := os.ReadFile(short + ".weights")
	if err != nil {
		t.Fatal(err)
	}
	write(t, short+".weights", data[:len(data)-8])
	dir := t.TempDir()
	junk, odd := filepath.Join(dir, "junk.onnx"), filepath.Join(dir, "odd.cfg")
	write(t, junk, []byte("no network"))
	write(t, odd, []byte("[net]\nwidth=64\nheight=64\nchannels=3\n"))
	write(t, filepath.Join(dir, "odd.yaml"), []byte("name: odd\nsize: 7\n"))
	for _, c := range []struct{ ref, says string }{
		{cfg, ".weights: no such file"},
		{short + ".cfg", "open network " + short + ".cfg: "},
		{junk, "open network " + junk + ": "},
		{odd, "odd.yaml:2:1: unknown key size"},
		{filepath.Join(dir, "none.cfg"), "no such file"},
		{filepath.Join(dir, "none.onnx"), "no such file"},
		{dir + "/x.weights", "name the cfg beside them"},
		{"no-such-network", "no-such-network"},
		{dir + ".onnx", "no such file"},
	} {
		if _, err := Load(c.ref, false); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, expected %q", c.ref, err, c.says)
		}
	}
	if _, err := Detector(short + ".cfg"); err == nil {
		t.Error("damaged weights are taken for a detector")
	}
	whole := bare(t, described, ".cfg", ".weights")
	if _, err := Detector(whole + ".cfg"); err == nil || !strings.Contains(err.Error(), whole+".yaml") {
		t.Errorf("not described: %v", err)
	}
}

// What is written is described beside it and is the same network when it is read.
func TestSave(t *testing.T) {
	n, err := Load(tinynet.Detector(t, "net", 1), false)
	if err != nil {
		t.Fatal(err)
	}
	n.Described.Accuracy = catalog.Accuracy{AP50: .9, Data: "yard"}
	base := filepath.Join(t.TempDir(), "new folder", "My Net")
	path, err := n.SaveDarknet(base, n.Graph, "a copy")
	if err != nil || path != base+".yaml" {
		t.Fatalf("%s, %v", path, err)
	}
	again, err := Detector(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(weights(again.Graph), weights(n.Graph)) {
		t.Error("darknet: other weights")
	}
	d := again.Described
	if d.Name != "my-net" || d.Summary != "a copy" || d.Source != "made of net (made for a test)" || d.Input != n.Described.Input || d.Accuracy.Known() {
		t.Errorf("%+v", d)
	}
	// A copy of a copy names the first and the one before.
	if path, err = again.SaveONNX(base+"2", again.Graph, onnx.Options{Fold: true, Decode: true}, "as ONNX"); err != nil || path != base+"2.yaml" {
		t.Fatalf("%s, %v", path, err)
	}
	third, err := Detector(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := third.Described; d.Format != "onnx" || d.Source != "made of my-net (net (made for a test))" || d.Name != "my-net2" {
		t.Errorf("%+v", d)
	}
	if _, err := third.SaveDarknet(base+"3", third.Graph, ""); err == nil || !strings.Contains(err.Error(), "no darknet network") {
		t.Errorf("an ONNX network as darknet: %v", err)
	}
	if path, err := n.SaveONNX(base+"4", n.Graph, onnx.Options{}, ""); err != nil || path != base+"4.onnx" {
		t.Errorf("raw heads: %s, %v", path, err)
	}
	if _, err := os.Stat(base + "4.yaml"); err == nil {
		t.Error("raw heads are described, and nothing reads them")
	}
	leftovers, err := filepath.Glob(filepath.Join(filepath.Dir(base), ".network-*"))
	if err != nil || len(leftovers) > 0 {
		t.Errorf("%v is left, %v", leftovers, err)
	}
}

// A network that cannot be written leaves what was there.
func TestSaveReplacesWholeOrNot(t *testing.T) {
	n, err := Load(tinynet.Detector(t, "net", 1), false)
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(t.TempDir(), "net")
	if _, err := n.SaveDarknet(base, n.Graph, "first"); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(base + ".weights")
	if err != nil {
		t.Fatal(err)
	}
	broken := n.Graph.Clone()
	broken.Layers[1].Op.(*model.Conv).Weight = nil
	if _, err := n.SaveDarknet(base, broken, "second"); err == nil {
		t.Fatal("a network without weights is written")
	}
	after, err := os.ReadFile(base + ".weights")
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("the weights are not those that were there: %v", err)
	}
	if _, err := Detector(base + ".yaml"); err != nil {
		t.Errorf("what was there is damaged: %v", err)
	}
}

// Where one file of a network cannot be replaced, or the network not be described,
// the other is as it was.
func TestSaveTouchesNothing(t *testing.T) {
	n, err := Load(tinynet.Detector(t, "net", 1), false)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, c := range []struct{ base, says string }{
		{"taken", "taken.cfg"}, // by a folder
		{"ÄÖ", "is not a name"},
		{"a..b", "not a relative path"},
	} {
		base := filepath.Join(dir, c.base)
		for _, ending := range []string{".weights", ".onnx"} {
			write(t, base+ending, []byte("old"))
		}
		if c.base == "taken" {
			if err := os.Mkdir(base+".cfg", 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := n.SaveDarknet(base, n.Graph, ""); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, expected %q", c.base, err, c.says)
		}
		if c.base != "taken" {
			if _, err := n.SaveONNX(base, n.Graph, onnx.Options{Decode: true}, ""); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s as ONNX: %v, expected %q", c.base, err, c.says)
			}
		}
		for _, ending := range []string{".weights", ".onnx"} {
			if data, err := os.ReadFile(base + ending); err != nil || string(data) != "old" {
				t.Errorf("%s%s was replaced by %d bytes, %v", c.base, ending, len(data), err)
			}
		}
	}
	if _, err := n.SaveONNX(filepath.Join(dir, "a..b"), n.Graph, onnx.Options{}, ""); err != nil {
		t.Errorf("raw heads, which are not described, need no name: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, ".network-*"))
	if err != nil || len(files) > 0 {
		t.Errorf("%v is left, %v", files, err)
	}
}

// Files are replaced together.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	both := func(text string, err error) func([]io.Writer) error {
		return func(to []io.Writer) error {
			for _, w := range to {
				if _, err := io.WriteString(w, text); err != nil {
					return err
				}
			}
			return err
		}
	}
	broken := errors.New("broken")
	for _, c := range []struct {
		text string
		err  error
		want string
	}{{"first", nil, "first"}, {"second", broken, "first"}, {"third", nil, "third"}} {
		if err := replace(paths, both(c.text, c.err)); err != c.err {
			t.Errorf("%s: %v", c.text, err)
		}
		for _, path := range paths {
			if data, err := os.ReadFile(path); err != nil || string(data) != c.want {
				t.Errorf("after %s: %s holds %q, %v", c.text, path, data, err)
			}
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("%v is there, %v", files, err)
	}
}

func TestSlug(t *testing.T) {
	for text, want := range map[string]string{
		"My Net (2)": "my-net-2", "a..b": "a.b", "a....b.c": "a.b.c", "-x-": "x", "__x": "x", "ÄÖ": "", "yolo_v3.1": "yolo_v3.1", strings.Repeat("n", 70): strings.Repeat("n", 64),
	} {
		if got := Slug(text); got != want {
			t.Errorf("%q: %q, expected %q", text, got, want)
		}
	}
}
