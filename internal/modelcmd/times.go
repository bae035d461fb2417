package modelcmd

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"time"

	"dashline/internal/netfile"
	"dashline/model"
	"dashline/model/onnx"
)

// measured puts an answer in the words of a report.
func (a *answer) measured(g *model.Graph, find func(string) int, p Predicted) Measured {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	n := len(a.Forwards)
	m := Measured{
		Engine: p.Engine, Version: a.Version, Threads: a.Threads, File: a.What,
		LoadMS: ms(a.Load), FirstMS: ms(a.First), ForwardMS: ms(a.Forwards[n/2]), MinMS: ms(a.Forwards[0]), MaxMS: ms(a.Forwards[n-1]), Forwards: n,
		Resident: a.Resident, Peak: a.Peak, Predicted: p.Total, Ratio: float64(p.Total) / float64(max(a.Resident, 1)),
	}
	layers, groups := map[int]time.Duration{}, map[string]time.Duration{}
	var sum time.Duration
	for _, s := range a.Steps {
		sum += s.Time
		i := find(s.Name)
		if i < 0 {
			groups[strings.ToLower(s.Kind)] += s.Time
			continue
		}
		layers[i] += s.Time
		groups[group(g.Layers[i].Op)] += s.Time
	}
	for name, d := range groups {
		m.Groups = append(m.Groups, GroupTime{name, ms(d), float64(d) / float64(max(sum, 1))})
	}
	slices.SortFunc(m.Groups, func(x, y GroupTime) int { return cmp.Or(cmp.Compare(y.MS, x.MS), strings.Compare(x.Group, y.Group)) })
	for i := range g.Layers {
		if d := layers[i]; d > 0 {
			m.Layers = append(m.Layers, LayerTime{i, ms(d)})
		}
	}
	return m
}

// layerFinder finds the layer that an engine's name of a step is of, or -1.
func layerFinder(n *netfile.Net) (func(string) int, error) {
	index := map[string]int{}
	if n.Darknet == nil {
		data, err := os.ReadFile(n.Files[0])
		if err != nil {
			return nil, err
		}
		if index, err = onnx.Origins(data, n.Graph); err != nil {
			return nil, err
		}
	}
	numbers := map[string]int{} // of darknet's layers
	for i := range n.Graph.Layers {
		name := n.Graph.Layers[i].Name
		index[name] = i
		if digits := strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyz"); digits != "" && len(digits) < len(name) {
			numbers[digits] = i
		}
	}
	return func(step string) int {
		// OpenCV's of an ONNX file: onnx_node!name, or onnx_node_output_0!name.
		if _, after, ok := strings.Cut(step, "!"); ok {
			step = after
		}
		// ONNX Runtime's of a convolution that works on blocks.
		name := strings.TrimSuffix(step, "_nchwc")
		for n.Darknet != nil {
			if i, ok := index[name]; ok {
				return i
			}
			cut := strings.LastIndexByte(name, '/')
			if cut <= 0 {
				break
			}
			name = name[:cut] // a part of what became several operators
		}
		if i, ok := index[name]; ok {
			return i
		}
		// OpenCV's of a darknet file: bn_12.
		if _, digits, ok := strings.Cut(step, "_"); ok && n.Darknet != nil {
			if i, ok := numbers[digits]; ok {
				return i
			}
		}
		return -1
	}, nil
}
