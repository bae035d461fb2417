package detect_test

import (
	"errors"
	"image"
	"os"
	"slices"
	"testing"

	"gocv.io/x/gocv"

	"dashline/detect"
	"dashline/infer"
	"dashline/infer/engine"
	"dashline/infer/ort"
	"dashline/internal/testkit"
	"dashline/model/catalog"
	"dashline/pipeline/msg"
)

// open makes a detector of a shipped description on a real engine. It skips
// where ONNX Runtime is absent, and fails where everything must be there.
func open(t testing.TB, network, engineName string, opt detect.Options) *detect.Detector {
	t.Helper()
	d, err := catalog.Resolve(network, testkit.Asset(t, "networks"))
	if err != nil {
		t.Fatal(err)
	}
	net, err := engine.Open(&d, engineName, infer.Options{})
	if errors.Is(err, ort.ErrNoLibrary) && os.Getenv("DASHLINE_REQUIRE_ASSETS") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	det, err := detect.New(net, &d, opt)
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

// TestOddPictures runs sizes and layouts that are unusual and yet right, on a
// network of each way to resize.
func TestOddPictures(t *testing.T) {
	for _, network := range []string{"yolo-fastest-1.1-xl", "yolo-fastest-1.1", "mobilenetv2-yolov3-nano-voc", "yolox-nano-416", "nanodet"} {
		det := open(t, network, "opencv", detect.Options{Score: 0.01})
		for _, size := range []image.Point{{1, 1}, {1, 2000}, {20_000, 1}, {20_000, 40}, {3, 3}} {
			img := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(90, 120, 200, 0), size.Y, size.X, gocv.MatTypeCV8UC3)
			got, _, err := det.Detect(img, nil)
			if err != nil {
				t.Errorf("%s on %v: %v", network, size, err)
			}
			checkSound(t, got, size.X, size.Y, 0.01)
			img.Close()
		}
	}
}

// TestRegion gives a part of a larger Mat, whose rows are apart in memory.
func TestRegion(t *testing.T) {
	det := open(t, "yolo-fastest-1.1-xl", "opencv", detect.Options{})
	whole := gocv.IMRead(testkit.Asset(t, "drives/darknet_dog.jpg"), gocv.IMReadColor)
	defer whole.Close()
	region := whole.Region(image.Rect(60, 40, whole.Cols()-20, whole.Rows()-10))
	defer region.Close()
	apart := region.Clone()
	defer apart.Close()
	if region.IsContinuous() || !apart.IsContinuous() {
		t.Fatal("the region is no region")
	}
	got, _, err := det.Detect(region, nil)
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := det.Detect(apart, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 || !slices.Equal(got, want) {
		t.Errorf("region %v\ncopy %v", got, want)
	}
}

func TestDetectAllocatesNothing(t *testing.T) {
	for _, tt := range []struct{ network, engine string }{
		{"yolo-fastest-1.1-xl", "opencv"}, {"yolox-nano-416", "opencv"}, {"nanodet", "opencv"}, {"nanodet", "ort"},
	} {
		t.Run(tt.network+"/"+tt.engine, func(t *testing.T) {
			det := open(t, tt.network, tt.engine, detect.Options{})
			img := gocv.IMRead(testkit.Asset(t, "drives/darknet_dog.jpg"), gocv.IMReadColor)
			defer img.Close()
			var dst []msg.Detection
			allocs := testing.AllocsPerRun(5, func() {
				var err error
				if dst, _, err = det.Detect(img, dst[:0]); err != nil {
					t.Fatal(err)
				}
			})
			if len(dst) == 0 {
				t.Error("nothing found")
			}
			if allocs != 0 {
				t.Errorf("%v allocations a call", allocs)
			}
		})
	}
}

func BenchmarkDetect(b *testing.B) {
	for _, network := range []string{"yolo-fastest-1.1-xl", "mobilenetv2-yolov3-nano-coco", "yolox-nano-416", "nanodet"} {
		b.Run(network, func(b *testing.B) {
			det := open(b, network, "opencv", detect.Options{})
			img := gocv.IMRead(testkit.Asset(b, "drives/darknet_dog.jpg"), gocv.IMReadColor)
			defer img.Close()
			var dst []msg.Detection
			var sum detect.Timing
			b.ReportAllocs()
			for b.Loop() {
				var t detect.Timing
				var err error
				if dst, t, err = det.Detect(img, dst[:0]); err != nil {
					b.Fatal(err)
				}
				sum.Preprocess += t.Preprocess
				sum.Forward += t.Forward
				sum.Decode += t.Decode
			}
			n := float64(b.N) * 1e6
			b.ReportMetric(float64(sum.Preprocess)/n, "preprocess-ms/op")
			b.ReportMetric(float64(sum.Forward)/n, "forward-ms/op")
			b.ReportMetric(float64(sum.Decode)/n, "decode-ms/op")
		})
	}
}
