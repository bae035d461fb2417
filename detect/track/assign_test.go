package track

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// sum is what an assignment costs, after a check that it is one.
func sum(t rapid.TB, colOf []int, cost []float64, rows, cols int, limit float64) float64 {
	t.Helper()
	if len(colOf) != rows {
		t.Fatalf("%d rows have an answer, want %d", len(colOf), rows)
	}
	taken := map[int]bool{}
	total, pairs := 0.0, 0
	for i, j := range colOf {
		if j < 0 {
			continue
		}
		if j >= cols || taken[j] {
			t.Fatalf("row %d has column %d, which is not there or another's", i, j)
		}
		if !(cost[i*cols+j] < limit) {
			t.Fatalf("row %d has column %d, which costs %g of %g", i, j, cost[i*cols+j], limit)
		}
		taken[j] = true
		total += cost[i*cols+j]
		pairs++
	}
	return total + limit*float64(min(rows, cols)-pairs)
}

// least tries every assignment.
func least(cost []float64, rows, cols int, limit float64) float64 {
	taken := make([]bool, cols)
	var from func(i, pairs int) float64
	from = func(i, pairs int) float64 {
		if i == rows {
			return limit * float64(min(rows, cols)-pairs)
		}
		best := from(i+1, pairs)
		for j := range cols {
			if c := cost[i*cols+j]; !taken[j] && c < limit {
				taken[j] = true
				best = min(best, c+from(i+1, pairs+1))
				taken[j] = false
			}
		}
		return best
	}
	return from(0, 0)
}

func TestAssignmentIsTheBestOfAll(t *testing.T) {
	var s solver // one for all: its memory must not matter
	rapid.Check(t, func(t *rapid.T) {
		rows, cols := rapid.IntRange(0, 6).Draw(t, "rows"), rapid.IntRange(0, 6).Draw(t, "cols")
		// Eighths, so that sums are exact and equally good ones occur.
		c := rapid.OneOf(rapid.Map(rapid.IntRange(0, 16), func(v int) float64 { return float64(v) / 8 }),
			rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), 1e300}))
		cost := rapid.SliceOfN(c, rows*cols, rows*cols).Draw(t, "cost")
		limit := float64(rapid.IntRange(1, 16).Draw(t, "limit")) / 8
		got := sum(t, s.solve(cost, rows, cols, limit), cost, rows, cols, limit)
		if want := least(cost, rows, cols, limit); got != want {
			t.Fatalf("the sum is %g, the best is %g", got, want)
		}
	})
}

func TestAssignmentOracle(t *testing.T) {
	b, err := os.ReadFile("testdata/oracles/assign.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Unit  float64
		Cases []struct {
			Rows, Cols int
			Limit, Sum float64
			Cost       []float64
		}
	}
	if err := json.Unmarshal(b, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Cases) < 30 {
		t.Fatalf("only %d cases", len(golden.Cases))
	}
	var s solver
	for k, c := range golden.Cases {
		for i := range c.Cost {
			c.Cost[i] /= golden.Unit
		}
		limit := c.Limit / golden.Unit
		if got := sum(t, s.solve(c.Cost, c.Rows, c.Cols, limit), c.Cost, c.Rows, c.Cols, limit); got != c.Sum/golden.Unit {
			t.Errorf("case %d, %d x %d: the sum is %g, SciPy's %g", k, c.Rows, c.Cols, got, c.Sum/golden.Unit)
		}
	}
}
