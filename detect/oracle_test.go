package detect_test

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gocv.io/x/gocv"

	"dashline/detect"
	"dashline/internal/testkit"
	"dashline/pipeline/msg"
)

// oracle is what testdata/oracles/detect.py found in a video.
type oracle struct {
	Network       string
	Video         string
	Width, Height int
	Score, NMS    float32
	Frames        [][][6]float64 // class, score, x0, y0, x1, y1 a box, a frame

	// Of darknet.py alone.
	Every  int    // Frames has each Every-th of the video
	Seed   uint64 // of the random weights
	SHA256 string // of the random weights
}

func readOracle(t testing.TB, name string) oracle {
	t.Helper()
	f, err := os.Open(filepath.Join(testkit.Root(), "testdata", "oracles", "detect-"+name+".json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var o oracle
	if err := json.NewDecoder(z).Decode(&o); err != nil {
		t.Fatal(err)
	}
	return o
}

// detections are a frame's boxes, clipped to the video's frame.
func (o oracle) detections(frame int) []msg.Detection {
	var out []msg.Detection
	for _, v := range o.Frames[frame] {
		b := msg.Box{
			X0: float32(max(v[2], 0)), Y0: float32(max(v[3], 0)),
			X1: float32(min(v[4], float64(o.Width))), Y1: float32(min(v[5], float64(o.Height))),
		}
		if b.X0 < b.X1 && b.Y0 < b.Y1 {
			out = append(out, msg.Detection{Class: int(v[0]), Score: float32(v[1]), Box: b})
		}
	}
	return out
}

// TestOracle runs each network over the drive and compares every box with what
// a plain Python loop over cv2.dnn found.
func TestOracle(t *testing.T) {
	tests := []struct{ network, oracle, engine string }{
		{"yolo-fastest-1.1-xl", "yolo-fastest-1.1-xl", "opencv"},
		{"mobilenetv2-yolov3-nano-coco", "MobileNetV2-YOLOv3-Nano-coco", "opencv"},
		{"yolox-nano-416", "yolox_nano_416", "opencv"},
		{"yolox-nano-416", "yolox_nano_416", "ort"},
		{"nanodet", "nanodet", "opencv"},
		{"nanodet", "nanodet", "ort"},
	}
	stride := 1
	if testing.Short() || race {
		stride = 10
		t.Logf("every %dth frame only: -short, or the race detector slows the rest down", stride)
	}
	for _, tt := range tests {
		t.Run(tt.network+"/"+tt.engine, func(t *testing.T) {
			want := readOracle(t, tt.oracle)
			det := open(t, tt.network, tt.engine, detect.Options{Score: want.Score, NMS: want.NMS})
			video, err := gocv.VideoCaptureFile(testkit.Asset(t, want.Video))
			if err != nil {
				t.Fatal(err)
			}
			defer video.Close()
			img := gocv.NewMat()
			defer img.Close()

			var frames, oracles, found, extra int
			var lowest []float32 // scores of what was missed
			var got []msg.Detection
			for i := 0; video.Read(&img); i++ {
				if i >= len(want.Frames) {
					t.Fatalf("the video has more frames than the oracle's %d", len(want.Frames))
				}
				if frames = i + 1; i%stride != 0 {
					continue
				}
				if got, _, err = det.Detect(img, got[:0]); err != nil {
					t.Fatal(err)
				}
				checkSound(t, got, want.Width, want.Height, want.Score)
				boxes := want.detections(i)
				pairs := detect.Match(boxes, got, 0.95)
				oracles, found, extra = oracles+len(boxes), found+pairs, extra+len(got)-pairs
				for _, b := range boxes {
					if detect.Match([]msg.Detection{b}, got, 0.95) == 0 {
						lowest = append(lowest, b.Score)
					}
				}
			}
			if frames != len(want.Frames) {
				t.Fatalf("%d frames, the oracle has %d", frames, len(want.Frames))
			}
			slices.Sort(lowest)
			t.Logf("%s on %s: %d of the oracle's %d boxes found at IoU >= 0.95 (%.2f %%), %d extra (%.2f %%); scores of the missed: %v",
				tt.network, tt.engine, found, oracles, 100*float64(found)/float64(oracles), extra, 100*float64(extra)/float64(oracles), lowest)
			if oracles == 0 || float64(found) < 0.995*float64(oracles) {
				t.Errorf("found %d of %d boxes: want 99.5 %%", found, oracles)
			}
			if float64(extra) > 0.005*float64(oracles) {
				t.Errorf("%d boxes that the oracle does not have beside its %d: want at most 0.5 %%", extra, oracles)
			}
		})
	}
}
