package onnx

import (
	"slices"

	"dashline/model"
)

// bias is input i as biases; ok says whether it is constant or left out.
func (n *operator) bias(i int) (b []float32, ok bool) {
	if n.maybe(i) == nil {
		return nil, true
	}
	b = n.floats(i)
	return b, b != nil
}

func (n *operator) conv() model.Op {
	x, w, win := n.convolved(1)
	if len(x) != 4 || x[0] != 1 || n.input(1).data == nil {
		return nil
	}
	weight := n.floats(1)
	bias, ok := n.bias(2)
	if weight == nil || !ok {
		return nil
	}
	return &model.Conv{Filters: w[0], Groups: n.attrInt("group", 1), Kernel: pair(win.size), Stride: pair(win.stride),
		Dilation: pair(win.dilation), Pad: around(win), Weight: weight, Bias: bias}
}

func (n *operator) deconv() model.Op {
	x, w := n.shape(0), n.shape(1)
	win, extra := n.deconvolve()
	if len(x) != 4 || x[0] != 1 || slices.Max(win.dilation) != 1 || n.input(1).data == nil {
		return nil
	}
	weight := n.floats(1)
	bias, ok := n.bias(2)
	if weight == nil || !ok {
		return nil
	}
	groups := n.attrInt("group", 1)
	return &model.Deconv{Filters: w[1] * groups, Groups: groups, Kernel: pair(win.size), Stride: pair(win.stride),
		Pad: around(win), Extra: pair(extra), Weight: weight, Bias: bias}
}

func (n *operator) norm() model.Op {
	if x := n.shape(0); len(x) != 4 || x[0] != 1 || n.attrInt("training_mode", 0) != 0 || n.attrInt("spatial", 1) == 0 {
		return nil
	}
	o := model.Norm{Scale: n.floats(1), Shift: n.floats(2), Mean: n.floats(3), Variance: n.floats(4),
		Epsilon: float64(n.attrFloat("epsilon", 1e-5))}
	if o.Scale == nil || o.Shift == nil || o.Mean == nil || o.Variance == nil {
		return nil
	}
	return &model.Normalize{Norm: o}
}

// gemm is a fully connected layer where it is one: x*W + b.
func (n *operator) gemm() model.Op {
	w := n.shape(1)
	if n.attrFloat("alpha", 1) != 1 || n.attrFloat("beta", 1) != 1 || n.attrInt("transA", 0) != 0 || n.input(1).data == nil {
		return nil
	}
	o := &model.Dense{In: w[0], Out: w[1]}
	if n.attrInt("transB", 0) != 0 {
		o.In, o.Out = w[1], w[0]
	}
	if c := n.maybe(2); c != nil {
		if c.data == nil || c.shape.Elements() != o.Out || len(c.shape) > 0 && c.shape[len(c.shape)-1] != o.Out {
			return nil
		}
		if o.Bias = n.floats(2); o.Bias == nil {
			return nil
		}
	}
	if n.attrInt("transB", 0) != 0 {
		o.Weight = n.floats(1)
	} else {
		o.Weight = n.turned(1)
	}
	if o.Weight == nil {
		return nil
	}
	return o
}

// dense is a product with a constant matrix.
func (n *operator) dense() model.Op {
	w := n.shape(1)
	if n.input(1).data == nil || len(w) != 2 || len(n.shape(0)) == 0 {
		return nil
	}
	weight := n.turned(1)
	if weight == nil {
		return nil
	}
	return &model.Dense{In: w[0], Out: w[1], Weight: weight}
}

// turned is a constant matrix with its rows as columns, or nil.
func (n *operator) turned(i int) []float32 {
	v := n.input(i).data
	if !floats(v.kind) || v.count() == 0 {
		return nil
	}
	if v.owners.any && !n.r.copy(v.count()) {
		return nil
	}
	v.owners.any = true
	return transposed(v.floats, v.shape[0], v.shape[1])
}

// upscale is by how much an image is enlarged if that repeats its pixels, else 0.
func (n *operator) upscale() int {
	x, out := n.shape(0), resizeRule(n)[0]
	if len(x) != 4 || x.Elements() == 0 || n.attrText("mode", "nearest") != "nearest" || x[0] != out[0] || x[1] != out[1] {
		return 0
	}
	s := out[2] / x[2]
	if s < 1 || s*x[2] != out[2] || s*x[3] != out[3] || !n.whole(s) {
		return 0
	}
	if n.proto.OpType == "Upsample" || n.opset() < 11 {
		return s
	}
	// Where output pixel i lies in the input, and how that is rounded to i/s.
	rounding := n.attrText("nearest_mode", "round_prefer_floor")
	switch n.attrText("coordinate_transformation_mode", "half_pixel") {
	case "asymmetric": // i/s
		if rounding == "floor" || rounding == "round_prefer_floor" && s <= 2 {
			return s
		}
	case "half_pixel", "pytorch_half_pixel": // (i+0.5)/s - 0.5
		if s == 1 || min(out[2], out[3]) > 1 && (rounding == "round_prefer_floor" || rounding == "round_prefer_ceil") {
			return s
		}
	}
	return 0
}

// whole says whether the factors of height and width, where given, are just s.
func (n *operator) whole(s int) bool {
	f := n.scales()
	return len(f) == 0 || len(f) == 4 && f[2] == float32(s) && f[3] == float32(s)
}

// softmax is the dimension of a softmax. Before opset 13 it was over all from
// its axis on.
func (n *operator) softmax() (axis int, ok bool) {
	x := n.shape(0)
	if n.opset() >= 13 {
		return n.axis(n.attrInt("axis", -1), len(x)), true
	}
	axis = n.axis(n.attrInt("axis", 1), len(x))
	return axis, x[axis+1:].Elements() == 1
}
