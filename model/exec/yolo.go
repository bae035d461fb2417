package exec

import (
	"math"

	"dashline/model"
)

// yolo gives the numbers of OpenCV's region layer (its region_layer.cpp), without a threshold.
func yolo(o *model.Yolo, in model.Shape, x, out []float32) {
	h, w := in[2], in[3]
	area, row := h*w, 5+o.Classes
	for p := range area {
		for a, m := range o.Mask {
			at := func(i int) float64 { return float64(x[(a*row+i)*area+p]) }
			place := func(i int) float64 { return float64((sigmoid(at(i))-0.5)*o.ScaleXY) + 0.5 }
			r := out[(p*len(o.Mask)+a)*row:][:row]
			r[0] = float32((float64(p%w) + place(0)) / float64(w))
			r[1] = float32((float64(p/w) + place(1)) / float64(h))
			r[2] = float32(math.Exp(at(2)) * o.Anchors[2*m] / float64(o.Input[1]))
			r[3] = float32(math.Exp(at(3)) * o.Anchors[2*m+1] / float64(o.Input[0]))
			objectness := sigmoid(at(4))
			r[4] = float32(objectness)
			for c := range o.Classes {
				r[5+c] = float32(objectness * sigmoid(at(5+c)))
			}
		}
	}
}
