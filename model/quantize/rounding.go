package quantize

import (
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"dashline/model"
	"dashline/model/exec"
)

// Bounds of second-order rounding: it takes time in the cube of a filter's
// length, so longer ones are rounded to nearest.
const (
	maxDepth  = 2400
	positions = 4096     // of a layer that make its covariance, over all pictures
	damping   = 1. / 100 // of the mean variance, added to all
)

// round rounds the weights of a convolution so that its sums change least on
// what it reads from the pictures: weight after weight, what each lost is made up
// for by those that come after (optimal brain surgeon, Hassibi and Stork 1993;
// in this order and form Frantar et al. 2023, GPTQ, arXiv:2210.17323).
func (c *calibration) round(i int, o *model.Conv, scale []float32) (model.Codes, error) {
	in, shape := c.g.In(i), c.g.Layers[i].Shape
	depth := exec.PatchLen(o, in)
	if c.Plain || depth > maxDepth {
		return nearest(o.Weight, scale, c.limit()), nil
	}
	at := spread(shape.Height()*shape.Width(), max(positions/len(c.pictures), 1))
	codes := model.Codes{Scale: scale, Values: make([]int8, len(o.Weight))}
	filters := o.Filters / o.Groups
	read := c.values[c.g.Layers[i].From[0]].code
	err := each(c.ctx, o.Groups, func(g int, _ *exec.Scratch) error {
		seen := make([]float32, len(read)*len(at)*depth)
		for p, x := range read {
			exec.Patches(o, in, shape, x, g, at, seen[p*len(at)*depth:])
		}
		order, factor, ok := surgeon(seen, depth)
		for f := g * filters; f < (g+1)*filters; f++ {
			w, to := o.Weight[f*depth:][:depth], codes.Values[f*depth:][:depth]
			if ok {
				compensate(w, to, float64(scale[f]), c.limit(), order, factor)
				continue
			}
			for k, v := range w {
				to[k] = step(float64(v), float64(scale[f]), c.limit())
			}
		}
		return nil
	})
	return codes, err
}

// spread is at most n of the numbers below total, evenly.
func spread(total, n int) []int {
	n = min(n, total)
	at := make([]int, n)
	for k := range at {
		at[k] = (2*k + 1) * total / (2 * n)
	}
	return at
}

// surgeon gives the order of weights, that of most variance first, and the upper
// Cholesky factor of the inverse covariance in that order. seen has rows of depth.
// It is not ok where all of them are zeros.
func surgeon(seen []float32, depth int) (order []int, factor *mat.TriDense, ok bool) {
	x := mat.NewDense(depth, len(seen)/depth, nil)
	power := make([]float64, depth)
	for k, v := range seen {
		x.Set(k%depth, k/depth, float64(v))
		power[k%depth] += float64(v) * float64(v)
	}
	mean := floats.Sum(power) / float64(depth)
	if mean == 0 {
		return nil, nil, false
	}
	order = make([]int, depth)
	for k := range order {
		order[k] = k
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case power[a] > power[b]:
			return -1
		case power[a] < power[b]:
			return 1
		}
		return 0
	})
	sorted := mat.NewDense(depth, len(seen)/depth, nil)
	for to, from := range order {
		sorted.SetRow(to, x.RawRowView(from))
	}
	var h, inverse mat.SymDense
	h.SymOuterK(1, sorted)
	for k := range depth {
		h.SetSym(k, k, h.At(k, k)+damping*mean)
	}
	var chol mat.Cholesky
	if !chol.Factorize(&h) || chol.InverseTo(&inverse) != nil || !chol.Factorize(&inverse) {
		return nil, nil, false
	}
	factor = new(mat.TriDense)
	chol.UTo(factor)
	return order, factor, true
}

// compensate rounds one filter.
func compensate(w []float32, to []int8, scale float64, limit int, order []int, factor *mat.TriDense) {
	left := make([]float64, len(w))
	for k, from := range order {
		left[k] = float64(w[from])
	}
	raw := factor.RawTriangular()
	for k, from := range order {
		q := step(left[k], scale, limit)
		to[from] = q
		row := raw.Data[k*raw.Stride+k:][:len(left)-k]
		floats.AddScaled(left[k:], -(left[k]-scale*float64(q))/row[0], row)
	}
}
