package lanes

import (
	"math"
	"math/rand/v2"
	"testing"

	"dashline/pipeline/msg"
)

// areaOf runs the area finder on a mask drawn by inside.
func areaOf(w, h int, inside func(x, y int) bool) ([]corner, float64, []uint8) {
	mask := make([]uint8, w*h)
	for y := range h {
		for x := range w {
			if inside(x, y) {
				mask[y*w+x] = 1
			}
		}
	}
	var f areaFinder
	polygon, share := f.find(mask, make([]uint8, w*h), w, h)
	return polygon, share, mask
}

// covers says whether a polygon holds a point, by crossing number.
func covers(p []corner, x, y float64) bool {
	in := false
	for i := range p {
		a, b := p[i], p[(i+1)%len(p)]
		if (float64(a.y) > y) != (float64(b.y) > y) &&
			x < float64(a.x)+(y-float64(a.y))/float64(b.y-a.y)*float64(b.x-a.x) {
			in = !in
		}
	}
	return in
}

// iou compares a polygon with a mask, pixel by pixel.
func iou(p []corner, mask []uint8, w int) float64 {
	both, either := 0, 0
	for i, m := range mask {
		in := covers(p, float64(i%w)+0.5, float64(i/w)+0.5)
		if in && m == 1 {
			both++
		}
		if in || m == 1 {
			either++
		}
	}
	return float64(both) / float64(either)
}

func TestAreaOfKnownShapes(t *testing.T) {
	const w, h = 320, 180
	for _, tt := range []struct {
		name    string
		inside  func(x, y int) bool
		least   float64 // IoU of polygon and mask
		corners int     // at most
	}{
		{"all", func(x, y int) bool { return true }, 1, 4},
		{"rectangle", func(x, y int) bool { return x >= 40 && x < 200 && y >= 90 && y < 170 }, 1, 4},
		{"road", func(x, y int) bool { return y > 80 && math.Abs(float64(x)-150) < float64(y-80) }, 0.97, 8},
		{"half disc", func(x, y int) bool { return math.Hypot(float64(x)-160, float64(y)-180) < 100 }, 0.97, 40},
		{"a car stands on it", func(x, y int) bool { return y > 80 && !(x > 100 && x < 160 && y < 130) }, 0.99, 12},
		{"comb", func(x, y int) bool { return y > 150 || y > 80 && x/8%2 == 0 }, 0.5, maxCorners},
		{"staircase", func(x, y int) bool { return y > 60 && x/4*2 < y }, 0.95, maxCorners},
	} {
		polygon, share, mask := areaOf(w, h, tt.inside)
		if len(polygon) < 3 || len(polygon) > tt.corners || !simple(polygon) {
			t.Errorf("%s: %d corners %v", tt.name, len(polygon), polygon)
			continue
		}
		if got := iou(polygon, mask, w); got < tt.least {
			t.Errorf("%s: IoU %.3f with %d corners", tt.name, got, len(polygon))
		}
		kept, total := 0, 0
		for i, m := range mask {
			if m == 1 {
				total++
				if covers(polygon, float64(i%w)+0.5, float64(i/w)+0.5) {
					kept++
				}
			}
		}
		if want := float64(kept) / float64(total); math.Abs(want-share) > 0.02 {
			t.Errorf("%s: share %.3f, counted %.3f", tt.name, share, want)
		}
	}
}

func TestAreaChoice(t *testing.T) {
	const w, h = 320, 180
	in := func(x, y, x0, y0, x1, y1 int) bool { return x >= x0 && x < x1 && y >= y0 && y < y1 }
	for _, tt := range []struct {
		name   string
		inside func(x, y int) bool
		want   bool
		x, y   float64 // inside the polygon
	}{
		{"nothing", func(x, y int) bool { return false }, false, 0, 0},
		{"only far away", func(x, y int) bool { return in(x, y, 0, 0, 320, 100) }, false, 0, 0},
		{"a speck", func(x, y int) bool { return in(x, y, 100, 170, 106, 176) }, false, 0, 0},
		{"near beats larger and far", func(x, y int) bool {
			return in(x, y, 0, 0, 320, 100) || in(x, y, 60, 130, 160, 180)
		}, true, 100, 150},
		{"the larger of two near", func(x, y int) bool {
			return in(x, y, 0, 130, 60, 180) || in(x, y, 80, 130, 300, 180)
		}, true, 200, 150},
		{"joined by a corner only is apart", func(x, y int) bool {
			return in(x, y, 0, 100, 100, 140) || in(x, y, 100, 140, 300, 180)
		}, true, 200, 160},
	} {
		polygon, share, _ := areaOf(w, h, tt.inside)
		if (len(polygon) > 0) != tt.want || (share > 0) != tt.want {
			t.Errorf("%s: %d corners, share %.3f", tt.name, len(polygon), share)
			continue
		}
		if tt.want && !covers(polygon, tt.x, tt.y) {
			t.Errorf("%s: %v does not hold %v, %v", tt.name, polygon, tt.x, tt.y)
		}
	}
}

func TestPaintBelongsToTheArea(t *testing.T) {
	const w, h = 320, 180
	mask, paint := make([]uint8, w*h), make([]uint8, w*h)
	for y := 60; y < h; y++ {
		for x := range w {
			if x >= 150 && x < 162 {
				continue // a slit
			}
			mask[y*w+x] = 1
		}
	}
	var f areaFinder
	polygon, share := f.find(mask, paint, w, h)
	if covers(polygon, 156, 120) || share > 0.6 {
		t.Errorf("an unpainted slit is no road: %v, share %.2f", polygon, share)
	}
	for y := 60; y < h; y++ {
		for x := 152; x < 160; x++ {
			paint[y*w+x] = 1
		}
	}
	polygon, share = f.find(mask, paint, w, h)
	if !covers(polygon, 156, 120) || share < 0.99 || len(polygon) != 4 {
		t.Errorf("a painted slit splits the road: %v, share %.2f", polygon, share)
	}
}

func TestSimple(t *testing.T) {
	for _, tt := range []struct {
		p    []corner
		want bool
	}{
		{[]corner{{0, 0}, {4, 0}, {4, 4}, {0, 4}}, true},
		{[]corner{{0, 0}, {4, 4}, {4, 0}, {0, 4}}, false},                 // bow tie
		{[]corner{{0, 0}, {4, 0}, {2, 0}}, false},                         // folded onto itself
		{[]corner{{0, 0}, {4, 0}, {4, 4}, {2, 0}, {0, 4}}, false},         // a corner on an edge
		{[]corner{{0, 0}, {4, 0}, {4, 4}, {2, 1}, {0, 4}}, true},          // not convex
		{[]corner{{0, 0}, {2, 0}, {4, 0}, {4, 4}}, true},                  // a straight corner
		{[]corner{{0, 0}, {4, 0}, {4, 0}, {4, 4}}, false},                 // a corner twice
		{[]corner{{0, 0}, {2, 2}, {4, 0}, {4, 4}, {2, 2}, {0, 4}}, false}, // touches itself
	} {
		if got := simple(tt.p); got != tt.want {
			t.Errorf("simple(%v) = %v", tt.p, got)
		}
	}
}

// Real masks keep nearly all of their area.
func TestAreaOfRealMasks(t *testing.T) {
	cam := dashcam()
	pics := oraclePictures(t)
	for _, network := range []string{"twinlitenet_cv46", "twinlitenetplus_small_cv46", "twinlitenetplus_nano_cv46"} {
		least := 1.0
		for i, masks := range oracleMasks(t, network) {
			set := fromMasks(masks[1], masks[0], maskW, maskH, cam)
			checkSet(t, &set)
			if set.DrivableConfidence < 0.8 {
				t.Errorf("%s on %+v keeps %.3f of the area", network, pics[i], set.DrivableConfidence)
			}
			least = math.Min(least, float64(set.DrivableConfidence))
		}
		t.Logf("%s: the polygon keeps at least %.3f of the mask", network, least)
	}
}

// Noise has long, ragged borders that touch themselves.
func TestAreaOfNoise(t *testing.T) {
	cam := dashcam()
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 0))
		w, h := 8+r.IntN(200), 8+r.IntN(120)
		share := r.Float64()
		lane, area := make([]uint8, w*h), make([]uint8, w*h)
		for i := range area {
			if r.Float64() < share {
				area[i] = 1
			}
			if r.Float64() < share/2 {
				lane[i] = 1
			}
		}
		set := fromMasks(lane, area, w, h, cam)
		checkSet(t, &set)
	}
}

// The same masks twice give the same, also when another came in between.
func TestDeterministic(t *testing.T) {
	cam := dashcam()
	masks := oracleMasks(t, "twinlitenet_cv46")
	d := newDecoder(head{rows: maskH, width: maskW}, head{rows: maskH, width: maskW}, Options{})
	sure := func(x, y float64) float64 { return 1 }
	for i := range masks {
		first := fromMasks(masks[i][1], masks[i][0], maskW, maskH, cam)
		var again msg.LaneSet
		d.areaMask, d.laneMask = masks[i][0], masks[i][1]
		d.fill(&cam, &again, sure)
		if !same(first, again) {
			t.Fatalf("picture %d: %+v, and again %+v", i, first, again)
		}
	}
}

func same(a, b msg.LaneSet) bool {
	if len(a.Lanes) != len(b.Lanes) || len(a.Drivable) != len(b.Drivable) ||
		a.EgoLeft != b.EgoLeft || a.EgoRight != b.EgoRight || a.DrivableConfidence != b.DrivableConfidence {
		return false
	}
	for i := range a.Lanes {
		x, y := a.Lanes[i], b.Lanes[i]
		if x.Curve != y.Curve || x.Confidence != y.Confidence || len(x.Points) != len(y.Points) {
			return false
		}
		for k := range x.Points {
			if x.Points[k] != y.Points[k] {
				return false
			}
		}
	}
	for i := range a.Drivable {
		if a.Drivable[i] != b.Drivable[i] {
			return false
		}
	}
	return true
}

// All that a frame allocates is the message: the lines and one array of pixels.
func TestAllocations(t *testing.T) {
	cam := dashcam()
	masks := oracleMasks(t, "twinlitenet_cv46")
	d := newDecoder(head{rows: maskH, width: maskW}, head{rows: maskH, width: maskW}, Options{})
	sure := func(x, y float64) float64 { return 1 }
	var set msg.LaneSet
	for i := range masks { // let the buffers grow
		d.areaMask, d.laneMask = masks[i][0], masks[i][1]
		d.fill(&cam, &set, sure)
	}
	i := 0
	if n := testing.AllocsPerRun(len(masks), func() {
		d.areaMask, d.laneMask = masks[i%len(masks)][0], masks[i%len(masks)][1]
		d.fill(&cam, &set, sure)
		i++
	}); n > 2 {
		t.Errorf("%v allocations a frame, want the 2 of the message", n)
	}
}

func BenchmarkMasksToLanes(b *testing.B) {
	cam := dashcam()
	masks := oracleMasks(b, "twinlitenet_cv46")
	d := newDecoder(head{rows: maskH, width: maskW}, head{rows: maskH, width: maskW}, Options{})
	sure := func(x, y float64) float64 { return 1 }
	var set msg.LaneSet
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		d.areaMask, d.laneMask = masks[i%len(masks)][0], masks[i%len(masks)][1]
		d.fill(&cam, &set, sure)
	}
}
