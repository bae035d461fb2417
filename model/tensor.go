package model

import (
	"fmt"
	"slices"
	"strings"
)

// Shape is the lengths of a value's dimensions, outermost first. A nil Shape
// is a single number, as is an empty one.
type Shape []int

// Elements is the number of values.
func (s Shape) Elements() int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

// Channels, Height and Width are those of an image, 1xCxHxW; missing
// dimensions count as 1.
func (s Shape) Channels() int { return s.dim(1) }

// Height is the number of rows of an image.
func (s Shape) Height() int { return s.dim(2) }

// Width is the number of columns of an image.
func (s Shape) Width() int { return s.dim(3) }

func (s Shape) dim(i int) int {
	if i < len(s) {
		return s[i]
	}
	return 1
}

// Equal compares lengths.
func (s Shape) Equal(t Shape) bool { return slices.Equal(s, t) }

func (s Shape) String() string {
	if len(s) == 0 {
		return "scalar"
	}
	words := make([]string, len(s))
	for i, d := range s {
		words[i] = fmt.Sprint(d)
	}
	return strings.Join(words, "x")
}

// Type is the type of a tensor's elements.
type Type string

// The types. Everything that networks compute with is held as float32, all
// whole numbers as int64, whatever they are in a file.
const (
	Float32 Type = "float32"
	Float16 Type = "float16"
	Int64   Type = "int64"
	Int32   Type = "int32"
	Int8    Type = "int8"
	Uint8   Type = "uint8"
	Bool    Type = "bool"
)

// Tensor is an array of numbers, row-major. Type says what they are in a file;
// Floats holds them where that is a float type, Ints otherwise.
type Tensor struct {
	Shape  Shape
	Type   Type
	Floats []float32
	Ints   []int64
}

// Clone is a copy.
func (t *Tensor) Clone() *Tensor {
	if t == nil {
		return nil
	}
	return &Tensor{slices.Clone(t.Shape), t.Type, slices.Clone(t.Floats), slices.Clone(t.Ints)}
}

// Floating says whether the elements are in Floats.
func (t Type) Floating() bool { return t == Float32 || t == Float16 }

// Bytes is the size of one element.
func (t Type) Bytes() int {
	switch t {
	case Int64:
		return 8
	case Float32, Int32:
		return 4
	case Float16:
		return 2
	}
	return 1
}
