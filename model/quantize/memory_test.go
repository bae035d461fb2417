package quantize

import (
	"testing"

	"dashline/model"
)

// TestMemory: of an image of 3x8x8, read by a convolution of 4 filters, both are
// held at once; where the activation function is a layer of its own, its value and
// the sums that it reads.
func TestMemory(t *testing.T) {
	for act, want := range map[model.ActKind]int64{
		model.Linear: 8 * (3 + 4) * 64,
		model.Relu:   8 * (3 + 4) * 64,
		model.Leaky:  8 * (4 + 4) * 64,
		model.Mish:   8 * (4 + 4) * 64,
	} {
		g := &model.Graph{Layers: []model.Layer{
			{Name: "image", Op: &model.Input{Shape: model.Shape{1, 3, 8, 8}}},
			{Name: "conv", Op: (&drawn{1}).filters(3, 4, 1, 3, 1, act), From: []int{0}},
		}, Outputs: []int{1}}
		if err := g.Infer(); err != nil {
			t.Fatal(err)
		}
		if got := Memory(g); got != want {
			t.Errorf("%v: %d bytes a picture; want %d", act, got, want)
		}
	}
}
