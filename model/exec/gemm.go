package exec

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// The blocks of a matrix product: columns x depth of the right side stay in the
// first cache while rows of the left pass. Gonum starts goroutines from four
// blocks of 64x64 of the result on, so a block here has at most three.
const (
	blockRows    = 64
	blockColumns = 192
	blockDepth   = 64
)

// gemm adds the product of a (m x k) and b (k x n) to c, with lda, ldb and ldc
// numbers from row to row.
func gemm(m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int) {
	var lib gonum.Implementation
	for j := 0; j < n; j += blockColumns {
		nb := min(blockColumns, n-j)
		for l := 0; l < k; l += blockDepth {
			kb := min(blockDepth, k-l)
			for i := 0; i < m; i += blockRows {
				mb := min(blockRows, m-i)
				lib.Sgemm(blas.NoTrans, blas.NoTrans, mb, nb, kb,
					1, a[i*lda+l:], lda, b[l*ldb+j:], ldb, 1, c[i*ldc+j:], ldc)
			}
		}
	}
}

// axpy adds a*x to y, n numbers incX and incY apart.
func axpy(n int, a float32, x []float32, incX int, y []float32, incY int) {
	gonum.Implementation{}.Saxpy(n, a, x, incX, y, incY)
}

// dot is the scalar product.
func dot(x, y []float32) float32 {
	return gonum.Implementation{}.Sdot(len(x), x, 1, y, 1)
}
