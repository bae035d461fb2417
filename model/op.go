package model

import (
	"fmt"
	"slices"
)

// Op is what a layer computes. The structs of this package are all there are.
type Op interface {
	// shape is the value's shape for the shapes of what is read, after checking
	// arity, options and the lengths of weights.
	shape(in []Shape) (Shape, error)
	clone() Op
}

// Input is what is fed from outside.
type Input struct {
	Shape Shape
	// Type of what is fed where that is no floats: [Int64] for tokens, or the
	// format's word in lower case where there is no name for it here. Empty: floats,
	// float32 here and in what is written.
	Type Type
}

// Const is a value that never changes and is not a weight of a layer of its own kind.
type Const struct{ Value *Tensor }

// Conv is a convolution, then Norm, then Act. It reads one image.
type Conv struct {
	Filters, Groups          int
	Kernel, Stride, Dilation [2]int    // height, width
	Pad                      Pad       // with zeros
	Weight                   []float32 // Filters x (channels/Groups) x height x width
	Bias                     []float32 // a filter, before Norm; nil: none
	Norm                     *Norm     // nil: none
	Act                      Act
}

// Deconv is a transposed convolution, then Norm, then Act. It reads one image.
type Deconv struct {
	Filters, Groups int
	Kernel, Stride  [2]int
	Pad             Pad       // cut off the result
	Extra           [2]int    // rows and columns added at the end
	Weight          []float32 // channels x (Filters/Groups) x height x width
	Bias            []float32
	Norm            *Norm
	Act             Act
}

// Pad is rows and columns added around an image.
type Pad struct{ Top, Left, Bottom, Right int }

// Norm is batch normalisation of channels with fixed statistics:
// Scale*(x-Mean)/sqrt(Variance+Epsilon) + Shift (Ioffe and Szegedy 2015, arXiv:1502.03167).
type Norm struct {
	Scale, Shift, Mean, Variance []float32 // a channel
	Epsilon                      float64
}

// Normalize is a batch normalisation that follows no convolution, then Act.
type Normalize struct {
	Norm Norm
	Act  Act
}

// Act is an activation function. Alpha is the slope of leaky below zero;
// Slope those of prelu, a channel or one for all.
type Act struct {
	Kind  ActKind
	Alpha float32
	Slope []float32
}

// ActKind names an activation function.
type ActKind string

// The activation functions; the empty one is the identity.
const (
	Linear    ActKind = ""
	Leaky     ActKind = "leaky"
	Relu      ActKind = "relu"
	Relu6     ActKind = "relu6"
	Sigmoid   ActKind = "sigmoid"
	Tanh      ActKind = "tanh"
	Mish      ActKind = "mish"      // x*tanh(ln(1+e^x))
	Silu      ActKind = "silu"      // x*sigmoid(x)
	HardSwish ActKind = "hardswish" // x*min(max(x/6+0.5, 0), 1)
	Gelu      ActKind = "gelu"      // x*(1+erf(x/sqrt(2)))/2
	Prelu     ActKind = "prelu"
)

// Activate is an activation that follows no convolution or sum.
type Activate struct{ Act Act }

// MaxPool is the largest of each window; what is padded never is.
type MaxPool struct {
	Size, Stride [2]int
	Pad          Pad
}

// AvgPool is the mean of each window. A zero Size is the whole image.
type AvgPool struct {
	Size, Stride [2]int
	Pad          Pad
	CountPad     bool // what is padded counts as zeros
}

// Upsample repeats each pixel Scale times in both directions.
type Upsample struct{ Scale int }

// Add is the sum of values of one shape, or with NumPy's broadcasting, then Act.
type Add struct{ Act Act }

// Mul is the product of two values, with NumPy's broadcasting.
type Mul struct{}

// Concat joins values along Axis.
type Concat struct{ Axis int }

// Slice takes Count steps from Start along Axis.
type Slice struct{ Axis, Start, Count int }

// Dense is a fully connected layer over the last dimension, then Act.
type Dense struct {
	In, Out int
	Weight  []float32 // Out x In
	Bias    []float32 // nil: none
	Act     Act
}

// MatMul is a matrix product of two values over their last two dimensions, with
// NumPy's broadcasting of the others.
type MatMul struct{}

// Identity is its input: dropout when a network is used, or a route of one layer.
type Identity struct{}

// Softmax is exp(x) over its sum along Axis.
type Softmax struct{ Axis int }

// Yolo is a detection head of YOLOv3 (Redmon and Farhadi 2018,
// arXiv:1804.02767). It reads 1 x len(Mask)*(5+Classes) x H x W and gives
// H*W*len(Mask) rows, cells row-major and the anchors of a cell side by side, of
// centre x, y, width, height (in parts of the picture), objectness, and for each
// class its probability times the objectness.
type Yolo struct {
	Mask    []int
	Anchors []float64 // width, height pairs in input pixels, all of the network's
	Classes int
	ScaleXY float64 // of the offsets in a cell; 1 in YOLOv3
	// Input is the network's input, height and width: anchors are in its pixels.
	Input [2]int
}

// Generic is any other operator: its cost is known, it is written back as it
// was read, and it is never changed.
type Generic struct {
	Type   string  // as its format names it: "Gather"
	Value  Shape   // of its first result
	More   []Shape // of its other results
	Source any     // what the format's writer needs to write it again; never changed
	// Version is that of the format's operators which the source is one of, as
	// ONNX's opset; 0: it is the same in all.
	Version int
}

// Result is another result of a [Generic] than its first; Index counts from 1.
type Result struct{ Index int }

// Kind is an operation in a word: "conv".
func Kind(op Op) string {
	switch o := op.(type) {
	case *Input:
		return "input"
	case *Const:
		return "const"
	case *Conv:
		return "conv"
	case *Deconv:
		return "deconv"
	case *Normalize:
		return "norm"
	case *Activate:
		return "act"
	case *MaxPool:
		return "maxpool"
	case *AvgPool:
		return "avgpool"
	case *Upsample:
		return "upsample"
	case *Add:
		return "add"
	case *Mul:
		return "mul"
	case *Concat:
		return "concat"
	case *Slice:
		return "slice"
	case *Dense:
		return "dense"
	case *MatMul:
		return "matmul"
	case *Identity:
		return "identity"
	case *Softmax:
		return "softmax"
	case *Yolo:
		return "yolo"
	case *Generic:
		return o.Type
	case *Result:
		return "result"
	}
	return "unknown"
}

func (o *Input) clone() Op { return &Input{slices.Clone(o.Shape), o.Type} }
func (o *Const) clone() Op { return &Const{o.Value.Clone()} }
func (o *Conv) clone() Op {
	c := *o
	c.Weight, c.Bias, c.Norm, c.Act = slices.Clone(o.Weight), slices.Clone(o.Bias), o.Norm.clone(), o.Act.clone()
	return &c
}
func (o *Deconv) clone() Op {
	c := *o
	c.Weight, c.Bias, c.Norm, c.Act = slices.Clone(o.Weight), slices.Clone(o.Bias), o.Norm.clone(), o.Act.clone()
	return &c
}
func (o *Normalize) clone() Op { return &Normalize{*o.Norm.clone(), o.Act.clone()} }
func (o *Activate) clone() Op  { return &Activate{o.Act.clone()} }
func (o *MaxPool) clone() Op   { c := *o; return &c }
func (o *AvgPool) clone() Op   { c := *o; return &c }
func (o *Upsample) clone() Op  { c := *o; return &c }
func (o *Add) clone() Op       { return &Add{o.Act.clone()} }
func (o *Mul) clone() Op       { return &Mul{} }
func (o *Concat) clone() Op    { c := *o; return &c }
func (o *Slice) clone() Op     { c := *o; return &c }
func (o *Dense) clone() Op {
	c := *o
	c.Weight, c.Bias, c.Act = slices.Clone(o.Weight), slices.Clone(o.Bias), o.Act.clone()
	return &c
}
func (o *MatMul) clone() Op   { return &MatMul{} }
func (o *Identity) clone() Op { return &Identity{} }
func (o *Softmax) clone() Op  { c := *o; return &c }
func (o *Yolo) clone() Op {
	c := *o
	c.Mask, c.Anchors = slices.Clone(o.Mask), slices.Clone(o.Anchors)
	return &c
}
func (o *Generic) clone() Op {
	c := *o
	c.Value, c.More = slices.Clone(o.Value), slices.Clone(o.More)
	return &c
}
func (o *Result) clone() Op { c := *o; return &c }

func (n *Norm) clone() *Norm {
	if n == nil {
		return nil
	}
	return &Norm{slices.Clone(n.Scale), slices.Clone(n.Shift), slices.Clone(n.Mean), slices.Clone(n.Variance), n.Epsilon}
}

func (a Act) clone() Act {
	a.Slope = slices.Clone(a.Slope)
	return a
}

// Describe is an operation in short: "conv 3x3/2 32->64 leaky". in is the
// shape that it reads.
func Describe(op Op, in Shape) string {
	switch o := op.(type) {
	case *Conv:
		s := fmt.Sprintf("conv %dx%d/%d %d->%d", o.Kernel[0], o.Kernel[1], o.Stride[0], in.Channels(), o.Filters)
		if o.Groups > 1 {
			s += fmt.Sprintf(" in %d groups", o.Groups)
		}
		if o.Norm != nil {
			s += " norm"
		}
		if o.Act.Kind != Linear {
			s += " " + string(o.Act.Kind)
		}
		return s
	case *Deconv:
		return fmt.Sprintf("deconv %dx%d/%d %d->%d", o.Kernel[0], o.Kernel[1], o.Stride[0], in.Channels(), o.Filters)
	case *MaxPool:
		return fmt.Sprintf("maxpool %dx%d/%d", o.Size[0], o.Size[1], o.Stride[0])
	case *Dense:
		return fmt.Sprintf("dense %d->%d", o.In, o.Out)
	case *Yolo:
		return fmt.Sprintf("yolo %d anchors, %d classes", len(o.Mask), o.Classes)
	}
	return Kind(op)
}
