package lanes

import (
	"errors"
	"image"
	"os"
	"strings"
	"testing"

	"gocv.io/x/gocv"

	"dashline/infer"
	"dashline/infer/engine"
	"dashline/infer/ort"
	"dashline/internal/testkit"
	"dashline/lanes/ground"
	"dashline/model/catalog"
	"dashline/pipeline/msg"
)

// open makes a Finder of a network in the catalog on an engine. It is closed
// when the test ends. Without ONNX Runtime its tests are skipped, as assets are.
func open(t testing.TB, name, on string) *Finder {
	t.Helper()
	d, err := catalog.Resolve(name, testkit.Asset(t, "networks"))
	if err != nil {
		t.Fatal(err)
	}
	net, err := engine.Open(&d, on, infer.Options{Threads: 2})
	if errors.Is(err, ort.ErrNoLibrary) && os.Getenv("DASHLINE_REQUIRE_ASSETS") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	f, err := New(net, &d, Options{})
	if err != nil {
		net.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if err := net.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// eachFrame reads a video and hands out every step-th picture, borrowed.
func eachFrame(t testing.TB, asset string, step int, use func(i int, img gocv.Mat)) {
	t.Helper()
	video, err := gocv.VideoCaptureFile(testkit.Asset(t, asset))
	if err != nil {
		t.Fatal(err)
	}
	defer video.Close()
	img := gocv.NewMat()
	defer img.Close()
	for i := 0; video.Read(&img); i++ {
		if i%step == 0 {
			use(i, img)
		}
	}
}

// eachPicture hands out the oracle's pictures, borrowed, in its order.
func eachPicture(t testing.TB, use func(i int, img gocv.Mat)) {
	t.Helper()
	pics := oraclePictures(t)
	n := 0
	eachFrame(t, pics[0].File, 10, func(i int, img gocv.Mat) {
		if pics[n].Frame != i {
			t.Fatalf("picture %d of the oracle is %+v, read frame %d", n, pics[n], i)
		}
		use(n, img)
		n++
	})
	for ; n < len(pics); n++ {
		img := gocv.IMRead(testkit.Asset(t, pics[n].File), gocv.IMReadColor)
		if img.Cols() != pics[n].Width || img.Rows() != pics[n].Height {
			t.Fatalf("%+v is %dx%d", pics[n], img.Cols(), img.Rows())
		}
		use(n, img)
		img.Close()
	}
}

// Masks are those that plain Python finds, on both engines.
func TestMasksAgainstOracle(t *testing.T) {
	for _, tt := range []struct {
		network, engine, oracle string
		step                    int // of pictures, where time is short
	}{
		{"twinlitenet-cv46", "opencv", "twinlitenet_cv46", 1},
		{"twinlitenetplus-small", "opencv", "twinlitenetplus_small_cv46", 3},
		{"twinlitenetplus-nano", "opencv", "twinlitenetplus_nano_cv46", 3},
		{"twinlitenet-cv46", "ort", "twinlitenet_cv46", 1},
		{"twinlitenetplus-small", "ort", "twinlitenetplus_small_cv46", 3},
		{"twinlitenetplus-nano", "ort", "twinlitenetplus_nano_cv46", 3},
		{"twinlitenet", "ort", "twinlitenet_cv46", 4}, // the authors' own file
	} {
		if !testing.Short() && !race {
			tt.step = 1
		}
		t.Run(tt.engine+"/"+tt.network, func(t *testing.T) {
			if tt.step > 1 {
				t.Logf("every %dth picture only: -short, or the race detector slows the rest down", tt.step)
			}
			f := open(t, tt.network, tt.engine)
			want := oracleMasks(t, tt.oracle)
			cam := dashcam()
			var set msg.LaneSet
			least := 1.0
			eachPicture(t, func(i int, img gocv.Mat) {
				if i%tt.step != 0 {
					return
				}
				if _, err := f.Find(img, &cam, &set); err != nil {
					t.Fatal(err)
				}
				checkSet(t, &set)
				if set.Width != img.Cols() || set.Height != img.Rows() || set.By.Engine != tt.engine || set.By.Name != tt.network {
					t.Fatalf("found in %dx%d by %+v", set.Width, set.Height, set.By)
				}
				lane, drivable, w, h := f.Masks()
				if w != maskW || h != maskH {
					t.Fatalf("masks of %dx%d", w, h)
				}
				for k, got := range [][]uint8{drivable, lane} {
					equal := 0
					for p := range got {
						if got[p] == want[i][k][p] {
							equal++
						}
					}
					share := float64(equal) / float64(len(got))
					least = min(least, share)
					if share < 0.999 {
						t.Errorf("picture %d, mask %d: %.4f %% of pixels are equal", i, k, 100*share)
					}
				}
			})
			t.Logf("at least %.4f %% of pixels are equal", 100*least)
		})
	}
}

// highway describes the camera of solidWhiteRight.mp4: the lines' vanishing
// point is at (481, 306), lanes are 3.7 m wide, and the dashes' 12.2 m period
// gives the focal length.
func highway() ground.Camera {
	return ground.Camera{
		Width: 960, Height: 540, Fx: 868, Fy: 868, Cx: 479.5, Cy: 269.5,
		HeightM: 1.25, Pitch: -2.36,
	}
}

// Along the highway the lane is there, and stays one lane wide.
func TestHighway(t *testing.T) {
	f := open(t, "twinlitenet-cv46", "opencv")
	cam := highway()
	var set msg.LaneSet
	frames, both, stable := 0, 0, 0
	var least, most, sum float64 = 99, 0, 0
	eachFrame(t, "drives/videos/solidWhiteRight.mp4", 6, func(i int, img gocv.Mat) {
		if _, err := f.Find(img, &cam, &set); err != nil {
			t.Fatal(err)
		}
		checkSet(t, &set)
		frames++
		if set.EgoLeft < 0 || set.EgoRight < 0 {
			return
		}
		both++
		left, right := &set.Lanes[set.EgoLeft].Curve, &set.Lanes[set.EgoRight].Curve
		good := true
		for x := 8.0; x <= 15; x++ {
			w := left.At(x) - right.At(x)
			least, most = min(least, w), max(most, w)
			sum += w / 8
			good = good && w > 3.4 && w < 4.0
		}
		if good {
			stable++
		}
		if !covers(corners(set.Drivable), 480, 500) {
			t.Errorf("frame %d: the road ahead is not drivable", i)
		}
	})
	t.Logf("%d frames: both boundaries in %d, lane 3.4 to 4.0 m wide at 8 to 15 m in %d; %.2f to %.2f m, mean %.2f m",
		frames, both, stable, least, most, sum/float64(both))
	if frames < 30 || both*10 < frames*9 || stable*10 < frames*9 {
		t.Error("the lane comes and goes")
	}
}

func corners(p []msg.Pixel) []corner {
	c := make([]corner, len(p))
	for i := range p {
		c[i] = corner{int32(p[i].X + 0.5), int32(p[i].Y + 0.5)}
	}
	return c
}

// Find refuses what it cannot read, and takes any size.
func TestPictures(t *testing.T) {
	f := open(t, "twinlitenetplus-nano", "opencv")
	cam := dashcam()
	set := msg.LaneSet{EgoLeft: 7}
	for _, tt := range []struct {
		name string
		mat  func() gocv.Mat
		want string // in the error
	}{
		{"empty", gocv.NewMat, "empty"},
		{"grey", func() gocv.Mat { return gocv.NewMatWithSize(48, 64, gocv.MatTypeCV8UC1) }, "64x48"},
		{"alpha", func() gocv.Mat { return gocv.NewMatWithSize(48, 64, gocv.MatTypeCV8UC4) }, "4 channel"},
		{"16 bit", func() gocv.Mat { return gocv.NewMatWithSize(48, 64, gocv.MatTypeCV16UC3) }, "16 bit"},
		{"float", func() gocv.Mat { return gocv.NewMatWithSize(48, 64, gocv.MatTypeCV32FC3) }, "64x48"},
	} {
		img := tt.mat()
		_, err := f.Find(img, &cam, &set)
		img.Close()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if set.EgoLeft != 7 {
			t.Errorf("%s: the result was touched", tt.name)
		}
	}
	if _, err := f.Find(gocv.Mat{}, &cam, &set); err == nil {
		t.Error("a Mat that is none was read")
	}
	for _, size := range []image.Point{{1, 1}, {1, 700}, {3000, 2}, {640, 360}} {
		img := gocv.NewMatWithSize(size.Y, size.X, gocv.MatTypeCV8UC3)
		_, err := f.Find(img, &cam, &set)
		img.Close()
		if err != nil {
			t.Errorf("%v: %v", size, err)
			continue
		}
		checkSet(t, &set)
		if set.Width != size.X || set.Height != size.Y {
			t.Errorf("%v: found in %dx%d", size, set.Width, set.Height)
		}
	}
	img := gocv.NewMatWithSize(4, 4, gocv.MatTypeCV8UC3)
	defer img.Close()
	if _, err := f.Find(img, nil, &set); err == nil || !strings.Contains(err.Error(), "camera") {
		t.Errorf("no camera: %v", err)
	}
}

// A frame costs the heap only the message that it makes.
func TestFindAllocations(t *testing.T) {
	f := open(t, "twinlitenetplus-nano", "opencv")
	cam := highway()
	img := gocv.IMRead(testkit.Asset(t, oraclePictures(t)[28].File), gocv.IMReadColor)
	defer img.Close()
	var set msg.LaneSet
	n := testing.AllocsPerRun(3, func() {
		if _, err := f.Find(img, &cam, &set); err != nil {
			t.Fatal(err)
		}
	})
	if n > 2 || len(set.Lanes) == 0 {
		t.Errorf("%v allocations a frame, want the 2 of the message; %d lines", n, len(set.Lanes))
	}
}
