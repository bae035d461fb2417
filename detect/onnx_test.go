package detect_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"gocv.io/x/gocv"

	"dashline/detect"
	"dashline/infer"
	"dashline/infer/opencv"
	"dashline/infer/ort"
	"dashline/infer/preprocess"
	"dashline/internal/testkit"
	"dashline/model"
	"dashline/model/catalog"
	"dashline/model/darknet"
	"dashline/model/onnx"
	"dashline/pipeline/msg"
)

// network is a darknet network in memory.
type network struct {
	d            catalog.Network
	cfg, weights []byte
	g            *model.Graph
}

// readNetwork reads a described network: the project's own, an asset, or one of
// which only the cfg is at hand, with random weights.
func readNetwork(t testing.TB, name string) network {
	t.Helper()
	d, err := catalog.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	n := network{d: d}
	n.d.Dir = filepath.Join(testkit.Root(), "testdata", "networks")
	if n.cfg, err = os.ReadFile(n.d.Path("config")); err != nil {
		n.d.Dir = testkit.Asset(t, "networks")
		n.cfg, err = os.ReadFile(n.d.Path("config"))
	}
	if err != nil {
		t.Fatal(err)
	}
	if n.weights, err = os.ReadFile(n.d.Path("weights")); errors.Is(err, os.ErrNotExist) {
		n.weights, err = darknet.RandomWeights(n.cfg, 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n.parsed(t)
}

// parsed reads the graph from the files, at the size of the description.
func (n network) parsed(t testing.TB) network {
	t.Helper()
	n.change(`(?m)^(width|height) *=.*\n`, "")
	n.change(`\[net\]`, fmt.Sprintf("[net]\nwidth=%d\nheight=%d", n.d.Input.Width, n.d.Input.Height))
	file, err := darknet.Read(n.cfg, bytes.NewReader(n.weights), int64(len(n.weights)))
	if err != nil {
		t.Fatal(err)
	}
	n.g = file.Graph
	return n
}

// stretched is a network of another height than width whose boxes reach beyond
// their cells.
func stretched(t testing.TB, name string) network {
	t.Helper()
	n := readNetwork(t, name)
	n.change(`\[yolo\]`, "[yolo]\nscale_x_y=1.2")
	n.d.Input.Width, n.d.Input.Height = n.d.Input.Width+64, n.d.Input.Height-32
	return n.parsed(t)
}

// change replaces in the cfg.
func (n *network) change(pattern, by string) {
	n.cfg = regexp.MustCompile(pattern).ReplaceAll(n.cfg, []byte(by))
}

// onDarknet opens the network as OpenCV reads it itself, with every score as it is.
func (n network) onDarknet(t testing.TB) infer.Network {
	t.Helper()
	net, err := opencv.Open(opencv.Model{Name: n.d.Name, Format: "darknet", Graph: n.cfg, Weights: n.weights,
		Width: n.d.Input.Width, Height: n.d.Input.Height}, infer.Options{ScoreFloor: 1e-30, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// onONNX writes the network and opens what was written.
func (n network) onONNX(t testing.TB, engine string, o onnx.Options) infer.Network {
	t.Helper()
	var file bytes.Buffer
	if err := onnx.Write(&file, n.g, o); err != nil {
		t.Fatal(err)
	}
	var net infer.Network
	var err error
	width, height := n.d.Input.Width, n.d.Input.Height
	if engine == "ort" {
		net, err = ort.Open(ort.Model{Name: n.d.Name, Graph: file.Bytes(), Width: width, Height: height}, infer.Options{Threads: 2})
		if errors.Is(err, ort.ErrNoLibrary) && os.Getenv("DASHLINE_REQUIRE_ASSETS") != "1" {
			t.Skip(err)
		}
	} else {
		net, err = opencv.Open(opencv.Model{Name: n.d.Name, Format: "onnx", Graph: file.Bytes(), Width: width, Height: height},
			infer.Options{Threads: 2})
	}
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// rows runs a network on a picture and gives the rows of each head. Outputs that
// are not decoded yet are decoded here.
func (n network) rows(t testing.TB, net infer.Network, img gocv.Mat) [][]float32 {
	t.Helper()
	pre, err := preprocess.New(n.d.Input)
	if err != nil {
		t.Fatal(err)
	}
	defer pre.Close()
	if _, err := pre.Run(img, net.Input()); err != nil {
		t.Fatal(err)
	}
	outputs, err := net.Forward()
	if err != nil {
		t.Fatal(err)
	}
	if len(outputs) != len(n.g.Outputs) {
		t.Fatalf("%d outputs, the network has %d", len(outputs), len(n.g.Outputs))
	}
	rows := make([][]float32, len(outputs))
	for i, tensor := range net.Info().Outputs {
		place := i
		name := func(layer int) bool { return n.g.Layers[layer].Name == tensor.Name }
		if at := slices.IndexFunc(n.g.Outputs, func(o int) bool { return name(o) || name(n.g.Layers[o].From[0]) }); at >= 0 {
			place = at // an engine may have an order of its own
		}
		rows[place] = slices.Clone(outputs[i])
		if len(tensor.Shape) == 4 {
			rows[place] = decodeYOLO(outputs[i], n.g.Layers[n.g.Outputs[place]].Op.(*model.Yolo), tensor.Shape[2], tensor.Shape[3])
		}
	}
	return rows
}

// decodeYOLO is the decoding of a head, one number after the other.
func decodeYOLO(raw []float32, o *model.Yolo, height, width int) []float32 {
	logistic := func(x float32) float64 { return 1 / (1 + math.Exp(-float64(x))) }
	var rows []float32
	for y := range height {
		for x := range width {
			for a, mask := range o.Mask {
				at := func(c int) float32 { return raw[((a*(5+o.Classes)+c)*height+y)*width+x] }
				objectness := logistic(at(4))
				row := []float64{
					(float64(x) + (logistic(at(0))-0.5)*o.ScaleXY + 0.5) / float64(width),
					(float64(y) + (logistic(at(1))-0.5)*o.ScaleXY + 0.5) / float64(height),
					math.Exp(float64(at(2))) * o.Anchors[2*mask] / float64(o.Input[1]),
					math.Exp(float64(at(3))) * o.Anchors[2*mask+1] / float64(o.Input[0]),
					objectness,
				}
				for c := range o.Classes {
					row = append(row, objectness*logistic(at(5+c)))
				}
				for _, v := range row {
					rows = append(rows, float32(v))
				}
			}
		}
	}
	return rows
}

// TestWrittenLargeNetworksAgree compares what engines make of a network written as
// ONNX with what OpenCV makes of the darknet files: every number of every head
// of a real picture, to a share of the head's largest, and the boxes. OpenCV 4.6
// reads no float16.
func TestWrittenLargeNetworksAgree(t *testing.T) {
	dog := gocv.IMRead(testkit.Asset(t, "drives/darknet_dog.jpg"), gocv.IMReadColor)
	defer dog.Close()
	const exact, rounded = 1e-4, 0.02 // rounded: float16 has 11 bits, lost again in every layer
	for _, name := range []string{
		"yolo-fastest-1.1", "yolo-fastest-1.1-xl", "mobilenetv2-yolov3-nano-coco", "mobilenetv2-yolov3-nano-voc",
		"dashline-full", "dashline-tiny", "dashline-tiny-labels", "yolov3-tiny",
	} {
		n := readNetwork(t, name)
		if name == "dashline-tiny" {
			n = stretched(t, name)
		}
		darknet := n.onDarknet(t)
		want, boxes := n.rows(t, darknet, dog), n.boxes(t, darknet, dog)
		for _, tc := range []struct {
			engine string
			onnx.Options
			limit float64
		}{
			{"ort", onnx.Options{}, exact},
			{"ort", onnx.Options{Fold: true}, exact},
			{"ort", onnx.Options{Decode: true}, exact},
			{"ort", onnx.Options{Fold: true, Decode: true}, exact},
			{"ort", onnx.Options{Half: true}, rounded},
			{"ort", onnx.Options{Half: true, Decode: true}, rounded},
			{"opencv", onnx.Options{}, exact},
			{"opencv", onnx.Options{Fold: true}, exact},
			{"opencv", onnx.Options{Decode: true}, exact},
			{"opencv", onnx.Options{Fold: true, Decode: true}, exact},
		} {
			t.Run(fmt.Sprintf("%s/%s/fold=%t,decode=%t,half=%t", name, tc.engine, tc.Fold, tc.Decode, tc.Half), func(t *testing.T) {
				net := n.onONNX(t, tc.engine, tc.Options)
				for i, got := range n.rows(t, net, dog) {
					if len(got) != len(want[i]) {
						t.Fatalf("output %d has %d numbers, want %d", i, len(got), len(want[i]))
					}
					var d infer.Difference
					d.Add(want[i], got)
					t.Logf("output %d differs by %.2g of its largest value, %.3g", i, d.Relative(), d.Scale)
					if d.Relative() > tc.limit || d.NotFinite > 0 {
						t.Errorf("output %d differs by %.2g of its largest value, limit %g; %d places are no finite numbers", i, d.Relative(), tc.limit, d.NotFinite)
					}
				}
				if !tc.Decode {
					net.Close()
					return
				}
				got := n.boxes(t, net, dog)
				if pairs := detect.Match(boxes, got, 0.95); tc.limit == exact && (pairs != len(boxes) || pairs != len(got)) {
					t.Errorf("%d boxes, %d of them the %d of the darknet network", len(got), pairs, len(boxes))
				}
			})
		}
	}
}

// boxes are what a detector finds; it closes the network.
func (n network) boxes(t testing.TB, net infer.Network, img gocv.Mat) []msg.Detection {
	t.Helper()
	det, err := detect.New(net, &n.d, detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer det.Close()
	found, _, err := det.Detect(img, nil)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// BenchmarkEngines runs the same weights as OpenCV reads them from darknet's
// files and as ONNX Runtime reads them from a written network.
func BenchmarkEngines(b *testing.B) {
	for _, name := range []string{"yolo-fastest-1.1-xl", "mobilenetv2-yolov3-nano-coco"} {
		n := readNetwork(b, name)
		for _, bm := range []struct {
			name string
			open func() infer.Network
		}{
			{"opencv-darknet", func() infer.Network { return n.onDarknet(b) }},
			{"opencv-onnx", func() infer.Network { return n.onONNX(b, "opencv", onnx.Options{Fold: true, Decode: true}) }},
			{"ort", func() infer.Network { return n.onONNX(b, "ort", onnx.Options{Fold: true, Decode: true}) }},
			{"ort-outside", func() infer.Network { return n.onONNX(b, "ort", onnx.Options{Fold: true}) }},
			{"ort-kept", func() infer.Network { return n.onONNX(b, "ort", onnx.Options{Decode: true}) }},
			{"ort-half", func() infer.Network { return n.onONNX(b, "ort", onnx.Options{Half: true, Decode: true}) }},
		} {
			b.Run(name+"/"+bm.name, func(b *testing.B) {
				net := bm.open()
				defer net.Close()
				for b.Loop() {
					if _, err := net.Forward(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
