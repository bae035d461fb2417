package prune

import (
	"fmt"
	"slices"

	"dashline/model"
)

// MaxChannels bounds the channels of all layers of a network together. Real
// networks have some ten thousands.
const MaxChannels = 1 << 22

// Structure says which channels of a network belong together. It stays true
// for every network of the same layers, whatever its weights.
type Structure struct {
	Groups []Group // by the first layer and channel that they touch

	shapes []model.Shape
	group  [][]int32 // of each channel of each layer; nil: not an image
	unit   [][]int32 // likewise, in its group
	whole  []bool    // layers that are convolutions whose groups leave as a whole
	costs  []cost
}

// Group is a set of units that are alike: each has as many channels in the same
// layers, so that the costs depend only on how many stay.
type Group struct {
	Name  string // of its first producer, or first layer; unique
	Fixed string // why none may leave; empty: all but one may
	Units [][]Channel

	Layers    []int // those in whose values its units have channels
	Producers []int // convolutions whose filters its units are
	Followers []int // convolutions whose groups leave as a whole: depthwise
	Consumers []int // convolutions that read its units as columns of their weights
}

// Channel is one channel of a layer's value. In a unit they are ordered by
// layer, then index. The filters of a producer are the channels of its own
// value; the columns of a consumer are the channels of the value that it reads.
type Channel struct{ Layer, Index int }

// In are the indices of unit u's channels in the value of a layer, in order.
func (g *Group) In(u, layer int) []int {
	var in []int
	for _, c := range g.Units[u] {
		if c.Layer == layer {
			in = append(in, c.Index)
		}
	}
	return in
}

// Analyze finds the structure of a valid network.
func Analyze(g *model.Graph) (*Structure, error) {
	t, err := newTies(g)
	if err != nil {
		return nil, err
	}
	s := &Structure{whole: make([]bool, len(g.Layers))}
	for i := range g.Layers {
		s.shapes = append(s.shapes, slices.Clone(g.Layers[i].Shape))
		conv, ok := convolutionOf(g, i)
		s.whole[i] = ok && conv.whole()
		t.layer(g, i)
	}
	for _, out := range g.Outputs {
		t.fix(out, "output of the network")
	}
	s.collect(g, t)
	s.name(g)
	s.count(g)
	return s, nil
}

// Find is the group of a layer's channel and the unit in it, or -1, -1 where the
// layer's value is not an image or has no such channel.
func (s *Structure) Find(c Channel) (group, unit int) {
	if c.Layer < 0 || c.Layer >= len(s.group) || c.Index < 0 || c.Index >= len(s.group[c.Layer]) {
		return -1, -1
	}
	return int(s.group[c.Layer][c.Index]), int(s.unit[c.Layer][c.Index])
}

// fits refuses networks that the structure is not of.
func (s *Structure) fits(g *model.Graph) error {
	if len(g.Layers) != len(s.shapes) {
		return fmt.Errorf("the network has %d layers, the one that was analysed %d", len(g.Layers), len(s.shapes))
	}
	for i, shape := range s.shapes {
		if l := &g.Layers[i]; !l.Shape.Equal(shape) {
			return fmt.Errorf("layer %s is %v, in the network that was analysed %v", l.Name, l.Shape, shape)
		}
	}
	return nil
}
