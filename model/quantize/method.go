package quantize

import (
	"fmt"
	"math"
)

// Method chooses the range of a value from what it was on the pictures.
type Method string

// The methods.
const (
	MinMax     Method = "minmax"     // all that was seen
	Percentile Method = "percentile" // all but a share at either end
	Entropy    Method = "entropy"    // least Kullback-Leibler divergence (Migacz 2017, "8-bit inference with TensorRT")
	MSE        Method = "mse"        // least squared error
)

// DefaultPercentile leaves out one number in 100,000 at either end.
const DefaultPercentile = 99.999

// Methods are their names.
func Methods() []Method { return []Method{MinMax, Percentile, Entropy, MSE} }

// Choose is the range of what h counted. percentile is only for that method.
// act, unless nil, is the activation function that reads the value: errors then
// count behind it.
func (m Method) Choose(h *Histogram, percentile float64, act func(float64) float64) (Range, error) {
	switch m {
	case MinMax:
		return Range{h.Low, h.High}, nil
	case Percentile:
		return h.percentile(percentile), nil
	case Entropy:
		return h.entropy(), nil
	case MSE:
		return h.mse(act), nil
	}
	return Range{}, fmt.Errorf("range method %q: use minmax, percentile, entropy or mse", m)
}

// percentile leaves out what is beyond p per cent of the numbers, at each end.
func (h *Histogram) percentile(p float64) Range {
	out := int64(math.Floor(float64(h.Total) * (1 - p/100)))
	r := Range{h.Low, h.High}
	for i, n := 0, int64(0); i < bins; i++ {
		if n += h.Count[i]; n > out {
			r.Low = h.edge(i)
			break
		}
	}
	for i, n := bins-1, int64(0); i >= 0; i-- {
		if n += h.Count[i]; n > out {
			r.High = h.edge(i + 1)
			break
		}
	}
	return Range{math.Min(r.Low, 0), math.Max(r.High, 0)}
}

// steps are the shares of either end of a range that [MSE] tries.
const steps = 40

// mse tries shares of both ends together, then, from the best, of each alone.
func (h *Histogram) mse(act func(float64) float64) Range {
	if act == nil {
		act = func(x float64) float64 { return x }
	}
	var used []int
	want := make([]float64, bins)
	for i, n := range h.Count {
		if n > 0 {
			used = append(used, i)
			want[i] = act(h.edge(i) + h.width()/2)
		}
	}
	best, found := math.Inf(1), Range{h.Low, h.High}
	try := func(r Range) {
		if r.High-r.Low < least {
			return
		}
		if e := h.squared(r, act, used, want); e < best {
			best, found = e, r
		}
	}
	share := func(k int) float64 { return float64(k) / steps }
	for k := steps; k > 0; k-- {
		try(Range{h.Low * share(k), h.High * share(k)})
	}
	for range 2 {
		for high, k := found.High, steps; k >= 0; k-- {
			try(Range{h.Low * share(k), high})
		}
		for low, k := found.Low, steps; k > 0; k-- {
			try(Range{low, h.High * share(k)})
		}
	}
	return found
}

// squared is the sum of squared errors of the codes of r. Each bin counts as its middle.
func (h *Histogram) squared(r Range, act func(float64) float64, used []int, want []float64) float64 {
	a := r.Affine()
	scale, zero := float64(a.Scale), float64(a.Zero)
	var value [codes + 1]float64
	for q := range value {
		value[q] = act(scale * (float64(q) - zero))
	}
	sum, middle := 0.0, h.width()/2
	for _, i := range used {
		q := math.RoundToEven((h.edge(i)+middle)/scale) + zero
		d := value[int(min(max(q, 0), codes))] - want[i]
		sum += d * d * float64(h.Count[i])
	}
	return sum
}
