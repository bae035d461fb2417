package footprint

import (
	"fmt"

	"dashline/model"
)

// vector is how many numbers a filter's row is aligned to
// (VEC_ALIGN in modules/dnn/src/layers/convolution_layer.cpp).
const vector = 8

// OpenCV predicts what OpenCV DNN holds on the CPU: 4.6, where a network whose batch
// normalisations are folded needs less (those of darknet files are not), or with
// packed 4.10, which computes with weights that it packs, see [Packs]. darknet says
// that the network is read from such files, in which every activation is one layer.
func OpenCV(g *model.Graph, darknet, packed bool) Footprint {
	in, _ := ends(g)
	// The program's input and the engine's; outputs are among the values.
	f := Footprint{Buffers: 2 * in, Fixed: opencvFixed + opencvLayer*int64(len(g.Layers))}
	scratch := int64(0)
	for i := range g.Layers {
		if o, ok := g.Layers[i].Op.(*model.Conv); ok && packed {
			w, s := packedWeights(g, i, o)
			f.Weights += w
			scratch = max(scratch, s)
			continue
		}
		f.Weights += opencvWeights(g.Layers[i].Op)
	}
	if packed {
		f.Fixed += packedFixed + scratch
	}
	if len(g.Layers) > maxLayers {
		f.Values = g.Liveness().Peak
		return f
	}
	b := newBlobs(g)
	b.darknet = darknet
	f.Values = b.run()
	return f
}

// What a network takes that has next to no weights, and each layer besides.
const (
	opencvFixed = 1 << 20
	opencvLayer = 4 << 10
)

// packedFixed is what 4.10 takes more of any network, by measurement.
const packedFixed = 5 << 19

// Packs says whether a version of OpenCV, such as 4.10.0, packs weights: those from
// 4.7 on.
func Packs(version string) bool {
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n != 2 {
		return false
	}
	return major > 4 || major == 4 && minor >= 7
}

// packedWeights are the bytes of a convolution's weights as they were read and as
// they are computed with (initFastConv in
// modules/dnn/src/layers/cpu_kernels/convolution.cpp): by Winograd's method for 3x3
// with a stride of 1 on values of 12x12 and more, for which each of the 9 numbers of
// a kernel's channel becomes 64/9, and else in rows of four filters. scratch is what
// the transformed values take.
func packedWeights(g *model.Graph, i int, o *model.Conv) (weights, scratch int64) {
	read := int64(0)
	for p := range model.Weights(o) {
		read += int64(len(p.Values))
	}
	area := o.Kernel[0] * o.Kernel[1]
	channels := len(o.Weight) / o.Filters / area
	rows := int64(o.Groups) * int64((o.Filters/o.Groups+3)/4*4)
	if o.Groups > 1 && o.Groups == o.Filters && channels == 1 {
		const align = 32
		return 4 * (read + int64(o.Filters)*int64((area+align-1)/align*align)), 0
	}
	in, out := g.Layers[g.Layers[i].From[0]].Shape, g.Layers[i].Shape
	if winograd(o, in) && len(out) == 4 {
		const tile, step = 64, 6
		tiles := int64((out[2]+step-1)/step) * int64((out[3]+step-1)/step)
		return 4 * (read + rows*int64(channels)*tile), 4 * int64(in[1]) * tiles * tile
	}
	return 4 * (read + rows*int64(channels*area)), 0
}

func winograd(o *model.Conv, in model.Shape) bool {
	const least = 12
	return o.Kernel == [2]int{3, 3} && o.Stride == [2]int{1, 1} && max(o.Dilation[0], o.Dilation[1]) <= 1 &&
		len(in) == 4 && min(in[2], in[3]) >= least
}

func opencvWeights(op model.Op) int64 {
	var n int64
	for p := range model.Weights(op) {
		n += int64(len(p.Values))
	}
	switch o := op.(type) {
	case *model.Conv:
		row := len(o.Weight) / o.Filters
		padded := (row + vector - 1) / vector * vector
		if o.Norm != nil || padded != row {
			n += int64(o.Filters) * int64(padded)
		}
	case *model.Const:
		if !o.Value.Type.Floating() {
			n = int64(len(o.Value.Ints))
		}
		n *= 2 // as it was read, and as the value of its layer
	}
	return 4 * n
}

// blobs follows BlobManager of modules/dnn/src/dnn.cpp: a blob is free when
// nobody has still to read it, and is never given back.
type blobs struct {
	g     *model.Graph
	size  []int64 // of each blob
	users []int   // reads of each blob to come
	reads []int   // of each layer's value
	at    []int   // blob of each layer's value; -1: a constant

	darknet bool
}

func newBlobs(g *model.Graph) *blobs {
	b := &blobs{g: g, reads: make([]int, len(g.Layers)), at: make([]int, len(g.Layers))}
	for i := range g.Layers {
		for _, from := range g.Layers[i].From {
			b.reads[from]++
		}
	}
	for _, out := range g.Outputs {
		b.reads[out]++
	}
	return b
}

// run is the bytes of all blobs.
func (b *blobs) run() int64 {
	for i := range b.g.Layers {
		b.at[i] = -1
		switch o := b.g.Layers[i].Op.(type) {
		case *model.Const, *model.Input: // an input is the program's own memory
		case *model.Yolo:
			b.head(i)
		case *model.Conv:
			b.convolution(i, o)
		default:
			b.at[i] = b.place(i)
			b.release(i)
		}
	}
	var sum int64
	for _, n := range b.size {
		sum += n
	}
	return sum
}

// release notes that layer i has read.
func (b *blobs) release(i int) {
	for _, from := range b.g.Layers[i].From {
		if at := b.at[from]; at >= 0 {
			b.users[at]--
		}
	}
}

// head is a detection head, before which its channels are moved to the end.
func (b *blobs) head(i int) {
	moved := b.take(bytesOf(b.g, b.g.Layers[i].From[0]), 1)
	b.at[i] = b.take(bytesOf(b.g, i), b.reads[i])
	b.users[moved]--
	b.release(i)
}

// convolution has a blob, unless its activation is a product with what is
// computed of the same value: then the value, the factor and the product have one
// each.
func (b *blobs) convolution(i int, o *model.Conv) {
	size := bytesOf(b.g, i)
	if b.darknet || o.Act.Kind != model.Silu {
		b.at[i] = b.take(size, b.reads[i])
		b.release(i)
		return
	}
	value := b.take(size, 1)
	b.release(i)
	factor := b.take(size, 1)
	b.at[i] = b.take(size, b.reads[i])
	b.users[value], b.users[factor] = 0, 0
}

func (b *blobs) place(i int) int {
	l := &b.g.Layers[i]
	if len(l.From) == 1 && inPlace(l.Op) {
		if at := b.at[l.From[0]]; at >= 0 && b.users[at] == 1 {
			b.users[at] += b.reads[i]
			return at
		}
	}
	return b.take(bytesOf(b.g, i), b.reads[i])
}

// take is the smallest free blob that is large enough, or a new one.
func (b *blobs) take(size int64, reads int) int {
	best := -1
	for at, n := range b.size {
		if b.users[at] == 0 && n >= size && (best < 0 || n < b.size[best]) {
			best = at
		}
	}
	if best < 0 {
		best = len(b.size)
		b.size, b.users = append(b.size, size), append(b.users, 0)
	}
	b.users[best] = reads
	return best
}

// inPlace says whether OpenCV's layer may write over what it reads.
func inPlace(op model.Op) bool {
	switch o := op.(type) {
	case *model.Activate, *model.Normalize, *model.Identity:
		return true
	case *model.Generic:
		switch o.Type {
		case "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Clip", "Elu", "Exp", "HardSigmoid", "HardSwish",
			"LeakyRelu", "Mish", "PRelu", "Relu", "Sigmoid", "Softplus", "Sqrt", "Tanh":
			return true
		}
	}
	return false
}
