package onnx

import (
	"math"
	"slices"

	"dashline/model"
	"dashline/model/onnx/pb"
)

// fuse puts together what exporters write as several operators: convolutions
// with the normalisation, bias and activation after them, and activations that
// are made of simpler ones. Only what nothing else reads is taken in. What was
// taken in stays behind as a layer that nothing reads.
func (r *reader) fuse(g *model.Graph) {
	f := fuser{g: g, readers: make([]int, len(g.Layers)), constants: r.constants}
	for i := range g.Layers {
		for _, from := range g.Layers[i].From {
			f.readers[from]++
		}
	}
	for _, out := range g.Outputs {
		f.readers[out]++
	}
	for i := range g.Layers {
		f.product(i)
		f.quotient(i)
		f.bias(i)
		f.norm(i)
		f.act(i)
	}
}

type fuser struct {
	g         *model.Graph
	readers   []int // how often each layer is read; an output is once more
	constants map[model.Op]*literal
}

// replace gives layer i another operation and other inputs.
func (f *fuser) replace(i int, op model.Op, from ...int) {
	old := f.g.Layers[i].From
	f.g.Layers[i].Op, f.g.Layers[i].From = op, slices.Clone(from)
	for _, x := range from {
		f.readers[x]++
	}
	for _, x := range old {
		f.release(x)
	}
}

// release takes one reader away, and from what is not read any more its own reads.
func (f *fuser) release(i int) {
	if f.readers[i]--; f.readers[i] > 0 {
		return
	}
	from := f.g.Layers[i].From
	f.g.Layers[i].From = nil
	if len(from) > 0 {
		f.g.Layers[i].Op = nil
	}
	for _, x := range from {
		f.release(x)
	}
}

// scalar says whether a layer is the number x, to the precision of float16.
func (f *fuser) scalar(i int, x float64) bool {
	c := f.constants[f.g.Layers[i].Op]
	return c != nil && len(c.floats) == 1 && math.Abs(float64(c.floats[0])-x) <= 1e-3*math.Abs(x)
}

// source is the node of a generic layer of that type of ONNX's own, or nil. An
// operator of another domain may have its name and read nothing.
func (f *fuser) source(i int, kind string) *pb.NodeProto {
	if o, ok := f.g.Layers[i].Op.(*model.Generic); ok {
		if n, ok := o.Source.(*pb.NodeProto); ok && (&operator{proto: n}).op() == kind {
			return n
		}
	}
	return nil
}

// divided says whether layer i is a value divided by the number x, and which.
func (f *fuser) divided(i int, x float64) (value int, ok bool) {
	from := f.g.Layers[i].From
	if f.source(i, "Div") == nil || len(from) != 2 || !f.scalar(from[1], x) { // a file may leave the divisor out
		return 0, false
	}
	return from[0], true
}

// activated says whether layer i is such an activation, and of which layer.
func (f *fuser) activated(i int, kind model.ActKind) (of int, ok bool) {
	a, ok := f.g.Layers[i].Op.(*model.Activate)
	if !ok || a.Act.Kind != kind {
		return 0, false
	}
	return f.g.Layers[i].From[0], true
}

// product knows the activations that are x times a function of x.
func (f *fuser) product(i int) {
	if _, ok := f.g.Layers[i].Op.(*model.Mul); !ok {
		return
	}
	from := f.g.Layers[i].From
	for k, gate := range from {
		x := from[1-k]
		if kind := f.gate(gate, x); kind != model.Linear {
			f.activation(i, kind, x)
			return
		}
	}
	if x, ok := f.gelu(i); ok {
		f.activation(i, model.Gelu, x)
		return
	}
	// x*relu6(x+3), times 1/6
	for k, c := range from {
		if x, ok := f.sixfold(from[1-k]); ok && f.scalar(c, 1.0/6) {
			f.activation(i, model.HardSwish, x)
			return
		}
	}
}

func (f *fuser) activation(i int, kind model.ActKind, x int) {
	if f.g.Layers[x].Shape.Equal(f.g.Layers[i].Shape) {
		f.replace(i, &model.Activate{Act: model.Act{Kind: kind}}, x)
	}
}

// gate is the activation that x times layer i is.
func (f *fuser) gate(i, x int) model.ActKind {
	if f.readers[i] != 1 {
		return model.Linear
	}
	if of, ok := f.activated(i, model.Sigmoid); ok && of == x {
		return model.Silu
	}
	if of, ok := f.activated(i, model.Tanh); ok && f.source(of, "Softplus") != nil {
		if f.readers[of] == 1 && f.g.Layers[of].From[0] == x {
			return model.Mish
		}
	}
	if n := f.source(i, "HardSigmoid"); n != nil && f.g.Layers[i].From[0] == x {
		op := operator{proto: n}
		if math.Abs(float64(op.attrFloat("alpha", 0.2))-1.0/6) < 1e-4 && op.attrFloat("beta", 0.5) == 0.5 {
			return model.HardSwish
		}
	}
	if sum, ok := f.divided(i, 6); ok && f.raised(sum, x) {
		return model.HardSwish
	}
	return model.Linear
}

// raised says whether layer i is relu6(x+3).
func (f *fuser) raised(i, x int) bool {
	if of, ok := f.activated(i, model.Relu6); ok {
		a, sum := f.g.Layers[of].Op.(*model.Add)
		return sum && a.Act.Kind == model.Linear && f.sum(of, x, 3)
	}
	a, ok := f.g.Layers[i].Op.(*model.Add)
	return ok && a.Act.Kind == model.Relu6 && f.sum(i, x, 3)
}

// sum says whether layer i adds number c to x.
func (f *fuser) sum(i, x int, c float64) bool {
	from := f.g.Layers[i].From
	return len(from) == 2 && f.readers[i] == 1 &&
		(from[0] == x && f.scalar(from[1], c) || from[1] == x && f.scalar(from[0], c))
}

// sixfold says whether layer i is x*relu6(x+3), and of which x.
func (f *fuser) sixfold(i int) (x int, ok bool) {
	if _, ok := f.g.Layers[i].Op.(*model.Mul); !ok || f.readers[i] != 1 {
		return 0, false
	}
	from := f.g.Layers[i].From
	for k, r := range from {
		if f.readers[r] == 1 && f.raised(r, from[1-k]) {
			return from[1-k], true
		}
	}
	return 0, false
}

// quotient knows x*relu6(x+3)/6.
func (f *fuser) quotient(i int) {
	product, ok := f.divided(i, 6)
	if !ok {
		return
	}
	if x, ok := f.sixfold(product); ok {
		f.activation(i, model.HardSwish, x)
	}
}

// gelu says whether layer i is x * 0.5 * (1 + erf(x/sqrt(2))) in any order.
func (f *fuser) gelu(i int) (x int, ok bool) {
	factors := slices.Clone(f.g.Layers[i].From)
	for k, at := range factors {
		if _, product := f.g.Layers[at].Op.(*model.Mul); product && f.readers[at] == 1 {
			factors = append(slices.Delete(factors, k, k+1), f.g.Layers[at].From...)
			break
		}
	}
	if len(factors) != 3 {
		return 0, false
	}
	slices.SortStableFunc(factors, func(a, b int) int { return f.role(a) - f.role(b) })
	x = factors[0]
	return x, f.role(factors[1]) == 1 && f.scalar(factors[2], 0.5) && f.errorOf(factors[1], x)
}

// role puts factors of a gelu in order: x, 1 + erf, 0.5.
func (f *fuser) role(i int) int {
	if f.constants[f.g.Layers[i].Op] != nil {
		return 2
	}
	if _, ok := f.g.Layers[i].Op.(*model.Add); ok && f.readers[i] == 1 && f.erf(i) >= 0 {
		return 1
	}
	return 0
}

// erf is the erf that layer i adds 1 to, or -1.
func (f *fuser) erf(i int) int {
	for _, from := range f.g.Layers[i].From {
		if f.source(from, "Erf") != nil && f.readers[from] == 1 && f.sum(i, from, 1) {
			return from
		}
	}
	return -1
}

// errorOf says whether layer i is 1 + erf(x/sqrt(2)).
func (f *fuser) errorOf(i, x int) bool {
	arg := f.g.Layers[f.erf(i)].From[0]
	if f.readers[arg] != 1 {
		return false
	}
	if of, ok := f.divided(arg, math.Sqrt2); ok {
		return of == x
	}
	from := f.g.Layers[arg].From
	_, product := f.g.Layers[arg].Op.(*model.Mul)
	return product && (from[0] == x && f.scalar(from[1], math.Sqrt2/2) || from[1] == x && f.scalar(from[0], math.Sqrt2/2))
}

// bias takes a sum of a product and a constant into the product.
func (f *fuser) bias(i int) {
	l := &f.g.Layers[i]
	if a, ok := l.Op.(*model.Add); !ok || a.Act.Kind != model.Linear || len(l.From) != 2 {
		return
	}
	for k, at := range l.From {
		c := f.constants[f.g.Layers[l.From[1-k]].Op]
		if c == nil || f.readers[at] != 1 || !f.g.Layers[at].Shape.Equal(l.Shape) {
			continue
		}
		switch o := f.g.Layers[at].Op.(type) {
		case *model.Dense:
			if o.Bias == nil && o.Act.Kind == model.Linear && along(c, len(l.Shape)-1, len(l.Shape), o.Out) {
				o.Bias = slices.Clone(c.floats)
				f.replace(i, o, f.g.Layers[at].From...)
				return
			}
		case *model.Conv:
			if o.Bias == nil && o.Norm == nil && o.Act.Kind == model.Linear && along(c, 1, 4, o.Filters) {
				o.Bias = slices.Clone(c.floats)
				f.replace(i, o, f.g.Layers[at].From...)
				return
			}
		}
	}
}

// along says whether a constant holds count floats along one dimension of so
// many, and stretches over the others.
func along(c *literal, axis, rank, count int) bool {
	at := axis - (rank - len(c.shape))
	return len(c.floats) == count && at >= 0 && at < len(c.shape) && len(c.shape) <= rank && c.shape[at] == count
}

// norm takes a batch normalisation into the convolution before it.
func (f *fuser) norm(i int) {
	n, ok := f.g.Layers[i].Op.(*model.Normalize)
	if !ok || f.readers[f.g.Layers[i].From[0]] != 1 {
		return
	}
	before := &f.g.Layers[f.g.Layers[i].From[0]]
	switch o := before.Op.(type) {
	case *model.Conv:
		if o.Norm == nil && o.Act.Kind == model.Linear {
			o.Norm = &n.Norm
			f.replace(i, o, before.From...)
		}
	case *model.Deconv:
		if o.Norm == nil && o.Act.Kind == model.Linear {
			o.Norm = &n.Norm
			f.replace(i, o, before.From...)
		}
	}
}

// act takes an activation into the layer before it.
func (f *fuser) act(i int) {
	a, ok := f.g.Layers[i].Op.(*model.Activate)
	if !ok || f.readers[f.g.Layers[i].From[0]] != 1 {
		return
	}
	before := &f.g.Layers[f.g.Layers[i].From[0]]
	var act *model.Act
	switch o := before.Op.(type) {
	case *model.Conv:
		act = &o.Act
	case *model.Deconv:
		act = &o.Act
	case *model.Dense:
		// The slopes of a prelu are along the channels, which a dense layer's
		// results need not be.
		if a.Act.Kind != model.Prelu || len(a.Act.Slope) == 1 {
			act = &o.Act
		}
	case *model.Normalize:
		act = &o.Act
	case *model.Add:
		act = &o.Act
	}
	if act != nil && act.Kind == model.Linear {
		*act = a.Act
		f.replace(i, before.Op, before.From...)
	}
}
