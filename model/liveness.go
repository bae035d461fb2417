package model

// Buffer is memory that one value uses or several share: views, and values
// that are computed in the place of what they are computed from.
type Buffer struct {
	Bytes int64
	// First and Last are the layers between which it is held, both included:
	// from the layer that writes it to the last that reads any value in it. That of
	// an input begins with the first layer; that of an output is held after the
	// last, and its Last is the number of layers.
	First, Last int
}

// Liveness is which memory a network's values need, and when, if its layers run
// in order, one at a time, and nothing is held longer than it is read. This is
// the least that an engine with these rules can do without splitting buffers; what
// engines really hold is in model/footprint.
type Liveness struct {
	Buffers []Buffer
	Of      []int   // the buffer of each layer's value; -1 where it is constant
	Live    []int64 // bytes held while each layer runs
	Peak    int64   // the largest of Live
	At      int     // the first layer with it
}

// Liveness works out the memory of values. Shapes have to be set.
//
// What depends on constants alone is not a value in this sense: it is computed
// once. Identity, a Slice of neighbouring numbers, and operators that only
// change a shape give views. Sums, products, normalisations and activations are
// computed in place where the operand is as large as its buffer, is not an input
// or an output, and is read by nobody later.
func (g *Graph) Liveness() *Liveness {
	n := len(g.Layers)
	p := placer{g: g, fed: map[int]bool{}, v: &Liveness{Of: make([]int, n), Live: make([]int64, n)}}
	constant, last := g.constant(), g.LastReaders()
	for _, out := range g.Outputs {
		last[out] = n // the outputs are read after the last layer
	}
	for i := range g.Layers {
		if constant[i] {
			p.v.Of[i] = -1
			continue
		}
		b := p.place(i)
		p.v.Of[i] = b
		p.v.Buffers[b].Last = max(p.v.Buffers[b].Last, i, last[i])
	}
	p.v.add()
	return p.v
}

// placer gives each value its buffer.
type placer struct {
	g   *Graph
	v   *Liveness
	fed map[int]bool // buffers of inputs, which belong to the caller
}

// place is the buffer of layer i, a new one where it cannot share.
func (p *placer) place(i int) int {
	l := &p.g.Layers[i]
	first := i
	switch l.Op.(type) {
	case *Input:
		first = 0
		p.fed[len(p.v.Buffers)] = true
	case *Result: // it is written when the first result is
		first = l.From[0]
	default:
		if b := p.shared(i); b >= 0 {
			return b
		}
	}
	p.v.Buffers = append(p.v.Buffers, Buffer{bytes(l.Shape), first, i})
	return len(p.v.Buffers) - 1
}

// shared is the buffer of a view or of what may be overwritten, or -1.
func (p *placer) shared(i int) int {
	l := &p.g.Layers[i]
	if p.g.isView(i) {
		return p.v.Of[l.From[0]]
	}
	if !overwrites(l.Op) {
		return -1
	}
	for _, from := range l.From {
		b := p.v.Of[from]
		if b < 0 || p.fed[b] || p.v.Buffers[b].Bytes != bytes(l.Shape) || p.v.Buffers[b].Last > i || !p.whole(i, b) {
			continue
		}
		return b
	}
	return -1
}

// whole says whether all that layer i reads of buffer b is as large as it:
// a part would be overwritten before it is read.
func (p *placer) whole(i, b int) bool {
	for _, from := range p.g.Layers[i].From {
		if p.v.Of[from] == b && bytes(p.g.Layers[from].Shape) != p.v.Buffers[b].Bytes {
			return false
		}
	}
	return true
}

// bytes are those of a value.
func bytes(s Shape) int64 { return ValueBytes * int64(s.Elements()) }

// add fills Live and its largest.
func (v *Liveness) add() {
	begin, end := make([]int64, len(v.Live)+1), make([]int64, len(v.Live)+2)
	for _, b := range v.Buffers {
		begin[b.First] += b.Bytes
		end[b.Last+1] += b.Bytes
	}
	var live int64
	for i := range v.Live {
		live += begin[i] - end[i]
		v.Live[i] = live
		if live > v.Peak {
			v.Peak, v.At = live, i
		}
	}
}

// constant says of each layer whether its value depends on constants alone.
func (g *Graph) constant() []bool {
	out := make([]bool, len(g.Layers))
	for i := range g.Layers {
		l := &g.Layers[i]
		switch o := l.Op.(type) {
		case *Const:
			out[i] = true
		case *Generic:
			out[i] = o.Type == "Constant" || len(l.From) > 0
		default:
			out[i] = len(l.From) > 0
		}
		for _, from := range l.From {
			out[i] = out[i] && out[from]
		}
	}
	return out
}

// isView says whether the value of layer i is memory of the first that it reads.
func (g *Graph) isView(i int) bool {
	switch o := g.Layers[i].Op.(type) {
	case *Identity:
		return true
	case *Slice:
		return g.In(i)[:o.Axis].Elements() == 1
	case *Generic:
		switch o.Type {
		case "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze":
			return len(g.Layers[i].From) > 0
		}
	}
	return false
}

// overwrites says whether an operation may write each number of its value in the
// place of the one that it reads for it.
func overwrites(op Op) bool {
	switch o := op.(type) {
	case *Activate, *Add, *Mul, *Normalize:
		return true
	case *Generic:
		return len(o.More) == 0 && elementwise[o.Type]
	}
	return false
}

// elementwise are the operators of ONNX whose numbers depend on the numbers at
// the same place alone.
var elementwise = map[string]bool{
	"Abs": true, "Add": true, "BatchNormalization": true, "Ceil": true, "Celu": true, "Clip": true, "Cos": true, "Div": true,
	"Elu": true, "Erf": true, "Exp": true, "Floor": true, "Gelu": true, "HardSigmoid": true, "HardSwish": true, "LeakyRelu": true,
	"Log": true, "Max": true, "Min": true, "Mish": true, "Mul": true, "Neg": true, "PRelu": true, "Pow": true, "Reciprocal": true,
	"Relu": true, "Round": true, "Selu": true, "Sigmoid": true, "Sign": true, "Sin": true, "Softplus": true, "Softsign": true,
	"Sqrt": true, "Sub": true, "Sum": true, "Tanh": true,
}
