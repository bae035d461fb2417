package prune_test

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"
	"testing/iotest"

	"dashline/model"
	"dashline/model/prune"
)

// The values are those of PolynomialDecay of TensorFlow's model optimization
// toolkit for the same arguments, by its formula
// (initial-final)*(1-clip((step-begin)/(end-begin)))^3 + final.
func TestSchedule(t *testing.T) {
	s := prune.Schedule{Initial: 0.5, Final: 0.8, Begin: 100, End: 1100, Every: 100}
	for _, tc := range []struct {
		step int
		want float64
	}{
		{0, 0}, {99, 0}, {100, 0.5}, {199, 0.5}, {200, 0.5813}, {299, 0.5813}, {600, 0.7625},
		{1000, 0.7997}, {1099, 0.7997}, {1100, 0.8}, {5000, 0.8},
	} {
		if got := s.At(tc.step); math.Abs(got-tc.want) > 1e-12 {
			t.Errorf("step %d: %v, expected %v", tc.step, got, tc.want)
		}
	}
	if got := (prune.Schedule{Final: 0.7}).At(0); got != 0.7 {
		t.Errorf("at once: %v, expected 0.7", got)
	}
}

// weights is a network of two layers with these weights.
func weights(t *testing.T, first, second []float32) *model.Graph {
	n := newNet(1)
	a := n.conv(n.input(1, 2, 2), len(first), 1, 1, true, model.Relu)
	b := n.conv(a, len(second)/len(first), 1, 1, false, model.Linear)
	copy(n.g.Layers[a].Op.(*model.Conv).Weight, first)
	copy(n.g.Layers[b].Op.(*model.Conv).Weight, second)
	return n.done(t, b)
}

func TestSparsify(t *testing.T) {
	for _, tc := range []struct {
		name          string
		sparsity      float64
		first, second []float32
	}{
		{"none", 0, []float32{1, -2}, []float32{-3, 4, 1, -9}},
		{"half of each", 0.5, []float32{0, -2}, []float32{0, 4, 0, -9}},
		{"to the nearest whole number", 0.7, []float32{0, -2}, []float32{0, 0, 0, -9}},
		{"all", 1, []float32{0, 0}, []float32{0, 0, 0, 0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := weights(t, []float32{1, -2}, []float32{-3, 4, 1, -9})
			want := g.Clone()
			copy(want.Layers[1].Op.(*model.Conv).Weight, tc.first)
			copy(want.Layers[2].Op.(*model.Conv).Weight, tc.second)
			if err := prune.Sparsify(g, tc.sparsity); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(g, want) {
				t.Errorf("became %v %v, expected %v %v", g.Layers[1].Op.(*model.Conv).Weight,
					g.Layers[2].Op.(*model.Conv).Weight, tc.first, tc.second)
			}
		})
	}
	g := weights(t, []float32{2}, []float32{-1, 1, 3, 1})
	if err := prune.Sparsify(g, .5); err != nil {
		t.Fatal(err)
	}
	if got := g.Layers[2].Op.(*model.Conv).Weight; !slices.Equal(got, []float32{0, 0, 3, 1}) {
		t.Errorf("of equals not the first go: %v", got)
	}
	for _, bad := range []float64{-0.1, 1.1, math.NaN()} {
		if prune.Sparsify(weights(t, []float32{1}, []float32{1}), bad) == nil {
			t.Errorf("a sparsity of %v was taken", bad)
		}
	}
}

// Without training in between, many steps come to the same as one.
func TestStepsWithoutTraining(t *testing.T) {
	stepped, once := inverted(t), inverted(t)
	s := prune.Schedule{Final: 0.7, End: 50}
	for step := range 51 {
		if err := prune.Sparsify(stepped, s.At(step)); err != nil {
			t.Fatal(err)
		}
	}
	if err := prune.Sparsify(once, 0.7); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(stepped, once) {
		t.Error("the networks differ")
	}
	zeros, n := 0, 0
	for i := range once.Layers {
		if c, ok := once.Layers[i].Op.(*model.Conv); ok {
			for _, w := range c.Weight {
				n++
				if w == 0 {
					zeros++
				}
			}
		}
	}
	if got := float64(zeros) / float64(n); math.Abs(got-0.7) > 0.01 {
		t.Errorf("sparsity %v, expected 0.7", got)
	}
}

// Only what is compressed gets smaller, and nothing has less to do: with the
// project's own network in darknet's format.
func TestFileSizeNumerics(t *testing.T) {
	f := own(t, "dashline-tiny")
	size := func() (plain, zipped, macs int64) {
		var cfg, weights bytes.Buffer
		if err := f.Write(&cfg, &weights); err != nil {
			t.Fatal(err)
		}
		plain, zipped, err := prune.FileSize(&weights)
		if err != nil {
			t.Fatal(err)
		}
		s, err := prune.Analyze(f.Graph)
		if err != nil {
			t.Fatal(err)
		}
		return plain, zipped, s.Macs(s.All().Counts())
	}
	plain, zipped, macs := size()
	t.Logf("%d bytes, %d compressed, %d multiply-accumulates", plain, zipped, macs)
	for _, sparsity := range []float64{0.5, 0.8, 0.9} {
		if err := prune.Sparsify(f.Graph, sparsity); err != nil {
			t.Fatal(err)
		}
		gotPlain, gotZipped, gotMacs := size()
		t.Logf("sparsity %.1f: %d bytes, %d compressed, %d multiply-accumulates", sparsity, gotPlain, gotZipped, gotMacs)
		if gotPlain != plain || gotMacs != macs {
			t.Errorf("sparsity %v: %d bytes and %d multiply-accumulates became %d and %d", sparsity, plain, macs, gotPlain, gotMacs)
		}
		if most := float64(zipped) * (1.15 - sparsity); float64(gotZipped) > most {
			t.Errorf("sparsity %v: %d bytes compressed, expected at most %.0f", sparsity, gotZipped, most)
		}
	}
	broken := errors.New("broken")
	if _, _, err := prune.FileSize(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("a file that cannot be read: %v", err)
	}
}
