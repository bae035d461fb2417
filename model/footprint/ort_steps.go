package footprint

import (
	"slices"

	"dashline/model"
)

// step is one operator as ONNX Runtime runs it: it reads values and writes one.
type step struct {
	reads   []int
	value   int
	size    int64
	shape   string // of the value, as memory is planned with
	scratch int64  // what the step needs besides, while it runs
	// from is the value whose memory this one may be, or -1: as a view always,
	// else where nobody else reads it.
	from   int
	view   bool
	output bool
}

// lowering turns layers into steps, as the optimizers of ONNX Runtime do. The
// value of layer i is number i, its copy out of blocks number n+i, and what a
// convolution gives before an activation of several operators 2n+i.
type lowering struct {
	g      *model.Graph
	block  int
	memory []int  // of [model.Liveness]: -1 is constant
	blocks []bool // layers whose values are images in blocks of channels
	keeps  []bool // layers that read images in blocks as they are
	plain  []bool // layers of which someone needs a copy out of blocks
	sum    []int  // of a convolution: the Add that it does itself; else -1
	steps  []step
}

func lower(g *model.Graph, block int) *lowering {
	n := len(g.Layers)
	w := &lowering{g: g, block: block, memory: g.Liveness().Of, blocks: make([]bool, n), keeps: make([]bool, n), plain: make([]bool, n), sum: make([]int, n)}
	for i := range g.Layers {
		w.layout(i)
	}
	for _, out := range g.Outputs {
		w.plain[out] = w.blocks[out]
	}
	readers := g.Readers()
	for i := range g.Layers {
		w.sum[i] = w.addOf(i, readers[i])
	}
	for i := range g.Layers {
		w.layer(i)
	}
	return w
}

// layout settles in which form layer i reads and writes images. Pooling and
// joints work on blocks only where they are whole; what is not listed does not at
// all.
func (w *lowering) layout(i int) {
	l := &w.g.Layers[i]
	keeps := len(l.From) > 0
	switch o := l.Op.(type) {
	case *model.Conv:
		channels := w.g.In(i).Channels()
		w.blocks[i] = inBlocks(o, channels, w.block)
		keeps = w.blocks[i] && (o.Groups > 1 || channels >= w.block)
	case *model.MaxPool, *model.AvgPool, *model.Concat:
		for _, from := range l.From {
			keeps = keeps && w.blocks[from] && w.g.Layers[from].Shape.Channels()%w.block == 0
		}
		w.blocks[i] = keeps
	case *model.Activate, *model.Add, *model.Identity, *model.Upsample:
		for _, from := range l.From {
			keeps = keeps && w.blocks[from]
		}
		w.blocks[i] = keeps
	case *model.Generic:
		keeps = keeps && w.blocks[l.From[0]] && (o.Type == "Cast" || o.Type == "Resize" && multiple(l.Shape, w.g.In(i)))
		w.blocks[i] = keeps
	default:
		keeps = false
	}
	w.keeps[i] = keeps
	for _, from := range l.From {
		w.plain[from] = w.plain[from] || w.blocks[from] && !keeps
	}
}

// addOf is the Add that convolution i does itself: its only reader, if nothing
// is done to the convolution's result before.
func (w *lowering) addOf(i int, readers []int) int {
	o, ok := w.g.Layers[i].Op.(*model.Conv)
	if !ok || o.Act.Kind != model.Linear || !w.blocks[i] || len(readers) != 1 || w.g.IsOutput(i) {
		return -1
	}
	add := readers[0]
	if _, ok := w.g.Layers[add].Op.(*model.Add); !ok || !w.blocks[add] || len(w.g.Layers[add].From) != 2 {
		return -1
	}
	for _, from := range w.g.Layers[add].From {
		if from != i && w.sum[from] == add && from < i {
			return -1 // the other operand is done so already
		}
	}
	return add
}

// layer adds the steps of layer i.
func (w *lowering) layer(i int) {
	l := &w.g.Layers[i]
	if _, fed := l.Op.(*model.Input); fed || w.memory[i] < 0 || w.sum[i] >= 0 {
		return
	}
	n, plain := len(w.g.Layers), w.step(i, l.Shape)
	s := plain
	if w.blocks[i] {
		filled := slices.Clone(l.Shape)
		filled[1] = up(filled[1], w.block)
		s = w.step(i, filled)
	}
	s.reads = w.read(nil, i)
	s.output = w.g.IsOutput(i) && !w.plain[i]
	switch o := l.Op.(type) {
	case *model.Yolo: // channels moved to the end
		s.scratch = bytesOf(w.g, l.From[0])
	case *model.Conv:
		switch o.Act.Kind {
		case model.Mish, model.Silu, model.Gelu:
			before := s
			before.value, before.output = 2*n+i, false
			w.steps = append(w.steps, before)
			s.reads, s.scratch = []int{before.value}, s.size
		}
	case *model.Add:
		s.from = w.target(i)
	case *model.Result:
		s.reads = nil // written with the first result; near enough
	default:
		s.view = reshapes(o)
		if (s.view || inPlace(o)) && len(s.reads) > 0 {
			s.from = s.reads[0]
		}
	}
	w.steps = append(w.steps, s)
	if w.blocks[i] && w.plain[i] {
		plain.reads, plain.value, plain.output = []int{i}, n+i, w.g.IsOutput(i)
		w.steps = append(w.steps, plain)
	}
}

// target is the value onto which a convolution does Add i, or -1. An Add of its
// own never writes over what it reads.
func (w *lowering) target(i int) int {
	from := w.g.Layers[i].From
	if len(from) != 2 {
		return -1
	}
	if w.sum[from[0]] >= 0 {
		return w.form(i, from[1])
	}
	if w.sum[from[1]] >= 0 {
		return w.form(i, from[0])
	}
	return -1
}

func (w *lowering) step(i int, shape model.Shape) step {
	return step{value: i, size: model.ValueBytes * int64(shape.Elements()), shape: shape.String(), from: -1}
}

// form is the value that layer i reads of layer from; -1: none of the arena's.
func (w *lowering) form(i, from int) int {
	_, fed := w.g.Layers[from].Op.(*model.Input)
	switch {
	case fed || w.memory[from] < 0:
		return -1
	case w.plain[from] && !w.keeps[i]:
		return len(w.g.Layers) + from
	}
	return from
}

// read adds what layer i reads of the arena's memory, and what the convolution
// that it is done in reads.
func (w *lowering) read(to []int, i int) []int {
	for _, from := range w.g.Layers[i].From {
		if w.sum[from] >= 0 {
			to = w.read(to, from)
		} else if v := w.form(i, from); v >= 0 {
			to = append(to, v)
		}
	}
	return to
}

// multiple says whether an image is a whole number of times as large as another.
func multiple(large, small model.Shape) bool {
	return len(large) == 4 && large.Height()%small.Height() == 0 && large.Width()%small.Width() == 0
}

func reshapes(op model.Op) bool {
	switch o := op.(type) {
	case *model.Identity:
		return true
	case *model.Generic:
		switch o.Type {
		case "Cast", "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze":
			return true
		}
	}
	return false
}
