package prune

import (
	"fmt"
	"slices"

	"dashline/model"
)

// Remove is a network of its own without the channels that do not stay. Its
// layers have the names, order and connections of g's; groups of convolutions
// that left as a whole are no longer counted, and slices along the channels start
// and end where what they took has moved. g is the network that was analysed, or
// one of the same layers.
func (s *Structure) Remove(g *model.Graph, k Keep) (*model.Graph, error) {
	if err := s.fits(g); err != nil {
		return nil, err
	}
	if err := s.Check(k); err != nil {
		return nil, err
	}
	small := g.Clone()
	for i := range small.Layers {
		s.shrink(g, small.Layers[i].Op, i, k)
	}
	if err := small.Validate(); err != nil {
		return nil, fmt.Errorf("what would be left is no network: %w", err)
	}
	return small, nil
}

// shrink changes op, a copy of layer i's.
func (s *Structure) shrink(g *model.Graph, op model.Op, i int, k Keep) {
	kept := s.Kept(k, i)
	switch o := op.(type) {
	case *model.Const:
		if kept != nil {
			o.Value = cutConst(o.Value, len(s.group[i]), kept)
		}
	case *model.Conv:
		o.Filters, o.Groups, o.Weight = s.cut(g, i, k)
		o.Bias, o.Act.Slope = pick(o.Bias, kept), slopes(o.Act, kept)
		cutNorm(o.Norm, kept)
	case *model.Deconv:
		o.Filters, o.Groups, o.Weight = s.cut(g, i, k)
		o.Bias, o.Act.Slope = pick(o.Bias, kept), slopes(o.Act, kept)
		cutNorm(o.Norm, kept)
	case *model.Normalize:
		cutNorm(&o.Norm, kept)
		o.Act.Slope = slopes(o.Act, kept)
	case *model.Activate:
		if kept != nil {
			o.Act.Slope = slopes(o.Act, kept)
		}
	case *model.Add:
		if kept != nil {
			o.Act.Slope = slopes(o.Act, kept)
		}
	case *model.Slice:
		if kept != nil && o.Axis == 1 {
			start := 0
			for _, c := range s.Kept(k, g.Layers[i].From[0]) {
				if c < o.Start {
					start++
				}
			}
			o.Start, o.Count = start, len(kept)
		}
	}
}

// cut is a convolution's number of filters, of groups, and its weights without
// what leaves.
func (s *Structure) cut(g *model.Graph, i int, k Keep) (filters, groups int, weight []float32) {
	conv, _ := convolutionOf(g, i)
	from := g.Layers[i].From[0]
	staysIn, staysOut := marks(s.Kept(k, from), conv.channels), marks(s.Kept(k, i), conv.filters)
	weight = make([]float32, 0, len(conv.weight))
	conv.kernels(func(channel, filter int, w []float32) {
		if staysIn[channel] && staysOut[filter] {
			weight = append(weight, w...)
		}
	})
	each, last := conv.filters/conv.groups, -1
	for f, stays := range staysOut {
		if !stays {
			continue
		}
		filters++
		if f/each != last {
			groups, last = groups+1, f/each
		}
	}
	return filters, groups, weight
}

func marks(kept []int, n int) []bool {
	m := make([]bool, n)
	for _, i := range kept {
		m[i] = true
	}
	return m
}

func cutNorm(n *model.Norm, kept []int) {
	if n == nil {
		return
	}
	for _, values := range []*[]float32{&n.Scale, &n.Shift, &n.Mean, &n.Variance} {
		*values = pick(*values, kept)
	}
}

// cutConst is a constant of 1xCx.. or Cx.. without the channels that leave.
func cutConst(v *model.Tensor, channels int, kept []int) *model.Tensor {
	if len(kept) == channels {
		return v
	}
	small := &model.Tensor{Shape: slices.Clone(v.Shape), Type: v.Type}
	small.Shape[len(v.Shape)-3] = len(kept)
	each := len(v.Floats) / channels
	for _, c := range kept {
		small.Floats = append(small.Floats, v.Floats[c*each:][:each]...)
	}
	return small
}

func slopes(a model.Act, kept []int) []float32 {
	if len(a.Slope) == 1 {
		return a.Slope
	}
	return pick(a.Slope, kept)
}

func pick(values []float32, kept []int) []float32 {
	if values == nil {
		return nil
	}
	out := make([]float32, len(kept))
	for i, c := range kept {
		out[i] = values[c]
	}
	return out
}
