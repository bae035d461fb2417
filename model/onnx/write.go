package onnx

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"dashline/model"
	"dashline/model/onnx/pb"
)

// Opsets that Write can write. The default is read by every ONNX Runtime since
// 1.8 and by OpenCV since 4.6.
const (
	MinOpset     = 11
	DefaultOpset = 13
	MaxOpset     = 22
)

// Options say how a network is written. The zero value keeps it as it is and
// leaves the decoding of its heads to the reader.
type Options struct {
	// Fold merges batch normalisations into the convolutions before them. Without
	// it they are operators of their own. Half implies it: variances do not fit
	// into a float16.
	Fold bool
	// Decode makes the decoding of each [model.Yolo] a part of the graph, whose
	// outputs are then rows as Yolo describes them, the same that OpenCV's region
	// layer gives. Without it the outputs are what the heads read, 1xCxHxW.
	Decode bool
	// Half makes weights and computation float16. Inputs, outputs and decoding
	// stay float32, and so does every [model.Generic] that computes.
	Half bool
	// Quant, unless nil, is what is computed in 8 bits: values go through
	// QuantizeLinear and DequantizeLinear, weights and biases are kept as codes.
	// Engines merge these with the operators between them. Heads and what has no
	// codes compute in float32; not with Half.
	Quant *model.Quant
	// Opset is the version of the operators, [MinOpset] to [MaxOpset]; 0 means the
	// one that its [model.Generic] layers were read in, or the next that can be
	// written; [DefaultOpset] where there are none.
	Opset int
	// Metadata are the file's key-value pairs.
	Metadata map[string]string
}

// Write writes g, which has to be valid, with its shapes set, as one ONNX file.
// Values have the names of their layers, so inputs and outputs do, too. Equal
// arguments give equal bytes. g is only read, and no more than the weights of
// one layer are copied at a time. What was written before an error is of no use.
//
// It fails, with a [*model.Error] that names the layer, where a weight does not
// fit into the format (a float16 ends at 65504: a weight cut down to it would
// silently be another network's), and where options and network do not fit: with
// an [*OpsetError] in it where a generic layer would be another operator's.
func Write(w io.Writer, g *model.Graph, o Options) error {
	if err := o.settle(g); err != nil {
		return err
	}
	if err := o.quantizable(g); err != nil {
		return err
	}
	o.Fold = o.Fold || o.Half
	b := newBuilder(g, o)
	if err := b.build(); err != nil {
		return err
	}
	return b.write(w)
}

// irVersion of a file is the least that knows all that it has: 6 came with
// opset 11, 7 with 12 and 13, 8 with 15 to 18, 9 with 19 and 20, 10 with 21 on.
func irVersion(opset int) int64 {
	switch {
	case opset >= 21:
		return 10
	case opset >= 19:
		return 9
	case opset >= 14:
		return 8
	case opset >= 12:
		return 7
	}
	return 6
}

// write gives out the file. Initializers, nearly all of its bytes, are put
// together by hand, as they are written: a whole ModelProto would hold every
// weight a second time, its encoding a third time.
func (b *builder) write(w io.Writer) error {
	file := &pb.ModelProto{
		IrVersion:    irVersion(b.Opset),
		ProducerName: "dashline",
		OpsetImport:  []*pb.OperatorSetIdProto{{Version: int64(b.Opset)}},
	}
	for _, domain := range slices.Sorted(maps.Keys(b.domains)) {
		file.OpsetImport = append(file.OpsetImport, &pb.OperatorSetIdProto{Domain: domain, Version: 1})
	}
	for _, key := range slices.Sorted(maps.Keys(b.Metadata)) {
		file.MetadataProps = append(file.MetadataProps, &pb.StringStringEntryProto{Key: key, Value: b.Metadata[key]})
	}
	marshal := proto.MarshalOptions{Deterministic: true}
	head, err := marshal.Marshal(file)
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	present(b.graph.Node)
	graph, err := marshal.Marshal(&b.graph)
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	const graphField, initializerField = 7, 5
	size := int64(len(graph))
	for i := range b.initializers {
		size += int64(protowire.SizeTag(initializerField) + protowire.SizeBytes(b.initializers[i].size()))
	}
	if total := int64(len(head)) + size; total > MaxBytes-16 {
		return fmt.Errorf("model: the network needs %d bytes, the format ends at %d", total, int64(MaxBytes))
	}
	head = protowire.AppendTag(head, graphField, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(size))

	to := bufio.NewWriterSize(w, 1<<16)
	for _, part := range [][]byte{head, graph} {
		if _, err := to.Write(part); err != nil {
			return err
		}
	}
	for i := range b.initializers {
		t := &b.initializers[i]
		tag := protowire.AppendTag(nil, initializerField, protowire.BytesType)
		if _, err := to.Write(protowire.AppendVarint(tag, uint64(t.size()))); err != nil {
			return err
		}
		if err := t.write(to); err != nil {
			return err
		}
	}
	return to.Flush()
}
