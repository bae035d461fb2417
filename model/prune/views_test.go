package prune

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"dashline/model"
)

// The whole image is mirrored only; half of it is a mirrored half at twice the size.
func TestZoomed(t *testing.T) {
	shape := model.Shape{1, 2, 2, 4}
	x := []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	for name, c := range map[string]struct {
		part window
		want []float32
	}{
		"all":       {window{0, 0, 1, 1}, []float32{4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13}},
		"left half": {window{0, 0, 1, .5}, []float32{2.25, 1.75, 1.25, 1, 6.25, 5.75, 5.25, 5, 10.25, 9.75, 9.25, 9, 14.25, 13.75, 13.25, 13}},
		"low half":  {window{.5, 0, .5, 1}, []float32{7, 6, 5, 4, 8, 7, 6, 5, 15, 14, 13, 12, 16, 15, 14, 13}},
	} {
		if got := zoomed(x, shape, c.part); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, expected %v", name, got, c.want)
		}
	}
}

// Each image comes as it is and in as many ways as asked for, all different, with
// no number that it does not span, and the same for the same seed.
func TestViews(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shape := model.Shape{1, rapid.IntRange(1, 3).Draw(t, "channels"), rapid.IntRange(2, 9).Draw(t, "height"), rapid.IntRange(2, 9).Draw(t, "width")}
		each := rapid.IntRange(1, 4).Draw(t, "each")
		images := make([][]float32, 3)
		for n := range images {
			images[n] = make([]float32, shape.Elements())
			for i := range images[n] {
				images[n][i] = float32(math.Sin(float64(n + 7*i)))
			}
		}
		seed := rapid.Uint64().Draw(t, "seed")
		got := views(images, shape, each, seed)
		if len(got) != len(images)*each {
			t.Fatalf("%d of %d images", len(got), len(images))
		}
		for i, v := range got {
			x := images[i/each]
			if i%each == 0 && &v[0] != &x[0] {
				t.Errorf("view %d is not the image itself", i)
			}
			if slices.Min(v) < slices.Min(x) || slices.Max(v) > slices.Max(x) {
				t.Errorf("view %d has numbers that the image has not", i)
			}
			for _, other := range got[:i] {
				if slices.Equal(v, other) {
					t.Errorf("view %d is there twice", i)
				}
			}
		}
		for i, v := range views(images, shape, each, seed) {
			if !slices.Equal(v, got[i]) {
				t.Errorf("view %d is another the second time", i)
			}
		}
	})
}
