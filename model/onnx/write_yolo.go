package onnx

import (
	"strings"

	"dashline/model"
)

// yolo writes the decoding of a head. in is 1 x A*(5+C) x H x W, out are the
// rows that [model.Yolo] describes:
//
//	x = (column + (sigmoid(tx)-0.5)*s + 0.5) / W      w = e^tw * anchor width / input width
//	y = (row    + (sigmoid(ty)-0.5)*s + 0.5) / H      h = e^th * anchor height / input height
//
// with s = ScaleXY (Bochkovskiy et al. 2020, arXiv:2004.10934, "eliminate grid
// sensitivity"; 1 in YOLOv3). All boxes are computed at once in the layout
// 1 x (5+C) x HW x A, where each part of them is one piece of memory. It is of
// four dimensions, and the constants are, because OpenCV 4.6 multiplies by
// constants along the second dimension only.
func (b *builder) yolo(in, out string, o *model.Yolo) {
	shape := b.g.In(b.at)
	anchors, columns, cells := len(o.Mask), 5+o.Classes, shape.Height()*shape.Width()
	name := func(part string) string { return b.name(out + "/" + part) }
	reshape := func(part string, to ...int) step {
		return step{part, func(in, out string) { b.node("Reshape", out, []string{in, b.indices(out+"/shape", to...)}) }}
	}
	transpose := func(part string, perm ...int) step {
		return step{part, func(in, out string) { b.node("Transpose", out, []string{in}, attrInts("perm", perm...)) }}
	}
	part := func(from, part string, start, count int) string {
		to := name(part)
		b.slice(from, to, 1, start, count)
		return to
	}
	with := func(op, part string, k constant) step {
		return step{strings.ToLower(op), func(in, to string) {
			b.node(op, to, []string{in, b.weights(out+"/"+part, float32Kind, k.shape, k.values)})
		}}
	}

	boxes, sigmoid, centre, size := name("boxes"), name("sigmoid"), name("centre"), name("size")
	b.pipe(in, boxes, reshape("anchors", 1, anchors, columns, cells), transpose("boxes", 0, 2, 3, 1))
	b.node("Sigmoid", sigmoid, []string{boxes})
	scale, grid, anchor := yoloConstants(o, shape.Height(), shape.Width())
	b.pipe(part(sigmoid, "offset", 0, 2), centre, with("Mul", "scale", scale), with("Add", "grid", grid))
	b.pipe(part(boxes, "logsize", 2, 2), size,
		step{"exp", func(in, to string) { b.node("Exp", to, []string{in}) }}, with("Mul", "anchor", anchor))
	objectness, probability := part(sigmoid, "objectness", 4, 1), name("probability")
	b.node("Mul", probability, []string{part(sigmoid, "class", 5, o.Classes), objectness})
	b.pipe("", out,
		step{"columns", func(_, to string) {
			b.node("Concat", to, []string{centre, size, objectness, probability}, attrInt("axis", 1))
		}},
		reshape("flat", columns, cells*anchors), transpose("rows", 1, 0))
}

// constant is a small tensor.
type constant struct {
	shape  model.Shape
	values []float32
}

// yoloConstants are, for x or width and then y or height: what sigmoid(t) is
// multiplied by, 1 x 2 x 1 x 1, what is added then, and what e^t is multiplied
// by, both 1 x 2 x HW x A.
func yoloConstants(o *model.Yolo, height, width int) (scale, grid, anchor constant) {
	full := model.Shape{1, 2, height * width, len(o.Mask)}
	scale.shape, grid.shape, anchor.shape = model.Shape{1, 2, 1, 1}, full, full
	for axis, side := range [2]int{width, height} {
		scale.values = append(scale.values, float32(o.ScaleXY/float64(side)))
		for cell := range height * width {
			at := cell % width
			if axis == 1 {
				at = cell / width
			}
			for _, m := range o.Mask {
				grid.values = append(grid.values, float32((float64(at)+0.5-0.5*o.ScaleXY)/float64(side)))
				anchor.values = append(anchor.values, float32(o.Anchors[2*m+axis]/float64(o.Input[1-axis])))
			}
		}
	}
	return scale, grid, anchor
}
