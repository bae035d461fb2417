package quantize

import (
	"math"

	"dashline/model"
)

// Limits of a weight's code.
const (
	full    = 127
	reduced = 64
)

// filterScales are steps of the filters of a convolution: those with which the
// weights, rounded to nearest, lose least (squared), the largest of them cut off
// where that is better. A step is never so small that the bias, counted in steps of
// it times those of what is read, leaves 31 bits.
func filterScales(o *model.Conv, limit int, in model.Affine) []float32 {
	each := len(o.Weight) / o.Filters
	out := make([]float32, o.Filters)
	for f := range out {
		s := filterScale(o.Weight[f*each:][:each], limit)
		if o.Bias != nil {
			s = math.Max(s, math.Abs(float64(o.Bias[f]))/(float64(in.Scale)*(1<<30)))
		}
		out[f] = float32(math.Max(s, tiny))
	}
	return out
}

func filterScale(w []float32, limit int) float64 {
	const tries, smallest = 20, 0.6 // parts of the step that holds all
	whole := absMax(w) / float64(limit)
	best, found := math.Inf(1), whole
	for k := range tries + 1 {
		s := whole * (1 - (1-smallest)*float64(k)/tries)
		if s <= 0 {
			break
		}
		lost := 0.0
		for _, v := range w {
			d := float64(v) - s*float64(step(float64(v), s, limit))
			lost += d * d
		}
		if lost < best {
			best, found = lost, s
		}
	}
	return found
}

// tiny is the step of filters of zeros.
const tiny = 1e-12

// nearest rounds weights to codes.
func nearest(weight []float32, scale []float32, limit int) model.Codes {
	c := model.Codes{Scale: scale, Values: make([]int8, len(weight))}
	each := len(weight) / len(scale)
	for i, w := range weight {
		c.Values[i] = step(float64(w), float64(scale[i/each]), limit)
	}
	return c
}

func step(w, scale float64, limit int) int8 {
	q := math.RoundToEven(w / scale)
	return int8(min(max(q, float64(-limit)), float64(limit)))
}

// decoded is what codes stand for.
func decoded(c model.Codes) []float32 {
	out := make([]float32, len(c.Values))
	each := len(out) / len(c.Scale)
	for i, q := range c.Values {
		out[i] = c.Scale[i/each] * float32(q)
	}
	return out
}

// roundBias replaces a bias by the nearest whole number of steps.
func roundBias(bias []float32, c model.Codes, in model.Affine) {
	for f := range bias {
		unit := float64(c.Scale[f] * in.Scale)
		bias[f] = float32(math.RoundToEven(float64(bias[f])/unit) * unit)
	}
}
