package quantize

import (
	"math"

	"dashline/model"
)

// codes is the number of steps between the least and the greatest code.
const codes = 255

// interval is what the codes of a value are spread over; it holds 0.
type interval struct{ low, high float64 }

// least is a range that is too small to matter; values that are always 0 get it.
const least = 1e-6

// affine spreads 256 codes over the range, moved so that 0 is one of them.
func (r interval) affine() model.Affine {
	low, high := math.Min(r.low, 0), math.Max(r.high, 0)
	scale := float32(math.Max(high-low, least) / codes)
	zero := math.RoundToEven(-low / float64(scale))
	return model.Affine{Scale: scale, Zero: uint8(min(max(zero, 0), codes))}
}

// encode is ONNX's QuantizeLinear.
func encode(a model.Affine, x float32) uint8 {
	q := math.RoundToEven(float64(x/a.Scale)) + float64(a.Zero)
	if !(q > 0) { // nor where x is not a number
		return 0
	}
	return uint8(min(q, codes))
}

// decode is ONNX's DequantizeLinear.
func decode(a model.Affine, q uint8) float32 {
	return a.Scale * float32(int(q)-int(a.Zero))
}

// fake replaces numbers by what their codes stand for.
func fake(a model.Affine, x []float32) {
	if !a.Coded() {
		return
	}
	var value [codes + 1]float32
	for q := range value {
		value[q] = decode(a, uint8(q))
	}
	for i, v := range x {
		x[i] = value[encode(a, v)]
	}
}
