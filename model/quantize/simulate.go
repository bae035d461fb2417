package quantize

import (
	"fmt"
	"slices"

	"dashline/model"
	"dashline/model/exec"
)

// Simulator computes what an engine makes of a plan, in floats that are what the
// codes stand for. It is safe for concurrent use.
type Simulator struct {
	g      *model.Graph
	values []model.Affine
	last   []int
}

// Simulator is that of the plan as it is now.
func (p *Plan) Simulator() *Simulator {
	s := &Simulator{g: p.Graph.Clone(), values: slices.Clone(p.Quant.Values), last: p.Graph.LastReaders()}
	for i := range s.g.Layers {
		l := &s.g.Layers[i]
		codes := p.Quant.Weights[i]
		if o, ok := l.Op.(*model.Conv); ok && codes.Coded() {
			o.Weight = decoded(codes)
			roundBias(o.Bias, codes, p.Quant.Values[l.From[0]])
		}
	}
	return s
}

// Run is the network's outputs for one picture.
func (s *Simulator) Run(scratch *exec.Scratch, picture []float32) ([][]float32, error) {
	values, given := make([][]float32, len(s.g.Layers)), make([][]float32, len(s.g.Layers))
	for i := range s.g.Layers {
		l := &s.g.Layers[i]
		values[i] = make([]float32, l.Shape.Elements())
		if _, ok := l.Op.(*model.Input); ok {
			if len(picture) != len(values[i]) {
				return nil, fmt.Errorf("the picture has %d numbers, the network reads %v", len(picture), l.Shape)
			}
			copy(values[i], picture)
		} else if err := s.layer(scratch, i, values); err != nil {
			return nil, err
		}
		if s.g.IsOutput(i) { // which is given before it is made codes
			given[i] = slices.Clone(values[i])
		}
		fake(s.values[i], values[i])
		for _, from := range l.From {
			if s.last[from] == i {
				values[from] = nil
			}
		}
	}
	out := make([][]float32, len(s.g.Outputs))
	for k, o := range s.g.Outputs {
		out[k] = given[o]
	}
	return out, nil
}

func (s *Simulator) layer(scratch *exec.Scratch, i int, values [][]float32) error {
	l := &s.g.Layers[i]
	x := make([][]float32, len(l.From))
	for k, from := range l.From {
		x[k] = values[from]
	}
	return exec.Layer(l, shapes(s.g, i), x, values[i], scratch)
}
