package prune

import (
	"dashline/model"
	"dashline/model/exec"
)

// fewest pictures that anything can be fitted to, and the bytes that their values
// may take.
const (
	fewest = 5
	memory = 4 << 30
)

// each is the bytes that one image takes: the most values that are alive at once,
// what is kept of every layer at the places, and what the largest filter sees
// there, as it is and without its mean.
func each(g *model.Graph, places int) int64 {
	dies := make([][]int, len(g.Layers)) // values that a layer reads last
	for i, at := range g.LastReaders() {
		dies[at] = append(dies[at], i)
	}
	var alive, most, kept, patches int64
	for i := range g.Layers {
		s := g.Layers[i].Shape
		at := int64(min(places, s.Height()*s.Width()))
		alive += int64(s.Elements())
		most = max(most, alive)
		for _, from := range dies[i] {
			alive -= int64(g.Layers[from].Shape.Elements())
		}
		kept += int64(s.Channels()) * at
		if o, ok := g.Layers[i].Op.(*model.Conv); ok {
			patches = max(patches, int64(exec.PatchLen(o, g.In(i)))*at*2)
		}
	}
	return 4 * (most + kept + patches)
}

// thinned is at most most of the images, evenly spread.
func thinned(images [][]float32, most int) [][]float32 {
	if len(images) <= most {
		return images
	}
	out := make([][]float32, most)
	for i := range out {
		out[i] = images[i*len(images)/most]
	}
	return out
}
