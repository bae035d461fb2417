package model

// softmaxSteps of each number: largest, exponential, sum, quotient.
const softmaxSteps = 4

// moving are the operators of ONNX that compute nothing.
var moving = map[string]bool{
	"Cast": true, "CastLike": true, "Compress": true, "Constant": true, "ConstantOfShape": true, "DepthToSpace": true,
	"Dropout": true, "Expand": true, "EyeLike": true, "Flatten": true, "Gather": true, "GatherElements": true, "GatherND": true,
	"Identity": true, "NonZero": true, "OneHot": true, "Pad": true, "Range": true, "Reshape": true, "ReverseSequence": true,
	"ScatterElements": true, "ScatterND": true, "Shape": true, "Size": true, "Slice": true, "SpaceToDepth": true, "Split": true,
	"Squeeze": true, "Tile": true, "Transpose": true, "Unsqueeze": true,
}

// reducing are those whose work is by what they read.
var reducing = map[string]bool{
	"ArgMax": true, "ArgMin": true, "CumSum": true, "GlobalAveragePool": true, "GlobalMaxPool": true, "ReduceL1": true,
	"ReduceL2": true, "ReduceLogSum": true, "ReduceLogSumExp": true, "ReduceMax": true, "ReduceMean": true, "ReduceMin": true,
	"ReduceProd": true, "ReduceSum": true, "ReduceSumSquare": true, "TopK": true,
}

// steps are operations on each number of a result, where they are not one: a
// normalisation sums, subtracts, squares and sums, scales, and has two affine steps.
var steps = map[string]int{
	"BatchNormalization": 2, "GroupNormalization": 7, "InstanceNormalization": 7, "LayerNormalization": 7,
	"RMSNormalization": 4, "SkipLayerNormalization": 8, "LogSoftmax": softmaxSteps, "Softmax": softmaxSteps,
}

// arithmetic counts an operator by its name in ONNX and the shapes it reads and
// gives. One that is not known counts one operation for each number it gives.
func (o *Generic) arithmetic(in []Shape) (macs, elementwise int64) {
	n := o.Value.Elements()
	at := func(i int) Shape {
		if i < len(in) {
			return in[i]
		}
		return nil
	}
	switch o.Type {
	case "Conv", "ConvInteger":
		return times(n, perFilter(at(1))), int64(n)
	case "QLinearConv":
		return times(n, perFilter(at(3))), int64(n)
	case "ConvTranspose":
		return times(at(0).Elements(), perFilter(at(1))), int64(n)
	case "MatMul", "MatMulInteger", "QLinearMatMul", "FusedMatMul":
		return times(n, at(0).last()), 0
	case "Gemm":
		// Either operand may be transposed: M*K x K*N is (M*N)*K^2.
		k := 0
		if n > 0 {
			k = root(times(at(0).Elements(), at(1).Elements()) / int64(n))
		}
		return times(n, k), int64(n)
	case "Attention", "MultiHeadAttention":
		// Queries by keys, and weights by values: each number of either takes
		// one step for each key.
		keys := 1
		if k := at(1); len(k) > 1 {
			keys = k[len(k)-2]
		}
		return plus(times(at(0).Elements(), keys), times(n, keys)), times(at(0).Elements()/max(at(0).last(), 1), keys, softmaxSteps)
	case "LSTM", "GRU", "RNN":
		// X is sequence x batch x input; W and R are directions x gates*hidden x (input, hidden).
		x := at(0)
		if len(x) < 2 {
			return 0, int64(n)
		}
		return times(x[0], x[1], at(1).Elements()+at(2).Elements()), int64(n)
	}
	switch {
	case moving[o.Type]:
		return 0, 0
	case reducing[o.Type]:
		return 0, int64(at(0).Elements())
	case steps[o.Type] > 0:
		return 0, times(n, steps[o.Type])
	}
	return 0, int64(n)
}

// perFilter is the number of weights of one filter.
func perFilter(weight Shape) int {
	if len(weight) == 0 {
		return 0
	}
	return weight[1:].Elements()
}

func (s Shape) last() int {
	if len(s) == 0 {
		return 1
	}
	return s[len(s)-1]
}

// root is the whole square root, rounded down.
func root(n int64) int {
	low, high := int64(0), int64(1)<<31
	for low+1 < high {
		if m := (low + high) / 2; m*m <= n {
			low = m
		} else {
			high = m
		}
	}
	return int(low)
}
