package onnx

import (
	"slices"

	"dashline/model"
	"dashline/model/onnx/pb"
)

// rule gives the shapes of a node's results, as ONNX describes its operator.
// Results that the node does not name may be missing at the end.
type rule func(n *operator) []model.Shape

// alike are the operators whose results all have the shape of their first input.
var alike = set("Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Bernoulli", "BitwiseNot", "Cast", "CastLike", "Ceil",
	"Celu", "Clip", "Cos", "Cosh", "CumSum", "DequantizeLinear", "Dropout", "Elu", "Erf", "Exp", "EyeLike", "Floor", "Gelu",
	"GroupNormalization", "HardSigmoid", "HardSwish", "Hardmax", "Identity", "InstanceNormalization", "IsInf", "IsNaN", "LRN",
	"LeakyRelu", "Log", "LogSoftmax", "LpNormalization", "MeanVarianceNormalization", "Mish", "Neg", "Not", "PRelu",
	"QuantizeLinear", "RMSNormalization", "RandomNormalLike", "RandomUniformLike", "Reciprocal", "Relu", "ReverseSequence",
	"RotaryEmbedding", "Round", "Scatter", "ScatterElements", "ScatterND", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh",
	"Softmax", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu", "Trilu",
	"com.microsoft.BiasGelu", "com.microsoft.FastGelu", "com.microsoft.Gelu", "com.microsoft.QuickGelu",
	"com.microsoft.QuantizeLinear", "com.microsoft.DequantizeLinear",
	"com.microsoft.SkipLayerNormalization", "com.microsoft.SkipSimplifiedLayerNormalization")

// spread are those whose inputs are held against each other as NumPy does it.
var spread = set("Add", "And", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Div", "Equal", "Greater", "GreaterOrEqual",
	"Less", "LessOrEqual", "Max", "Mean", "Min", "Mod", "Mul", "Or", "Pow", "Sub", "Sum", "Where", "Xor")

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}

var rules = map[string]rule{
	"Conv": convRule, "ConvInteger": convRule, "QLinearConv": qlinearConvRule, "com.microsoft.FusedConv": convRule,
	"ConvTranspose": deconvRule,
	"MaxPool":       poolRule, "AveragePool": poolRule, "LpPool": poolRule,
	"GlobalAveragePool": globalRule, "GlobalMaxPool": globalRule, "GlobalLpPool": globalRule,
	"BatchNormalization": batchNormRule, "LayerNormalization": layerNormRule,
	"MatMul": matMulRule, "MatMulInteger": matMulRule, "QLinearMatMul": matMulRule, "Gemm": gemmRule, "Einsum": einsumRule,

	"Reshape": reshapeRule, "Flatten": flattenRule, "Squeeze": squeezeRule, "Unsqueeze": unsqueezeRule,
	"Transpose": transposeRule, "Expand": expandRule, "Tile": tileRule, "Concat": concatRule, "Split": splitRule,
	"Slice": sliceRule, "Pad": padRule, "DepthToSpace": depthToSpaceRule, "SpaceToDepth": spaceToDepthRule,
	"Resize": resizeRule, "Upsample": resizeRule,

	"Gather": gatherRule, "GatherElements": gatherElementsRule, "GatherND": gatherNDRule, "OneHot": oneHotRule,
	"TopK": topKRule, "ArgMax": argRule, "ArgMin": argRule, "NonZero": nonZeroRule, "NonMaxSuppression": nmsRule,
	"Compress": compressRule, "RoiAlign": roiAlignRule, "MaxRoiPool": maxRoiPoolRule, "GridSample": gridSampleRule,

	"ReduceL1": reduceRule, "ReduceL2": reduceRule, "ReduceLogSum": reduceRule, "ReduceLogSumExp": reduceRule,
	"ReduceMax": reduceRule, "ReduceMean": reduceRule, "ReduceMin": reduceRule, "ReduceProd": reduceRule,
	"ReduceSum": reduceRule, "ReduceSumSquare": reduceRule,

	"Range": rangeRule, "ConstantOfShape": constantOfShapeRule, "RandomNormal": randomRule, "RandomUniform": randomRule,
	"DynamicQuantizeLinear": dynamicQuantizeRule,
	"LSTM":                  recurrentRule, "GRU": recurrentRule, "RNN": recurrentRule,
}

// shapes are those of the node's results. Of operators that are not known the
// file itself may state them.
func (n *operator) shapes() []model.Shape {
	op := n.op()
	switch f := rules[op]; {
	case f != nil:
		return f(n)
	case alike[op]:
		return slices.Repeat([]model.Shape{n.shape(0)}, len(n.proto.Output))
	case spread[op]:
		in := make([]model.Shape, len(n.in))
		for i := range in {
			in[i] = n.shape(i)
		}
		return one(n.broadcast(in...))
	}
	return n.statedShapes()
}

func one(dims ...[]int) []model.Shape {
	out := make([]model.Shape, len(dims))
	for i, d := range dims {
		out[i] = d
	}
	return out
}

// statedShapes are those of the file's value_info.
func (n *operator) statedShapes() []model.Shape {
	var out []model.Shape
	for _, name := range n.proto.Output {
		at, ok := n.r.stated[name]
		if !ok {
			n.fail("is an operator that is not known, and the file does not state the shape of its result %q", clip(name))
		}
		v, err := value(at)
		if err != nil {
			panic(failure{err})
		}
		shape := model.Shape{}
		for _, d := range v.Dims {
			shape = append(shape, int(d))
		}
		if v.Dims == nil || slices.Contains(v.Dims, -1) {
			n.fail("is an operator that is not known, and the file leaves the shape of its result %q open", clip(name))
		}
		out = append(out, shape)
	}
	return out
}

// resultType is the type of a result.
func (n *operator) resultType(result int) dataType {
	in := make([]dataType, len(n.in))
	for i, v := range n.in {
		if v != nil {
			in[i] = v.kind
		}
	}
	switch op := n.proto.OpType; {
	case op == "ConvInteger", op == "MatMulInteger":
		return pb.TensorProto_INT32
	case op == "DynamicQuantizeLinear" && result != 1:
		return pb.TensorProto_UINT8
	case op == "CastLike" && len(in) > 1:
		return in[1]
	case op == "QLinearConv" || op == "QLinearMatMul":
		if len(in) > 7 {
			return in[7]
		}
	case n.has("dtype"):
		return dataType(n.attrInt("dtype", 0))
	}
	return resultKind(n.proto, result, in)
}

func batchNormRule(n *operator) []model.Shape {
	x := n.rank(0, 1)
	channels := model.Shape{}
	if len(x) > 1 {
		channels = x[1:2]
	}
	for i := 1; i < 5; i++ {
		if s := n.shape(i); s.Elements() != channels.Elements() {
			n.fail("normalises %v with %v numbers", x, s)
		}
	}
	return one(x, channels, channels, channels, channels)
}

func layerNormRule(n *operator) []model.Shape {
	x := n.rank(0, 1)
	mean := slices.Clone(x)
	for i := n.axis(n.attrInt("axis", -1), len(x)); i < len(x); i++ {
		mean[i] = 1
	}
	return one(x, mean, mean)
}

func matMulRule(n *operator) []model.Shape {
	second := 1
	if n.op() == "QLinearMatMul" {
		second = 3
	}
	a, b := slices.Clone(n.rank(0, 1)), slices.Clone(n.rank(second, 1))
	row, column := len(a) == 1, len(b) == 1
	if row {
		a = append(model.Shape{1}, a...)
	}
	if column {
		b = append(b, 1)
	}
	if a[len(a)-1] != b[len(b)-2] {
		n.fail("multiplies %v by %v", n.shape(0), n.shape(second))
	}
	out := slices.Clone(n.broadcast(a[:len(a)-2], b[:len(b)-2]))
	if !row {
		out = append(out, a[len(a)-2])
	}
	if !column {
		out = append(out, b[len(b)-1])
	}
	return one(out)
}

func gemmRule(n *operator) []model.Shape {
	a, b := n.shape(0), n.shape(1)
	if len(a) != 2 || len(b) != 2 {
		n.fail("multiplies %v by %v, expected matrices", a, b)
	}
	if n.attrInt("transA", 0) != 0 {
		a = model.Shape{a[1], a[0]}
	}
	if n.attrInt("transB", 0) != 0 {
		b = model.Shape{b[1], b[0]}
	}
	if a[1] != b[0] {
		n.fail("multiplies %v by %v", a, b)
	}
	out := model.Shape{a[0], b[1]}
	if c := n.maybe(2); c != nil && !n.broadcast(out, c.shape).Equal(out) {
		n.fail("adds %v to %v", c.shape, out)
	}
	return one(out)
}

// reduceRule takes its dimensions from an attribute or, in newer opsets, an input.
func reduceRule(n *operator) []model.Shape {
	x := n.shape(0)
	axes := n.axes(1, len(x))
	if len(axes) == 0 {
		if n.attrInt("noop_with_empty_axes", 0) != 0 {
			return one(x)
		}
		for i := range x {
			axes = append(axes, i)
		}
	}
	out := model.Shape{}
	for i, d := range x {
		switch reduced := slices.Contains(axes, i); {
		case !reduced:
			out = append(out, d)
		case n.attrInt("keepdims", 1) != 0:
			out = append(out, 1)
		}
	}
	return one(out)
}

func argRule(n *operator) []model.Shape {
	x := n.rank(0, 1)
	axis := n.axis(n.attrInt("axis", 0), len(x))
	if n.attrInt("keepdims", 1) != 0 {
		out := slices.Clone(x)
		out[axis] = 1
		return one(out)
	}
	return one(slices.Delete(slices.Clone(x), axis, axis+1))
}

// einsumRule knows products without "...".
func einsumRule(n *operator) []model.Shape {
	terms, out, ok := equation(n.attrText("equation", ""))
	if !ok || len(terms) != len(n.in) {
		n.fail("its equation %q is not supported", clip(n.attrText("equation", "")))
	}
	length := map[byte]int{}
	for i, t := range terms {
		s := n.shape(i)
		if len(t) != len(s) {
			n.fail("reads %v as %q", s, t)
		}
		for k := range s {
			if have := length[t[k]]; have > 1 && s[k] > 1 && have != s[k] {
				n.fail("its inputs do not fit together along %q", t[k:k+1])
			}
			length[t[k]] = max(length[t[k]], s[k])
		}
	}
	shape := model.Shape{}
	for _, c := range []byte(out) {
		if length[c] == 0 {
			n.fail("gives %q, which it does not read", string(c))
		}
		shape = append(shape, length[c])
	}
	return one(shape)
}

// recurrentRule is that of LSTM, GRU and RNN.
func recurrentRule(n *operator) []model.Shape {
	x, r := n.rank(0, 3), n.rank(2, 3)
	directions, hidden := r[0], r[2]
	length, batch := x[0], x[1]
	if n.attrInt("layout", 0) != 0 {
		last := []int{x[0], directions, hidden}
		return one([]int{x[0], x[1], directions, hidden}, last, last)
	}
	last := []int{directions, batch, hidden}
	return one([]int{length, directions, batch, hidden}, last, last)
}

func dynamicQuantizeRule(n *operator) []model.Shape { return one(n.shape(0), nil, nil) }
