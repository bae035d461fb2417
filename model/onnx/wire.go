package onnx

import (
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// Error says what is wrong with a model, in which part of it, and at which byte.
type Error struct {
	Where  string // "graph.node[12] (Conv)"; "" for the file as a whole
	Offset int    // of the part, from the file's beginning
	Msg    string
}

func (e *Error) Error() string {
	if e.Where == "" {
		return "model: " + e.Msg
	}
	return fmt.Sprintf("model: %s at byte %d: %s", e.Where, e.Offset, e.Msg)
}

// message is the bytes of one Protobuf message and its place in the file.
type message struct {
	data   []byte
	offset int
	where  string
}

func (m message) wrong(format string, args ...any) *Error {
	return &Error{Where: m.where, Offset: m.offset, Msg: fmt.Sprintf(format, args...)}
}

// field is one field of a message: a number (varint, fixed32, fixed64) or bytes.
type field struct {
	num    protowire.Number
	wire   protowire.Type
	number uint64
	bytes  []byte
	offset int // of bytes, in the file
}

// sub is a field as a message of its own.
func (f field) sub(where string) message { return message{f.bytes, f.offset, where} }

// each calls visit for every field, in order.
func (m message) each(visit func(field) error) error {
	for at := 0; at < len(m.data); {
		num, wire, n := protowire.ConsumeTag(m.data[at:])
		if n < 0 {
			return m.broken(at, n)
		}
		f := field{num: num, wire: wire}
		at += n
		rest := m.data[at:]
		switch wire {
		case protowire.VarintType:
			f.number, n = protowire.ConsumeVarint(rest)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(rest)
			f.number = uint64(v)
		case protowire.Fixed64Type:
			f.number, n = protowire.ConsumeFixed64(rest)
		case protowire.BytesType:
			length, k := protowire.ConsumeVarint(rest)
			if k >= 0 && length > uint64(len(rest)-k) {
				return m.wrong("field %d needs %d bytes from byte %d, but only %d are left: the file is cut off or damaged", num, length, m.offset+at+k, len(rest)-k)
			}
			f.bytes, n = protowire.ConsumeBytes(rest)
			f.offset = m.offset + at + n - len(f.bytes)
		default:
			return m.wrong("field %d has the wire type %d, which ONNX does not use: this is not an ONNX model, or it is damaged", num, wire)
		}
		if n < 0 {
			return m.broken(at, n)
		}
		at += n
		if err := visit(f); err != nil {
			return err
		}
	}
	return nil
}

func (m message) broken(at, code int) *Error {
	if errors.Is(protowire.ParseError(code), io.ErrUnexpectedEOF) {
		return m.wrong("ends inside a field at byte %d: the file is cut off", m.offset+len(m.data))
	}
	return m.wrong("is not Protobuf at byte %d: this is not an ONNX model, or it is damaged", m.offset+at)
}

// expect refuses a field of another wire type than its number calls for.
func (m message) expect(f field, wire protowire.Type) error {
	if f.wire != wire {
		return m.wrong("field %d has the wire type %d, expected %d: this is not an ONNX model, or it is damaged", f.num, f.wire, wire)
	}
	return nil
}

// text is a field as a name. Names are bounded: they go into messages.
func (m message) text(f field) (string, error) {
	if err := m.expect(f, protowire.BytesType); err != nil {
		return "", err
	}
	if len(f.bytes) > maxName {
		return "", m.wrong("field %d is a name of %d bytes, the limit is %d", f.num, len(f.bytes), maxName)
	}
	return string(f.bytes), nil
}

// integers counts or collects the values of a repeated integer field, which
// may be packed or not.
func (m message) integers(f field, visit func(int64) error) error {
	if f.wire == protowire.VarintType {
		return visit(int64(f.number))
	}
	if err := m.expect(f, protowire.BytesType); err != nil {
		return err
	}
	for data := f.bytes; len(data) > 0; {
		v, n := protowire.ConsumeVarint(data)
		if n < 0 {
			return m.wrong("field %d is a damaged list of numbers", f.num)
		}
		if err := visit(int64(v)); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}
