package onnx

import "fmt"

// Picture returns the model's one input if a picture fits it, float32
// 1x3xheightxwidth, and says why not otherwise. An input that states no
// dimensions, or leaves some open, takes any.
func (m *Model) Picture(width, height int) (Value, error) {
	if len(m.Inputs) != 1 {
		return Value{}, fmt.Errorf("the model has %d inputs: a network here takes one picture", len(m.Inputs))
	}
	const float32Type = 1
	in, want := m.Inputs[0], []int64{1, 3, int64(height), int64(width)}
	fits := in.Type == float32Type && (in.Dims == nil || len(in.Dims) == len(want))
	for i := 0; fits && i < len(in.Dims); i++ {
		fits = in.Dims[i] < 0 || in.Dims[i] == want[i]
	}
	if !fits {
		return Value{}, fmt.Errorf("input %s has type %d and shape %v, which does not fit float32 %v: give the description the model's own size", in.Name, in.Type, in.Dims, want)
	}
	return in, nil
}
