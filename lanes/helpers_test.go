package lanes

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"dashline/internal/testkit"
	"dashline/lanes/ground"
	"dashline/pipeline/msg"
)

const (
	maskW = 640
	maskH = 360
)

func TestMain(m *testing.M) { testkit.Main(m) }

// picture is one of the oracle's inputs.
type picture struct {
	File          string
	Frame         int // of a video, -1 for a still
	Width, Height int
}

func oraclePictures(t testing.TB) []picture {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(testkit.Root(), "testdata", "oracles", "lanes.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Width, Height int
		Pictures      []picture
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	if list.Width != maskW || list.Height != maskH || len(list.Pictures) != 29 {
		t.Fatalf("oracle of %d masks %dx%d", len(list.Pictures), list.Width, list.Height)
	}
	return list.Pictures
}

// oracleMasks are the masks that plain Python found with a network: for every
// picture the drivable one and the lane one.
func oracleMasks(t testing.TB, network string) [][2][]uint8 {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(testkit.Root(), "testdata", "oracles", "lanes_"+network+".gz"))
	if err != nil {
		t.Fatal(err)
	}
	unzip, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	bits, err := io.ReadAll(unzip)
	if err != nil {
		t.Fatal(err)
	}
	const packed = maskW * maskH / 8
	if len(bits) != 29*2*packed {
		t.Fatalf("oracle of %d bytes", len(bits))
	}
	masks := make([][2][]uint8, 29)
	for i := range masks {
		for k := range 2 {
			mask := make([]uint8, maskW*maskH)
			for b, v := range bits[(2*i+k)*packed : (2*i+k+1)*packed] {
				for bit := range 8 {
					mask[8*b+bit] = v >> (7 - bit) & 1
				}
			}
			masks[i][k] = mask
		}
	}
	return masks
}

// fromMasks runs all but the network, which is as sure as can be.
func fromMasks(lane, drivable []uint8, w, h int, cam ground.Camera) msg.LaneSet {
	d := newDecoder(head{rows: h, width: w}, head{rows: h, width: w}, Options{})
	d.laneMask, d.areaMask = lane, drivable
	var set msg.LaneSet
	d.fill(&cam, &set, func(x, y float64) float64 { return 1 })
	return set
}

// dashcam is the camera of the tests' synthetic pictures.
func dashcam() ground.Camera {
	cam, ok := ground.Default(1280, 720).AtHorizon(320)
	if !ok {
		panic("no such camera")
	}
	return cam
}

// paint sets the pixels of a mask whose centre lies within half of thick (metres)
// of the line y(x) on the ground, from x0 to x1, as a camera would see paint. Where
// on is given it says at which x there is paint.
func paint(mask []uint8, w, h int, cam ground.Camera, c msg.Cubic, thick float64, on func(x float64) bool) {
	small := cam.Scale(w, h)
	for y := range h {
		for x := range w {
			g, ok := small.ToGround(msg.Pixel{X: float32(x) + 0.5, Y: float32(y) + 0.5})
			if !ok || g.X < c.X0 || g.X > c.X1 || on != nil && !on(g.X) {
				continue
			}
			// Distant paint is never thinner than networks draw it, across the
			// line as it lies in the picture.
			columnsARow := (c.At(g.X) - g.X*c.Slope(g.X)) / small.HeightM
			reach := math.Max(thick/2, 2*g.X/small.Fx*math.Hypot(1, columnsARow))
			if math.Abs(g.Y-c.At(g.X)) <= reach*math.Hypot(1, c.Slope(g.X)) {
				mask[y*w+x] = 1
			}
		}
	}
}

// checkSet fails the test where a LaneSet breaks what the package promises.
func checkSet(t testing.TB, s *msg.LaneSet) {
	t.Helper()
	if len(s.Lanes) > maxLines || len(s.Drivable) > maxCorners {
		t.Fatalf("%d lines, %d corners", len(s.Lanes), len(s.Drivable))
	}
	inside := func(p msg.Pixel) bool {
		return p.X >= 0 && p.Y >= 0 && p.X <= float32(s.Width) && p.Y <= float32(s.Height)
	}
	for i, l := range s.Lanes {
		if len(l.Points) < 2 || len(l.Points) > maxPoints {
			t.Fatalf("line %d has %d points", i, len(l.Points))
		}
		for k, p := range l.Points {
			if k > 0 && !(p.Y < l.Points[k-1].Y) {
				t.Fatalf("line %d: y does not fall at point %d: %v", i, k, l.Points)
			}
			if !inside(p) {
				t.Fatalf("line %d leaves the picture: %v", i, p)
			}
		}
		if !(l.Confidence >= 0 && l.Confidence <= 1) {
			t.Fatalf("line %d has confidence %v", i, l.Confidence)
		}
		for _, c := range append(l.Curve.C[:], l.Curve.X0, l.Curve.X1) {
			if math.IsNaN(c) || math.IsInf(c, 0) {
				t.Fatalf("line %d has curve %v", i, l.Curve)
			}
		}
	}
	for _, e := range []int{s.EgoLeft, s.EgoRight} {
		if e < -1 || e >= len(s.Lanes) {
			t.Fatalf("ego index %d of %d lines", e, len(s.Lanes))
		}
	}
	if s.EgoLeft >= 0 && s.EgoRight >= 0 && s.EgoLeft >= s.EgoRight {
		t.Fatalf("ego lane from %d to %d: not left to right", s.EgoLeft, s.EgoRight)
	}
	if n := len(s.Drivable); n != 0 && n < 3 {
		t.Fatalf("a polygon of %d corners", n)
	}
	for _, p := range s.Drivable {
		if !inside(p) {
			t.Fatalf("the polygon leaves the picture: %v", p)
		}
	}
	if !(s.DrivableConfidence >= 0 && s.DrivableConfidence <= 1) || (s.DrivableConfidence > 0) != (len(s.Drivable) > 0) {
		t.Fatalf("drivable confidence %v with %d corners", s.DrivableConfidence, len(s.Drivable))
	}
	corners := make([]corner, len(s.Drivable))
	for i, p := range s.Drivable {
		// Back to an exact lattice: corners are whole pixels of the mask.
		corners[i] = corner{int32(math.Round(float64(p.X) * 1000)), int32(math.Round(float64(p.Y) * 1000))}
	}
	if len(corners) > 0 && !simple(corners) {
		t.Fatalf("the polygon crosses itself: %v", s.Drivable)
	}
}
