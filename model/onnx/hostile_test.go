package onnx

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"dashline/internal/testkit/topology"
	"dashline/model"
	"dashline/model/onnx/pb"
)

// What a file may say although ONNX forbids it is read as it stands, or refused.
func TestMalformedNodes(t *testing.T) {
	six, empty := reals("six", []float32{6}), reals("e", nil, 1, 3, 0, 5)
	one := reals("h", []float32{1}, 1)
	for _, c := range []struct {
		name  string
		nodes []string
		parts []proto.Message
		want  string // an outline, or an error
	}{
		{"quotient of one", []string{"Div x > y"}, nil, "x input; y Div x"},
		{"quotient of one as a gate", []string{"Div x > d", "Mul d,x > y"}, nil, "x input; d Div x; y mul d x"},
		{"quotient of three", []string{"Div x,six,six > y"}, []proto.Message{six}, "x input; six const; y Div x six six"},
		{"error function of one by one", []string{"Div x > d", "Erf d > e", "Add e,h > a", "Mul x,a > m", "Mul m,h > y"}, []proto.Message{one}, "y mul m h"},
		{"not a number", []string{"Not h > n", "Add n,h > a", "Add a,x > y"}, []proto.Message{one}, "x input; h const; n Not h; a Add n h; y Add a x"},
		{"not of whole numbers", []string{"Not t > n", "Add s,n > a", "Reshape x,a > y"}, []proto.Message{wholes("s", 192), wholes("t", 1)}, "y Reshape x"},
		{"enlarged from nothing", []string{"Resize e,,,s > r", "Add r,x > y"}, []proto.Message{empty, wholes("s", 1, 3, 8, 8)}, "r Resize"},
		{"scattered nowhere", []string{"ScatterND s,n,u > r", "Reshape x,r > y"},
			[]proto.Message{wholes("s", 192, 1, 1, 1), &pb.TensorProto{Name: "n", DataType: int32(pb.TensorProto_INT64), Dims: []int64{0, 1 << 62, 0}}, wholes("u")},
			`depends on "r"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := Read(graphOf(13, c.nodes, c.parts...), ReadOptions{})
			got := fmt.Sprint(err)
			if err == nil {
				got = outline(g)
			}
			if !strings.Contains(got, c.want) {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// An operator of another domain may have a name of ONNX's, and read nothing.
func TestForeignNamesakes(t *testing.T) {
	for _, kind := range []string{"Div", "HardSigmoid", "Softplus", "Erf"} {
		m := decoded(t, graphOf(13, []string{kind + " > f", "Tanh f > g", "Add f,h > a", "Mul f,x > p", "Mul g,p > q", "Mul q,a > r", "Mul r,h > y"},
			reals("h", []float32{1}, 1)))
		m.Graph.Node[0].Domain = "elsewhere"
		m.Graph.ValueInfo = append(m.Graph.ValueInfo, valueOf("f", float32Kind, model.Shape{1, 3, 8, 8}))
		g, err := Read(topology.Encode(m), ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := outline(g); !strings.Contains(got, "f "+kind+";") {
			t.Errorf("%s: %s", kind, got)
		}
	}
}

// Nothing takes more time than the bytes that are given.
func TestAllocOfManyOfNothing(t *testing.T) {
	const many = 3000
	empty := reals("z", nil, 1<<20, 1, 0)
	taken, branches := []string{}, []string{}
	for i := range many {
		taken = append(taken, fmt.Sprintf("Gather z,i > e%d", i))
		branches = append(branches, fmt.Sprintf("If c > o%d", i))
	}
	nothing := decoded(t, graphOf(13, append(taken, "Relu x > y"), empty, wholes("i", 0)))
	for _, n := range nothing.Graph.Node[:many] {
		n.Attribute = append(n.Attribute, attrInt("axis", 1))
	}
	m := decoded(t, graphOf(13, append(branches, "Relu o0 > y"), wholes("c", 1)))
	for _, n := range m.Graph.Node[:many] {
		body := &pb.GraphProto{Node: []*pb.NodeProto{{OpType: "Relu", Input: []string{"x"}, Output: []string{"same"}}},
			Output: []*pb.ValueInfoProto{{Name: "same"}}}
		n.Attribute = append(n.Attribute, &pb.AttributeProto{Name: "then_branch", Type: pb.AttributeProto_GRAPH, G: body})
	}
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"many of nothing joined", graphOf(13, []string{"Relu x > y", "Concat z" + strings.Repeat(",z", 10*many) + " > e"}, empty, attrInt("axis", 2))},
		{"nothing taken often", topology.Encode(nothing)},
		{"one name for many", topology.Encode(m)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begun := time.Now()
			_, err := Read(c.data, ReadOptions{})
			runtime.ReadMemStats(&after)
			if err != nil {
				t.Fatal(err)
			}
			if taken := after.TotalAlloc - before.TotalAlloc; taken > 200*uint64(len(c.data)) {
				t.Errorf("reading %d bytes allocates %d", len(c.data), taken)
			}
			if took := time.Since(begun); took > 3*time.Second { // it is some milliseconds
				t.Errorf("reading %d bytes takes %v", len(c.data), took)
			}
		})
	}
}
