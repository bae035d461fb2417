package exec

import (
	"gonum.org/v1/gonum/blas"

	"dashline/model"
)

// deconvolve is a convolution backwards: positions of its result are the pixels
// that are read. What each pixel gives for each weight is a product of matrices,
// whose blocks are added to the result where they come to lie.
func deconvolve(o *model.Deconv, in, shape model.Shape, x, out []float32, s *Scratch) {
	clear(out)
	area, inArea := shape[2]*shape[3], in[2]*in[3]
	channels, filters := in[1]/o.Groups, o.Filters/o.Groups
	rows := filters * o.Kernel[0] * o.Kernel[1]
	w := window{o.Kernel, o.Stride, [2]int{1, 1}, [2]int{o.Pad.Top, o.Pad.Left}, [2]int(shape[2:4]), [2]int(in[2:4])}
	block := s.room(blockRows * blockColumns)
	for g := range o.Groups {
		x := matrix{x[g*channels*inArea:], inArea}
		out := out[g*filters*area:][:filters*area]
		weight := matrix{o.Weight[g*channels*rows:], rows}
		for p := 0; p < inArea; p += blockColumns {
			n := min(blockColumns, inArea-p)
			for l := 0; l < rows; l += blockRows {
				m := min(blockRows, rows-l)
				clear(block[:m*n])
				gemm(blas.Trans, m, n, channels, matrix{weight.from(0, l), rows}, matrix{x.from(0, p), inArea}, matrix{block, n})
				for i := range m {
					w.scatter(l+i, p, block[i*n:][:n], out)
				}
			}
		}
	}
	finish(out, o.Filters, o.Bias, o.Norm, &o.Act)
}
