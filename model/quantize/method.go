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

// choose is the range of what h counted. percentile is only for that method.
// act, unless nil, is the activation function that reads the value: errors then
// count behind it.
func (m Method) choose(h *histogram, percentile float64, act func(float64) float64) (interval, error) {
	switch m {
	case MinMax:
		return interval{h.low, h.high}, nil
	case Percentile:
		return h.percentile(percentile), nil
	case Entropy:
		return h.entropy(), nil
	case MSE:
		return h.mse(act), nil
	}
	return interval{}, fmt.Errorf("range method %q: use minmax, percentile, entropy or mse", m)
}

// percentile leaves out what is beyond p per cent of the numbers, at each end.
func (h *histogram) percentile(p float64) interval {
	out := int64(math.Floor(float64(h.total) * (1 - p/100)))
	r := interval{h.low, h.high}
	for i, n := 0, int64(0); i < bins; i++ {
		if n += h.count[i]; n > out {
			r.low = h.edge(i)
			break
		}
	}
	for i, n := bins-1, int64(0); i >= 0; i-- {
		if n += h.count[i]; n > out {
			r.high = h.edge(i + 1)
			break
		}
	}
	return interval{math.Min(r.low, 0), math.Max(r.high, 0)}
}

// steps are the shares of either end of a range that [MSE] tries.
const steps = 40

// mse tries shares of both ends together, then, from the best, of each alone.
func (h *histogram) mse(act func(float64) float64) interval {
	if act == nil {
		act = func(x float64) float64 { return x }
	}
	var used []int
	want := make([]float64, bins)
	for i, n := range h.count {
		if n > 0 {
			used = append(used, i)
			want[i] = act(h.edge(i) + h.width()/2)
		}
	}
	best, found := math.Inf(1), interval{h.low, h.high}
	try := func(r interval) {
		if r.high-r.low < least {
			return
		}
		if e := h.squared(r, act, used, want); e < best {
			best, found = e, r
		}
	}
	share := func(k int) float64 { return float64(k) / steps }
	for k := steps; k > 0; k-- {
		try(interval{h.low * share(k), h.high * share(k)})
	}
	for range 2 {
		for high, k := found.high, steps; k >= 0; k-- {
			try(interval{h.low * share(k), high})
		}
		for low, k := found.low, steps; k > 0; k-- {
			try(interval{low, h.high * share(k)})
		}
	}
	return found
}

// squared is the sum of squared errors of the codes of r. Each bin counts as its middle.
func (h *histogram) squared(r interval, act func(float64) float64, used []int, want []float64) float64 {
	a := r.affine()
	scale, zero := float64(a.Scale), float64(a.Zero)
	var value [codes + 1]float64
	for q := range value {
		value[q] = act(scale * (float64(q) - zero))
	}
	sum, middle := 0.0, h.width()/2
	for _, i := range used {
		q := math.RoundToEven((h.edge(i)+middle)/scale) + zero
		d := value[int(min(max(q, 0), codes))] - want[i]
		sum += d * d * float64(h.count[i])
	}
	return sum
}
