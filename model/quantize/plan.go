package quantize

import (
	"errors"
	"fmt"
	"slices"

	"dashline/model"
)

// Options say how codes are chosen. The zero value is what [Calibrate] takes for
// its defaults: see each field.
type Options struct {
	Method     Method  // of the ranges of values; "" means [MSE]
	Percentile float64 // of method [Percentile]; 0 means [DefaultPercentile]
	// Reduced takes weights of 7 bits. Needed where the processor sums products
	// of codes in 16 bits, that is without VNNI.
	Reduced bool
	// Float are the names of convolutions that stay float, besides those that
	// feed a detection head or an output.
	Float []string
	// Plain leaves out what makes codes lose less: equalisation, the correction of
	// biases.
	Plain bool
}

func (o Options) limit() int {
	if o.Reduced {
		return reduced
	}
	return full
}

// Plan is a network and its codes.
type Plan struct {
	// Graph computes what the given network does, to rounding and the correction
	// of biases. Its batch normalisations are merged and its layers' names those
	// of the given one, which some of its activation functions got.
	Graph *model.Graph
	Quant model.Quant
}

// Coded are the names of the convolutions that compute in codes, in order.
func (p *Plan) Coded() []string { return p.convolutions(true) }

// Float are the names of the others.
func (p *Plan) Float() []string { return p.convolutions(false) }

func (p *Plan) convolutions(coded bool) []string {
	var names []string
	for i := range p.Graph.Layers {
		if _, ok := p.Graph.Layers[i].Op.(*model.Conv); ok && p.Quant.Weights[i].Coded() == coded {
			names = append(names, p.Graph.Layers[i].Name)
		}
	}
	return names
}

// choose says which convolutions compute in codes.
func choose(g *model.Graph, o Options) ([]bool, error) {
	conv := make([]bool, len(g.Layers))
	readers := g.Readers()
	some := false
	for i := range g.Layers {
		if _, ok := g.Layers[i].Op.(*model.Conv); ok {
			conv[i] = !isHead(g, readers, i)
			some = some || conv[i]
		}
	}
	if !some {
		return nil, errors.New("has no convolution but those that make its outputs: there is nothing to compute in 8 bits")
	}
	for _, name := range o.Float {
		i := g.Find(name)
		if i >= 0 {
			if _, ok := g.Layers[i].Op.(*model.Activate); ok {
				i = g.Layers[i].From[0] // the convolution gave its name away
			}
		}
		if i < 0 || !isConv(g, i) {
			return nil, fmt.Errorf("has no convolution %q to leave in float", name)
		}
		conv[i] = false
	}
	return conv, nil
}

func isConv(g *model.Graph, i int) bool {
	_, ok := g.Layers[i].Op.(*model.Conv)
	return ok
}

// isHead says whether a convolution makes an output, but for an activation
// function, or what a detection head or a softmax reads.
func isHead(g *model.Graph, readers [][]int, i int) bool {
	if g.IsOutput(i) {
		return true
	}
	return slices.ContainsFunc(readers[i], func(r int) bool {
		switch g.Layers[r].Op.(type) {
		case *model.Yolo, *model.Softmax:
			return true
		case *model.Activate:
			return isHead(g, readers, r)
		}
		return false
	})
}
