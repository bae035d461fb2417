package prune

import (
	"sync"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
	"gonum.org/v1/gonum/mat"
)

// matrix is rows x columns of float32, row-major: samples by what was sampled.
type matrix struct {
	rows, cols int
	v          []float32
}

func newMatrix(rows, cols int) matrix { return matrix{rows, cols, make([]float32, rows*cols)} }

func (m matrix) row(i int) []float32 { return m.v[i*m.cols : (i+1)*m.cols] }

// columns is a copy of some columns.
func (m matrix) columns(of []int) matrix {
	out := newMatrix(m.rows, len(of))
	for i := range m.rows {
		from, to := m.row(i), out.row(i)
		for k, c := range of {
			to[k] = from[c]
		}
	}
	return out
}

// times is the product with a k x n float64 matrix, in float32.
func (m matrix) times(b *mat.Dense) matrix {
	k, n := b.Dims()
	right := make([]float32, k*n)
	for i := range k {
		for j := range n {
			right[i*n+j] = float32(b.At(i, j))
		}
	}
	out := newMatrix(m.rows, n)
	split(m.rows, k*n, func(from, to int) {
		gonum.Implementation{}.Sgemm(blas.NoTrans, blas.NoTrans, to-from, n, k, 1, m.v[from*m.cols:], m.cols, right, n, 0, out.v[from*n:], n)
	})
	return out
}

// block is how many rows are summed in float32 before they go into a float64 sum.
const block = 512

// product is the sum over samples of w * a' b, in float64: a.cols x b.cols. Both
// have had their means taken off. It is the same, bit by bit, on any number of
// processors: these share its columns.
func product(a, b matrix, w []float32) *mat.Dense {
	sum := mat.NewDense(a.cols, b.cols, nil)
	split(b.cols, a.rows*a.cols, func(from, to int) { sumColumns(sum, a, b, w, a.cols, from, to) })
	return sum
}

// squares is the upper triangle of product(a, a, w), and what lies below some of it.
func squares(a matrix, w []float32) *mat.Dense {
	const wide = 64
	sum := mat.NewDense(a.cols, a.cols, nil)
	strips := (a.cols + wide - 1) / wide
	split(strips, a.rows*a.cols*wide/2, func(from, to int) {
		for i := from; i < to; i++ {
			k := i / 2 // from both ends, for the last strips are the longest
			if i%2 == 1 {
				k = strips - 1 - k
			}
			end := min((k+1)*wide, a.cols)
			sumColumns(sum, a, a, w, end, k*wide, end)
		}
	})
	return sum
}

// sumColumns computes columns from to to of a product, and of them the first rows.
func sumColumns(sum *mat.Dense, a, b matrix, w []float32, rows, from, to int) {
	cols := to - from
	part := make([]float32, rows*cols)
	weighted := make([]float32, block*rows)
	for at := 0; at < a.rows; at += block {
		samples := min(block, a.rows-at)
		for r := range samples {
			in, out := a.row(at + r)[:rows], weighted[r*rows:(r+1)*rows]
			for c, x := range in {
				out[c] = x * w[at+r]
			}
		}
		gonum.Implementation{}.Sgemm(blas.Trans, blas.NoTrans, rows, cols, samples, 1, weighted, rows, b.v[at*b.cols+from:], b.cols, 0, part, cols)
		for i := range rows {
			to := sum.RawRowView(i)[from : from+cols]
			for j, x := range part[i*cols : (i+1)*cols] {
				to[j] += float64(x)
			}
		}
	}
}

// split shares count equal pieces of work out to the processors, each so many
// multiply-accumulates: neighbours together, and little work not at all.
func split(count, each int, do func(from, to int)) {
	const little = 1 << 20
	n := min(workers(), count, max(count*each/little, 1))
	var wait sync.WaitGroup
	for k := range n {
		wait.Go(func() { do(k*count/n, (k+1)*count/n) })
	}
	wait.Wait()
}

// mean is the weighted mean of each column.
func (m matrix) mean(w []float32) []float64 {
	sum := make([]float64, m.cols)
	var all float64
	for i := range m.rows {
		all += float64(w[i])
		for c, x := range m.row(i) {
			sum[c] += float64(w[i]) * float64(x)
		}
	}
	for c := range sum {
		sum[c] /= all
	}
	return sum
}

// centred is a copy with the means taken off.
func (m matrix) centred(mean []float64) matrix {
	out := newMatrix(m.rows, m.cols)
	shift := make([]float32, len(mean))
	for c, x := range mean {
		shift[c] = float32(x)
	}
	for i := range m.rows {
		to := out.row(i)
		for c, x := range m.row(i) {
			to[c] = x - shift[c]
		}
	}
	return out
}

func total(w []float32) float64 {
	var sum float64
	for _, x := range w {
		sum += float64(x)
	}
	return sum
}

// gram is the weighted mean and covariance of samples.
type gram struct {
	mean []float64
	cov  *mat.SymDense
}

func gramOf(m matrix, w []float32) *gram {
	mean := m.mean(w)
	c := m.centred(mean)
	return covarianceOf(c, mean, w)
}

// covarianceOf is the gram of samples whose means have been taken off.
func covarianceOf(centred matrix, mean []float64, w []float32) *gram {
	n := centred.cols
	cov := mat.NewSymDense(n, squares(centred, w).RawMatrix().Data)
	cov.ScaleSym(1/total(w), cov)
	return &gram{mean, cov}
}

// symmetric is the symmetric part of a square matrix, scaled.
func symmetric(d *mat.Dense, scale float64) *mat.SymDense {
	n, _ := d.Dims()
	s := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			s.SetSym(i, j, scale*(d.At(i, j)+d.At(j, i))/2)
		}
	}
	return s
}

// ridged is s + share * (mean of the diagonal) * I; a tiny number where s is 0.
func ridged(s *mat.SymDense, share float64) *mat.SymDense {
	n := s.SymmetricDim()
	out := mat.NewSymDense(n, nil)
	out.CopySym(s)
	lambda := share * meanDiagonal(s)
	for i := range n {
		out.SetSym(i, i, out.At(i, i)+lambda)
	}
	return out
}

func meanDiagonal(s *mat.SymDense) float64 {
	n := s.SymmetricDim()
	var sum float64
	for i := range n {
		sum += s.At(i, i)
	}
	return max(sum/float64(n), 1e-12)
}

// sub is the rows and columns of s with these indices.
func sub(s *mat.SymDense, of []int) *mat.SymDense {
	out := mat.NewSymDense(len(of), nil)
	for i, a := range of {
		for j := i; j < len(of); j++ {
			out.SetSym(i, j, s.At(a, of[j]))
		}
	}
	return out
}
