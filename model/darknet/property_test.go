package darknet

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"dashline/model"
)

// step is a layer to be, with numbers that choose its options.
type step struct {
	kind       string
	a, b, c, d int
}

var kinds = []string{"conv", "depthwise", "grouped", "shortcut", "route", "group", "groups", "concat", "maxpool", "upsample", "avgpool", "softmax", "yolo"}

func steps(t *rapid.T) []step {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		n := rapid.IntRange(0, 1000)
		return step{rapid.SampledFrom(kinds).Draw(t, "kind"), n.Draw(t, "a"), n.Draw(t, "b"), n.Draw(t, "c"), n.Draw(t, "d")}
	}), 1, 14).Draw(t, "steps")
}

// sketch builds a graph as Read names and orders it. wide multiplies the
// channels of all but the input and the heads, and changes nothing else.
type sketch struct {
	g      *model.Graph
	wide   int
	random *rand.Rand
	at     []int        // the graph's layer that has the value of darknet's
	heads  map[int]bool // convolutions for heads, whose channels do not change
}

func build(steps []step, wide int) *model.Graph {
	s := &sketch{g: &model.Graph{}, wide: wide, random: rand.New(rand.NewPCG(uint64(len(steps)), uint64(wide))), heads: map[int]bool{}}
	s.add("input", &model.Input{Shape: model.Shape{1, 3, 12, 8}})
	s.conv(step{a: 1}, 0, 4, 1)
	for _, st := range steps {
		s.step(st)
	}
	for i := range s.g.Layers {
		if _, ok := s.g.Layers[i].Op.(*model.Yolo); ok {
			s.g.Outputs = append(s.g.Outputs, i)
		}
	}
	if s.g.Outputs == nil {
		s.g.Outputs = []int{len(s.g.Layers) - 1}
	}
	return s.g
}

// add appends a layer that is no darknet layer by itself.
func (s *sketch) add(name string, op model.Op, from ...int) {
	s.g.Layers = append(s.g.Layers, model.Layer{Name: name, Op: op, From: from})
	if err := s.g.Infer(); err != nil {
		panic(err)
	}
}

// layer appends a darknet layer.
func (s *sketch) layer(kind string, op model.Op, from ...int) {
	s.add(kind+fmt.Sprint(len(s.at)), op, from...)
	s.at = append(s.at, len(s.g.Layers)-1)
}

func (s *sketch) shape(i int) model.Shape { return s.g.Layers[i].Shape }

// before is one of the layers whose shape fits. Heads and what only they read
// are none of them.
func (s *sketch) before(choose int, fits func(model.Shape) bool) int {
	var all []int
	for _, i := range s.at {
		if len(s.shape(i)) == 4 && !s.heads[i] && fits(s.shape(i)) {
			all = append(all, i)
		}
	}
	return all[choose%len(all)]
}

func any4(model.Shape) bool { return true }

// last is the layer before, after a route where that is a head.
func (s *sketch) last(st step) int {
	last := s.at[len(s.at)-1]
	if len(s.shape(last)) == 2 {
		s.layer("route", &model.Identity{}, s.before(st.d, any4))
		last = s.at[len(s.at)-1]
	}
	return last
}

func (s *sketch) step(st step) {
	last := s.last(st)
	in := s.shape(last)
	ch := in.Channels()
	switch st.kind {
	case "conv":
		s.conv(st, last, (2+st.b%5)*2*s.wide, 1)
	case "depthwise":
		s.conv(st, last, ch, ch)
	case "grouped":
		s.conv(st, last, 4*s.wide, 2)
	case "shortcut":
		s.layer("shortcut", &model.Add{Act: s.act(st.b)}, last, s.before(st.a, in.Equal))
	case "route":
		s.layer("route", &model.Identity{}, s.before(st.a, any4))
	case "group":
		from := s.before(st.a, any4)
		s.layer("route", s.half(from, st.b), from)
	case "groups":
		s.groups(st)
	case "concat":
		s.concat(st)
	case "maxpool":
		size := 1 + st.a%4
		p := st.b % size
		s.layer("maxpool", &model.MaxPool{Size: [2]int{size, size}, Stride: [2]int{1 + st.c%2, 1 + st.c%2},
			Pad: model.Pad{Top: p / 2, Left: p / 2, Bottom: p - p/2, Right: p - p/2}}, s.large(last, size))
	case "upsample":
		if in.Height() < 32 {
			s.layer("upsample", &model.Upsample{Scale: 1 + st.a%3}, last)
		}
	case "avgpool":
		s.layer("avgpool", &model.AvgPool{}, last)
	case "softmax":
		if in.Height()*in.Width() == 1 {
			s.layer("softmax", &model.Softmax{Axis: 1}, last)
		}
	case "yolo":
		s.conv(st, last, 14, 1)
		s.heads[len(s.g.Layers)-1] = true
		s.layer("yolo", &model.Yolo{Mask: []int{2, st.b % 2}, Anchors: []float64{1, 2.5, float64(1 + st.c), 4, 5, 0.1}, Classes: 2,
			ScaleXY: 1 + float64(st.a%3)/20, Input: [2]int{12, 8}}, len(s.g.Layers)-1)
	}
}

// large is the layer, upsampled where a window would not fit into it.
func (s *sketch) large(i, size int) int {
	if x := s.shape(i); min(x.Height(), x.Width()) >= size {
		return i
	}
	s.layer("upsample", &model.Upsample{Scale: size}, i)
	return len(s.g.Layers) - 1
}

// half is one of two groups of the channels of layer i, which are even in number
// unless a half was taken before: then it is all.
func (s *sketch) half(i, which int) model.Op {
	ch := s.shape(i).Channels()
	if ch/s.wide%2 != 0 {
		return &model.Identity{}
	}
	return &model.Slice{Axis: 1, Start: which % 2 * (ch / 2), Count: ch / 2}
}

// groups is a route of the same group of two layers.
func (s *sketch) groups(st step) {
	even := func(x model.Shape) bool { return x.Channels()/s.wide%2 == 0 }
	a := s.before(st.a, any4)
	if !even(s.shape(a)) {
		return
	}
	b := s.before(st.b, func(x model.Shape) bool { return even(x) && slices.Equal(x[2:], s.shape(a)[2:]) })
	name := fmt.Sprintf("route%d", len(s.at))
	s.add(name+".0", s.half(a, st.c), a)
	s.add(name+".1", s.half(b, st.c), b)
	n := len(s.g.Layers)
	s.layer("route", &model.Concat{Axis: 1}, n-2, n-1)
}

func (s *sketch) concat(st step) {
	a := s.before(st.a, any4)
	from := []int{a}
	for k := range 1 + st.b%3 {
		from = append(from, s.before(st.c+k, func(x model.Shape) bool { return slices.Equal(x[2:], s.shape(a)[2:]) }))
	}
	s.layer("route", &model.Concat{Axis: 1}, from...)
}

var someActs = []string{"linear", "leaky", "relu", "relu6", "logistic", "mish", "swish"}

func (s *sketch) act(choose int) model.Act { return acts[someActs[choose%len(someActs)]] }

func (s *sketch) conv(st step, from, filters, groups int) {
	if len(s.at) == 0 {
		filters *= s.wide
	}
	ch := s.shape(from).Channels()
	if ch/s.wide%groups != 0 && groups != ch {
		groups = 1
	}
	size := 1 + st.a%3
	from = s.large(from, size)
	p := st.c % 3
	o := &model.Conv{Filters: filters, Groups: groups, Kernel: [2]int{size, size}, Stride: [2]int{1 + st.d%2, 1 + st.d%2}, Dilation: [2]int{1, 1},
		Pad: model.Pad{Top: p, Left: p, Bottom: p, Right: p}, Act: s.act(st.b)}
	o.Weight = s.numbers(filters * (ch / groups) * size * size)
	if st.c%2 == 0 {
		o.Bias = s.numbers(filters)
	} else {
		o.Norm = &model.Norm{Scale: s.numbers(filters), Shift: s.numbers(filters), Mean: s.numbers(filters), Variance: s.numbers(filters), Epsilon: epsilon}
		for i, v := range o.Norm.Variance {
			o.Norm.Variance[i] = max(v, -v)
		}
	}
	s.layer("conv", o, from)
}

func (s *sketch) numbers(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(s.random.NormFloat64())
	}
	return out
}

// Any network of darknet's layer kinds is read back as it was written.
func TestAnyNetworkIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := build(steps(t), 1)
		before := g.Clone()
		f, err := New(g)
		if err != nil {
			t.Fatal(err)
		}
		cfg, weights := writtenBy(t, f)
		if err := equal(g, before); err != nil {
			t.Fatalf("writing changed the graph: %v", err)
		}
		again := readBy(t, cfg, weights)
		if err := equal(again.Graph, g); err != nil {
			t.Fatalf("%v, the cfg is\n%s", err, cfg)
		}
		if c, w := writtenBy(t, again); string(c) != cfg || string(w) != weights {
			t.Fatal("written again it is another")
		}
	})
}

// Any network whose channels changed is written with its old text, of which
// nothing but the numbers of channels and groups is another.
func TestAnyChannelsArePatched(t *testing.T) {
	channels := regexp.MustCompile(`(filters|groups|group_id)=.*\n`)
	rapid.Check(t, func(t *rapid.T) {
		network := steps(t)
		f, err := New(build(network, 1))
		if err != nil {
			t.Fatal(err)
		}
		cfg, weights := writtenBy(t, f)
		cfg = strings.ReplaceAll(cfg, "\n\n", "\n # kept\n\n")
		f = readBy(t, cfg, weights)
		f.Graph = build(network, 3)
		wide, weights := writtenBy(t, f)
		if channels.ReplaceAllString(wide, "") != channels.ReplaceAllString(cfg, "") {
			t.Fatalf("wrote\n%s for\n%s", wide, cfg)
		}
		if err := equal(readBy(t, wide, weights).Graph, f.Graph); err != nil {
			t.Fatalf("%v, the cfg is\n%s", err, wide)
		}
	})
}

func writtenBy(t *rapid.T, f *File) (cfg, weights string) {
	var c, w strings.Builder
	if err := f.Write(&c, &w); err != nil {
		t.Fatal(err)
	}
	return c.String(), w.String()
}

func readBy(t *rapid.T, cfg, weights string) *File {
	f, err := Read([]byte(cfg), strings.NewReader(weights), int64(len(weights)))
	if err != nil {
		t.Fatalf("%v, the cfg is\n%s", err, cfg)
	}
	return f
}
