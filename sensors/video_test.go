package sensors_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"dashline/internal/avenc"
	"dashline/internal/testkit"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/sensors"
)

// encode writes n H.264 pictures of one size with OpenCV; picture i shows a
// square that moves with it on a ground of the given grey.
func encode(t testing.TB, name string, w, h, n int, grey float64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	out, err := gocv.VideoWriterFile(path, "avc1", 25, w, h, true)
	if err != nil || !out.IsOpened() {
		t.Fatalf("this OpenCV has no H.264 encoder: %v", err)
	}
	m := gocv.NewMatWithSize(h, w, gocv.MatTypeCV8UC3)
	for i := range n {
		m.SetTo(gocv.NewScalar(grey, grey, grey, 0))
		square := m.Region(rectAt(i, w, h))
		square.SetTo(gocv.NewScalar(40, 200, 255-grey, 0))
		_ = square.Close()
		if err := out.Write(m); err != nil {
			t.Fatal(err)
		}
	}
	_ = m.Close()
	_ = out.Close()
	return path
}

func rectAt(i, w, h int) image.Rectangle {
	side := h / 3
	x, y := (i*7)%(w-side), (i*3)%(h-side)
	return image.Rect(x, y, x+side, y+side)
}

// seen is what a frame looked like.
type seen struct {
	got
	mean float64 // of the first channel
	hash [32]byte
}

// look reads a source to its end and looks at each picture.
func look(t testing.TB, path string) []seen {
	t.Helper()
	return lookWith(t, path, sensors.Options{})
}

func lookWith(t testing.TB, path string, o sensors.Options) []seen {
	t.Helper()
	s, err := sensors.Open(t.Context(), path, o)
	if err != nil {
		t.Log(err)
		return nil
	}
	defer s.Close()
	pool := frame.NewPool(1)
	lease, _ := pool.Acquire()
	defer func() {
		lease.Release()
		_ = pool.Close(context.Background())
	}()
	var all []seen
	for len(all) < 5000 {
		err := s.Next(context.Background(), lease.Frame)
		v := seen{got: got{seq: lease.Seq, pts: lease.PTS}}
		var fe *pipeline.FrameError
		switch {
		case err == nil:
			v.w, v.h = lease.Image.Cols(), lease.Image.Rows()
			v.mean = lease.Image.Mean().Val1
			pixels, err := lease.Image.DataPtrUint8()
			if err != nil {
				t.Fatal(err)
			}
			v.hash = sha256.Sum256(pixels)
		case errors.As(err, &fe):
			v.reason = fe.Reason
		case err == io.EOF:
			return all
		default:
			t.Log(err)
			return all
		}
		all = append(all, v)
	}
	t.Fatal("the source has no end")
	return nil
}

// A stream that changes its size shows each picture as it is.
func TestH264ThatChangesItsSize(t *testing.T) {
	for _, sizes := range [][2][2]int{{{320, 180}, {640, 360}}, {{640, 360}, {322, 182}}} {
		var stream []byte
		for k, size := range sizes {
			part, err := os.ReadFile(encode(t, "part.h264", size[0], size[1], 12, float64(60+100*k)))
			if err != nil {
				t.Fatal(err)
			}
			stream = append(stream, part...)
		}
		path := filepath.Join(t.TempDir(), "change.h264")
		if err := os.WriteFile(path, stream, 0o600); err != nil {
			t.Fatal(err)
		}
		all := look(t, path)
		if len(all) != 24 {
			t.Fatalf("%d frames of 24", len(all))
		}
		for i, v := range all {
			size, grey := sizes[i/12], float64(60+100*(i/12))
			if v.w != size[0] || v.h != size[1] || math.Abs(v.mean-grey) > 12 || v.reason != "" {
				t.Errorf("frame %d: %dx%d, mean %.0f, %s; want %v, mean about %.0f", i, v.w, v.h, v.mean, v.reason, size, grey)
			}
		}
	}
}

// Whatever is damaged in the stream: a frame that is delivered as good is the
// frame of the undamaged stream, bit by bit.
func TestNoDamagedPictureIsDeliveredAsGood(t *testing.T) {
	one := sliced(t, 1)
	eight := sliced(t, 8)
	for name, tt := range map[string]struct {
		path string
		o    sensors.Options
	}{
		"Matroska":                            {encode(t, "whole.mkv", 320, 180, 50, 90), sensors.Options{}},
		"one slice":                           {one, sensors.Options{}},
		"several slices":                      {eight, sensors.Options{}},
		"one slice, one after the other":      {one, sensors.Options{Exact: true}},
		"several slices, one after the other": {eight, sensors.Options{Exact: true}},
	} {
		t.Run(name, func(t *testing.T) { damage(t, tt.path, tt.o) })
	}
}

// sliced encodes pictures of so many slices each.
func sliced(t testing.TB, slices int) string {
	path := filepath.Join(t.TempDir(), "whole.mp4")
	w, err := avenc.Create(path, avenc.Options{Width: 320, Height: 180, FPS: 25, Slices: slices})
	if err != nil {
		t.Fatal(err)
	}
	pixels := make([]byte, 320*180*3)
	for i := range 50 {
		for at := range pixels {
			pixels[at] = 90
			if image.Pt(at/3%320, at/3/320).In(rectAt(i, 320, 180)) {
				pixels[at] = [3]byte{40, 200, 165}[at%3]
			}
		}
		if err := w.Write(pixels); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func damage(t *testing.T, path string, o sensors.Options) {
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin := 1000 + max(0, bytes.Index(whole, []byte("mdat"))) // behind the headers
	clean := map[time.Duration][32]byte{}
	for _, v := range lookWith(t, path, o) {
		clean[v.pts] = v.hash
	}
	if len(clean) != 50 {
		t.Fatalf("%d frames", len(clean))
	}
	damaged := filepath.Join(t.TempDir(), "damaged"+filepath.Ext(path))
	good, failed, wrong := 0, 0, 0
	const rounds = 60
	for seed := range rounds {
		data := bytes.Clone(whole)
		for i := range 3 {
			data[begin+(seed*7919+i*104729+seed*seed*31)%(len(data)-begin)] ^= byte(1 << (seed % 8))
		}
		if err := os.WriteFile(damaged, data, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, v := range lookWith(t, damaged, o) {
			switch hash, known := clean[v.pts]; {
			case v.reason != "":
				failed++
			case known && hash != v.hash:
				wrong++
			default:
				good++
			}
		}
	}
	t.Logf("%d rounds: %d good, %d failed, %d wrong but taken for good", rounds, good, failed, wrong)
	if failed == 0 || good == 0 {
		t.Error("the damage shows nothing")
	}
	// H.264 has no checksum: a flipped bit may decode to other valid pixels.
	if wrong > failed/5 {
		t.Errorf("%d damaged pictures were taken for good, %d were not", wrong, failed)
	}
}

// A file that is cut off says so; one that is whole does not. (Streams without an
// end of their own, such as MPEG-TS, cannot: cut between two pictures, they are
// whole.)
func TestCutOffFiles(t *testing.T) {
	for _, name := range []string{"a.mkv", "a.avi"} {
		path := encode(t, name, 320, 180, 80, 90)
		for _, v := range look(t, path) {
			if v.reason != "" {
				t.Errorf("%s whole: frame %d is %s", name, v.seq, v.reason)
			}
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		cut := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(cut, data[:len(data)*6/10], 0o600); err != nil {
			t.Fatal(err)
		}
		all := look(t, cut)
		if len(all) == 0 || len(all) > 79 {
			t.Errorf("%s cut: %d frames", name, len(all))
			continue
		}
		last := all[len(all)-1]
		t.Logf("%s cut: %d frames, the last %q", name, len(all), last.reason)
		if last.reason != "truncated" {
			t.Errorf("%s cut: the last frame is %q", name, last.reason)
		}
	}
}

// Every recording in the assets is whole, and its time runs forward.
func TestRecordedDrivesAreWhole(t *testing.T) {
	for name, frames := range map[string]int{
		"videos/solidWhiteRight.mp4": 221, "videos/carnd_vehicle_test_video.mp4": 38, "videos/tmo_countryroad.mp4": 387,
		"videos/tmo_rainy.mp4": 959, "videos/tmo_seattlestreet1.mp4": 1010, "videos/intel_car-detection.mp4": 377,
		"lane_tusimple_clip_0313-1_120/clip.mp4": 20,
	} {
		if testing.Short() && frames > 300 {
			continue
		}
		all := look(t, testkit.Asset(t, "drives/"+name))
		if len(all) != frames {
			t.Errorf("%s: %d frames, want %d", name, len(all), frames)
		}
		for i, v := range all {
			if v.reason != "" || (i > 0 && v.pts <= all[i-1].pts) {
				t.Errorf("%s: frame %d: %q at %v", name, i, v.reason, v.pts)
			}
		}
	}
}

// The pictures are those that OpenCV's own reader gives: networks were trained
// and are compared on them.
func TestPicturesAreThoseOfOpenCV(t *testing.T) {
	for _, path := range []string{testkit.Asset(t, "drives/videos/solidWhiteRight.mp4"), encode(t, "odd.mkv", 322, 182, 10, 90)} {
		all := look(t, path)
		c, err := gocv.VideoCaptureFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m := gocv.NewMat()
		n := 0
		for ; c.Read(&m); n++ {
			pixels, err := m.DataPtrUint8()
			if err != nil {
				t.Fatal(err)
			}
			if sha256.Sum256(pixels) != all[n].hash {
				t.Fatalf("%s: frame %d differs", filepath.Base(path), n)
			}
		}
		_ = m.Close()
		_ = c.Close()
		if n != len(all) {
			t.Errorf("%d frames, OpenCV reads %d", len(all), n)
		}
	}
}

// A phone's portrait video is shown upright.
func TestRotation(t *testing.T) {
	path := encode(t, "turn.mp4", 320, 180, 5, 90)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte("tkhd"))
	if at < 0 {
		t.Fatal("no track header")
	}
	matrix := data[at+4+40 : at+4+40+36] // version 0: ISO/IEC 14496-12, 8.3.2
	for i := range matrix {
		matrix[i] = 0
	}
	put := func(i int, v uint32) {
		matrix[4*i], matrix[4*i+1], matrix[4*i+2], matrix[4*i+3] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
	}
	put(1, 0x00010000) // a quarter turn clockwise
	put(3, 0xFFFF0000)
	put(8, 0x40000000)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if in := open(t, path).Info(); in.Width != 180 || in.Height != 320 {
		t.Errorf("info says %dx%d", in.Width, in.Height)
	}
	for _, v := range look(t, path) {
		if v.w != 180 || v.h != 320 || v.reason != "" {
			t.Errorf("frame %d: %dx%d %s", v.seq, v.w, v.h, v.reason)
		}
	}
}

// Reading allocates nothing on the Go heap from frame to frame.
func TestReadingAllocatesNothing(t *testing.T) {
	s := open(t, encode(t, "a.mp4", 320, 180, 60, 90))
	pool := frame.NewPool(1)
	lease, _ := pool.Acquire()
	next := func() {
		if err := s.Next(context.Background(), lease.Frame); err != nil {
			t.Fatal(err)
		}
	}
	next()
	if n := testing.AllocsPerRun(40, next); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
	lease.Release()
	_ = pool.Close(context.Background())
}

func ExampleOpen() {
	_, err := sensors.Open(context.Background(), "no-such-drive.mp4", sensors.Options{})
	fmt.Println(err)
	// Output: open source no-such-drive.mp4: there is no such file or folder
}
