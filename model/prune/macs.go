package prune

import "dashline/model"

// cost is the multiply-accumulates of one layer: each times the filters, times
// the channels that each filter reads.
type cost struct {
	each     int64
	filters  []share
	channels []share // nil: counted in each
}

// share is how many channels of a layer's value each unit of a group is.
type share struct{ group, channels int32 }

// count works out what [Structure.Macs] adds up.
func (s *Structure) count(g *model.Graph) {
	for i := range g.Layers {
		l := &g.Layers[i]
		switch o := l.Op.(type) {
		case *model.Conv, *model.Deconv:
			s.costs = append(s.costs, s.costOf(g, i))
		case *model.Dense:
			s.costs = append(s.costs, cost{each: int64(l.Shape.Elements()) * int64(o.In)})
		case *model.MatMul:
			in := g.In(i)
			s.costs = append(s.costs, cost{each: int64(l.Shape.Elements()) * int64(in[len(in)-1])})
		}
	}
}

func (s *Structure) costOf(g *model.Graph, i int) cost {
	conv, _ := convolutionOf(g, i)
	from, places := g.Layers[i].From[0], g.Layers[i].Shape
	if conv.transposed {
		places = g.In(i)
	}
	c := cost{each: int64(conv.area) * int64(places.Height()) * int64(places.Width()), filters: s.shares(i)}
	if s.whole[i] {
		c.each *= int64(conv.channels / conv.groups)
		return c
	}
	// A group's filters read the channels of that group: a groups-th of all.
	c.channels = s.shares(from)
	for n := range c.channels {
		c.channels[n].channels /= int32(conv.groups)
	}
	return c
}

// shares are the groups in a layer's value.
func (s *Structure) shares(layer int) []share {
	var out []share
	for _, at := range groupsOf(s.group[layer]) {
		out = append(out, share{at, int32(len(s.Groups[at].In(0, layer)))})
	}
	return out
}

// Macs is the multiply-accumulates of one forward pass if counts[i] units of
// group i stay: those of convolutions (what falls on padding included, as is
// usual), fully connected layers and matrix products; other layers have none.
// What one unit of a group costs depends on all counts: it is the difference
// that one more makes. Nothing is allocated.
func (s *Structure) Macs(counts []int) int64 {
	var sum int64
	for i := range s.costs {
		c := &s.costs[i]
		macs := c.each
		if c.filters != nil {
			macs *= sumOf(c.filters, counts)
		}
		if c.channels != nil {
			macs *= sumOf(c.channels, counts)
		}
		sum += macs
	}
	return sum
}

func sumOf(shares []share, counts []int) int64 {
	var n int64
	for _, s := range shares {
		n += int64(s.channels) * int64(counts[s.group])
	}
	return n
}
