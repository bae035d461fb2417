package prune_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"dashline/model"
	"dashline/model/exec"
	"dashline/model/prune"
)

// choose keeps a random part of every group that may be pruned.
func choose(s *prune.Structure, r *rand.Rand, part float64) prune.Keep {
	k := s.All()
	for i := range s.Groups {
		if s.Groups[i].Fixed != "" {
			continue
		}
		for u := range k[i] {
			k[i][u] = r.Float64() < part
		}
		k[i][r.IntN(len(k[i]))] = true
	}
	return k
}

// values runs a network and copies the value of every layer.
func values(t interface{ Fatal(...any) }, g *model.Graph, seed uint64) [][]float32 {
	runner, err := exec.New(g)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(seed, 1))
	var in [][]float32
	for _, i := range g.Inputs() {
		image := make([]float32, g.Layers[i].Shape.Elements())
		for p := range image {
			image[p] = r.Float32()
		}
		in = append(in, image)
	}
	all := make([][]float32, len(g.Layers))
	_, err = runner.Run(&exec.Scratch{}, in, func(layer int, value []float32) error {
		all[layer] = slices.Clone(value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// differs is the largest difference of two values, in parts of the larger of 1
// and the largest magnitude.
func differs(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	worst, largest := 0.0, 1.0
	for i := range a {
		worst = max(worst, math.Abs(float64(a[i])-float64(b[i])))
		largest = max(largest, math.Abs(float64(a[i])))
	}
	return worst / largest
}

// A network with channels masked and one with them removed give the same, in
// every layer and channel that stays.
func TestMaskedIsRemoved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := random(t)
		s, err := prune.Analyze(g)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "choice"), 0))
		k := choose(s, r, rapid.Float64Range(0, 1).Draw(t, "part"))
		masked, before := g.Clone(), g.Clone()
		if err := s.Mask(masked, k); err != nil {
			t.Fatal(err)
		}
		removed, err := s.Remove(g, k)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(g, before) {
			t.Fatal("removing changed the network that it was given")
		}
		sameLayers(t, g, removed)
		if got, want := s.Macs(k.Counts()), macs(removed); got != want {
			t.Errorf("%d multiply-accumulates were foretold, the network has %d", got, want)
		}
		a, b := values(t, masked, 1), values(t, removed, 1)
		silent(t, s, k, masked, a)
		for i := range g.Layers {
			kept := s.Kept(k, i)
			if d := differs(channelsOf(&g.Layers[i], a[i], kept), b[i]); !(d <= 1e-5) {
				t.Errorf("%s differs by %g", g.Layers[i].Name, d)
			}
		}
	})
}

// channelsOf picks channels of a value.
func channelsOf(l *model.Layer, value []float32, kept []int) []float32 {
	if kept == nil {
		return value
	}
	n := l.Shape[max(0, len(l.Shape)-3)]
	each := len(value) / n
	var out []float32
	for _, c := range kept {
		out = append(out, value[c*each:][:each]...)
	}
	return out
}

// sameLayers says that names, connections and equal parts stayed.
func sameLayers(t *rapid.T, a, b *model.Graph) {
	for i := range a.Layers {
		x, y := &a.Layers[i], &b.Layers[i]
		if x.Name != y.Name || !slices.Equal(x.From, y.From) || !slices.Equal(a.Outputs, b.Outputs) {
			t.Errorf("layer %s became %s", x.Name, y.Name)
		}
		part, ok := x.Op.(*model.Slice)
		if !ok || part.Axis != 1 || part.Start%part.Count != 0 || a.In(i).Channels()%part.Count != 0 {
			continue
		}
		small := y.Op.(*model.Slice)
		if small.Start%small.Count != 0 || a.In(i).Channels()/part.Count != b.In(i).Channels()/small.Count {
			t.Errorf("%s took one of equal parts, now %d from %d on of %d", x.Name, small.Count, small.Start, b.In(i).Channels())
		}
	}
}

// silent says that no convolution hears a masked channel: it is zero, or all
// weights that read it are.
func silent(t *rapid.T, s *prune.Structure, k prune.Keep, masked *model.Graph, values [][]float32) {
	for i := range masked.Layers {
		o, ok := masked.Layers[i].Op.(*model.Conv)
		if !ok || o.Groups > 1 {
			continue
		}
		from := masked.Layers[i].From[0]
		kept, area := s.Kept(k, from), o.Kernel[0]*o.Kernel[1]
		for c := range masked.In(i).Channels() {
			if slices.Contains(kept, c) || allZero(channelsOf(&masked.Layers[from], values[from], []int{c})) {
				continue
			}
			for f := range o.Filters {
				if !allZero(o.Weight[(f*masked.In(i).Channels()+c)*area:][:area]) {
					t.Fatalf("%s hears channel %d of %s, which left", masked.Layers[i].Name, c, masked.Layers[from].Name)
				}
			}
		}
	}
}

func allZero(values []float32) bool {
	return !slices.ContainsFunc(values, func(v float32) bool { return v != 0 })
}

// macs counts on the network itself.
func macs(g *model.Graph) int64 {
	n := 0
	for i := range g.Layers {
		switch o := g.Layers[i].Op.(type) {
		case *model.Conv:
			n += len(o.Weight) * g.Layers[i].Shape.Height() * g.Layers[i].Shape.Width()
		case *model.Deconv:
			n += len(o.Weight) * g.In(i).Height() * g.In(i).Width()
		}
	}
	return int64(n)
}

func TestRefused(t *testing.T) {
	g := residual(t)
	s, err := prune.Analyze(g)
	if err != nil {
		t.Fatal(err)
	}
	all, none, input, short := s.All(), s.All(), s.All(), s.All()
	clear(none[1])
	input[0][0] = false
	short[1] = short[1][:4]
	for _, tc := range []struct {
		name string
		g    *model.Graph
		k    prune.Keep
		want string
	}{
		{"all of a group", g, none, "group conv1: all channels would leave: keep at least one unit"},
		{"a fixed one", g, input, "group input0: its channels have to stay: input of the network"},
		{"too few units", g, short, "group conv1: the choice is of 4 units, it has 16"},
		{"too few groups", g, all[:2], "the choice is of 2 groups, the network has 5"},
		{"another network", partial(t), all, "layer conv3 is 1x8x8x8, in the network that was analysed 1x16x8x8"},
		{"another size", heads(t), all, "the network has 12 layers, the one that was analysed 9"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := tc.g.Clone()
			err := s.Mask(tc.g, tc.k)
			_, other := s.Remove(tc.g, tc.k)
			if fmt.Sprint(err) != tc.want || fmt.Sprint(other) != tc.want {
				t.Errorf("masking: %v\nremoving: %v\nexpected: %s", err, other, tc.want)
			}
			if !reflect.DeepEqual(tc.g, before) {
				t.Error("the network was changed")
			}
		})
	}
}

func TestRound(t *testing.T) {
	group := &prune.Group{Units: make([][]prune.Channel, 20)}
	fixed := &prune.Group{Units: make([][]prune.Channel, 20), Fixed: "output"}
	few := &prune.Group{Units: make([][]prune.Channel, 5)}
	for _, tc := range []struct {
		group    *prune.Group
		n        float64
		multiple int
		want     int
	}{
		{group, 0, 8, 8}, {group, 3, 8, 8}, {group, 11.9, 8, 8}, {group, 12, 8, 16}, {group, 19.9, 8, 16},
		{group, 20, 8, 20}, {group, 30, 8, 20}, {group, 19, 16, 16}, {group, 12.4, 1, 12}, {group, -1, 1, 1},
		{group, math.NaN(), 8, 20}, {fixed, 3, 8, 20}, {few, 2, 8, 5}, {few, 2, 4, 4},
	} {
		if got := tc.group.Round(tc.n, tc.multiple); got != tc.want {
			t.Errorf("%v of %d to multiples of %d: %d, expected %d", tc.n, len(tc.group.Units), tc.multiple, got, tc.want)
		}
	}
}
