package quantize

import "math"

// bins of a histogram.
const bins = 4096

// histogram counts numbers in bins of equal width from low to high. The last
// bin holds high itself, as NumPy's does.
type histogram struct {
	low, high float64
	count     []int64
	total     int64
}

// extent is the least and the greatest number of x, with 0.
func extent(x []float32) (low, high float64) {
	var a, b float32
	for _, v := range x {
		a, b = min(a, v), max(b, v)
	}
	return float64(a), float64(b)
}

// newHistogram is empty. low is not above 0, high not below.
func newHistogram(low, high float64) *histogram {
	if high-low < least {
		high = low + least
	}
	return &histogram{low: low, high: high, count: make([]int64, bins)}
}

// add counts numbers, which have to be between low and high.
func (h *histogram) add(x []float32) {
	scale := bins / (h.high - h.low)
	for _, v := range x {
		i := int((float64(v) - h.low) * scale)
		h.count[min(max(i, 0), bins-1)]++
	}
	h.total += int64(len(x))
}

// merge adds the counts of a histogram of the same bins.
func (h *histogram) merge(o *histogram) {
	for i, n := range o.count {
		h.count[i] += n
	}
	h.total += o.total
}

func (h *histogram) width() float64 { return (h.high - h.low) / bins }

// edge is where bin i begins.
func (h *histogram) edge(i int) float64 { return h.low + float64(i)*h.width() }

// bin is the one of x.
func (h *histogram) bin(x float64) int {
	return min(max(int(math.Floor((x-h.low)/h.width())), 0), bins-1)
}
