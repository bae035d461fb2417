package model

import "iter"

// Part is one array of an operation's weights, not a copy.
type Part struct {
	Name   string // weight, bias, scale, shift, mean, variance, slope, value
	Values []float32
	// Trained says whether training by gradients changes it: means and variances
	// are measured.
	Trained bool
}

// Weights are the arrays of an operation, in a fixed order.
func Weights(op Op) iter.Seq[Part] {
	return func(yield func(Part) bool) {
		for _, p := range parts(op) {
			if len(p.Values) > 0 && !yield(p) {
				return
			}
		}
	}
}

func parts(op Op) []Part {
	switch o := op.(type) {
	case *Conv:
		return filterParts(o.Weight, o.Bias, o.Norm, o.Act)
	case *Deconv:
		return filterParts(o.Weight, o.Bias, o.Norm, o.Act)
	case *Dense:
		return filterParts(o.Weight, o.Bias, nil, o.Act)
	case *Normalize:
		return filterParts(nil, nil, &o.Norm, o.Act)
	case *Activate:
		return filterParts(nil, nil, nil, o.Act)
	case *Add:
		return filterParts(nil, nil, nil, o.Act)
	case *Const:
		return []Part{{"value", o.Value.Floats, true}}
	}
	return nil
}

func filterParts(weight, bias []float32, norm *Norm, act Act) []Part {
	p := []Part{{"weight", weight, true}, {"bias", bias, true}, {"slope", act.Slope, true}}
	if norm != nil {
		p = append(p, Part{"scale", norm.Scale, true}, Part{"shift", norm.Shift, true},
			Part{"mean", norm.Mean, false}, Part{"variance", norm.Variance, false})
	}
	return p
}
