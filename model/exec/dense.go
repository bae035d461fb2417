package exec

import (
	"gonum.org/v1/gonum/blas"

	"dashline/model"
)

func dense(o *model.Dense, x, out []float32) {
	for r := range len(x) / o.In {
		x, out := x[r*o.In:][:o.In], out[r*o.Out:][:o.Out]
		for i := range out {
			out[i] = dot(o.Weight[i*o.In:][:o.In], x)
		}
		finish(out, o.Out, o.Bias, nil, &o.Act)
	}
}

func matMul(in []model.Shape, x [][]float32, shape model.Shape, out []float32) {
	clear(out)
	a, b := in[0], in[1]
	m, k, n := a[len(a)-2], a[len(a)-1], b[len(b)-1]
	outer := shape[:len(shape)-2]
	sa, sb := steps(a[:len(a)-2], outer), steps(b[:len(b)-2], outer)
	for i := range outer.Elements() {
		gemm(blas.NoTrans, m, n, k,
			matrix{x[0][offset(i, outer, sa)*m*k:], k}, matrix{x[1][offset(i, outer, sb)*k*n:], n}, matrix{out[i*m*n:], n})
	}
}
