package onnx

import "dashline/model/onnx/pb"

// sameType are operators whose first result has the type of their first input,
// whatever that is. Of others the type is not known while a file is checked.
var sameType = set("Abs", "Add", "AveragePool", "BatchNormalization", "Ceil", "Clip", "Concat", "Conv", "ConvTranspose", "Div",
	"Dropout", "Elu", "Erf", "Exp", "Expand", "Flatten", "Floor", "Gather", "GatherElements", "GatherND", "Gemm",
	"GlobalAveragePool", "GlobalMaxPool", "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "LayerNormalization",
	"LeakyRelu", "Log", "MatMul", "Max", "MaxPool", "Min", "Mul", "Neg", "PRelu", "Pad", "Pow", "Reciprocal", "ReduceMax",
	"ReduceMean", "ReduceMin", "ReduceSum", "Relu", "Reshape", "Resize", "Sigmoid", "Slice", "Softmax", "Softplus", "Split",
	"Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Tile", "Transpose", "Unsqueeze", "Upsample")

// typeOf is the type of a value, 0 where it is not known.
func (s *scope) typeOf(name string) int64 {
	for ; s != nil; s = s.outer {
		if t := s.types[name]; t != 0 {
			return t
		}
	}
	return 0
}

// typed notes the type of what a node gives, and refuses indices that are no
// whole numbers. m is the node.
func (s *scope) typed(m message, op string, inputs, outputs []string) error {
	if len(inputs) == 0 || len(outputs) == 0 {
		return nil
	}
	switch op {
	case "Gather", "GatherElements", "GatherND":
		if len(inputs) < 2 {
			return m.wrong("has no indices")
		}
		switch t := s.typeOf(inputs[1]); pb.TensorProto_DataType(t) {
		case pb.TensorProto_NONE, pb.TensorProto_INT64, pb.TensorProto_INT32:
		default:
			return m.wrong("its indices %q have the type %v, expected INT64 or INT32", clip(inputs[1]), pb.TensorProto_DataType(t))
		}
	}
	if sameType[op] && outputs[0] != "" {
		s.types[outputs[0]] = s.typeOf(inputs[0])
	}
	return nil
}
