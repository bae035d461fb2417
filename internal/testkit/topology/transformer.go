package topology

import (
	"fmt"
	"math"

	"dashline/model/onnx/pb"
)

// Transformer is the sizes of an encoder as DistilBERT is one (Sanh et al. 2019,
// arXiv:1910.01108).
type Transformer struct {
	Vocabulary, Positions, Layers, Heads, Width, Hidden int64
}

// DistilBERT is distilbert-base-uncased, 66,362,880 parameters: a file of 265 MB.
func DistilBERT() Transformer { return Transformer{30522, 512, 6, 12, 768, 3072} }

// Tiny has every kind of node that DistilBERT has, in a file of 100 KB.
func Tiny() Transformer { return Transformer{101, 64, 2, 4, 32, 64} }

// Parameters are those of the network.
func (t Transformer) Parameters() int64 {
	norm := 2 * t.Width
	attention := 4 * (t.Width*t.Width + t.Width)
	feedForward := 2*t.Width*t.Hidden + t.Hidden + t.Width
	return (t.Vocabulary+t.Positions)*t.Width + norm + t.Layers*(attention+feedForward+2*norm)
}

// Model is the network with random weights. Inputs "input_ids" and
// "attention_mask" are batch x sequence whole numbers, output "last_hidden_state"
// is batch x sequence x Width.
func (t Transformer) Model() *pb.ModelProto {
	e := encoder{newBuilder("transformer"), t}
	e.graph.Input = append(e.graph.Input, value("input_ids", pb.TensorProto_INT64, "batch", "sequence"),
		value("attention_mask", pb.TensorProto_INT64, "batch", "sequence"))
	x := e.embeddings()
	for i := range t.Layers {
		e.scope = fmt.Sprintf("/layer.%d", i)
		x = e.norm("sa_layer_norm", e.node("Add", []string{e.attention(x), x}))
		x = e.norm("output_layer_norm", e.node("Add", []string{e.feedForward(x), x}))
	}
	e.output(x, "last_hidden_state", "batch", "sequence", int(t.Width))
	return e.model()
}

type encoder struct {
	*builder
	t Transformer
}

// embeddings are those of words and of as many positions.
func (e encoder) embeddings() string {
	e.scope = "/embeddings"
	positions := make([]int64, e.t.Positions)
	for i := range positions {
		positions[i] = int64(i)
	}
	e.graph.Initializer = append(e.graph.Initializer, &pb.TensorProto{Name: "embeddings.position_ids",
		DataType: int32(pb.TensorProto_INT64), Dims: []int64{1, e.t.Positions}, Int64Data: positions})
	words := e.node("Gather", []string{e.weight("embeddings.word_embeddings.weight", e.t.Vocabulary, e.t.Width), "input_ids"})
	length := e.node("Unsqueeze", []string{e.size("input_ids", 1), e.numbers(0)})
	ids := e.node("Slice", []string{"embeddings.position_ids", e.numbers(0), length, e.numbers(1), e.numbers(1)})
	places := e.node("Gather", []string{e.weight("embeddings.position_embeddings.weight", e.t.Positions, e.t.Width), ids})
	return e.norm("LayerNorm", e.node("Add", []string{words, places}))
}

// size is the length of a value along a dimension, as a single number.
func (e encoder) size(x string, axis int64) string {
	return e.node("Gather", []string{e.node("Shape", []string{x}), e.number(axis)}, integer("axis", 0))
}

// norm is a layer normalisation, taken apart.
func (e encoder) norm(name, x string) string {
	scale := e.ones(e.scope+name+".weight", e.t.Width)
	shift := e.weight(e.scope+name+".bias", e.t.Width)
	mean := e.node("ReduceMean", []string{x}, integers("axes", -1))
	off := e.node("Sub", []string{x, mean})
	variance := e.node("ReduceMean", []string{e.node("Pow", []string{off, e.constant(nil, 2)})}, integers("axes", -1))
	deviation := e.node("Sqrt", []string{e.node("Add", []string{variance, e.constant(nil, 1e-12)})})
	y := e.node("Mul", []string{e.node("Div", []string{off, deviation}), scale})
	return e.node("Add", []string{y, shift})
}

func (e encoder) linear(name, x string, in, out int64) string {
	y := e.node("MatMul", []string{x, e.weight(e.scope+name+".weight", in, out)})
	return e.node("Add", []string{e.weight(e.scope+name+".bias", out), y})
}

func (e encoder) attention(x string) string {
	batch := e.node("Unsqueeze", []string{e.size(x, 0), e.numbers(0)})
	head := e.t.Width / e.t.Heads
	split := func(y string, order ...int64) string {
		shape := e.node("Concat", []string{batch, e.numbers(-1), e.numbers(e.t.Heads), e.numbers(head)}, integer("axis", 0))
		return e.node("Transpose", []string{e.node("Reshape", []string{y, shape})}, integers("perm", order...))
	}
	q := split(e.linear("q_lin", x, e.t.Width, e.t.Width), 0, 2, 1, 3)
	k := split(e.linear("k_lin", x, e.t.Width, e.t.Width), 0, 2, 3, 1)
	v := split(e.linear("v_lin", x, e.t.Width, e.t.Width), 0, 2, 1, 3)
	q = e.node("Div", []string{q, e.constant(nil, float32(math.Sqrt(float64(head))))})
	scores := e.node("MatMul", []string{q, k})

	masked := e.node("Equal", []string{"attention_mask", e.number(0)})
	length := e.node("Unsqueeze", []string{e.size(k, 3), e.numbers(0)})
	shape := e.node("Concat", []string{batch, e.numbers(1), e.numbers(1), length}, integer("axis", 0))
	mask := e.node("Expand", []string{e.node("Reshape", []string{masked, shape}), e.node("Shape", []string{scores})})
	scores = e.node("Where", []string{mask, e.constant(nil, float32(math.Inf(-1))), scores})

	context := e.node("MatMul", []string{e.node("Softmax", []string{scores}, integer("axis", -1)), v})
	joined := e.node("Concat", []string{batch, e.numbers(-1), e.numbers(e.t.Width)}, integer("axis", 0))
	context = e.node("Reshape", []string{e.node("Transpose", []string{context}, integers("perm", 0, 2, 1, 3)), joined})
	return e.linear("out_lin", context, e.t.Width, e.t.Width)
}

// feedForward has a gelu between its layers.
func (e encoder) feedForward(x string) string {
	y := e.linear("ffn.lin1", x, e.t.Width, e.t.Hidden)
	erf := e.node("Erf", []string{e.node("Div", []string{y, e.constant(nil, math.Sqrt2)})})
	y = e.node("Mul", []string{y, e.node("Add", []string{erf, e.constant(nil, 1)})})
	y = e.node("Mul", []string{y, e.constant(nil, 0.5)})
	return e.linear("ffn.lin2", y, e.t.Hidden, e.t.Width)
}
