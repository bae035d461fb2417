package prune

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"dashline/model"
)

// The divergence is that of two coins by its definition.
func TestDivergence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Float64Range(-12, 12).Draw(t, "a"), rapid.Float64Range(-12, 12).Draw(t, "b")
		p, q := 1/(1+math.Exp(-a)), 1/(1+math.Exp(-b))
		want := p*math.Log(p/q) + (1-p)*math.Log((1-p)/(1-q))
		if got := divergence(a, b); math.Abs(got-want) > 1e-9*(1+want) || got < -1e-15 {
			t.Errorf("of %g from %g: %g, expected %g", b, a, got, want)
		}
	})
	for _, far := range []float64{-1e30, -800, 800, 1e30} {
		if d := divergence(far, far); d != 0 {
			t.Errorf("of %g from itself: %g", far, d)
		}
		if d := divergence(far, -far); math.IsNaN(d) || d < 700 {
			t.Errorf("of %g from %g: %g", -far, far, d)
		}
	}
}

// yoloHead is one of 1 anchor and 2 classes on a grid of 1x2.
func yoloHead() head { return head{yolo: true, anchors: 1, stride: 7, grid: grid{1, 2}} }

func TestLossOf(t *testing.T) {
	plain := head{layer: 0}
	zero := make([]float32, 14)
	logit := func(p float64) float32 { return float32(math.Log(p / (1 - p))) }
	object := slices.Clone(zero)           // in the first cell only
	object[8], object[9] = logit(.25), -40 // counts half
	moved := func(number int, by float32) []float32 {
		out := slices.Clone(object)
		out[2*number] += by
		out[2*number+1] += by
		return out
	}
	sig := func(x float32) float64 { return sigmoid(float64(x)) }
	for _, c := range []struct {
		name      string
		h         head
		want, got []float32
		loss      float64
	}{
		{"equal", yoloHead(), object, object, 0},
		{"equal numbers", plain, []float32{3, 4}, []float32{3, 4}, 0},
		{"squares", plain, []float32{3, 4}, []float32{3, 5}, 1. / 25},
		{"place", yoloHead(), object, moved(0, 1), .5 * 4 * square(sig(0)-sig(1))},
		{"size", yoloHead(), object, moved(3, 2), .5 * 2 * 4},
		{"class", yoloHead(), object, moved(6, 1), .5 * divergence(0, 1)},
		{"objectness", yoloHead(), object, moved(4, 1), divergence(math.Log(1./3), math.Log(1./3)+1) + divergence(-40, -39)},
	} {
		if got := lossOf([]head{c.h}, [][]float32{c.want}, [][]float32{c.got}); math.Abs(got-c.loss) > 1e-6 {
			t.Errorf("%s: %g, expected %g", c.name, got, c.loss)
		}
	}
	both := []head{plain, yoloHead()}
	if l := lossOf(both, [][]float32{{3, 4}, object}, [][]float32{{3, 5}, moved(3, 2)}); math.Abs(l-4.04) > 1e-6 {
		t.Errorf("two heads lose %g", l)
	}
}

// The loss is never below zero, and above it for what differs.
func TestLossIsADistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Float32Range(-8, 8)
		want := rapid.SliceOfN(number, 14, 14).Draw(t, "want")
		got := slices.Clone(want)
		at := rapid.IntRange(0, 13).Draw(t, "at")
		got[at] += rapid.Float32Range(.5, 3).Draw(t, "by")
		l := lossOf([]head{yoloHead()}, [][]float32{want}, [][]float32{got})
		if !(l > 0) {
			t.Errorf("%g", l)
		}
	})
}

// A portion holds every output of a head once, in one of two: objectness, which
// counts where it is undecided, and all else, which counts where an object is.
func TestPortions(t *testing.T) {
	h := head{yolo: true, anchors: 2, stride: 7, grid: grid{2, 3}}
	target := newMatrix(3, 14)
	target.row(0)[4], target.row(1)[4], target.row(2)[4] = -40, 0, 40
	parts := h.portions(target)
	var all []int
	for _, p := range parts {
		all = append(all, p.outputs...)
		if len(p.weight) != 3 || len(p.worth) != len(p.outputs) {
			t.Fatalf("%+v", p)
		}
		for k, w := range p.worth {
			if !(w > 0) {
				t.Errorf("output %d is worth %g", p.outputs[k], w)
			}
		}
	}
	slices.Sort(all)
	if len(parts) != 4 || !slices.Equal(all, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}) {
		t.Errorf("%d parts with the outputs %v", len(parts), all)
	}
	for k, want := range []float32{.01, .51, .01} {
		if math.Abs(float64(parts[0].weight[k]-want)) > 1e-6 {
			t.Errorf("objectness counts %g at sample %d", parts[0].weight[k], k)
		}
	}
	for k, want := range []float32{.005, .005 + math.Sqrt2/2, 1.005} {
		if math.Abs(float64(parts[1].weight[k]-want)) > 1e-6 {
			t.Errorf("the rest counts %g at sample %d", parts[1].weight[k], k)
		}
	}
}

// Places are within their grids, none twice in an image, and as many as there is
// room for.
func TestSpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, w := rapid.IntRange(1, 9).Draw(t, "height"), rapid.IntRange(1, 9).Draw(t, "width")
		g := &model.Graph{Layers: []model.Layer{{Shape: model.Shape{1, 3, h, w}}, {Shape: model.Shape{1, 7}}}}
		const images, most = 3, 20
		seed := rapid.Uint64().Draw(t, "seed")
		all := spread(g, images, most, seed)
		p := all[grid{h, w}]
		if len(all) != 1 || p.each != min(most, h*w) || p.rows() != images*p.each || len(p.weight) != p.rows() {
			t.Fatalf("%d grids, %+v", len(all), p)
		}
		for n := range images {
			seen := map[int]bool{}
			for _, at := range p.of(n) {
				if at < 0 || at >= h*w || seen[at] {
					t.Fatalf("image %d: places %v of %d", n, p.of(n), h*w)
				}
				seen[at] = true
			}
		}
		if again := spread(g, images, most, seed)[grid{h, w}]; !slices.Equal(again.pixels, p.pixels) {
			t.Error("the same seed gives other places")
		}
	})
}
