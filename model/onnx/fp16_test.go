package onnx

import (
	"math"
	"testing"
)

func TestHalf(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, tc := range []struct {
		x    float32
		want uint16
		ok   bool
	}{
		{0, 0, true}, {float32(math.Copysign(0, -1)), 0x8000, true},
		{1, 0x3c00, true}, {-2, 0xc000, true}, {0.333251953125, 0x3555, true}, {1.0 / 3, 0x3555, true},
		{65504, 0x7bff, true}, {65519.996, 0x7bff, true}, {65520, 0x7c00, false}, {-65520, 0xfc00, false}, {inf, 0x7c00, false},
		{float32(math.NaN()), 0x7c00, false}, {math.MaxFloat32, 0x7c00, false},
		{0x1p-14, 0x0400, true}, {0x1p-14 - 0x1p-24, 0x03ff, true}, // the least normal, the greatest subnormal
		{0x1p-14 - 0x1p-25, 0x0400, true}, // a tie between the two: to the even one
		{0x1p-24, 1, true}, {-0x1p-24, 0x8001, true}, {0x1.8p-24, 2, true}, {0x1.7p-24, 1, true},
		{0x1p-25, 0, true}, {0x1.000002p-25, 1, true}, {0x1p-26, 0, true}, {math.SmallestNonzeroFloat32, 0, true},
		{1 + 0x1p-11, 0x3c00, true}, {1 + 0x1.8p-10, 0x3c02, true}, {2 - 0x1p-11, 0x4000, true}, // ties, one over to the next power
	} {
		if got, ok := half(tc.x); got != tc.want || ok != tc.ok {
			t.Errorf("half(%v) = %#04x %t, want %#04x %t", tc.x, got, ok, tc.want, tc.ok)
		}
	}
}

// value16 is what the bits of a binary16 mean.
func value16(h uint16) float64 {
	mantissa, exponent := float64(h&0x3ff), int(h>>10&31)
	if exponent == 0 {
		return math.Ldexp(mantissa, -24)
	}
	return math.Ldexp(1024+mantissa, exponent-25)
}

// Each number that a binary16 can be, half way to the next, and close by.
func TestHalfRoundsToNearest(t *testing.T) {
	for h := uint16(0); h < 0x7bff; h++ {
		this, next := value16(h), value16(h+1)
		middle := float32((this + next) / 2)
		even := h + h&1
		for _, tc := range []struct {
			x    float32
			want uint16
		}{
			{float32(this), h}, {middle, even},
			{math.Nextafter32(middle, 0), h}, {math.Nextafter32(middle, 1e6), h + 1},
		} {
			if got, ok := half(tc.x); got != tc.want || !ok {
				t.Fatalf("half(%v) = %#04x %t, want %#04x", tc.x, got, ok, tc.want)
			}
			if got, ok := half(-tc.x); got != tc.want|0x8000 || !ok {
				t.Fatalf("half(%v) = %#04x %t, want %#04x", -tc.x, got, ok, tc.want|0x8000)
			}
		}
	}
}
