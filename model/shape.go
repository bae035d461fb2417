package model

import (
	"errors"
	"fmt"
)

// Infer works out the shape of every layer from those of the inputs, and with
// it checks all but the values of weights. Errors are [*Error].
func (g *Graph) Infer() error {
	var read []Shape
	for i := range g.Layers {
		l := &g.Layers[i]
		if l.Op == nil {
			return g.wrong(i, errors.New("has no operation"))
		}
		read = read[:0]
		for _, from := range l.From {
			if from < 0 || from >= i {
				return g.wrong(i, fmt.Errorf("reads layer %d, which is not before it: the graph has a cycle or is out of order", from))
			}
			read = append(read, g.Layers[from].Shape)
		}
		s, err := l.Op.shape(read)
		if r, ok := l.Op.(*Result); ok && err == nil {
			s, err = g.result(l.From[0], r.Index)
		}
		if err == nil {
			err = s.bounded()
		}
		if err != nil {
			return g.wrong(i, err)
		}
		l.Shape = s
	}
	return nil
}

// bounded refuses a shape that no network needs.
func (s Shape) bounded() error {
	if len(s) > MaxRank {
		return fmt.Errorf("has %d dimensions, the limit is %d", len(s), MaxRank)
	}
	n := 1
	for _, d := range s {
		if d < 1 {
			return fmt.Errorf("nothing is left of what it reads: its value would be %v", s)
		}
		if d > MaxElements/n {
			return fmt.Errorf("its value of %v is absurdly large (at most %d numbers)", s, MaxElements)
		}
		n *= d
	}
	return nil
}

func (g *Graph) result(of, index int) (Shape, error) {
	o, ok := g.Layers[of].Op.(*Generic)
	if !ok || index < 1 || index > len(o.More) {
		return nil, fmt.Errorf("result %d of layer %s does not exist", index, g.Layers[of].Name)
	}
	return o.More[index-1], nil
}

// one refuses all but one image.
func one(in []Shape) (Shape, error) {
	if len(in) != 1 {
		return nil, fmt.Errorf("reads %d values, expected 1", len(in))
	}
	if len(in[0]) != 4 || in[0][0] != 1 {
		return nil, fmt.Errorf("reads %v, expected one image, 1xCxHxW", in[0])
	}
	return in[0], nil
}

// positive refuses sizes that a window cannot have.
func positive(pairs ...[2]int) error {
	for _, p := range pairs {
		if p[0] < 1 || p[1] < 1 || p[0] > 1<<14 || p[1] > 1<<14 {
			return fmt.Errorf("a size, stride or dilation of %dx%d is not possible", p[0], p[1])
		}
	}
	return nil
}

func (p Pad) check() error {
	for _, n := range []int{p.Top, p.Left, p.Bottom, p.Right} {
		if n < 0 || n > 1<<14 {
			return fmt.Errorf("padding %+v is not possible", p)
		}
	}
	return nil
}

// window is the length of one side after a window slid over it.
func window(in, size, stride, dilation, pad int) int {
	reach := dilation*(size-1) + 1
	if in+pad < reach {
		return 0
	}
	return (in+pad-reach)/stride + 1
}

func (o *Input) shape(in []Shape) (Shape, error) {
	if len(in) != 0 {
		return nil, errors.New("an input reads nothing")
	}
	return o.Shape, nil
}

func (o *Const) shape(in []Shape) (Shape, error) {
	if len(in) != 0 || o.Value == nil {
		return nil, errors.New("a constant reads nothing and has a value")
	}
	if err := o.Value.Shape.boundedOrEmpty(); err != nil {
		return nil, err
	}
	held := len(o.Value.Ints)
	if o.Value.Type.Floating() {
		held = len(o.Value.Floats)
	}
	if held != o.Value.Shape.Elements() {
		return nil, fmt.Errorf("holds %d numbers, its shape %v needs %d", held, o.Value.Shape, o.Value.Shape.Elements())
	}
	return o.Value.Shape, nil
}

func (s Shape) boundedOrEmpty() error {
	if len(s) == 1 && s[0] == 0 {
		return errors.New("an empty constant has no use")
	}
	return s.bounded()
}

func (o *Conv) shape(in []Shape) (Shape, error) {
	x, err := one(in)
	if err != nil {
		return nil, err
	}
	if err := positive(o.Kernel, o.Stride, o.Dilation); err != nil {
		return nil, err
	}
	if err := o.Pad.check(); err != nil {
		return nil, err
	}
	if o.Filters < 1 || o.Groups < 1 || x[1]%o.Groups != 0 || o.Filters%o.Groups != 0 {
		return nil, fmt.Errorf("%d channels and %d filters do not divide into %d groups", x[1], o.Filters, o.Groups)
	}
	if err := lengths(o.Filters, o.Filters*(x[1]/o.Groups)*o.Kernel[0]*o.Kernel[1], o.Weight, o.Bias, o.Norm, o.Act); err != nil {
		return nil, err
	}
	return Shape{1, o.Filters,
		window(x[2], o.Kernel[0], o.Stride[0], o.Dilation[0], o.Pad.Top+o.Pad.Bottom),
		window(x[3], o.Kernel[1], o.Stride[1], o.Dilation[1], o.Pad.Left+o.Pad.Right)}, nil
}

// lengths holds weights against the number of filters.
func lengths(filters, want int, weight, bias []float32, norm *Norm, act Act) error {
	if len(weight) != want {
		return fmt.Errorf("has %d weights, its shape needs %d", len(weight), want)
	}
	if bias != nil && len(bias) != filters {
		return fmt.Errorf("has %d biases for %d filters", len(bias), filters)
	}
	if norm != nil {
		if err := norm.check(filters); err != nil {
			return err
		}
	}
	return act.check(filters)
}

func (n *Norm) check(channels int) error {
	for _, v := range [][]float32{n.Scale, n.Shift, n.Mean, n.Variance} {
		if len(v) != channels {
			return fmt.Errorf("batch normalisation of %d channels has %d, %d, %d and %d numbers",
				channels, len(n.Scale), len(n.Shift), len(n.Mean), len(n.Variance))
		}
	}
	return nil
}

func (a Act) check(channels int) error {
	switch a.Kind {
	case Linear, Leaky, Relu, Relu6, Sigmoid, Tanh, Mish, Silu, HardSwish, Gelu:
		return nil
	case Prelu:
		if n := len(a.Slope); n != 1 && n != channels {
			return fmt.Errorf("prelu has %d slopes for %d channels", n, channels)
		}
		return nil
	}
	return fmt.Errorf("unknown activation %q", a.Kind)
}

func (o *Deconv) shape(in []Shape) (Shape, error) {
	x, err := one(in)
	if err != nil {
		return nil, err
	}
	if err := positive(o.Kernel, o.Stride); err != nil {
		return nil, err
	}
	if err := o.Pad.check(); err != nil {
		return nil, err
	}
	if o.Filters < 1 || o.Groups < 1 || x[1]%o.Groups != 0 || o.Filters%o.Groups != 0 {
		return nil, fmt.Errorf("%d channels and %d filters do not divide into %d groups", x[1], o.Filters, o.Groups)
	}
	if o.Extra[0] < 0 || o.Extra[1] < 0 || o.Extra[0] > o.Stride[0] || o.Extra[1] > o.Stride[1] {
		return nil, fmt.Errorf("%v extra rows and columns for strides %v", o.Extra, o.Stride)
	}
	if err := lengths(o.Filters, x[1]*(o.Filters/o.Groups)*o.Kernel[0]*o.Kernel[1], o.Weight, o.Bias, o.Norm, o.Act); err != nil {
		return nil, err
	}
	return Shape{1, o.Filters,
		(x[2]-1)*o.Stride[0] + o.Kernel[0] + o.Extra[0] - o.Pad.Top - o.Pad.Bottom,
		(x[3]-1)*o.Stride[1] + o.Kernel[1] + o.Extra[1] - o.Pad.Left - o.Pad.Right}, nil
}

func (o *Normalize) shape(in []Shape) (Shape, error) {
	x, err := one(in)
	if err != nil {
		return nil, err
	}
	if err := o.Norm.check(x[1]); err != nil {
		return nil, err
	}
	return x, o.Act.check(x[1])
}

func (o *Activate) shape(in []Shape) (Shape, error) {
	if len(in) != 1 {
		return nil, fmt.Errorf("reads %d values, expected 1", len(in))
	}
	return in[0], o.Act.check(in[0].Channels())
}

func (o *MaxPool) shape(in []Shape) (Shape, error) {
	return pooled(in, o.Size, o.Stride, o.Pad)
}

func (o *AvgPool) shape(in []Shape) (Shape, error) {
	if o.Size == [2]int{} {
		x, err := one(in)
		if err != nil {
			return nil, err
		}
		return Shape{1, x[1], 1, 1}, nil
	}
	return pooled(in, o.Size, o.Stride, o.Pad)
}

func pooled(in []Shape, size, stride [2]int, pad Pad) (Shape, error) {
	x, err := one(in)
	if err != nil {
		return nil, err
	}
	if err := positive(size, stride); err != nil {
		return nil, err
	}
	if err := pad.check(); err != nil {
		return nil, err
	}
	return Shape{1, x[1], window(x[2], size[0], stride[0], 1, pad.Top+pad.Bottom), window(x[3], size[1], stride[1], 1, pad.Left+pad.Right)}, nil
}

func (o *Upsample) shape(in []Shape) (Shape, error) {
	x, err := one(in)
	if err != nil {
		return nil, err
	}
	if o.Scale < 1 || o.Scale > 64 {
		return nil, fmt.Errorf("scale %d is not possible", o.Scale)
	}
	return Shape{1, x[1], x[2] * o.Scale, x[3] * o.Scale}, nil
}

func (o *Add) shape(in []Shape) (Shape, error) {
	if len(in) < 2 {
		return nil, fmt.Errorf("adds %d values", len(in))
	}
	s, err := broadcast(in...)
	if err != nil {
		return nil, err
	}
	return s, o.Act.check(s.Channels())
}

func (o *Mul) shape(in []Shape) (Shape, error) {
	if len(in) != 2 {
		return nil, fmt.Errorf("multiplies %d values", len(in))
	}
	return broadcast(in...)
}

// broadcast is NumPy's rule: shapes are held against each other from their
// last dimension on; a length of 1 stretches.
func broadcast(in ...Shape) (Shape, error) {
	var out Shape
	for _, s := range in {
		if len(s) > len(out) {
			out = append(make(Shape, len(s)-len(out)), out...)
		}
		for i := range s {
			o := &out[len(out)-1-i]
			switch d := s[len(s)-1-i]; {
			case *o == d || d == 1 && *o != 0:
			case *o == 0 || *o == 1:
				*o = d
			default:
				return nil, fmt.Errorf("values of %v do not fit together", in)
			}
		}
	}
	return out, nil
}

func (o *Concat) shape(in []Shape) (Shape, error) {
	if len(in) == 0 || o.Axis < 0 || o.Axis >= len(in[0]) {
		return nil, fmt.Errorf("joins %d values along dimension %d", len(in), o.Axis)
	}
	out := append(Shape(nil), in[0]...)
	for _, s := range in[1:] {
		if len(s) != len(out) {
			return nil, fmt.Errorf("joins values of %v", in)
		}
		for i := range s {
			if i != o.Axis && s[i] != out[i] {
				return nil, fmt.Errorf("joins values of %v along dimension %d: all others have to be equal", in, o.Axis)
			}
		}
		out[o.Axis] += s[o.Axis]
	}
	return out, nil
}

func (o *Slice) shape(in []Shape) (Shape, error) {
	if len(in) != 1 || o.Axis < 0 || o.Axis >= len(in[0]) {
		return nil, fmt.Errorf("takes a part of %v along dimension %d", in, o.Axis)
	}
	if o.Start < 0 || o.Count < 1 || o.Start > in[0][o.Axis]-o.Count {
		return nil, fmt.Errorf("takes %d from %d on of %d", o.Count, o.Start, in[0][o.Axis])
	}
	out := append(Shape(nil), in[0]...)
	out[o.Axis] = o.Count
	return out, nil
}

func (o *Dense) shape(in []Shape) (Shape, error) {
	if len(in) != 1 || len(in[0]) == 0 || in[0][len(in[0])-1] != o.In {
		return nil, fmt.Errorf("reads %v, expected %d numbers in the last dimension", in, o.In)
	}
	if o.In < 1 || o.Out < 1 || o.Out > MaxElements {
		return nil, fmt.Errorf("%d->%d is not possible", o.In, o.Out)
	}
	if err := lengths(o.Out, o.In*o.Out, o.Weight, o.Bias, nil, o.Act); err != nil {
		return nil, err
	}
	out := append(Shape(nil), in[0]...)
	out[len(out)-1] = o.Out
	return out, nil
}

func (o *MatMul) shape(in []Shape) (Shape, error) {
	if len(in) != 2 || len(in[0]) < 2 || len(in[1]) < 2 {
		return nil, fmt.Errorf("multiplies %v", in)
	}
	a, b := in[0], in[1]
	if a[len(a)-1] != b[len(b)-2] {
		return nil, fmt.Errorf("multiplies %v by %v", a, b)
	}
	out, err := broadcast(a[:len(a)-2], b[:len(b)-2])
	return append(out, a[len(a)-2], b[len(b)-1]), err
}

func (o *Identity) shape(in []Shape) (Shape, error) {
	if len(in) != 1 {
		return nil, fmt.Errorf("reads %d values, expected 1", len(in))
	}
	return in[0], nil
}

func (o *Softmax) shape(in []Shape) (Shape, error) {
	if len(in) != 1 || o.Axis < 0 || o.Axis >= len(in[0]) {
		return nil, fmt.Errorf("reads %v, works along dimension %d", in, o.Axis)
	}
	return in[0], nil
}

func (o *Yolo) shape(in []Shape) (Shape, error) {
	x, err := one(in)
	if err != nil {
		return nil, err
	}
	if o.Classes < 1 || len(o.Mask) == 0 || x[1] != len(o.Mask)*(5+o.Classes) {
		return nil, fmt.Errorf("reads %d channels, %d anchors x (%d classes + 5) need %d", x[1], len(o.Mask), o.Classes, len(o.Mask)*(5+o.Classes))
	}
	for _, m := range o.Mask {
		if m < 0 || 2*m+1 >= len(o.Anchors) {
			return nil, fmt.Errorf("mask %d, but there are %d anchors", m, len(o.Anchors)/2)
		}
	}
	if err := positive(o.Input); err != nil {
		return nil, err
	}
	return Shape{x[2] * x[3] * len(o.Mask), 5 + o.Classes}, nil
}

func (o *Generic) shape([]Shape) (Shape, error) {
	if o.Type == "" {
		return nil, errors.New("has no name")
	}
	for _, s := range o.More {
		if err := s.bounded(); err != nil {
			return nil, err
		}
	}
	return o.Value, nil
}

func (o *Result) shape(in []Shape) (Shape, error) {
	if len(in) != 1 {
		return nil, fmt.Errorf("reads %d values, expected 1", len(in))
	}
	return nil, nil // Infer looks it up
}
