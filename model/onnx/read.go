package onnx

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"dashline/model"
	"dashline/model/onnx/pb"
)

// ReadOptions say what a file leaves open. The zero value does for files in
// which every size is fixed but that of the batch.
type ReadOptions struct {
	// Dims are the sizes of dimensions that the file only names: {"sequence": 128}.
	// The first dimension of an input is taken to be the batch, which is 1 unless
	// its name is here.
	Dims map[string]int
	// Inputs are shapes of inputs by their names, whatever the file says of them.
	Inputs map[string]model.Shape
}

// Read reads a network, after [Validate] accepted its bytes. data is not kept,
// nor is more of it in memory again than the network's weights and one tensor.
//
// Convolutions with what follows them, pools, sums and the like become layers of
// their own kinds; what depends on shapes and constants alone is computed, and
// what no output depends on is left out. Everything else is a [model.Generic]
// whose Source is the node as a *[pb.NodeProto], which [Write] writes back. A
// layer has the name of its value in the file. Where the size of a result depends
// on data, as that of NonMaxSuppression, its shape is the largest possible.
//
// Float initializers are weights, and become [model.Const] where no layer of
// another kind has them; one that several such layers read is copied for each,
// within bounds. Constants that are part of the program and not weights (single
// numbers, masks of -Inf, what the IR has no type for) are a Generic "Constant".
// An empty one counts as one number, for a [model.Shape] cannot say it.
//
// Errors are [*Error], or [*model.Error] where the network as a whole breaks an
// invariant of package model.
func Read(data []byte, o ReadOptions) (*model.Graph, error) {
	info, err := Inspect(data)
	if err != nil {
		return nil, err
	}
	r := newReader(info.Opset, len(data))
	nodes, err := r.load(data)
	if err != nil {
		return nil, err
	}
	if err := r.inputs(o); err != nil {
		return nil, err
	}
	for i := range nodes {
		if err := r.node(&nodes[i]); err != nil {
			return nil, err
		}
		nodes[i] = operator{} // its tensors are of no use any more
	}
	return r.finish()
}

// reader is a file on its way to a network.
type reader struct {
	name   string
	opset  int64
	values *names
	uses   map[string]int // how often a name is still read
	stated map[string]message

	feeds   []feed
	results []string

	layers     []model.Layer
	layerNames map[string]bool       // true: a layer's; false: a value's in the file
	tried      map[string]int        // how many names like one were looked at
	constants  map[model.Op]*literal // by the layers that stand for them

	folding int // numbers that may still be computed from constants
	copying int // weights that may still be copied because several layers have them
}

func newReader(opset int64, size int) *reader {
	return &reader{
		opset:  opset,
		values: newNames(nil), uses: map[string]int{}, layerNames: map[string]bool{}, tried: map[string]int{}, stated: map[string]message{},
		folding: 1<<20 + size, copying: 1<<20 + size/2,
		constants: map[model.Op]*literal{},
	}
}

// feed is an input of the file.
type feed struct {
	at    message
	proto *pb.ValueInfoProto
}

// load takes the file apart. Initializers are decoded when they are first read
// and forgotten when they were last read, since most of them end as the weights
// of one layer.
func (r *reader) load(data []byte) ([]operator, error) {
	var nodes []operator
	root := message{data: data, where: "model"}
	err := root.each(func(f field) error {
		if f.num != 7 || f.wire != protowire.BytesType {
			return nil
		}
		g := f.sub("graph")
		return g.each(func(f field) (err error) {
			switch f.num {
			case 1:
				n := operator{r: r, at: f.sub(fmt.Sprintf("graph.node[%d]", len(nodes))), proto: &pb.NodeProto{}}
				nodes = append(nodes, n)
				err = unmarshal(n.at, n.proto)
				r.count(n.proto, 0)
			case 2:
				r.name, err = g.text(f)
			case 5:
				err = r.initializer(f.sub("graph.initializer"))
			case 11:
				in := feed{f.sub(fmt.Sprintf("graph.input[%d]", len(r.feeds))), &pb.ValueInfoProto{}}
				r.feeds = append(r.feeds, in)
				err = unmarshal(in.at, in.proto)
			case 12, 13:
				at := f.sub("graph.value_info")
				v, wrong := value(at)
				r.stated[v.Name], err = at, wrong
				if f.num == 12 {
					r.results = append(r.results, v.Name)
				}
			}
			return err
		})
	})
	for _, name := range r.results {
		r.uses[name] = math.MaxInt
	}
	return nodes, err
}

func unmarshal(at message, to proto.Message) error {
	if err := proto.Unmarshal(at.data, to); err != nil {
		return at.wrong("%v", err)
	}
	return nil
}

// count counts what a node reads. What graphs inside it read is never forgotten.
func (r *reader) count(n *pb.NodeProto, depth int) {
	for _, in := range n.Input {
		if depth > 0 {
			r.uses[in] = math.MaxInt
		} else if r.uses[in] < math.MaxInt {
			r.uses[in]++
		}
	}
	for _, out := range n.Output {
		r.layerNames[out] = false
	}
	for _, a := range n.Attribute {
		for _, g := range append(a.Graphs, a.G) {
			for _, inner := range g.GetNode() {
				r.count(inner, depth+1)
			}
			for _, out := range g.GetOutput() {
				r.uses[out.Name] = math.MaxInt
			}
		}
	}
}

func (r *reader) initializer(at message) error {
	name := ""
	err := at.each(func(f field) (err error) {
		if f.num == 8 {
			name, err = at.text(f)
		}
		return err
	})
	at.where = fmt.Sprintf("graph.initializer (%s)", clip(name))
	r.layerNames[name] = false
	r.values.set(name, &known{pending: &at, layer: -1})
	return err
}

// inputs settles the shapes of what the network is fed with.
func (r *reader) inputs(o ReadOptions) error {
	open := map[string]bool{}
	left := maps.Clone(o.Inputs)
	for _, in := range r.feeds {
		v := in.proto
		if r.values.get(v.Name) != nil { // an initializer that could be replaced
			continue
		}
		kind := dataType(v.Type.GetTensorType().GetElemType())
		if kind == pb.TensorProto_NONE {
			return in.at.wrong("input %q is no tensor: sequences, maps and optional values are not supported", clip(v.Name))
		}
		shape, err := o.shape(in, open)
		if err != nil {
			return err
		}
		delete(left, v.Name)
		layer := r.add(v.Name, &model.Input{Shape: shape, Type: inputType(kind)}, shape)
		r.values.set(v.Name, &known{shape: shape, kind: kind, layer: layer})
	}
	for name := range left {
		return &Error{Msg: fmt.Sprintf("has no input %q, whose shape was given", clip(name))}
	}
	for name := range o.Dims {
		if !open[name] {
			return &Error{Msg: fmt.Sprintf("has no dimension %q, whose size was given; it has %q",
				clip(name), slices.Sorted(maps.Keys(open)))}
		}
	}
	return nil
}

// inputType is how the IR has the type of an input: that of floats is not said.
func inputType(k dataType) model.Type {
	if floats(k) {
		return ""
	}
	return model.Type(strings.ToLower(k.String()))
}

// shape is that of an input; names of its dimensions are added to open.
func (o ReadOptions) shape(in feed, open map[string]bool) (model.Shape, error) {
	name := clip(in.proto.Name)
	given, ok := o.Inputs[in.proto.Name]
	stated := in.proto.Type.TensorType.Shape
	if stated == nil && !ok {
		return nil, in.at.wrong("input %q states no shape: give it whole", name)
	}
	shape := make(model.Shape, 0, maxRank)
	for i, d := range stated.GetDim() {
		if d.DimParam != "" {
			open[d.DimParam] = true
		}
		switch size, named := o.Dims[d.DimParam]; {
		case ok: // the shape is given
		case d.DimValue > 0:
			shape = append(shape, int(d.DimValue))
		case named && d.DimParam != "":
			shape = append(shape, size)
		case i == 0:
			shape = append(shape, 1)
		case d.DimParam == "":
			return nil, in.at.wrong("input %q leaves its dimension %d open: give its shape", name, i)
		default:
			return nil, in.at.wrong("input %q leaves its dimension %d, %q, open: give its size or the whole shape",
				name, i, clip(d.DimParam))
		}
	}
	if ok {
		shape = append(shape, given...)
	}
	if ok && stated != nil && len(given) != len(stated.Dim) {
		return nil, in.at.wrong("input %q has %d dimensions, the given shape %v has %d", name, len(stated.Dim), given, len(given))
	}
	if err := possible(shape); err != nil {
		return nil, in.at.wrong("input %q: %v", name, err)
	}
	return shape, nil
}

// possible says whether a layer may have a value of that shape.
func possible(s model.Shape) error {
	g := model.Graph{Layers: []model.Layer{{Op: &model.Input{Shape: s}}}}
	err := g.Infer()
	var inner *model.Error
	if errors.As(err, &inner) {
		return inner.Err
	}
	return err
}

// add appends a layer and returns its place.
func (r *reader) add(name string, op model.Op, shape model.Shape, from ...int) int {
	if r.layerNames[name] {
		name = r.fresh(name)
	}
	r.layerNames[name] = true
	r.layers = append(r.layers, model.Layer{Name: name, Op: op, From: from, Shape: shape})
	return len(r.layers) - 1
}

// fresh is a name like wish that no value of the file has and no layer. No name
// is looked at twice, so that a file of many equal ones costs no more than others.
func (r *reader) fresh(wish string) string {
	name := wish
	for _, taken := r.layerNames[name]; taken; _, taken = r.layerNames[name] {
		r.tried[wish]++
		name = fmt.Sprintf("%s_%d", wish, r.tried[wish]+1)
	}
	return name
}

// finish makes the network of what was read.
func (r *reader) finish() (*model.Graph, error) {
	g := &model.Graph{Name: r.name}
	for _, name := range r.results {
		v, err := r.find(name)
		if err != nil {
			return nil, err
		}
		if v == nil {
			return nil, &Error{Where: "graph", Msg: fmt.Sprintf("output %q is written by no node", clip(name))}
		}
		from, err := r.layer(name, v)
		if err != nil {
			return nil, err
		}
		if l := r.layers[from]; l.Name != name { // a value that has another name, too
			from = r.add(name, &model.Identity{}, l.Shape, from)
		}
		g.Outputs = append(g.Outputs, from)
	}
	g.Layers = r.layers
	sweep(g)
	r.fuse(g)
	sweep(g)
	return g, g.Validate()
}

// sweep leaves out what no output depends on, but for inputs.
func sweep(g *model.Graph) {
	live := make([]bool, len(g.Layers))
	for _, out := range g.Outputs {
		live[out] = true
	}
	for i := len(g.Layers) - 1; i >= 0; i-- {
		if _, ok := g.Layers[i].Op.(*model.Input); ok {
			live[i] = true
		}
		for _, from := range g.Layers[i].From {
			live[from] = live[from] || live[i]
		}
	}
	place := make([]int, len(g.Layers))
	var kept []model.Layer
	for i, l := range g.Layers {
		if !live[i] {
			continue
		}
		for at, from := range l.From {
			l.From[at] = place[from]
		}
		place[i] = len(kept)
		kept = append(kept, l)
	}
	g.Layers = kept
	for i, out := range g.Outputs {
		g.Outputs[i] = place[out]
	}
}
