package prune

import (
	"fmt"

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
// Cholesky.
type leastSquares struct {
	x      matrix // not centred
	c      matrix // centred
	weight []float32
	stats  *gram
	lambda float64
	solver mat.Cholesky
}

// pull is how strong the pull is, in parts of the mean variance of x. One chosen
// for each fit by pictures that are left out of it is better for that fit and worse
// for the network: a stronger pull leaves the errors of the layers before as they
// are.
const pull = 3e-3

// newLeastSquares prepares the fit.
func newLeastSquares(x matrix, weight []float32) (*leastSquares, error) {
	s := &leastSquares{x: x, weight: weight}
	mean := x.mean(weight)
	s.c = x.centred(mean)
	s.stats = covarianceOf(s.c, mean, weight)
	s.lambda = pull * meanDiagonal(s.stats.cov)
	if !s.solver.Factorize(ridged(s.stats.cov, pull)) {
		return nil, fmt.Errorf("least squares over %d inputs: the calibration pictures do not tell them apart: give more of them", x.cols)
	}
	return s, nil
}

// solve fits the sum itself.
func (s *leastSquares) solve(target matrix, prior *mat.Dense) (fitted, error) {
	mean := target.mean(s.weight)
	right := product(s.c, target.centred(mean), s.weight)
	right.Scale(1/total(s.weight), right)
	f := fitted{w: new(mat.Dense), b: mean}
	var b mat.Dense
	b.Scale(s.lambda, prior)
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
func (s *leastSquares) fit(target matrix, prior *mat.Dense, act model.Act, steps int) (fitted, error) {
	f, err := s.solve(target, prior)
	slope, forgets := below(act)
	if err != nil || !forgets {
		return f, err
	}
	for range steps {
		if f, err = s.solve(relaxed(s.x.times(f.w), f.b, target, slope), prior); err != nil {
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
func fitTaps(x, target matrix, prior []float32, weight []float32, act model.Act, steps int) (taps []float32, bias float64, err error) {
	p := mat.NewDense(len(prior), 1, nil)
	for k, v := range prior {
		p.Set(k, 0, float64(v))
	}
	s, err := newLeastSquares(x, weight)
	if err != nil {
		return nil, 0, err
	}
	f, err := s.fit(target, p, act, steps)
	if err != nil {
		return nil, 0, err
	}
	for k := range prior {
		taps = append(taps, float32(f.w.At(k, 0)))
	}
	return taps, f.b[0], nil
}
