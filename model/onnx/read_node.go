package onnx

import (
	"fmt"
	"math"
	"slices"

	"dashline/model"
	"dashline/model/onnx/pb"
)

// known is what is known of a value while a file is read.
type known struct {
	shape model.Shape // unless it is constant, as of a layer
	kind  dataType
	data  *literal // where it is constant
	layer int      // -1: none yet

	pending *message // an initializer that was not decoded yet
}

// names are the values of a graph; one inside a node sees those around it.
type names struct {
	outer *names
	known map[string]*known
}

func newNames(outer *names) *names { return &names{outer, map[string]*known{}} }

func (s *names) set(name string, v *known) { s.known[name] = v }

func (s *names) get(name string) *known {
	for ; s != nil; s = s.outer {
		if v := s.known[name]; v != nil {
			return v
		}
	}
	return nil
}

// find is what is known of a name, or nil.
func (r *reader) find(name string) (*known, error) {
	v := r.values.get(name)
	if v == nil || v.pending == nil {
		return v, nil
	}
	t := &pb.TensorProto{}
	if err := unmarshal(*v.pending, t); err != nil {
		return nil, err
	}
	data, err := decode(t)
	if err != nil {
		return nil, v.pending.wrong("%v", err)
	}
	data.weight = floats(data.kind)
	*v = known{shape: data.shape, kind: data.kind, data: data, layer: -1}
	return v, nil
}

// operator is a node while it is read. Rules ask it for what it reads; what
// they ask for and is not there ends the reading with an error, by a panic that
// reader.node turns into one.
type operator struct {
	r     *reader
	at    message
	proto *pb.NodeProto
	in    []*known // nil: left out
}

type failure struct{ err error }

func (n *operator) fail(format string, args ...any) {
	at := n.at
	at.where += " (" + clip(n.proto.OpType)
	if n.proto.Name != "" {
		at.where += " " + clip(n.proto.Name)
	}
	at.where += ")"
	panic(failure{at.wrong(format, args...)})
}

// node reads one operator.
func (r *reader) node(n *operator) (err error) {
	defer func() {
		if p := recover(); p != nil {
			f, ok := p.(failure)
			if !ok {
				panic(p)
			}
			err = f.err
		}
	}()
	n.in = nil
	for _, name := range n.proto.Input {
		v, err := r.find(name)
		if err != nil {
			return err
		}
		if v == nil && name != "" {
			n.fail("reads %q, which nothing before it writes", clip(name))
		}
		n.in = append(n.in, v)
	}
	n.run()
	for _, name := range n.proto.Input {
		if r.uses[name] == math.MaxInt {
			continue
		}
		if r.uses[name]--; r.uses[name] <= 0 {
			delete(r.values.known, name)
		}
	}
	return nil
}

// run gives every result of the node its value.
func (n *operator) run() {
	switch {
	case n.op() == "Constant":
		n.bind(0, n.constant())
		return
	case n.op() == "If":
		n.branch()
		return
	}
	if results := n.folded(); results != nil {
		for i, v := range results {
			n.bind(i, v)
		}
		return
	}
	shapes := n.shapes()
	for i, name := range n.proto.Output {
		if name == "" {
			continue
		}
		if i >= len(shapes) {
			n.fail("has %d results, of which at most %d are known", len(n.proto.Output), len(shapes))
		}
		if err := possible(shapes[i]); err != nil {
			n.fail("result %q: %v", clip(name), err)
		}
	}
	if len(shapes) == 0 || len(n.proto.Output) == 0 {
		n.fail("has no results")
	}
	n.emit(shapes[:min(len(shapes), len(n.proto.Output))])
}

// op is the operator, with its domain where that is not ONNX's own.
func (n *operator) op() string {
	if d := n.proto.Domain; d != "" && d != "ai.onnx" {
		return d + "." + n.proto.OpType
	}
	return n.proto.OpType
}

// bind makes a constant a result of the node.
func (n *operator) bind(result int, v *literal) {
	if result < len(n.proto.Output) && n.proto.Output[result] != "" {
		n.r.values.set(n.proto.Output[result], &known{shape: v.shape, kind: v.kind, data: v, layer: -1})
	}
}

// maybe is an input, nil where it is left out.
func (n *operator) maybe(i int) *known {
	if i < len(n.in) {
		return n.in[i]
	}
	return nil
}

func (n *operator) input(i int) *known {
	v := n.maybe(i)
	if v == nil {
		n.fail("lacks its input %d", i)
	}
	return v
}

func (n *operator) shape(i int) model.Shape { return n.input(i).shape }

// literal is an input that has to be constant for shapes to be known.
func (n *operator) literal(i int) *literal {
	v := n.input(i)
	if v.data == nil {
		n.fail("the shape of its result depends on %q, which is known only when it runs: export the model with fixed sizes",
			clip(n.proto.Input[i]))
	}
	return v.data
}

// numbers are the whole numbers of a constant input.
func (n *operator) numbers(i int) []int64 {
	v := n.literal(i)
	if v.source != nil || floats(v.kind) {
		n.fail("input %q has the type %v, expected whole numbers", clip(n.proto.Input[i]), v.kind)
	}
	return v.ints
}

// sizes are numbers that sizes are computed from; beyond 2^31 none is.
func (n *operator) sizes(i int) []int { return n.bounded(n.numbers(i)) }

func (n *operator) bounded(v []int64) []int {
	out := make([]int, len(v))
	for i, x := range v {
		if x > math.MaxInt32 || x < -math.MaxInt32 {
			n.fail("the size %d is not possible", x)
		}
		out[i] = int(x)
	}
	return out
}

func (n *operator) has(name string) bool { return attribute(n.proto, name) != nil }

func (n *operator) attrInt(name string, otherwise int) int {
	if a := attribute(n.proto, name); a != nil {
		return n.bounded([]int64{a.I})[0]
	}
	return otherwise
}

func (n *operator) attrInts(name string) []int {
	if a := attribute(n.proto, name); a != nil {
		return n.bounded(a.Ints)
	}
	return nil
}

func (n *operator) attrFloat(name string, otherwise float32) float32 {
	if a := attribute(n.proto, name); a != nil {
		return a.F
	}
	return otherwise
}

func (n *operator) attrText(name, otherwise string) string {
	if a := attribute(n.proto, name); a != nil {
		return string(a.S)
	}
	return otherwise
}

// axis is a dimension counted from the first, or, below zero, from behind the last.
func (n *operator) axis(axis, rank int) int {
	if axis < -rank || axis >= rank {
		n.fail("has no dimension %d of %d", axis, rank)
	}
	if axis < 0 {
		axis += rank
	}
	return axis
}

// axes are dimensions from an attribute, as in older opsets, or from input i.
// They are sorted, and nil where there is neither.
func (n *operator) axes(i, rank int) []int {
	list := n.attrInts("axes")
	if n.maybe(i) != nil {
		list = n.sizes(i)
	} else if !n.has("axes") {
		return nil
	}
	out := make([]int, 0, len(list))
	for _, a := range list {
		out = append(out, n.axis(a, rank))
	}
	slices.Sort(out)
	if len(slices.Compact(slices.Clone(out))) != len(out) {
		n.fail("names a dimension twice: %v", list)
	}
	return out
}

// rank refuses an input of fewer dimensions.
func (n *operator) rank(i, least int) model.Shape {
	s := n.shape(i)
	if len(s) < least {
		n.fail("reads %v, expected at least %d dimensions", s, least)
	}
	return s
}

// used says whether anything reads a result.
func (n *operator) used(result int) bool {
	name := n.proto.Output[result]
	return name != "" && n.r.uses[name] > 0
}

// branch takes the branch of an If whose condition is known: exporters write
// them for what depends on shapes.
func (n *operator) branch() {
	cond := n.input(0).data
	if cond == nil || len(cond.ints) != 1 {
		n.fail("its condition is known only when it runs: export the model without control flow")
	}
	name := "else_branch"
	if cond.ints[0] != 0 {
		name = "then_branch"
	}
	a := attribute(n.proto, name)
	if a == nil || a.G == nil || len(a.G.Output) < len(n.proto.Output) {
		n.fail("has no %s that gives %d results", name, len(n.proto.Output))
	}
	r := n.r
	outer := r.values
	inner := newNames(outer)
	r.values = inner
	for _, t := range a.G.Initializer {
		data, err := decode(t)
		if err != nil {
			n.fail("initializer %q: %v", clip(t.Name), err)
		}
		data.weight = floats(data.kind)
		inner.set(t.Name, &known{shape: data.shape, kind: data.kind, data: data, layer: -1})
	}
	for i, p := range a.G.Node {
		at := n.at
		at.where = fmt.Sprintf("%s.%s.node[%d]", n.at.where, name, i)
		if err := r.node(&operator{r: r, at: at, proto: p}); err != nil {
			panic(failure{err})
		}
	}
	r.values = outer
	for i, out := range n.proto.Output {
		v := inner.get(a.G.Output[i].Name)
		if v == nil {
			n.fail("%s gives no %q", name, clip(a.G.Output[i].Name))
		}
		if out != "" {
			outer.set(out, v)
		}
	}
}
