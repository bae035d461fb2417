package onnx

import "dashline/model"

// yolo writes the decoding of a head. in is 1 x A*(5+C) x H x W, out are the
// rows that [model.Yolo] describes:
//
//	x = (column + (sigmoid(tx)-0.5)*s + 0.5) / W      w = e^tw * anchor width / input width
//	y = (row    + (sigmoid(ty)-0.5)*s + 0.5) / H      h = e^th * anchor height / input height
//
// with s = ScaleXY (Bochkovskiy et al. 2020, arXiv:2004.10934, "eliminate grid
// sensitivity"; s = 1 is YOLOv3). All boxes are computed at once in the layout
// (5+C) x HW x A, where the parts of a row are slices of adjacent memory. The
// constants have the shapes of what they meet and the objectness broadcasts over
// the first dimension only: OpenCV 4.6 knows no other broadcasting.
func (b *builder) yolo(in, out string, o *model.Yolo) {
	shape := b.g.In(b.at)
	height, width, anchors, columns := shape.Height(), shape.Width(), len(o.Mask), 5+o.Classes
	cells := height * width
	name := func(part string) string { return b.name(out + "/" + part) }

	boxes := name("boxes")
	b.pipe(in, boxes,
		step{"anchors", func(in, to string) {
			b.node("Reshape", to, []string{in, b.indices(out+"/anchors/shape", anchors, columns, cells)})
		}},
		step{"boxes", func(in, to string) { b.node("Transpose", to, []string{in}, attrInts("perm", 1, 2, 0)) }})
	sigmoid := name("sigmoid")
	b.node("Sigmoid", sigmoid, []string{boxes})
	part := func(from, part string, start, count int) string {
		to := name(part)
		b.slice(from, to, 0, start, count)
		return to
	}
	centre, size := name("centre"), name("size")
	pair := model.Shape{2, cells, anchors}
	grid := yoloGrid(o, height, width)
	with := func(op, part string, values []float32) step {
		return step{part + "d", func(in, to string) {
			b.node(op, to, []string{in, b.weights(out+"/"+part, float32Kind, pair, values)})
		}}
	}
	b.pipe(part(sigmoid, "offset", 0, 2), centre, with("Mul", "scale", grid.scale), with("Add", "shift", grid.shift))
	b.pipe(part(boxes, "logsize", 2, 2), size,
		step{"exp", func(in, to string) { b.node("Exp", to, []string{in}) }},
		with("Mul", "anchor", grid.anchor))
	objectness, probability := part(sigmoid, "objectness", 4, 1), name("probability")
	b.node("Mul", probability, []string{part(sigmoid, "class", 5, o.Classes), objectness})

	b.pipe("", out,
		step{"columns", func(_, to string) {
			b.node("Concat", to, []string{centre, size, objectness, probability}, attrInt("axis", 0))
		}},
		step{"flat", func(in, to string) {
			b.node("Reshape", to, []string{in, b.indices(out+"/flat/shape", columns, cells*anchors)})
		}},
		step{"rows", func(in, to string) { b.node("Transpose", to, []string{in}, attrInts("perm", 1, 0)) }})
}

// grids are the constants of a head, each 2 x HW x A: x or width first.
type grids struct {
	scale, shift []float32 // of sigmoid(t), to the centre in parts of the picture
	anchor       []float32 // sizes in parts of the picture
}

func yoloGrid(o *model.Yolo, height, width int) grids {
	n := height * width * len(o.Mask)
	g := grids{make([]float32, 2*n), make([]float32, 2*n), make([]float32, 2*n)}
	i := 0
	for y := range height {
		for x := range width {
			for _, m := range o.Mask {
				for axis, cell := range [2]int{x, y} {
					side, pixels := [2]int{width, height}[axis], o.Input[1-axis]
					at := axis*n + i
					g.scale[at] = float32(o.ScaleXY / float64(side))
					g.shift[at] = float32((float64(cell) + 0.5 - 0.5*o.ScaleXY) / float64(side))
					g.anchor[at] = float32(o.Anchors[2*m+axis] / float64(pixels))
				}
				i++
			}
		}
	}
	return g
}
