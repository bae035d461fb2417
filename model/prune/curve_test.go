package prune

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A curve rises with what leaves, goes through what was measured and knows nothing
// of what lies beyond.
func TestCurve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		units := rapid.IntRange(2, 20).Draw(t, "units")
		p := &path{order: make([]int, units), loss: make([]float64, units+1)}
		for k := units - 1; k >= 0; k-- {
			p.loss[k] = p.loss[k+1] + rapid.Float64Range(1e-6, 1).Draw(t, "loss")
		}
		measured := map[int]float64{}
		last := rapid.Float64Range(1e-3, 1).Draw(t, "first")
		for k := units - 1; k > 0; k-- {
			if rapid.Bool().Draw(t, "measured") {
				measured[k] = last
				last *= rapid.Float64Range(1, 10).Draw(t, "rise")
			}
		}
		c := newCurve(p, measured)
		if len(c) != units+1 || c[units] != 0 || !slices.IsSortedFunc(c, func(a, b float64) int {
			switch {
			case a == b:
				return 0
			case a > b:
				return -1
			}
			return 1
		}) {
			t.Fatalf("not falling: %v", c)
		}
		least := units
		for k, l := range measured {
			least = min(least, k)
			if c[k] < l*(1-1e-9) {
				t.Errorf("%g at %d, %g was measured", c[k], k, l)
			}
		}
		for k := range least {
			if !math.IsInf(c[k], 1) {
				t.Errorf("%d units were not measured: %g", k, c[k])
			}
		}
	})
	smooth := newCurve(&path{order: make([]int, 4), loss: []float64{8, 4, 2, 1, 0}}, map[int]float64{1: 40, 3: 2})
	for k, want := range []float64{math.Inf(1), 40, 2 * math.Sqrt(20), 2, 0} { // ratios 10 and 2
		if smooth[k] != want && math.Abs(smooth[k]-want) > 1e-9 {
			t.Errorf("%d units: %g, expected %g", k, smooth[k], want)
		}
	}
}

func TestBetween(t *testing.T) {
	x, y := []int{2, 4, 8}, []float64{1, 3, -1}
	for at, want := range map[int]float64{0: 1, 2: 1, 3: 2, 4: 3, 6: 1, 8: -1, 9: -1} {
		if got := between(x, y, at); got != want {
			t.Errorf("at %d: %g, expected %g", at, got, want)
		}
	}
}

// groups are so many units each, as a structure has them.
func groups(units ...int) *Structure {
	s := &Structure{}
	for _, n := range units {
		s.Groups = append(s.Groups, Group{Units: make([][]Channel, n)})
	}
	return s
}

// Whatever the curves and costs, the target is met if it can be, in multiples, and
// no single cut less would do.
func TestAllocate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		units := rapid.SliceOfN(rapid.IntRange(2, 40), 1, 4).Draw(t, "units")
		s := groups(units...)
		multiple := rapid.SampledFrom([]int{1, 2, 8}).Draw(t, "multiple")
		price := make([]float64, len(units))
		curves := make([]curve, len(units))
		for i, n := range units {
			price[i] = rapid.Float64Range(.1, 10).Draw(t, "price")
			if rapid.IntRange(0, 4).Draw(t, "fixed") == 0 {
				continue
			}
			curves[i] = make(curve, n+1)
			for k := n - 1; k >= 0; k-- {
				curves[i][k] = curves[i][k+1] + rapid.Float64Range(0, 1).Draw(t, "loss")
			}
		}
		cost := func(counts []int) float64 {
			var sum float64
			for i, n := range counts {
				sum += price[i] * float64(n)
			}
			return sum
		}
		target := cost(units) * rapid.Float64Range(0, 1).Draw(t, "target")
		counts := allocate(s, units, curves, cost, target, multiple)
		most := true // cut as far as it goes
		for i, n := range counts {
			m := multipleOf(units[i], multiple)
			if n < 1 || n > units[i] || n < units[i] && n%m != 0 || curves[i] == nil && n != units[i] {
				t.Errorf("group %d: %d of %d stay", i, n, units[i])
			}
			most = most && (curves[i] == nil || n <= m)
		}
		if c := cost(counts); c > target*(1+1e-9) && !most {
			t.Errorf("the cost is %g, the target %g: %v of %v", c, target, counts, units)
		}
	})
}

// One cut is enough: then it is the one of the least loss per saving.
func TestAllocateTakesTheBestCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		units := []int{3, 3, 3}
		curves := make([]curve, 3)
		price := make([]float64, 3)
		for i := range curves {
			price[i] = float64(rapid.IntRange(2, 9).Draw(t, "price"))
			one := rapid.Float64Range(.01, 1).Draw(t, "one")
			curves[i] = curve{math.Inf(1), one + rapid.Float64Range(.01, 1).Draw(t, "more"), one, 0}
		}
		cost := func(counts []int) float64 {
			var sum float64
			for i, n := range counts {
				sum += price[i] * float64(n)
			}
			return sum
		}
		target := cost(units) - 1 // any cut does
		got := allocate(groups(units...), units, curves, cost, target, 1)
		var loss float64
		for i, k := range got {
			loss += curves[i][k]
		}
		for i := range units {
			if curves[i][2] < loss-1e-9 {
				t.Errorf("%v loses %g, a unit of group %d alone %g", got, loss, i, curves[i][2])
			}
		}
	})
}

func TestUniform(t *testing.T) {
	s := groups(40, 80, 10)
	s.Groups[2].Fixed = "output"
	cost := func(counts []int) float64 { return float64(counts[0] + counts[1] + counts[2]) }
	got := uniform(s, func(i int) bool { return i < 2 }, cost, 70, 4)
	if !slices.Equal(got, []int{20, 40, 10}) {
		t.Errorf("%v", got)
	}
	// What cannot be reached comes as near as it can.
	if got := uniform(s, func(i int) bool { return i < 2 }, cost, 1, 4); !slices.Equal(got, []int{4, 4, 10}) {
		t.Errorf("%v", got)
	}
}
