package exec

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// The blocks of a matrix product: what the right side has of one stays in the
// second cache while rows of the left pass. Gonum starts goroutines from four
// blocks of 64x64 of the result on, so a block here has at most three.
const (
	blockRows    = 64
	blockColumns = 192
	blockDepth   = 128
)

// matrix is a part of one, row-major: step numbers from row to row.
type matrix struct {
	x    []float32
	step int
}

func (a matrix) from(row, column int) []float32 { return a.x[row*a.step+column:] }

// gemm adds the product of a (m x k) and b (k x n) to c. With blas.Trans, a is
// given transposed (k x m).
func gemm(t blas.Transpose, m, n, k int, a, b, c matrix) {
	var lib gonum.Implementation
	for j := 0; j < n; j += blockColumns {
		nb := min(blockColumns, n-j)
		for l := 0; l < k; l += blockDepth {
			kb := min(blockDepth, k-l)
			for i := 0; i < m; i += blockRows {
				mb := min(blockRows, m-i)
				left := a.from(i, l)
				if t == blas.Trans {
					left = a.from(l, i)
				}
				lib.Sgemm(t, blas.NoTrans, mb, nb, kb, 1, left, a.step, b.from(l, j), b.step, 1, c.from(i, j), c.step)
			}
		}
	}
}

// axpy adds a*x to y.
func axpy(a float32, x, y []float32) {
	gonum.Implementation{}.Saxpy(len(x), a, x, 1, y, 1)
}

// dot is the scalar product.
func dot(x, y []float32) float32 {
	return gonum.Implementation{}.Sdot(len(x), x, 1, y, 1)
}
