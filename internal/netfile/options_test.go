package netfile

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"dashline/internal/testkit/topology"
	"dashline/model/darknet"
	"dashline/model/onnx"
	"dashline/model/onnx/pb"
)

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

func TestLoadWith(t *testing.T) {
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
		file  string
		o     Options
		files string // that were read
		shape string // of the first layer
		want  string // the error
	}{
		{"net.cfg", Options{}, "net.cfg net.weights", "1x3x32x32", ""},
		{"net.cfg", Options{Width: 96, Height: 64}, "net.cfg net.weights", "1x3x64x96", ""},
		{"bare.cfg", Options{Topology: true}, "bare.cfg", "1x3x32x32", ""},
		{"bare.cfg", Options{Weights: filepath.Join(dir, "net.weights")}, "bare.cfg net.weights", "1x3x32x32", ""},
		{"mine.yaml", Options{}, "net.cfg net.weights", "1x3x32x64", ""},
		{"mine.yaml", Options{Width: 32, Height: 32}, "net.cfg net.weights", "1x3x32x32", ""},
		{"net.onnx", Options{}, "net.onnx", "1x3x32x32", ""},

		{"bare.cfg", Options{}, "", "", "bare.weights: no such file"},
		{"bare.cfg", Options{Topology: true, Weights: "none.weights"}, "", "", "none.weights: no such file"},
		{"net.weights", Options{}, "", "", "these are weights: name the cfg beside them"},
		{"net.cfg", Options{Weights: filepath.Join(dir, "net.cfg")}, "", "", "this is not a weights file"},
		{"mine.yaml", Options{Weights: "x"}, "", "", "are for a .cfg: leave them out"},
		{"net.onnx", Options{Weights: "x"}, "", "", "are for a .cfg: leave them out"},
		{"net.onnx", Options{Width: 64, Height: 64}, "", "", "does not fit"},
		{"net.cfg", Options{Dims: map[string]int{"n": 3}}, "", "", "dimensions are for an .onnx"},
		{"mine.yaml", Options{Dims: map[string]int{"n": 3}}, "", "", "dimensions are for an .onnx"},
		{"net.cfg", Options{Width: 64}, "", "", "at 64x0: give width and height"},
		{"net.onnx", Options{Height: 64}, "", "", "at 0x64: give width and height"},
		{"mine.yaml", Options{Width: -32, Height: 32}, "", "", "both above 0"},
		{"none.onnx", Options{}, "", "", "no such file"},
	} {
		n, err := LoadWith(filepath.Join(dir, c.file), c.o)
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
		var files []string
		for _, f := range n.Files {
			files = append(files, filepath.Base(f))
		}
		if got := n.Graph.Layers[0].Shape.String(); strings.Join(files, " ") != c.files || got != c.shape {
			t.Errorf("%s %+v: %v at %s, want %s at %s", c.file, c.o, files, got, c.files, c.shape)
		}
	}
	if _, err := Load("yolov33", false); err == nil || !strings.Contains(err.Error(), "did you mean yolov3?") {
		t.Errorf("unknown name: %v", err)
	}
}

// Without weights a cfg has those of a file of zeros.
func TestTopologyIsAsLongAsTheWeights(t *testing.T) {
	dir := folder(t)
	with, err := Load(filepath.Join(dir, "net.cfg"), false)
	if err != nil {
		t.Fatal(err)
	}
	without, err := Load(filepath.Join(dir, "bare.cfg"), true)
	if err != nil {
		t.Fatal(err)
	}
	if with.Bytes != without.Bytes || without.Darknet.Header.Minor != 2 {
		t.Errorf("%d and %d bytes, version 0.%d", with.Bytes, without.Bytes, without.Darknet.Header.Minor)
	}
}

// An ONNX file that leaves its picture's size open has that of the description
// beside it; one of another size is not the described network.
func TestONNXAtTheDescribedSize(t *testing.T) {
	dir := folder(t)
	description := `name: net
task: detect
format: onnx
files: [{role: model, path: net.onnx}]
input: {width: 96, height: 64, resize: stretch, color: rgb, scale: [1, 1, 1]}
decode: {kind: yolo}
classes: [thing]
`
	file := filepath.Join(dir, "net.onnx")
	if err := os.WriteFile(filepath.Join(dir, "net.yaml"), []byte(description), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file, false); err == nil || !strings.Contains(err.Error(), "give the description the model's own size") {
		t.Errorf("a file of another size: %v", err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var m pb.ModelProto
	if err := proto.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	dims := m.Graph.Input[0].Type.TensorType.Shape.Dim
	for i, name := range map[int]string{2: "height", 3: "width"} {
		dims[i] = &pb.TensorShapeProto_Dimension{DimParam: name}
	}
	if err := os.WriteFile(file, topology.Encode(&m), 0o644); err != nil {
		t.Fatal(err)
	}
	for o, want := range map[[2]int]string{{0, 0}: "1x3x64x96", {64, 32}: "1x3x32x64"} {
		n, err := LoadWith(file, Options{Width: o[0], Height: o[1]})
		if err != nil {
			t.Errorf("%v: %v", o, err)
			continue
		}
		if got := n.Graph.Layers[0].Shape.String(); got != want {
			t.Errorf("%v: %s, want %s", o, got, want)
		}
	}
}
