package prune

import (
	"cmp"
	"context"
	"runtime"
	"sync"

	"dashline/model"
	"dashline/model/exec"
)

// flow is the values of a network for many images, layer after layer: all
// images pass a layer before any passes the next, so that a layer can be fitted
// to what all of them give it. A value is kept until its last reader has run.
type flow struct {
	g       *model.Graph
	in      [][]model.Shape
	last    []int
	values  [][][]float32 // by layer and image
	free    [][]float32
	scratch []exec.Scratch // by worker
}

func newFlow(g *model.Graph, images [][]float32) *flow {
	f := &flow{
		g: g, in: make([][]model.Shape, len(g.Layers)), last: g.LastReaders(),
		values: make([][][]float32, len(g.Layers)), scratch: make([]exec.Scratch, workers()),
	}
	for i := range g.Layers {
		for _, from := range g.Layers[i].From {
			f.in[i] = append(f.in[i], g.Layers[from].Shape)
		}
		if _, ok := g.Layers[i].Op.(*model.Input); ok {
			f.values[i] = images
		}
	}
	return f
}

// run computes layer i for all images, unless it is an input.
func (f *flow) run(ctx context.Context, i int) error {
	l := &f.g.Layers[i]
	if f.values[i] != nil {
		return nil
	}
	if _, ok := l.Op.(*model.Const); ok {
		f.values[i] = make([][]float32, f.images())
		one := f.room(l.Shape.Elements())
		if err := exec.Layer(l, nil, nil, one, &f.scratch[0]); err != nil {
			return err
		}
		for n := range f.values[i] {
			f.values[i][n] = one
		}
		return nil
	}
	out := make([][]float32, f.images())
	for n := range out {
		out[n] = f.room(l.Shape.Elements())
	}
	err := parallel(ctx, len(f.scratch), len(out), func(worker, n int) error {
		return exec.Layer(l, f.in[i], f.read(i, n), out[n], &f.scratch[worker])
	})
	f.values[i] = out
	return err
}

// read is what layer i reads of image n.
func (f *flow) read(i, n int) [][]float32 {
	x := make([][]float32, len(f.g.Layers[i].From))
	for k, from := range f.g.Layers[i].From {
		x[k] = f.values[from][n]
	}
	return x
}

func (f *flow) images() int { return len(f.values[f.g.Inputs()[0]]) }

// drop gives back the values that layer i read last.
func (f *flow) drop(i int) {
	for _, from := range append([]int{i}, f.g.Layers[i].From...) {
		switch f.g.Layers[from].Op.(type) {
		case *model.Input, *model.Const:
			continue
		}
		if f.last[from] != i || f.values[from] == nil {
			continue
		}
		f.free = append(f.free, f.values[from]...)
		f.values[from] = nil
	}
}

// room is memory for n numbers: the smallest that is free, unless it is far too
// large. Where none is, the largest that is free goes to the garbage collector,
// so that no more is held than is needed.
func (f *flow) room(n int) []float32 {
	best, largest := -1, -1
	for k, v := range f.free {
		if c := cap(v); c >= n && c <= 2*n && (best < 0 || c < cap(f.free[best])) {
			best = k
		}
		if largest < 0 || cap(v) > cap(f.free[largest]) {
			largest = k
		}
	}
	if best >= 0 {
		v := f.free[best]
		f.free = append(f.free[:best], f.free[best+1:]...)
		return v[:n]
	}
	if largest >= 0 {
		f.free = append(f.free[:largest], f.free[largest+1:]...)
	}
	return make([]float32, n)
}

// patches is what one group of convolution i sees at the places of its value's
// grid: a row a place, image after image.
func (f *flow) patches(ctx context.Context, i, group int, at *places) (matrix, error) {
	m := newMatrix(at.rows(), exec.PatchLen(f.g.Layers[i].Op.(*model.Conv), f.in[i][0]))
	err := parallel(ctx, len(f.scratch), f.images(), func(_, n int) error {
		f.patchesOf(m, i, group, n, at)
		return nil
	})
	return m, err
}

// channel is patches by one goroutine, for a convolution of each channel by itself.
func (f *flow) channel(i, channel int, at *places) matrix {
	m := newMatrix(at.rows(), exec.PatchLen(f.g.Layers[i].Op.(*model.Conv), f.in[i][0]))
	for n := range f.images() {
		f.patchesOf(m, i, channel, n, at)
	}
	return m
}

// patchesOf fills in the rows of image n.
func (f *flow) patchesOf(m matrix, i, group, n int, at *places) {
	l := &f.g.Layers[i]
	rows := m.v[n*at.each*m.cols : (n+1)*at.each*m.cols]
	exec.Patches(l.Op.(*model.Conv), f.in[i][0], l.Shape, f.values[l.From[0]][n], group, at.of(n), rows)
}

// samples is the value of layer i at places of its grid: rows x channels.
func (f *flow) samples(i int, at *places) matrix {
	s := f.g.Layers[i].Shape
	m := newMatrix(at.rows(), s.Channels())
	area := s.Height() * s.Width()
	for n := range f.images() {
		x := f.values[i][n]
		for r, p := range at.of(n) {
			row := m.row(n*at.each + r)
			for c := range row {
				row[c] = x[c*area+p]
			}
		}
	}
	return m
}

func workers() int { return runtime.GOMAXPROCS(0) }

// parallel calls do for each n below count, by so many workers side by side, and
// returns the first error.
func parallel(ctx context.Context, workers, count int, do func(worker, n int) error) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var first error
	next := 0
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = ctx.Err()
		}
		if first != nil || next == count {
			return -1
		}
		next++
		return next - 1
	}
	for w := range min(workers, count) {
		wg.Go(func() {
			for n := take(); n >= 0; n = take() {
				if err := do(w, n); err != nil {
					mu.Lock()
					first = cmp.Or(first, err)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return first
}
