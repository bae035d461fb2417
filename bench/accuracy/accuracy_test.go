package accuracy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gocv.io/x/gocv"

	"dashline/detect"
	"dashline/detect/ap"
	"dashline/infer"
	"dashline/internal/testkit"
	"dashline/lanes"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/sensors"
	"dashline/sensors/synth/truth"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const (
	detector = "yolo-fastest-1.1-xl"
	finder   = "twinlitenetplus-nano"
	clip     = "drives/lane_tusimple_clip_0313-1_120/clip.mp4" // 20 frames, 1280x720
)

// made is a drive: the clip under another name, and beside it the truth that
// tell gives each frame. Scenes of its frames take turns.
func made(t *testing.T, classes []string, frames int, tell func(i int, img gocv.Mat, f *truth.Frame)) string {
	t.Helper()
	video := filepath.Join(t.TempDir(), "drive.mp4")
	original, err := filepath.Abs(testkit.Asset(t, clip))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(original, video); err != nil {
		t.Fatal(err)
	}
	src, err := sensors.Open(t.Context(), video, sensors.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	in := src.Info()
	w, err := truth.Create(strings.TrimSuffix(video, ".mp4")+".truth.jsonl.gz", truth.Drive{
		Version: truth.Version, Scenario: "made", FPS: in.FPS, Frames: frames, Classes: classes,
		Scenes: []truth.Scene{{Name: "one", Weather: "clear"}, {Name: "two", Weather: "rain"}},
		Camera: truth.Camera{Width: in.Width, Height: in.Height, Fx: 1000, Fy: 1000, Cx: 640, Cy: 360, Mount: 1.5},
	})
	if err != nil {
		t.Fatal(err)
	}
	pool := frame.NewPool(1)
	lease, _ := pool.Acquire()
	for i := range frames {
		f := truth.Frame{Index: i, Scene: i / 2 % 2, Time: float64(i) / in.FPS}
		if err := src.Next(t.Context(), lease.Frame); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		tell(i, lease.Image, &f)
		if err := w.Frame(f); err != nil {
			t.Fatal(err)
		}
	}
	lease.Release()
	if err := errors.Join(w.Close(), pool.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
	return video
}

// openDetector is the network as a pipeline opens it.
func openDetector(t *testing.T) *detect.Detector {
	t.Helper()
	d, net, err := Options{Network: detector}.open("detect", infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	det, err := detect.New(net, d, detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { det.Close() })
	return det
}

// A drive whose truth is what the network itself finds, surely, has AP 1: only
// frames that pair with their own truth give that.
func TestDetectOnADriveOfItsOwn(t *testing.T) {
	testkit.UseAssets(t)
	det := openDetector(t)
	objects := 0
	classes := []string{"person", "bicycle", "car", "motorbike", "bus", "train", "truck", "traffic light", "boat", "aeroplane"}
	video := made(t, append([]string{"cone"}, classes...), 20, func(i int, img gocv.Mat, f *truth.Frame) {
		items, _, err := det.Detect(img, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range items {
			box := [4]float64{float64(d.Box.X0), float64(d.Box.Y0), float64(d.Box.X1), float64(d.Box.Y1)}
			f.Objects = append(f.Objects, truth.Object{Class: d.Label, Box: box, Full: box})
			if i%3 == 0 {
				objects++
			}
		}
		f.Objects = append(f.Objects, truth.Object{Class: "cone", Box: [4]float64{1, 1, 9, 9}, Full: [4]float64{1, 1, 9, 9}})
	})
	var calls [][2]int
	found, err := Detect(t.Context(), Options{
		Network: detector, Data: []string{video}, Every: 3,
		Progress: func(done, total int) { calls = append(calls, [2]int{done, total}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(calls) != 7 || calls[0] != [2]int{1, 7} || calls[6] != [2]int{7, 7} {
		t.Errorf("progress %v; want 1 to 7 of 7", calls)
	}
	r, err := found.Report(ap.Bootstrap{Resamples: 50})
	if err != nil {
		t.Fatal(err)
	}
	truths := 0
	for _, k := range r.PerClass {
		truths += k.Truths
	}
	if objects < 7 || truths != objects || r.Images != 7 {
		t.Errorf("%d objects in %d images; want %d in 7", truths, r.Images, objects)
	}
	if math.Abs(r.AP-1) > 1e-9 {
		t.Errorf("AP %g; want 1", r.AP)
	}
	if !reflect.DeepEqual(r.Left, map[string]int{"cone": 7}) {
		t.Errorf("left out %v; want 7 cones", r.Left)
	}
	first, err := Detect(t.Context(), Options{Network: detector, Data: []string{video}, Every: 3, Frames: 4})
	if err != nil {
		t.Fatal(err)
	}
	if part, err := first.Report(ap.Bootstrap{Resamples: 50}); err != nil || part.Images != 2 {
		t.Errorf("every third of the first four frames are %d pictures: %v", part.Images, err)
	}
	if len(r.ByWeather) != 2 || r.ByWeather[0].Weather != "clear" || r.ByWeather[0].Images+r.ByWeather[1].Images != 7 || math.Abs(r.ByWeather[1].AP-1) > 1e-9 {
		t.Errorf("by weather %+v", r.ByWeather)
	}
	// 20 frames of 20 a second are one second, and so one block.
	if blocks := found.blocks(); blocks[0] != blocks[6] || r.APInterval.Known {
		t.Errorf("blocks %v and interval %v; want one block and so no interval", blocks, r.APInterval)
	}

	// Boxes that are a few pixels wider are another truth.
	wider := made(t, classes, 20, func(_ int, img gocv.Mat, f *truth.Frame) {
		items, _, err := det.Detect(img, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range items {
			box := [4]float64{float64(d.Box.X0), float64(d.Box.Y0), float64(d.Box.X1) + 9, float64(d.Box.Y1)}
			box[2] = min(box[2], 1280)
			f.Objects = append(f.Objects, truth.Object{Class: d.Label, Box: box, Full: box})
		}
	})
	found, err = Detect(t.Context(), Options{Network: detector, Data: []string{wider}, Every: 3})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := found.Report(ap.Bootstrap{Resamples: 50}); err != nil || !(r.AP < .95) {
		t.Errorf("AP %g of boxes that are off, %v; want less", r.AP, err)
	}
}

// A drive whose lanes are those that the network itself finds has F1 1, and its
// drivable area is, but for the polygon's corners, the mask.
func TestLanesOnADriveOfItsOwn(t *testing.T) {
	testkit.UseAssets(t)
	d, net, err := Options{Network: finder}.open("lanes", infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer net.Close()
	f, err := lanes.New(net, d, lanes.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := 0
	video := made(t, truth.Classes(), 20, func(i int, img gocv.Mat, out *truth.Frame) {
		if i%4 != 0 {
			return
		}
		cam := camera(&truth.Camera{Width: 1280, Height: 720, Fx: 1000, Fy: 1000, Cx: 640, Cy: 360, Mount: 1.5})
		var set msg.LaneSet
		if _, err := f.Find(img, &cam, &set); err != nil {
			t.Fatal(err)
		}
		for _, l := range set.Lanes {
			lines++
			lane := truth.Lane{Kind: "solid", Color: "white"}
			for _, p := range l.Points {
				lane.Image = append(lane.Image, [2]float64{float64(p.X), float64(p.Y)})
				lane.Ground = append(lane.Ground, [3]float64{})
			}
			out.Lanes = append(out.Lanes, lane)
		}
		// One that is beside the picture, which nobody is asked to find.
		out.Lanes = append(out.Lanes, truth.Lane{Image: [][2]float64{{-50, 700}, {-90, 300}}, Ground: make([][3]float64, 2)})
		for _, p := range set.Drivable {
			out.Drivable = append(out.Drivable, [2]float64{float64(p.X), float64(p.Y)})
		}
	})
	r, err := Lanes(t.Context(), Options{Network: finder, Data: []string{video, video}, Every: 4}, ap.Bootstrap{Resamples: 50})
	if err != nil {
		t.Fatal(err)
	}
	if lines < 10 || r.TP != 2*lines || r.F1 != 1 || r.F1Interval != (ap.Interval{Low: 1, High: 1, Known: true}) || r.Images != 10 {
		t.Errorf("%+v; want %d lines twice, all found", r.LaneScore, lines)
	}
	if !(r.Drivable > .9 && r.Drivable <= 1 && math.Abs(r.Mean-r.Drivable) < .05) {
		t.Errorf("drivable IoU %g, mean %g; want nearly 1", r.Drivable, r.Mean)
	}
	if len(r.ByWeather) != 1 || r.ByWeather[0].Weather != "clear" {
		t.Errorf("by weather %+v; want clear alone, which every fourth frame is", r.ByWeather)
	}
}

// The drivable area is the polygon less the outlines, by pixels whose centres are inside.
func TestDrivableTruth(t *testing.T) {
	var j judge
	defer j.close()
	if err := j.size(40, 30); err != nil {
		t.Fatal(err)
	}
	square := func(x0, y0, x1, y1 float64) [][2]float64 { return [][2]float64{{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}} }
	f := truth.Frame{Drivable: square(10.5, 10.5, 29.5, 1e7), Objects: []truth.Object{{Outline: square(12.5, 12.5, 15.5, 15.5)}, {Outline: [][2]float64{{1, 1}}}}}
	set := 0
	mask := j.drivable(&f, 40, 30)
	for i, v := range mask {
		x, y := i%40, i/40
		want := x >= 10 && x <= 29 && y >= 10 && (x < 12 || x > 15 || y < 12 || y > 15)
		if (v != 0) != want {
			t.Errorf("pixel %d, %d is %d", x, y, v)
		}
		set += int(v)
	}
	if set != 20*20-16 {
		t.Errorf("%d pixels; want %d", set, 20*20-16)
	}
}

func TestStretched(t *testing.T) {
	mask := []uint8{1, 0, 0, 1}
	if got := stretched(mask, 2, 2, 4, 2); !reflect.DeepEqual(got, []uint8{1, 1, 0, 0, 0, 0, 1, 1}) {
		t.Errorf("twice as wide: %v", got)
	}
	if got := stretched(mask, 2, 2, 2, 2); !reflect.DeepEqual(got, mask) {
		t.Errorf("as it was: %v", got)
	}
	if got := stretched(mask, 2, 2, 1, 1); len(got) != 1 {
		t.Errorf("one pixel: %v", got)
	}
}

// yolo is a folder of one grey picture with a car in it.
func yolo(t *testing.T, width int) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"classes.txt": "car\nghost\n", "labels/7.txt": "0 .5 .5 .2 .2\n1 .5 .5 .2 .2\n", "images/7.png": ""} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		data := []byte(text)
		if text == "" {
			var b bytes.Buffer
			if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, 50))); err != nil {
				t.Fatal(err)
			}
			data = b.Bytes()
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDump(t *testing.T) {
	testkit.UseAssets(t)
	data := testkit.Asset(t, "drives/det_kitti13")
	found, err := Detect(t.Context(), Options{Network: detector, Data: []string{data}})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := found.Dump(&b); err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Image    int        `json:"image_id"`
		Category int        `json:"category_id"`
		BBox     [4]float64 `json:"bbox"`
		Score    float64    `json:"score"`
	}
	if err := json.Unmarshal(b.Bytes(), &rows); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, img := range found.images {
		n += len(img.Found)
	}
	if len(rows) != n || n < 50 {
		t.Errorf("%d rows of %d detections", len(rows), n)
	}
	for i, r := range rows {
		if r.Image < 0 || r.Image > 5 || r.Category < 1 || r.Category > 80 || r.Score <= 0 || r.BBox[2] < 0 {
			t.Errorf("row %d is %+v", i, r)
		}
	}
	two, err := Detect(t.Context(), Options{Network: detector, Data: []string{data, yolo(t, 100)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := two.Dump(&b); err == nil {
		t.Error("two data sets are dumped")
	}
	if want := map[string]int{"Misc": 1, "ghost": 1}; len(two.images) != 7 || !reflect.DeepEqual(two.Left, want) {
		t.Errorf("%d images pooled, left out %v; want 7 and %v", len(two.images), two.Left, want)
	}
	nothing := &Found{data: 1}
	b.Reset()
	if err := nothing.Dump(&b); err != nil || !json.Valid(b.Bytes()) {
		t.Errorf("nothing is dumped as %q, %v", b.String(), err)
	}
}

// A network is no better than itself; one of other classes is compared in those
// that both know.
func TestCompare(t *testing.T) {
	testkit.UseAssets(t)
	data := []string{testkit.Asset(t, "drives/det_kitti13")}
	coco, err := Detect(t.Context(), Options{Network: detector, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	c, err := coco.Compare(coco, ap.Bootstrap{Resamples: 20})
	if err != nil || c.Classes != 80 || c.Difference.AP != 0 || c.Difference.APInterval != (ap.Interval{Known: true}) {
		t.Errorf("against itself %+v, %v", c, err)
	}
	voc, err := Detect(t.Context(), Options{Network: "mobilenetv2-yolov3-nano-voc", Data: data})
	if err != nil {
		t.Fatal(err)
	}
	c, err = coco.Compare(voc, ap.Bootstrap{Resamples: 20})
	if err != nil || c.Classes != 20 || c.Difference.AP == 0 {
		t.Errorf("against twenty classes %+v, %v", c, err)
	}
	// The other way round it is the same with the other sign.
	back, err := voc.Compare(coco, ap.Bootstrap{Resamples: 20})
	if err != nil || math.Abs(back.Difference.AP+c.Difference.AP) > 1e-12 {
		t.Errorf("the other way round %+v, %v", back, err)
	}
	if _, err := coco.Compare(&Found{Classes: []string{"ghost"}}, ap.Bootstrap{}); err == nil {
		t.Error("networks without a common class are compared")
	}
}

func TestRefuses(t *testing.T) {
	testkit.UseAssets(t)
	blank := func(int, gocv.Mat, *truth.Frame) {}
	alone := filepath.Join(t.TempDir(), "alone.mp4")
	if err := os.WriteFile(alone, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	broken := yolo(t, 100)
	if err := os.WriteFile(filepath.Join(broken, "images", "7.png"), pngHeader(t), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, network, data, want string }{
		{"no such network", "nonet", broken, "nonet"},
		{"a network of another task", finder, broken, "not detect"},
		{"no such data", detector, "/no/such/folder", "no such file"},
		{"a video without truth", detector, alone, "dashline synth"},
		{"a truth that is longer", detector, made(t, truth.Classes(), 21, blank), "not of the same length"},
		{"a truth that is shorter", detector, made(t, truth.Classes(), 19, blank), "not of the same length"},
		{"a picture that is cut off", detector, broken, "7.png"},
	}
	for _, tt := range tests {
		_, err := Detect(t.Context(), Options{Network: tt.network, Data: []string{tt.data}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.want)
		}
	}
	if _, err := Lanes(t.Context(), Options{Network: finder, Data: []string{broken}}, ap.Bootstrap{}); err == nil || !strings.Contains(err.Error(), "drives") {
		t.Errorf("lanes on a folder: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Detect(ctx, Options{Network: detector, Data: []string{testkit.Asset(t, "drives/det_kitti13")}, Progress: func(int, int) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("when cancelled: %v", err)
	}
}

// pngHeader is a PNG picture of 100x50 pixels without its pixels.
func pngHeader(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 100, 50))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()[:40]
}
