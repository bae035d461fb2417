package exec

import (
	"errors"
	"math"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"dashline/model"
)

// network has branches, a residual sum, an output in the middle, a value that
// nobody reads, and constants.
func network(t *rapid.T) *model.Graph {
	conv := func(in, filters, groups, kernel, stride int) *model.Conv {
		p := kernel / 2
		return &model.Conv{Filters: filters, Groups: groups, Kernel: [2]int{kernel, kernel}, Stride: [2]int{stride, stride},
			Dilation: [2]int{1, 1}, Pad: model.Pad{Top: p, Left: p, Bottom: p, Right: p},
			Weight: numbers(t, filters*in/groups*kernel*kernel), Bias: numbers(t, filters), Act: model.Act{Kind: model.Sigmoid}}
	}
	g := &model.Graph{Name: "test", Layers: []model.Layer{
		{Name: "image", Op: &model.Input{Shape: model.Shape{1, 3, 20, 32}}},
		{Name: "stem", Op: conv(3, 8, 1, 3, 2), From: []int{0}},
		{Name: "unread", Op: conv(8, 4, 2, 3, 1), From: []int{1}},
		{Name: "deep", Op: conv(8, 8, 8, 3, 1), From: []int{1}},
		{Name: "wide", Op: conv(8, 8, 1, 1, 1), From: []int{3}},
		{Name: "sum", Op: &model.Add{}, From: []int{1, 4}},
		{Name: "half", Op: &model.Const{Value: &model.Tensor{Type: model.Float32, Floats: []float32{0.5}}}},
		{Name: "two", Op: &model.Const{Value: &model.Tensor{Type: model.Int64, Ints: []int64{2}}}},
		{Name: "halved", Op: &model.Mul{}, From: []int{5, 6}},
		{Name: "doubled", Op: &model.Mul{}, From: []int{8, 7}},
		{Name: "pool", Op: &model.MaxPool{Size: [2]int{2, 2}, Stride: [2]int{2, 2}}, From: []int{9}},
		{Name: "up", Op: &model.Upsample{Scale: 2}, From: []int{10}},
		{Name: "join", Op: &model.Concat{Axis: 1}, From: []int{11, 9, 11}},
		{Name: "head", Op: conv(24, 5, 1, 1, 1), From: []int{12}},
	}, Outputs: []int{13, 5, 0}}
	return g
}

// TestRun compares every value with that of the reference, which keeps them all.
func TestRun(t *testing.T) {
	var s Scratch
	rapid.Check(t, func(t *rapid.T) {
		g := network(t)
		r, err := New(g)
		if err != nil {
			t.Fatal(err)
		}
		image := numbers(t, 3*20*32)
		given := slices.Clone(image)
		var values [][]float32 // by the reference, rounded
		out, err := r.Run(&s, [][]float32{image}, func(i int, got []float32) error {
			l := &g.Layers[i]
			want := got
			if _, ok := l.Op.(*model.Input); ok {
				want = given
			} else if c, ok := l.Op.(*model.Const); ok {
				want = c.Value.Floats
				if want == nil {
					want = []float32{float32(c.Value.Ints[0])}
				}
			} else {
				want = round(reference(l, r.in[i], picked(values, l.From)))
			}
			for j := range want {
				if !near(float64(got[j]), float64(want[j])) {
					t.Fatalf("layer %s: number %d is %v; want %v", l.Name, j, got[j], want[j])
				}
			}
			values = append(values, want)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range g.Outputs {
			for j, want := range values[o] {
				if !near(float64(out[i][j]), float64(want)) {
					t.Fatalf("output %s was overwritten: number %d is %v; want %v", g.Layers[o].Name, j, out[i][j], want)
				}
			}
		}
		if !slices.Equal(image, given) {
			t.Fatal("changed its input")
		}
		if len(r.slots) >= len(g.Layers)-3 {
			t.Fatalf("keeps %d values for %d layers", len(r.slots), len(g.Layers))
		}
	})
}

func picked(values [][]float32, from []int) [][]float32 {
	var x [][]float32
	for _, i := range from {
		x = append(x, values[i])
	}
	return x
}

func round(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}

// TestRunnersShare: goroutines with a Scratch each give the same bytes.
func TestRunnersShare(t *testing.T) {
	g := rapid.Custom(network).Example(1)
	r, err := New(g)
	if err != nil {
		t.Fatal(err)
	}
	image := make([]float32, 3*20*32)
	for i := range image {
		image[i] = float32(math.Sin(float64(i)))
	}
	want, err := r.Run(new(Scratch), [][]float32{image}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			var s Scratch
			for range 3 {
				got, err := r.Run(&s, [][]float32{image}, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if !slices.Equal(got[0], want[0]) {
					t.Error("another run, other numbers")
				}
			}
		})
	}
	wg.Wait()
}

func TestErrors(t *testing.T) {
	generic := &model.Graph{Layers: []model.Layer{
		{Name: "image", Op: &model.Input{Shape: model.Shape{1, 3, 2, 2}}},
		{Name: "odd", Op: &model.Generic{Type: "Gather", Value: model.Shape{1}}, From: []int{0}},
	}, Outputs: []int{1}}
	_, err := New(generic)
	if want := "layer 1 odd (Gather): only its cost is known: it cannot be run here"; err == nil || err.Error() != want {
		t.Errorf("error %v; want %s", err, want)
	}
	var wrong *model.Error
	if !errors.As(err, &wrong) || wrong.Layer != 1 {
		t.Errorf("error %#v does not name layer 1", err)
	}
	if _, err := New(&model.Graph{}); err == nil {
		t.Error("a network without layers is no error")
	}

	g := rapid.Custom(network).Example(1)
	r, err := New(g)
	if err != nil {
		t.Fatal(err)
	}
	image := make([]float32, 3*20*32)
	stop := errors.New("stop")
	for _, tc := range []struct {
		name  string
		input [][]float32
		visit func(int, []float32) error
		want  string
	}{
		{"no input", nil, nil, "network test has 1 inputs, given 0"},
		{"short input", [][]float32{image[1:]}, nil, "input image is 1x3x20x32, which is 1920 numbers; given 1919"},
		{"visit", [][]float32{image}, func(i int, _ []float32) error {
			if i == 3 {
				return stop
			}
			return nil
		}, "stop"},
	} {
		if _, err := r.Run(new(Scratch), tc.input, tc.visit); err == nil || err.Error() != tc.want {
			t.Errorf("%s: error %v; want %s", tc.name, err, tc.want)
		}
	}

	l, in := &g.Layers[1], r.in[1]
	out := make([]float32, l.Shape.Elements())
	for name, err := range map[string]error{
		"no value":   Layer(l, nil, nil, out, new(Scratch)),
		"short":      Layer(l, in, [][]float32{image[1:]}, out, new(Scratch)),
		"short room": Layer(l, in, [][]float32{image}, out[1:], new(Scratch)),
		"input":      Layer(&g.Layers[0], nil, nil, image, new(Scratch)),
	} {
		if err == nil {
			t.Errorf("%s is no error", name)
		}
	}
}

// TestPatches: patches times weights are the convolution.
func TestPatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		op, in := draws["conv"](t)
		o := op.(*model.Conv)
		o.Bias, o.Norm, o.Act = nil, nil, model.Act{}
		shape := graphOf(t, o, in).Layers[1].Shape
		x := numbers(t, in[0].Elements())
		area, n := shape[2]*shape[3], PatchLen(o, in[0])
		positions := rapid.SliceOfN(rapid.IntRange(0, area-1), 1, 5).Draw(t, "positions")
		rows := numbers(t, len(positions)*n)
		group := num(t, "group", 0, o.Groups-1)
		Patches(o, in[0], shape, x, group, positions, rows)
		f := group*o.Filters/o.Groups + num(t, "filter", 0, o.Filters/o.Groups-1)
		for i, p := range positions {
			got := 0.0
			for j, v := range rows[i*n:][:n] {
				got += float64(v) * float64(o.Weight[f*n+j])
			}
			if want := convSum(o, at{in[0], x}, []int{0, f, p / shape[3], p % shape[3]}); math.Abs(got-want) > 1e-9 {
				t.Fatalf("filter %d at %d: %v; want %v", f, p, got, want)
			}
		}
	})
}

// TestScratchStaysSmall where a kernel mostly sees padding.
func TestScratchStaysSmall(t *testing.T) {
	const kernel, height = 4096, 1024
	o := &model.Conv{Filters: 1, Groups: 1, Kernel: [2]int{1, kernel}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1},
		Pad: model.Pad{Left: kernel - 1}, Weight: random(1, kernel)}
	in := model.Shape{1, 1, height, 1}
	x, out := random(2, height), make([]float32, height)
	var s Scratch
	if err := Layer(&model.Layer{Op: o, From: []int{0}, Shape: in}, []model.Shape{in}, [][]float32{x}, out, &s); err != nil {
		t.Fatal(err)
	}
	if len(s.work) > 1<<17 {
		t.Errorf("takes %d numbers for an image of %d", len(s.work), height)
	}
	for i, v := range x {
		if want := v * o.Weight[kernel-1]; out[i] != want {
			t.Fatalf("number %d is %v; want %v", i, out[i], want)
		}
	}
}
