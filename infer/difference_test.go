package infer

import (
	"math"
	"testing"
)

func TestDifference(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name          string
		first, second [][]float32
		want          Difference
		relative      float64
	}{
		{"nothing", nil, nil, Difference{}, 0},
		{"equal", [][]float32{{1, -4}}, [][]float32{{1, -4}}, Difference{Scale: 4}, 0},
		{"of several, the scale is the first's", [][]float32{{1, -4}, {0, 3}}, [][]float32{{1, -3}, {2, 9}}, Difference{Largest: 6, Scale: 4}, 1.5},
		{"all zeros", [][]float32{{0, 0}}, [][]float32{{0, 1}}, Difference{Largest: 1}, math.Inf(1)},
		{"no numbers", [][]float32{{nan, inf, inf, 1, 2}}, [][]float32{{1, 1, inf, nan, 1}}, Difference{Largest: 1, Scale: 2, NotFinite: 4}, .5},
	} {
		var d Difference
		for i := range c.first {
			d.Add(c.first[i], c.second[i])
		}
		if d != c.want || d.Relative() != c.relative {
			t.Errorf("%s: %+v, relative %v; want %+v, %v", c.name, d, d.Relative(), c.want, c.relative)
		}
	}
}
