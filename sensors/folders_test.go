package sensors_test

import (
	"context"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dashline/internal/testkit"
	"dashline/lanes/ground"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/sensors"
)

// opening is sensors.Open where an error is what is wanted.
func opening(path string) error {
	s, err := sensors.Open(context.Background(), path, sensors.Options{})
	if err == nil {
		_ = s.Close()
	}
	return err
}

// headers reads a source to its end, at most 1000 frames.
func headers(t testing.TB, s sensors.Source) []msg.Header {
	t.Helper()
	pool := frame.NewPool(1)
	lease, _ := pool.Acquire()
	defer func() {
		lease.Release()
		if err := pool.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	var all []msg.Header
	for len(all) < 1000 {
		err := s.Next(context.Background(), lease.Frame)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, lease.Header)
	}
	return all
}

// tree writes files below a new folder: text as it is, pictures by their size
// ("30x20", PNG or JPEG by the name).
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		data := []byte(text)
		var w, h int
		if _, err := fmt.Sscanf(text, "%dx%d", &w, &h); err == nil {
			if data = encodeJPEG(t, w, h); filepath.Ext(name) == ".png" {
				data = encodePNG(t, image.NewGray(image.Rect(0, 0, w, h)))
			}
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestFolderIsInTheOrderOfItsNumbers(t *testing.T) {
	files := map[string]string{}
	for i := range 12 { // the width tells which it is
		files[fmt.Sprintf("frame-%d.png", 2*i+1)] = fmt.Sprintf("%dx4", 10+i)
	}
	for i, g := range readAll(t, open(t, tree(t, files)), 100) {
		if g.seq != uint64(i) || g.w != 10+i {
			t.Errorf("frame %d is %d wide; want %d", i, g.w, 10+i)
		}
	}
}

func TestFolderWithTimes(t *testing.T) {
	pictures := map[string]string{"pictures/9.png": "8x8", "pictures/10.png": "8x8", "pictures/11.png": "8x8"}
	day := time.Date(2011, 9, 26, 13, 2, 25, 964389445, time.UTC)
	want := []time.Duration{0, 40 * time.Millisecond, 140 * time.Millisecond}
	for name, text := range map[string]string{
		"pictures/times.txt":      "7.0\n7.04\n7.14\n",
		"pictures/timestamps.txt": "2011-09-26 13:02:25.964389445\n2011-09-26 13:02:26.004389445\n2011-09-26 13:02:26.104389445\n",
		"pictures/times.csv":      "time,file\n1317042145964389445,9.png\n1317042146004389445,10.png\n1317042146104389445,11.png\n",
		"times.txt":               "0.0e0\n4e-2\n1.4e-1",
		"timestamps.txt":          "1\n40000001\n140000001\n",
		"times.csv":               "0.0\n0.04\n0.14",
	} {
		files := map[string]string{name: text}
		for k, v := range pictures {
			files[k] = v
		}
		s := open(t, filepath.Join(tree(t, files), "pictures"))
		if in := s.Info(); in.Frames != 3 || math.Abs(in.FPS-10) > 1e-9 { // the larger of two gaps is the median
			t.Errorf("%s: info %+v", name, in)
		}
		all := headers(t, s)
		if len(all) != 3 {
			t.Fatalf("%s: %d frames", name, len(all))
		}
		for i, h := range all {
			if h.PTS != want[i] || h.Seq != uint64(i) {
				t.Errorf("%s: frame %d at %v; want %v", name, h.Seq, h.PTS, want[i])
			}
			dated := strings.Contains(text, "2011") || strings.Contains(text, "13170421")
			switch {
			case !dated && (!h.CapturedAt.IsZero() || h.CaptureClock != ""):
				t.Errorf("%s: frame %d is said to be of %v", name, i, h.CapturedAt)
			case dated && (!h.CapturedAt.Equal(day.Add(want[i])) || h.CaptureClock != msg.SenderClock):
				t.Errorf("%s: frame %d is of %v by clock %q; want %v", name, i, h.CapturedAt, h.CaptureClock, day.Add(want[i]))
			}
		}
	}
}

func TestFolderWhoseTimesAreWrong(t *testing.T) {
	for name, want := range map[string]string{
		"0.0\n":            "times.txt: line 1: the file ends after 1 times, and there are 2 pictures: correct the file",
		"0.0\nnoon\n":      `times.txt: line 2: "noon" is no time`,
		"0.0\n0.1\n0.2":    "times.txt: line 3: a time more than the 2 pictures",
		"0.0\x00\n0.1\n":   "is no time",
		"0.5\n0.5\n":       "is not after",
		"0.1\n100000000\n": "write all in one way",
	} {
		dir := tree(t, map[string]string{"a.png": "8x8", "b.png": "8x8", "times.txt": name})
		if err := opening(dir); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%q: %v; want %q", name, err, want)
		}
	}
	dir := tree(t, map[string]string{"a.png": "8x8"})
	if err := os.Symlink(os.DevNull, filepath.Join(dir, "times.csv")); err != nil {
		t.Fatal(err)
	}
	if err := opening(dir); err == nil || !strings.Contains(err.Error(), "a device, not a regular file") {
		t.Errorf("times of a device: %v", err)
	}
}

const kittiCalibration = `calib_time: 09-Jan-2012 13:57:47
S_02: 1.392000e+02 5.100000e+01
S_rect_02: 1.240000e+02 3.700000e+01
P_rect_02: 7.200000e+01 0.0 6.100000e+01 4.5e+00 0.0 7.200000e+01 1.700000e+01 2.0e-01 0.0 0.0 1.0 2.7e-03
S_rect_03: 1.240000e+02 3.700000e+01
P_rect_03: 7.300000e+01 0.0 6.200000e+01 -3.4e+01 0.0 7.300000e+01 1.800000e+01 2.0e+00 0.0 0.0 1.0 3.7e-03
`

// A drive of KITTI's raw data, laid out as it is handed out.
func TestKITTIDrive(t *testing.T) {
	const drive = "2011_09_26/2011_09_26_drive_0001_sync/"
	files := map[string]string{"2011_09_26/calib_cam_to_cam.txt": kittiCalibration, drive + "oxts/data/0000000000.txt": "49.0 8.4"}
	for i := range 4 {
		files[fmt.Sprintf(drive+"image_02/data/%010d.png", i)] = "124x37"
		files[fmt.Sprintf(drive+"image_03/data/%010d.png", i)] = "124x37"
	}
	files[drive+"image_02/timestamps.txt"] = "2011-09-26 13:02:25.964389445\n2011-09-26 13:02:26.067975808\n2011-09-26 13:02:26.171461082\n2011-09-26 13:02:26.275000000\n"
	files[drive+"image_03/timestamps.txt"] = strings.ReplaceAll(files[drive+"image_02/timestamps.txt"], "2011-", "2012-")
	root := tree(t, files)
	left := ground.Camera{Width: 124, Height: 37, Fx: 72, Fy: 72, Cx: 61, Cy: 17, HeightM: 1.65}
	right := ground.Camera{Width: 124, Height: 37, Fx: 73, Fy: 73, Cx: 62, Cy: 18, HeightM: 1.65}
	for below, want := range map[string]struct {
		camera ground.Camera
		year   int
	}{
		"": {left, 2011}, "image_02": {left, 2011}, "image_02/data": {left, 2011}, "image_03": {right, 2012}, "image_03/data/": {right, 2012},
	} {
		s := open(t, filepath.Join(root, drive, below))
		in := s.Info()
		if in.Camera != want.camera || in.Frames != 4 || in.Width != 124 || in.Height != 37 || math.Abs(in.FPS-9.66) > 0.01 {
			t.Errorf("%s: info %+v", below, in)
		}
		all := headers(t, s)
		if len(all) != 4 || all[1].PTS != 103586363 || all[3].CapturedAt.Year() != want.year || all[0].CapturedAt.Nanosecond() != 964389445 {
			t.Errorf("%s: %+v", below, all)
		}
	}

	file := filepath.Join(root, "2011_09_26", "calib_cam_to_cam.txt")
	if err := os.WriteFile(file, []byte("S_rect_02: x y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := opening(filepath.Join(root, drive)); err == nil || !strings.Contains(err.Error(), `calib_cam_to_cam.txt: line 1: S_rect_02: "x" is no number`) {
		t.Errorf("a broken calibration: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if in := open(t, filepath.Join(root, drive)).Info(); in.Camera != (ground.Camera{}) || in.Frames != 4 {
		t.Errorf("without a calibration: info %+v", in)
	}
}

func TestTuSimpleClip(t *testing.T) {
	files := map[string]string{}
	for i := range 20 {
		files[fmt.Sprintf("clips/0313-1/120/%d.jpg", i+1)] = fmt.Sprintf("%dx8", 20+i)
		files[fmt.Sprintf("shots/0313-1/120/%d.jpg", i+1)] = fmt.Sprintf("%dx8", 20+i)
		files[fmt.Sprintf("clips/0313-1/named/shot%d.jpg", i+1)] = "8x8"
	}
	root := tree(t, files)
	for dir, fps := range map[string]float64{"clips/0313-1/120": 20, "shots/0313-1/120": 10, "clips/0313-1/named": 10} {
		s := open(t, filepath.Join(root, dir))
		if in := s.Info(); in.FPS != fps || in.Frames != 20 {
			t.Errorf("%s: info %+v", dir, in)
		}
		for i, g := range readAll(t, s, 100) {
			if want := time.Duration(float64(i) / fps * 1e9); g.pts != want || !strings.HasSuffix(dir, "named") && g.w != 20+i {
				t.Errorf("%s: frame %d is %d wide, at %v", dir, i, g.w, g.pts)
			}
		}
	}
}

// Real pictures, in a layout of one's own.
func TestKITTIPictures(t *testing.T) {
	dir := testkit.Asset(t, "drives/det_kitti13")
	var found string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && found == "" && slices.Contains([]string{".png", ".jpg"}, filepath.Ext(path)) {
			found = filepath.Dir(path)
		}
		return err
	})
	if err != nil || found == "" {
		t.Fatalf("no pictures in %s: %v", dir, err)
	}
	all := readAll(t, open(t, found), 100)
	if len(all) == 0 {
		t.Fatal("no frames")
	}
	for _, g := range all {
		if g.reason != "" || g.w < 1200 || g.h < 360 {
			t.Errorf("%+v", g)
		}
	}
}
