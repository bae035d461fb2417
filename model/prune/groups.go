package prune

import (
	"encoding/binary"
	"fmt"
	"slices"

	"dashline/model"
)

// collect makes units of classes, and groups of units that are alike.
func (s *Structure) collect(g *model.Graph, t *ties) {
	units := map[int32][]Channel{}
	var roots []int32 // in order: a class's root is its first channel
	for i, n := range t.count {
		for c := range n {
			root := t.find(int32(t.first[i] + c))
			if _, seen := units[root]; !seen {
				roots = append(roots, root)
			}
			units[root] = append(units[root], Channel{i, c})
		}
	}
	s.group, s.unit = make([][]int32, len(t.count)), make([][]int32, len(t.count))
	for i, n := range t.count {
		if n > 0 {
			s.group[i], s.unit[i] = make([]int32, n), make([]int32, n)
		}
	}
	alike := map[string]int{}
	for _, root := range roots {
		unit, why := units[root], t.fixed[root]
		key := why + "\x00" + pattern(unit)
		at, ok := alike[key]
		if !ok {
			at = len(s.Groups)
			alike[key] = at
			s.Groups = append(s.Groups, Group{Fixed: why, Layers: layersOf(unit)})
		}
		for _, c := range unit {
			s.group[c.Layer][c.Index], s.unit[c.Layer][c.Index] = int32(at), int32(len(s.Groups[at].Units))
		}
		s.Groups[at].Units = append(s.Groups[at].Units, unit)
	}
	for i := range s.Groups {
		if group := &s.Groups[i]; len(group.Units) == 1 && group.Fixed == "" {
			group.Fixed = "the only unit"
		}
	}
	s.roles(g)
}

// pattern is the same for units with as many channels in the same layers.
func pattern(unit []Channel) string {
	var key []byte
	for _, c := range unit {
		key = binary.AppendUvarint(key, uint64(c.Layer))
	}
	return string(key)
}

func layersOf(unit []Channel) []int {
	var layers []int
	for _, c := range unit {
		layers = append(layers, c.Layer)
	}
	return slices.Compact(layers)
}

// roles says what each convolution is to the groups of its filters and channels.
func (s *Structure) roles(g *model.Graph) {
	for i := range g.Layers {
		if _, ok := convolutionOf(g, i); !ok {
			continue
		}
		for _, at := range groupsOf(s.group[i]) {
			own := &s.Groups[at]
			if s.whole[i] {
				own.Followers = append(own.Followers, i)
				continue
			}
			own.Producers = append(own.Producers, i)
		}
		if s.whole[i] {
			continue
		}
		for _, at := range groupsOf(s.group[g.Layers[i].From[0]]) {
			s.Groups[at].Consumers = append(s.Groups[at].Consumers, i)
		}
	}
}

// groupsOf is each group once, in order.
func groupsOf(of []int32) []int32 {
	of = slices.Clone(of)
	slices.Sort(of)
	return slices.Compact(of)
}

// name gives each group the name of a layer. Where several begin in the same
// one, they are numbered.
func (s *Structure) name(g *model.Graph) {
	taken := map[string]bool{}
	for i := range s.Groups {
		group := &s.Groups[i]
		layer := group.Layers[0]
		if len(group.Producers) > 0 {
			layer = group.Producers[0]
		}
		group.Name = g.Layers[layer].Name
		for n := 2; taken[group.Name]; n++ {
			group.Name = fmt.Sprintf("%s#%d", g.Layers[layer].Name, n)
		}
		taken[group.Name] = true
	}
}
