package quantize

import "math"

// bins of a histogram.
const bins = 4096

// Histogram counts numbers in bins of equal width from Low to High. The last
// bin holds High itself, as NumPy's does.
type Histogram struct {
	Low, High float64
	Count     []int64
	Total     int64
}

// extent is the least and the greatest number of x, with 0.
func extent(x []float32) (low, high float64) {
	var a, b float32
	for _, v := range x {
		a, b = min(a, v), max(b, v)
	}
	return float64(a), float64(b)
}

// NewHistogram is empty. Low is not above 0, High not below.
func NewHistogram(low, high float64) *Histogram {
	if high-low < least {
		high = low + least
	}
	return &Histogram{Low: low, High: high, Count: make([]int64, bins)}
}

// Add counts numbers, which have to be between Low and High.
func (h *Histogram) Add(x []float32) {
	scale := bins / (h.High - h.Low)
	for _, v := range x {
		i := int((float64(v) - h.Low) * scale)
		h.Count[min(max(i, 0), bins-1)]++
	}
	h.Total += int64(len(x))
}

// Merge adds the counts of a histogram of the same bins.
func (h *Histogram) Merge(o *Histogram) {
	for i, n := range o.Count {
		h.Count[i] += n
	}
	h.Total += o.Total
}

func (h *Histogram) width() float64 { return (h.High - h.Low) / bins }

// edge is where bin i begins.
func (h *Histogram) edge(i int) float64 { return h.Low + float64(i)*h.width() }

// bin is the one of x.
func (h *Histogram) bin(x float64) int {
	return min(max(int(math.Floor((x-h.Low)/h.width())), 0), bins-1)
}
