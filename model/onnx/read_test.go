package onnx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"dashline/internal/testkit"
	"dashline/internal/testkit/topology"
	"dashline/model"
	"dashline/model/onnx/pb"
)

// outline is a network in words: each layer's name, operation, what it reads.
func outline(g *model.Graph) string {
	var b strings.Builder
	for i, l := range g.Layers {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(l.Name + " ")
		in := model.Shape(nil)
		if len(l.From) > 0 {
			in = g.In(i)
		}
		switch o := l.Op.(type) {
		case *model.Activate:
			b.WriteString(string(o.Act.Kind))
		case *model.Add:
			b.WriteString(strings.TrimSpace("add " + string(o.Act.Kind)))
		case *model.Dense:
			b.WriteString(strings.TrimSpace(model.Describe(o, in) + " " + string(o.Act.Kind)))
			if o.Bias != nil {
				b.WriteString(" bias")
			}
		case *model.Conv:
			b.WriteString(model.Describe(o, in))
			if o.Bias != nil {
				b.WriteString(" bias")
			}
		default:
			b.WriteString(model.Describe(o, in))
		}
		for _, from := range l.From {
			b.WriteString(" " + g.Layers[from].Name)
		}
	}
	return b.String()
}

func TestFusions(t *testing.T) {
	var cases []struct {
		Name   string
		Model  []byte
		Inputs map[string]model.Shape
	}
	oracle(t, "onnx_operators.json.gz", &cases)
	conv := func(rest string) string { return "x input; y conv 3x3/1 6->6" + rest + " x" }
	want := map[string]string{
		"conv relu":                 conv(" relu bias"),
		"conv relu6":                conv(" relu6 bias"),
		"conv relu by clip":         conv(" relu bias"),
		"conv leaky":                conv(" leaky bias"),
		"conv prelu":                conv(" prelu bias"),
		"conv silu":                 conv(" silu bias"),
		"conv silu turned":          conv(" silu bias"),
		"conv mish":                 conv(" mish bias"),
		"conv hardswish gate":       conv(" hardswish bias"),
		"conv hardswish div inside": conv(" hardswish bias"),
		"conv hardswish div after":  conv(" hardswish bias"),
		"conv hardswish mul after":  conv(" hardswish bias"),
		"conv no hardswish": "x input; c conv 3x3/1 6->6 bias x; six const; r add relu6 c six; m mul r c; " +
			"sixth const; y mul m sixth",
		"conv gelu div":           conv(" gelu bias"),
		"conv gelu mul":           conv(" gelu bias"),
		"conv gelu halved first":  conv(" gelu bias"),
		"conv norm relu":          conv(" norm relu bias"),
		"conv norm twice":         "x input; n conv 3x3/1 6->6 norm bias x; y norm n",
		"conv sum relu":           "x input; c conv 3x3/1 6->6 bias x; y add relu c x",
		"conv column":             "x input; r conv 3x3/1 6->6 relu bias x; column const; y add r column",
		"conv squeeze and excite": "x input; c conv 3x3/1 6->6 bias x; g avgpool c; s sigmoid g; y mul c s",
		"conv read twice":         "x input; c conv 3x3/1 6->6 bias x; r relu c; y add c r",
		"conv output":             "x input; c conv 3x3/1 6->6 bias x; y relu c",
		"conv and column":         conv(" relu bias"),
		"conv and row":            "x input; c conv 3x3/1 6->6 x; row const; y add c row",
		"deconv norm prelu":       "x input; y deconv 3x3/2 6->2 x",
		"dense":                   "x input; y dense 4->5 relu bias x",
		"dense and matrix":        "x input; m dense 4->5 x; full const; y add m full",
		"dense twice":             "x input; m dense 4->5 x; n dense 4->5 x; y add m n",
		"ReduceMean of an image":  "x input; y avgpool x",
		"QDQ":                     "x input; s const; z const; q QuantizeLinear x s z; y DequantizeLinear q s z",
		"LSTM last":               "x input; w const; r const; LSTM_1 LSTM x w r; h result LSTM_1",
		"Slice 6":                 "x input; y/2 slice x; y slice y/2",
		"Slice 5":                 "x input; s const; e const; a const; t const; y Slice x s e a t",
		"Split":                   "x input; a slice x; b slice x; c slice x",
		"Gemm 00 (3, 1)":          "x input; w const; c const; y Gemm x w c",
		"Gemm 01 (1, 5)":          "x input; y dense 4->5 bias x",
		"Softmax-11 1":            "x input; y Softmax x",
		"Softmax-13 1":            "x input; y softmax x",
		"Conv batch":              "x input; w const; y Conv x w",
	}
	for _, c := range cases {
		expected, ok := want[c.Name]
		if !ok {
			continue
		}
		delete(want, c.Name)
		g, err := Read(c.Model, ReadOptions{Inputs: c.Inputs})
		if err != nil {
			t.Fatal(err)
		}
		if got := outline(g); got != expected {
			t.Errorf("%s:\n got %s\nwant %s", c.Name, got, expected)
		}
	}
	if len(want) > 0 {
		t.Errorf("no such cases: %v", want)
	}
}

// What else is read stays a value of its own.
func TestReadersPreventFusion(t *testing.T) {
	column := reals("k", make([]float32, 2), 2, 1, 1)
	w := reals("w", make([]float32, 6), 2, 3, 1, 1)
	for _, c := range []struct {
		nodes []string
		want  string
	}{
		{[]string{"Conv x,w > c", "Add c,k > a", "Add a,c > y"}, "x input; c conv 1x1/1 3->2 x; k const; a add c k; y add a c"},
		{[]string{"Conv x,w > c", "Sigmoid c > s", "Mul c,s > m", "Add m,s > y", "Add k,k > unread"},
			"x input; c conv 1x1/1 3->2 x; s sigmoid c; m mul c s; y add m s"},
		{[]string{"Conv x,w > c", "Relu c > unread", "Tanh c > y", "Add k,k > z"}, "x input; y conv 1x1/1 3->2 tanh x"},
	} {
		g, err := Read(graphOf(13, c.nodes, w, column), ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := outline(g); got != c.want {
			t.Errorf("\n got %s\nwant %s", got, c.want)
		}
	}
}

// weightsOf counts the numbers of a network that training changes, and all others.
func weightsOf(g *model.Graph) (trained, measured int) {
	for i := range g.Layers {
		for p := range model.Weights(g.Layers[i].Op) {
			if p.Trained {
				trained += len(p.Values)
			} else {
				measured += len(p.Values)
			}
		}
	}
	return trained, measured
}

func TestResNet50(t *testing.T) {
	g, err := Read(topology.Encode(topology.ResNet50()), ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	trained, measured := weightsOf(g)
	if trained != topology.ResNet50Parameters || measured != topology.ResNet50Statistics {
		t.Errorf("%d and %d weights, want %d and %d", trained, measured, topology.ResNet50Parameters, topology.ResNet50Statistics)
	}
	macs, kinds := 0, map[string]int{}
	for i, l := range g.Layers {
		kinds[model.Kind(l.Op)]++
		switch o := l.Op.(type) {
		case *model.Conv:
			macs += l.Shape.Elements() * len(o.Weight) / o.Filters
			if o.Norm == nil || o.Act.Kind != model.Relu && o.Act.Kind != model.Linear {
				t.Errorf("layer %d: %s", i, model.Describe(l.Op, g.In(i)))
			}
		case *model.Dense:
			macs += len(o.Weight)
		}
	}
	if macs != 4_089_184_256 { // 4.09 G, as torchvision states
		t.Errorf("%d multiplications", macs)
	}
	want := map[string]int{"input": 1, "conv": 53, "maxpool": 1, "add": 16, "avgpool": 1, "const": 1, "Reshape": 1, "dense": 1}
	if !reflect.DeepEqual(kinds, want) {
		t.Errorf("%v, want %v", kinds, want)
	}
	if s := g.Layers[g.Outputs[0]].Shape; !s.Equal(model.Shape{1, 1000}) {
		t.Errorf("output %v", s)
	}
}

func TestTransformer(t *testing.T) {
	tiny := topology.Tiny()
	data := topology.Encode(tiny.Model())
	for _, length := range []int{1, 16, 64} {
		g, err := Read(data, ReadOptions{Dims: map[string]int{"sequence": length}})
		if err != nil {
			t.Fatal(err)
		}
		if trained, _ := weightsOf(g); trained != int(tiny.Parameters()) {
			t.Errorf("%d weights, want %d", trained, tiny.Parameters())
		}
		if s := g.Layers[g.Outputs[0]].Shape; !s.Equal(model.Shape{1, length, int(tiny.Width)}) {
			t.Errorf("output %v", s)
		}
		for _, l := range g.Layers {
			if k := model.Kind(l.Op); k == "Erf" || k == "Shape" {
				t.Errorf("%s is left", l.Name)
			}
		}
	}
}

// The true one is a file of 265 MB.
func TestLargeNetworksDistilBERT(t *testing.T) {
	if testing.Short() {
		t.Skip("needs 700 MB")
	}
	data := topology.Encode(topology.DistilBERT().Model())
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	g, err := Read(data, ReadOptions{Dims: map[string]int{"sequence": 128}})
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if trained, _ := weightsOf(g); trained != 66_362_880 {
		t.Errorf("%d weights", trained)
	}
	// Once as in the file, once as numbers, and again those that are turned.
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 3*uint64(len(data)) {
		t.Errorf("reading %d bytes allocates %d", len(data), taken)
	}
}

// graphOf is a file of nodes given as "Op in,in > out,out", with initializers.
func graphOf(opset int64, nodes []string, parts ...proto.Message) []byte {
	g := &pb.GraphProto{Name: "test"}
	for _, line := range nodes {
		head, out, _ := strings.Cut(line, " > ")
		op, in, _ := strings.Cut(head, " ")
		n := &pb.NodeProto{OpType: op, Output: strings.Split(out, ",")}
		if in != "" {
			n.Input = strings.Split(in, ",")
		}
		g.Node = append(g.Node, n)
	}
	for _, p := range parts {
		switch p := p.(type) {
		case *pb.TensorProto:
			g.Initializer = append(g.Initializer, p)
		case *pb.ValueInfoProto:
			g.Input = append(g.Input, p)
		case *pb.AttributeProto:
			last := g.Node[len(g.Node)-1]
			last.Attribute = append(last.Attribute, p)
		}
	}
	if len(g.Input) == 0 {
		g.Input = append(g.Input, valueOf("x", float32Kind, model.Shape{1, 3, 8, 8}))
	}
	g.Output = append(g.Output, &pb.ValueInfoProto{Name: "y"})
	return topology.Encode(&pb.ModelProto{IrVersion: 8, Graph: g, OpsetImport: []*pb.OperatorSetIdProto{{Version: opset}}})
}

func reals(name string, values []float32, dims ...int64) *pb.TensorProto {
	return &pb.TensorProto{Name: name, DataType: int32(float32Kind), Dims: dims, FloatData: values}
}

func wholes(name string, values ...int64) *pb.TensorProto {
	return &pb.TensorProto{Name: name, DataType: int32(pb.TensorProto_INT64), Dims: []int64{int64(len(values))}, Int64Data: values}
}

func open(name string, dims ...string) *pb.ValueInfoProto {
	v := valueOf(name, float32Kind, make(model.Shape, len(dims)))
	for i, d := range v.Type.TensorType.Shape.Dim {
		d.DimParam = dims[i]
	}
	return v
}

func TestInputSizes(t *testing.T) {
	data := graphOf(13, []string{"Relu x > y"}, open("x", "n", "", "h", "w"))
	whole := map[string]model.Shape{"x": {2, 3, 4, 5}}
	for _, c := range []struct {
		name string
		o    ReadOptions
		want string // a shape or an error
	}{
		{"nothing given", ReadOptions{}, `graph.input[0] at byte`},
		{"one without a name", ReadOptions{Dims: map[string]int{"h": 4, "w": 5}}, `input "x" leaves its dimension 1 open: give its shape`},
		{"whole", ReadOptions{Inputs: whole}, "2x3x4x5"},
		{"other rank", ReadOptions{Inputs: map[string]model.Shape{"x": {3}}}, "has 4 dimensions, the given shape 3 has 1"},
		{"none", ReadOptions{Inputs: map[string]model.Shape{"x": {0, 3, 4, 5}}}, `input "x": nothing is left`},
		{"absurd", ReadOptions{Inputs: map[string]model.Shape{"x": {1, 1 << 40, 1 << 40, 5}}}, "absurdly large"},
		{"other input", ReadOptions{Inputs: map[string]model.Shape{"x": {1, 3, 4, 5}, "z": {1}}}, `has no input "z"`},
		{"other dimension", ReadOptions{Dims: map[string]int{"q": 2}, Inputs: whole}, `has no dimension "q", whose size was given; it has ["h" "n" "w"]`},
	} {
		g, err := Read(data, c.o)
		got := fmt.Sprint(err)
		if err == nil {
			got = g.Layers[0].Shape.String()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	g, err := Read(graphOf(13, []string{"Relu x > y"}, open("x", "n", "c")), ReadOptions{Dims: map[string]int{"c": 7}})
	if err != nil || g.Layers[0].Shape.String() != "1x7" {
		t.Errorf("the batch is not 1: %v", err)
	}
	if _, err := Read(graphOf(13, []string{"Relu x > y"}, open("x", "n", "c")), ReadOptions{}); err == nil ||
		!strings.Contains(err.Error(), `leaves its dimension 1, "c", open: give its size`) {
		t.Error(err)
	}
}

func TestReadErrors(t *testing.T) {
	big := int64(1) << 30
	for _, c := range []struct {
		name  string
		nodes []string
		parts []proto.Message
		want  string
	}{
		{"unknown", []string{"Spin x > y"}, nil, `graph.node[0] (Spin) at byte`},
		{"loop", []string{"Loop x > y"}, nil, "is an operator that is not known"},
		{"condition", []string{"If x > y"}, nil, "its condition is known only when it runs"},
		{"shape by data", []string{"Reshape x,x > y"}, nil, `the shape of its result depends on "x"`},
		{"reshape", []string{"Reshape x,s > y"}, []proto.Message{wholes("s", 7, -1)}, "cannot make [7 -1] of 1x3x8x8"},
		{"reshape overflows", []string{"Reshape x,s > y"}, []proto.Message{wholes("s", big, big, big)}, "cannot make"},
		{"expand", []string{"Expand x,s > y"}, []proto.Message{wholes("s", big, big, big, 8, 8)}, "do not fit together"},
		{"absurd", []string{"Tile x,s > y"}, []proto.Message{wholes("s", big, big, big, big)}, "absurdly large"},
		{"size", []string{"Tile x,s > y"}, []proto.Message{wholes("s", 1<<60, 1, 1, 1)}, "the size 1152921504606846976 is not possible"},
		{"nothing left", []string{"Slice x,a,a > y"}, []proto.Message{wholes("a", 0)}, "nothing is left"},
		{"filters", []string{"Conv x,w > y"}, []proto.Message{reals("w", make([]float32, 8), 2, 4, 1, 1)}, "convolves 1x3x8x8 with filters of 2x4x1x1"},
		{"large filter", []string{"Conv x,w > y"}, []proto.Message{reals("w", make([]float32, 300), 1, 3, 10, 10)}, "does not fit into"},
		{"float indices", []string{"Relu x > r", "Gather x,r > y"}, nil, `(Gather) at byte`},
		{"float indices of a generic", []string{"Selu x > r", "Gather x,r > y"}, nil, `its indices "r" have the type FLOAT, expected INT64 or INT32`},
		{"index", []string{"Gather s,i > g", "Reshape x,g > y"}, []proto.Message{wholes("s", 1, 2), wholes("i", 2)}, "takes number 2 of 2"},
		{"division", []string{"Div s,z > d", "Reshape x,d > y"}, []proto.Message{wholes("s", 192), wholes("z", 0)}, "divides by zero"},
		{"input left out", []string{"Conv x, > y"}, nil, "lacks its input 1"},
		{"axis", []string{"Concat x,x > y"}, []proto.Message{attrInt("axis", 4)}, "has no dimension 4 of 4"},
		{"weight", []string{"Conv x,w > y"}, []proto.Message{reals("w", []float32{1, 2, float32(nan())}, 1, 3, 1, 1)}, "weight 2 is NaN"},
		{"text", []string{"Relu x > r\xff", "Relu r\xff > y"}, nil, "invalid UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			nodes := slices.Clone(c.nodes)
			data := func() []byte {
				if c.name == "text" { // which the encoder refuses, too
					good := graphOf(13, []string{"Relu x > r@", "Relu r@ > y"}, c.parts...)
					return []byte(strings.ReplaceAll(string(good), "r@", "r\xff"))
				}
				return graphOf(13, nodes, c.parts...)
			}()
			_, err := Read(data, ReadOptions{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got  %v\nwant %s", err, c.want)
			}
			var mine *Error
			var layer *model.Error
			if !errors.As(err, &mine) && !errors.As(err, &layer) {
				t.Errorf("an error of another type: %T", err)
			}
		})
	}
}

func nan() float64 { var zero float64; return zero / zero }

// What a file claims to compute must not cost memory or time.
func TestAllocOfClaimsToCompute(t *testing.T) {
	shape := []string{"ConstantOfShape s > a"}
	for i := range 40 { // 2^16 numbers, twice as many each time
		shape = append(shape, fmt.Sprintf("Concat %s,%s > %s", name(i), name(i), name(i+1)))
	}
	doubled := graphOf(13, append(shape, "Relu x > y"), wholes("s", 1<<16), attrInt("axis", 0))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Read(doubled, ReadOptions{})
	runtime.ReadMemStats(&after)
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 300<<20 {
		t.Errorf("%d bytes allocated (%v)", taken, err)
	}

	// Too large a constant is not computed.
	large := graphOf(13, []string{"ConstantOfShape s > c", "Neg c > d", "ReduceSum d,zero > e", "Add x,e > y"}, wholes("s", 1<<27), wholes("zero", 0))
	runtime.ReadMemStats(&before)
	g, err := Read(large, ReadOptions{})
	runtime.ReadMemStats(&after)
	if err != nil || !strings.Contains(outline(g), "c ConstantOfShape s; d Neg c") {
		t.Errorf("%v", err)
	}
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 1<<20 {
		t.Errorf("%d bytes allocated", taken)
	}

	// One initializer as the weights of very many layers.
	const filters = 1 << 10
	var many []string
	last := "x"
	for i := range 300 {
		many = append(many, fmt.Sprintf("Conv %s,w > c%d", last, i))
		last = fmt.Sprintf("c%d", i)
	}
	many = append(many, "Relu "+last+" > y")
	data := graphOf(13, many, reals("w", make([]float32, filters*filters), filters, filters, 1, 1),
		valueOf("x", float32Kind, model.Shape{1, filters, 1, 1}))
	runtime.ReadMemStats(&before)
	g, err = Read(data, ReadOptions{})
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 10*uint64(len(data)) {
		t.Errorf("reading %d bytes allocates %d", len(data), taken)
	}
	if kinds := fmt.Sprint(outline(g)); !strings.Contains(kinds, "conv") || !strings.Contains(kinds, "Conv") {
		t.Error("no convolution is of its own kind, or all are")
	}
}

func name(i int) string {
	if i == 0 {
		return "a"
	}
	return fmt.Sprintf("a%d", i)
}

// Whole numbers and masks are no weights, nor are numbers written into the graph.
func TestWhatIsAWeight(t *testing.T) {
	minusInf := reals("m", []float32{0, float32(-inf())}, 2)
	data := graphOf(13, []string{"Constant > two", "Gather t,i > g", "Div g,two > d", "Add d,m > s", "Add s,x > y"},
		reals("t", make([]float32, 10), 5, 2), wholes("i", 1, 3), minusInf, valueOf("x", float32Kind, model.Shape{2, 2}))
	m := decoded(t, data)
	m.Graph.Node[0].Attribute = []*pb.AttributeProto{attrFloat("value_float", 2)}
	g, err := Read(topology.Encode(m), ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := "x input; t const; i const; g Gather t i; two Constant; d Div g two; m Constant; s add d m; y add s x"
	if got := outline(g); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if trained, _ := weightsOf(g); trained != 10 {
		t.Errorf("%d weights, want 10", trained)
	}
}

func inf() float64 { var zero float64; return 1 / zero }

func TestHalfWeights(t *testing.T) {
	w := &pb.TensorProto{Name: "w", DataType: int32(halfKind), Dims: []int64{1, 3, 1, 1}, Int32Data: []int32{0x3c00, 0xc000, 0x0001}}
	table := &pb.TensorProto{Name: "t", DataType: int32(halfKind), Dims: []int64{2}, RawData: []byte{0, 0x3c, 0, 0x38}}
	g, err := Read(graphOf(13, []string{"Conv x,w > c", "Pow c,t > y"}, w, table, valueOf("x", halfKind, model.Shape{1, 3, 2, 2})), ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := g.Layers[1].Op.(*model.Conv).Weight; !slices.Equal(got, []float32{1, -2, 1.0 / (1 << 24)}) {
		t.Errorf("%v", got)
	}
	if got := g.Layers[2].Op.(*model.Const).Value; got.Type != model.Float16 || !slices.Equal(got.Floats, []float32{1, 0.5}) {
		t.Errorf("%v", got)
	}
}

func TestFromHalf(t *testing.T) {
	for h := range 1 << 16 {
		want := value16(uint16(h) & 0x7fff)
		if h>>15 == 1 {
			want = -want
		}
		if got := fromHalf(uint16(h)); h&0x7c00 != 0x7c00 && float64(got) != want {
			t.Fatalf("%#04x: %v, want %v", h, got, want)
		}
	}
}

// A network that is written and read is what it was, names included.
func TestRoundTrip(t *testing.T) {
	small := detector(t)
	small.Layers, small.Outputs = small.Layers[:6], []int{5} // its head is decoded elsewhere
	for i := range small.Layers {
		if c, ok := small.Layers[i].Op.(*model.Conv); ok && c.Norm != nil {
			c.Norm.Epsilon = float64(float32(c.Norm.Epsilon)) // as a file has it
			if c.Act.Kind != model.Leaky {
				c.Act.Alpha = 0
			}
		}
	}
	small.Layers[5].Op.(*model.Conv).Act.Alpha = 0
	nets := map[string]*model.Graph{"detector": small}
	opsets := map[string]int{}
	for _, file := range []string{"nanodet", "yolox_nano_416", "twinlitenet", "twinlitenet_cv46", "twinlitenetplus_small_cv46"} {
		data, err := os.ReadFile(testkit.Asset(t, filepath.Join("networks", file+".onnx")))
		if err != nil {
			t.Fatal(err)
		}
		info, err := Inspect(data)
		if err == nil {
			nets[file], err = Read(data, ReadOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
		opsets[file] = int(info.Opset)
	}
	resnet, err := Read(topology.Encode(topology.ResNet50()), ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	nets["resnet50"] = resnet
	for name, g := range nets {
		t.Run(name, func(t *testing.T) {
			data := written(t, g, Options{Opset: opsets[name]})
			again, err := Read(data, ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for i := range g.Layers {
				if i == len(again.Layers) {
					t.Fatalf("%d layers, want %d", len(again.Layers), len(g.Layers))
				}
				got, want := again.Layers[i], g.Layers[i]
				if got.Name != want.Name || !slices.Equal(got.From, want.From) || !got.Shape.Equal(want.Shape) || !same(got.Op, want.Op) {
					t.Fatalf("layer %d: %s %s of %v, want %s %s of %v", i, got.Name, model.Kind(got.Op), got.From, want.Name, model.Kind(want.Op), want.From)
				}
			}
			if !slices.Equal(again.Outputs, g.Outputs) {
				t.Errorf("outputs %v, want %v", again.Outputs, g.Outputs)
			}
		})
	}
}

func same(a, b model.Op) bool {
	if g, ok := a.(*model.Generic); ok {
		h, ok := b.(*model.Generic)
		if !ok {
			return false
		}
		a, b = &model.Generic{Type: g.Type, Value: g.Value, More: g.More}, &model.Generic{Type: h.Type, Value: h.Value, More: h.More}
	}
	return reflect.DeepEqual(a, b)
}

func FuzzRead(f *testing.F) {
	f.Add(graphOf(13, []string{"Conv x,w > c", "Sigmoid c > s", "Mul c,s > y"}, reals("w", make([]float32, 27), 1, 3, 3, 3)))
	f.Add(graphOf(13, []string{"Shape x > s", "Gather s,i > g", "Concat g,r > t", "Reshape x,t > y"}, wholes("i", 0), wholes("r", -1)))
	f.Add(graphOf(9, []string{"MaxPool x > y"}, attrInts("kernel_shape", 3, 3), attrInts("strides", 2, 2)))
	f.Add(graphOf(11, []string{"Resize x,,k > y"}, reals("k", []float32{1, 1, 2, 2}, 4)))
	f.Add(graphOf(13, []string{"Split x > a,b", "Add a,b > y"}, attrInt("axis", 2)))
	f.Add(graphOf(13, []string{"Div x > y"}))
	f.Add(graphOf(13, []string{"Not h > n", "Add n,h > a", "Add a,x > y"}, reals("h", []float32{1}, 1)))
	f.Add(graphOf(13, []string{"Resize e,,,s > r", "Add r,x > y"}, reals("e", nil, 1, 3, 0, 5), wholes("s", 1, 3, 8, 8)))
	var cases []struct{ Model []byte }
	oracle(f, "onnx_operators.json.gz", &cases)
	for _, c := range cases {
		f.Add(c.Model)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<14 {
			return // as large as it needs to be for every path
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		g, err := Read(data, ReadOptions{})
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 128<<20 {
			t.Fatalf("reading %d bytes allocates %d", len(data), taken)
		}
		if err != nil {
			var mine *Error
			var layer *model.Error
			if !errors.As(err, &mine) && !errors.As(err, &layer) {
				t.Fatalf("an error of another type: %v", err)
			}
			return
		}
		if err := g.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}
