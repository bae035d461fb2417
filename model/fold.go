package model

import "math"

// Fold merges every batch normalisation into the convolution before it, which
// changes the network but, to rounding, not what it computes.
func (g *Graph) Fold() {
	for i := range g.Layers {
		switch o := g.Layers[i].Op.(type) {
		case *Conv:
			if o.Norm != nil {
				o.Bias = o.Norm.fold(o.Weight, o.Bias, o.Filters)
				o.Norm = nil
			}
		case *Deconv:
			if o.Norm != nil {
				o.fold()
			}
		}
	}
}

// Affine is what the normalisation does to channel c: Affine(c) = (a, b) of a*x + b.
func (n *Norm) Affine(c int) (a, b float64) {
	a = float64(n.Scale[c]) / math.Sqrt(float64(n.Variance[c])+n.Epsilon)
	return a, float64(n.Shift[c]) - a*float64(n.Mean[c])
}

// fold scales weights, which are filters x anything, and returns the new bias.
func (n *Norm) fold(weight, bias []float32, filters int) []float32 {
	out := make([]float32, filters)
	each := len(weight) / filters
	for f := range filters {
		a, b := n.Affine(f)
		for i := f * each; i < (f+1)*each; i++ {
			weight[i] = float32(a * float64(weight[i]))
		}
		if bias != nil {
			b += a * float64(bias[f])
		}
		out[f] = float32(b)
	}
	return out
}

// fold is that of a transposed convolution, whose filters are its second dimension.
func (o *Deconv) fold() {
	each := o.Kernel[0] * o.Kernel[1]
	perGroup := o.Filters / o.Groups
	channels := len(o.Weight) / (perGroup * each)
	bias := make([]float32, o.Filters)
	for f := range o.Filters {
		a, b := o.Norm.Affine(f)
		if o.Bias != nil {
			b += a * float64(o.Bias[f])
		}
		bias[f] = float32(b)
		group := f / perGroup
		for c := group * channels / o.Groups; c < (group+1)*channels/o.Groups; c++ {
			w := o.Weight[(c*perGroup+f%perGroup)*each:][:each]
			for i := range w {
				w[i] = float32(a * float64(w[i]))
			}
		}
	}
	o.Bias, o.Norm = bias, nil
}
