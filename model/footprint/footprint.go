// Package footprint predicts the memory that a network adds to a process while
// an engine runs it. What an engine keeps of weights, and how it hands out memory
// for values, is modelled by following its own allocator on the network's layers.
//
// The models, found by reading the engines and held against measurements
// (dashline model info NET --measure):
//   - OpenCV 4.6 keeps every weight as it was read. Where it merges a batch
//     normalisation into a convolution, or where a filter's numbers do not fill
//     whole vectors of eight, it keeps a second copy that it computes with.
//     Values lie in blobs that are never given back; a later value takes the
//     smallest free blob that is large enough ([OpenCV]). OpenCV 4.10 computes with
//     weights in another order, and of 3x3 filters with seven times as many.
//   - ONNX Runtime keeps weights once, reordered for convolutions with channels
//     filled up to whole blocks. Values come from an arena that grows by powers of
//     two and is never given back: piece by piece in the first forward, from the
//     second on as one piece in which each value has a fixed place, beside what
//     the first one took ([ORT]).
//
// Invariants:
//   - Only memory that is written counts: address space that an arena reserves
//     and never touches is not resident.
//   - The program's own buffers for input and outputs are counted.
//   - Nothing here runs a network or depends on the machine, but for the block
//     that is given.
package footprint

import "dashline/model"

// Footprint is memory of one open network, in bytes.
type Footprint struct {
	Weights int64 // all copies
	Values  int64 // what holds the values between layers
	Buffers int64 // inputs and outputs, the program's own and the engine's
	Fixed   int64 // what any network needs: layers, threads, tables
}

// Total is the sum.
func (f Footprint) Total() int64 { return f.Weights + f.Values + f.Buffers + f.Fixed }

// maxLayers bounds the work of following an allocator, which grows with the
// square of what is held at once. Larger networks get the least that is possible.
const maxLayers = 20_000

// ends are the bytes of inputs and of outputs.
func ends(g *model.Graph) (inputs, outputs int64) {
	for _, i := range g.Inputs() {
		inputs += bytesOf(g, i)
	}
	for _, i := range g.Outputs {
		outputs += bytesOf(g, i)
	}
	return inputs, outputs
}

func bytesOf(g *model.Graph, i int) int64 {
	return model.ValueBytes * int64(g.Layers[i].Shape.Elements())
}
