package prune

import "dashline/model"

// Mask makes the channels that do not stay carry zero, in place: filters, biases,
// scales and shifts of normalisations, and constants are set to zero. Where the
// channel is not zero in spite of that (after a sigmoid, which makes 0.5 of it;
// after the sum with a value that is the same for all channels), the weights of
// the convolutions that read it are set to zero instead, so that it contributes
// nothing either way. g is the network that was analysed, or one of the same
// layers; nothing is changed where an error is returned.
func (s *Structure) Mask(g *model.Graph, k Keep) error {
	if err := s.fits(g); err != nil {
		return err
	}
	if err := s.Check(k); err != nil {
		return err
	}
	stay := s.stay(k)
	m := make(mask, len(g.Layers))
	for i := range g.Layers {
		m[i] = make([]bool, len(stay[i]))
		for c := range stay[i] {
			m[i][c] = !stay[i][c] && m.silence(&g.Layers[i], c)
		}
	}
	for i := range g.Layers {
		conv, ok := convolutionOf(g, i)
		if !ok {
			continue
		}
		from := g.Layers[i].From[0]
		conv.kernels(func(channel, filter int, w []float32) {
			if !stay[i][filter] || !stay[from][channel] && !m[from][channel] {
				clear(w)
			}
		})
	}
	return nil
}

// stay says of each channel of each layer whether it stays.
func (s *Structure) stay(k Keep) [][]bool {
	stay := make([][]bool, len(s.group))
	for i := range s.group {
		stay[i] = make([]bool, len(s.group[i]))
		for c, group := range s.group[i] {
			stay[i][c] = k[group][s.unit[i][c]]
		}
	}
	return stay
}

// mask says of each channel of each layer whether it was made zero.
type mask [][]bool

// zero says so of a channel that a layer reads. A value with fewer channels is
// the same for all, and stays.
func (m mask) zero(layer, c int) bool { return c < len(m[layer]) && m[layer][c] }

// silence sets to zero what a layer adds to its channel c, and says whether the
// channel is zero then. The weights of convolutions are left to the caller.
func (m mask) silence(l *model.Layer, c int) bool {
	switch o := l.Op.(type) {
	case *model.Const:
		each := len(o.Value.Floats) / channels(l)
		clear(o.Value.Floats[c*each:][:each])
		return true
	case *model.Conv:
		clearFilter(o.Bias, o.Norm, c)
		return keepsZero(o.Act)
	case *model.Deconv:
		clearFilter(o.Bias, o.Norm, c)
		return keepsZero(o.Act)
	case *model.Normalize:
		clearFilter(nil, &o.Norm, c)
		return keepsZero(o.Act)
	case *model.Activate:
		return m.zero(l.From[0], c) && keepsZero(o.Act)
	case *model.MaxPool, *model.AvgPool, *model.Upsample, *model.Identity:
		return m.zero(l.From[0], c)
	case *model.Slice:
		if o.Axis == 1 {
			c += o.Start
		}
		return m.zero(l.From[0], c)
	case *model.Concat:
		return m.joined(o.Axis, l.From, c)
	case *model.Add:
		return m.all(l.From, c) && keepsZero(o.Act)
	case *model.Mul:
		return m.zero(l.From[0], c) || m.zero(l.From[1], c)
	}
	return false
}

func (m mask) all(from []int, c int) bool {
	for _, f := range from {
		if !m.zero(f, c) {
			return false
		}
	}
	return true
}

func (m mask) joined(axis int, from []int, c int) bool {
	if axis != 1 {
		return m.all(from, c)
	}
	for _, f := range from {
		if c < len(m[f]) {
			return m[f][c]
		}
		c -= len(m[f])
	}
	return false
}

func clearFilter(bias []float32, norm *model.Norm, c int) {
	if bias != nil {
		bias[c] = 0
	}
	if norm != nil {
		norm.Scale[c], norm.Shift[c] = 0, 0
	}
}

// keepsZero says whether an activation makes 0 of 0.
func keepsZero(a model.Act) bool { return a.Kind != model.Sigmoid }
