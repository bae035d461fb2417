package prune_test

import (
	"slices"
	"testing"

	"dashline/model"
	"dashline/model/prune"
)

// TestMaskedColumns says which channels of a convolution are cut off because
// they are not zero: those behind a sigmoid, wherever they have gone.
func TestMaskedColumns(t *testing.T) {
	for _, tc := range []struct {
		name  string
		build func(n *net, zero, half int) int // of 4 channels each, half behind a sigmoid
		want  []int                            // columns of its reader that are cut off
	}{
		{"relu", func(n *net, zero, _ int) int { return zero }, nil},
		{"sigmoid", func(n *net, _, half int) int { return half }, []int{0}},
		{"joined", func(n *net, zero, half int) int { return n.concat(zero, half) }, []int{4}},
		{"joined thrice", func(n *net, zero, half int) int { return n.concat(half, zero, half) }, []int{0, 8}},
		{"the first of joined", func(n *net, zero, half int) int { return n.slice(n.concat(zero, half), 0, 6) }, []int{4}},
		{"the rest of joined", func(n *net, zero, half int) int { return n.slice(n.concat(half, zero), 3, 5) }, nil},
		{"rows of joined", func(n *net, zero, half int) int {
			return n.add(&model.Slice{Axis: 2, Count: 1}, n.concat(half, zero))
		}, []int{0}},
		{"one below the other", func(n *net, zero, half int) int { return n.add(&model.Concat{Axis: 2}, zero, half) }, []int{0}},
		{"sum", func(n *net, zero, half int) int { return n.sum(model.Linear, zero, half) }, []int{0}},
		{"product", func(n *net, zero, half int) int { return n.add(&model.Mul{}, half, zero) }, nil},
		{"with a constant", func(n *net, zero, _ int) int { return n.sum(model.Linear, zero, n.constant(1, 1)) }, []int{0}},
		{"with one of each channel", func(n *net, zero, _ int) int { return n.sum(model.Linear, zero, n.constant(4, 1, 1)) }, nil},
		{"normalised", func(n *net, _, half int) int { return n.add(&model.Normalize{Norm: *n.norm(4)}, half) }, nil},
		{"pooled", func(n *net, _, half int) int { return n.add(&model.AvgPool{}, half) }, []int{0}},
		{"activated", func(n *net, zero, _ int) int {
			return n.add(&model.Activate{Act: model.Act{Kind: model.Sigmoid}}, zero)
		}, []int{0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := newNet(10)
			in := n.input(2, 4, 4)
			zero, half := n.relu(in, 4, 1), n.conv(in, 4, 1, 1, true, model.Sigmoid)
			head := n.conv(tc.build(n, zero, half), 3, 1, 1, false, model.Linear)
			g := n.done(t, head)
			s, err := prune.Analyze(g)
			if err != nil {
				t.Fatal(err)
			}
			k := s.All()
			for _, layer := range []int{zero, half} {
				group, unit := s.Find(prune.Channel{Layer: layer, Index: 0})
				k[group][unit] = false
			}
			if err := s.Mask(g, k); err != nil {
				t.Fatal(err)
			}
			o := g.Layers[head].Op.(*model.Conv)
			var got []int
			for c := range g.In(head).Channels() {
				if o.Weight[c] == 0 {
					got = append(got, c)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("columns %v are cut off, expected %v", got, tc.want)
			}
		})
	}
}
