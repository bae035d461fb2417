// Package model is a neural network as data: typed layers in order, with their
// weights. Formats are read into it and written from it (model/darknet,
// model/onnx), costs are counted on it, networks are run (model/exec), shrunk
// (model/prune, model/quantize) and compared on it.
//
// Invariants, which [Graph.Validate] checks and every reader establishes:
//   - A layer reads only layers before it, so a graph has no cycle and its order
//     is an order of execution.
//   - A layer has one value. Operators with several results are a [Generic] and
//     one [Result] for each.
//   - Every layer's Shape is what its Op makes of the shapes that it reads, with
//     the batch of 1 written out: an image is 1xCxHxW.
//   - Weights have exactly the lengths that the Op needs and are finite;
//     variances are not negative.
//   - Other numbers of an Op (epsilons, slopes, anchors) are finite and of a size
//     that they can have.
//   - Layer names are unique and not empty.
//
// A Graph owns its weights. Functions that change a network say so; all others
// leave it alone, and [Graph.Clone] shares nothing.
package model

import (
	"fmt"
	"slices"
)

// Bounds of a network. Real ones are far inside.
const (
	MaxLayers   = 200_000
	MaxRank     = 8
	MaxElements = 1 << 28 // of one layer's value
	MaxWeights  = 1 << 30 // numbers of the whole network
)

// Graph is a network.
type Graph struct {
	Name    string
	Layers  []Layer
	Outputs []int // layers whose values the network gives, in order
}

// Layer is one operation and its value.
type Layer struct {
	Name  string
	Op    Op
	From  []int // layers that it reads, in the order that its Op names
	Shape Shape // of its value; set by [Graph.Infer]
}

// Inputs are the layers that are fed from outside, in order.
func (g *Graph) Inputs() []int {
	var in []int
	for i := range g.Layers {
		if _, ok := g.Layers[i].Op.(*Input); ok {
			in = append(in, i)
		}
	}
	return in
}

// Readers are, for each layer, the layers that read it, in order and each once.
func (g *Graph) Readers() [][]int {
	out := make([][]int, len(g.Layers))
	for i := range g.Layers {
		for _, from := range g.Layers[i].From {
			if n := len(out[from]); n == 0 || out[from][n-1] != i {
				out[from] = append(out[from], i)
			}
		}
	}
	return out
}

// LastReaders are, for each layer, the last layer that reads its value: itself
// where none does. That an output is read from outside does not count.
func (g *Graph) LastReaders() []int {
	last := make([]int, len(g.Layers))
	for i := range g.Layers {
		last[i] = i
		if _, ok := g.Layers[i].Op.(*Result); ok {
			continue // it does not read the first result
		}
		for _, from := range g.Layers[i].From {
			last[from] = i
		}
	}
	return last
}

// IsOutput says whether layer i is one of the outputs.
func (g *Graph) IsOutput(i int) bool { return slices.Contains(g.Outputs, i) }

// Find is the index of the layer of that name, or -1.
func (g *Graph) Find(name string) int {
	return slices.IndexFunc(g.Layers, func(l Layer) bool { return l.Name == name })
}

// In is the shape of what layer i reads first.
func (g *Graph) In(i int) Shape { return g.Layers[g.Layers[i].From[0]].Shape }

// Clone is a copy that shares nothing with the graph.
func (g *Graph) Clone() *Graph {
	c := &Graph{Name: g.Name, Layers: make([]Layer, len(g.Layers)), Outputs: slices.Clone(g.Outputs)}
	for i, l := range g.Layers {
		c.Layers[i] = Layer{Name: l.Name, Op: l.Op.clone(), From: slices.Clone(l.From), Shape: slices.Clone(l.Shape)}
	}
	return c
}

// Resize gives the network another input size, in pixels, and its heads with
// it. It changes the graph; on an error, where the network does not fit the size,
// it is of no more use. What a [Generic] makes of another size nobody here knows: a
// network with one is refused, and read again at that size.
func (g *Graph) Resize(height, width int) error {
	for i := range g.Layers {
		switch o := g.Layers[i].Op.(type) {
		case *Input:
			if len(o.Shape) != 4 {
				return g.wrong(i, fmt.Errorf("is %v and not an image: it has no size in pixels", o.Shape))
			}
			o.Shape[2], o.Shape[3] = height, width
		case *Generic:
			return g.wrong(i, fmt.Errorf("has the shape that its file says: read the file at %dx%d", width, height))
		case *Yolo:
			o.Input = [2]int{height, width}
		}
	}
	return g.Infer()
}
