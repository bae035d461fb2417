package prune

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"dashline/model"
)

// A filter is worth what its readers make of it, where its activation lets it through.
func TestOutputWorth(t *testing.T) {
	s := &stream{r: rand.New(rand.NewPCG(1, 0)), g: &model.Graph{}}
	x := s.conv(s.add(&model.Input{Shape: model.Shape{1, 1, 2, 2}}), 2, 1, model.Leaky)
	s.g.Layers[x].Op.(*model.Conv).Act.Alpha = .5
	read := s.conv(x, 3, 1, model.Linear)
	copy(s.g.Layers[read].Op.(*model.Conv).Weight, []float32{1, 2, 0, 0, 2, -1})
	s.g.Outputs = []int{read}
	structure, err := Analyze(s.g)
	if err != nil {
		t.Fatal(err)
	}
	o := &original{g: s.g, s: structure, target: make([]matrix, 3), worth: make([][]float64, len(structure.Groups)),
		at: map[grid]*places{{2, 2}: {each: 4, weight: []float32{1, 1, 1, 3}}}}
	o.target[x] = matrix{4, 2, []float32{1, -1, -1, -1, -1, -1, 1, 1}}
	// The first passes at 4 of 6, the second at 3 of 6; a quarter of the square elsewhere.
	want := []float64{(4 + 2*.25) / 6 * 5, (3 + 3*.25) / 6 * 5}
	for f, w := range o.outputWorth(x) {
		if math.Abs(w-want[f]) > 1e-6 {
			t.Errorf("filter %d is worth %g, expected %g", f, w, want[f])
		}
	}
	if got := o.outputWorth(read); math.Abs(got[0]-1) > 1e-6 || got[0] != got[1] || got[1] != got[2] {
		t.Errorf("outputs are worth %v", got)
	}
	group, _ := structure.Find(Channel{x, 0})
	o.worth[group] = []float64{7, 0}
	if got := o.outputWorth(x); got[0] != 7 || got[1] <= 0 {
		t.Errorf("in another basis they are worth %v", got)
	}
	o.parts = map[int][]portion{read: {
		{outputs: []int{2}, mean: 2, worth: []float64{5}},
		{outputs: []int{0, 1}, mean: 1, worth: []float64{2, 3}},
	}}
	if got := o.outputWorth(read); !slices.Equal(got, []float64{2, 3, 10}) {
		t.Errorf("a head's outputs are worth %v", got)
	}
}

// Computing what depends on an exchanged layer gives the loss of the network in
// which it is exchanged; cutting nothing costs nothing.
func TestProbe(t *testing.T) {
	costly := 0
	rapid.Check(t, func(t *rapid.T) {
		g := drawStream(t)
		s, err := Analyze(g)
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		images := noise(rapid.Uint64().Draw(t, "images"), 5, 2*6*6)
		o, err := observe(ctx, g, s, images, 20, 1, quiet)
		if err != nil {
			t.Fatal(err)
		}
		want, err := o.raw(ctx, g, images)
		if err != nil {
			t.Fatal(err)
		}
		m, err := o.rebuild(ctx, s.All(), false, quiet)
		if err != nil {
			t.Fatal(err)
		}
		p, err := newProbe(ctx, o, m, s, images, want)
		if err != nil {
			t.Fatal(err)
		}
		if p.base != 0 {
			t.Fatalf("the network as it is loses %g", p.base)
		}
		i := 1 + rapid.IntRange(0, len(g.Layers)-2).Draw(t, "layer")
		if c, ok := plain(m.g, i); ok {
			other := *c
			other.Weight = slices.Clone(c.Weight)
			other.Weight[0]++
			got, err := p.loss(ctx, map[int]*model.Conv{i: &other})
			if err != nil {
				t.Fatal(err)
			}
			exchanged := m.g.Clone()
			exchanged.Layers[i].Op = &other
			whole, err := o.raw(ctx, exchanged, images)
			if err != nil {
				t.Fatal(err)
			}
			if l := o.loss(want, whole); math.Abs(l-got) > 1e-9*(1+l) {
				t.Errorf("with another %s: %g, the whole network loses %g", g.Layers[i].Name, got, l)
			}
		}
		for group := range s.Groups {
			n := len(s.Groups[group].Units)
			if s.Groups[group].Fixed != "" {
				continue
			}
			kept := slices.Repeat([]bool{true}, n)
			if l, err := p.cut(ctx, group, kept); err != nil || math.Abs(l) > 1e-4 {
				t.Errorf("nothing cut of %s costs %g, %v", s.Groups[group].Name, l, err)
			}
			few, err := p.cut(ctx, group, append(slices.Clone(kept[:n-1]), false))
			if err != nil {
				t.Fatal(err)
			}
			clear(kept[1:])
			most, err := p.cut(ctx, group, kept)
			if err != nil {
				t.Fatal(err)
			}
			if most > few+1e-3 {
				costly++
			}
		}
	})
	if costly < 20 {
		t.Errorf("only %d times does it cost more to cut more", costly)
	}
}

// What a cut costs a convolution in groups is what masking the channels costs the
// network.
func TestProbeOfGroups(t *testing.T) {
	ctx := context.Background()
	s := &stream{r: rand.New(rand.NewPCG(4, 0)), g: &model.Graph{}}
	a := s.conv(s.add(&model.Input{Shape: model.Shape{1, 2, 6, 6}}), 8, 3, model.Relu)
	b := s.conv(a, 6, 3, model.Linear)
	grouped := s.g.Layers[b].Op.(*model.Conv)
	grouped.Groups, grouped.Weight = 2, grouped.Weight[:6*4*9]
	s.g.Outputs = []int{b}
	if err := s.g.Validate(); err != nil {
		t.Fatal(err)
	}
	of, err := Analyze(s.g)
	if err != nil {
		t.Fatal(err)
	}
	images := noise(1, 5, 2*6*6)
	o, err := observe(ctx, s.g, of, images, 20, 1, quiet)
	if err != nil {
		t.Fatal(err)
	}
	want, err := o.raw(ctx, s.g, images)
	if err != nil {
		t.Fatal(err)
	}
	m, err := o.rebuild(ctx, of.All(), false, quiet)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newProbe(ctx, o, m, of, images, want)
	if err != nil {
		t.Fatal(err)
	}
	at := group(of, a, 0)
	keep := of.All()
	keep[at][1] = false
	got, err := p.cut(ctx, at, keep[at])
	if err != nil || !p.sees(at) {
		t.Fatalf("seen: %v, %v", p.sees(at), err)
	}
	masked := s.g.Clone()
	if err := of.Mask(masked, keep); err != nil {
		t.Fatal(err)
	}
	whole, err := o.raw(ctx, masked, images)
	if err != nil {
		t.Fatal(err)
	}
	if l := o.loss(want, whole); l == 0 || math.Abs(l-got) > 1e-6*l {
		t.Errorf("a cut costs %g, masking %g", got, l)
	}
}
