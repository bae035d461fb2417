package exec

import (
	"math"

	"dashline/model"
)

// at is a value as a function of its position in each dimension, 0 outside.
type at struct {
	shape model.Shape
	x     []float32
}

func (a at) get(pos ...int) (v float64, inside bool) {
	i := 0
	for d, p := range pos {
		if p < 0 || p >= a.shape[d] {
			return 0, false
		}
		i = i*a.shape[d] + p
	}
	return float64(a.x[i]), true
}

// reference computes a layer number by number from what its operation means.
func reference(l *model.Layer, in []model.Shape, x [][]float32) []float64 {
	read := make([]at, len(x))
	for i := range x {
		read[i] = at{in[i], x[i]}
	}
	out := make([]float64, l.Shape.Elements())
	pos := make([]int, len(l.Shape))
	for i := range out {
		rest := i
		for d := len(pos) - 1; d >= 0; d-- {
			pos[d], rest = rest%l.Shape[d], rest/l.Shape[d]
		}
		out[i] = number(l.Op, l.Shape, read, pos)
	}
	return out
}

// number is a layer's value at one position.
func number(op model.Op, shape model.Shape, x []at, pos []int) float64 {
	switch o := op.(type) {
	case *model.Conv:
		return activation(o.Act, pos[1], normal(o.Norm, pos[1], convSum(o, x[0], pos)))
	case *model.Deconv:
		return activation(o.Act, pos[1], normal(o.Norm, pos[1], deconvSum(o, x[0], pos)))
	case *model.Normalize:
		v, _ := x[0].get(pos...)
		return activation(o.Act, pos[1], normal(&o.Norm, pos[1], v))
	case *model.Activate:
		v, _ := x[0].get(pos...)
		channel := 0
		if len(pos) > 1 {
			channel = pos[1]
		}
		return activation(o.Act, channel, v)
	case *model.MaxPool:
		v, n := math.Inf(-1), 0
		windowOf(o.Size, o.Stride, o.Pad, x[0], pos, func(w float64) { v = max(v, w); n++ })
		return v
	case *model.AvgPool:
		size, stride := o.Size, o.Stride
		if size == [2]int{} {
			size, stride = [2]int{x[0].shape[2], x[0].shape[3]}, [2]int{1, 1}
		}
		sum, n := 0.0, 0
		windowOf(size, stride, o.Pad, x[0], pos, func(w float64) { sum += w; n++ })
		if o.CountPad {
			n = size[0] * size[1]
		}
		if n == 0 {
			return 0
		}
		return sum / float64(n)
	case *model.Upsample:
		v, _ := x[0].get(0, pos[1], pos[2]/o.Scale, pos[3]/o.Scale)
		return v
	case *model.Add:
		sum := 0.0
		for _, a := range x {
			sum += stretched(a, pos)
		}
		channel := 0
		if len(pos) > 1 {
			channel = pos[1]
		}
		return activation(o.Act, channel, sum)
	case *model.Mul:
		return stretched(x[0], pos) * stretched(x[1], pos)
	case *model.Concat:
		p := append([]int(nil), pos...)
		for _, a := range x {
			if v, ok := a.get(p...); ok {
				return v
			}
			p[o.Axis] -= a.shape[o.Axis]
		}
	case *model.Slice:
		p := append([]int(nil), pos...)
		p[o.Axis] += o.Start
		v, _ := x[0].get(p...)
		return v
	case *model.Dense:
		p := append([]int(nil), pos...)
		f := pos[len(pos)-1]
		sum := 0.0
		if o.Bias != nil {
			sum = float64(o.Bias[f])
		}
		for i := range o.In {
			p[len(p)-1] = i
			v, _ := x[0].get(p...)
			sum += v * float64(o.Weight[f*o.In+i])
		}
		return activation(o.Act, f, sum)
	case *model.MatMul:
		a, b := append([]int(nil), pos...), append([]int(nil), pos...)
		sum := 0.0
		for i := range x[0].shape[len(x[0].shape)-1] {
			a[len(a)-1], b[len(b)-2] = i, i
			sum += stretched(x[0], a) * stretched(x[1], b)
		}
		return sum
	case *model.Identity:
		v, _ := x[0].get(pos...)
		return v
	case *model.Softmax:
		p := append([]int(nil), pos...)
		sum := 0.0
		for i := range shape[o.Axis] {
			p[o.Axis] = i
			v, _ := x[0].get(p...)
			sum += math.Exp(v)
		}
		v, _ := x[0].get(pos...)
		return math.Exp(v) / sum
	case *model.Yolo:
		return yoloNumber(o, x[0], pos[0], pos[1])
	}
	panic(model.Kind(op))
}

func convSum(o *model.Conv, x at, pos []int) float64 {
	f := pos[1]
	channels := x.shape[1] / o.Groups
	weight := at{model.Shape{o.Filters, channels, o.Kernel[0], o.Kernel[1]}, o.Weight}
	sum := 0.0
	if o.Bias != nil {
		sum = float64(o.Bias[f])
	}
	group := f / (o.Filters / o.Groups)
	for c := range channels {
		for ky := range o.Kernel[0] {
			for kx := range o.Kernel[1] {
				v, _ := x.get(0, group*channels+c,
					pos[2]*o.Stride[0]-o.Pad.Top+ky*o.Dilation[0], pos[3]*o.Stride[1]-o.Pad.Left+kx*o.Dilation[1])
				w, _ := weight.get(f, c, ky, kx)
				sum += v * w
			}
		}
	}
	return sum
}

// deconvSum looks for the pixels that come to lie on a position, a weight each.
func deconvSum(o *model.Deconv, x at, pos []int) float64 {
	f := pos[1]
	filters, channels := o.Filters/o.Groups, x.shape[1]/o.Groups
	weight := at{model.Shape{x.shape[1], filters, o.Kernel[0], o.Kernel[1]}, o.Weight}
	sum := 0.0
	if o.Bias != nil {
		sum = float64(o.Bias[f])
	}
	for ky := range o.Kernel[0] {
		for kx := range o.Kernel[1] {
			y, z := pos[2]+o.Pad.Top-ky, pos[3]+o.Pad.Left-kx
			if y%o.Stride[0] != 0 || z%o.Stride[1] != 0 {
				continue
			}
			group := f / filters
			for c := group * channels; c < (group+1)*channels; c++ {
				v, _ := x.get(0, c, y/o.Stride[0], z/o.Stride[1])
				w, _ := weight.get(c, f%filters, ky, kx)
				sum += v * w
			}
		}
	}
	return sum
}

func normal(n *model.Norm, c int, x float64) float64 {
	if n == nil {
		return x
	}
	return float64(n.Scale[c])*(x-float64(n.Mean[c]))/math.Sqrt(float64(n.Variance[c])+n.Epsilon) + float64(n.Shift[c])
}

func activation(a model.Act, c int, x float64) float64 {
	switch a.Kind {
	case model.Leaky:
		return max(x, 0) + float64(a.Alpha)*min(x, 0)
	case model.Relu:
		return max(x, 0)
	case model.Relu6:
		return min(max(x, 0), 6)
	case model.Sigmoid:
		return 1 / (1 + math.Exp(-x))
	case model.Tanh:
		return math.Tanh(x)
	case model.Mish:
		return x * math.Tanh(math.Log1p(math.Exp(x)))
	case model.Silu:
		return x / (1 + math.Exp(-x))
	case model.HardSwish:
		return x * min(max(x/6+0.5, 0), 1)
	case model.Gelu:
		return x * math.Erfc(-x/math.Sqrt2) / 2
	case model.Prelu:
		if len(a.Slope) == 1 {
			c = 0
		}
		return max(x, 0) + float64(a.Slope[c])*min(x, 0)
	}
	return x
}

// windowOf calls f with what a window sees of the image.
func windowOf(size, stride [2]int, pad model.Pad, x at, pos []int, f func(float64)) {
	for y := range size[0] {
		for z := range size[1] {
			if v, ok := x.get(0, pos[1], pos[2]*stride[0]-pad.Top+y, pos[3]*stride[1]-pad.Left+z); ok {
				f(v)
			}
		}
	}
}

// stretched is a value at a position of a shape that it is stretched to.
func stretched(a at, pos []int) float64 {
	p := append([]int(nil), pos[len(pos)-len(a.shape):]...)
	for i := range p {
		if a.shape[i] == 1 {
			p[i] = 0
		}
	}
	v, _ := a.get(p...)
	return v
}

func yoloNumber(o *model.Yolo, x at, row, column int) float64 {
	h, w := x.shape[2], x.shape[3]
	anchor := row % len(o.Mask)
	cell := row / len(o.Mask)
	raw := func(i int) float64 {
		v, _ := x.get(0, anchor*(5+o.Classes)+i, cell/w, cell%w)
		return v
	}
	sigmoid := func(v float64) float64 { return 1 / (1 + math.Exp(-v)) }
	width, height := o.Anchors[2*o.Mask[anchor]], o.Anchors[2*o.Mask[anchor]+1]
	switch column {
	case 0:
		return (float64(cell%w) + sigmoid(raw(0))*o.ScaleXY - (o.ScaleXY-1)/2) / float64(w)
	case 1:
		return (float64(cell/w) + sigmoid(raw(1))*o.ScaleXY - (o.ScaleXY-1)/2) / float64(h)
	case 2:
		return math.Exp(raw(2)) * width / float64(o.Input[1])
	case 3:
		return math.Exp(raw(3)) * height / float64(o.Input[0])
	case 4:
		return sigmoid(raw(4))
	}
	return sigmoid(raw(4)) * sigmoid(raw(column))
}
