package detect_test

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"os"
	"path/filepath"
	"testing"

	"gocv.io/x/gocv"

	"dashline/detect"
	"dashline/infer"
	"dashline/infer/engine"
	"dashline/infer/opencv"
	"dashline/internal/testkit"
	"dashline/model/catalog"
	"dashline/model/darknet"
	"dashline/pipeline/msg"
)

// TestYOLOv3TinyOracle runs YOLOv3-tiny with the random weights with which
// testdata/oracles/darknet.py ran it, and compares every box.
func TestYOLOv3TinyOracle(t *testing.T) {
	want := readOracle(t, "yolov3-tiny")
	cfg, err := os.ReadFile(testkit.Asset(t, "networks/yolov3-tiny.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	weights, err := darknet.RandomWeights(cfg, want.Seed)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(weights)
	if got := hex.EncodeToString(sum[:]); got != want.SHA256 {
		t.Fatalf("the oracle's weights have the sha256 %s, these %s: make oracles", want.SHA256, got)
	}
	d, err := catalog.Get("yolov3-tiny")
	if err != nil {
		t.Fatal(err)
	}
	d.Dir = t.TempDir()
	for i, f := range d.Files {
		data := map[string][]byte{"config": cfg, "weights": weights}[f.Role]
		if f.Role == "weights" {
			d.Files[i].SHA256 = want.SHA256
		}
		if err := os.WriteFile(filepath.Join(d.Dir, f.Path), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	det := detector(t, d, infer.Options{ScoreFloor: want.Score / 2}, detect.Options{Score: want.Score, NMS: want.NMS})

	video, err := gocv.VideoCaptureFile(testkit.Asset(t, want.Video))
	if err != nil {
		t.Fatal(err)
	}
	defer video.Close()
	img := gocv.NewMat()
	defer img.Close()
	frames, boxes := 0, 0
	for i := 0; video.Read(&img); i++ {
		if i%want.Every != 0 {
			continue
		}
		got, _, err := det.Detect(img, nil)
		if err != nil {
			t.Fatal(err)
		}
		checkSound(t, got, want.Width, want.Height, want.Score)
		if len(got) == 0 {
			t.Fatalf("frame %d: nothing is found", i)
		}
		oracle := want.detections(frames)
		pairs := detect.Match(oracle, got, 0.95)
		t.Logf("frame %d: %d boxes, %d of them the oracle's %d", i, len(got), pairs, len(oracle))
		if missed, extra := len(oracle)-pairs, len(got)-pairs; missed > 1 || extra > 1 {
			t.Errorf("frame %d: %d boxes are missed, %d are extra: want at most one each, where scores tie", i, missed, extra)
		}
		if g, w := float64(got[0].Score), float64(oracle[0].Score); math.Abs(g-w) > 1e-3*w {
			t.Errorf("frame %d: best score %g, the oracle's %g", i, g, w)
		}
		frames, boxes = frames+1, boxes+len(oracle)
	}
	if frames != len(want.Frames) || boxes < 100 {
		t.Errorf("%d frames of %d, %d boxes", frames, len(want.Frames), boxes)
	}
}

// TestAnotherSizeThanTheCfgs runs a darknet network at other inputs than its cfg
// was written for: the description's size is what holds. What is in the picture
// is found where it is, as measured by eye; boxes in the proportions of the
// cfg's input would be 1.3 times too large on each side.
func TestAnotherSizeThanTheCfgs(t *testing.T) {
	img := gocv.IMRead(testkit.Asset(t, "drives/darknet_dog.jpg"), gocv.IMReadColor)
	defer img.Close()
	seen := []msg.Detection{
		{Class: 1, Label: "bicycle", Box: msg.Box{X0: 125, Y0: 133, X1: 566, Y1: 420}},
		{Class: 2, Label: "car", Box: msg.Box{X0: 472, Y0: 85, X1: 692, Y1: 168}},
		{Class: 16, Label: "dog", Box: msg.Box{X0: 130, Y0: 220, X1: 312, Y1: 540}},
	}
	d, err := catalog.Resolve("yolo-fastest-1.1-xl", testkit.Asset(t, "networks"))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := os.ReadFile(d.Path("config"))
	if err != nil {
		t.Fatal(err)
	}
	net, err := darknet.Inspect(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range [][2]int{{416, 416}, {480, 352}} {
		if in := net.Layers[0].In; in.W == size[0] || in.H == size[1] {
			t.Fatalf("the cfg's own size is %dx%d", in.W, in.H)
		}
		d.Input.Width, d.Input.Height = size[0], size[1]
		got, _, err := detector(t, d, infer.Options{}, detect.Options{Score: 0.5}).Detect(img, nil)
		if err != nil {
			t.Fatal(err)
		}
		checkSound(t, got, img.Cols(), img.Rows(), 0.5)
		t.Logf("at %v: %v", size, got)
		for _, s := range seen {
			if detect.Match([]msg.Detection{s}, got, 0.6) == 0 {
				t.Errorf("at %v no %s is found at %v", size, s.Label, s.Box)
			}
		}
	}
}

// TestLargeNetworks runs the full YOLOv3 and its SPP variant once with random
// weights: they load, have the heads that the cfg says, and compute numbers.
func TestLargeNetworks(t *testing.T) {
	if testing.Short() || race {
		t.Skip("-short, or the race detector: 500 MB of weights are made, and 130 billion operations done")
	}
	img := gocv.IMRead(testkit.Asset(t, "drives/darknet_dog.jpg"), gocv.IMReadColor)
	defer img.Close()
	for _, name := range []string{"yolov3", "yolov3-spp"} {
		d, err := catalog.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		file, _ := d.File("config")
		cfg, err := os.ReadFile(testkit.Asset(t, "networks/"+file.Path))
		if err != nil {
			t.Fatal(err)
		}
		weights, err := darknet.RandomWeights(cfg, 1)
		if err != nil {
			t.Fatal(err)
		}
		const score = 1e-5
		net, err := opencv.Open(opencv.Model{
			Name: name, Format: d.Format, Graph: cfg, Weights: weights, Width: d.Input.Width, Height: d.Input.Height,
		}, infer.Options{ScoreFloor: score})
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for _, out := range net.Info().Outputs {
			if cols := out.Shape[len(out.Shape)-1]; cols != 5+len(d.Classes) {
				t.Errorf("%s: output %s has rows of %d", name, out.Name, cols)
			}
			rows += out.Len() / (5 + len(d.Classes))
		}
		// Three boxes a cell, heads at strides of 32, 16 and 8 pixels.
		if want := 3 * (13*13 + 26*26 + 52*52); rows != want {
			t.Errorf("%s: %d rows, want %d", name, rows, want)
		}
		det, err := detect.New(net, &d, detect.Options{Score: score})
		if err != nil {
			net.Close()
			t.Fatal(err)
		}
		got, spent, err := det.Detect(img, nil)
		if err != nil {
			t.Fatal(err)
		}
		checkSound(t, got, img.Cols(), img.Rows(), score)
		if len(got) == 0 {
			t.Errorf("%s: no box at a score of %g", name, score)
		}
		t.Logf("%s: %d rows, %d boxes kept, forward %v", name, rows, len(got), spent.Forward)
		if err := det.Close(); err != nil {
			t.Error(err)
		}
	}
}

// detector opens a network on OpenCV and closes it with the test.
func detector(t *testing.T, d catalog.Network, io infer.Options, do detect.Options) *detect.Detector {
	t.Helper()
	net, err := engine.Open(&d, engine.OpenCV, io)
	if err != nil {
		t.Fatal(err)
	}
	det, err := detect.New(net, &d, do)
	if err != nil {
		net.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := det.Close(); err != nil {
			t.Error(err)
		}
	})
	return det
}
