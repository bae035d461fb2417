package model

import (
	"errors"
	"fmt"
	"math"
)

// Error says which layer is wrong.
type Error struct {
	Layer int    // from 0; -1: the network as a whole
	Name  string // of the layer
	What  string // the operation in short
	Err   error
}

func (e *Error) Error() string {
	if e.Layer < 0 {
		return "network: " + e.Err.Error()
	}
	return fmt.Sprintf("layer %d %s (%s): %v", e.Layer, e.Name, e.What, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

func (g *Graph) wrong(i int, err error) *Error {
	l := &g.Layers[i]
	e := &Error{Layer: i, Name: l.Name, Err: err}
	if l.Op == nil {
		return e
	}
	e.What = Kind(l.Op)
	if len(l.From) > 0 && l.From[0] >= 0 && l.From[0] < i {
		e.What = Describe(l.Op, g.In(i))
	}
	return e
}

// Validate says whether the network keeps this package's invariants, and sets
// every layer's Shape. Errors are [*Error].
func (g *Graph) Validate() error {
	whole := func(format string, args ...any) error { return &Error{Layer: -1, Err: fmt.Errorf(format, args...)} }
	if len(g.Layers) > MaxLayers {
		return whole("has %d layers, the limit is %d", len(g.Layers), MaxLayers)
	}
	if err := g.Infer(); err != nil {
		return err
	}
	names := make(map[string]bool, len(g.Layers))
	weights := 0
	for i := range g.Layers {
		l := &g.Layers[i]
		if l.Name == "" || names[l.Name] {
			return g.wrong(i, errors.New("has no name of its own"))
		}
		names[l.Name] = true
		if err := attributes(l.Op); err != nil {
			return g.wrong(i, err)
		}
		for part := range Weights(l.Op) {
			weights += len(part.Values)
			if err := part.check(); err != nil {
				return g.wrong(i, err)
			}
		}
		if weights > MaxWeights {
			return whole("has more than %d weights by layer %s", MaxWeights, l.Name)
		}
	}
	if len(g.Inputs()) == 0 || len(g.Outputs) == 0 {
		return whole("has %d inputs and %d outputs: it needs at least one of each", len(g.Inputs()), len(g.Outputs))
	}
	for _, out := range g.Outputs {
		if out < 0 || out >= len(g.Layers) {
			return whole("output %d is no layer", out)
		}
	}
	return nil
}

// check refuses weights with which no output would be a number.
func (p Part) check() error {
	for i, x := range p.Values {
		const exponent = 0x7f800000
		if math.Float32bits(x)&exponent == exponent {
			return fmt.Errorf("%s %d is %v: the file is damaged or training diverged", p.Name, i, x)
		}
		if p.Name == "variance" && x < 0 {
			return fmt.Errorf("variance %d is %v, which is negative: the file is damaged or of another network", i, x)
		}
	}
	return nil
}
