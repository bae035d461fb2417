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
// r counting weight[r], with a pull of ridge (in parts of the mean variance of x)
// towards prior: ridge regression, solved by Cholesky. Where an activation that
// forgets what is below zero follows, steps more rounds let the sum there be what
// it likes, as long as it is below zero, too: majorisation by a quadratic
// (Hunter and Lange 2004), with the target moved to the sum itself.
type leastSquares struct {
	x      matrix // not centred
	c      matrix // centred
	weight []float32
	stats  *gram
	solver mat.Cholesky
	lambda float64
}

func newLeastSquares(x matrix, weight []float32, ridge float64) (*leastSquares, error) {
	s := &leastSquares{x: x, weight: weight}
	mean := x.mean(weight)
	s.c = x.centred(mean)
	s.stats = &gram{mean, symmetric(product(s.c, s.c, weight), 1/total(weight))}
	s.lambda = ridge * meanDiagonal(s.stats.cov)
	if !s.solver.Factorize(ridged(s.stats.cov, ridge)) {
		return nil, fmt.Errorf("least squares over %d inputs: the calibration pictures do not tell them apart: give more of them", x.cols)
	}
	return s, nil
}

func (s *leastSquares) solve(target matrix, prior *mat.Dense) (fitted, error) {
	mean := target.mean(s.weight)
	right := product(s.c, target.centred(mean), s.weight)
	right.Scale(1/total(s.weight), right)
	right.Apply(func(i, j int, v float64) float64 { return v + s.lambda*prior.At(i, j) }, right)
	f := fitted{w: new(mat.Dense), b: mean}
	if err := s.solver.SolveTo(f.w, right); err != nil {
		if _, near := err.(mat.Condition); !near { // the ridge keeps it solvable
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

// fit solves, then again with the target that the activation leaves free.
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

// depthwise fits the k taps of each channel by itself. x holds a matrix of
// samples x taps for each channel, prior its taps.
func depthwise(x func(channel int) (matrix, error), target matrix, prior matrix, weight []float32, ridge float64, act model.Act, steps int) (taps matrix, bias []float64, err error) {
	taps, bias = newMatrix(prior.rows, prior.cols), make([]float64, prior.rows)
	for c := range prior.rows {
		m, err := x(c)
		if err != nil {
			return taps, bias, err
		}
		s, err := newLeastSquares(m, weight, ridge)
		if err != nil { // a channel that is always the same: nothing to fit
			copy(taps.row(c), prior.row(c))
			continue
		}
		p := mat.NewDense(prior.cols, 1, nil)
		for k, v := range prior.row(c) {
			p.Set(k, 0, float64(v))
		}
		f, err := s.fit(target.columns([]int{c}), p, act, steps)
		if err != nil {
			return taps, bias, err
		}
		for k := range prior.cols {
			taps.row(c)[k] = float32(f.w.At(k, 0))
		}
		bias[c] = f.b[0]
	}
	return taps, bias, nil
}
