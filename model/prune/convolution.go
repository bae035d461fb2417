package prune

import "dashline/model"

// convolution is what a Conv and a Deconv have in common.
type convolution struct {
	channels, filters, groups int
	area                      int // of the kernel
	transposed                bool
	weight, bias              []float32
	norm                      *model.Norm
	act                       model.Act
}

func convolutionOf(g *model.Graph, i int) (convolution, bool) {
	switch o := g.Layers[i].Op.(type) {
	case *model.Conv:
		return convolution{g.In(i).Channels(), o.Filters, o.Groups, o.Kernel[0] * o.Kernel[1], false,
			o.Weight, o.Bias, o.Norm, o.Act}, true
	case *model.Deconv:
		return convolution{g.In(i).Channels(), o.Filters, o.Groups, o.Kernel[0] * o.Kernel[1], true,
			o.Weight, o.Bias, o.Norm, o.Act}, true
	}
	return convolution{}, false
}

// whole says whether groups leave as a whole.
func (c convolution) whole() bool {
	return c.groups > 1 && (c.channels == c.groups || c.filters == c.groups)
}

// kernels calls f with the weights between each channel and each filter.
func (c convolution) kernels(f func(channel, filter int, w []float32)) {
	outer, inner := c.filters, c.channels/c.groups
	if c.transposed {
		outer, inner = c.channels, c.filters/c.groups
	}
	for o := range outer {
		group := o / (outer / c.groups)
		for n := range inner {
			channel, filter := group*inner+n, o
			if c.transposed {
				channel, filter = o, group*inner+n
			}
			f(channel, filter, c.weight[(o*inner+n)*c.area:][:c.area])
		}
	}
}

// convolution ties the channels that layer from gives to the filters of layer i.
func (t *ties) convolution(c convolution, from, i int) {
	if c.groups == 1 {
		return
	}
	channels, filters := c.channels/c.groups, c.filters/c.groups
	if !c.whole() {
		for n := range c.channels {
			t.tie(from, n%channels, from, n)
		}
		for n := range c.filters {
			t.tie(i, n%filters, i, n)
		}
		return
	}
	for n := range c.channels {
		t.tie(i, n/channels*filters, from, n)
	}
	for n := range c.filters {
		t.tie(i, n/filters*filters, i, n)
	}
}
