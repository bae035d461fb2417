package onnx

import (
	"math"

	"dashline/model"
	"dashline/model/onnx/pb"
)

// folder computes what a node gives for constants, or nil where it cannot.
type folder func(n *operator) []*literal

// folders are the operators that are computed where they read constants: those
// from which exporters make shapes, masks and positions.
var folders = map[string]folder{
	"Identity": alias, "Reshape": reshaped, "Flatten": reshaped, "Squeeze": reshaped, "Unsqueeze": reshaped,
	"Cast": foldCast, "Transpose": foldTranspose,
	"Concat": foldConcat, "Slice": foldSlice, "Split": foldSplit, "Gather": foldGather, "GatherElements": foldGatherElements,
	"Expand": foldExpand, "Tile": foldTile, "Where": foldWhere, "Range": foldRange, "ConstantOfShape": foldConstantOfShape,
	"ScatterND": foldScatterND, "NonZero": foldNonZero, "Not": foldNot, "Mod": foldMod,
	"ReduceProd": foldReduce, "ReduceSum": foldReduce, "ReduceMax": foldReduce, "ReduceMin": foldReduce,
}

// moves are those that give each number that they read once: weights may go
// through them, and are as many afterwards.
var moves = map[string]bool{
	"Identity": true, "Reshape": true, "Flatten": true, "Squeeze": true, "Unsqueeze": true, "Cast": true, "Transpose": true,
}

// folded are the node's results where they depend on shapes and constants
// alone, and nil where they do not, would cost memory out of proportion to the
// file, or would hide weights: a part of a table has fewer numbers than it.
func (n *operator) folded() []*literal {
	op := n.op()
	switch op {
	case "Shape":
		return n.shapeAsNumbers()
	case "Size":
		return n.result(pb.TensorProto_INT64, nil, nil, []int64{int64(n.shape(0).Elements())})
	}
	fold := folders[op]
	if fold == nil {
		fold = arithmetic(op)
	}
	if fold == nil || len(n.in) == 0 {
		return nil
	}
	read := 0
	for _, v := range n.in {
		if v == nil {
			continue
		}
		if v.data == nil || v.data.source != nil || v.data.weight && v.data.count() > 1 && !moves[op] {
			return nil
		}
		read += v.data.count()
	}
	if !n.afford(read) {
		return nil
	}
	results := fold(n)
	for _, v := range results {
		if len(v.shape) > maxRank {
			n.fail("its result has %d dimensions", len(v.shape))
		}
	}
	return results
}

// afford takes so many numbers off what may still be computed.
func (n *operator) afford(numbers int) bool {
	if numbers < 0 || numbers > n.r.folding {
		return false
	}
	n.r.folding -= numbers
	return true
}

// roomy says whether a result of that shape can be afforded.
func (n *operator) roomy(s model.Shape) bool {
	total := 1
	for _, d := range s {
		if d < 0 || d > 0 && total > n.r.folding/d {
			return false
		}
		total *= d
	}
	return len(s) <= maxRank && n.afford(total)
}

// result is a literal of either kind of numbers.
func (n *operator) result(kind dataType, shape model.Shape, f []float32, i []int64) []*literal {
	v := newLiteral(kind, shape)
	v.floats, v.ints = f, i
	return []*literal{v}
}

// picked is a literal of numbers of v by their places.
func (n *operator) picked(v *literal, shape model.Shape, places []int) []*literal {
	out := newLiteral(v.kind, shape)
	out.weight = v.weight
	if floats(v.kind) {
		out.floats = make([]float32, len(places))
		for i, p := range places {
			out.floats[i] = v.floats[p]
		}
		return []*literal{out}
	}
	out.ints = make([]int64, len(places))
	for i, p := range places {
		out.ints[i] = v.ints[p]
	}
	return []*literal{out}
}

func (n *operator) shapeAsNumbers() []*literal {
	s := n.shape(0)
	start, end := n.attrInt("start", 0), n.attrInt("end", len(s))
	if start < 0 {
		start += len(s)
	}
	if end < 0 {
		end += len(s)
	}
	start, end = min(max(start, 0), len(s)), min(max(end, 0), len(s))
	v := []int64{}
	for i := start; i < end; i++ {
		v = append(v, int64(s[i]))
	}
	return n.result(pb.TensorProto_INT64, model.Shape{len(v)}, nil, v)
}

func alias(n *operator) []*literal { return []*literal{n.input(0).data} }

// reshaped gives the numbers as they are another shape.
func reshaped(n *operator) []*literal {
	shape := rules[n.op()](n)[0]
	v := n.input(0).data
	if shape.Elements() != v.count() {
		n.fail("cannot make %v of %v", shape, v.shape)
	}
	return []*literal{v.reshaped(shape)}
}

func foldCast(n *operator) []*literal {
	v, to := n.input(0).data, dataType(n.attrInt("to", 0))
	if to == v.kind {
		return []*literal{v}
	}
	if !floats(to) && !whole(to) {
		return nil
	}
	out := newLiteral(to, v.shape)
	out.weight = v.weight && floats(to)
	switch {
	case floats(v.kind) && floats(to):
		out.floats = converted(v.floats, func(x float32) float32 { return rounded(to, x) })
	case floats(v.kind):
		out.ints = converted(v.floats, func(x float32) int64 {
			if to == pb.TensorProto_BOOL && x != 0 {
				return 1
			}
			return narrowed(to, int64(x))
		})
	case floats(to):
		out.floats = converted(v.ints, func(x int64) float32 { return rounded(to, float32(x)) })
	default:
		out.ints = converted(v.ints, func(x int64) int64 { return narrowed(to, x) })
	}
	return []*literal{out}
}

// rounded is x as a type holds it.
func rounded(k dataType, x float32) float32 {
	switch {
	case k == halfKind && x == x:
		h, _ := half(x)
		return fromHalf(h)
	case k == bfloat16Kind && x-x == 0: // to nearest, ties to even
		b := math.Float32bits(x)
		return math.Float32frombits((b + 0x7fff + b>>16&1) &^ 0xffff)
	}
	return x
}

// odometer steps through the places of an array, the last dimension fastest.
type odometer struct{ shape, at []int }

func (o *odometer) step() {
	for i := len(o.at) - 1; i >= 0; i-- {
		if o.at[i]++; o.at[i] < o.shape[i] {
			return
		}
		o.at[i] = 0
	}
}

// places are, for each number of a result of that shape, where it comes from:
// offset + the sum of at[i]*stride[i].
func places(shape, stride []int, offset int) []int {
	out := make([]int, model.Shape(shape).Elements())
	o := odometer{shape, make([]int, len(shape))}
	for i := range out {
		p := offset
		for d, at := range o.at {
			p += at * stride[d]
		}
		out[i] = p
		o.step()
	}
	return out
}

// strides are those of an array, row-major.
func strides(shape []int) []int {
	out := make([]int, len(shape))
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		out[i] = n
		n *= shape[i]
	}
	return out
}

// stretched are the strides with which an array of shape in fills one of shape
// out by NumPy's broadcasting.
func stretched(in, out []int) []int {
	s, result := strides(in), make([]int, len(out))
	for i := range in {
		if in[i] != 1 {
			result[len(out)-len(in)+i] = s[i]
		}
	}
	return result
}
