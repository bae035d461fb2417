package darknet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"dashline/internal/testkit"
	"dashline/model"
)

func read(t testing.TB, cfg, weights []byte) *File {
	t.Helper()
	f, err := Read(cfg, bytes.NewReader(weights), int64(len(weights)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// random reads a cfg with random weights.
func random(t testing.TB, cfg string) *File {
	t.Helper()
	weights, err := RandomWeights([]byte(cfg), 1)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, []byte(cfg), weights)
}

func written(t testing.TB, f *File) (cfg, weights []byte) {
	t.Helper()
	var c, w bytes.Buffer
	if err := f.Write(&c, &w); err != nil {
		t.Fatal(err)
	}
	return c.Bytes(), w.Bytes()
}

func TestRoundTripNumerics(t *testing.T) {
	var paths []string
	for _, name := range []string{"yolo-fastest-1.1-xl", "yolo-fastest-1.1", "MobileNetV2-YOLOv3-Nano-coco", "MobileNetV2-YOLOv3-Nano-voc"} {
		paths = append(paths, "networks/"+name)
	}
	for _, name := range []string{"dashline-full", "dashline-tiny", "dashline-tiny-labels"} {
		paths = append(paths, filepath.Join(testkit.Root(), "testdata/networks", name))
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			if !filepath.IsAbs(path) {
				path = strings.TrimSuffix(testkit.Asset(t, path+".cfg"), ".cfg")
			}
			cfg, err := os.ReadFile(path + ".cfg")
			if err != nil {
				t.Fatal(err)
			}
			weights, err := os.ReadFile(path + ".weights")
			if err != nil {
				t.Fatal(err)
			}
			f := read(t, cfg, weights)
			if err := f.Graph.Validate(); err != nil {
				t.Fatal(err)
			}
			c, w := written(t, f)
			if !bytes.Equal(c, cfg) || !bytes.Equal(w, weights) {
				t.Fatal("what is written is not what was read")
			}
			// With a cfg of its own it is the same network.
			fresh, err := New(f.Graph.Clone())
			if err != nil {
				t.Fatal(err)
			}
			fresh.Header = f.Header
			c, w = written(t, fresh)
			if !bytes.Equal(w, weights) {
				t.Error("the weights under a new cfg differ")
			}
			again := read(t, c, w)
			if err := nameless(again.Graph, f.Graph); err != nil {
				t.Error(err)
			}
		})
	}
}

// nameless compares graphs but for the names of layers: where a cfg has a
// dropout, a new one has a route.
func nameless(got, want *model.Graph) error {
	got, want = got.Clone(), want.Clone()
	for _, g := range []*model.Graph{got, want} {
		for i := range g.Layers {
			g.Layers[i].Name = ""
		}
	}
	return equal(got, want)
}

func equal(got, want *model.Graph) error {
	if len(got.Layers) != len(want.Layers) {
		return errors.New("another number of layers")
	}
	for i := range got.Layers {
		if !reflect.DeepEqual(got.Layers[i], want.Layers[i]) {
			return &model.Error{Layer: i, Name: want.Layers[i].Name, What: model.Kind(want.Layers[i].Op), Err: errors.New("differs")}
		}
	}
	if !reflect.DeepEqual(got.Outputs, want.Outputs) {
		return errors.New("other outputs")
	}
	return nil
}

// The figures are those that the networks are published with; memory stays near
// the weights' own size.
func TestLargeNetworks(t *testing.T) {
	for _, c := range []struct {
		cfg    string
		params int
		bytes  int64
		heads  int
	}{
		{"yolov3.cfg", 62_001_757, 248_007_048, 3},
		{"yolov3-spp.cfg", 63_052_381, 252_209_544, 3},
		{"yolov3-tiny.cfg", 8_858_734, 35_434_956, 2},
	} {
		t.Run(c.cfg, func(t *testing.T) {
			cfg := asset(t, c.cfg)
			r, w := io.Pipe()
			seed := maphash.MakeSeed()
			made := make(chan uint64)
			go func() {
				var h maphash.Hash
				h.SetSeed(seed)
				w.CloseWithError(WriteRandomWeights(io.MultiWriter(w, &h), cfg, 3))
				made <- h.Sum64()
			}()
			before := allocated()
			f, err := Read(cfg, r, c.bytes)
			took := allocated() - before
			r.Close() // so that the other end stops, whatever came of it
			want := <-made
			if err != nil {
				t.Fatal(err)
			}
			if limit := c.bytes + 8<<20; took > limit {
				t.Errorf("took %d bytes of memory for %d of weights", took, c.bytes)
			}
			if n := parameters(f.Graph); n != c.params || len(f.Graph.Outputs) != c.heads {
				t.Errorf("%d parameters, %d outputs", n, len(f.Graph.Outputs))
			}
			var text bytes.Buffer
			var size counter
			var got maphash.Hash
			got.SetSeed(seed)
			before = allocated()
			if err := f.Write(&text, io.MultiWriter(&got, &size)); err != nil {
				t.Fatal(err)
			}
			if took := allocated() - before; took > 8<<20 {
				t.Errorf("took %d bytes of memory to write", took)
			}
			if int64(size) != c.bytes || got.Sum64() != want {
				t.Errorf("%d bytes of weights are written, or others than were read", size)
			}
			if !bytes.Equal(text.Bytes(), cfg) {
				t.Error("the cfg differs")
			}
		})
	}
}

// allocated is the bytes that were ever taken.
func allocated() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.TotalAlloc)
}

func parameters(g *model.Graph) int {
	n := 0
	for i := range g.Layers {
		for p := range model.Weights(g.Layers[i].Op) {
			n += len(p.Values)
		}
	}
	return n
}

// four has what yolov4-tiny and its kin have and YOLOv3 lacks, written with the
// liberties that darknet leaves. Its last line has no end.
const four = `# a network of our own
[net]
batch = 64
width=64
 height = 32 ` + "\t" + `
channels=3

[convolutional]` + "\r\n" + `batch_normalize=1
filters = 16` + "\t\r\n" + `size=3
stride=2
pad=1
activation=mish

[route]
layers=-1
groups=2
group_id=1

[conv]
filters=8
size=3
padding=1
groups = 8
activation=relu6

[convolutional]
; no filters: one
size=1
activation=swish

[convolutional]
filters=4
size=1

[route]
layers = 0, -1
groups=2
group_id=1

[route]
layers=1

[convolutional]
batch_normalize=1
filters=8
size=1
activation=logistic

[shortcut]
from=-2
activation=leaky

[maxpool]
size=3
stride=2

[max]
size=4
stride=1
padding=3

[dropout]
probability=.5

[convolutional]
filters=14
size=1
activation=linear

[yolo]
mask=1,0,
anchors = 10,14.5,  23,27,
classes=2
num=2
thresh=.3
scale_x_y = 1.05

[route]
layers=-3

[upsample]
stride=2

[route]
layers=-1, 5

[convolutional]
filters=7
size=1
activation=linear

[yolo]
mask=1
anchors=10,14.5,23,27
classes=2
num=2`

func TestRead(t *testing.T) {
	g := random(t, four).Graph
	conv := func(filters, groups, size, stride, pad int, act model.Act) *model.Conv {
		return &model.Conv{Filters: filters, Groups: groups, Kernel: [2]int{size, size}, Stride: [2]int{stride, stride},
			Dilation: [2]int{1, 1}, Pad: model.Pad{Top: pad, Left: pad, Bottom: pad, Right: pad}, Act: act}
	}
	first := conv(16, 1, 3, 2, 1, model.Act{Kind: model.Mish})
	seventh := conv(8, 1, 1, 1, 0, model.Act{Kind: model.Sigmoid})
	first.Norm, seventh.Norm = &model.Norm{Epsilon: 1e-6}, &model.Norm{Epsilon: 1e-6}
	anchors := []float64{10, 14.5, 23, 27}
	want := []struct {
		name  string
		from  []string
		shape model.Shape
		op    model.Op // without weights
	}{
		{"input", nil, model.Shape{1, 3, 32, 64}, &model.Input{Shape: model.Shape{1, 3, 32, 64}}},
		{"conv0", []string{"input"}, model.Shape{1, 16, 16, 32}, first},
		{"route1", []string{"conv0"}, model.Shape{1, 8, 16, 32}, &model.Slice{Axis: 1, Start: 8, Count: 8}},
		{"conv2", []string{"route1"}, model.Shape{1, 8, 16, 32}, conv(8, 8, 3, 1, 1, model.Act{Kind: model.Relu6})},
		{"conv3", []string{"conv2"}, model.Shape{1, 1, 16, 32}, conv(1, 1, 1, 1, 0, model.Act{Kind: model.Silu})},
		{"conv4", []string{"conv3"}, model.Shape{1, 4, 16, 32}, conv(4, 1, 1, 1, 0, model.Act{Kind: model.Sigmoid})},
		{"route5.0", []string{"conv0"}, model.Shape{1, 8, 16, 32}, &model.Slice{Axis: 1, Start: 8, Count: 8}},
		{"route5.1", []string{"conv4"}, model.Shape{1, 2, 16, 32}, &model.Slice{Axis: 1, Start: 2, Count: 2}},
		{"route5", []string{"route5.0", "route5.1"}, model.Shape{1, 10, 16, 32}, &model.Concat{Axis: 1}},
		{"route6", []string{"route1"}, model.Shape{1, 8, 16, 32}, &model.Identity{}},
		{"conv7", []string{"route6"}, model.Shape{1, 8, 16, 32}, seventh},
		{"shortcut8", []string{"conv7", "route6"}, model.Shape{1, 8, 16, 32}, &model.Add{Act: model.Act{Kind: model.Leaky, Alpha: 0.1}}},
		{"maxpool9", []string{"shortcut8"}, model.Shape{1, 8, 8, 16},
			&model.MaxPool{Size: [2]int{3, 3}, Stride: [2]int{2, 2}, Pad: model.Pad{Top: 1, Left: 1, Bottom: 1, Right: 1}}},
		{"maxpool10", []string{"maxpool9"}, model.Shape{1, 8, 8, 16},
			&model.MaxPool{Size: [2]int{4, 4}, Stride: [2]int{1, 1}, Pad: model.Pad{Top: 1, Left: 1, Bottom: 2, Right: 2}}},
		{"dropout11", []string{"maxpool10"}, model.Shape{1, 8, 8, 16}, &model.Identity{}},
		{"conv12", []string{"dropout11"}, model.Shape{1, 14, 8, 16}, conv(14, 1, 1, 1, 0, model.Act{})},
		{"yolo13", []string{"conv12"}, model.Shape{256, 7},
			&model.Yolo{Mask: []int{1, 0}, Anchors: anchors, Classes: 2, ScaleXY: 1.05, Input: [2]int{32, 64}}},
		{"route14", []string{"dropout11"}, model.Shape{1, 8, 8, 16}, &model.Identity{}},
		{"upsample15", []string{"route14"}, model.Shape{1, 8, 16, 32}, &model.Upsample{Scale: 2}},
		{"route16", []string{"upsample15", "route5"}, model.Shape{1, 18, 16, 32}, &model.Concat{Axis: 1}},
		{"conv17", []string{"route16"}, model.Shape{1, 7, 16, 32}, conv(7, 1, 1, 1, 0, model.Act{})},
		{"yolo18", []string{"conv17"}, model.Shape{512, 7},
			&model.Yolo{Mask: []int{1}, Anchors: anchors, Classes: 2, ScaleXY: 1, Input: [2]int{32, 64}}},
	}
	if len(g.Layers) != len(want) {
		t.Fatalf("%d layers, want %d", len(g.Layers), len(want))
	}
	for i, w := range want {
		l := g.Layers[i]
		var from []string
		for _, f := range l.From {
			from = append(from, g.Layers[f].Name)
		}
		if l.Name != w.name || !reflect.DeepEqual(from, w.from) || !l.Shape.Equal(w.shape) {
			t.Errorf("%s reads %v and gives %v, want %s, %v and %v", l.Name, from, l.Shape, w.name, w.from, w.shape)
		}
		if op := weightless(l.Op); !reflect.DeepEqual(op, w.op) {
			t.Errorf("%s is %+v, want %+v", l.Name, op, w.op)
		}
	}
	if want := []int{g.Find("yolo13"), g.Find("yolo18")}; !reflect.DeepEqual(g.Outputs, want) {
		t.Errorf("outputs %v, want %v", g.Outputs, want)
	}
}

func weightless(op model.Op) model.Op {
	c, ok := op.(*model.Conv)
	if !ok {
		return op
	}
	less := *c
	less.Weight, less.Bias = nil, nil
	if c.Norm != nil {
		less.Norm = &model.Norm{Epsilon: c.Norm.Epsilon}
	}
	return &less
}

// Each number goes where darknet has it: bias, scale, mean, variance, weights.
func TestReadOrder(t *testing.T) {
	cfg := "[net]\nwidth=1\nheight=1\nchannels=1\n" +
		"[convolutional]\nbatch_normalize=1\nfilters=2\n[avgpool]\n[softmax]\n[convolutional]\nfilters=1\n"
	weights := le(0, 1, 9, 77) // version 0.1: 32 bits of pictures seen
	for i := range 10 + 3 {
		weights = append(weights, le(math.Float32bits(float32(i)))...)
	}
	f := read(t, []byte(cfg), weights)
	if want := (Header{Minor: 1, Revision: 9, Seen: 77}); f.Header != want {
		t.Errorf("header %+v, want %+v", f.Header, want)
	}
	first := f.Graph.Layers[1].Op.(*model.Conv)
	want := &model.Norm{Shift: []float32{0, 1}, Scale: []float32{2, 3}, Mean: []float32{4, 5}, Variance: []float32{6, 7}, Epsilon: 1e-6}
	if !reflect.DeepEqual(first.Norm, want) || !reflect.DeepEqual(first.Weight, []float32{8, 9}) || first.Bias != nil {
		t.Errorf("%+v, %v", first.Norm, first.Weight)
	}
	last := f.Graph.Layers[4].Op.(*model.Conv)
	if last.Norm != nil || !reflect.DeepEqual(last.Bias, []float32{10}) || !reflect.DeepEqual(last.Weight, []float32{11, 12}) {
		t.Errorf("%+v", last)
	}
	if !reflect.DeepEqual(f.Graph.Outputs, []int{4}) {
		t.Errorf("outputs %v: without a head, the last layer is", f.Graph.Outputs)
	}
	if c, w := written(t, f); string(c) != cfg || !bytes.Equal(w, weights) {
		t.Error("what is written is not what was read")
	}
	f.Header.Seen = 1 << 40
	if err := f.Write(io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "make it 0.2") {
		t.Errorf("more pictures seen than 32 bits hold: %v", err)
	}
}

func le(words ...uint32) []byte {
	var b []byte
	for _, w := range words {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

// Zeros with a sign and the smallest numbers survive, as do 64 bits of pictures.
func TestRoundTripBits(t *testing.T) {
	cfg := []byte("[net]\nwidth=1\nheight=1\nchannels=1\n[convolutional]\nbatch_normalize=1")
	weights := le(0, 2, 5, 0x89abcdef, 0x01234567, 0x80000000, 1, 0x80000001, 0x80000000, 0x7f7fffff)
	if c, w := written(t, read(t, cfg, weights)); !bytes.Equal(c, cfg) || !bytes.Equal(w, weights) {
		t.Errorf("%q %x", c, w)
	}
}

func TestReadErrors(t *testing.T) {
	edit := func(old, new string) string {
		if !strings.Contains(four, old) {
			t.Fatalf("%q is not in the cfg", old)
		}
		return strings.Replace(four, old, new, 1)
	}
	for _, c := range []struct{ name, cfg, want string }{
		{"a million layers", "[net]\nwidth=8\nheight=8\nchannels=3\n" + strings.Repeat("[dropout]\n", 1_000_000), "cfg: has 10000034 bytes, the limit is 1048576"},
		{"a billion filters", edit("filters=14", "filters=1000000000"), "layer 12 (convolutional): filters=1000000000 is outside of its range"},
		{"new_coords", edit("thresh=.3", "new_coords=1"), "layer 13 (yolo 2 classes): new_coords=1 is not supported"},
		{"scale_x_y", edit("scale_x_y = 1.05", "scale_x_y=nan"), "layer 13 (yolo 2 classes): scale_x_y=nan is not a number from 0.1 to 10"},
		{"reads a head", edit("layers=-3", "layers=-1"), "layer 14 (route): reads layer 13, a detection head"},
		{"outside of the image", "[net]\nwidth=8\nheight=8\nchannels=3\n[maxpool]\nsize=2\nstride=1\npadding=4",
			"layer 0 (maxpool 2x2/1): padding=4 puts windows of 2 wholly outside"},
		{"softmax of an image", edit("[dropout]", "[softmax]"), "layer 11 (softmax): a softmax over an image of 8x8x16"},
		{"upsample scale", edit("[upsample]", "[upsample]\nscale=0.5"), "layer 15 (upsample): scale=0.5 is not supported"},
		{"shortcut activation", edit("from=-2\nactivation=leaky", "from=-2\nactivation=elu"), `layer 8 (shortcut): unknown activation "elu"`},
		{"shortcut weights", edit("from=-2", "from=-2\nweights_type=per_channel"), "weights_type=per_channel is not supported"},
		{"parts of routes", "[net]\nwidth=1\nheight=1\nchannels=2\n[convolutional]\nfilters=2\n" +
			strings.Repeat("[route]\ngroups=2\nlayers="+strings.Repeat("0,", 1000)+"\n", 300), "the parts that routes take are more than 200000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := bytes.NewReader(le(0, 2, 0, 0, 0))
			size := int64(header.Len())
			if net, err := Inspect([]byte(c.cfg)); err == nil {
				size = net.WeightsBytes() // none of these gets that far
			}
			before := allocated()
			_, err := Read([]byte(c.cfg), header, size)
			if took := allocated() - before; took > 256<<20 {
				t.Errorf("took %d bytes of memory", took)
			}
			var typed *Error
			if !errors.As(err, &typed) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// What ValidateWeights finds, Read finds with the same words; and what only a
// stream can do wrong.
func TestReadWeightsErrors(t *testing.T) {
	cfg := []byte(four)
	good, err := RandomWeights(cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	with := func(at int, x float64) []byte {
		w := bytes.Clone(good)
		binary.LittleEndian.PutUint32(w[at:], math.Float32bits(float32(x)))
		return w
	}
	net, err := Inspect(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, weights := range [][]byte{
		nil, good[:10], good[:18], good[:20], good[:len(good)-4], good[:len(good)-1], append(bytes.Clone(good), 0),
		[]byte("<html>"), le(0, 3, 0, 0, 0), le(1, 0, 0, 0, 0),
		with(20, math.NaN()), with(20+4*2*16, math.Inf(1)), with(20+4*3*16, -1), with(20+4*4*16, math.Inf(-1)), with(len(good)-4, math.NaN()),
	} {
		want := net.ValidateWeights(weights)
		_, err := Read(cfg, bytes.NewReader(weights), int64(len(weights)))
		if err == nil || want == nil || err.Error() != want.Error() {
			t.Errorf("%d bytes: got %v, want %v", len(weights), err, want)
		}
	}
	size := int64(len(good))
	for _, c := range []struct {
		name    string
		weights io.Reader
		size    int64
		want    string
	}{
		{"shorter than said", bytes.NewReader(good[:len(good)-5]), size, "layer 17 (convolutional 1x1/1 18->7): weight ends after 124 of 126 numbers"},
		{"longer than said", bytes.NewReader(append(bytes.Clone(good), 1)), size, "go on after the"},
		{"another size said", bytes.NewReader(good), size + 4, "4 bytes too long after the last layer"},
		{"a negative size", bytes.NewReader(good), -1, "layer 0 (convolutional 3x3/2 3->16)"},
		{"broken at once", iotest.ErrReader(io.ErrClosedPipe), size, "reading the header: io: read/write on closed pipe"},
		{"broken later", io.MultiReader(bytes.NewReader(good[:size-9]), iotest.ErrReader(io.ErrClosedPipe)), size,
			"reading layer 17 (convolutional 1x1/1 18->7): io: read/write on closed pipe"},
		{"broken at the end", io.MultiReader(bytes.NewReader(good), iotest.ErrReader(io.ErrClosedPipe)), size, "reading their end: io"},
	} {
		if _, err := Read(cfg, c.weights, c.size); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
	if _, err := Read(cfg, iotest.OneByteReader(bytes.NewReader(good)), size); err != nil {
		t.Errorf("byte by byte: %v", err)
	}
}

// Memory for weights is not taken before the file proved to have them.
func TestReadBounded(t *testing.T) {
	cfg := "[net]\nwidth=1\nheight=1\nchannels=64\n" + strings.Repeat("[convolutional]\nfilters=16000\n", 4)
	before := allocated()
	_, err := Read([]byte(cfg), bytes.NewReader(le(0, 2, 0, 0, 0)), 20)
	if err == nil || !strings.Contains(err.Error(), "layer 0 (convolutional 1x1/1 64->16000): 4,160,000 bytes short") {
		t.Errorf("got %v", err)
	}
	if took := allocated() - before; took > 1<<20 {
		t.Errorf("took %d bytes of memory", took)
	}
}

// Numbers are counted through what is in memory at a time.
func TestReadLateNumber(t *testing.T) {
	cfg := []byte("[net]\nwidth=1\nheight=1\nchannels=1\n[convolutional]\nfilters=50000\n")
	weights, err := RandomWeights(cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint32(weights[headerLong+4*(50_000+40_000):], math.Float32bits(float32(math.Inf(1))))
	_, err = Read(cfg, bytes.NewReader(weights), int64(len(weights)))
	if err == nil || !strings.Contains(err.Error(), "layer 0 (convolutional 1x1/1 1->50000): weight 40000 is +Inf") {
		t.Errorf("got %v", err)
	}
}

func FuzzRead(f *testing.F) {
	weights, err := RandomWeights([]byte(four), 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(four), weights)
	f.Add([]byte(small), le(0, 1, 0, 0, 1, 2))
	f.Fuzz(func(t *testing.T, cfg, weights []byte) {
		before := allocated()
		file, err := Read(cfg, bytes.NewReader(weights), int64(len(weights)))
		if took, given := allocated()-before, int64(len(cfg)+len(weights)); took > 8<<20+256*given {
			t.Fatalf("took %d bytes of memory for %d", took, given)
		}
		if err != nil {
			var typed *Error
			if !errors.As(err, &typed) {
				t.Fatalf("an error of another type: %v", err)
			}
			return
		}
		if err := file.Graph.Validate(); err != nil {
			t.Fatal(err)
		}
		c, w := written(t, file)
		if !bytes.Equal(c, cfg) || !bytes.Equal(w, weights) {
			t.Fatalf("wrote %q and %x", c, w)
		}
		fresh, err := New(file.Graph)
		if err != nil {
			t.Fatal(err)
		}
		fresh.Header = file.Header
		c, w = written(t, fresh)
		if !bytes.Equal(w, weights) {
			t.Fatal("the weights under a new cfg differ")
		}
		if err := nameless(read(t, c, w).Graph, file.Graph); err != nil {
			t.Fatalf("%v with the cfg %q", err, c)
		}
	})
}
