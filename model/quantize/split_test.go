package quantize

import (
	"slices"
	"testing"
)

func TestSplit(t *testing.T) {
	var pictures [][]float32
	for i := range 8 {
		pictures = append(pictures, []float32{float32(i)})
	}
	for _, c := range []struct {
		most             int
		calibrate, judge []float32
	}{
		{100, []float32{0, 3, 6}, []float32{1, 2, 4, 5, 7}},
		{2, []float32{0, 3}, []float32{1, 2, 4, 5, 6, 7}},
		{0, []float32{0}, []float32{1, 2, 3, 4, 5, 6, 7}},
	} {
		calibrate, judge := split(pictures, c.most)
		if got := slices.Concat(calibrate...); !slices.Equal(got, c.calibrate) {
			t.Errorf("at most %d: %v calibrate, want %v", c.most, got, c.calibrate)
		}
		if got := slices.Concat(judge...); !slices.Equal(got, c.judge) {
			t.Errorf("at most %d: %v judge, want %v", c.most, got, c.judge)
		}
	}
}
