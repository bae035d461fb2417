package darknet

import (
	"fmt"
	"strconv"

	"dashline/model"
)

// epsilon is added to a variance before its root. darknet adds 1e-6 to the root
// itself on the CPU (src/blas.c) and 1e-5 to the variance on the GPU; this is what
// OpenCV does, which the project's networks are run with.
const epsilon = 1e-6

// leakySlope is that of darknet's leaky below zero (src/activations.h).
const leakySlope = 0.1

// acts are the activations by darknet's names.
var acts = map[string]model.Act{
	"linear":   {},
	"leaky":    {Kind: model.Leaky, Alpha: leakySlope},
	"relu":     {Kind: model.Relu},
	"relu6":    {Kind: model.Relu6},
	"logistic": {Kind: model.Sigmoid},
	"mish":     {Kind: model.Mish},
	"swish":    {Kind: model.Silu},
}

// plain are the options that change what a layer computes and the one value
// with which it computes what this package says, which is also their default.
var plain = map[string][][2]string{
	"convolutional": {{"flipped", "0"}, {"assisted_excitation", "0"}, {"share_index", "-1000000000"},
		{"sway", "0"}, {"rotate", "0"}, {"stretch", "0"}, {"stretch_sway", "0"}},
	"maxpool":  {{"stride_x", "0"}, {"stride_y", "0"}, {"maxpool_depth", "0"}, {"antialiasing", "0"}},
	"upsample": {{"scale", "1"}},
	"shortcut": {{"alpha", "1"}, {"beta", "1"}, {"weights_type", "none"}},
	"softmax":  {{"groups", "1"}, {"temperature", "1"}, {"spatial", "0"}, {"tree", ""}},
	"yolo":     {{"new_coords", "0"}},
}

// computable refuses what an engine may read but this package has no operation for.
func (n *Net) computable(parts []section) error {
	for i := range n.Layers {
		l := &n.Layers[i]
		if err := n.layerComputable(l, parts[i+1]); err != nil {
			return l.named(err, i)
		}
	}
	return nil
}

func (n *Net) layerComputable(l *Layer, s section) *Error {
	for _, p := range plain[l.Type] {
		if o, ok := s.options[p[0]]; ok && !sameNumber(o.value, p[1]) {
			return wrong(o.line, "%s=%s is not supported, only the default is", p[0], clip(o.value))
		}
	}
	for _, from := range l.From {
		if from >= 0 && n.Layers[from].Yolo != nil {
			return wrong(l.Line, "reads layer %d, a detection head: begin the branch with a [route] to a layer before it", from)
		}
	}
	if l.Type == "softmax" && l.In.H*l.In.W != 1 {
		return wrong(l.Line, "a softmax over an image of %v is not supported, only over 1x1: put an [avgpool] before it", l.In)
	}
	if p := l.Pool; p != nil && p.Pad-p.Pad/2 >= p.Size {
		return wrong(s.lineOf("padding"), "padding=%d puts windows of %d wholly outside of the image", p.Pad, p.Size)
	}
	return nil
}

func sameNumber(a, b string) bool {
	x, err := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return a == b || err == nil && err2 == nil && x == y
}

// graph is the network without its weights, and where each layer's value is in it.
func (n *Net) graph() (*model.Graph, []int, error) {
	b := grapher{net: n, graph: &model.Graph{}}
	b.add("input", &model.Input{Shape: n.Input.model()})
	for i := range n.Layers {
		b.layer(i, &n.Layers[i])
		if len(b.graph.Layers) > model.MaxLayers {
			l := &n.Layers[i]
			return nil, nil, l.named(wrong(l.Line, "the parts that routes take are more than %d by here", model.MaxLayers), i)
		}
		b.at = append(b.at, len(b.graph.Layers)-1)
	}
	for i, l := range n.Layers {
		if l.Yolo != nil {
			b.graph.Outputs = append(b.graph.Outputs, b.at[i])
		}
	}
	if b.graph.Outputs == nil {
		b.graph.Outputs = []int{b.at[len(b.at)-1]}
	}
	return b.graph, b.at, nil
}

func (s Shape) model() model.Shape { return model.Shape{1, s.C, s.H, s.W} }

// grapher builds a graph; at is where the value of each layer so far is.
type grapher struct {
	net   *Net
	graph *model.Graph
	at    []int
}

func (b *grapher) add(name string, op model.Op, from ...int) {
	b.graph.Layers = append(b.graph.Layers, model.Layer{Name: name, Op: op, From: from})
}

// layer adds one layer, whose value is that of the last one it adds.
func (b *grapher) layer(i int, l *Layer) {
	var from []int
	for _, f := range l.From {
		if f < 0 {
			from = append(from, 0)
			continue
		}
		from = append(from, b.at[f])
	}
	name := shortForm[l.Type] + strconv.Itoa(i)
	switch l.Type {
	case "convolutional":
		b.add(name, l.Conv.op(), from...)
	case "maxpool":
		b.add(name, l.Pool.op(), from...)
	case "avgpool":
		b.add(name, &model.AvgPool{}, from...)
	case "upsample":
		b.add(name, &model.Upsample{Scale: l.Stride}, from...)
	case "shortcut":
		b.add(name, &model.Add{Act: acts[l.Shortcut.Activation]}, from...)
	case "softmax":
		b.add(name, &model.Softmax{Axis: 1}, from...)
	case "dropout":
		b.add(name, &model.Identity{}, from...)
	case "route":
		b.route(name, l, from)
	case "yolo":
		y := l.Yolo
		b.add(name, &model.Yolo{Mask: y.Mask, Anchors: y.Anchors, Classes: y.Classes, ScaleXY: y.ScaleXY,
			Input: [2]int{b.net.Input.H, b.net.Input.W}}, from...)
	}
}

// route joins the layers that it reads, or one group of the channels of each.
func (b *grapher) route(name string, l *Layer, from []int) {
	single := len(from) == 1
	if groups := l.Route.Groups; groups > 1 {
		for k, f := range l.From {
			part := name
			if !single {
				part = partName(name, k)
			}
			count := b.net.Layers[f].Out.C / groups
			b.add(part, &model.Slice{Axis: 1, Start: l.Route.Group * count, Count: count}, from[k])
			from[k] = len(b.graph.Layers) - 1
		}
		if single {
			return
		}
	}
	if single {
		b.add(name, &model.Identity{}, from...)
		return
	}
	b.add(name, &model.Concat{Axis: 1}, from...)
}

// partName is the name of the group of channels that a route takes of the k-th
// layer it reads, where it reads several. By it [File.Write] knows them again.
func partName(route string, k int) string { return fmt.Sprintf("%s.%d", route, k) }

// shortForm is what layers are called in a graph, with their number.
var shortForm = map[string]string{
	"convolutional": "conv", "maxpool": "maxpool", "avgpool": "avgpool", "softmax": "softmax", "dropout": "dropout",
	"route": "route", "shortcut": "shortcut", "upsample": "upsample", "yolo": "yolo",
}

func (c *Conv) op() *model.Conv {
	o := &model.Conv{
		Filters: c.Filters, Groups: c.Groups,
		Kernel: [2]int{c.Size, c.Size}, Stride: [2]int{c.Stride, c.Stride}, Dilation: [2]int{1, 1},
		Pad: model.Pad{Top: c.Pad, Left: c.Pad, Bottom: c.Pad, Right: c.Pad},
		Act: acts[c.Activation],
	}
	if c.BatchNorm {
		o.Norm = &model.Norm{Epsilon: epsilon}
	}
	return o
}

// op pads as darknet does (src/maxpool_layer.c): the first window begins Pad/2
// before the image, whatever is left of Pad is at the end.
func (p *Pool) op() *model.MaxPool {
	before := p.Pad / 2
	return &model.MaxPool{
		Size: [2]int{p.Size, p.Size}, Stride: [2]int{p.Stride, p.Stride},
		Pad: model.Pad{Top: before, Left: before, Bottom: p.Pad - before, Right: p.Pad - before},
	}
}
