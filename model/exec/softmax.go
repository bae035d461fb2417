package exec

import (
	"math"

	"dashline/model"
)

// softmax subtracts the largest first, so that no exponential overflows.
func softmax(axis int, shape model.Shape, x, out []float32) {
	before, after := around(axis, shape)
	n := shape[axis]
	e := make([]float64, n)
	for i := range before * after {
		at := i/after*n*after + i%after
		softmaxOf(x[at:], out[at:], after, e)
	}
}

// softmaxOf is the softmax of numbers step apart; e is room for as many.
func softmaxOf(x, out []float32, step int, e []float64) {
	largest := math.Inf(-1)
	for i := range e {
		largest = max(largest, float64(x[i*step]))
	}
	sum := 0.0
	for i := range e {
		e[i] = math.Exp(float64(x[i*step]) - largest)
		sum += e[i]
	}
	for i := range e {
		out[i*step] = float32(e[i] / sum)
	}
}
