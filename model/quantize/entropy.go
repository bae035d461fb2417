package quantize

import (
	"math"
	"slices"
)

// entropy tries shares of both ends together and takes the range of which the
// codes tell most: the least Kullback-Leibler divergence between the counts
// inside, with what lies outside added to the ends, and the counts as 256 equal
// steps leave them (Migacz 2017; ONNX Runtime's calibrate.py). Ranges of fewer
// bins than codes are not tried: each of their bins has a code of its own, and
// they would seem free of loss. 0 is a code in any case, so that its bin, half of
// all after a ReLU, counts as its neighbours do.
func (h *histogram) entropy() interval {
	best, found := math.Inf(1), interval{h.low, h.high}
	zero := h.bin(0)
	h = &histogram{low: h.low, high: h.high, count: slices.Clone(h.count)}
	before, after := h.count[max(zero-1, 0)], h.count[min(zero+1, bins-1)]
	switch zero {
	case 0:
		before = after
	case bins - 1:
		after = before
	}
	h.count[zero] = (before + after) / 2
	const tries = 128
	for k := tries; k > 0; k-- {
		share := float64(k) / tries
		from := zero - int(math.Round(float64(zero)*share))
		to := zero + int(math.Round(float64(bins-zero)*share))
		if to-from <= codes {
			break
		}
		if d := h.divergence(from, to); d < best {
			best, found = d, interval{math.Min(h.edge(from), 0), math.Max(h.edge(to), 0)}
		}
	}
	return found
}

// divergence is that of bins [from, to). Of bins that hold nothing it is infinite:
// no code tells anything of what was counted.
func (h *histogram) divergence(from, to int) float64 {
	n := to - from
	if !slices.ContainsFunc(h.count[from:to], func(c int64) bool { return c > 0 }) {
		return math.Inf(1)
	}
	p, q := make([]float64, n), make([]float64, n)
	for i, c := range h.count {
		p[min(max(i-from, 0), n-1)] += float64(c)
	}
	for s := range codes + 1 { // of each step, what it holds is spread over the bins that are not empty
		a, b := from+s*n/(codes+1), from+(s+1)*n/(codes+1)
		sum, used := 0.0, 0
		for i := a; i < b; i++ {
			sum += float64(h.count[i])
			if h.count[i] > 0 {
				used++
			}
		}
		for i := a; i < b; i++ {
			if h.count[i] > 0 {
				q[i-from] = sum / float64(used)
			}
		}
	}
	sums := [2]float64{smooth(p), smooth(q)}
	d := 0.0
	for i := range p {
		if p[i] > 0 && q[i] > 0 {
			d += p[i] / sums[0] * math.Log(p[i]/sums[0]/(q[i]/sums[1]))
		}
	}
	return d
}

// smooth gives each empty bin a little, which the others give, and returns the
// sum. Counts are at least 1, so that none becomes negative; one at least is there.
func smooth(p []float64) (sum float64) {
	const little = 1e-4
	zeros := 0
	for _, v := range p {
		sum += v
		if v == 0 {
			zeros++
		}
	}
	give := little * float64(zeros) / float64(len(p)-zeros)
	for i, v := range p {
		if v == 0 {
			p[i] = little
		} else {
			p[i] = v - give
		}
	}
	return sum
}
