package prune

import "dashline/model"

// outputWorth is how much an error in each filter of plain convolution i counts
// for what reads it: relative numbers above zero. What an activation forgets
// counts as often as it does not.
func (o *original) outputWorth(i int) []float64 {
	c := o.g.Layers[i].Op.(*model.Conv)
	out := make([]float64, c.Filters)
	if parts := o.parts[i]; parts != nil {
		for _, p := range parts {
			for k, f := range p.outputs {
				out[f] = p.worth[k] * p.mean
			}
		}
		return out
	}
	active := o.active(i)
	for f := range out {
		group, unit := o.s.Find(Channel{i, f})
		if w := o.worth[group]; w != nil {
			out[f] = max(w[unit], 1e-9)
			continue
		}
		out[f] = active[f]*o.read(group, unit) + 1e-12
	}
	return out
}

// active is the share of places at which each filter's sum passes its activation.
func (o *original) active(i int) []float64 {
	c := o.g.Layers[i].Op.(*model.Conv)
	out := make([]float64, c.Filters)
	slope, forgets := below(c.Act)
	if !forgets {
		for f := range out {
			out[f] = 1
		}
		return out
	}
	t, w := o.target[i], o.at[gridOf(o.g.Layers[i].Shape)].weight
	for r := range t.rows {
		for f, x := range t.row(r) {
			if x > 0 {
				out[f] += float64(w[r])
			}
		}
	}
	all := total(w)
	for f := range out {
		share := out[f] / all
		out[f] = share + float64(slope*slope)*(1-share)
	}
	return out
}

// read is how strongly a unit is read: the squared weights of its columns, times
// what a convolution of the channel by itself does on the way.
func (o *original) read(group, unit int) float64 {
	grp := &o.s.Groups[group]
	if len(grp.Consumers) == 0 {
		return 1
	}
	var sum float64
	for _, d := range grp.Consumers {
		c, ok := plain(o.g, d)
		if !ok {
			continue
		}
		from := o.g.Layers[d].From[0]
		area := c.Kernel[0] * c.Kernel[1]
		inputs := o.g.In(d).Channels() * area
		for _, ch := range grp.In(unit, from) {
			gain := o.gain(from, ch)
			for f := range c.Filters {
				for k := range area {
					sum += gain * square(float64(c.Weight[f*inputs+ch*area+k]))
				}
			}
		}
	}
	return sum
}

// gain is the squared gain of the convolution by itself that made a channel, or 1.
func (o *original) gain(layer, channel int) float64 {
	for {
		switch op := o.g.Layers[layer].Op.(type) {
		case *model.Identity, *model.Activate, *model.MaxPool, *model.Upsample:
			layer = o.g.Layers[layer].From[0]
			continue
		case *model.Conv:
			if _, ok := channelwise(o.g, layer); !ok {
				return 1
			}
			area := op.Kernel[0] * op.Kernel[1]
			var sum, squares float64
			for _, w := range op.Weight[channel*area : (channel+1)*area] {
				sum += float64(w)
				squares += square(float64(w))
			}
			return sum*sum + squares
		}
		return 1
	}
}
