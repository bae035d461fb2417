package quantize

import "dashline/model"

// prepare is a copy of g as codes need it: batch normalisations are merged, and
// every activation function is a layer of its own, except where engines merge it
// with the convolution. It keeps the name of the layer that it was part of.
func prepare(g *model.Graph) *model.Graph {
	g = g.Clone()
	g.Fold()
	out := &model.Graph{Name: g.Name}
	names := make(map[string]bool, len(g.Layers))
	for i := range g.Layers {
		names[g.Layers[i].Name] = true
	}
	at := make([]int, len(g.Layers)) // of a layer in out
	for i, l := range g.Layers {
		for k, from := range l.From {
			l.From[k] = at[from]
		}
		if act := splitAct(l.Op); act != nil {
			sum := l
			sum.Name += "/sum"
			for names[sum.Name] {
				sum.Name += "_"
			}
			names[sum.Name] = true
			out.Layers = append(out.Layers, sum)
			l.Op, l.From = &model.Activate{Act: *act}, []int{len(out.Layers) - 1}
		}
		at[i] = len(out.Layers)
		out.Layers = append(out.Layers, l)
	}
	for _, o := range g.Outputs {
		out.Outputs = append(out.Outputs, at[o])
	}
	return out
}

// splitAct takes the activation function out of an operation, or returns nil.
func splitAct(op model.Op) *model.Act {
	var act *model.Act
	switch o := op.(type) {
	case *model.Conv:
		if merges(o.Act.Kind) {
			return nil
		}
		act = &o.Act
	case *model.Add:
		act = &o.Act
	default:
		return nil
	}
	if act.Kind == model.Linear {
		return nil
	}
	taken := *act
	*act = model.Act{}
	return &taken
}

// merges says whether an activation function only cuts off what codes cannot be
// anyway, so that it costs an engine nothing.
func merges(k model.ActKind) bool {
	return k == model.Linear || k == model.Relu || k == model.Relu6
}

// coded says which layers' values get codes, where conv are the convolutions
// that compute in codes: their values, what they read, and what that is made of
// by operations that work on codes.
func coded(g *model.Graph, conv []bool) []bool {
	need := make([]bool, len(g.Layers))
	for i := len(g.Layers) - 1; i >= 0; i-- {
		l := &g.Layers[i]
		need[i] = need[i] || conv[i]
		if conv[i] || need[i] && onCodes(l.Op) {
			for _, from := range l.From {
				if a, ok := l.Op.(*model.Activate); !ok || conv[from] && a.Act.Kind != model.Linear {
					need[from] = true
				}
			}
		}
	}
	return need
}

// onCodes says whether engines compute an operation on codes.
func onCodes(op model.Op) bool {
	switch o := op.(type) {
	case *model.Activate:
		return o.Act.Kind == model.Leaky || o.Act.Kind == model.Sigmoid
	case *model.Add:
		return true
	}
	return keeps(op) || isConcat(op)
}

func isConcat(op model.Op) bool {
	_, ok := op.(*model.Concat)
	return ok
}

// keeps says whether every number of a value is one of those that are read, so
// that their codes are its codes.
func keeps(op model.Op) bool {
	switch op.(type) {
	case *model.MaxPool, *model.Upsample, *model.Identity, *model.Slice:
		return true
	}
	return false
}
