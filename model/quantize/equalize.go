package quantize

import (
	"math"

	"dashline/model"
)

// equalize scales channels so that codes, which are the same for all channels of
// a value, serve each, and leaves what the network computes unchanged (Nagel et
// al. 2019, arXiv:1906.04721, section 4.1, with the measured range of a channel
// for that of the weights that make it). Filters that make a channel are divided
// by s, weights that read it multiplied by it:
//
//	s = sqrt(r/w)   r: the channel's largest number; w: the largest weight that reads it, in parts of its filter's largest
//	s = r           where only depthwise convolutions read it: their filters have scales of their own
//
// Channels that are added, joined or passed on are scaled as one. largest is
// the greatest absolute number of each channel of each layer.
func equalize(g *model.Graph, largest [][]float64) {
	e := newEqualizer(g)
	e.join()
	e.measure(largest)
	for i := range g.Layers {
		if o, ok := g.Layers[i].Op.(*model.Conv); ok {
			e.apply(i, o)
		}
	}
}

// equalizer has sets of channels (union-find). Channel c of layer i is first[i]+c.
type equalizer struct {
	g      *model.Graph
	first  []int
	parent []int
	fixed  []bool    // of a set: it may not be scaled
	r, w   []float64 // of a set
}

func newEqualizer(g *model.Graph) *equalizer {
	e := &equalizer{g: g, first: make([]int, len(g.Layers))}
	for i := range g.Layers {
		e.first[i] = len(e.parent)
		for range g.Layers[i].Shape.Channels() {
			e.parent = append(e.parent, len(e.parent))
		}
	}
	n := len(e.parent)
	e.fixed, e.r, e.w = make([]bool, n), make([]float64, n), make([]float64, n)
	return e
}

func (e *equalizer) set(x int) int {
	for e.parent[x] != x {
		e.parent[x] = e.parent[e.parent[x]]
		x = e.parent[x]
	}
	return x
}

func (e *equalizer) union(a, b int) {
	a, b = e.set(a), e.set(b)
	e.parent[b] = a
	e.fixed[a] = e.fixed[a] || e.fixed[b]
}

// fix forbids to scale a layer's channels.
func (e *equalizer) fix(i int) {
	for c := range e.g.Layers[i].Shape.Channels() {
		e.fixed[e.set(e.first[i]+c)] = true
	}
}

// join makes the sets.
func (e *equalizer) join() {
	for i := range e.g.Layers {
		l := &e.g.Layers[i]
		channels := l.Shape.Channels()
		same := func(from, start int) {
			for c := range channels {
				e.union(e.first[i]+c, e.first[from]+start+c)
			}
		}
		switch o := l.Op.(type) {
		case *model.Conv:
			if !homogeneous(o.Act.Kind) {
				e.fix(i)
			}
			if o.Groups > 1 && !depthwise(o, e.g.In(i)) {
				e.fix(l.From[0])
			}
			continue
		case *model.Add:
			if uniform(e.g, l) && homogeneous(o.Act.Kind) {
				for _, from := range l.From {
					same(from, 0)
				}
				continue
			}
		case *model.Activate:
			if homogeneous(o.Act.Kind) {
				same(l.From[0], 0)
				continue
			}
		case *model.MaxPool, *model.AvgPool, *model.Upsample, *model.Identity:
			same(l.From[0], 0)
			continue
		case *model.Concat:
			if o.Axis == 1 {
				at := 0
				for _, from := range l.From {
					n := e.g.Layers[from].Shape.Channels()
					for c := range n {
						e.union(e.first[i]+at+c, e.first[from]+c)
					}
					at += n
				}
				continue
			}
		case *model.Slice:
			if o.Axis == 1 {
				same(l.From[0], o.Start)
				continue
			}
		}
		e.fix(i)
		for _, from := range l.From {
			e.fix(from)
		}
	}
	for _, o := range e.g.Outputs {
		e.fix(o)
	}
}

// homogeneous says whether f(s*x) = s*f(x) for s > 0.
func homogeneous(k model.ActKind) bool {
	return k == model.Linear || k == model.Relu || k == model.Leaky || k == model.Prelu
}

func depthwise(o *model.Conv, in model.Shape) bool {
	return o.Groups == in.Channels() && o.Filters == o.Groups
}

func uniform(g *model.Graph, l *model.Layer) bool {
	for _, from := range l.From {
		if !g.Layers[from].Shape.Equal(l.Shape) {
			return false
		}
	}
	return true
}

// measure finds r and w of every set.
func (e *equalizer) measure(largest [][]float64) {
	const floor = 1e-3 // of the value's largest channel: one that is always 0 says nothing
	for i, channels := range largest {
		top := 0.0
		for _, v := range channels {
			top = math.Max(top, v)
		}
		for c, v := range channels {
			s := e.set(e.first[i] + c)
			e.r[s] = math.Max(e.r[s], math.Max(v, floor*top))
		}
	}
	for i := range e.g.Layers {
		o, ok := e.g.Layers[i].Op.(*model.Conv)
		if !ok || o.Groups > 1 {
			continue
		}
		from := e.g.Layers[i].From[0]
		each := len(o.Weight) / o.Filters
		area := o.Kernel[0] * o.Kernel[1]
		for f := range o.Filters {
			filter := o.Weight[f*each:][:each]
			top := absMax(filter)
			if top == 0 {
				continue
			}
			for c := range each / area {
				s := e.set(e.first[from] + c)
				e.w[s] = math.Max(e.w[s], math.Max(absMax(filter[c*area:][:area])/top, floor))
			}
		}
	}
}

func absMax(x []float32) float64 {
	var m float32
	for _, v := range x {
		m = max(m, v, -v)
	}
	return float64(m)
}

// scale is s of channel c of layer i.
func (e *equalizer) scale(i, c int) float64 {
	s := e.set(e.first[i] + c)
	switch {
	case e.fixed[s] || e.r[s] == 0:
		return 1
	case e.w[s] == 0:
		return e.r[s]
	}
	return math.Sqrt(e.r[s] / e.w[s])
}

// apply scales the weights of one convolution.
func (e *equalizer) apply(i int, o *model.Conv) {
	from := e.g.Layers[i].From[0]
	each := len(o.Weight) / o.Filters
	area := o.Kernel[0] * o.Kernel[1]
	for f := range o.Filters {
		s := e.scale(i, f)
		filter := o.Weight[f*each:][:each]
		for k := range filter {
			in := 1.0
			switch {
			case o.Groups == 1:
				in = e.scale(from, k/area)
			case o.Groups == o.Filters: // depthwise; in other groups what is read is fixed
				in = e.scale(from, f*(each/area))
			}
			filter[k] = float32(float64(filter[k]) * in / s)
		}
		if o.Bias != nil {
			o.Bias[f] = float32(float64(o.Bias[f]) / s)
		}
	}
}
