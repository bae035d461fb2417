package prune

import (
	"fmt"
	"math"

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
		if len(grp.In(0, i)) != 1 {
			return false
		}
		switch op := o.g.Layers[i].Op.(type) {
		case *model.Conv:
			if op.Groups != 1 || op.Act.Kind != model.Linear {
				return false
			}
		case *model.Add:
			if op.Act.Kind != model.Linear {
				return false
			}
		case *model.Identity, *model.Upsample, *model.Concat:
		default:
			return false
		}
		for _, r := range o.readers(i) {
			if c, ok := plain(o.g, r); ok && c.Kernel == [2]int{1, 1} {
				continue
			}
			switch o.g.Layers[r].Op.(type) {
			case *model.Add, *model.Identity, *model.Upsample, *model.Concat:
			default:
				return false
			}
		}
	}
	return true
}

func (o *original) readers(i int) []int {
	var out []int
	for r := range o.g.Layers {
		for _, from := range o.g.Layers[r].From {
			if from == i {
				out = append(out, r)
				break
			}
		}
	}
	return out
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
	for _, d := range grp.Consumers {
		cols := o.columns(group, d)
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
	var e mat.EigenSym
	if !e.Factorize(ridged(cov, 1e-7), true) {
		return nil, nil, nil, fmt.Errorf("the stream's covariance has no eigenvectors")
	}
	var v mat.Dense
	e.VectorsTo(&v)
	root, inverse := mat.DenseCopyOf(&v), mat.DenseCopyOf(&v)
	for j, x := range e.Values(nil) {
		s := math.Sqrt(max(x, 1e-12))
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
			k := o.seen[i].cov.SymmetricDim()
			w := weights(c, k)
			var turned mat.Dense
			turned.Mul(w, to.T())
			setWeights(c, &turned)
			b := mat.NewVecDense(c.Filters, nil)
			for f := range c.Filters {
				b.SetVec(f, float64(c.Bias[f]))
			}
			var shifted mat.VecDense
			shifted.MulVec(to, b)
			for f := range c.Filters {
				c.Bias[f] = float32(shifted.AtVec(f))
			}
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
		k := o.seen[d].cov.SymmetricDim()
		cols := o.columns(group, d)
		full := weights(c, k)
		var turned mat.Dense
		turned.Mul(back.T(), rowsOf(full, cols))
		for j, col := range cols {
			full.SetRow(col, turned.RawRowView(j))
		}
		setWeights(c, full)
		o.seen[d] = o.seen[d].turned(cols, to)
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
func (o *original) columns(group, d int) []int { return columns(o.g, &o.s.Groups[group], d) }

func columns(g *model.Graph, grp *Group, d int) []int {
	c := g.Layers[d].Op.(*model.Conv)
	area := c.Kernel[0] * c.Kernel[1]
	var out []int
	for u := range grp.Units {
		for _, ch := range grp.In(u, g.Layers[d].From[0]) {
			for k := range area {
				out = append(out, ch*area+k)
			}
		}
	}
	return out
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
