package overlay_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"dashline/internal/overlay"
	"dashline/internal/testkit"
	"dashline/lanes/ground"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// lease gives the test a grey frame of w x h.
func lease(t *testing.T, w, h int) frame.Lease {
	t.Helper()
	pool := frame.NewPool(1)
	l, _ := pool.Acquire()
	_ = l.Image.Close()
	l.Image = gocv.NewMatWithSizeFromScalar(gocv.NewScalar(90, 90, 90, 0), h, w, gocv.MatTypeCV8UC3)
	t.Cleanup(func() {
		l.Release()
		if err := pool.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return l
}

// full is a view with every part, also hostile ones.
func full(f *frame.Frame) *pipeline.View {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	plan := &msg.Trajectory{Mode: msg.PlanFollow, Why: strings.Repeat("a long reason ", 30)}
	for i := range 41 {
		plan.Points = append(plan.Points, msg.TrajectoryPoint{Position: msg.Ground{X: float64(i) * 2}})
	}
	plan.Points = append(plan.Points, msg.TrajectoryPoint{Position: msg.Ground{X: math.NaN(), Y: math.Inf(1)}})
	return &pipeline.View{
		Frame: f,
		Detections: &msg.Detections{Items: []msg.Detection{
			{Label: "car", Score: .9, Box: msg.Box{X0: 10, Y0: 40, X1: 60, Y1: 80}},
			{Label: "person", Score: .5, Box: msg.Box{X0: -1e9, Y0: -5, X1: 1e9, Y1: 7}},
			{Label: "traffic light", Box: msg.Box{X0: nan, Y0: inf, X1: -inf, Y1: nan}},
		}},
		Lanes: &msg.LaneSet{EgoLeft: 0, EgoRight: -1,
			Lanes:    []msg.Lane{{Points: []msg.Pixel{{X: 20, Y: 90}, {X: 60, Y: 50}}}, {Points: []msg.Pixel{{X: nan, Y: inf}, {X: 1e30, Y: -1e30}}}},
			Drivable: []msg.Pixel{{X: 0, Y: 100}, {X: 50, Y: 50}, {X: 100, Y: 100}}},
		Plan:   plan,
		Lead:   0,
		Report: &msg.FrameReport{Header: msg.Header{Camera: "front", Seq: 7}, Outcome: msg.Late, Age: time.Second},
	}
}

func TestPaintDrawsOnAnySize(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {16, 16}, {17, 300}, {300, 17}, {640, 360}, {4000, 20}} {
		l := lease(t, size[0], size[1])
		p := overlay.NewPainter(ground.Default(640, 360))
		before := l.Image.Mean()
		p.Paint(full(l.Frame))
		if changed := l.Image.Mean() != before; changed != (size[0] >= 16) {
			t.Errorf("%v: changed %v", size, changed)
		}
		_ = p.Close()
	}
}

func TestPaintOfAFailedFrame(t *testing.T) {
	l := lease(t, 640, 360)
	p := overlay.NewPainter(ground.Default(640, 360))
	defer p.Close()
	p.Paint(&pipeline.View{Frame: l.Frame, Lead: -1, Report: &msg.FrameReport{Outcome: msg.Failed, Stage: "detect", Reason: "panic"}})
}

func TestWriterWritesEveryFrameAtTheFirstSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "seen.mp4")
	w, err := overlay.NewWriter(path, 10, ground.Default(640, 360))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		width, height := 161, 91 // odd: the encoder wants even
		if i > 5 {
			width, height = 320, 100
		}
		l := lease(t, width, height)
		if err := w.View(full(l.Frame)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := gocv.VideoCaptureFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m := gocv.NewMat()
	defer m.Close()
	n := 0
	for c.Read(&m) {
		n++
		if m.Cols() != 160 || m.Rows() != 90 {
			t.Fatalf("frame of %dx%d", m.Cols(), m.Rows())
		}
	}
	if n != 12 {
		t.Errorf("%d frames (%s)", n, w.Codec())
	}
}

func TestWriterSaysWhyItCannot(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder.mp4"), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "file", "x.mp4"): "file",
		filepath.Join(dir, "folder.mp4"):    "is a directory",
		filepath.Join(dir, "x.nothing"):     "end in .mp4",
		filepath.Join(dir, "shot1.png"):     "end in .mp4",
	} {
		w, err := overlay.NewWriter(path, 10, ground.Default(640, 360))
		if err == nil {
			_ = w.Close()
			t.Errorf("%s: no error", path)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestWriterLeavesNoEmptyFile(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "old.mp4")
	if err := os.WriteFile(old, []byte("a recording"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, kept := range map[string]bool{filepath.Join(dir, "new.mp4"): false, old: true} {
		w, err := overlay.NewWriter(path, 10, ground.Default(640, 360))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(path)
		if exists := err == nil; exists != kept || kept && st.Size() == 0 {
			t.Errorf("%s: exists %v", filepath.Base(path), exists)
		}
	}
}

func TestWriterRefusesWhatIsNoPicture(t *testing.T) {
	w, err := overlay.NewWriter(filepath.Join(t.TempDir(), "x.mp4"), 10, ground.Default(640, 360))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	l := lease(t, 64, 64)
	_ = l.Image.Close()
	l.Image = gocv.NewMat()
	if err := w.View(full(l.Frame)); err == nil {
		t.Error("an empty picture was written")
	}
	_ = l.Image.Close()
	l.Image = gocv.NewMatWithSize(64, 64, gocv.MatTypeCV8UC1)
	if err := w.View(full(l.Frame)); err == nil {
		t.Error("a grey picture was written")
	}
}
