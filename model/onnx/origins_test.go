package onnx

import (
	"strings"
	"testing"

	"dashline/internal/testkit/topology"
)

// Every node that runs belongs to the layer that it is a part of.
func TestOrigins(t *testing.T) {
	data := topology.Encode(topology.ResNet50())
	g, err := Read(data, ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	of, err := Origins(data, g)
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := nodeNames(data)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, n := range nodes {
		i, ok := of[n.outputs[0]]
		if !ok || i < 0 || i >= len(g.Layers) {
			t.Fatalf("%v is of no layer", n)
		}
		if at, named := of[n.name]; n.name != "" && (!named || at != i) {
			t.Errorf("node %q is of layer %d, its value of %d", n.name, at, i)
		}
		seen[i] = true
	}
	for i, l := range g.Layers {
		if j, ok := of[l.Name]; ok && j != i {
			t.Errorf("layer %d %s is said to be %d", i, l.Name, j)
		}
		if len(l.From) > 0 && !seen[i] {
			t.Errorf("layer %s is of no node", l.Name)
		}
	}

	small := graphOf(13, []string{"Conv x,w > c", "Relu c > r", "Sigmoid r > y"}, reals("w", make([]float32, 12), 4, 3, 1, 1))
	if g, err = Read(small, ReadOptions{}); err != nil {
		t.Fatal(err)
	}
	if of, err = Origins(small, g); err != nil || of["c"] != g.Find("r") || of["r"] != g.Find("r") || of["y"] != g.Find("y") {
		t.Errorf("%v, %v", of, err)
	}
	if _, err := Origins(small[:len(small)-3], g); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("cut off: %v", err)
	}
}
