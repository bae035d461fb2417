package model

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// network is one of layers "op: what it reads", each value a vector of 10
// numbers, 40 bytes, or of the length that stands after the operation.
func network(t testing.TB, outputs []int, layers ...Layer) *Graph {
	t.Helper()
	g := &Graph{Layers: layers, Outputs: outputs}
	for i := range layers {
		layers[i].Name = fmt.Sprint(i)
	}
	if err := g.Infer(); err != nil {
		t.Fatal(err)
	}
	return g
}

// block computes n numbers anew.
func block(n int, from ...int) Layer {
	return Layer{Op: &Generic{Type: "MatMul", Value: Shape{n}}, From: from}
}

func vector(n int) Layer { return Layer{Op: &Input{Shape: Shape{n}}} }

// Peaks by hand, in numbers of 4 bytes.
func TestPeak(t *testing.T) {
	relu := func(from int) Layer { return Layer{Op: &Activate{Act{Kind: Relu}}, From: []int{from}} }
	add := func(from ...int) Layer { return Layer{Op: &Add{}, From: from} }
	reshape := func(n, from int) Layer {
		return Layer{Op: &Generic{Type: "Reshape", Value: Shape{n}}, From: []int{from}}
	}
	for _, c := range []struct {
		name     string
		g        *Graph
		peak, at int
	}{
		{"chain", network(t, []int{3}, vector(10), block(20, 0), block(30, 1), block(5, 2)), 50, 2},
		{"an output is held", network(t, []int{1, 3}, vector(10), block(20, 0), block(30, 1), block(5, 2)), 55, 3},
		{"residual", network(t, []int{4}, vector(10), block(20, 0), block(30, 1), block(20, 2), add(3, 1)), 70, 3},
		{"sum in place", network(t, []int{4}, vector(1), block(20, 0), block(20, 1), add(1, 2), block(1, 3)), 40, 2},
		{"sum of what is read later", network(t, []int{5}, vector(1), block(20, 0), block(20, 1), add(1, 2), add(3, 1), add(2, 4)), 60, 3},
		{"concat", network(t, []int{4}, vector(10), block(20, 0), block(30, 0), Layer{Op: &Concat{0}, From: []int{1, 2}}, block(1, 3)), 100, 3},
		{"activation in place", network(t, []int{3}, vector(1), block(30, 0), relu(1), block(5, 2)), 35, 3},
		{"activation of an input", network(t, []int{2}, vector(30), relu(0), block(5, 1)), 60, 1},
		{"activation of what is read again", network(t, []int{3}, vector(1), block(30, 0), relu(1), add(1, 2)), 60, 2},
		{"activation of an output", network(t, []int{1, 2}, vector(1), block(30, 0), relu(1)), 60, 2},
		{"view", network(t, []int{4}, vector(1), block(30, 0), reshape(30, 1), block(5, 2), block(1, 3)), 35, 3},
		{"view keeps its buffer", network(t, []int{4}, vector(1), block(30, 0), Layer{Op: &Slice{0, 0, 2}, From: []int{1}}, block(40, 0), add(2, 2)), 71, 3},
		{"part of columns is no view", network(t, []int{3}, vector(1), Layer{Op: &Generic{Type: "MatMul", Value: Shape{5, 6}}, From: []int{0}},
			Layer{Op: &Slice{1, 0, 2}, From: []int{1}}, block(20, 2)), 40, 2},
		{"a part that is read while the whole is written", network(t, []int{3}, vector(1), block(30, 0),
			Layer{Op: &Slice{0, 0, 1}, From: []int{1}}, Layer{Op: &Mul{}, From: []int{1, 2}}), 60, 3},
		{"another result lives from the first's layer", network(t, []int{4}, vector(1),
			Layer{Op: &Generic{Type: "Split", Value: Shape{20}, More: []Shape{{30}}}, From: []int{0}}, block(1, 1),
			Layer{Op: &Result{1}, From: []int{1}}, block(2, 3)), 51, 1},
		{"constants are no values", network(t, []int{2}, Layer{Op: constantOf(Float32, 100)}, vector(5), block(5, 0, 1)), 10, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := c.g.Liveness()
			if v.Peak != int64(4*c.peak) || v.At != c.at {
				t.Errorf("%d numbers at layer %d, want %d at %d; live %v", v.Peak/4, v.At, c.peak, c.at, v.Live)
			}
		})
	}
}

// simulated is the peak of an interpreter that takes and frees memory as it
// goes: of each value it counts who has still to read it.
func simulated(g *Graph) int64 {
	type memory struct{ size, users int }
	n := len(g.Layers)
	held := make([]*memory, n)
	pending := make([]int, n) // reads of each value to come
	for i := range g.Layers {
		for _, from := range g.Layers[i].From {
			pending[from]++
		}
	}
	for _, out := range g.Outputs {
		pending[out]++ // read after the end
	}
	live, peak := 0, 0
	take := func(size int) *memory {
		live += size
		return &memory{size, 1}
	}
	drop := func(m *memory) {
		if m.users--; m.users == 0 {
			live -= m.size
		}
	}
	for i := range g.Layers { // inputs are there before all else
		if _, ok := g.Layers[i].Op.(*Input); ok {
			held[i] = take(g.Layers[i].Shape.Elements())
			held[i].users++ // never overwritten
		}
	}
	for i := range g.Layers {
		l := &g.Layers[i]
		size := l.Shape.Elements()
		switch op := l.Op.(type) {
		case *Input:
			held[i].users--
		case *Identity, *Slice:
			_ = op
			held[i] = held[l.From[0]]
			held[i].users++
		case *Activate, *Add:
			for _, from := range l.From {
				m := held[from]
				// Nobody else has it: each value in it is read for the last time, here.
				mine, fits := 0, m.size == size
				for j := range i {
					if held[j] != m || pending[j] == 0 {
						continue
					}
					here := 0
					for _, f := range l.From {
						if f == j {
							here++
						}
					}
					if _, in := g.Layers[j].Op.(*Input); in || pending[j] > here || g.Layers[j].Shape.Elements() != size {
						fits = false
					}
					mine++
				}
				for j := range i { // an input's memory is the caller's, whatever views are left of it
					if _, in := g.Layers[j].Op.(*Input); in && held[j] == m {
						fits = false
					}
				}
				if fits && mine > 0 {
					held[i] = m
					m.users++
					break
				}
			}
		}
		if held[i] == nil {
			held[i] = take(size)
		}
		peak = max(peak, live)
		for _, from := range l.From {
			if pending[from]--; pending[from] == 0 {
				drop(held[from])
			}
		}
		if pending[i] == 0 {
			drop(held[i])
		}
	}
	return int64(4 * peak)
}

// The peak is that of the interpreter, for any network.
func TestPeakIsThatOfAnInterpreter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawn(t)
		if got, want := g.Liveness().Peak, simulated(g); got != want {
			for i, l := range g.Layers {
				t.Logf("%d %s %v reads %v", i, Kind(l.Op), l.Shape, l.From)
			}
			t.Fatalf("peak %d, the interpreter's %d; outputs %v", got, want, g.Outputs)
		}
	})
}

// drawn is a network of blocks, views, sums and joints of vectors.
func drawn(t *rapid.T) *Graph {
	g := &Graph{}
	n := rapid.IntRange(2, 14).Draw(t, "layers")
	g.Layers = append(g.Layers, vector(rapid.IntRange(1, 4).Draw(t, "input")))
	for i := 1; i < n; i++ {
		g.Layers[i-1].Name = fmt.Sprint(i - 1)
		if err := g.Infer(); err != nil {
			t.Fatal(err)
		}
		from := rapid.IntRange(0, i-1).Draw(t, "from")
		length := g.Layers[from].Shape[0]
		var same []int
		for j := range i {
			if g.Layers[j].Shape[0] == length || g.Layers[j].Shape[0] == 1 {
				same = append(same, j)
			}
		}
		var l Layer
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			l = Layer{Op: &Identity{}, From: []int{from}}
		case 1:
			count := rapid.IntRange(1, length).Draw(t, "count")
			l = Layer{Op: &Slice{0, length - count, count}, From: []int{from}}
		case 2:
			l = Layer{Op: &Activate{Act{Kind: Relu}}, From: []int{from}}
		case 3:
			l = Layer{Op: &Add{}, From: []int{from, rapid.SampledFrom(same).Draw(t, "other")}}
		case 4:
			l = Layer{Op: &Concat{0}, From: []int{from, rapid.IntRange(0, i-1).Draw(t, "other")}}
		default:
			l = block(rapid.IntRange(1, 4).Draw(t, "length"), from)
		}
		g.Layers = append(g.Layers, l)
	}
	g.Layers[n-1].Name = fmt.Sprint(n - 1)
	g.Outputs = rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 1, 3, rapid.ID[int]).Draw(t, "outputs")
	if err := g.Infer(); err != nil {
		t.Fatal(err)
	}
	return g
}

// Every buffer is as large as the largest value in it and held while any is read.
func TestBuffers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawn(t)
		v := g.Liveness()
		for i := range g.Layers {
			b := v.Buffers[v.Of[i]]
			if b.Bytes < bytes(g.Layers[i].Shape) || b.First > i || b.Last < i {
				t.Fatalf("layer %d of %v in %+v", i, g.Layers[i].Shape, b)
			}
			for _, from := range g.Layers[i].From {
				if v.Buffers[v.Of[from]].Last < i {
					t.Fatalf("layer %d reads %d, whose buffer is gone: %+v", i, from, v.Buffers[v.Of[from]])
				}
			}
			if slices.Contains(g.Outputs, i) && b.Last != len(g.Layers) {
				t.Fatalf("output %d is gone: %+v", i, b)
			}
		}
	})
}
