package prune

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"dashline/model"
)

// smaller is a network with channels removed and what is left fitted to the
// original.
type smaller struct {
	g    *model.Graph
	keep Keep
	// seen is mean and covariance of what each plain convolution sees now; parts of a
	// head have their own, in the order of original.parts.
	seen  []*gram
	parts map[int][]*gram
	// norm is mean and variance of each convolution's sums without their bias.
	norm []moments
}

// rebuild removes what is not kept and, layer after layer and with the smaller
// network's own values, fits the weights of convolutions to what the original
// gave there. Where a block ends in a sum, the target is what the sum still
// lacks: so errors of the skip path are made up for, too. Without fit the weights that
// stay are left as they are.
func (o *original) rebuild(ctx context.Context, keep Keep, fit bool, progress func(done, total int)) (*smaller, error) {
	g, err := o.s.Remove(o.g, keep)
	if err != nil {
		return nil, err
	}
	m := &smaller{
		g: g, keep: keep, seen: make([]*gram, len(g.Layers)), parts: map[int][]*gram{},
		norm: make([]moments, len(g.Layers)),
	}
	f := newFlow(g, o.images)
	changed := make([]bool, len(g.Layers)) // another value than in the original
	for i := range g.Layers {
		l := &g.Layers[i]
		for _, from := range l.From {
			changed[i] = changed[i] || changed[from]
		}
		if !l.Shape.Equal(o.g.Layers[i].Shape) {
			changed[i] = true
		}
		b := builder{o: o, m: m, f: f, i: i, fit: fit, changed: changed[i], at: o.at[gridOf(l.Shape)]}
		if err := b.layer(ctx); err != nil {
			return nil, fmt.Errorf("layer %s: %w", l.Name, err)
		}
		if err := f.run(ctx, i); err != nil {
			return nil, err
		}
		f.drop(i)
		progress(i+1, len(g.Layers))
	}
	return m, nil
}

// builder fits one layer.
type builder struct {
	o       *original
	m       *smaller
	f       *flow
	i       int
	fit     bool
	changed bool
	at      *places
}

func (b *builder) layer(ctx context.Context) error {
	if c, ok := plain(b.m.g, b.i); ok {
		if _, was := plain(b.o.g, b.i); was {
			return b.plain(ctx, c)
		}
	}
	if c, ok := channelwise(b.m.g, b.i); ok {
		if _, was := channelwise(b.o.g, b.i); was {
			return b.channelwise(ctx, c)
		}
	}
	return nil // of other layers nothing is known to fit them to
}

// plain says whether layer i is a convolution whose filters see all channels, and
// always was: one in groups may have one group left, of which nothing was seen.
func (m *smaller) plain(i int) (*model.Conv, bool) {
	c, ok := plain(m.g, i)
	return c, ok && m.seen[i] != nil
}

// plain fits a convolution over all channels.
func (b *builder) plain(ctx context.Context, c *model.Conv) error {
	x, err := b.f.patches(ctx, b.i, 0, b.at)
	if err != nil {
		return err
	}
	if !b.fit || !b.changed {
		b.m.seen[b.i] = gramOf(x, b.at.weight)
		b.m.norm[b.i] = momentsOf(x.times(weights(c, x.cols)))
		return b.heads(x, nil, nil, c)
	}
	target := b.target()
	prior := b.prior(c)
	if parts := b.o.parts[b.i]; parts != nil {
		b.m.seen[b.i] = gramOf(x, b.at.weight)
		if err := b.heads(x, &target, prior, c); err != nil {
			return err
		}
	} else {
		s, err := newLeastSquares(x, b.at.weight)
		if err != nil {
			return err
		}
		b.m.seen[b.i] = s.stats
		w, err := s.fit(target, prior, c.Act, rounds)
		if err != nil {
			return err
		}
		setWeights(c, w.w)
		setBias(c, w.b)
	}
	b.m.norm[b.i] = momentsOf(x.times(weights(c, x.cols)))
	return nil
}

// heads fits each part of a head by itself, with its own samples counting. With no
// target it only takes note of what the parts see.
func (b *builder) heads(x matrix, target *matrix, prior *mat.Dense, c *model.Conv) error {
	var all *mat.Dense
	for _, p := range b.o.parts[b.i] {
		if target == nil {
			b.m.parts[b.i] = append(b.m.parts[b.i], gramOf(x, p.weight))
			continue
		}
		s, err := newLeastSquares(x, p.weight)
		if err != nil {
			return err
		}
		b.m.parts[b.i] = append(b.m.parts[b.i], s.stats)
		w, err := s.solve(target.columns(p.outputs), columnsOf(prior, p.outputs))
		if err != nil {
			return err
		}
		if all == nil {
			all = weights(c, x.cols)
		}
		for k, out := range p.outputs {
			for r := range x.cols {
				all.Set(r, out, w.w.At(r, k))
			}
			c.Bias[out] = float32(w.b[k])
		}
	}
	if all != nil {
		setWeights(c, all)
	}
	return nil
}

func columnsOf(m *mat.Dense, of []int) *mat.Dense {
	n, _ := m.Dims()
	out := mat.NewDense(n, len(of), nil)
	for k, c := range of {
		for r := range n {
			out.Set(r, k, m.At(r, c))
		}
	}
	return out
}

// target is what the filters that stay should give: what they gave, or what the
// sum behind them lacks.
func (b *builder) target() matrix {
	sum, other := b.sum()
	if sum < 0 {
		return b.o.target[b.i].columns(b.o.s.Kept(b.m.keep, b.i))
	}
	t := b.o.target[sum].columns(b.o.s.Kept(b.m.keep, sum))
	skip := b.f.samples(other, b.at)
	for k := range t.v {
		t.v[k] -= skip.v[k]
	}
	return t
}

// sum is the sum of two in which this layer ends a block, and the other value
// that it adds, which is there already; or -1.
func (b *builder) sum() (sum, other int) {
	g := b.m.g
	if c := g.Layers[b.i].Op.(*model.Conv); c.Act.Kind != model.Linear || g.IsOutput(b.i) {
		return -1, -1
	}
	at := b.i
	for {
		r := b.o.readers[at]
		if len(r) != 1 {
			return -1, -1
		}
		if _, ok := g.Layers[r[0]].Op.(*model.Identity); ok && !g.IsOutput(r[0]) {
			at = r[0]
			continue
		}
		l := &g.Layers[r[0]]
		add, ok := l.Op.(*model.Add)
		if !ok || add.Act.Kind != model.Linear || len(l.From) != 2 {
			return -1, -1
		}
		other = l.From[0] + l.From[1] - at
		if other >= b.i || b.f.values[other] == nil {
			return -1, -1
		}
		if !g.Layers[b.i].Shape.Equal(l.Shape) || !g.Layers[other].Shape.Equal(l.Shape) { // one is broadcast
			return -1, -1
		}
		return r[0], other
	}
}

// prior is what the weights would be if only this layer's inputs had left: the
// best that the inputs that stay can do in the original network.
func (b *builder) prior(c *model.Conv) *mat.Dense {
	was, _ := plain(b.o.g, b.i)
	seen := b.o.seen[b.i]
	full := weights(was, seen.cov.SymmetricDim())
	out := columnsOf(full, b.o.s.Kept(b.m.keep, b.i))
	area := c.Kernel[0] * c.Kernel[1]
	var stay []int
	for _, ch := range b.o.s.Kept(b.m.keep, b.m.g.Layers[b.i].From[0]) {
		for k := range area {
			stay = append(stay, ch*area+k)
		}
	}
	if len(stay) == seen.cov.SymmetricDim() {
		return out
	}
	return without(seen.cov, out, stay, 1e-4)
}

// without are the best weights of the inputs that stay for all that w makes of
// inputs with this covariance.
func without(cov *mat.SymDense, w *mat.Dense, stay []int, ridge float64) *mat.Dense {
	n := cov.SymmetricDim()
	side := mat.NewDense(len(stay), n, nil)
	for i, r := range stay {
		for j := range n {
			side.Set(i, j, cov.At(r, j))
		}
	}
	var right, out mat.Dense
	right.Mul(side, w)
	small := sub(cov, stay)
	lambda := ridge * meanDiagonal(cov)
	for i, r := range stay {
		small.SetSym(i, i, small.At(i, i)+lambda)
		for j := range right.RawRowView(i) {
			right.Set(i, j, right.At(i, j)+lambda*w.At(r, j))
		}
	}
	var chol mat.Cholesky
	if !chol.Factorize(small) || chol.SolveTo(&out, &right) != nil && math.IsInf(chol.Cond(), 1) {
		return rowsOf(w, stay)
	}
	return &out
}

// channelwise fits the taps of each channel by itself.
func (b *builder) channelwise(ctx context.Context, c *model.Conv) error {
	area := c.Kernel[0] * c.Kernel[1]
	prior := matrix{c.Filters, area, c.Weight}
	fit := b.fit && b.changed
	var target matrix
	if fit {
		target = b.o.target[b.i].columns(b.o.s.Kept(b.m.keep, b.i))
	}
	results := newMatrix(c.Filters, area)
	bias := make([]float64, c.Filters)
	m := newMoments(c.Filters)
	err := parallel(ctx, len(b.f.scratch), c.Filters, func(_, k int) error {
		x := b.f.channel(b.i, k, b.at)
		taps := prior.row(k)
		if fit {
			var err error
			if taps, bias[k], err = fitTaps(x, target.columns([]int{k}), taps, b.at.weight, c.Act, rounds); err != nil {
				return err
			}
		}
		copy(results.row(k), taps)
		of := momentsOf(sums(x, taps))
		m.mean[k], m.variance[k] = of.mean[0], of.variance[0]
		return nil
	})
	if err != nil {
		return err
	}
	if fit {
		copy(c.Weight, results.v)
		setBias(c, bias)
	}
	b.m.norm[b.i] = m
	return nil
}

// sums are those of one filter.
func sums(x matrix, taps []float32) matrix {
	out := newMatrix(x.rows, 1)
	for r := range x.rows {
		for k, t := range x.row(r) {
			out.v[r] += t * taps[k]
		}
	}
	return out
}

// moments are mean and variance of each filter's sums.
type moments struct{ mean, variance []float64 }

func newMoments(filters int) moments {
	return moments{make([]float64, filters), make([]float64, filters)}
}

// momentsOf are those of sums at the places.
func momentsOf(sums matrix) moments {
	m := newMoments(sums.cols)
	for r := range sums.rows {
		for c, x := range sums.row(r) {
			m.mean[c] += float64(x)
			m.variance[c] += square(float64(x))
		}
	}
	n := float64(sums.rows)
	for c := range m.mean {
		m.mean[c] /= n
		m.variance[c] = max(m.variance[c]/n-square(m.mean[c]), 0)
	}
	return m
}

func setBias(c *model.Conv, bias []float64) {
	if c.Bias == nil {
		c.Bias = make([]float32, c.Filters)
	}
	for f, x := range bias {
		c.Bias[f] = float32(x)
	}
}
