package ground

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"dashline/internal/testkit"
	"dashline/pipeline/msg"
)

// calibrated is a real lens, with its distortion, from the oracle's file.
func calibrated(t testing.TB) (Camera, oracle) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(testkit.Root(), "testdata", "oracles", "ground.json"))
	if err != nil {
		t.Fatal(err)
	}
	var o oracle
	if err := json.Unmarshal(raw, &o); err != nil {
		t.Fatal(err)
	}
	return Camera{
		Width: o.Width, Height: o.Height, Fx: o.Fx, Fy: o.Fy, Cx: o.Cx, Cy: o.Cy,
		K1: o.K1, K2: o.K2, P1: o.P1, P2: o.P2, K3: o.K3, HeightM: 1.3,
	}, o
}

type oracle struct {
	Width, Height      int
	Fx, Fy, Cx, Cy     float64
	K1, K2, P1, P2, K3 float64
	Mounts             []struct {
		HeightM          float64 `json:"height_m"`
		Pitch, Yaw, Roll float64
		Ground, Pixels   [][2]float64
	}
	Undistort struct{ Pixels, Ideal [][2]float64 }
}

// fromCV shifts OpenCV's pixel, counted from the centre of the first, to ours.
func fromCV(p [2]float64) msg.Pixel {
	return msg.Pixel{X: float32(p[0] + 0.5), Y: float32(p[1] + 0.5)}
}

func apart(a, b msg.Pixel) float64 {
	return math.Hypot(float64(a.X-b.X), float64(a.Y-b.Y))
}

func TestProjectionAgainstOpenCV(t *testing.T) {
	cam, o := calibrated(t)
	n := 0
	for _, m := range o.Mounts {
		cam.HeightM, cam.Pitch, cam.Yaw, cam.Roll = m.HeightM, m.Pitch, m.Yaw, m.Roll
		if err := cam.Validate(); err != nil {
			t.Fatal(err)
		}
		for i := range m.Ground {
			g, want := msg.Ground{X: m.Ground[i][0], Y: m.Ground[i][1]}, fromCV(m.Pixels[i])
			got, ok := cam.ToPixel(g)
			if !ok || apart(got, want) > 1e-3 {
				t.Errorf("mount %+v: ToPixel(%v) = %v %v, OpenCV %v", m.Pitch, g, got, ok, want)
			}
			back, ok := cam.ToGround(want)
			if !ok || math.Hypot(back.X-g.X, back.Y-g.Y) > 1e-5*g.X*g.X+1e-3 {
				t.Errorf("mount %v: ToGround(%v) = %v %v, OpenCV %v", m.Pitch, want, back, ok, g)
			}
			n++
		}
	}
	if n < 200 {
		t.Fatalf("only %d points in the oracle", n)
	}
}

func TestUndistortAgainstOpenCV(t *testing.T) {
	cam, o := calibrated(t)
	if len(o.Undistort.Pixels) < 100 {
		t.Fatalf("only %d points in the oracle", len(o.Undistort.Pixels))
	}
	for i, p := range o.Undistort.Pixels {
		x, y, ok := cam.undistort((p[0]-cam.Cx)/cam.Fx, (p[1]-cam.Cy)/cam.Fy)
		want := o.Undistort.Ideal[i]
		if !ok || math.Hypot(x-want[0], y-want[1]) > 1e-7 {
			t.Errorf("undistort %v = %v %v %v, OpenCV %v", p, x, y, ok, want)
		}
	}
}

// anyCamera draws a camera within reason: with and without distortion.
func anyCamera(t *rapid.T, real Camera) Camera {
	cam := real
	if rapid.Bool().Draw(t, "ideal") {
		cam = Default(rapid.IntRange(320, 4096).Draw(t, "w"), rapid.IntRange(240, 2160).Draw(t, "h"))
	}
	cam.HeightM = rapid.Float64Range(0.5, 3).Draw(t, "height")
	cam.Pitch = rapid.Float64Range(-8, 20).Draw(t, "pitch")
	cam.Yaw = rapid.Float64Range(-15, 15).Draw(t, "yaw")
	cam.Roll = rapid.Float64Range(-8, 8).Draw(t, "roll")
	return cam
}

func TestPixelGroundPixel(t *testing.T) {
	real, _ := calibrated(t)
	hits := 0
	rapid.Check(t, func(t *rapid.T) {
		cam := anyCamera(t, real)
		p := msg.Pixel{
			X: float32(rapid.Float64Range(0, float64(cam.Width)).Draw(t, "x")),
			// rapid favours small numbers, so count from the bottom up.
			Y: float32(float64(cam.Height) - rapid.Float64Range(0, float64(cam.Height)).Draw(t, "up")),
		}
		g, ok := cam.ToGround(p)
		if !ok {
			return
		}
		hits++
		if math.Hypot(g.X, g.Y) > MaxRange {
			t.Fatalf("%v is beyond MaxRange", g)
		}
		back, ok := cam.ToPixel(g)
		if !ok || apart(p, back) > 0.01 {
			t.Fatalf("%v -> %v -> %v %v", p, g, back, ok)
		}
	})
	if hits < 10 {
		t.Fatalf("only %d pixels were on the ground", hits)
	}
}

func TestGroundPixelGround(t *testing.T) {
	real, _ := calibrated(t)
	hits := 0
	rapid.Check(t, func(t *rapid.T) {
		cam := anyCamera(t, real)
		g := msg.Ground{X: rapid.Float64Range(3, 100).Draw(t, "x"), Y: rapid.Float64Range(-30, 30).Draw(t, "y")}
		p, ok := cam.ToPixel(g)
		if !ok || p.X < 0 || p.Y < 0 || int(p.X) >= cam.Width || int(p.Y) >= cam.Height {
			return
		}
		hits++
		back, ok := cam.ToGround(p)
		// A pixel is a float32: at most 2^-13 px off, which far away is
		// range² / (height * focal length) metres a pixel.
		r2 := g.X*g.X + g.Y*g.Y
		limit := 1e-6 + 4*math.Ldexp(1, -12)*r2/(cam.HeightM*math.Min(cam.Fx, cam.Fy))
		if !ok || math.Hypot(back.X-g.X, back.Y-g.Y) > limit {
			t.Fatalf("%v -> %v -> %v %v (limit %g)", g, p, back, ok, limit)
		}
	})
	if hits < 10 {
		t.Fatalf("only %d points were in the picture", hits)
	}
}

func TestKnownGeometry(t *testing.T) {
	// Focal length 1000, 1.5 m up, level: 10 m ahead is 150 rows below the
	// centre; 1 m to the left is 100 columns left of it.
	cam := Camera{Width: 1000, Height: 800, Fx: 1000, Fy: 1000, Cx: 499.5, Cy: 399.5, HeightM: 1.5}
	p, ok := cam.ToPixel(msg.Ground{X: 10, Y: 1})
	if want := (msg.Pixel{X: 400, Y: 550}); !ok || apart(p, want) > 1e-4 {
		t.Errorf("10 m ahead, 1 m left: %v %v, want %v", p, ok, want)
	}
	for _, above := range []msg.Pixel{{X: 500, Y: 400}, {X: 500, Y: 0}, {X: 500, Y: -50}} {
		if g, ok := cam.ToGround(above); ok {
			t.Errorf("%v is not below the horizon, but on the ground at %v", above, g)
		}
	}
	// 1.5 m / 5 px * 1000 px is 300 m.
	if g, ok := cam.ToGround(msg.Pixel{X: 500, Y: 405}); ok {
		t.Errorf("%v is beyond the range", g)
	}
	if _, ok := cam.ToPixel(msg.Ground{X: -5}); ok {
		t.Error("a point behind the camera has a pixel")
	}
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		if g, ok := cam.ToGround(msg.Pixel{X: 500, Y: bad}); ok && bad < 0 || math.IsNaN(g.X) || math.IsInf(g.X, 0) {
			t.Errorf("row %v: %v %v", bad, g, ok)
		}
	}
}

func TestAnglesTurnTheRightWay(t *testing.T) {
	level := Default(1280, 720)
	ahead := msg.Ground{X: 20}
	base, _ := level.ToPixel(ahead)
	moved := func(change func(*Camera)) msg.Pixel {
		c := level
		change(&c)
		p, ok := c.ToPixel(ahead)
		if !ok {
			t.Fatal("20 m ahead is not seen")
		}
		return p
	}
	if p := moved(func(c *Camera) { c.Pitch = 3 }); p.Y >= base.Y {
		t.Errorf("pitched down, the road ahead must rise in the picture: %v, level %v", p, base)
	}
	if p := moved(func(c *Camera) { c.Yaw = 3 }); p.X <= base.X {
		t.Errorf("turned left, the road ahead must move right: %v, straight %v", p, base)
	}
	rolled := level
	rolled.Roll = 10
	if p := moved(func(c *Camera) { c.Roll = 10 }); p.X <= base.X {
		t.Errorf("rolled right side down, what is below moves right: %v, level %v", p, base)
	}
}

func TestScale(t *testing.T) {
	real, _ := calibrated(t)
	real.Pitch = 2
	small := real.Scale(640, 180)
	for _, g := range []msg.Ground{{X: 8, Y: 1}, {X: 40, Y: -6}} {
		p, _ := real.ToPixel(g)
		q, ok := small.ToPixel(g)
		if want := (msg.Pixel{X: p.X / 2, Y: p.Y / 4}); !ok || apart(q, want) > 1e-3 {
			t.Errorf("%v: %v in the small picture, want %v", g, q, want)
		}
	}
}

func TestHorizon(t *testing.T) {
	real, _ := calibrated(t)
	for _, cam := range []Camera{Default(960, 540), real} {
		for _, row := range []float32{0.35, 0.5, 0.6} {
			row *= float32(cam.Height)
			got, ok := cam.AtHorizon(row)
			if !ok {
				t.Fatalf("no pitch puts the horizon of %+v at %v", cam, row)
			}
			if err := got.Validate(); err != nil {
				t.Error(err)
			}
			at, ok := got.Horizon()
			if !ok || math.Abs(float64(at-row)) > 0.01 {
				t.Errorf("horizon at %v %v, want %v (pitch %v)", at, ok, row, got.Pitch)
			}
			far, ok := got.ToPixel(msg.Ground{X: 1e6})
			if !ok || math.Abs(float64(far.Y-at)) > 0.01 {
				t.Errorf("a thousand kilometres ahead is at row %v %v, horizon %v", far.Y, ok, at)
			}
		}
		if _, ok := cam.AtHorizon(1e6); ok {
			t.Error("a horizon a million rows down was found")
		}
	}
	if row, ok := (&Camera{Width: 2, Height: 2, Fx: 1, Fy: 1}).Horizon(); !ok || row != 0.5 {
		t.Errorf("level: horizon at %v %v, want the principal point's row", row, ok)
	}
}

func TestLensFoldsBack(t *testing.T) {
	// r + k1 r³ with k1 = -0.5 turns at r = sqrt(2/3): nothing beyond is seen,
	// and no pixel beyond the turning value 2/3 r belongs to a direction.
	cam := Camera{Width: 1000, Height: 1000, Fx: 500, Fy: 500, Cx: 499.5, Cy: 499.5, K1: -0.5, HeightM: 1}
	turn := math.Sqrt(2.0 / 3)
	for _, r := range []float64{0.5, turn - 1e-3} {
		x, y, ok := cam.undistort(cam.distort(0, r))
		if !ok || math.Abs(y-r) > 1e-6 || x != 0 {
			t.Errorf("r %v inside the fold: %v %v %v", r, x, y, ok)
		}
	}
	if _, ok := cam.ToPixel(msg.Ground{X: 1 / (turn + 1e-3)}); ok {
		t.Error("a point past the fold has a pixel")
	}
	if _, _, ok := cam.undistort(0, turn*2/3+1e-3); ok {
		t.Error("a pixel that no direction reaches was undistorted")
	}
	// Falls and grows again: growth is positive at the end, not on the way.
	wave := Camera{K1: -1.5, K2: 1}
	if wave.unfolded(2) || !wave.unfolded(0.2) {
		t.Error("a fold in the middle of the range is not noticed")
	}
	bump := Camera{K1: -3, K2: 2, K3: 1}
	if bump.unfolded(2) || !bump.unfolded(0.1) {
		t.Error("a fold in the middle of the range is not noticed with K3")
	}
}

func TestValidate(t *testing.T) {
	good := Default(960, 540)
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	if !good.Guessed {
		t.Error("Default does not say that it is a guess")
	}
	for key, spoil := range map[string]func(*Camera){
		"width":    func(c *Camera) { c.Width = 0 },
		"height ":  func(c *Camera) { c.Height = -3 },
		"fx":       func(c *Camera) { c.Fx = 0 },
		"fy":       func(c *Camera) { c.Fy = math.NaN() },
		"cx":       func(c *Camera) { c.Cx = math.Inf(1) },
		"cy":       func(c *Camera) { c.Cy = 1e9 },
		"k1":       func(c *Camera) { c.K1 = math.NaN() },
		"height_m": func(c *Camera) { c.HeightM = 0 },
		"pitch":    func(c *Camera) { c.Pitch = 90 },
		"yaw":      func(c *Camera) { c.Yaw = 180 },
		"roll":     func(c *Camera) { c.Roll = 180 },
	} {
		c := good
		spoil(&c)
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), "camera "+key) {
			t.Errorf("%s spoiled: %v", key, err)
		}
	}
	var none Camera
	if err := none.Validate(); err == nil || strings.Count(err.Error(), "\n") < 2 {
		t.Errorf("an empty camera must be told all that is wrong: %v", err)
	}
}

func TestMethodsDoNotAllocate(t *testing.T) {
	cam, _ := calibrated(t)
	dets := []msg.Detection{{Label: "car", Box: msg.Box{X0: 500, Y0: 400, X1: 700, Y1: 600}}}
	dst := make([]msg.Object, 0, 4)
	n := testing.AllocsPerRun(100, func() {
		g, _ := cam.ToGround(msg.Pixel{X: 600, Y: 600})
		_, _ = cam.ToPixel(g)
		dst = cam.Locate(dets, dst[:0])
	})
	if n != 0 || len(dst) != 1 {
		t.Errorf("%v allocations, %d objects", n, len(dst))
	}
}

func TestLocate(t *testing.T) {
	cam := Camera{Width: 1000, Height: 800, Fx: 1000, Fy: 1000, Cx: 499.5, Cy: 399.5, HeightM: 1.5}
	box := msg.Box{X0: 300, Y0: 400, X1: 500, Y1: 550} // 2 m wide, 10 m ahead, right edge on the axis
	dets := []msg.Detection{
		{Label: "traffic light", Box: box, Score: 0.9},
		{Label: "car", Box: box, Score: 0.8, Class: 2},
		{Label: "car", Box: msg.Box{X0: 300, Y0: 200, X1: 500, Y1: 390}}, // in the sky
		{Label: "car", Box: msg.Box{X0: 300, Y0: 200, X1: 500, Y1: 405}}, // 300 m away
		{Label: "car", Box: msg.Box{X0: 300, Y0: 550, X1: 300, Y1: 550}}, // nothing
		{Label: "", Box: box},
		{Label: "person", Box: msg.Box{X0: 500, Y0: 400, X1: 550, Y1: 800}}, // cut off by the frame
	}
	first := msg.Object{Label: "kept"}
	got := cam.Locate(dets, []msg.Object{first})
	if len(got) != 3 || got[0] != first {
		t.Fatalf("got %+v", got)
	}
	car := got[1]
	if math.Abs(car.Position.X-10) > 1e-4 || math.Abs(car.Position.Y-1) > 1e-4 || math.Abs(car.Width-2) > 1e-4 ||
		car.Label != "car" || car.Score != 0.8 || car.Detection != 1 {
		t.Errorf("car: %+v", car)
	}
	if p := got[2]; p.Detection != 6 || math.Abs(p.Position.X-3.75) > 1e-4 {
		t.Errorf("person at the frame's bottom: %+v", p)
	}
}
