package lanes

import (
	"math"
	"math/rand/v2"
	"testing"

	"dashline/lanes/ground"
	"dashline/pipeline/msg"
)

// offPixels is the largest distance, in pixels of the source, of a polyline from
// where the camera sees the true curve.
func offPixels(cam ground.Camera, truth msg.Cubic, pts []msg.Pixel) float64 {
	worst := 0.0
	for _, p := range pts {
		nearest := math.Inf(1)
		for x := truth.X0 * 0.9; x < truth.X1*1.1; x *= 1.001 {
			q, ok := cam.ToPixel(msg.Ground{X: x, Y: truth.At(x)})
			if ok {
				nearest = math.Min(nearest, math.Hypot(float64(p.X-q.X), float64(p.Y-q.Y)))
			}
		}
		worst = math.Max(worst, nearest)
	}
	return worst
}

// offMetres is the largest error of a curve where both are known, to 40 m.
func offMetres(truth, got msg.Cubic) float64 {
	worst := 0.0
	for x := math.Max(truth.X0, got.X0); x < math.Min(40, math.Min(truth.X1, got.X1)); x += 0.5 {
		worst = math.Max(worst, math.Abs(truth.At(x)-got.At(x)))
	}
	return worst
}

func line(c0, c1, c2, c3, x0, x1 float64) msg.Cubic {
	return msg.Cubic{C: [4]float64{c0, c1, c2, c3}, X0: x0, X1: x1}
}

func TestKnownLines(t *testing.T) {
	cam := dashcam()
	straight := []msg.Cubic{line(1.85, 0, 0, 0, 4, 70), line(-1.85, 0, 0, 0, 4, 70)}
	dashes := func(x float64) bool { return math.Mod(x+3, 9) < 3.5 }
	for _, tt := range []struct {
		name  string
		truth []msg.Cubic
		on    func(x float64) bool
		spoil func(mask []uint8)
		ego   bool
		reach float64 // metres to which lines must be known, else 60 % of the truth
	}{
		{name: "straight", truth: straight, ego: true},
		{name: "three lanes", ego: true, truth: []msg.Cubic{
			line(5.5, 0, 0, 0, 8, 60), line(1.8, 0, 0, 0, 4, 60), line(-1.9, 0, 0, 0, 4, 60), line(-5.6, 0, 0, 0, 8, 60),
		}},
		{name: "bend to the left", ego: true, truth: []msg.Cubic{
			line(1.85, 0, 1.0/800, 0, 4, 50), line(-1.85, 0, 1.0/800, 0, 4, 50),
		}},
		{name: "tight bend to the right", ego: true, truth: []msg.Cubic{
			line(1.85, 0, -1.0/240, 0, 4, 40), line(-1.85, 0, -1.0/240, 0, 4, 36),
		}},
		{name: "S bend", ego: true, truth: []msg.Cubic{
			line(1.85, -0.08, 0.004, -5e-5, 4, 50), line(-1.85, -0.08, 0.004, -5e-5, 4, 50),
		}},
		{name: "not parallel to the vehicle", ego: true, truth: []msg.Cubic{
			line(2.2, 0.06, 0, 0, 4, 50), line(-1.3, 0.06, 0, 0, 4, 50),
		}},
		// The dash from 33 m on is two rows of the mask.
		{name: "dashed", truth: straight, on: dashes, ego: true, reach: 27},
		{name: "dashed bend", on: dashes, ego: true, reach: 27, truth: []msg.Cubic{
			line(1.85, 0, 1.0/800, 0, 4, 50), line(-1.85, 0, 1.0/800, 0, 4, 50),
		}},
		{name: "worn", truth: straight, ego: true, reach: 40, spoil: func(mask []uint8) {
			r := rand.New(rand.NewPCG(1, 1))
			for y := 0; y+6 < maskH; y += 9 {
				if r.IntN(3) == 0 { // six rows of nothing
					clear(mask[y*maskW : (y+6)*maskW])
				}
			}
			for i := range mask {
				if r.IntN(20) == 0 {
					mask[i] = 0
				}
			}
		}},
		{name: "specks", truth: straight, ego: true, spoil: func(mask []uint8) {
			r := rand.New(rand.NewPCG(2, 2))
			for range 2000 {
				mask[r.IntN(len(mask))] = 1
			}
		}},
		{name: "a blob beside", truth: straight, ego: true, spoil: func(mask []uint8) {
			for y := 250; y < 330; y++ {
				for x := 10; x < 90; x++ {
					mask[y*maskW+x] = 1
				}
			}
		}},
		{name: "a stop line across", truth: straight, ego: true, spoil: func(mask []uint8) {
			for y := 230; y < 236; y++ {
				for x := 60; x < 600; x++ {
					mask[y*maskW+x] = 1
				}
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mask := make([]uint8, maskW*maskH)
			for _, c := range tt.truth {
				paint(mask, maskW, maskH, cam, c, 0.15, tt.on)
			}
			if tt.spoil != nil {
				tt.spoil(mask)
			}
			reach := tt.reach
			if reach == 0 {
				reach = 0.6 * tt.truth[0].X1
			}
			got := fromMasks(mask, make([]uint8, len(mask)), maskW, maskH, cam)
			checkSet(t, &got)
			if len(got.Lanes) != len(tt.truth) {
				t.Fatalf("%d lines, want %d", len(got.Lanes), len(tt.truth))
			}
			for i, truth := range tt.truth { // both left to right
				l := got.Lanes[i]
				px, m := offPixels(cam, truth, l.Points), offMetres(truth, l.Curve)
				if px > 2 || m > 0.1 {
					t.Errorf("line %d is %.2f px and %.3f m off (%v)", i, px, m, l.Curve)
				}
				if l.Curve.X0 > 13 || l.Curve.X1 < reach {
					t.Errorf("line %d is known from %.1f to %.1f m, truth from %.1f to %.1f m", i, l.Curve.X0, l.Curve.X1, truth.X0, truth.X1)
				}
				if l.Confidence < 0.4 {
					t.Errorf("line %d: confidence %.2f", i, l.Confidence)
				}
			}
			if mid := len(tt.truth) / 2; tt.ego && (got.EgoLeft != mid-1 || got.EgoRight != mid) {
				t.Errorf("ego lane from %d to %d, want %d to %d", got.EgoLeft, got.EgoRight, mid-1, mid)
			}
		})
	}
}

// Where lines meet, the straight one goes on and the other ends.
func TestMergingLines(t *testing.T) {
	cam := dashcam()
	main := line(-1.85, 0, 0, 0, 4, 70)
	ramp := line(-7.85, 0.2, 0, 0, 8, 30) // meets main at 30 m
	mask := make([]uint8, maskW*maskH)
	paint(mask, maskW, maskH, cam, main, 0.15, nil)
	paint(mask, maskW, maskH, cam, ramp, 0.15, nil)
	got := fromMasks(mask, make([]uint8, len(mask)), maskW, maskH, cam)
	checkSet(t, &got)
	if len(got.Lanes) != 2 {
		t.Fatalf("%d lines, want 2", len(got.Lanes))
	}
	through, end := got.Lanes[0], got.Lanes[1]
	if px, m := offPixels(cam, main, through.Points), offMetres(main, through.Curve); px > 2 || m > 0.1 || through.Curve.X1 < 50 {
		t.Errorf("the main line is %.2f px, %.3f m off and known to %.1f m", px, m, through.Curve.X1)
	}
	// Near the junction the two are one blob; up to 20 m they are apart.
	if d := math.Abs(end.Curve.At(15) - ramp.At(15)); d > 0.1 {
		t.Errorf("the ramp is %.2f m off at 15 m", d)
	}
}

// What does not line up stays apart, however close its ends are.
func TestSeparateLines(t *testing.T) {
	cam := dashcam()
	near := line(1.85, 0, 0, 0, 4, 9)
	far := line(0.4, 0, 0, 0, 11, 60)
	mask := make([]uint8, maskW*maskH)
	paint(mask, maskW, maskH, cam, near, 0.15, nil)
	paint(mask, maskW, maskH, cam, far, 0.15, nil)
	got := fromMasks(mask, make([]uint8, len(mask)), maskW, maskH, cam)
	checkSet(t, &got)
	if len(got.Lanes) != 2 {
		t.Fatalf("%d lines, want 2", len(got.Lanes))
	}
	for i, truth := range []msg.Cubic{near, far} {
		if px, m := offPixels(cam, truth, got.Lanes[i].Points), offMetres(truth, got.Lanes[i].Curve); px > 2 || m > 0.1 {
			t.Errorf("line %d is %.2f px and %.3f m off", i, px, m)
		}
	}
}

// A few points off the line do not bend the curve.
func TestFitIsRobust(t *testing.T) {
	cam := dashcam()
	truth := line(1.85, -0.02, 1.0/600, 0, 5, 50)
	var pts []msg.Pixel
	for x := truth.X0; x < truth.X1; x *= 1.09 {
		p, ok := cam.ToPixel(msg.Ground{X: x, Y: truth.At(x)})
		if !ok {
			t.Fatal("not in view")
		}
		if i := len(pts); i == 8 || i == 9 || i == 16 {
			p.X += 80
		}
		pts = append(pts, p)
	}
	var f fitter
	got, residual, ok := f.fit(&cam, pts)
	if m := offMetres(truth, got); !ok || m > 0.1 {
		t.Errorf("%.3f m off, residual %.2f columns", m, residual)
	}
	if residual < 10 {
		t.Errorf("residual %.2f columns hides the points that are off", residual)
	}
	if _, _, ok := f.fit(&cam, pts[:2]); ok {
		t.Error("two points have a curve")
	}
	across := []msg.Pixel{{X: 100, Y: 600}, {X: 500, Y: 598}, {X: 900, Y: 596}, {X: 1200, Y: 594}}
	if _, _, ok := f.fit(&cam, across); ok {
		t.Error("a line across the road has a curve y(x)")
	}
	sky := []msg.Pixel{{X: 100, Y: 100}, {X: 110, Y: 90}, {X: 120, Y: 80}, {X: 130, Y: 70}}
	if _, _, ok := f.fit(&cam, sky); ok {
		t.Error("a line in the sky has a curve")
	}
}

func TestNoLines(t *testing.T) {
	cam := dashcam()
	full := make([]uint8, maskW*maskH)
	checker := make([]uint8, maskW*maskH)
	specks := make([]uint8, maskW*maskH)
	for i := range full {
		full[i] = 1
		checker[i] = uint8((i + i/maskW) & 1)
		if i%maskW%7 == 0 && i/maskW%5 == 0 {
			specks[i] = 1
		}
	}
	for name, mask := range map[string][]uint8{
		"empty": make([]uint8, maskW*maskH), "full": full, "specks": specks,
	} {
		got := fromMasks(mask, make([]uint8, len(mask)), maskW, maskH, cam)
		checkSet(t, &got)
		if len(got.Lanes) != 0 || got.EgoLeft != -1 || got.EgoRight != -1 {
			t.Errorf("%s mask: %d lines, ego %d %d", name, len(got.Lanes), got.EgoLeft, got.EgoRight)
		}
	}
	got := fromMasks(checker, checker, maskW, maskH, cam)
	checkSet(t, &got)
}

func TestConfidenceFalls(t *testing.T) {
	cam := dashcam()
	confidence := func(truth msg.Cubic, on func(float64) bool) float32 {
		mask := make([]uint8, maskW*maskH)
		paint(mask, maskW, maskH, cam, truth, 0.15, on)
		d := newDecoder(head{rows: maskH, width: maskW}, head{rows: maskH, width: maskW}, Options{})
		d.laneMask = mask
		var got msg.LaneSet
		d.fill(&cam, &got, func(x, y float64) float64 { return 0.1 + 0.85*float64(mask[int(y)*maskW+int(x)]) })
		if len(got.Lanes) != 1 {
			t.Fatalf("%d lines", len(got.Lanes))
		}
		return got.Lanes[0].Confidence
	}
	long := confidence(line(1.85, 0, 0, 0, 4, 70), nil)
	dashed := confidence(line(1.85, 0, 0, 0, 4, 70), func(x float64) bool { return math.Mod(x+3, 9) < 3.5 })
	short := confidence(line(1.85, 0, 0, 0, 14, 30), nil)
	if !(long > 0.9 && dashed < long-0.1 && short < long-0.1) {
		t.Errorf("confidence of a long line %.2f, dashed %.2f, short %.2f", long, dashed, short)
	}
}

func TestMinConfidence(t *testing.T) {
	cam := dashcam()
	mask := make([]uint8, maskW*maskH)
	paint(mask, maskW, maskH, cam, line(1.85, 0, 0, 0, 4, 70), 0.15, nil)
	paint(mask, maskW, maskH, cam, line(-1.85, 0, 0, 0, 14, 30), 0.15, nil)
	d := newDecoder(head{rows: maskH, width: maskW}, head{rows: maskH, width: maskW}, Options{MinConfidence: 0.8})
	d.laneMask = mask
	var got msg.LaneSet
	d.fill(&cam, &got, func(x, y float64) float64 { return 1 })
	if len(got.Lanes) != 1 || got.EgoLeft != 0 || got.EgoRight != -1 {
		t.Errorf("%d lines, ego %d %d: want the long line alone", len(got.Lanes), got.EgoLeft, got.EgoRight)
	}
}

func TestEgo(t *testing.T) {
	at := func(y ...float64) []msg.Lane {
		lanes := make([]msg.Lane, len(y))
		for i, y := range y {
			lanes[i] = msg.Lane{Curve: line(y, 0, 0, 0, 5, 40), Confidence: 0.5}
		}
		return lanes
	}
	sure := func(lanes []msg.Lane, i int) []msg.Lane { lanes[i].Confidence = 0.9; return lanes }
	far := at(1.8, -1.8)
	far[1].Curve.X0 = 30
	bare := at(1.8, -1.8)
	bare[0].Curve = msg.Cubic{}
	for _, tt := range []struct {
		name        string
		lanes       []msg.Lane
		left, right int
	}{
		{"none", nil, -1, -1},
		{"one lane", at(1.8, -1.8), 0, 1},
		{"three lanes", at(5.4, 1.8, -1.8, -5.4), 1, 2},
		{"a spurious line in the middle", at(1.8, 0.1, -1.8), 0, 2},
		{"only left", at(1.8), 0, -1},
		{"only right", at(-1.8), -1, 0},
		{"only another lane's", at(-6), -1, -1},
		{"left missing, its neighbour seen", at(5.4, -1.8), -1, 1},
		{"two strips of one line", sure(at(0.1, -0.1), 1), -1, 1},
		{"too far ahead to tell", far, 0, -1},
		{"without a curve", bare, -1, 1},
	} {
		if l, r := ego(tt.lanes); l != tt.left || r != tt.right {
			t.Errorf("%s: %d %d, want %d %d", tt.name, l, r, tt.left, tt.right)
		}
	}
}
