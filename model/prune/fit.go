package prune

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"dashline/model"
)

// fitted are the weights of a linear layer: inputs x outputs, and a bias.
type fitted struct {
	w *mat.Dense
	b []float64
}

// leastSquares is the weights and bias for which x*w + b is closest to target, row
// r counting weight[r], with a pull towards prior: ridge regression, solved by
// Cholesky. How strong the pull is, in parts of the mean variance of x, is chosen
// by what predicts best the pictures that are left out (each fifth): where few
// channels have left the prior is nearly right, and a fit of its own would only
// learn these pictures by heart.
type leastSquares struct {
	x      matrix // not centred
	c      matrix // centred
	weight []float32
	out    []int // rows that are left out to choose the pull
	stats  *gram
	solver mat.Cholesky
	ridge  float64 // chosen; 0: not yet
	left   *mat.SymDense
}

// pulls are the ridges that are tried.
var pulls = []float64{1e-3, 1e-2, 1e-1, 1, 10}

// newLeastSquares prepares the fit. Rows come in blocks of each for a picture, a
// picture and its mirror image after each other.
func newLeastSquares(x matrix, weight []float32, each int) *leastSquares {
	s := &leastSquares{x: x, weight: weight}
	mean := x.mean(weight)
	s.c = x.centred(mean)
	s.stats = &gram{mean, symmetric(product(s.c, s.c, weight), 1/total(weight))}
	for r := range x.rows {
		if r/(2*each)%5 == 0 {
			s.out = append(s.out, r)
		}
	}
	part := s.c.picked(s.out)
	s.left = symmetric(product(part, part, pick(weight, s.out)), 1/total(weight))
	return s
}

// choose finds the pull for a target, right being the centred product with it.
// worth is how much each output counts.
func (s *leastSquares) choose(target matrix, right, prior *mat.Dense, worth []float64) error {
	held := product(s.c.picked(s.out), target.picked(s.out), pick(s.weight, s.out))
	held.Scale(1/total(s.weight), held)
	var rest mat.Dense
	rest.Sub(right, held)
	cov := mat.NewSymDense(s.x.cols, nil)
	cov.CopySym(s.stats.cov)
	addTo(cov, s.left, -1)
	best := math.Inf(1)
	for _, pull := range pulls {
		w, err := pulled(cov, &rest, prior, pull*meanDiagonal(s.stats.cov))
		if err != nil {
			continue
		}
		var t mat.Dense
		t.Mul(s.left, w)
		var lost float64
		n, m := w.Dims()
		for j := range m {
			var e float64
			for i := range n {
				e += w.At(i, j) * (t.At(i, j) - 2*held.At(i, j))
			}
			lost += worth[j] * e
		}
		if lost < best {
			best, s.ridge = lost, pull
		}
	}
	if s.ridge == 0 || !s.solver.Factorize(ridged(s.stats.cov, s.ridge)) {
		return fmt.Errorf("least squares over %d inputs: the calibration pictures do not tell them apart: give more of them", s.x.cols)
	}
	return nil
}

// pulled solves (cov + lambda I) w = right + lambda prior.
func pulled(cov *mat.SymDense, right, prior *mat.Dense, lambda float64) (*mat.Dense, error) {
	a := mat.NewSymDense(cov.SymmetricDim(), nil)
	a.CopySym(cov)
	for i := range a.SymmetricDim() {
		a.SetSym(i, i, a.At(i, i)+lambda)
	}
	var b, w mat.Dense
	b.Scale(lambda, prior)
	b.Add(&b, right)
	var chol mat.Cholesky
	if !chol.Factorize(a) {
		return nil, fmt.Errorf("not definite")
	}
	err := chol.SolveTo(&w, &b)
	if _, near := err.(mat.Condition); near {
		err = nil
	}
	return &w, err
}

// solve fits the sum itself. Where the pull is not chosen yet, it is now.
func (s *leastSquares) solve(target matrix, prior *mat.Dense, worth []float64) (fitted, error) {
	mean := target.mean(s.weight)
	centred := target.centred(mean)
	right := product(s.c, centred, s.weight)
	right.Scale(1/total(s.weight), right)
	f := fitted{w: new(mat.Dense), b: mean}
	if s.ridge == 0 {
		if err := s.choose(centred, right, prior, worth); err != nil {
			return f, err
		}
	}
	var b mat.Dense
	b.Scale(s.ridge*meanDiagonal(s.stats.cov), prior)
	b.Add(&b, right)
	if err := s.solver.SolveTo(f.w, &b); err != nil {
		if _, near := err.(mat.Condition); !near { // the pull keeps it solvable
			return f, err
		}
	}
	var through mat.VecDense
	through.MulVec(f.w.T(), mat.NewVecDense(len(s.stats.mean), s.stats.mean))
	for j := range f.b {
		f.b[j] -= through.AtVec(j)
	}
	return f, nil
}

// fit solves, then again, steps times, with the target that an activation leaves
// free which forgets what is below zero: the sum there may be what it likes, as
// long as it stays below (majorisation, Hunter and Lange 2004).
func (s *leastSquares) fit(target matrix, prior *mat.Dense, worth []float64, act model.Act, steps int) (fitted, error) {
	f, err := s.solve(target, prior, worth)
	slope, forgets := below(act)
	if err != nil || !forgets {
		return f, err
	}
	for range steps {
		if f, err = s.solve(relaxed(s.x.times(f.w), f.b, target, slope), prior, worth); err != nil {
			return f, err
		}
	}
	return f, nil
}

// rounds is how often a fit is repeated for an activation that forgets.
const rounds = 2

// below is the slope of an activation below zero, where that is smaller than above.
func below(a model.Act) (slope float32, forgets bool) {
	switch a.Kind {
	case model.Relu, model.Relu6:
		return 0, true
	case model.Leaky:
		return a.Alpha, a.Alpha < 1
	}
	return 1, false
}

// relaxed is target, but where it is below zero moved to what makes no more
// difference behind the activation. sum, without its bias, is overwritten.
func relaxed(sum matrix, bias []float64, target matrix, slope float32) matrix {
	for i := range sum.rows {
		want, got := target.row(i), sum.row(i)
		for j, t := range want {
			p := got[j] + float32(bias[j])
			switch {
			case t > 0:
				got[j] = t
			case p > 0:
				got[j] = slope * t
			default:
				got[j] = p + slope*slope*(t-p)
			}
		}
	}
	return sum
}

// fitTaps fits the taps of one channel that a convolution sees by itself: x is
// samples x taps. Where the channel is always the same there is nothing to fit.
func fitTaps(x, target matrix, prior []float32, weight []float32, each int, act model.Act, steps int) (taps []float32, bias float64, err error) {
	p := mat.NewDense(len(prior), 1, nil)
	for k, v := range prior {
		p.Set(k, 0, float64(v))
	}
	f, err := newLeastSquares(x, weight, each).fit(target, p, []float64{1}, act, steps)
	if err != nil {
		return nil, 0, err
	}
	for k := range prior {
		taps = append(taps, float32(f.w.At(k, 0)))
	}
	return taps, f.b[0], nil
}
