package prune

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"dashline/model"
)

// linear says whether nothing but linear maps write and read a group, each unit
// one channel of each layer: the stream of a chain of inverted residuals. Such a
// stream may be written in any basis, and in a good one its last channels hardly matter.
func (o *original) linear(group int) bool {
	grp := &o.s.Groups[group]
	if grp.Fixed != "" || len(grp.Followers) > 0 || len(grp.Consumers) == 0 {
		return false
	}
	for _, i := range grp.Layers {
		if len(grp.In(0, i)) != 1 || !o.linearLayer(grp, i) {
			return false
		}
		for _, r := range o.readers[i] {
			if c, ok := plain(o.g, r); ok && c.Kernel == [2]int{1, 1} {
				continue
			}
			if _, ok := plain(o.g, r); ok || !slices.Contains(grp.Layers, r) {
				return false
			}
		}
	}
	return true
}

// linearLayer says whether layer i makes a group's channels by a linear map, from
// the group's own alone where it is no convolution: what is added to all channels
// alike would have to be turned, too.
func (o *original) linearLayer(grp *Group, i int) bool {
	l := &o.g.Layers[i]
	switch op := l.Op.(type) {
	case *model.Conv:
		return op.Groups == 1 && op.Act.Kind == model.Linear
	case *model.Add:
		own := func(from int) bool { return slices.Contains(grp.Layers, from) }
		return op.Act.Kind == model.Linear && !slices.ContainsFunc(l.From, func(from int) bool { return !own(from) })
	case *model.Identity, *model.Upsample, *model.Concat:
		return true
	}
	return false
}

// rotate writes every linear group in the basis in which its channels are
// uncorrelated, of variance 1, and ordered by what an error in them costs its
// readers: the solution of the generalised eigenvalue problem of the readers'
// weights and the stream's covariance. What the network computes stays.
func (o *original) rotate() error {
	for group := range o.s.Groups {
		if !o.linear(group) {
			continue
		}
		if err := o.rotateGroup(group); err != nil {
			return fmt.Errorf("group %s: %w", o.s.Groups[group].Name, err)
		}
	}
	return nil
}

func (o *original) rotateGroup(group int) error {
	grp := &o.s.Groups[group]
	n := len(grp.Units)
	cost, cov := mat.NewSymDense(n, nil), mat.NewSymDense(n, nil)
	var rounding float64
	for _, d := range grp.Consumers {
		cols := columns(o.g, grp, d)
		w := rowsOf(weights(o.g.Layers[d].Op.(*model.Conv), o.seen[d].cov.SymmetricDim()), cols)
		for j, x := range o.outputWorth(d) {
			scaleColumn(w, j, math.Sqrt(x))
		}
		c := sub(o.seen[d].cov, cols)
		var m, t mat.Dense
		m.Mul(w, w.T())
		t.Mul(c, &m)
		share := 1 / max(mat.Trace(&t), 1e-12)
		addTo(cost, &m, share)
		addTo(cov, c, 1/float64(len(grp.Consumers)))
		for _, k := range cols {
			rounding += 1e-9 * square(o.seen[d].mean[k]) / float64(n*len(grp.Consumers))
		}
	}
	// What varies less than float32 rounds it is not to be made as large as the rest.
	for k := range n {
		cov.SetSym(k, k, cov.At(k, k)+rounding)
	}
	to, back, worth, err := basis(cov, cost)
	if err != nil {
		return err
	}
	o.worth[group] = worth
	o.apply(group, to, back)
	return nil
}

// basis solves for to, with to*cov*to' = I and back'*cost*back diagonal and
// falling; back is its inverse.
func basis(cov, cost *mat.SymDense) (to, back *mat.Dense, worth []float64, err error) {
	n := cov.SymmetricDim()
	const ridge = 1e-7 // what is less is rounding
	var e mat.EigenSym
	if !e.Factorize(ridged(cov, ridge), true) {
		return nil, nil, nil, fmt.Errorf("the stream's covariance has no eigenvectors")
	}
	var v mat.Dense
	e.VectorsTo(&v)
	root, inverse := mat.DenseCopyOf(&v), mat.DenseCopyOf(&v)
	for j, x := range e.Values(nil) {
		s := math.Sqrt(max(x, ridge*meanDiagonal(cov)))
		scaleColumn(root, j, s)
		scaleColumn(inverse, j, 1/s)
	}
	var inner, half mat.Dense
	half.Mul(cost, root)
	inner.Mul(root.T(), &half)
	if !e.Factorize(symmetric(&inner, 1), true) {
		return nil, nil, nil, fmt.Errorf("the readers' weights have no eigenvectors")
	}
	var u mat.Dense
	e.VectorsTo(&u)
	values := e.Values(nil)
	turned := mat.NewDense(n, n, nil) // largest first
	worth = make([]float64, n)
	for j := range n {
		worth[j] = max(values[n-1-j], 0)
		for i := range n {
			turned.Set(i, j, u.At(i, n-1-j))
		}
	}
	to, back = new(mat.Dense), new(mat.Dense)
	to.Mul(turned.T(), inverse.T())
	back.Mul(root, turned)
	return to, back, worth, nil
}

// apply changes the basis of a group: its writers' filters and targets, its
// readers' columns and what they saw.
func (o *original) apply(group int, to, back *mat.Dense) {
	grp := &o.s.Groups[group]
	for _, i := range grp.Layers {
		at := grp.all(i)
		if c, ok := plain(o.g, i); ok {
			turnFilters(c, at, to)
		}
		if t := o.target[i]; t.rows > 0 {
			turned := t.columns(at).times(mat.DenseCopyOf(to.T()))
			for r := range t.rows {
				for j, c := range at {
					t.row(r)[c] = turned.row(r)[j]
				}
			}
		}
	}
	for _, d := range grp.Consumers {
		c := o.g.Layers[d].Op.(*model.Conv)
		cols := columns(o.g, grp, d)
		full := weights(c, o.seen[d].cov.SymmetricDim())
		var turned mat.Dense
		turned.Mul(back.T(), rowsOf(full, cols))
		for j, col := range cols {
			full.SetRow(col, turned.RawRowView(j))
		}
		setWeights(c, full)
		o.seen[d] = o.seen[d].turned(cols, to)
	}
}

// turnFilters writes what some filters give in another basis.
func turnFilters(c *model.Conv, filters []int, to *mat.Dense) {
	inputs := len(c.Weight) / c.Filters
	was := mat.NewDense(len(filters), inputs+1, nil) // the bias last
	for k, f := range filters {
		for i, x := range c.Weight[f*inputs : (f+1)*inputs] {
			was.Set(k, i, float64(x))
		}
		was.Set(k, inputs, float64(c.Bias[f]))
	}
	var turned mat.Dense
	turned.Mul(to, was)
	for k, f := range filters {
		for i := range inputs {
			c.Weight[f*inputs+i] = float32(turned.At(k, i))
		}
		c.Bias[f] = float32(turned.At(k, inputs))
	}
}

// turned is the gram with some of its inputs in another basis.
func (g *gram) turned(cols []int, to *mat.Dense) *gram {
	k := g.cov.SymmetricDim()
	b := mat.NewDense(k, k, nil)
	for i := range k {
		b.Set(i, i, 1)
	}
	for i, r := range cols {
		for j, c := range cols {
			b.Set(r, c, to.At(i, j))
		}
	}
	var half, cov mat.Dense
	half.Mul(g.cov, b.T())
	cov.Mul(b, &half)
	var mean mat.VecDense
	mean.MulVec(b, mat.NewVecDense(k, g.mean))
	return &gram{mean.RawVector().Data, symmetric(&cov, 1)}
}

// columns are the inputs of consumer d that are a group's, in the order of its units.
func columns(g *model.Graph, grp *Group, d int) []int {
	return slices.Concat(unitColumns(g, grp, d)...)
}

// all are the channels of a layer that are a group's, in the order of its units.
func (g *Group) all(layer int) []int {
	var out []int
	for u := range g.Units {
		out = append(out, g.In(u, layer)...)
	}
	return out
}

func rowsOf(m *mat.Dense, rows []int) *mat.Dense {
	_, n := m.Dims()
	out := mat.NewDense(len(rows), n, nil)
	for i, r := range rows {
		out.SetRow(i, m.RawRowView(r))
	}
	return out
}

func scaleColumn(m *mat.Dense, j int, by float64) {
	n, _ := m.Dims()
	for i := range n {
		m.Set(i, j, m.At(i, j)*by)
	}
}

func addTo(s *mat.SymDense, m mat.Matrix, share float64) {
	n := s.SymmetricDim()
	for i := range n {
		for j := i; j < n; j++ {
			s.SetSym(i, j, s.At(i, j)+share*m.At(i, j))
		}
	}
}
