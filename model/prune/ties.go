package prune

import (
	"fmt"

	"dashline/model"
)

// ties is a union-find over all channels of a network (Tarjan 1975), by halving
// paths. The smallest channel of a class is its root, so that nothing depends on
// the order of ties.
type ties struct {
	first  []int   // node of channel 0 of each layer
	count  []int   // its channels; 0: not an image
	parent []int32 // of each node
	fixed  map[int32]string
}

func newTies(g *model.Graph) (*ties, error) {
	t := &ties{fixed: map[int32]string{}}
	n := 0
	for i := range g.Layers {
		c := channels(&g.Layers[i])
		if c > MaxChannels-n {
			return nil, fmt.Errorf("the network has more than %d channels by layer %s", MaxChannels, g.Layers[i].Name)
		}
		t.first, t.count = append(t.first, n), append(t.count, c)
		n += c
	}
	t.parent = make([]int32, n)
	for i := range t.parent {
		t.parent[i] = int32(i)
	}
	return t, nil
}

// channels of a layer's value that may be removed at all: those of images, and of
// constants that are added to or multiplied with images.
func channels(l *model.Layer) int {
	s := l.Shape
	if len(s) == 4 && s[0] == 1 {
		return s[1]
	}
	if _, ok := l.Op.(*model.Const); ok && len(s) == 3 {
		return s[0]
	}
	return 0
}

func (t *ties) find(n int32) int32 {
	for t.parent[n] != n {
		t.parent[n] = t.parent[t.parent[n]]
		n = t.parent[n]
	}
	return n
}

// tie makes channel ca of layer a and channel cb of layer b leave together.
func (t *ties) tie(a, ca, b, cb int) {
	x, y := t.find(int32(t.first[a]+ca)), t.find(int32(t.first[b]+cb))
	if x == y {
		return
	}
	if x > y {
		x, y = y, x
	}
	t.parent[y] = x
	if why, ok := t.fixed[y]; ok {
		if _, both := t.fixed[x]; !both {
			t.fixed[x] = why
		}
		delete(t.fixed, y)
	}
}

// same ties every channel of two layers to the same one of the other.
func (t *ties) same(a, b int) {
	for c := range t.count[a] {
		t.tie(a, c, b, c)
	}
}

// fix keeps all channels of a layer's value.
func (t *ties) fix(layer int, why string) {
	for c := range t.count[layer] {
		root := t.find(int32(t.first[layer] + c))
		if _, ok := t.fixed[root]; !ok {
			t.fixed[root] = why
		}
	}
}

// layer ties the channels of a layer's value to those of what it reads.
func (t *ties) layer(g *model.Graph, i int) {
	l := &g.Layers[i]
	switch o := l.Op.(type) {
	case *model.Input:
		t.fix(i, "input of the network")
		return
	case *model.Const:
		if !o.Value.Type.Floating() {
			t.fix(i, "whole numbers")
		}
		return
	case *model.Conv, *model.Deconv:
		c, _ := convolutionOf(g, i)
		t.convolution(c, l.From[0], i)
		return
	case *model.MaxPool, *model.AvgPool, *model.Upsample, *model.Identity, *model.Normalize, *model.Activate:
		if t.images(l, i) {
			t.same(i, l.From[0])
			return
		}
	case *model.Slice:
		if t.images(l, i) {
			t.slice(o, l.From[0], i)
			return
		}
	case *model.Concat:
		if t.images(l, i) {
			t.concat(o, l.From, i)
			return
		}
	case *model.Add, *model.Mul:
		if t.count[i] > 0 && t.broadcast(g, i) {
			return
		}
	}
	t.fix(i, fmt.Sprintf("result of %s (%s)", l.Name, model.Kind(l.Op)))
	for _, from := range l.From {
		t.fix(from, fmt.Sprintf("read by %s (%s)", l.Name, model.Kind(l.Op)))
	}
}

// images says whether a layer reads nothing but images and gives one.
func (t *ties) images(l *model.Layer, i int) bool {
	for _, from := range l.From {
		if t.count[from] == 0 {
			return false
		}
	}
	return t.count[i] > 0
}

func (t *ties) slice(o *model.Slice, from, i int) {
	if o.Axis != 1 {
		t.same(i, from)
		return
	}
	for c := range o.Count {
		t.tie(i, c, from, o.Start+c)
	}
	if o.Start%o.Count != 0 || t.count[from]%o.Count != 0 {
		return
	}
	for c := o.Count; c < t.count[from]; c++ {
		t.tie(from, c%o.Count, from, c)
	}
}

func (t *ties) concat(o *model.Concat, from []int, i int) {
	at := 0
	for _, f := range from {
		if o.Axis != 1 {
			t.same(i, f)
			continue
		}
		for c := range t.count[f] {
			t.tie(i, at+c, f, c)
		}
		at += t.count[f]
	}
}

// broadcast ties the operands of a sum or product of images, and says whether it
// could: an operand that is no image has to be the same for all channels.
func (t *ties) broadcast(g *model.Graph, i int) bool {
	for _, from := range g.Layers[i].From {
		if along(g.Layers[from].Shape) > 1 && t.count[from] == 0 {
			return false
		}
	}
	for _, from := range g.Layers[i].From {
		if t.count[from] == t.count[i] { // else it is the same for all channels
			t.same(i, from)
		}
	}
	return true
}

// along is an operand's length in the dimension of an image's channels.
func along(s model.Shape) int {
	if len(s) < 3 {
		return 1
	}
	return s[len(s)-3]
}
