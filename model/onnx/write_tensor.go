package onnx

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"dashline/model"
	"dashline/model/onnx/pb"
)

// initializer is a constant tensor that is yet to be written.
type initializer struct {
	name  string
	kind  pb.TensorProto_DataType
	shape model.Shape
	// floats are the values, made when they are needed; ints those of whole
	// numbers, codes those of bytes.
	floats func() []float32
	ints   []int64
	codes  []int8

	layer *model.Error // to be completed where a value does not fit
}

// header is all of the TensorProto but the values, which come last.
func (t *initializer) header() []byte {
	var h []byte
	for _, d := range t.shape {
		h = protowire.AppendTag(h, 1, protowire.VarintType)
		h = protowire.AppendVarint(h, uint64(d))
	}
	h = protowire.AppendTag(h, 2, protowire.VarintType)
	h = protowire.AppendVarint(h, uint64(t.kind))
	h = protowire.AppendTag(h, 8, protowire.BytesType)
	h = protowire.AppendString(h, t.name)
	h = protowire.AppendTag(h, 9, protowire.BytesType)
	return protowire.AppendVarint(h, uint64(t.bytes()))
}

func (t *initializer) bytes() int { return t.shape.Elements() * int(bits[t.kind]) / 8 }
func (t *initializer) size() int  { return len(t.header()) + t.bytes() }

func (t *initializer) write(w *bufio.Writer) error {
	if _, err := w.Write(t.header()); err != nil {
		return err
	}
	var scratch [8]byte
	width := bits[t.kind] / 8
	put := func(v uint64) error {
		binary.LittleEndian.PutUint64(scratch[:], v)
		_, err := w.Write(scratch[:width])
		return err
	}
	for _, v := range t.ints {
		if err := put(uint64(v)); err != nil {
			return err
		}
	}
	for _, v := range t.codes {
		if err := w.WriteByte(byte(v)); err != nil {
			return err
		}
	}
	if t.floats == nil {
		return nil
	}
	for i, v := range t.floats() {
		encoded, ok := uint64(math.Float32bits(v)), v-v == 0
		if t.kind == pb.TensorProto_FLOAT16 {
			var h uint16
			h, ok = half(v)
			encoded = uint64(h)
		}
		if !ok {
			return t.outside(i, v)
		}
		if err := put(encoded); err != nil {
			return err
		}
	}
	return nil
}

func (t *initializer) outside(i int, v float32) error {
	e := *t.layer
	e.Err = fmt.Errorf("%s: value %d is %v, which %v cannot hold: write the network without half precision", t.name, i, v, t.kind)
	if v-v != 0 {
		e.Err = fmt.Errorf("%s: value %d is %v after folding: the batch normalisation is damaged", t.name, i, v)
	}
	return &e
}
