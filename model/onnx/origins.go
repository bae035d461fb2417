package onnx

import "dashline/model"

// Origins are the layers of g, which was read from data, that compute what nodes
// and values of the file are called: engines name what they run by either. A node
// that is part of a layer has that layer's number, and so has one that the layer
// was folded from. Names that are of no layer, as of what was computed while
// reading, are left out.
func Origins(data []byte, g *model.Graph) (map[string]int, error) {
	layers := make(map[string]int, len(g.Layers))
	for i := range g.Layers {
		layers[g.Layers[i].Name] = i
	}
	nodes, err := nodeNames(data)
	if err != nil {
		return nil, err
	}
	// Backwards: a value that is no layer belongs to the node that reads it.
	out := make(map[string]int, 2*len(nodes))
	reader := map[string]int{}
	for k := len(nodes) - 1; k >= 0; k-- {
		n := &nodes[k]
		at, found := -1, false
		for _, value := range n.outputs {
			if at, found = layers[value]; !found {
				at, found = reader[value]
			}
			if found {
				break
			}
		}
		if !found {
			continue
		}
		out[n.name] = at
		for _, value := range n.outputs {
			out[value] = at
		}
		for _, value := range n.inputs {
			reader[value] = at
		}
	}
	delete(out, "")
	return out, nil
}

// nodeName is what a node and its values are called.
type nodeName struct {
	name            string
	inputs, outputs []string
}

func nodeNames(data []byte) ([]nodeName, error) {
	var nodes []nodeName
	root := message{data: data, where: "model"}
	err := root.each(func(f field) error {
		if f.num != 7 { // graph
			return nil
		}
		graph := f.sub("graph")
		return graph.each(func(f field) error {
			if f.num != 1 { // node
				return nil
			}
			var n nodeName
			m := f.sub("node")
			err := m.each(func(f field) error {
				switch f.num {
				case 1:
					n.inputs = append(n.inputs, string(f.bytes))
				case 2:
					n.outputs = append(n.outputs, string(f.bytes))
				case 3:
					n.name = string(f.bytes)
				}
				return nil
			})
			nodes = append(nodes, n)
			return err
		})
	})
	return nodes, err
}
