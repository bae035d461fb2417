package exec

import "dashline/model"

// around is the number of positions of the dimensions before and after one.
func around(axis int, s model.Shape) (before, after int) {
	return s[:axis].Elements(), s[axis+1:].Elements()
}

func concat(axis int, in []model.Shape, x [][]float32, shape model.Shape, out []float32) {
	before, after := around(axis, shape)
	at := 0
	for i, v := range x {
		n := in[i][axis] * after
		for j := range before {
			copy(out[j*shape[axis]*after+at:], v[j*n:][:n])
		}
		at += n
	}
}

func slice(o *model.Slice, in model.Shape, x, out []float32) {
	before, after := around(o.Axis, in)
	n := o.Count * after
	for j := range before {
		copy(out[j*n:][:n], x[(j*in[o.Axis]+o.Start)*after:])
	}
}

func upsample(scale int, in model.Shape, x, out []float32) {
	w := in[3]
	wide := w * scale
	for y := range in[1] * in[2] {
		row := out[y*scale*wide:][:wide]
		for i, v := range x[y*w:][:w] {
			for j := range scale {
				row[i*scale+j] = v
			}
		}
		for j := 1; j < scale; j++ {
			copy(out[(y*scale+j)*wide:], row)
		}
	}
}
