package modelcmd

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dashline/infer"
	"dashline/internal/netfile"
	"dashline/internal/testkit"
	"dashline/model"
	"dashline/model/darknet"
	"dashline/model/onnx"
)

func TestMain(m *testing.M) { testkit.Main(m) }

var update = flag.Bool("update", false, "write testdata again")

const small = `[net]
width=32
height=32
channels=3
[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky
[convolutional]
batch_normalize=1
filters=8
groups=8
size=3
stride=1
pad=1
activation=leaky
[shortcut]
from=-2
activation=linear
[convolutional]
filters=6
size=1
activation=linear
[yolo]
mask=0
anchors=10,10
classes=1
num=1
`

// folder has a small network: as net.cfg with its weights, with others as
// other.cfg, with fewer filters as less.cfg, and as net.onnx.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	put := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, seed := range map[string]uint64{"net": 1, "other": 2, "less": 1} {
		cfg := []byte(small)
		if name == "less" {
			cfg = []byte(strings.ReplaceAll(strings.ReplaceAll(small, "filters=8", "filters=4"), "groups=8", "groups=4"))
		}
		weights, err := darknet.RandomWeights(cfg, seed)
		if err != nil {
			t.Fatal(err)
		}
		put(name+".cfg", cfg)
		put(name+".weights", weights)
	}
	var file bytes.Buffer
	if err := onnx.Write(&file, load(t, filepath.Join(dir, "net.cfg")).Graph, onnx.Options{Fold: true}); err != nil {
		t.Fatal(err)
	}
	put("net.onnx", file.Bytes())
	return dir
}

func load(t *testing.T, path string) *netfile.Net {
	t.Helper()
	n, err := netfile.Load(path, true)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// golden holds text against a file of testdata, with the folder of the test out
// of it.
func golden(t *testing.T, name, dir, got string) {
	t.Helper()
	got = strings.ReplaceAll(got, dir+string(filepath.Separator), "")
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test ./internal/modelcmd -update writes it again); got\n%s", file, got)
	}
}

func TestGoldens(t *testing.T) {
	dir := folder(t)
	r := describeFor(load(t, filepath.Join(dir, "net.cfg")), fittings{block: 16})
	// What a measurement looks like, without one.
	r.Measured = []Measured{(&answer{Version: "4.6.0", What: "as it is", Threads: 2, Load: 3 * time.Millisecond, First: 2 * time.Millisecond,
		Forwards: []time.Duration{1e6, 2e6, 4e6}, Resident: r.Predicted[0].Total, Peak: 2 * r.Predicted[0].Total,
		Steps: []infer.Step{{Name: "conv_0", Time: 1e6}, {Name: "bn_0", Time: 5e5}, {Name: "yolo_4", Time: 25e4}, {Name: "input", Kind: "Copy", Time: 25e4}},
	}).measured(load(t, filepath.Join(dir, "net.cfg")).Graph, finder(t, filepath.Join(dir, "net.cfg")), r.Predicted[0])}
	for name, write := range map[string]func(io.Writer) error{
		"info.txt": r.Print, "info.svg": r.SVG,
		"info.json": func(w io.Writer) error {
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			return e.Encode(r)
		},
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, name, dir, b.String())
		if name == "info.svg" {
			if err := xml.Unmarshal(b.Bytes(), new(struct{})); err != nil {
				t.Errorf("the picture is not XML: %v", err)
			}
		}
	}
}

func finder(t *testing.T, path string) func(string) int {
	t.Helper()
	find, err := layerFinder(load(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return find
}

// The sums of the layers are the totals.
func TestLayersAddUp(t *testing.T) {
	for _, name := range []string{"net.cfg", "net.onnx"} {
		r := Describe(load(t, filepath.Join(folder(t), name)))
		var parameters, macs, elementwise, values int64
		for _, l := range r.Layers {
			parameters, macs, elementwise, values = parameters+l.Parameters, macs+l.MACs, elementwise+l.Elementwise, values+l.Activation
		}
		if parameters != r.Parameters || macs != r.MACs || elementwise != r.Elementwise || values != r.Activations || r.FLOPs != 2*r.MACs {
			t.Errorf("%s: layers have %d, %d, %d, %d; the whole %d, %d, %d, %d", name, parameters, macs, elementwise, values,
				r.Parameters, r.MACs, r.Elementwise, r.Activations)
		}
	}
}

func TestDiff(t *testing.T) {
	dir := folder(t)
	diff := func(a, b string) *Difference {
		return Diff(load(t, filepath.Join(dir, a)), load(t, filepath.Join(dir, b)))
	}

	if d := diff("net.cfg", "net.cfg"); len(d.Layers) != 0 || d.LargestWeight != 0 || d.Same != 6 {
		t.Errorf("of itself: %+v", d)
	}
	// Shapes as they compute are those of a folded file; darknet's head decodes.
	if d := diff("net.cfg", "net.onnx"); d.LargestWeight > 1e-6 || len(d.Layers) != 1 || d.Layers[0].Name != "yolo4" || d.Layers[0].B != "" {
		t.Errorf("of its conversion: largest %g, %+v", d.LargestWeight, d.Layers)
	}
	if d := diff("net.cfg", "other.cfg"); d.LargestWeight == 0 || d.LargestLayer == "" || len(d.Layers) != 3 || d.Relative < .3 || d.Relative > 2 {
		t.Errorf("of other weights: %+v", d)
	}
	d := diff("net.cfg", "less.cfg")
	if d.LargestWeight != 0 || len(d.Layers) != 4 || d.Totals[1].Ratio >= 1 {
		t.Errorf("of fewer filters: %+v", d)
	}
	var b bytes.Buffer
	// Memory on ONNX Runtime depends on the machine.
	d.Totals = d.Totals[:len(d.Totals)-1]
	if err := d.Print(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "diff.txt", dir, b.String())
}

func TestStepsAreFoundAsLayers(t *testing.T) {
	dir := folder(t)
	n := load(t, filepath.Join(dir, "net.cfg"))
	find := finder(t, filepath.Join(dir, "net.cfg"))
	for step, want := range map[string]string{
		"conv_0": "conv0", "bn_0": "conv0", "relu_1": "conv1", "shortcut_2": "shortcut2", "yolo_4": "yolo4", "permute_4": "yolo4", // OpenCV
		"conv0_nchwc": "conv0", "yolo4/boxes/anchors": "yolo4", "yolo4": "yolo4", // ONNX Runtime
		"ReorderOutput_token_3": "", "conv_99": "", "": "", "/": "",
	} {
		got := ""
		if i := find(step); i >= 0 {
			got = n.Graph.Layers[i].Name
		}
		if got != want {
			t.Errorf("%q is layer %q, want %q", step, got, want)
		}
	}
}

func TestStatus(t *testing.T) {
	got, err := parseStatus("Name:\tx\nVmHWM:\t  300 kB\nVmRSS:\t  200 kB\nRssAnon:\t     100 kB\n")
	if want := (memory{200 << 10, 100 << 10, 300 << 10}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []string{"", "VmHWM:\t300 kB\n", "VmHWM:\tmany kB\nRssAnon:\t1 kB\n"} {
		if _, err := parseStatus(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestMeasureRefuses(t *testing.T) {
	g := &model.Graph{Layers: []model.Layer{{Name: "x", Op: &model.Input{Shape: model.Shape{1, 7}}}}, Outputs: []int{0}}
	if err := g.Infer(); err != nil {
		t.Fatal(err)
	}
	n := &netfile.Net{Graph: g, Files: []string{"tokens.onnx"}}
	if _, err := prepare(n, t.TempDir()); err == nil || !strings.Contains(err.Error(), "tokens.onnx reads x 1x7: only networks that read one picture") {
		t.Error(err)
	}
	if err := Probe(t.Context(), strings.NewReader("?"), io.Discard); err == nil || !strings.Contains(err.Error(), "model info --measure") {
		t.Error(err)
	}
}

// A probe that fails says why.
func TestAskPassesOnWhatWentWrong(t *testing.T) {
	_, err := ask(t.Context(), []string{"/bin/sh", "-c", "echo no such network >&2; exit 1"}, request{})
	if err == nil || !strings.Contains(err.Error(), "no such network") {
		t.Error(err)
	}
	if _, err := ask(t.Context(), []string{"/bin/echo", "hello"}, request{}); err == nil || !strings.Contains(err.Error(), `said "hello`) {
		t.Error(err)
	}
	if e := (&NoEngineError{errors.New("x")}); e.Error() != "not measured on ort: x" {
		t.Error(e)
	}
}
