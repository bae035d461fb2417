package prune

import (
	"math"
	"math/rand/v2"
	"runtime"
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

func least(t interface{ Fatal(...any) }, x matrix, w []float32) *leastSquares {
	s, err := newLeastSquares(x, w)
	if err != nil {
		t.Fatal(err)
	}
	return s
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
		f, err := least(t, x, weightsOf(r, x.rows)).solve(through(r, x, w, 3, 0), mat.NewDense(4, 2, nil))
		if err != nil {
			t.Fatal(err)
		}
		// The pull shortens the weights by its part of them.
		if d := away(f.w, w); d > 2*pull*mat.Norm(w, 2) {
			t.Errorf("weights off by %g", d)
		}
		for j, b := range f.b {
			if math.Abs(b-3) > .1 {
				t.Errorf("bias %d is %g", j, b)
			}
		}
	})
}

// No other weights have less of the error and the pull together.
func TestLeastSquaresIsBest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		n := rapid.IntRange(1, 5).Draw(t, "inputs")
		x := sampled(r, 200, n)
		prior := normals(r, n, 1)
		target := through(r, x, normals(r, n, 1), 1, 3)
		s := least(t, x, weightsOf(r, x.rows))
		f, err := s.solve(target, prior)
		if err != nil {
			t.Fatal(err)
		}
		cost := func(w *mat.Dense, bias float64) float64 {
			sum := x.times(w)
			var e float64
			for i := range x.rows {
				e += float64(s.weight[i]) * square(float64(sum.v[i])+bias-float64(target.v[i]))
			}
			var d mat.Dense
			d.Sub(w, prior)
			return e/total(s.weight) + pull*meanDiagonal(s.stats.cov)*square(mat.Norm(&d, 2))
		}
		best := cost(f.w, f.b[0])
		for range 20 {
			other := mat.DenseCopyOf(f.w)
			for k := range n {
				other.Set(k, 0, other.At(k, 0)+.1*r.NormFloat64())
			}
			if c := cost(other, f.b[0]+.1*r.NormFloat64()); c < best-1e-4*best {
				t.Fatalf("other weights cost %g, these %g", c, best)
			}
		}
	})
}

// A product is the same on any number of processors, and as by hand.
func TestProductsAreSplit(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 0))
	x := sampled(r, 1100, 150)
	w := weightsOf(r, x.rows)
	run := func(processors int) (plain, upper *mat.Dense, times matrix) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
		return product(x, x, w), squares(x, w), x.times(normals(rand.New(rand.NewPCG(2, 0)), x.cols, 70))
	}
	one, upper, times := run(1)
	for _, n := range []int{2, 3, 5} {
		p, u, m := run(n)
		if !mat.Equal(p, one) || !slices.Equal(m.v, times.v) {
			t.Errorf("%d processors compute another product", n)
		}
		for i := range x.cols {
			if !slices.Equal(u.RawRowView(i)[i:], upper.RawRowView(i)[i:]) {
				t.Errorf("%d processors compute other squares", n)
			}
		}
	}
	for i := range x.cols {
		for j := i; j < x.cols; j++ {
			if upper.At(i, j) != one.At(i, j) {
				t.Fatalf("squares have %g at %d, %d, the product %g", upper.At(i, j), i, j, one.At(i, j))
			}
		}
	}
	for _, at := range [][2]int{{0, 0}, {3, 149}, {149, 70}} {
		var sum float64
		for i := range x.rows {
			sum += float64(w[i]) * float64(x.row(i)[at[0]]) * float64(x.row(i)[at[1]])
		}
		if got := one.At(at[0], at[1]); math.Abs(got-sum) > 1e-4*math.Abs(sum) {
			t.Errorf("%v: %g, by hand %g", at, got, sum)
		}
	}
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
	f, err := least(t, x, ones(40)).fit(target, prior, model.Act{Kind: model.Relu}, 2)
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
	if _, err := newLeastSquares(x, ones(40)); err == nil {
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
	return e/total(s.weight) + s.lambda*square(mat.Norm(&d, 2))
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
			s := least(t, x, ones(x.rows))
			f, err := s.fit(target, prior, model.Act{Kind: model.Relu}, steps)
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
