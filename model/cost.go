package model

import "math"

// ValueBytes is the size of one number of a value while a network runs: a
// float32.
const ValueBytes = 4

// Cost is what one layer, or a whole network, costs in one forward.
//
// MACs are multiply-accumulates of convolutions, fully connected layers, matrix
// products, attention and recurrent layers; what falls on padding is counted, as
// is usual. Many papers call them FLOPs. [Cost.FLOPs] is twice as many, which is
// how darknet counts (src/convolutional_layer.c). All other arithmetic is
// Elementwise: one for each number that an activation, an addition or the like
// is done to, one for each number of a window, two for a normalisation.
type Cost struct {
	Parameters int64 // all floating-point numbers of weights, as a darknet file has them
	Trainable  int64 // of Parameters: without means and variances, which are measured
	Folded     int64 // what is left of Parameters when batch normalisation is folded

	// Weights are the bytes of the folded network's weights by precision.
	Weights Precisions

	MACs        int64
	Elementwise int64
	Read        int64 // bytes of values read, float32
	Written     int64 // bytes of values written, float32; views write nothing
}

// Precisions are bytes of weights. Half a float is a float; in Int8 a number of
// a filter or a matrix is one byte, each filter has a float32 scale, and biases
// are int32. Whole numbers (shapes, indices) keep their size.
type Precisions struct{ FP32, FP16, Int8 int64 }

// FLOPs are floating-point operations as darknet counts them: a multiply and an
// add for each of MACs.
func (c Cost) FLOPs() int64 { return plus(c.MACs, c.MACs) }

// Intensity is arithmetic intensity: FLOPs for each byte moved, which are those of
// weights (float32, folded), of values read and of values written. (Williams et
// al. 2009, "Roofline", doi:10.1145/1498765.1498785.) It is 0 where nothing moves.
func (c Cost) Intensity() float64 {
	moved := c.Weights.FP32 + c.Read + c.Written
	if moved == 0 {
		return 0
	}
	return float64(c.FLOPs()) / float64(moved)
}

// Plus is the sum of two costs.
func (c Cost) Plus(d Cost) Cost {
	return Cost{
		Parameters: c.Parameters + d.Parameters, Trainable: c.Trainable + d.Trainable, Folded: c.Folded + d.Folded,
		Weights: Precisions{c.Weights.FP32 + d.Weights.FP32, c.Weights.FP16 + d.Weights.FP16, c.Weights.Int8 + d.Weights.Int8},
		MACs:    plus(c.MACs, d.MACs), Elementwise: plus(c.Elementwise, d.Elementwise),
		Read: c.Read + d.Read, Written: c.Written + d.Written,
	}
}

// plus is a sum that ends at the largest int64: a hostile network may claim more.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// times is the product of lengths and counts, none negative, that ends likewise.
func times(n ...int) int64 {
	product := int64(1)
	for _, x := range n {
		if x == 0 {
			return 0
		}
		if product > math.MaxInt64/int64(x) {
			return math.MaxInt64
		}
		product *= int64(x)
	}
	return product
}

// weightCost is the part of a cost that is known without shapes.
func weightCost(op Op) Cost {
	var c Cost
	for p := range Weights(op) {
		n := int64(len(p.Values))
		c.Parameters += n
		if p.Trained {
			c.Trainable += n
		}
	}
	switch o := op.(type) {
	case *Conv:
		c.filters(len(o.Weight), o.Filters, o.Bias != nil || o.Norm != nil, o.Act)
	case *Deconv:
		c.filters(len(o.Weight), o.Filters, o.Bias != nil || o.Norm != nil, o.Act)
	case *Dense:
		c.filters(len(o.Weight), o.Out, o.Bias != nil, o.Act)
	case *Normalize: // a factor and a summand for each channel
		c.floats(2*len(o.Norm.Scale) + len(o.Act.Slope))
	case *Const:
		c.constant(o.Value)
	default:
		c.floats(int(c.Parameters))
	}
	return c
}

// filters adds weights of so many filters.
func (c *Cost) filters(weights, filters int, bias bool, act Act) {
	c.Folded += int64(weights)
	c.Weights.FP32 += 4 * int64(weights)
	c.Weights.FP16 += 2 * int64(weights)
	c.Weights.Int8 += int64(weights) + 4*int64(filters)
	if bias {
		c.floats(filters)
	}
	c.floats(len(act.Slope))
}

// floats adds numbers that int8 does not shrink.
func (c *Cost) floats(n int) {
	c.Folded += int64(n)
	c.Weights.FP32 += 4 * int64(n)
	c.Weights.FP16 += 2 * int64(n)
	c.Weights.Int8 += 4 * int64(n)
}

// constant adds a value. A matrix becomes int8 with a scale for each column.
// Whole numbers of 8 and 32 bits are weights and biases that were quantized;
// those of 64 are shapes and indices and no parameters.
func (c *Cost) constant(t *Tensor) {
	n := int64(t.Shape.Elements())
	switch {
	case !t.Type.Floating():
		if t.Type != Int64 && t.Type != Bool {
			c.Parameters, c.Trainable, c.Folded = n, n, n
		}
		n *= int64(t.Type.Bytes())
		c.Weights = Precisions{n, n, n}
	case len(t.Shape) < 2:
		c.floats(int(n))
	default:
		c.filters(int(n), t.Shape[len(t.Shape)-1], false, Act{})
	}
}

// arithmetic counts what a layer computes.
func arithmetic(l *Layer, in []Shape) (macs, elementwise int64) {
	n := l.Shape.Elements()
	switch o := l.Op.(type) {
	case *Conv:
		return times(n, len(o.Weight)/o.Filters), times(n, onResult(o.Bias, o.Norm, o.Act))
	case *Deconv:
		return times(in[0].Elements(), o.Filters/o.Groups, o.Kernel[0], o.Kernel[1]), times(n, onResult(o.Bias, o.Norm, o.Act))
	case *Dense:
		return times(n, o.In), times(n, onResult(o.Bias, nil, o.Act))
	case *MatMul:
		return times(n, in[0][len(in[0])-1]), 0
	case *Normalize:
		return 0, times(n, onResult(nil, &o.Norm, o.Act))
	case *Activate:
		return 0, int64(n)
	case *MaxPool:
		return 0, times(n, o.Size[0], o.Size[1])
	case *AvgPool:
		if o.Size == [2]int{} {
			return 0, int64(in[0].Elements())
		}
		return 0, times(n, o.Size[0], o.Size[1])
	case *Add:
		return 0, times(n, len(in)-1+onResult(nil, nil, o.Act))
	case *Mul, *Yolo:
		return 0, int64(n)
	case *Softmax:
		return 0, times(n, softmaxSteps)
	case *Generic:
		return o.arithmetic(in)
	}
	return 0, 0
}

// onResult is how much is done to each number of a result.
func onResult(bias []float32, norm *Norm, act Act) int {
	n := 0
	if bias != nil {
		n++
	}
	if norm != nil {
		n += 2
	}
	if act.Kind != Linear {
		n++
	}
	return n
}
