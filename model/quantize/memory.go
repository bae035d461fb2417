package quantize

import "dashline/model"

// Memory is how many bytes [Calibrate] holds for each picture: the values that are
// needed at once, where they are most, in float and in codes. An activation function
// that engines do not merge has a value beside its convolution's. g has its shapes set.
func Memory(g *model.Graph) int64 {
	g = prepare(g)
	last := g.LastReaders()
	ends := make([]int64, len(g.Layers)) // numbers that are let go of after a layer
	for i := range g.Layers {
		ends[last[i]] += int64(g.Layers[i].Shape.Elements())
	}
	var now, most int64
	for i := range g.Layers {
		now += int64(g.Layers[i].Shape.Elements())
		most = max(most, now)
		now -= ends[i]
	}
	const each = 2 * 4 // both sides, float32
	return each * most
}
