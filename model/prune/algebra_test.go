package prune

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"

	"dashline/model"
)

// sampled is rows x cols of normal numbers, mixed so that columns are correlated,
// about a mean.
func sampled(r *rand.Rand, rows, cols int) matrix {
	mix := make([]float64, cols*cols)
	for i := range mix {
		mix[i] = r.NormFloat64()
	}
	m := newMatrix(rows, cols)
	for i := range rows {
		z := make([]float64, cols)
		for c := range z {
			z[c] = r.NormFloat64()
		}
		for c := range cols {
			sum := 1.5 * float64(c+1)
			for k := range z {
				sum += z[k] * mix[c*cols+k]
			}
			m.row(i)[c] = float32(sum)
		}
	}
	return m
}

func ones(n int) []float32 { return slices.Repeat([]float32{1}, n) }

func normals(r *rand.Rand, rows, cols int) *mat.Dense {
	d := mat.NewDense(rows, cols, nil)
	for i := range rows {
		for j := range cols {
			d.Set(i, j, r.NormFloat64())
		}
	}
	return d
}

func weightsOf(r *rand.Rand, n int) []float32 {
	w := make([]float32, n)
	for i := range w {
		w[i] = .2 + r.Float32()
	}
	level(w)
	return w
}

// away is the largest difference of two matrices.
func away(a, b mat.Matrix) float64 {
	rows, cols := a.Dims()
	var worst float64
	for i := range rows {
		for j := range cols {
			worst = max(worst, math.Abs(a.At(i, j)-b.At(i, j)))
		}
	}
	return worst
}

// The gram of samples is their weighted mean and covariance, summed in double.
func TestGram(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		m := sampled(r, rapid.IntRange(1, 3*block).Draw(t, "rows"), rapid.IntRange(1, 4).Draw(t, "cols"))
		w := weightsOf(r, m.rows)
		g := gramOf(m, w)
		for a := range m.cols {
			for b := range m.cols {
				var all, ma, mb, cov float64
				for i, x := range w {
					all += float64(x)
					ma += float64(x) * float64(m.row(i)[a])
					mb += float64(x) * float64(m.row(i)[b])
				}
				for i, x := range w {
					cov += float64(x) * (float64(m.row(i)[a]) - ma/all) * (float64(m.row(i)[b]) - mb/all)
				}
				size := math.Sqrt(g.cov.At(a, a)*g.cov.At(b, b)) + 1e-3
				if math.Abs(ma/all-g.mean[a]) > 1e-5*size || math.Abs(cov/all-g.cov.At(a, b)) > 1e-4*size {
					t.Fatalf("%d, %d: mean %g, covariance %g, expected %g and %g", a, b, g.mean[a], g.cov.At(a, b), ma/all, cov/all)
				}
			}
		}
	})
}

// Inputs in another basis have the gram of samples that were turned one by one.
func TestGramTurned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		m := sampled(r, 200, 5)
		w := weightsOf(r, m.rows)
		cols := r.Perm(5)[:3]
		to := normals(r, 3, 3)
		turned := matrix{m.rows, m.cols, slices.Clone(m.v)}
		part := m.columns(cols).times(mat.DenseCopyOf(to.T()))
		for i := range m.rows {
			for k, c := range cols {
				turned.row(i)[c] = part.row(i)[k]
			}
		}
		got, want := gramOf(m, w).turned(cols, to), gramOf(turned, w)
		size := 1 + mat.Norm(want.cov, math.Inf(1))
		if d := away(got.cov, want.cov); d > 1e-4*size {
			t.Errorf("the covariance is off by %g of %g", d, size)
		}
		for c := range got.mean {
			if math.Abs(got.mean[c]-want.mean[c]) > 1e-4*size {
				t.Errorf("mean %d is %g, expected %g", c, got.mean[c], want.mean[c])
			}
		}
	})
}

// through is what weights and a bias make of samples, with noise.
func through(r *rand.Rand, x matrix, w *mat.Dense, bias, noise float64) matrix {
	y := x.times(w)
	for i := range y.v {
		y.v[i] += float32(bias + noise*r.NormFloat64())
	}
	return y
}

// Without noise the fit finds the weights that made the target.
func TestLeastSquaresFindsWeights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		x := newMatrix(600, 4)
		for i := range x.v {
			x.v[i] = float32(2 + r.NormFloat64())
		}
		w := normals(r, 4, 2)
		s := newLeastSquares(x, weightsOf(r, x.rows), 10)
		f, err := s.solve(through(r, x, w, 3, 0), mat.NewDense(4, 2, nil), []float64{1, 1})
		if err != nil {
			t.Fatal(err)
		}
		if d := away(f.w, w); s.ridge != pulls[0] || d > 1e-2 {
			t.Errorf("pull %g, weights off by %g", s.ridge, d)
		}
		for j, b := range f.b {
			if math.Abs(b-3) > .1 {
				t.Errorf("bias %d is %g", j, b)
			}
		}
	})
}

// The pull is chosen by what predicts pictures that are left out: weak where the
// target follows other weights than the prior, strong where it is noise.
func TestLeastSquaresPull(t *testing.T) {
	const cols = 30
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 0))
		x := newMatrix(100, cols)
		for i := range x.v {
			x.v[i] = float32(r.NormFloat64())
		}
		prior := normals(r, cols, 1)
		for name, c := range map[string]struct {
			target   matrix
			low, top float64
		}{
			"other weights":           {through(r, x, normals(r, cols, 1), 0, 0), pulls[0], pulls[0]},
			"the prior and much else": {through(r, x, prior, 0, 20), 1, pulls[len(pulls)-1]},
		} {
			s := newLeastSquares(x, ones(100), 2)
			f, err := s.solve(c.target, prior, []float64{1})
			if err != nil {
				t.Fatal(err)
			}
			if s.ridge < c.low || s.ridge > c.top {
				t.Errorf("%s, seed %d: pull %g, expected %g to %g", name, seed, s.ridge, c.low, c.top)
			}
			// Towards the prior: the fit is nearer to it than that without a pull.
			free, err := pulled(s.stats.cov, rightOf(s, c.target), prior, 1e-9)
			if err != nil {
				t.Fatal(err)
			}
			if toPrior(f.w, prior) >= toPrior(free, prior) {
				t.Errorf("%s, seed %d: the pull pushes away from the prior", name, seed)
			}
		}
	}
}

func rightOf(s *leastSquares, target matrix) *mat.Dense {
	right := product(s.c, target.centred(target.mean(s.weight)), s.weight)
	right.Scale(1/total(s.weight), right)
	return right
}

func toPrior(w, prior *mat.Dense) float64 {
	var d mat.Dense
	d.Sub(w, prior)
	return mat.Norm(&d, 2)
}

// Inputs that are always the same leave what was there.
func TestLeastSquaresOfConstants(t *testing.T) {
	x := newMatrix(40, 2)
	for i := range x.v {
		x.v[i] = 3
	}
	target := newMatrix(40, 1)
	for i := range target.v {
		target.v[i] = 7
	}
	prior := mat.NewDense(2, 1, []float64{1, -2})
	f, err := newLeastSquares(x, ones(40), 4).fit(target, prior, []float64{1}, model.Act{Kind: model.Relu}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if got := 3*f.w.At(0, 0) + 3*f.w.At(1, 0) + f.b[0]; math.Abs(got-7) > 1e-4 || away(f.w, prior) > 1e-4 {
		t.Errorf("weights %v, bias %v", f.w, f.b)
	}
}

// Numbers that are none are refused, not fitted.
func TestLeastSquaresRefuses(t *testing.T) {
	x := newMatrix(40, 2)
	x.v[5] = float32(math.NaN())
	_, err := newLeastSquares(x, ones(40), 4).solve(newMatrix(40, 1), mat.NewDense(2, 1, nil), []float64{1})
	if err == nil {
		t.Error("not refused")
	}
}

// behind is the asymmetric error of a fit, that of a sum below zero not counted
// where the target is below zero, and the pull.
func behind(s *leastSquares, f fitted, target matrix, prior *mat.Dense) float64 {
	sum := s.x.times(f.w)
	var e float64
	for i := range sum.rows {
		for j, t := range target.row(i) {
			p := float64(sum.row(i)[j]) + f.b[j]
			d := p - float64(t)
			if t <= 0 {
				d = max(p, 0)
			}
			e += float64(s.weight[i]) * d * d
		}
	}
	var d mat.Dense
	d.Sub(f.w, prior)
	return e/total(s.weight) + s.ridge*meanDiagonal(s.stats.cov)*square(mat.Norm(&d, 2))
}

// Each round for an activation that forgets leaves less error behind it, or as much.
func TestRelaxedNeverRises(t *testing.T) {
	better := 0
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		x := sampled(r, 300, 5)
		target := through(r, x, normals(r, 5, 2), -2, 2)
		prior := normals(r, 5, 2)
		var last float64
		for steps := range 4 {
			s := newLeastSquares(x, ones(x.rows), 10)
			f, err := s.fit(target, prior, []float64{1, 1}, model.Act{Kind: model.Relu}, steps)
			if err != nil {
				t.Fatal(err)
			}
			now := behind(s, f, target, prior)
			if steps > 0 && now > last*(1+1e-4)+1e-6 {
				t.Fatalf("round %d: %g after %g", steps, now, last)
			}
			if steps > 0 && now < .99*last {
				better++
			}
			last = now
		}
	})
	if better == 0 {
		t.Error("it never falls")
	}
}

func TestRelaxed(t *testing.T) {
	for _, c := range []struct{ sum, bias, target, slope, want float64 }{
		{-5, 1, 2, 0, 2},          // above zero: itself
		{3, 0, 2, .1, 2},          // likewise
		{3, 1, -2, 0, 0},          // too high: down to zero
		{3, 1, -2, .1, -.2},       // to what comes out
		{-3, 1, -7, 0, -2},        // both below: it stays
		{-3, 1, -7, .1, -2 - .05}, // a small pull towards it
	} {
		sum, target := newMatrix(1, 1), newMatrix(1, 1)
		sum.v[0], target.v[0] = float32(c.sum), float32(c.target)
		if got := relaxed(sum, []float64{c.bias}, target, float32(c.slope)).v[0]; math.Abs(float64(got)-c.want) > 1e-6 {
			t.Errorf("%+v: %g", c, got)
		}
	}
}

// quadratic is the error that weights have for those that are wanted: the trace of
// (w-want)' cov (w-want).
func quadratic(cov mat.Symmetric, w, want *mat.Dense) float64 {
	var d, t, e mat.Dense
	d.Sub(w, want)
	t.Mul(cov, &d)
	e.Mul(d.T(), &t)
	return mat.Trace(&e)
}

// spaced is weights of some inputs as weights of all, 0 for the others.
func spaced(w *mat.Dense, stay []int, inputs int) *mat.Dense {
	_, m := w.Dims()
	out := mat.NewDense(inputs, m, nil)
	for i, r := range stay {
		out.SetRow(r, w.RawRowView(i))
	}
	return out
}

// No other weights on the inputs that stay come nearer.
func TestWithoutIsBest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		n := rapid.IntRange(2, 6).Draw(t, "inputs")
		cov := gramOf(sampled(r, 100, n), ones(100)).cov
		w := normals(r, n, 2)
		stay := r.Perm(n)[:rapid.IntRange(1, n-1).Draw(t, "stay")]
		slices.Sort(stay)
		best := spaced(without(cov, w, stay, 1e-9), stay, n)
		least := quadratic(cov, best, w)
		for range 20 {
			other := mat.DenseCopyOf(best)
			for _, row := range stay {
				for j := range 2 {
					other.Set(row, j, other.At(row, j)+.1*r.NormFloat64())
				}
			}
			if e := quadratic(cov, other, w); e < least-1e-6*(1+least) {
				t.Fatalf("%g is less than %g", e, least)
			}
		}
	})
}

// A convolution from which columns were cut gives, on average, what it gave, and
// is as near as can be.
func TestCutColumns(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 0))
	x := sampled(r, 400, 4)
	g := gramOf(x, ones(400))
	w := normals(r, 4, 3)
	for _, outputs := range [][]int{nil, {2, 0}} {
		c := &model.Conv{Filters: 3, Weight: make([]float32, 12), Bias: []float32{1, 2, 3}}
		setWeights(c, w)
		was := x.times(weights(c, 4))
		addBias(was, c.Bias)
		stay := []int{0, 3}
		cutColumns(c, w, g, stay, outputs)
		now := x.times(weights(c, 4))
		addBias(now, c.Bias)
		for f := range 3 {
			cut := outputs == nil || slices.Contains(outputs, f)
			if zero := c.Weight[4*f+1] == 0 && c.Weight[4*f+2] == 0; zero != cut {
				t.Errorf("outputs %v: filter %d has weights %v", outputs, f, c.Weight[4*f:4*f+4])
			}
			if a, b := was.mean(ones(400))[f], now.mean(ones(400))[f]; math.Abs(a-b) > 1e-3*(1+math.Abs(a)) {
				t.Errorf("outputs %v: filter %d has the mean %g, it had %g", outputs, f, b, a)
			}
		}
	}
}

// readerOf is a reader of units of several columns, with a copy of what it is of.
func readerOf(r *rand.Rand, units, each int) (*reader, *mat.SymDense, *mat.Dense) {
	n := units * each
	cov := ridged(gramOf(sampled(r, 200, n), ones(200)).cov, 1e-3)
	w := normals(r, n, 2)
	var chol mat.Cholesky
	chol.Factorize(cov)
	inverse := new(mat.SymDense)
	if err := chol.InverseTo(inverse); err != nil {
		panic(err) // the test itself is wrong
	}
	cols := make([][]int, units)
	for k, c := range r.Perm(n) {
		cols[k%units] = append(cols[k%units], c)
	}
	return &reader{inverse: inverse, w: mat.DenseCopyOf(w), cols: cols}, cov, w
}

// At each step the surgeon takes the unit whose readers lose least, and says what
// they have lost: as least squares on what is left has it.
func TestSurgeonAgainstLeastSquares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		units := rapid.IntRange(1, 5).Draw(t, "units")
		var readers []*reader
		var covs []*mat.SymDense
		var ws []*mat.Dense
		var cols [][][]int
		for range rapid.IntRange(1, 2).Draw(t, "readers") {
			x, cov, w := readerOf(r, units, rapid.IntRange(1, 3).Draw(t, "columns"))
			readers, covs, ws, cols = append(readers, x), append(covs, cov), append(ws, w), append(cols, x.cols)
		}
		lost := func(gone map[int]bool) float64 {
			var sum float64
			for k := range readers {
				var stay []int
				for u, c := range cols[k] {
					if !gone[u] {
						stay = append(stay, c...)
					}
				}
				n, m := ws[k].Dims()
				best := mat.NewDense(n, m, nil)
				if len(stay) > 0 {
					best = spaced(without(covs[k], ws[k], stay, 0), stay, n)
				}
				sum += quadratic(covs[k], best, ws[k])
			}
			return sum
		}
		p, err := surgeon(readers, units)
		if err != nil {
			t.Fatal(err)
		}
		gone := map[int]bool{}
		for k, u := range p.order {
			for other := range units {
				if gone[other] {
					continue
				}
				gone[other] = true
				if e := lost(gone); e < p.loss[units-k-1]*(1-1e-6)-1e-9 {
					t.Fatalf("step %d: unit %d costs %g, unit %d was taken for %g", k, other, e, u, p.loss[units-k-1])
				}
				delete(gone, other)
			}
			gone[u] = true
			if e := lost(gone); math.Abs(e-p.loss[units-k-1]) > 1e-6*(1+e) {
				t.Fatalf("with %d units left %g is lost, the surgeon says %g", units-k-1, e, p.loss[units-k-1])
			}
		}
		if len(gone) != units {
			t.Errorf("the order is %v", p.order)
		}
	})
}

func TestByWeight(t *testing.T) {
	p := byWeight([]float64{3, 1, 4, 1, 1})
	if !slices.Equal(p.order, []int{1, 3, 4, 0, 2}) {
		t.Errorf("order %v", p.order)
	}
	for k, want := range []float64{1, .6, .3, .2, .1, 0} {
		if math.Abs(p.loss[k]-want) > 1e-12 {
			t.Errorf("with %d left %g is lost, expected %g", k, p.loss[k], want)
		}
	}
	if kept := p.kept(2); !slices.Equal(kept, []bool{true, false, true, false, false}) {
		t.Errorf("kept %v", kept)
	}
}

// The new basis makes the stream white and the readers' costs diagonal and falling.
func TestBasis(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		n := rapid.IntRange(1, 8).Draw(t, "channels")
		cov := ridged(gramOf(sampled(r, 300, n), ones(300)).cov, 1e-3) // far from what is rounding
		var cost mat.SymDense
		cost.SymOuterK(1, normals(r, n, rapid.IntRange(1, 3).Draw(t, "filters")))
		to, back, worth, err := basis(cov, &cost)
		if err != nil {
			t.Fatal(err)
		}
		var white, diagonal, identity, half mat.Dense
		half.Mul(to, ridged(cov, 1e-7))
		white.Mul(&half, to.T())
		half.Mul(back.T(), &cost)
		diagonal.Mul(&half, back)
		identity.Mul(to, back)
		one := mat.NewDense(n, n, nil)
		want := mat.NewDense(n, n, nil)
		for i := range n {
			one.Set(i, i, 1)
			want.Set(i, i, worth[i])
		}
		if d := away(&white, one); d > 1e-6 {
			t.Errorf("the covariance is off one by %g", d)
		}
		if d := away(&identity, one); d > 1e-6 {
			t.Errorf("there and back is off one by %g", d)
		}
		if d := away(&diagonal, want); d > 1e-6*(1+worth[0]) {
			t.Errorf("the cost is off its worth by %g", d)
		}
		for i := 1; i < n; i++ {
			if worth[i] > worth[i-1] {
				t.Errorf("worth %v", worth)
			}
		}
	})
}
