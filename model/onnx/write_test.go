package onnx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"dashline/model"
	"dashline/model/onnx/pb"
)

// counted are n numbers between -1 and 1.
func counted(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i%7-3) / 4
	}
	return x
}

func ones32(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = 1
	}
	return x
}

func conv3(in, out int, norm bool, act model.ActKind) *model.Conv {
	c := &model.Conv{Filters: out, Groups: 1, Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1},
		Pad: model.Pad{Top: 1, Left: 1, Bottom: 1, Right: 1}, Weight: counted(9 * in * out), Act: model.Act{Kind: act, Alpha: 0.1}}
	if norm {
		c.Norm = &model.Norm{Scale: counted(out), Shift: counted(out), Mean: counted(out), Variance: ones32(out), Epsilon: 1e-5}
		return c
	}
	c.Bias = counted(out)
	return c
}

// detector is a small network with a head.
func detector(t testing.TB) *model.Graph {
	t.Helper()
	return valid(t, &model.Graph{Name: "small", Outputs: []int{6}, Layers: []model.Layer{
		{Name: "input", Op: &model.Input{Shape: model.Shape{1, 3, 8, 8}}},
		{Name: "conv0", Op: conv3(3, 4, true, model.Leaky), From: []int{0}},
		{Name: "conv1", Op: conv3(4, 4, true, model.Silu), From: []int{1}},
		{Name: "add2", Op: &model.Add{}, From: []int{1, 2}},
		{Name: "pool3", Op: &model.MaxPool{Size: [2]int{2, 2}, Stride: [2]int{2, 2}, Pad: model.Pad{Bottom: 1, Right: 1}}, From: []int{3}},
		{Name: "conv4", Op: conv3(4, 7, false, model.Linear), From: []int{4}},
		{Name: "yolo5", Op: &model.Yolo{Mask: []int{1}, Anchors: []float64{2, 3, 4, 5}, Classes: 2, ScaleXY: 1.1, Input: [2]int{8, 8}}, From: []int{5}},
	}})
}

func valid(t testing.TB, g *model.Graph) *model.Graph {
	t.Helper()
	if err := g.Validate(); err != nil {
		t.Fatal(err)
	}
	return g
}

func written(t testing.TB, g *model.Graph, o Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, g, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decoded(t testing.TB, file []byte) *pb.ModelProto {
	t.Helper()
	m := &pb.ModelProto{}
	if err := proto.Unmarshal(file, m); err != nil {
		t.Fatal(err)
	}
	return m
}

// structure is a file's graph in words: outputs, nodes and initializers.
func structure(m *pb.ModelProto) string {
	var b strings.Builder
	for _, v := range append(m.Graph.Input, m.Graph.Output...) {
		fmt.Fprintf(&b, "%s %v", v.Name, pb.TensorProto_DataType(v.Type.TensorType.ElemType))
		for _, d := range v.Type.TensorType.Shape.Dim {
			fmt.Fprintf(&b, " %d", d.DimValue)
		}
		b.WriteString("\n")
	}
	for _, n := range m.Graph.Node {
		fmt.Fprintf(&b, "%s = %s(%s)\n", strings.Join(n.Output, ", "), n.OpType, strings.Join(n.Input, ", "))
	}
	return b.String()
}

func TestStructure(t *testing.T) {
	const tail = `yolo5/boxes/anchors = Reshape(%s, yolo5/boxes/anchors/shape)
yolo5/boxes = Transpose(yolo5/boxes/anchors)
yolo5/sigmoid = Sigmoid(yolo5/boxes)
yolo5/offset = Slice(yolo5/sigmoid, yolo5/offset/starts, yolo5/offset/ends, yolo5/offset/axes)
yolo5/centre/mul = Mul(yolo5/offset, yolo5/scale)
yolo5/centre = Add(yolo5/centre/mul, yolo5/grid)
yolo5/logsize = Slice(yolo5/boxes, yolo5/logsize/starts, yolo5/logsize/ends, yolo5/logsize/axes)
yolo5/size/exp = Exp(yolo5/logsize)
yolo5/size = Mul(yolo5/size/exp, yolo5/anchor)
yolo5/objectness = Slice(yolo5/sigmoid, yolo5/objectness/starts, yolo5/objectness/ends, yolo5/objectness/axes)
yolo5/class = Slice(yolo5/sigmoid, yolo5/class/starts, yolo5/class/ends, yolo5/class/axes)
yolo5/probability = Mul(yolo5/class, yolo5/objectness)
yolo5/columns = Concat(yolo5/centre, yolo5/size, yolo5/objectness, yolo5/probability)
yolo5/flat = Reshape(yolo5/columns, yolo5/flat/shape)
yolo5 = Transpose(yolo5/flat)
`
	for _, tc := range []struct {
		name string
		Options
		want string
	}{
		{"as it is", Options{}, `input FLOAT 1 3 8 8
conv4 FLOAT 1 7 4 4
conv0/conv = Conv(input, conv0/weight)
conv0/norm = BatchNormalization(conv0/conv, conv0/scale, conv0/shift, conv0/mean, conv0/variance)
conv0 = LeakyRelu(conv0/norm)
conv1/conv = Conv(conv0, conv1/weight)
conv1/norm = BatchNormalization(conv1/conv, conv1/scale, conv1/shift, conv1/mean, conv1/variance)
conv1/gate = Sigmoid(conv1/norm)
conv1 = Mul(conv1/norm, conv1/gate)
add2 = Add(conv0, conv1)
pool3 = MaxPool(add2)
conv4 = Conv(pool3, conv4/weight, conv4/bias)
`},
		{"folded and decoded", Options{Fold: true, Decode: true}, `input FLOAT 1 3 8 8
yolo5 FLOAT 16 7
conv0/conv = Conv(input, conv0/weight, conv0/bias)
conv0 = LeakyRelu(conv0/conv)
conv1/conv = Conv(conv0, conv1/weight, conv1/bias)
conv1/gate = Sigmoid(conv1/conv)
conv1 = Mul(conv1/conv, conv1/gate)
add2 = Add(conv0, conv1)
pool3 = MaxPool(add2)
conv4 = Conv(pool3, conv4/weight, conv4/bias)
` + fmt.Sprintf(tail, "conv4")},
		{"half", Options{Half: true}, `input FLOAT 1 3 8 8
conv4 FLOAT 1 7 4 4
input/float16 = Cast(input)
conv0/conv = Conv(input/float16, conv0/weight, conv0/bias)
conv0 = LeakyRelu(conv0/conv)
conv1/conv = Conv(conv0, conv1/weight, conv1/bias)
conv1/gate = Sigmoid(conv1/conv)
conv1 = Mul(conv1/conv, conv1/gate)
add2 = Add(conv0, conv1)
pool3 = MaxPool(add2)
conv4/half = Conv(pool3, conv4/half/weight, conv4/half/bias)
conv4 = Cast(conv4/half)
`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := structure(decoded(t, written(t, detector(t), tc.Options))); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

// What is written is a valid file, the same each time, and leaves the network alone.
func TestWritten(t *testing.T) {
	for i := range 16 {
		o := Options{Fold: i&1 != 0, Decode: i&2 != 0, Half: i&4 != 0, Metadata: map[string]string{"b": "2", "a": "1", "c": ""}}
		if i&8 != 0 {
			o.Opset = MaxOpset
		}
		g := detector(t)
		before := g.Clone()
		file := written(t, g, o)
		m, err := Inspect(file)
		if err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		if _, err := m.Picture(8, 8); err != nil || m.Inputs[0].Name != "input" || m.Opset != int64(max(o.Opset, 13)) {
			t.Errorf("%+v: %+v %v", o, m, err)
		}
		if !bytes.Equal(file, written(t, g, o)) {
			t.Errorf("%+v: the second time the bytes are others", o)
		}
		if !reflect.DeepEqual(g, before) {
			t.Errorf("%+v: the network is changed", o)
		}
		if props := decoded(t, file).MetadataProps; len(props) != 3 || props[0].Key != "a" || props[1].Value != "2" {
			t.Errorf("metadata %v", props)
		}
	}
}

func TestWeightsArrive(t *testing.T) {
	g := detector(t)
	folded := g.Clone()
	folded.Fold()
	for _, tc := range []struct {
		Options
		g *model.Graph
	}{{Options{}, g}, {Options{Fold: true}, folded}} {
		held := map[string][]byte{}
		for _, i := range decoded(t, written(t, g, tc.Options)).Graph.Initializer {
			held[i.Name] = i.RawData
		}
		for _, l := range tc.g.Layers {
			for part := range model.Weights(l.Op) {
				want := &bytes.Buffer{}
				for _, v := range part.Values {
					b := math.Float32bits(v)
					want.Write([]byte{byte(b), byte(b >> 8), byte(b >> 16), byte(b >> 24)})
				}
				if name := l.Name + "/" + part.Name; !bytes.Equal(held[name], want.Bytes()) {
					t.Errorf("%+v: %s is %d other bytes, want %d", tc.Options, name, len(held[name]), want.Len())
				}
			}
		}
	}
}

func TestConstants(t *testing.T) {
	g := valid(t, &model.Graph{Outputs: []int{2}, Layers: []model.Layer{
		{Name: "input", Op: &model.Input{Shape: model.Shape{1, 2}}},
		{Name: "half", Op: &model.Const{Value: &model.Tensor{Shape: model.Shape{2}, Type: model.Float16, Floats: []float32{1, -2}}}},
		{Name: "sum", Op: &model.Add{}, From: []int{0, 1}},
		{Name: "int64", Op: &model.Const{Value: &model.Tensor{Shape: model.Shape{2}, Type: model.Int64, Ints: []int64{-1, 2}}}},
		{Name: "int32", Op: &model.Const{Value: &model.Tensor{Type: model.Int32, Ints: []int64{-2}}}},
		{Name: "int8", Op: &model.Const{Value: &model.Tensor{Shape: model.Shape{2}, Type: model.Int8, Ints: []int64{-3, 3}}}},
		{Name: "uint8", Op: &model.Const{Value: &model.Tensor{Shape: model.Shape{1}, Type: model.Uint8, Ints: []int64{255}}}},
		{Name: "bool", Op: &model.Const{Value: &model.Tensor{Shape: model.Shape{1}, Type: model.Bool, Ints: []int64{1}}}},
	}})
	want := map[string]string{
		"half":  "FLOAT [2] 0000803f000000c0",
		"int64": "INT64 [2] ffffffffffffffff0200000000000000",
		"int32": "INT32 [] feffffff", "int8": "INT8 [2] fd03", "uint8": "UINT8 [1] ff", "bool": "BOOL [1] 01",
	}
	check := func(o Options, want map[string]string) {
		for _, i := range decoded(t, written(t, g, o)).Graph.Initializer {
			if got := fmt.Sprintf("%v %v %x", pb.TensorProto_DataType(i.DataType), i.Dims, i.RawData); got != want[i.Name] {
				t.Errorf("%+v: %s is %s, want %s", o, i.Name, got, want[i.Name])
			}
		}
	}
	check(Options{}, want)
	want["half"] = "FLOAT16 [2] 003c00c0"
	check(Options{Half: true}, want)
}

// split is a network with operators that the package does not know: one with two
// results and an input that is left out, and one that computes.
func split(t testing.TB) *model.Graph {
	t.Helper()
	node := &pb.NodeProto{OpType: "Split", Name: "old", Input: []string{"a", "", "b"}, Output: []string{"p", "q", "r"},
		Attribute: []*pb.AttributeProto{attrInt("axis", 0)}}
	norm := &pb.NodeProto{OpType: "LayerNormalization", Domain: "elsewhere", Input: []string{"x", "k"}, Output: []string{"y"}}
	return valid(t, &model.Graph{Outputs: []int{5, 3}, Layers: []model.Layer{
		{Name: "input", Op: &model.Input{Shape: model.Shape{1, 2, 3, 3}}},
		{Name: "sizes", Op: &model.Const{Value: &model.Tensor{Shape: model.Shape{1}, Type: model.Int64, Ints: []int64{1}}}},
		{Name: "split", Op: &model.Generic{Type: "Split", Value: model.Shape{1, 2, 3, 3}, More: []model.Shape{{1, 2, 3, 3}, {1, 2, 3, 3}}, Source: node}, From: []int{0, 1}},
		{Name: "third", Op: &model.Result{Index: 2}, From: []int{2}},
		{Name: "factor", Op: &model.Const{Value: &model.Tensor{Shape: model.Shape{1}, Type: model.Float32, Floats: []float32{2}}}},
		{Name: "norm", Op: &model.Generic{Type: "LayerNormalization", Value: model.Shape{1, 2, 3, 3}, Source: norm}, From: []int{4, 3}},
	}})
}

func TestGeneric(t *testing.T) {
	g := split(t)
	conv := conv3(2, 2, false, model.Relu)
	g.Layers[0].Name = "picture"
	g.Layers = append(g.Layers[:1], append([]model.Layer{{Name: "conv", Op: conv, From: []int{0}}}, g.Layers[1:]...)...)
	for i := 2; i < len(g.Layers); i++ {
		for k := range g.Layers[i].From {
			g.Layers[i].From[k]++
		}
	}
	g.Outputs = []int{6, 4}
	valid(t, g)
	for _, tc := range []struct {
		Options
		want string
	}{
		{Options{}, `picture FLOAT 1 2 3 3
norm FLOAT 1 2 3 3
third FLOAT 1 2 3 3
conv/conv = Conv(picture, conv/weight, conv/bias)
conv = Relu(conv/conv)
split, split/unused, third = Split(conv, , sizes)
norm = LayerNormalization(factor, third)
`},
		{Options{Half: true}, `picture FLOAT 1 2 3 3
norm FLOAT 1 2 3 3
third FLOAT 1 2 3 3
picture/float16 = Cast(picture)
conv/conv = Conv(picture/float16, conv/weight, conv/bias)
conv = Relu(conv/conv)
split, split/unused, third/half = Split(conv, , sizes)
third = Cast(third/half)
third/half/float = Cast(third/half)
norm = LayerNormalization(factor, third/half/float)
`},
	} {
		m := decoded(t, written(t, g, tc.Options))
		if got := structure(m); got != tc.want {
			t.Errorf("%+v: got\n%s\nwant\n%s", tc.Options, got, tc.want)
		}
		if len(m.OpsetImport) != 2 || m.OpsetImport[1].Domain != "elsewhere" {
			t.Errorf("opsets %v", m.OpsetImport)
		}
	}
	if node := g.Layers[3].Op.(*model.Generic).Source.(*pb.NodeProto); node.Name != "old" || node.Input[0] != "a" {
		t.Errorf("the node that was read is changed: %v", node)
	}
}

// A zero that an attribute holds is in the file.
func TestZerosAreWritten(t *testing.T) {
	file := written(t, split(t), Options{})
	attribute := []byte{0x0a, 4, 'a', 'x', 'i', 's', 0xa0, 0x01, 2, 0x18, 0}
	if !bytes.Contains(file, attribute) {
		t.Errorf("axis=0 is not in the file: %x", file)
	}
}

// Layers may have the names that the writer would give.
func TestNamesCollide(t *testing.T) {
	g := detector(t)
	g.Layers[4].Name, g.Layers[5].Name = "conv0/weight", "conv0/conv"
	if err := Validate(written(t, valid(t, g), Options{Decode: true})); err != nil {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(g *model.Graph)
		Options
		want string
	}{
		{"opset", func(*model.Graph) {}, Options{Opset: 10}, "opset 10: use 11 to 22"},
		{"too large for half", func(g *model.Graph) { g.Layers[5].Op.(*model.Conv).Weight[3] = 65520 }, Options{Half: true},
			"layer 5 conv4 (conv): conv4/half/weight: value 3 is 65520, which FLOAT16 cannot hold"},
		{"folded to infinity", func(g *model.Graph) {
			n := g.Layers[1].Op.(*model.Conv).Norm
			n.Scale[0], n.Variance[0], n.Epsilon = math.MaxFloat32, 0, 1e-20
		}, Options{Fold: true}, "layer 1 conv0 (conv): conv0/weight: value 0 is -Inf after folding"},
		{"rows are read", func(g *model.Graph) {
			g.Layers = append(g.Layers, model.Layer{Name: "rows", Op: &model.Concat{}, From: []int{6}})
		}, Options{}, "layer 6 yolo5 (yolo): other layers read its rows"},
		{"output twice", func(g *model.Graph) { g.Outputs = []int{6, 5} }, Options{}, "layer conv4 is an output twice"},
		{"unknown operator", func(g *model.Graph) {
			g.Layers[4].Op = &model.Generic{Type: "Spin", Value: g.Layers[4].Shape}
		}, Options{}, "layer 4 pool3 (Spin): was not read from an ONNX file"},
		{"another node", func(g *model.Graph) {
			g.Layers[4].Op = &model.Generic{Type: "Spin", Value: g.Layers[4].Shape, Source: &pb.NodeProto{OpType: "Spin", Output: []string{"x"}}}
		}, Options{}, "reads 1 values, its node only 0"},
		{"no such result", func(g *model.Graph) {
			g.Layers[4].Op = &model.Generic{Type: "Spin", Value: g.Layers[4].Shape, Source: &pb.NodeProto{OpType: "Spin", Input: []string{"x"}}}
		}, Options{}, "has 1 results in use, its node has 0"},
		{"old softmax", func(g *model.Graph) { g.Layers[4].Op, g.Layers[4].Shape = &model.Softmax{Axis: 1}, g.Layers[3].Shape }, Options{Opset: 12},
			"is along dimension 1 of 1x4x8x8, for which opset 12 has no operator"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := detector(t)
			tc.change(g)
			err := Write(io.Discard, valid(t, g), tc.Options)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
			var typed *model.Error
			if tc.name != "opset" && !errors.As(err, &typed) {
				t.Errorf("a %T", err)
			}
		})
	}
}

func TestWriterFails(t *testing.T) {
	full := errors.New("no space")
	r, w := io.Pipe()
	r.CloseWithError(full)
	if err := Write(w, detector(t), Options{}); !errors.Is(err, full) {
		t.Error(err)
	}
}

// Weights go into the file without a copy of them in memory.
func TestWritingAllocatesLittle(t *testing.T) {
	g := valid(t, &model.Graph{Outputs: []int{1}, Layers: []model.Layer{
		{Name: "input", Op: &model.Input{Shape: model.Shape{1, 512, 3, 3}}},
		{Name: "conv", Op: conv3(512, 512, false, model.Linear), From: []int{0}},
	}})
	for _, o := range []Options{{}, {Half: true}} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := Write(io.Discard, g, o); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
			t.Errorf("%+v: %d bytes were allocated for 9437184 bytes of weights", o, took)
		}
	}
}
