package report

import (
	"encoding/json"
	"io"
	"math"
)

// JSON writes the result as docs/bench.schema.json describes it. It is an error
// where a number is not one (JSON has no NaN).
func JSON(w io.Writer, r *Result) error {
	out := mapped(r, func(s string) string { return s }) // lists that are nil would be null
	out.Schema = Schema
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

// Thin takes n of values that are in order, evenly by rank, the first and the last
// among them; all where there are not more. It is what a [Subject]'s CDF is made
// with.
func Thin(sorted []float64, n int) []float64 {
	if n < 2 || len(sorted) <= n {
		return append([]float64(nil), sorted...)
	}
	thin := make([]float64, n)
	for i := range thin {
		thin[i] = sorted[int(math.Round(float64(i)*float64(len(sorted)-1)/float64(n-1)))]
	}
	return thin
}
