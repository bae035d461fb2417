package prune

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"dashline/model"
)

// Criterion says by what channels are chosen.
type Criterion string

// The criteria.
const (
	Magnitude   Criterion = "magnitude"    // norm of the filters (Li et al. 2017, arXiv:1608.08710)
	Scale       Criterion = "bn-scale"     // batch normalisation's scale (Liu et al. 2017, arXiv:1708.06519)
	SecondOrder Criterion = "second-order" // what its readers lose after they were fitted anew (Hassibi and Stork 1993: optimal brain surgeon)
)

// path is the order in which the units of a group leave, and what is lost: loss[k]
// with k units left, in parts of what the readers see.
type path struct {
	order []int // first to leave first
	loss  []float64
}

// kept are the units that stay when k do, in order.
func (p *path) kept(k int) []bool {
	stay := make([]bool, len(p.order))
	for _, u := range p.order[len(p.order)-k:] {
		stay[u] = true
	}
	return stay
}

// byWeight orders units by a number of each, the smallest first.
func byWeight(of []float64) *path {
	p := &path{order: ascending(of), loss: make([]float64, len(of)+1)}
	var all float64
	for _, x := range of {
		all += x
	}
	for n, u := range p.order {
		left := len(of) - n - 1
		p.loss[left] = p.loss[left+1] + of[u]/max(all, 1e-12)
	}
	return p
}

func ascending(of []float64) []int {
	order := make([]int, len(of))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(of[a], of[b]) })
	return order
}

// reader is a layer that reads a group, with what leaves the group's columns cost
// it: w are its weights, inputs x outputs, each output scaled by the root of
// its worth; inverse is that of the covariance of its inputs.
type reader struct {
	inverse *mat.SymDense
	w       *mat.Dense
	cols    [][]int // of each unit
}

// surgeon orders the units of a group by what their readers lose when they go
// one after the other and the weights that stay are changed to make up for it
// as far as they can.
func surgeon(readers []*reader, units int) (*path, error) {
	p := &path{loss: make([]float64, units+1)}
	gone := make([]bool, units)
	for left := units - 1; left >= 0; left-- {
		best, least := -1, math.Inf(1)
		for u := range units {
			if gone[u] {
				continue
			}
			var cost float64
			for _, r := range readers {
				c, err := r.cost(u)
				if err != nil {
					return nil, err
				}
				cost += c
			}
			if cost < least || best < 0 {
				best, least = u, cost
			}
		}
		gone[best] = true
		p.order = append(p.order, best)
		p.loss[left] = p.loss[left+1] + max(least, 0)
		if left == 0 {
			break
		}
		for _, r := range readers {
			if err := r.remove(best); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// cost is w_u' (inverse_uu)^-1 w_u, summed over outputs.
func (r *reader) cost(u int) (float64, error) {
	cols := r.cols[u]
	if len(cols) == 1 {
		c := cols[0]
		row := r.w.RawRowView(c)
		var sum float64
		for _, x := range row {
			sum += x * x
		}
		return sum / max(r.inverse.At(c, c), 1e-30), nil
	}
	var chol mat.Cholesky
	if !chol.Factorize(sub(r.inverse, cols)) {
		return 0, fmt.Errorf("the inverse covariance of the inputs lost its definiteness")
	}
	w := rowsOf(r.w, cols)
	var x mat.Dense
	if err := chol.SolveTo(&x, w); err != nil {
		if _, near := err.(mat.Condition); !near {
			return 0, err
		}
	}
	var sum float64
	for i := range cols {
		a, b := w.RawRowView(i), x.RawRowView(i)
		for j := range a {
			sum += a[j] * b[j]
		}
	}
	return sum, nil
}

// remove takes the columns of a unit out of the weights, which make up for it,
// and out of the inverse.
func (r *reader) remove(u int) error {
	cols := r.cols[u]
	n := r.inverse.SymmetricDim()
	var chol mat.Cholesky
	if !chol.Factorize(sub(r.inverse, cols)) {
		return fmt.Errorf("the inverse covariance of the inputs lost its definiteness")
	}
	side := mat.NewDense(len(cols), n, nil)
	for i, c := range cols {
		for j := range n {
			side.Set(i, j, r.inverse.At(c, j))
		}
	}
	var solved mat.Dense
	if err := chol.SolveTo(&solved, side); err != nil {
		if _, near := err.(mat.Condition); !near {
			return err
		}
	}
	var change mat.Dense
	change.Mul(solved.T(), rowsOf(r.w, cols))
	r.w.Sub(r.w, &change)
	// inverse -= side' (inverse_uu)^-1 side, a row at a time.
	raw := r.inverse.RawSymmetric()
	for k := range cols {
		a, b := side.RawRowView(k), solved.RawRowView(k)
		for i := range n {
			x := a[i]
			if x == 0 {
				continue
			}
			row := raw.Data[i*raw.Stride : i*raw.Stride+n]
			for j := i; j < n; j++ {
				row[j] -= x * b[j]
			}
		}
	}
	_, outputs := r.w.Dims()
	for _, c := range cols {
		for j := range outputs {
			r.w.Set(c, j, 0)
		}
		for j := range n {
			r.inverse.SetSym(c, j, 0)
		}
		r.inverse.SetSym(c, c, 1)
	}
	return nil
}

// norms is, of each unit of a group, what its filters weigh.
func norms(g *model.Graph, grp *Group, of func(c *model.Conv, filter, inputs int) float64) []float64 {
	out := make([]float64, len(grp.Units))
	for u := range grp.Units {
		for _, i := range grp.Producers {
			c, ok := g.Layers[i].Op.(*model.Conv)
			if !ok {
				continue
			}
			inputs := len(c.Weight) / c.Filters
			for _, f := range grp.In(u, i) {
				out[u] += of(c, f, inputs)
			}
		}
	}
	return out
}

func filterNorm(c *model.Conv, filter, inputs int) float64 {
	var sum float64
	for _, w := range c.Weight[filter*inputs : (filter+1)*inputs] {
		sum += square(float64(w))
	}
	return math.Sqrt(sum)
}

func normScale(c *model.Conv, filter, inputs int) float64 {
	if c.Norm == nil {
		return filterNorm(c, filter, inputs)
	}
	return math.Abs(float64(c.Norm.Scale[filter]))
}
