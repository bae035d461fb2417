// Package darknet reads networks in darknet's format, a cfg and a weights file,
// and writes them. [Inspect] and [Validate] say whether they are whole and belong
// together before an engine sees their bytes; [Read] makes a [model.Graph] of
// them, and [File.Write] writes it back.
//
// Invariants:
//   - Every size is bounded before anything is allocated for it; work is linear
//     in the bytes given.
//   - A layer reads only layers before it, so a [Net] has no cycle.
//   - [Validate] returning nil means: every layer is known, every shape fits, the
//     weights have exactly the length that the layers need and every weight is
//     a finite number.
//   - What [Read] takes, [File.Write] gives back byte for byte as long as the
//     graph is not changed; of a changed one it writes a cfg that reads as that
//     graph, or nothing.
//
// The format is that of github.com/pjreddie/darknet (src/parser.c), which has
// no other specification. Layers that no detector of the YOLOv3 family uses
// are refused by name.
package darknet

import (
	"fmt"
	"strings"
)

// Shape is channels, height and width of one picture's activations.
type Shape struct{ C, H, W int }

func (s Shape) String() string { return fmt.Sprintf("%dx%dx%d", s.C, s.H, s.W) }

// Elements is the number of values.
func (s Shape) Elements() int64 { return int64(s.C) * int64(s.H) * int64(s.W) }

// Net is a network as its cfg describes it.
type Net struct {
	Input  Shape
	Layers []Layer
}

// Layer is one layer. Exactly one of Conv, Pool, Route, Shortcut, Yolo is set for
// a layer of that kind; the other kinds need no more than Type and Stride.
type Layer struct {
	Type    string // as in the cfg, long form: "convolutional"
	Line    int    // in the cfg
	In, Out Shape
	From    []int // indices of the layers that it reads; -1 is the network's input
	Weights int64 // floats in the weights file
	Stride  int   // upsample
	Conv    *Conv
	Pool    *Pool
	Route   *Route
	Yolo    *Yolo

	Shortcut *Shortcut
}

// Conv is a convolutional layer.
type Conv struct {
	Filters, Size, Stride, Pad, Groups int
	BatchNorm                          bool
	Activation                         string
}

// Pool is a max pooling layer. Pad is the total of both sides, as darknet has it.
type Pool struct{ Size, Stride, Pad int }

// Route concatenates layers, or takes one of several groups of their channels.
type Route struct{ Groups, Group int }

// Shortcut adds the layer before and another.
type Shortcut struct{ Activation string }

// Yolo is a detection head.
type Yolo struct {
	Mask    []int
	Anchors []float64 // width, height pairs in input pixels, all of the network's
	Classes int
	ScaleXY float64 // scale_x_y, of the offsets in a cell; 1 in YOLOv3
}

// Name is the layer in short: "convolutional 3x3/1 256->512".
func (l *Layer) Name() string {
	switch {
	case l.Conv != nil:
		s := fmt.Sprintf("%s %dx%d/%d %d->%d", l.Type, l.Conv.Size, l.Conv.Size, l.Conv.Stride, l.In.C, l.Out.C)
		if l.Conv.Groups > 1 {
			s += fmt.Sprintf(" in %d groups", l.Conv.Groups)
		}
		return s
	case l.Pool != nil:
		return fmt.Sprintf("%s %dx%d/%d", l.Type, l.Pool.Size, l.Pool.Size, l.Pool.Stride)
	case l.Yolo != nil:
		return fmt.Sprintf("%s %d classes", l.Type, l.Yolo.Classes)
	}
	return l.Type
}

// Parameters is the number of floats in the weights file.
func (n *Net) Parameters() int64 {
	var sum int64
	for i := range n.Layers {
		sum += n.Layers[i].Weights
	}
	return sum
}

// WeightsBytes is the length of the weights file as darknet writes it now.
func (n *Net) WeightsBytes() int64 { return headerLong + 4*n.Parameters() }

// Inspect reads a cfg and works out every layer's shape and weights for the
// input size that the cfg names. Errors are [*Error].
func Inspect(cfg []byte) (*Net, error) { return InspectSize(cfg, 0, 0) }

// InspectSize is Inspect for another input size, in pixels; 0 takes the cfg's.
func InspectSize(cfg []byte, width, height int) (*Net, error) {
	net, _, err := parse(cfg, width, height)
	return net, err
}

// parse also gives the sections; that of layer i is the one at i+1.
func parse(cfg []byte, width, height int) (*Net, []section, error) {
	parts, err := sections(cfg)
	if err != nil {
		return nil, nil, err
	}
	if len(parts) == 0 || parts[0].name != "net" && parts[0].name != "network" {
		return nil, nil, wrong(0, "does not begin with [net]: is it a darknet cfg?")
	}
	b := builder{net: &Net{Layers: make([]Layer, 0, len(parts)-1)}}
	if err := b.input(parts[0], width, height); err != nil {
		return nil, nil, err
	}
	for _, s := range parts[1:] {
		if err := b.layer(s); err != nil {
			return nil, nil, err
		}
	}
	if len(b.net.Layers) == 0 {
		return nil, nil, wrong(0, "has no layers after [net]")
	}
	return b.net, parts, nil
}

type builder struct {
	net     *Net
	weights int64
}

func (b *builder) input(s section, width, height int) (err error) {
	in := &b.net.Input
	if in.W, err = s.integer("width", 0, 1, 4096); err != nil {
		return err
	}
	if in.H, err = s.integer("height", 0, 1, 4096); err != nil {
		return err
	}
	if in.C, err = s.integer("channels", 0, 1, 64); err != nil {
		return err
	}
	if width > 0 && height > 0 {
		in.W, in.H = width, height
	}
	if in.W > 4096 || in.H > 4096 {
		return wrong(0, "input %dx%d is larger than 4096x4096", in.W, in.H)
	}
	return nil
}

// longForm are the layers that are known, by the names that darknet accepts.
var longForm = map[string]string{
	"convolutional": "convolutional", "conv": "convolutional",
	"maxpool": "maxpool", "max": "maxpool",
	"avgpool": "avgpool", "avg": "avgpool",
	"softmax": "softmax", "soft": "softmax",
	"dropout": "dropout", "route": "route", "shortcut": "shortcut",
	"upsample": "upsample", "yolo": "yolo",
}

func (b *builder) layer(s section) error {
	kind, ok := longForm[s.name]
	if !ok {
		return wrong(s.line, "unknown layer [%s]: known are convolutional, maxpool, avgpool, softmax, dropout, route, shortcut, upsample and yolo", clip(s.name))
	}
	l := Layer{Type: kind, Line: s.line, In: b.shape(len(b.net.Layers) - 1), From: []int{len(b.net.Layers) - 1}}
	l.Out = l.In
	var err error
	switch kind {
	case "convolutional":
		err = l.convolutional(s)
	case "maxpool":
		err = l.maxpool(s)
	case "avgpool":
		l.Out = Shape{l.In.C, 1, 1}
	case "upsample":
		l.Stride, err = s.integer("stride", 2, 1, 32)
		l.Out = Shape{l.In.C, l.In.H * l.Stride, l.In.W * l.Stride}
	case "route":
		err = b.route(&l, s)
	case "shortcut":
		err = b.shortcut(&l, s)
	case "yolo":
		err = l.yolo(s)
	}
	if err != nil {
		return b.named(err, &l)
	}
	if err := b.bound(&l); err != nil {
		return b.named(err, &l)
	}
	b.net.Layers = append(b.net.Layers, l)
	return nil
}

// named adds to an error which layer it is about.
func (b *builder) named(err error, l *Layer) error {
	if e, ok := err.(*Error); ok {
		e.Layer, e.Name = len(b.net.Layers), l.Name()
		// Where its own options were not all read, the kind has to do.
		if c := l.Conv; c != nil && (c.Size == 0 || c.Stride == 0) {
			e.Name = l.Type
		}
	}
	return err
}

// bound refuses sizes that no network needs, before anything allocates them.
func (b *builder) bound(l *Layer) error {
	o := l.Out
	if o.C < 1 || o.H < 1 || o.W < 1 {
		return wrong(l.Line, "nothing is left of its input %v: the output would be %v", l.In, o)
	}
	if o.C > maxChannels || o.H > maxSide || o.W > maxSide || o.Elements() > maxActivations {
		return wrong(l.Line, "output %v is absurdly large (at most %d channels, %d pixels a side, %d values)", o, maxChannels, maxSide, maxActivations)
	}
	b.weights += l.Weights
	if b.weights > maxWeights {
		return wrong(l.Line, "the network has more than %d weights by here", maxWeights)
	}
	return nil
}

// shape is the output of a layer before the current one; -1 is the input.
func (b *builder) shape(i int) Shape {
	if i < 0 {
		return b.net.Input
	}
	return b.net.Layers[i].Out
}

func (l *Layer) convolutional(s section) (err error) {
	c := &Conv{}
	l.Conv = c
	if c.Filters, err = s.integer("filters", 1, 1, maxChannels); err != nil {
		return err
	}
	l.Out.C = c.Filters
	if c.Size, err = s.integer("size", 1, 1, maxKernel); err != nil {
		return err
	}
	if c.Stride, err = s.integer("stride", 1, 1, 64); err != nil {
		return err
	}
	if c.Groups, err = s.integer("groups", 1, 1, maxChannels); err != nil {
		return err
	}
	half, err := s.integer("pad", 0, 0, 1)
	if err != nil {
		return err
	}
	if c.Pad, err = s.integer("padding", 0, 0, maxKernel); err != nil {
		return err
	}
	if half == 1 {
		c.Pad = c.Size / 2
	}
	bn, err := s.integer("batch_normalize", 0, 0, 1)
	if err != nil {
		return err
	}
	c.BatchNorm = bn == 1
	c.Activation = "logistic" // darknet's default
	if a, ok := s.options["activation"]; ok {
		c.Activation = a.value
	}
	if _, known := acts[c.Activation]; !known {
		return s.unknownActivation()
	}
	for _, key := range []string{"dilation", "stride_x", "stride_y", "antialiasing", "binary", "xnor"} {
		if o, ok := s.options[key]; ok && o.value != "0" && !(key == "dilation" && o.value == "1") {
			return wrong(o.line, "%s is not supported", key)
		}
	}
	if l.In.C%c.Groups != 0 || c.Filters%c.Groups != 0 {
		return wrong(s.lineOf("groups"), "%d input channels and %d filters do not divide into %d groups", l.In.C, c.Filters, c.Groups)
	}
	l.Out.H = out(l.In.H, c.Size, c.Stride, 2*c.Pad)
	l.Out.W = out(l.In.W, c.Size, c.Stride, 2*c.Pad)
	l.Weights = int64(c.Filters)*int64(l.In.C/c.Groups)*int64(c.Size)*int64(c.Size) + int64(c.Filters)
	if c.BatchNorm {
		l.Weights += 3 * int64(c.Filters)
	}
	return nil
}

// out is the length of one side after a window slid over it; pad is the total
// of both ends.
func out(in, size, stride, pad int) int {
	if in+pad < size {
		return 0
	}
	return (in+pad-size)/stride + 1
}

func (l *Layer) maxpool(s section) (err error) {
	p := &Pool{}
	l.Pool = p
	if p.Stride, err = s.integer("stride", 1, 1, 64); err != nil {
		return err
	}
	if p.Size, err = s.integer("size", p.Stride, 1, maxKernel); err != nil {
		return err
	}
	if p.Pad, err = s.integer("padding", p.Size-1, 0, maxKernel); err != nil {
		return err
	}
	l.Out = Shape{l.In.C, out(l.In.H, p.Size, p.Stride, p.Pad), out(l.In.W, p.Size, p.Stride, p.Pad)}
	return nil
}

// refer turns the index of a layer as the cfg has it, counted back when
// negative, into an index, and refuses all but layers before the current one.
func (b *builder) refer(line int, key string, i int) (int, error) {
	here := len(b.net.Layers)
	to := i
	if i < 0 {
		to = here + i
	}
	switch {
	case to < 0:
		return 0, wrong(line, "%s=%d is before the first layer", key, i)
	case to == here:
		return 0, wrong(line, "%s=%d is the layer itself: that is a cycle", key, i)
	case to > here:
		return 0, wrong(line, "%s=%d is a later layer: that is a cycle", key, i)
	}
	return to, nil
}

func (b *builder) route(l *Layer, s section) error {
	layers, err := s.list("layers")
	if err != nil {
		return err
	}
	r := &Route{}
	l.Route = r
	if r.Groups, err = s.integer("groups", 1, 1, maxChannels); err != nil {
		return err
	}
	if r.Group, err = s.integer("group_id", 0, 0, maxChannels); err != nil {
		return err
	}
	if r.Group >= r.Groups {
		return wrong(s.lineOf("group_id"), "group_id=%d, but there are %d groups, counted from 0", r.Group, r.Groups)
	}
	l.From = nil
	for i, ref := range layers {
		from, err := b.refer(s.lineOf("layers"), "layers", ref)
		if err != nil {
			return err
		}
		in := b.shape(from)
		if in.C%r.Groups != 0 {
			return wrong(s.lineOf("groups"), "the %d channels of layer %d do not divide into %d groups", in.C, from, r.Groups)
		}
		if i == 0 {
			l.In, l.Out = in, Shape{0, in.H, in.W}
		} else if in.H != l.Out.H || in.W != l.Out.W {
			return wrong(s.lineOf("layers"), "layer %d gives %v, layer %d gives %v: only equal heights and widths can be joined", l.From[0], b.shape(l.From[0]), from, in)
		}
		l.Out.C += in.C / r.Groups
		l.From = append(l.From, from)
	}
	return nil
}

func (b *builder) shortcut(l *Layer, s section) error {
	refs, err := s.list("from")
	if err != nil {
		return err
	}
	if len(refs) != 1 {
		return wrong(s.lineOf("from"), "adds %d layers, only one is supported", len(refs))
	}
	from, err := b.refer(s.lineOf("from"), "from", refs[0])
	if err != nil {
		return err
	}
	l.Shortcut = &Shortcut{Activation: "linear"}
	if a, ok := s.options["activation"]; ok {
		l.Shortcut.Activation = strings.ToLower(a.value)
	}
	if _, known := acts[l.Shortcut.Activation]; !known {
		return s.unknownActivation()
	}
	if b.shape(from) != l.In {
		return wrong(s.lineOf("from"), "layer %d gives %v, the layer before gives %v: only equal shapes can be added", from, b.shape(from), l.In)
	}
	l.From = append(l.From, from)
	return nil
}

func (l *Layer) yolo(s section) (err error) {
	y := &Yolo{}
	l.Yolo = y
	if y.Classes, err = s.integer("classes", 20, 1, 22_000); err != nil {
		return err
	}
	num, err := s.integer("num", 1, 1, maxList)
	if err != nil {
		return err
	}
	if y.Anchors, err = s.floats("anchors"); err != nil {
		return err
	}
	if len(y.Anchors) != 2*num {
		return wrong(s.lineOf("anchors"), "%d values, but num=%d needs %d", len(y.Anchors), num, 2*num)
	}
	for _, a := range y.Anchors {
		if a <= 0 || a > 1<<16 {
			return wrong(s.lineOf("anchors"), "%v is not the size of a box", a)
		}
	}
	if y.ScaleXY, err = s.number("scale_x_y", 1, 0.1, 10); err != nil {
		return err
	}
	if y.Mask, err = s.list("mask"); err != nil {
		return err
	}
	for _, m := range y.Mask {
		if m < 0 || m >= num {
			return wrong(s.lineOf("mask"), "mask %d, but anchors are numbered 0 to %d", m, num-1)
		}
	}
	if want := len(y.Mask) * (y.Classes + 5); l.In.C != want {
		return wrong(s.line, "the layer before has %d channels, %d anchors x (%d classes + 5) need %d", l.In.C, len(y.Mask), y.Classes, want)
	}
	return nil
}
