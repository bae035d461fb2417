package darknet

import (
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"

	"dashline/model"
)

// A graph that is another in the places that pruning changes is written as the
// text that one would have edited by hand, and reads as that graph.
func TestWritePatches(t *testing.T) {
	for _, c := range []struct {
		name  string
		edits []string // old, new, ...
	}{
		{"nothing", nil},
		{"filters", []string{"filters = 16\t\r\n", "filters = 24\t\r\n", "filters=8\nsize=3\npadding=1\ngroups = 8", "filters=12\nsize=3\npadding=1\ngroups = 12",
			"batch_normalize=1\nfilters=8", "batch_normalize=1\nfilters=12"}},
		{"to nothing", []string{"filters = 16\t\r\n", "filters = 2\t\r\n", "filters=8\nsize=3\npadding=1\ngroups = 8", "filters=1\nsize=3\npadding=1\ngroups = 1",
			"batch_normalize=1\nfilters=8", "batch_normalize=1\nfilters=1"}},
		{"another group", []string{"filters = 16\t\r\n", "filters = 24\t\r\n", "groups=2\ngroup_id=1\n\n[conv]", "groups=3\ngroup_id=2\n\n[conv]"}},
		{"option that was not there", []string{"[convolutional]\n; no filters", "[convolutional]\nfilters=3\n; no filters"}},
		{"input", []string{"width=64", "width=128", "height = 32 \t\n", "height = 64 \t\n"}},
		{"a route's groups", []string{"filters=4\n", "filters=6\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := random(t, four)
			edited := four
			for i := 0; i < len(c.edits); i += 2 {
				if strings.Count(edited, c.edits[i]) != 1 {
					t.Fatalf("%q is not in the cfg once", c.edits[i])
				}
				edited = strings.Replace(edited, c.edits[i], c.edits[i+1], 1)
			}
			want := random(t, edited)
			f.Graph = want.Graph.Clone()
			cfg, weights := written(t, f)
			if string(cfg) != edited {
				t.Errorf("wrote\n%q, want\n%q", cfg, edited)
			}
			if err := equal(read(t, cfg, weights).Graph, want.Graph); err != nil {
				t.Error(err)
			}
		})
	}
}

// A section that ends the text without a line end gets its options all the same.
func TestWriteInsertsAtTheEnd(t *testing.T) {
	head := "[net]\nwidth=1\nheight=1\nchannels=3\n"
	f := random(t, head+"[convolutional]")
	f.Graph = random(t, head+"[convolutional]\nfilters=2").Graph
	if cfg, _ := written(t, f); string(cfg) != head+"[convolutional]\nfilters=2" {
		t.Errorf("%q", cfg)
	}
}

func TestWriteFolded(t *testing.T) {
	f := random(t, four)
	f.Graph.Fold()
	cfg, weights := written(t, f)
	if want := strings.ReplaceAll(four, "batch_normalize=1", "batch_normalize=0"); string(cfg) != want {
		t.Errorf("wrote\n%q, want\n%q", cfg, want)
	}
	if err := equal(read(t, cfg, weights).Graph, f.Graph); err != nil {
		t.Error(err)
	}
}

func TestWriteErrors(t *testing.T) {
	at := func(g *model.Graph, name string) *model.Layer { return &g.Layers[g.Find(name)] }
	for _, c := range []struct {
		name   string
		change func(f *File)
		want   string
	}{
		{"version", func(f *File) { f.Header.Minor = 3 }, "version 0.3 in the header"},
		{"not valid", func(f *File) { at(f.Graph, "conv0").Op.(*model.Conv).Weight[3] = float32(math.NaN()) }, "conv0 (conv 3x3/2 3->16 norm mish): weight 3 is NaN"},
		{"layer removed", func(f *File) {
			g := f.Graph
			g.Layers = g.Layers[:g.Find("route14")]
			g.Outputs = g.Outputs[:1]
		}, "cfg: has 19 layers, the network now has 14: make a new cfg of it (New)"},
		{"another kind", func(f *File) { at(f.Graph, "dropout11").Op = &model.MaxPool{Size: [2]int{1, 1}, Stride: [2]int{1, 1}} },
			"layer 11 (dropout): is maxpool 1x1/1 in the network now: make a new cfg"},
		{"another activation", func(f *File) { at(f.Graph, "conv3").Op.(*model.Conv).Act = model.Act{Kind: model.Relu} },
			`layer 3 (convolutional 1x1/1 8->1): is "[convolutional] filters=1 size=1 stride=1 pad=1 activation=swish" of 8x16x32 to 1x16x32, ` +
				`in the network it is "[convolutional] filters=1 size=1 stride=1 pad=1 activation=relu"`},
		{"reads another", func(f *File) { at(f.Graph, "route6").From[0] = f.Graph.Find("conv2") }, `layer 6 (route): is "[route] layers=-5"`},
		{"mask", func(f *File) { at(f.Graph, "yolo18").Op.(*model.Yolo).Mask[0] = 0 }, "mask=0"},
		{"uneven group", func(f *File) { at(f.Graph, "route1").Op.(*model.Slice).Start = 7 },
			"layer 2 route1 (slice): takes 8 from 7 on of 1x16x16x32 along dimension 1: darknet divides channels into equal groups"},
		{"parts of different groups", func(f *File) { at(f.Graph, "route5.1").Op.(*model.Slice).Start = 0 }, "cfg: has 19 layers, the network now has 21"},
		{"size of heads", func(f *File) { at(f.Graph, "yolo13").Op.(*model.Yolo).Input[0] = 64 }, "yolo13 (yolo 2 anchors, 2 classes): is for an input of 64x64"},
		{"outputs", func(f *File) { f.Graph.Outputs = f.Graph.Outputs[:1] }, "network: its outputs are layers [16], those of a cfg with [yolo] are these: [16 21]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := random(t, four)
			c.change(f)
			var cfg, weights bytes.Buffer
			err := f.Write(&cfg, &weights)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if cfg.Len()+weights.Len() > 0 {
				t.Error("something is written all the same")
			}
		})
	}
	f := random(t, four)
	if err := f.Write(failing{}, io.Discard); !errors.Is(err, io.ErrClosedPipe) || !strings.Contains(err.Error(), "writing the cfg") {
		t.Errorf("cfg: %v", err)
	}
	if err := f.Write(io.Discard, failing{}); !errors.Is(err, io.ErrClosedPipe) || !strings.Contains(err.Error(), "writing the weights") {
		t.Errorf("weights: %v", err)
	}
}

func TestNewErrors(t *testing.T) {
	square := func(n int) [2]int { return [2]int{n, n} }
	conv := func(change func(*model.Conv)) *model.Conv {
		o := &model.Conv{Filters: 2, Groups: 1, Kernel: square(1), Stride: square(1), Dilation: square(1), Weight: make([]float32, 4)}
		change(o)
		return o
	}
	norm := func(epsilon float64) *model.Norm {
		return &model.Norm{Scale: make([]float32, 2), Shift: make([]float32, 2), Mean: []float32{-math.MaxFloat32, 0}, Variance: make([]float32, 2), Epsilon: epsilon}
	}
	for _, c := range []struct {
		name string
		op   model.Op
		from []int // 0 is the input, 1 and 2 give it 2x4x4
		want string
	}{
		{"act", &model.Activate{Act: model.Act{Kind: model.Relu}}, []int{2}, "layer 3 it (act): darknet has no such layer"},
		{"slope", conv(func(o *model.Conv) { o.Act = model.Act{Kind: model.Leaky, Alpha: 0.2} }), []int{2}, "layer 3 it (conv 1x1/1 2->2 leaky): leaky with slope 0.2: darknet's is 0.1"},
		{"activation", conv(func(o *model.Conv) { o.Act = model.Act{Kind: model.HardSwish} }), []int{2}, "darknet has no activation hardswish"},
		{"kernel", conv(func(o *model.Conv) { o.Kernel[0], o.Weight = 3, make([]float32, 12) }), []int{2}, "kernel [3 1], stride [1 1], dilation [1 1]: darknet's are square"},
		{"stride", conv(func(o *model.Conv) { o.Stride[1] = 2 }), []int{2}, "darknet's are square"},
		{"dilation", conv(func(o *model.Conv) { o.Dilation = square(2) }), []int{2}, "without dilation"},
		{"padding", conv(func(o *model.Conv) { o.Pad.Left = 1 }), []int{2}, "darknet pads all sides the same"},
		{"too much padding", conv(func(o *model.Conv) { o.Pad = model.Pad{Top: 200, Left: 200, Bottom: 200, Right: 200} }), []int{2},
			"a darknet cfg cannot hold the network: cfg: layer 2 (convolutional 1x1/1 2->2): padding=200 is outside of its range"},
		{"epsilon", conv(func(o *model.Conv) { o.Norm = norm(1e-8) }), []int{2}, "variance 0 is 0 with an epsilon of 1e-08: with darknet's 1e-06 it would be -"},
		{"mean", conv(func(o *model.Conv) { o.Norm, o.Bias = norm(1e-6), []float32{math.MaxFloat32, 0} }), []int{2}, "the mean of channel 0 less its bias is not finite"},
		{"pool", &model.MaxPool{Size: square(2), Stride: square(2), Pad: model.Pad{Top: 1, Left: 1}}, []int{2}, "with the odd row and column of padding at the end"},
		{"pool padding", &model.MaxPool{Size: square(1), Stride: square(1), Pad: model.Pad{Bottom: 1, Right: 1}}, []int{2}, "padding=1 puts windows of 1 wholly outside"},
		{"average", &model.AvgPool{Size: square(2), Stride: square(2)}, []int{2}, "is of windows of [2 2], darknet's is of the whole image"},
		{"scale", &model.Upsample{Scale: 64}, []int{2}, "layer 2 (upsample): stride=64 is outside of its range, 1 to 32"},
		{"sum of three", &model.Add{}, []int{2, 1, 2}, "darknet adds two images of one shape"},
		{"softmax", &model.Softmax{Axis: 1}, []int{2}, "is over dimension 1 of 1x2x4x4"},
		{"rows", &model.Concat{Axis: 2}, []int{2, 1}, "joins along dimension 2, darknet joins channels"},
		{"the input", &model.Concat{Axis: 1}, []int{2, 0}, "reads the network's input, which no route of a cfg can"},
		{"input again", conv(func(*model.Conv) {}), []int{0}, "reads the network's input, which only the first layer of a cfg can"},
		{"plus the input", &model.Add{}, []int{2, 0}, "adds the network's input"},
		{"two inputs", &model.Input{Shape: model.Shape{1, 1, 1, 1}}, nil, "network: has 2 inputs, a darknet network has one"},
		{"not the last", &model.Identity{}, []int{1}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := &model.Graph{Layers: []model.Layer{
				{Name: "in", Op: &model.Input{Shape: model.Shape{1, 2, 4, 4}}},
				{Name: "a", Op: conv(func(*model.Conv) {}), From: []int{0}},
				{Name: "b", Op: conv(func(*model.Conv) {}), From: []int{1}},
				{Name: "it", Op: c.op, From: c.from},
			}, Outputs: []int{3}}
			_, err := New(g)
			if c.want == "" {
				g.Outputs[0], c.want = 2, "network: its outputs are layers [2], those of a cfg without [yolo] are its last layer"
				_, err = New(g)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// A graph from elsewhere is laid out as darknet needs it: layers read the one
// before them, normalisations have darknet's epsilon and no bias before them.
func TestNewForeign(t *testing.T) {
	one := [2]int{1, 1}
	norm := &model.Norm{Scale: []float32{2, 3}, Shift: []float32{4, 5}, Mean: []float32{6, 7}, Variance: []float32{8, 0}, Epsilon: 1e-3}
	conv := func(n *model.Norm, bias []float32) *model.Conv {
		return &model.Conv{Filters: 2, Groups: 1, Kernel: one, Stride: one, Dilation: one, Weight: []float32{1, 2, 3, 4}, Norm: n, Bias: bias}
	}
	g := &model.Graph{Layers: []model.Layer{
		{Name: "x", Op: &model.Input{Shape: model.Shape{1, 2, 4, 4}}},
		{Name: "same", Op: &model.Identity{}, From: []int{0}},
		{Name: "a", Op: conv(norm, []float32{1, 2}), From: []int{1}},
		{Name: "b", Op: conv(nil, nil), From: []int{2}},
		{Name: "c", Op: conv(nil, nil), From: []int{2}},
		{Name: "sum", Op: &model.Add{}, From: []int{3, 4}},
		{Name: "far", Op: &model.Add{}, From: []int{2, 3}},
		{Name: "pool", Op: &model.AvgPool{Size: [2]int{4, 4}, Stride: one}, From: []int{5}},
	}, Outputs: []int{7}}
	f, err := New(g)
	if err != nil {
		t.Fatal(err)
	}
	cfg, weights := written(t, f)
	got := read(t, cfg, weights).Graph
	var layout []string
	for _, l := range got.Layers {
		s := l.Name + ":"
		for _, from := range l.From {
			s += " " + got.Layers[from].Name
		}
		layout = append(layout, s)
	}
	want := []string{"input:", "dropout0: input", "conv1: dropout0", "conv2: conv1", "route3: conv1", "conv4: route3", "shortcut5: conv4 conv2",
		"route6: conv1", "shortcut7: route6 conv2", "route8: shortcut5", "avgpool9: route8"}
	if !reflect.DeepEqual(layout, want) {
		t.Errorf("laid out as\n%q, want\n%q", layout, want)
	}
	o := got.Layers[2].Op.(*model.Conv)
	for c, bias := range []float64{1, 2} {
		a, b := norm.Affine(c)
		b += a * bias
		x, y := o.Norm.Affine(c)
		if math.Abs(x-a) > 1e-6*math.Abs(a) || math.Abs(y-b) > 1e-6*math.Abs(b) {
			t.Errorf("channel %d becomes %v*x + %v, want %v*x + %v", c, x, y, a, b)
		}
	}
	if o := got.Layers[3].Op.(*model.Conv); !reflect.DeepEqual(o.Bias, []float32{0, 0}) {
		t.Errorf("biases %v where there were none", o.Bias)
	}
	if norm.Mean[0] != 6 || norm.Variance[0] != 8 {
		t.Error("New changed the graph")
	}
}

// The parts of a route with groups that something else reads too are layers of
// their own.
func TestNewSharedPart(t *testing.T) {
	g := random(t, "[net]\nwidth=2\nheight=2\nchannels=3\n[convolutional]\nfilters=4\n[convolutional]\nfilters=2\n"+
		"[route]\nlayers=0,1\ngroups=2\n[route]\nlayers=1").Graph
	last := &g.Layers[len(g.Layers)-1]
	last.From[0] = g.Find("route2.1")
	f, err := New(g)
	if err != nil {
		t.Fatal(err)
	}
	cfg, _ := written(t, f)
	if want := "[route]\nlayers=-2\ngroups=2\ngroup_id=0\n\n[route]\nlayers=-2\ngroups=2\ngroup_id=0\n\n[route]\nlayers=-2,-1\n\n[route]\nlayers=-2\n"; !strings.HasSuffix(string(cfg), want) {
		t.Errorf("wrote\n%s, want the end\n%s", cfg, want)
	}
}
