package onnx

import "math"

// half is x as an IEEE 754 binary16, rounded to nearest, ties to even. It is
// not ok where x rounds to more than 65504, the largest, or is not finite.
func half(x float32) (h uint16, ok bool) {
	bits := math.Float32bits(x)
	sign, abs := uint16(bits>>16)&0x8000, bits&^(1<<31)
	const (
		tooLarge  = 0x477ff000 // 65520, half way between 65504 and what would come next
		normal    = 0x38800000 // 2^-14, below which an exponent has no place
		vanishing = 0x33000000 // 2^-25, half of the smallest
		rebias    = (127 - 15) << 23
		unit      = 126 // the exponent, as float32 holds it, at which a mantissa counts in 2^-24
	)
	switch {
	case abs >= tooLarge:
		return sign | 0x7c00, false
	case abs < vanishing:
		return sign, true
	case abs < normal:
		return sign | uint16(roundedShift(abs&0x7fffff|0x800000, unit-abs>>23)), true
	}
	return sign | uint16(roundedShift(abs-rebias, 23-10)), true
}

// roundedShift is v / 2^n to the nearest whole number, ties to even.
func roundedShift(v, n uint32) uint32 {
	q, rest, tie := v>>n, v&(1<<n-1), uint32(1)<<(n-1)
	if rest > tie || rest == tie && q&1 == 1 {
		q++
	}
	return q
}
