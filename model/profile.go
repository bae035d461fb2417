package model

// Profile is what a network costs, layer by layer.
type Profile struct {
	Layers []LayerCost // in order; constants have none of their own
	Total  Cost
	// Activations is the bytes of all values that layers write, float32: what is
	// needed if nothing is freed or overwritten.
	Activations int64
	Memory      *Liveness
}

// LayerCost is the cost of one layer, with that of the constants that it is the
// first to read.
type LayerCost struct {
	Index int // of the layer in the graph
	Cost
	Live int64 // bytes of values held while it runs
}

// Profile counts what one forward costs. Shapes have to be set; the graph is not
// changed.
//
// What depends on constants alone is computed once, when a network is loaded,
// and costs no arithmetic here.
func (g *Graph) Profile() *Profile {
	p := &Profile{Memory: g.Liveness()}
	constant := g.constant()
	// What a constant weighs, until a layer that is not constant takes it.
	held := make([]Cost, len(g.Layers))
	for i := range g.Layers {
		c := weightCost(g.Layers[i].Op)
		for _, from := range g.Layers[i].From {
			c = c.Plus(held[from])
			held[from] = Cost{}
		}
		if constant[i] {
			held[i] = c
			continue
		}
		c = c.Plus(g.running(i, constant))
		p.Layers = append(p.Layers, LayerCost{i, c, p.Memory.Live[i]})
		p.Total = p.Total.Plus(c)
	}
	for _, c := range held { // read by nobody
		p.Total = p.Total.Plus(c)
	}
	p.Activations = p.Total.Written
	return p
}

// running is the part of layer i's cost that each forward has.
func (g *Graph) running(i int, constant []bool) Cost {
	l := &g.Layers[i]
	in := make([]Shape, len(l.From))
	var c Cost
	for k, from := range l.From {
		in[k] = g.Layers[from].Shape
		if !constant[from] {
			c.Read += bytes(in[k])
		}
	}
	c.MACs, c.Elementwise = arithmetic(l, in)
	switch {
	case g.isView(i):
		c.Read = 0
	case isResult(l.Op): // what its Generic writes
		c.Read, c.Written = 0, bytes(l.Shape)
	case len(l.From) > 0:
		c.Written = bytes(l.Shape)
	}
	return c
}

func isResult(op Op) bool {
	_, ok := op.(*Result)
	return ok
}
