package ort

import (
	"math/rand/v2"
	"slices"
	"testing"

	"dashline/infer"
	"dashline/infer/internal/tiny"
)

// TestHostileBytes runs damaged models in this process: only errors come back.
func TestHostileBytes(t *testing.T) {
	needLibrary(t)
	whole := tiny.ONNX()
	// One whole network keeps the library loaded, and must run to the end.
	good := mustOpen(t, Model{Name: "good", Graph: whole, Width: 32, Height: 32}, infer.Options{Threads: 1})
	opened := 0
	const rounds = 300
	for i := range rounds {
		n, err := Open(Model{Name: "bad", Graph: damage(whole, uint64(i)), Width: 32, Height: 32}, infer.Options{Threads: 1})
		if err != nil {
			continue
		}
		opened++
		if out, err := n.Forward(); err == nil {
			for _, o := range out {
				_ = slices.Max(o) // reads all of it
			}
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d of %d damaged models still opened", opened, rounds)
	if opened == rounds {
		t.Error("nothing was refused")
	}
	if _, err := good.Forward(); err != nil {
		t.Error(err)
	}
}

// damage changes a byte or two, cuts or repeats a piece; the same for the same seed.
func damage(b []byte, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	b = slices.Clone(b)
	for range 1 + r.IntN(2) {
		at := r.IntN(len(b))
		switch r.IntN(4) {
		case 0:
			b[at] ^= 1 << r.IntN(8)
		case 1:
			b[at] = byte(r.Uint32())
		case 2:
			b = slices.Insert(b, at, b[at:min(len(b), at+5)]...)
		case 3:
			b = b[:max(1, at)]
		}
	}
	return b
}
