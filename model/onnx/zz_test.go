package onnx

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"dashline/model"
)

func TestTry(t *testing.T) {
	files, _ := filepath.Glob("/work/shared/assets/networks/*.onnx")
	for _, f := range files {
		data, _ := os.ReadFile(f)
		g, err := Read(data, ReadOptions{})
		if err != nil {
			t.Error(f, err)
			continue
		}
		n := 0
		kinds := map[string]int{}
		for _, l := range g.Layers {
			kinds[model.Kind(l.Op)]++
			for p := range model.Weights(l.Op) {
				n += len(p.Values)
			}
		}
		fmt.Println(filepath.Base(f), len(g.Layers), n, kinds)
	}
}
