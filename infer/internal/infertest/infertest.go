// Package infertest has what tests of all engines need.
package infertest

import (
	"slices"
	"testing"

	"dashline/infer"
)

// Forward runs a network on its input and keeps what it gives, which is only lent.
func Forward(t testing.TB, n infer.Network) (kept [][]float32) {
	t.Helper()
	out, err := n.Forward()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out {
		kept = append(kept, slices.Clone(o))
	}
	return kept
}
