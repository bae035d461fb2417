package onnx

import (
	"slices"

	"dashline/model"
)

// window is how one of that size slides over an image, a number for each of its
// dimensions, outermost first.
type window struct {
	size, stride, dilation []int
	before, after          []int // padding; below zero: cut off
	out                    []int
}

// window reads the attributes that all operators with windows share.
func (n *operator) window(in, size []int) window {
	list := func(name string, otherwise int) []int {
		v := n.attrInts(name)
		if v == nil {
			v = slices.Repeat([]int{otherwise}, len(in))
		}
		if len(v) != len(in) {
			n.fail("has %d %s for %d dimensions", len(v), name, len(in))
		}
		for _, x := range v {
			if x < 1 {
				n.fail("%s of %v are not possible", name, v)
			}
		}
		return v
	}
	w := window{size: size, stride: list("strides", 1), dilation: list("dilations", 1)}
	if len(size) != len(in) || slices.Min(append([]int{1}, size...)) < 1 {
		n.fail("has a window of %v over %v", size, in)
	}
	pads := n.attrInts("pads")
	if pads == nil {
		pads = make([]int, 2*len(in))
	}
	if len(pads) != 2*len(in) {
		n.fail("has %d pads for %d dimensions", len(pads), len(in))
	}
	w.before, w.after = slices.Clone(pads[:len(in)]), slices.Clone(pads[len(in):])
	return w
}

func (w *window) reach(d int) int { return w.dilation[d]*(w.size[d]-1) + 1 }

// slide works out the padding and the result of a window that moves over in.
func (n *operator) slide(in, size []int) window {
	w := n.window(in, size)
	ceil := n.attrInt("ceil_mode", 0) != 0
	auto := n.attrText("auto_pad", "NOTSET")
	for d, length := range in {
		switch auto {
		case "SAME_UPPER", "SAME_LOWER":
			out := (length + w.stride[d] - 1) / w.stride[d]
			total := max((out-1)*w.stride[d]+w.reach(d)-length, 0)
			w.before[d], w.after[d] = total/2, total-total/2
			if auto == "SAME_LOWER" {
				w.before[d], w.after[d] = w.after[d], w.before[d]
			}
		case "VALID":
			w.before[d], w.after[d] = 0, 0
		}
		room := length + w.before[d] + w.after[d] - w.reach(d)
		if room < 0 {
			n.fail("a window of %v does not fit into %v with %v and %v around it", size, in, w.before, w.after)
		}
		out := room/w.stride[d] + 1
		if ceil && auto == "NOTSET" && room%w.stride[d] != 0 && out*w.stride[d] < length+w.before[d] {
			out++ // unless it would begin behind the image
		}
		w.out = append(w.out, out)
	}
	return w
}

// image refuses what has no channels or no extent.
func (n *operator) image(i int) model.Shape { return n.rank(i, 3) }

func (n *operator) convolved(weight int) (x, w model.Shape, win window) {
	x, w = n.image(0), n.image(weight)
	groups := n.attrInt("group", 1)
	if len(x) != len(w) || groups < 1 || w[1] > x[1] || w[1]*groups != x[1] || w[0]%groups != 0 {
		n.fail("convolves %v with filters of %v in %d groups", x, w, groups)
	}
	if k := n.attrInts("kernel_shape"); k != nil && !slices.Equal(k, w[2:]) {
		n.fail("states windows of %v, its filters are %v", k, w)
	}
	return x, w, n.slide(x[2:], w[2:])
}

func convRule(n *operator) []model.Shape {
	x, w, win := n.convolved(1)
	return one(append(model.Shape{x[0], w[0]}, win.out...))
}

func qlinearConvRule(n *operator) []model.Shape {
	x, w, win := n.convolved(3)
	return one(append(model.Shape{x[0], w[0]}, win.out...))
}

// deconvolve is the window of a transposed convolution, with what is cut off
// the result as its padding, and the rows added at its end.
func (n *operator) deconvolve() (win window, extra []int) {
	x, w := n.image(0), n.image(1)
	groups := n.attrInt("group", 1)
	if len(x) != len(w) || groups < 1 || w[0] != x[1] || x[1]%groups != 0 {
		n.fail("convolves %v with filters of %v in %d groups", x, w, groups)
	}
	in := x[2:]
	win = n.window(in, w[2:])
	extra = n.attrInts("output_padding")
	if extra == nil {
		extra = make([]int, len(in))
	}
	stated := n.attrInts("output_shape")
	if len(stated) == len(x) { // older exporters state all dimensions
		stated = stated[2:]
	}
	if len(extra) != len(in) || stated != nil && len(stated) != len(in) {
		n.fail("has %d output_padding and %d output_shape for %d dimensions", len(extra), len(stated), len(in))
	}
	auto := n.attrText("auto_pad", "NOTSET")
	for d, length := range in {
		full := (length-1)*win.stride[d] + win.reach(d) + extra[d]
		target := -1
		switch {
		case stated != nil:
			target = stated[d]
		case auto == "SAME_UPPER" || auto == "SAME_LOWER":
			target = length * win.stride[d]
		case auto == "VALID":
			win.before[d], win.after[d] = 0, 0
		}
		if target >= 0 {
			total := max(full-target, 0)
			win.before[d] = total - total/2
			if auto == "SAME_UPPER" {
				win.before[d] = total / 2
			}
			win.after[d] = full - target - win.before[d]
		}
		win.out = append(win.out, full-win.before[d]-win.after[d])
	}
	return win, extra
}

func deconvRule(n *operator) []model.Shape {
	win, _ := n.deconvolve()
	filters := n.shape(1)[1] * n.attrInt("group", 1)
	return one(append(model.Shape{n.shape(0)[0], filters}, win.out...))
}

func (n *operator) pooled() (model.Shape, window) {
	x := n.image(0)
	return x, n.slide(x[2:], n.attrInts("kernel_shape"))
}

func poolRule(n *operator) []model.Shape {
	x, win := n.pooled()
	out := append(slices.Clone(x[:2]), win.out...)
	return one(out, out)
}

func globalRule(n *operator) []model.Shape {
	x := n.image(0)
	return one(append(slices.Clone(x[:2]), ones(len(x)-2)...))
}

func roiAlignRule(n *operator) []model.Shape {
	return one([]int{n.rank(1, 2)[0], n.rank(0, 4)[1], n.attrInt("output_height", 1), n.attrInt("output_width", 1)})
}

func maxRoiPoolRule(n *operator) []model.Shape {
	return one(append(model.Shape{n.rank(1, 2)[0], n.rank(0, 4)[1]}, n.attrInts("pooled_shape")...))
}

func gridSampleRule(n *operator) []model.Shape {
	x, grid := n.image(0), n.image(1)
	return one(append(slices.Clone(x[:2]), grid[1:len(grid)-1]...))
}

// scales are the factors of a Resize or an Upsample, one for each dimension,
// where it is by factors.
func (n *operator) scales() []float32 {
	if n.proto.OpType == "Upsample" && n.opset() < 9 {
		if a := attribute(n.proto, "scales"); a != nil {
			return a.Floats
		}
		n.fail("has no scales")
	}
	i := 2
	if n.proto.OpType == "Upsample" || n.opset() < 11 {
		i = 1
	}
	if n.maybe(i) == nil {
		return nil
	}
	return n.literal(i).floats
}

func resizeRule(n *operator) []model.Shape {
	x := n.shape(0)
	out := slices.Clone(x)
	axes := n.attrInts("axes")
	if axes == nil {
		for i := range x {
			axes = append(axes, i)
		}
	}
	for i := range axes {
		axes[i] = n.axis(axes[i], len(x))
	}
	if n.attrText("coordinate_transformation_mode", "") == "tf_crop_and_resize" ||
		n.attrText("keep_aspect_ratio_policy", "stretch") != "stretch" {
		n.fail("cuts or keeps the ratio of sides, which is not supported")
	}
	if scales := n.scales(); len(scales) > 0 {
		if len(scales) != len(axes) {
			n.fail("has %d scales for %d dimensions", len(scales), len(axes))
		}
		for i, s := range scales {
			if !(s > 0 && s < 1<<20) {
				n.fail("a scale of %v is not possible", s)
			}
			out[axes[i]] = int(float32(x[axes[i]]) * s)
		}
		return one(out)
	}
	sizes := n.sizes(3)
	if len(sizes) != len(axes) {
		n.fail("has %d sizes for %d dimensions", len(sizes), len(axes))
	}
	for i, s := range sizes {
		out[axes[i]] = s
	}
	return one(out)
}

func (n *operator) opset() int64 { return n.r.opset }
