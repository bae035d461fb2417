package model

// Quant is how a network computes in 8 bits: which of its values and weights
// are codes, and what these stand for. Both are by layer. What is not named
// stays float.
type Quant struct {
	Values  []Affine
	Weights []Codes // of convolutions, of whose input Values has a code
}

// Affine says what the codes of a value stand for: Scale*(code-Zero), codes
// being 0 to 255. The zero Affine has none.
type Affine struct {
	Scale float32
	Zero  uint8
}

// Codes are the weights of a convolution: in filter f a code stands for
// Scale[f]*code, codes being -127 to 127. The bias is a whole number of
// steps of the product of Scale[f] and the scale of what is read.
type Codes struct {
	Scale  []float32 // a filter
	Values []int8    // as Conv.Weight
}

// Coded says whether there are codes.
func (a Affine) Coded() bool { return a.Scale != 0 }

// Coded says whether there are codes.
func (c Codes) Coded() bool { return c.Values != nil }
