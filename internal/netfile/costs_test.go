package netfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dashline/internal/testkit"
	"dashline/internal/testkit/topology"
	"dashline/model"
	"dashline/model/onnx/pb"
)

// Counts of real networks, exact. Parameters, bytes and BFLOPs of the yolov3
// family are those that darknet itself names; the others are this package's
// own, held so that they do not change unseen.
func TestCostsOfRealNetworksNumerics(t *testing.T) {
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
			n, err := LoadWith(file, Options{Topology: true, Width: c.side, Height: c.side})
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

// A classifier and an encoder as their papers and torchvision have them.
func TestCostsOfOtherNetworksNumerics(t *testing.T) {
	// Of each layer of an encoder: four projections, queries by keys and weights by
	// values, and two layers of feed-forward.
	encoder := func(e topology.Transformer, length int64) int64 {
		return e.Layers * (4*length*e.Width*e.Width + 2*length*length*e.Width + 2*length*e.Width*e.Hidden)
	}
	tiny, distil := topology.Tiny(), topology.DistilBERT()
	for _, c := range []struct {
		name        string
		file        *pb.ModelProto
		dims        map[string]int
		large       bool
		trained     int64
		macs        int64
		least, most int64 // of the peak, numbers
	}{
		// What the first block reads, and both operands of its sum.
		{"ResNet-50", topology.ResNet50(), nil, false, topology.ResNet50Parameters, 4_089_184_256, 64*56*56 + 2*256*56*56, 64*56*56 + 2*256*56*56},
		{"encoder", tiny.Model(), map[string]int{"sequence": 16}, false, tiny.Parameters(), encoder(tiny, 16), 3 * 16 * 32, 8 * 16 * 64},
		{"DistilBERT", distil.Model(), map[string]int{"sequence": 128}, true, distil.Parameters(), encoder(distil, 128), 3 * 128 * 768, 8 * 128 * 3072},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.large && testing.Short() {
				t.Skip("needs 700 MB")
			}
			file := filepath.Join(t.TempDir(), "net.onnx")
			if err := os.WriteFile(file, topology.Encode(c.file), 0o644); err != nil {
				t.Fatal(err)
			}
			n, err := LoadWith(file, Options{Dims: c.dims})
			if err != nil {
				t.Fatal(err)
			}
			p := n.Graph.Profile()
			if p.Total.Trainable != c.trained || p.Total.MACs != c.macs {
				t.Errorf("%d trainable, %d MACs; want %d, %d", p.Total.Trainable, p.Total.MACs, c.trained, c.macs)
			}
			if peak := p.Memory.Peak / model.ValueBytes; peak < c.least || peak > c.most {
				t.Errorf("at most %d numbers at once, at %s; want %d to %d", peak, n.Graph.Layers[p.Memory.At].Name, c.least, c.most)
			}
		})
	}
}
