package darknet

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"dashline/model"
)

// plan is a graph as darknet's layers.
type plan struct {
	net     *Net
	tensors [][][]float32 // of each layer, in the order of the file; parts of the graph where they can be
}

// describe turns a valid graph into the layers that compute it. Errors are
// [*model.Error] and name what darknet has no form for.
func describe(g *model.Graph) (*plan, error) {
	d := describer{g: g, plan: plan{net: &Net{}}, at: make([]int, len(g.Layers)), parts: routeParts(g)}
	if err := d.input(); err != nil {
		return nil, err
	}
	for i := range g.Layers {
		if err := d.layer(i); err != nil {
			return nil, d.wrong(i, err)
		}
	}
	if err := d.outputs(); err != nil {
		return nil, err
	}
	return &d.plan, nil
}

// describer builds a plan. at is, for each of the graph's layers, the darknet
// layer that has its value; -1 is the input.
type describer struct {
	plan
	g     *model.Graph
	at    []int
	parts map[int]bool // slices that are part of the route after them
}

func (d *describer) wrong(i int, err error) *model.Error {
	l := d.g.Layers[i]
	e := &model.Error{Layer: i, Name: l.Name, What: model.Kind(l.Op), Err: err}
	if len(l.From) > 0 {
		e.What = model.Describe(l.Op, d.g.In(i))
	}
	return e
}

func (d *describer) whole(format string, args ...any) *model.Error {
	return &model.Error{Layer: -1, Err: fmt.Errorf(format, args...)}
}

func (d *describer) input() error {
	in := d.g.Inputs()
	if len(in) != 1 {
		return d.whole("has %d inputs, a darknet network has one", len(in))
	}
	s := d.g.Layers[in[0]].Shape
	if len(s) != 4 || s[0] != 1 {
		return d.wrong(in[0], fmt.Errorf("is fed %v, a darknet network is fed one image, 1xCxHxW", s))
	}
	d.net.Input = shapeOf(s)
	return nil
}

func shapeOf(s model.Shape) Shape { return Shape{s.Channels(), s.Height(), s.Width()} }

func (d *describer) layer(i int) error {
	l := d.g.Layers[i]
	if _, ok := l.Op.(*model.Input); ok {
		d.at[i] = -1
		return nil
	}
	if d.parts[i] {
		return nil // the route after it takes it
	}
	for _, from := range l.From {
		if _, ok := d.g.Layers[from].Op.(*model.Yolo); ok {
			return fmt.Errorf("reads the detection head %s: in a cfg nothing can", d.g.Layers[from].Name)
		}
	}
	var err error
	switch o := l.Op.(type) {
	case *model.Conv:
		err = d.conv(i, o)
	case *model.MaxPool:
		err = d.maxpool(i, o)
	case *model.AvgPool:
		err = d.avgpool(i, o)
	case *model.Upsample:
		err = d.follow(l.From[0], Layer{Type: "upsample", Stride: o.Scale, Out: shapeOf(l.Shape)})
	case *model.Add:
		err = d.shortcut(i, o)
	case *model.Softmax:
		if o.Axis != 1 || len(l.Shape) != 4 || l.Shape[2]*l.Shape[3] != 1 {
			return fmt.Errorf("is over dimension %d of %v, darknet's is over the channels of 1x1", o.Axis, l.Shape)
		}
		err = d.follow(l.From[0], Layer{Type: "softmax", Out: shapeOf(l.Shape)})
	case *model.Identity:
		err = d.route(i, l.From, Route{Groups: 1})
	case *model.Slice:
		var r Route
		if r, err = group(d.g, i); err == nil {
			err = d.route(i, l.From, r)
		}
	case *model.Concat:
		err = d.concat(i, o)
	case *model.Yolo:
		err = d.yolo(i, o)
	default:
		return errors.New("darknet has no such layer, or none that this package writes")
	}
	d.at[i] = len(d.net.Layers) - 1
	return err
}

// add appends a layer that reads what l.From says, and its weights.
func (d *describer) add(l Layer, tensors ...[]float32) {
	l.In = d.net.Input
	if l.From[0] >= 0 {
		l.In = d.net.Layers[l.From[0]].Out
	}
	d.net.Layers = append(d.net.Layers, l)
	d.tensors = append(d.tensors, tensors)
}

// precede makes the value of the graph's layer from that of the last layer: all
// but routes read the one before them.
func (d *describer) precede(from int) error {
	at := d.at[from]
	if at == len(d.net.Layers)-1 {
		return nil
	}
	if at < 0 {
		return errors.New("reads the network's input, which only the first layer of a cfg can")
	}
	d.add(Layer{Type: "route", From: []int{at}, Out: d.net.Layers[at].Out, Route: &Route{Groups: 1}})
	return nil
}

// follow adds a layer that reads the graph's layer from.
func (d *describer) follow(from int, l Layer, tensors ...[]float32) error {
	if err := d.precede(from); err != nil {
		return err
	}
	l.From = []int{len(d.net.Layers) - 1}
	d.add(l, tensors...)
	return nil
}

func (d *describer) conv(i int, o *model.Conv) error {
	if !square(o.Kernel) || !square(o.Stride) || o.Dilation != [2]int{1, 1} {
		return fmt.Errorf("kernel %v, stride %v, dilation %v: darknet's are square, without dilation", o.Kernel, o.Stride, o.Dilation)
	}
	p := o.Pad.Top
	if o.Pad != (model.Pad{Top: p, Left: p, Bottom: p, Right: p}) {
		return fmt.Errorf("padding %+v: darknet pads all sides the same", o.Pad)
	}
	act, err := actName(o.Act)
	if err != nil {
		return err
	}
	tensors, err := stored(o)
	if err != nil {
		return err
	}
	weights := 0
	for _, t := range tensors {
		weights += len(t)
	}
	return d.follow(d.g.Layers[i].From[0], Layer{
		Type: "convolutional", Out: shapeOf(d.g.Layers[i].Shape), Weights: int64(weights),
		Conv: &Conv{Filters: o.Filters, Size: o.Kernel[0], Stride: o.Stride[0], Pad: p, Groups: o.Groups,
			BatchNorm: o.Norm != nil, Activation: act},
	}, tensors...)
}

func square(side [2]int) bool { return side[0] == side[1] }

func actName(a model.Act) (string, error) {
	for name, b := range acts {
		if a.Kind == b.Kind && (a.Kind != model.Leaky || a.Alpha == b.Alpha) {
			return name, nil
		}
	}
	if a.Kind == model.Leaky {
		return "", fmt.Errorf("leaky with slope %v: darknet's is %v", a.Alpha, leakySlope)
	}
	return "", fmt.Errorf("darknet has no activation %s, or none that this package writes", a.Kind)
}

// stored are the tensors of a convolution as the file has them. darknet always
// has a bias, none before its normalisation, and an epsilon of its own: a bias
// there moves into the mean, another epsilon into the variance.
func stored(o *model.Conv) ([][]float32, error) {
	if o.Norm == nil {
		bias := o.Bias
		if bias == nil {
			bias = make([]float32, o.Filters)
		}
		return [][]float32{bias, o.Weight}, nil
	}
	mean, variance := o.Norm.Mean, o.Norm.Variance
	if o.Bias != nil {
		mean = slices.Clone(mean)
		for c := range mean {
			if mean[c] -= o.Bias[c]; math.IsInf(float64(mean[c]), 0) {
				return nil, fmt.Errorf("the mean of channel %d less its bias is not finite", c)
			}
		}
	}
	if o.Norm.Epsilon != epsilon {
		variance = slices.Clone(variance)
		for c, v := range variance {
			variance[c] = float32(float64(v) + o.Norm.Epsilon - epsilon)
			if !(variance[c] >= 0 && variance[c] <= math.MaxFloat32) {
				return nil, fmt.Errorf("variance %d is %v with an epsilon of %v: with darknet's %v it would be %v",
					c, v, o.Norm.Epsilon, epsilon, variance[c])
			}
		}
	}
	return [][]float32{o.Norm.Shift, o.Norm.Scale, mean, variance, o.Weight}, nil
}

func (d *describer) maxpool(i int, o *model.MaxPool) error {
	total := o.Pad.Top + o.Pad.Bottom
	if !square(o.Size) || !square(o.Stride) || o.Pad.Top != total/2 || o.Pad.Left != total/2 || o.Pad.Left+o.Pad.Right != total {
		return fmt.Errorf("size %v, stride %v, padding %+v: darknet's are square, with the odd row and column of padding at the end",
			o.Size, o.Stride, o.Pad)
	}
	return d.follow(d.g.Layers[i].From[0], Layer{Type: "maxpool", Out: shapeOf(d.g.Layers[i].Shape),
		Pool: &Pool{Size: o.Size[0], Stride: o.Stride[0], Pad: total}})
}

func (d *describer) avgpool(i int, o *model.AvgPool) error {
	in := d.g.In(i)
	if o.Size != [2]int{} && (o.Size != [2]int{in.Height(), in.Width()} || o.Pad != model.Pad{}) {
		return fmt.Errorf("is of windows of %v, darknet's is of the whole image", o.Size)
	}
	return d.follow(d.g.Layers[i].From[0], Layer{Type: "avgpool", Out: shapeOf(d.g.Layers[i].Shape)})
}

func (d *describer) shortcut(i int, o *model.Add) error {
	from := d.g.Layers[i].From
	if len(from) != 2 || !d.g.Layers[from[0]].Shape.Equal(d.g.Layers[from[1]].Shape) || len(d.g.In(i)) != 4 {
		return errors.New("darknet adds two images of one shape")
	}
	act, err := actName(o.Act)
	if err != nil {
		return err
	}
	first, second := from[0], from[1]
	if last := len(d.net.Layers) - 1; d.at[second] == last && d.at[first] != last {
		first, second = second, first
	}
	if d.at[second] < 0 {
		return errors.New("adds the network's input, which only the first layer of a cfg can read")
	}
	if err := d.precede(first); err != nil {
		return err
	}
	d.add(Layer{Type: "shortcut", From: []int{len(d.net.Layers) - 1, d.at[second]}, Out: shapeOf(d.g.Layers[i].Shape),
		Shortcut: &Shortcut{Activation: act}})
	return nil
}

// route adds a route to layers of the graph.
func (d *describer) route(i int, layers []int, r Route) error {
	l := Layer{Type: "route", Out: shapeOf(d.g.Layers[i].Shape), Route: &r}
	if len(d.g.Layers[i].Shape) != 4 {
		return fmt.Errorf("gives %v, darknet's layers give one image, 1xCxHxW", d.g.Layers[i].Shape)
	}
	for _, from := range layers {
		if d.at[from] < 0 && (len(d.net.Layers) > 0 || len(layers) > 1 || r.Groups > 1) {
			return errors.New("reads the network's input, which no route of a cfg can")
		}
		l.From = append(l.From, d.at[from])
	}
	if l.From[0] < 0 {
		l.Type, l.Route = "dropout", nil // the identity that can be the first layer
	}
	d.add(l)
	return nil
}

func (d *describer) concat(i int, o *model.Concat) error {
	if o.Axis != 1 {
		return fmt.Errorf("joins along dimension %d, darknet joins channels", o.Axis)
	}
	from := d.g.Layers[i].From
	if !d.parts[from[0]] {
		return d.route(i, from, Route{Groups: 1})
	}
	r, err := group(d.g, from[0])
	if err != nil {
		return err
	}
	whole := make([]int, len(from))
	for k, part := range from {
		whole[k] = d.g.Layers[part].From[0]
	}
	return d.route(i, whole, r)
}

// group says which group of the channels a slice takes.
func group(g *model.Graph, i int) (Route, error) {
	o, in := g.Layers[i].Op.(*model.Slice), g.In(i)
	if o.Axis != 1 || len(in) != 4 || in.Channels()%o.Count != 0 || o.Start%o.Count != 0 {
		return Route{}, fmt.Errorf("takes %d from %d on of %v along dimension %d: darknet divides channels into equal groups "+
			"and takes one", o.Count, o.Start, in, o.Axis)
	}
	return Route{Groups: in.Channels() / o.Count, Group: o.Start / o.Count}, nil
}

// routeParts finds the slices that one route with groups takes of several layers.
func routeParts(g *model.Graph) map[int]bool {
	parts := map[int]bool{}
	readers := g.Readers()
	for i, l := range g.Layers {
		if _, ok := l.Op.(*model.Concat); !ok || !isGroupRoute(g, readers, i) {
			continue
		}
		for _, from := range l.From {
			parts[from] = true
		}
	}
	return parts
}

// isGroupRoute says whether all that layer i joins are the same group of several
// layers, named as parts of it and of use to nothing else.
func isGroupRoute(g *model.Graph, readers [][]int, i int) bool {
	var first Route
	for k, from := range g.Layers[i].From {
		if _, ok := g.Layers[from].Op.(*model.Slice); !ok || g.Layers[from].Name != partName(g.Layers[i].Name, k) {
			return false
		}
		r, err := group(g, from)
		if k == 0 {
			first = r
		}
		if err != nil || r != first || !slices.Equal(readers[from], []int{i}) || g.IsOutput(from) {
			return false
		}
	}
	return true
}

func (d *describer) yolo(i int, o *model.Yolo) error {
	if in := [2]int{d.net.Input.H, d.net.Input.W}; o.Input != in {
		return fmt.Errorf("is for an input of %dx%d (height x width), the network's is %dx%d", o.Input[0], o.Input[1], in[0], in[1])
	}
	return d.follow(d.g.Layers[i].From[0], Layer{Type: "yolo", Out: shapeOf(d.g.In(i)),
		Yolo: &Yolo{Mask: o.Mask, Anchors: o.Anchors, Classes: o.Classes, ScaleXY: o.ScaleXY}})
}

// outputs refuses others than darknet would give.
func (d *describer) outputs() error {
	var heads []int
	for i := range d.g.Layers {
		if _, ok := d.g.Layers[i].Op.(*model.Yolo); ok {
			heads = append(heads, i)
		}
	}
	if heads == nil {
		for i, at := range d.at { // several may have the value of the last
			if at == len(d.net.Layers)-1 && slices.Equal(d.g.Outputs, []int{i}) {
				return nil
			}
		}
		return d.whole("its outputs are layers %v, those of a cfg without [yolo] are its last layer", d.g.Outputs)
	}
	if !slices.Equal(d.g.Outputs, heads) {
		return d.whole("its outputs are layers %v, those of a cfg with [yolo] are these: %v", d.g.Outputs, heads)
	}
	return nil
}
