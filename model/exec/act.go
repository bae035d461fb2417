package exec

import (
	"math"

	"dashline/model"
)

// apply activates numbers of channel c.
func apply(act *model.Act, c int, x []float32) {
	switch act.Kind {
	case model.Leaky:
		leaky(act.Alpha, x)
	case model.Prelu:
		leaky(act.Slope[c%len(act.Slope)], x)
	case model.Relu:
		for i, v := range x {
			x[i] = max(v, 0)
		}
	case model.Relu6:
		for i, v := range x {
			x[i] = min(max(v, 0), 6)
		}
	case model.HardSwish:
		for i, v := range x {
			x[i] = v * min(max(v/6+0.5, 0), 1)
		}
	case model.Sigmoid:
		each(x, sigmoid)
	case model.Tanh:
		each(x, math.Tanh)
	case model.Mish:
		each(x, mish)
	case model.Silu:
		each(x, func(v float64) float64 { return v * sigmoid(v) })
	case model.Gelu:
		each(x, func(v float64) float64 { return v * (1 + math.Erf(v/math.Sqrt2)) / 2 })
	}
}

func leaky(slope float32, x []float32) {
	for i, v := range x {
		if v < 0 {
			x[i] = v * slope
		}
	}
}

func each(x []float32, f func(float64) float64) {
	for i, v := range x {
		x[i] = float32(f(float64(v)))
	}
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// mish is x*tanh(ln(1+e)) for e = exp(x), with tanh(ln(1+e)) = (e²+2e)/(e²+2e+2).
func mish(x float64) float64 {
	if x > 40 {
		return x
	}
	e := math.Exp(x)
	n := e * (e + 2)
	return x * n / (n + 2)
}
