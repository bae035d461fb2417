// Package exec runs a network on the CPU in plain Go, for calibration: it shows
// the value of every layer.
//
// Invariants:
//   - The same network, input and kind of processor give the same bytes,
//     whatever GOMAXPROCS is: one image is computed by one goroutine, and sums
//     are in a fixed order.
//   - Weights are read when a layer runs and never copied, so that they may be
//     changed between runs. Shapes may not: make a new [Runner].
//   - Neither weights nor inputs are changed.
//   - A [Runner] is safe for concurrent use, a [Scratch] is not: parallel over
//     images means one Scratch for each goroutine.
//   - Memory is that of the values alive at once: a value's place is taken by
//     another after its last reader, except for the network's outputs.
package exec

import (
	"fmt"
	"slices"

	"dashline/model"
)

// Runner runs one network.
type Runner struct {
	g     *model.Graph
	in    [][]model.Shape // what each layer reads
	slot  []int           // where each layer's value is kept; -1: in place
	slots []int           // the length of each place
}

// Scratch is memory that runs reuse. The zero value is ready; one may serve
// several networks in turn.
type Scratch struct {
	slots [][]float32
	work  []float32 // of one layer
}

// New prepares a network, which it validates, so that shapes are set. It fails at
// the first layer that cannot be run, with a [*model.Error].
func New(g *model.Graph) (*Runner, error) {
	if err := g.Validate(); err != nil {
		return nil, err
	}
	r := &Runner{g: g, in: make([][]model.Shape, len(g.Layers))}
	for i := range g.Layers {
		l := &g.Layers[i]
		if err := runnable(l.Op); err != nil {
			return nil, &model.Error{Layer: i, Name: l.Name, What: model.Kind(l.Op), Err: err}
		}
		for _, from := range l.From {
			r.in[i] = append(r.in[i], g.Layers[from].Shape)
		}
	}
	r.plan()
	return r, nil
}

// plan gives each value a place for as long as it is needed: the smallest free
// one that is large enough, or else the largest, made larger.
func (r *Runner) plan() {
	last := r.g.LastReaders()
	for _, out := range r.g.Outputs {
		last[out] = len(r.g.Layers) // outputs keep theirs
	}
	r.slot = make([]int, len(r.g.Layers))
	dies := make([][]int, len(r.g.Layers)) // places that are free after a layer
	var free []int
	for i := range r.g.Layers {
		l := &r.g.Layers[i]
		r.slot[i] = -1
		if !inPlace(l.Op) {
			r.slot[i] = r.take(&free, l.Shape.Elements())
			if last[i] < len(r.g.Layers) {
				dies[last[i]] = append(dies[last[i]], r.slot[i])
			}
		}
		free = append(free, dies[i]...)
	}
}

func (r *Runner) take(free *[]int, n int) int {
	best := -1
	for j, s := range *free {
		if best < 0 || better(r.slots[s], r.slots[(*free)[best]], n) {
			best = j
		}
	}
	if best < 0 {
		r.slots = append(r.slots, n)
		return len(r.slots) - 1
	}
	s := (*free)[best]
	*free = slices.Delete(*free, best, best+1)
	r.slots[s] = max(r.slots[s], n)
	return s
}

// better says whether a place of a numbers suits n numbers better than one of b.
func better(a, b, n int) bool {
	if a >= n && b >= n {
		return a < b
	}
	return a > b
}

// inPlace says whether a value is where the caller or the network keeps it.
func inPlace(op model.Op) bool {
	switch o := op.(type) {
	case *model.Input:
		return true
	case *model.Const:
		return o.Value.Type.Floating()
	}
	return false
}

// Run runs the network on one image and gives the values of its outputs, in
// order; they are the Scratch's, overwritten by its next run, or where an output
// is an input or a constant, that itself. input holds a value for each of the
// network's inputs, in order, row-major in its shape.
//
// visit, unless nil, is shown the value of every layer in order, inputs and
// constants included. It may only look, and only until it returns; its error
// ends the run.
func (r *Runner) Run(s *Scratch, input [][]float32, visit func(layer int, value []float32) error) ([][]float32, error) {
	if want := r.g.Inputs(); len(input) != len(want) {
		return nil, fmt.Errorf("network %s has %d inputs, given %d", r.g.Name, len(want), len(input))
	}
	s.reserve(r.slots)
	values := make([][]float32, len(r.g.Layers))
	var x [][]float32
	for i := range r.g.Layers {
		l := &r.g.Layers[i]
		n := l.Shape.Elements()
		switch o := l.Op.(type) {
		case *model.Input:
			if len(input[0]) != n {
				return nil, fmt.Errorf("input %s is %v, which is %d numbers; given %d", l.Name, l.Shape, n, len(input[0]))
			}
			values[i], input = input[0], input[1:]
		case *model.Const:
			if inPlace(o) {
				values[i] = o.Value.Floats
			}
		}
		if values[i] == nil {
			x = x[:0]
			for _, from := range l.From {
				x = append(x, values[from])
			}
			values[i] = s.slots[r.slot[i]][:n]
			if err := Layer(l, r.in[i], x, values[i], s); err != nil {
				return nil, err
			}
		}
		if visit == nil {
			continue
		}
		if err := visit(i, values[i]); err != nil {
			return nil, err
		}
	}
	out := make([][]float32, len(r.g.Outputs))
	for i, layer := range r.g.Outputs {
		out[i] = values[layer]
	}
	return out, nil
}

func (s *Scratch) reserve(slots []int) {
	for len(s.slots) < len(slots) {
		s.slots = append(s.slots, nil)
	}
	for i, n := range slots {
		if len(s.slots[i]) < n {
			s.slots[i] = make([]float32, n)
		}
	}
}

// room is n numbers of memory for one layer, with whatever was left there.
func (s *Scratch) room(n int) []float32 {
	if len(s.work) < n {
		s.work = make([]float32, n)
	}
	return s.work[:n]
}
