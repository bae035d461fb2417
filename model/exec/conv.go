package exec

import (
	"gonum.org/v1/gonum/blas"

	"dashline/model"
)

// convolve multiplies matrices: filters x (channels, rows and columns of the
// kernel) by that x positions (Chellapilla, Puri and Simard 2006), whose blocks
// are made one at a time.
func convolve(o *model.Conv, in, shape model.Shape, x, out []float32, s *Scratch) {
	clear(out)
	area, inArea := shape[2]*shape[3], in[2]*in[3]
	channels, filters := in[1]/o.Groups, o.Filters/o.Groups
	depth := PatchLen(o, in)
	w := newWindow(o, in, shape)
	for g := range o.Groups {
		x := x[g*channels*inArea:][:channels*inArea]
		out := out[g*filters*area:][:filters*area]
		weight := o.Weight[g*filters*depth:][:filters*depth]
		switch {
		case w.whole():
			gemm(blas.NoTrans, filters, area, depth, matrix{weight, depth}, matrix{x, area}, matrix{out, area})
		case channels == 1 && filters == 1 && w.slides():
			w.slide(weight, x, out, s)
		default:
			w.multiply(filters, depth, weight, x, out, s)
		}
	}
	finish(out, o.Filters, o.Bias, o.Norm, &o.Act)
}

// multiply is the product for one group.
func (w *window) multiply(filters, depth int, weight, x, out []float32, s *Scratch) {
	block := s.room(blockDepth * blockColumns)
	area := w.out[0] * w.out[1]
	for p := 0; p < area; p += blockColumns {
		n := min(blockColumns, area-p)
		for l := 0; l < depth; l += blockDepth {
			k := min(blockDepth, depth-l)
			for i := range k {
				w.gather(l+i, p, x, block[i*n:][:n])
			}
			gemm(blas.NoTrans, filters, n, k, matrix{weight[l:], depth}, matrix{block, n}, matrix{out[p:], area})
		}
	}
}
