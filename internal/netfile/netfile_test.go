package netfile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dashline/internal/testkit"
	"dashline/model/darknet"
	"dashline/model/onnx"
)

// Counts of real networks, exact. Parameters, bytes and BFLOPs of the yolov3
// family are those that darknet itself names; the others are this package's
// own, held so that they do not change unseen.
func TestCostsOfRealNetworks(t *testing.T) {
	for _, c := range []struct {
		file                                  string
		side                                  int
		parameters, trainable, folded, file64 int64
		macs, elementwise, activations, peak  int64
		bflops                                string
	}{
		{"yolov3.cfg", 416, 62001757, 61949149, 61922845, 248007048, 32932037632, 131212614, 226848024, 33226752, "65.86"},
		{"yolov3-tiny.cfg", 416, 8858734, 8852366, 8849182, 35434956, 2782480896, 23988198, 32614296, 13844480, "5.56"},
		{"yolov3-spp.cfg", 416, 63052381, 62998749, 62971933, 252209544, 33109246976, 155267398, 229616920, 33226752, "66.22"},
		{"MobileNetV2-YOLOv3-Nano-coco.cfg", 0, 891070, 873150, 864190, 3564300, 274726400, 22423000, 32303200, 6144000, "0.55"},
		{"yolo-fastest-1.1-xl.cfg", 0, 923486, 898686, 886286, 3693964, 361700800, 38112600, 54568800, 6144000, "0.72"},
		{"yolox_nano_416.onnx", 0, 904463, 904463, 904463, 3678356, 522553408, 23865166, 57305872, 4845568, "1.05"},
		{"nanodet.onnx", 0, 941818, 941818, 941818, 3795445, 342223200, 10892000, 37993600, 3686400, "0.68"},
		{"dashline-full.cfg", 0, 3883981, 3870829, 3864253, 15535944, 1771278336, 27800928, 47723904, 7077888, "3.54"},
		{"dashline-tiny.cfg", 0, 1232822, 1230430, 1229234, 4931308, 359562240, 8762976, 11569536, 6488064, "0.72"},
		{"dashline-lanes.onnx", 0, 154032, 154032, 154032, 626253, 236689920, 3710400, 11877120, 3916800, "0.47"},
	} {
		t.Run(c.file, func(t *testing.T) {
			file := filepath.Join(testkit.Root(), "testdata", "networks", c.file)
			if !strings.HasPrefix(c.file, "dashline-") {
				file = testkit.Asset(t, "networks/"+c.file)
			}
			n, err := Load(file, Options{Topology: true, Width: c.side, Height: c.side})
			if err != nil {
				t.Fatal(err)
			}
			p := n.Graph.Profile()
			got := []int64{p.Total.Parameters, p.Total.Trainable, p.Total.Folded, n.Bytes, p.Total.MACs, p.Total.Elementwise, p.Activations, p.Memory.Peak}
			want := []int64{c.parameters, c.trainable, c.folded, c.file64, c.macs, c.elementwise, c.activations, c.peak}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got  %d\nwant %d", got, want)
			}
			if b := fmt.Sprintf("%.2f", float64(p.Total.FLOPs())/1e9); b != c.bflops {
				t.Errorf("%s BFLOPs, want %s", b, c.bflops)
			}
		})
	}
}

const cfg = "[net]\nwidth=32\nheight=32\nchannels=3\n[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\nstride=2\npad=1\nactivation=leaky\n" +
	"[convolutional]\nfilters=6\nsize=1\nactivation=linear\n[yolo]\nmask=0\nanchors=10,10\nclasses=1\nnum=1\n"

// folder has the cfg as net.cfg with weights, as bare.cfg without, and as net.onnx.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	weights, err := darknet.RandomWeights([]byte(cfg), 1)
	if err != nil {
		t.Fatal(err)
	}
	f, err := darknet.Read([]byte(cfg), bytes.NewReader(weights), int64(len(weights)))
	if err != nil {
		t.Fatal(err)
	}
	var model bytes.Buffer
	if err := onnx.Write(&model, f.Graph, onnx.Options{}); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"net.cfg": []byte(cfg), "bare.cfg": []byte(cfg), "net.weights": weights, "net.onnx": model.Bytes()} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoad(t *testing.T) {
	dir := folder(t)
	description := `name: mine
task: detect
format: darknet
files:
  - {role: weights, path: net.weights}
  - {role: config, path: net.cfg}
input: {width: 64, height: 32, resize: stretch, color: rgb, scale: [1, 1, 1]}
decode: {kind: yolo}
classes: [thing]
`
	if err := os.WriteFile(filepath.Join(dir, "mine.yaml"), []byte(description), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file    string
		o       Options
		name    string
		weights string
		shape   string // of the first layer
		want    string // the error
	}{
		{"net.cfg", Options{}, "net", "net.weights", "1x3x32x32", ""},
		{"net.cfg", Options{Width: 96, Height: 64}, "net", "net.weights", "1x3x64x96", ""},
		{"bare.cfg", Options{Topology: true}, "bare", "", "1x3x32x32", ""},
		{"bare.cfg", Options{Weights: filepath.Join(dir, "net.weights")}, "bare", "net.weights", "1x3x32x32", ""},
		{"mine.yaml", Options{}, "mine", "net.weights", "1x3x32x64", ""},
		{"mine.yaml", Options{Width: 32, Height: 32}, "mine", "net.weights", "1x3x32x32", ""},
		{"net.onnx", Options{}, "net", "", "1x3x32x32", ""},

		{"bare.cfg", Options{}, "", "", "", "bare.cfg has no weights beside it (bare.weights): name them with --weights"},
		{"net.weights", Options{}, "", "", "", "holds weights alone: name its .cfg"},
		{"net.cfg", Options{Width: 96}, "", "", "", "give both width and height"},
		{"net.cfg", Options{Weights: filepath.Join(dir, "net.cfg")}, "", "", "", "this is not a weights file"},
		{"mine.yaml", Options{Weights: "x"}, "", "", "", "leave out --weights"},
		{"net.onnx", Options{Weights: "x"}, "", "", "", "holds its own weights"},
		{"net.onnx", Options{Width: 64, Height: 64}, "", "", "", "does not fit"},
		{"none.onnx", Options{}, "", "", "", "no such file"},
	} {
		n, err := Load(filepath.Join(dir, c.file), c.o)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s %+v: error %v, want %q", c.file, c.o, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %+v: %v", c.file, c.o, err)
			continue
		}
		if got := n.Graph.Layers[0].Shape.String(); n.Name != c.name || n.Graph.Name == "" || got != c.shape || filepath.Base("x/"+n.Weights) != filepath.Base("x/"+c.weights) {
			t.Errorf("%s %+v: %s with %q at %s, want %s with %q at %s", c.file, c.o, n.Name, n.Weights, got, c.name, c.weights, c.shape)
		}
	}
	if _, err := Load("yolov33", Options{}); err == nil || !strings.Contains(err.Error(), "did you mean yolov3?") {
		t.Errorf("unknown name: %v", err)
	}
}

// Without weights a cfg has those of a file of zeros.
func TestTopologyIsAsLongAsTheWeights(t *testing.T) {
	dir := folder(t)
	with, err := Load(filepath.Join(dir, "net.cfg"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	without, err := Load(filepath.Join(dir, "bare.cfg"), Options{Topology: true})
	if err != nil {
		t.Fatal(err)
	}
	if with.Bytes != without.Bytes || without.Darknet.Header.Minor != 2 {
		t.Errorf("%d and %d bytes, version 0.%d", with.Bytes, without.Bytes, without.Darknet.Header.Minor)
	}
}
