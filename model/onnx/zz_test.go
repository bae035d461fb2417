package onnx

import (
	"fmt"
	"testing"
	"time"
	"os"

	"dashline/internal/testkit/topology"
	"dashline/model"
)

func TestTry(t *testing.T) {
	for i, m := range [][]byte{topology.Encode(topology.ResNet50()), topology.Encode(topology.Tiny().Model()), topology.Encode(topology.DistilBERT().Model())} {
		os.WriteFile(fmt.Sprintf("/tmp/topo%d.onnx", i), m, 0o644)
		now := time.Now()
		g, err := Read(m, ReadOptions{Dims: map[string]int{"sequence": 16}})
		if i == 0 {
			g, err = Read(m, ReadOptions{})
		}
		if err != nil {
			t.Error(err)
			continue
		}
		n := 0
		kinds := map[string]int{}
		for _, l := range g.Layers {
			kinds[model.Kind(l.Op)]++
			for p := range model.Weights(l.Op) {
				if p.Trained {
				n += len(p.Values)
				}
			}
		}
		fmt.Println(len(m), time.Since(now), len(g.Layers), n, kinds)
	}
}
