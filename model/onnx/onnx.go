// Package onnx checks an ONNX model before an engine sees its bytes, reads such
// models as networks, and writes networks as such models.
//
// Invariants:
//   - Nothing is allocated in proportion to a number that the file only claims;
//     work is linear in the bytes given, nesting is bounded.
//   - [Validate] returning nil means: the file is one whole Protobuf message, the
//     graph has nodes, inputs and outputs, every name that is read was written
//     before (so there is no cycle), every tensor holds exactly the bytes that
//     its shape calls for, and no data is in another file.
//   - Operators are not judged: whether an engine knows them is for it to say. Only
//     indices that are no whole numbers are refused, on which OpenCV 4.10 divides by
//     zero.
//   - What [Read] takes is in proportion to the file; a network that it gives is
//     valid, and its shapes are those that the nodes have as ONNX describes them.
//   - What [Write] writes, Validate accepts; equal networks and options give equal
//     bytes, and weights are never all in memory a second time.
//
// The format is onnx/onnx.proto of github.com/onnx/onnx.
package onnx

import (
	"bytes"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Bounds. Protobuf itself ends at 2 GiB.
const (
	MaxBytes    = 1<<31 - 1
	maxName     = 4096
	maxNodes    = 200_000
	maxDepth    = 8 // graphs inside nodes inside graphs
	maxRank     = 16
	maxElements = 1 << 31
	maxParts    = 1 << 20 // nodes and what they name, each of which takes far more memory than its bytes
)

// Model is what can be said of a model without running it.
type Model struct {
	Opset   int64 // of the default operator domain; 0 if it names none
	Inputs  []Value
	Outputs []Value
	Nodes   int // of the main graph
}

// Value is an input or an output of the graph.
type Value struct {
	Name string
	Type int     // TensorProto.DataType; 1 is float32
	Dims []int64 // -1 is not fixed; nil is not stated
}

// Validate says whether a file is a whole and consistent ONNX model. Errors are
// [*Error].
func Validate(model []byte) error {
	_, err := Inspect(model)
	return err
}

// Inspect validates a model and tells its inputs and outputs.
func Inspect(model []byte) (*Model, error) {
	if err := plausible(model); err != nil {
		return nil, err
	}
	root := message{data: model, where: "model"}
	m := &Model{}
	var graph *message
	var version int64
	err := root.each(func(f field) error {
		switch f.num {
		case 1: // ir_version
			version = int64(f.number)
			return root.expect(f, protowire.VarintType)
		case 7: // graph
			if err := root.expect(f, protowire.BytesType); err != nil {
				return err
			}
			if graph != nil {
				return root.wrong("has two graphs")
			}
			g := f.sub("graph")
			graph = &g
		case 8: // opset_import
			return m.opset(f.sub("opset_import"))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if version < 1 || graph == nil {
		return nil, root.wrong("has no IR version or no graph: this is not an ONNX model")
	}
	g := newScope(nil)
	if err := g.read(*graph); err != nil {
		return nil, err
	}
	if g.nodes == 0 {
		return nil, graph.wrong("has no nodes")
	}
	for _, in := range g.inputs {
		if !g.initializers[in.Name] {
			m.Inputs = append(m.Inputs, in)
		}
	}
	m.Outputs, m.Nodes = g.outputs, g.nodes
	if len(m.Inputs) == 0 || len(m.Outputs) == 0 {
		return nil, graph.wrong("has no inputs or no outputs")
	}
	return m, nil
}

// plausible refuses what is no model at all in words that help.
func plausible(model []byte) error {
	head := bytes.ToLower(bytes.TrimSpace(model[:min(len(model), 256)]))
	switch {
	case len(model) == 0:
		return &Error{Msg: "the file is empty: fetch it again"}
	case len(model) > MaxBytes:
		return &Error{Msg: fmt.Sprintf("the file has %d bytes, the format ends at %d", len(model), MaxBytes)}
	case bytes.HasPrefix(head, []byte("<!doctype")), bytes.HasPrefix(head, []byte("<html")), bytes.HasPrefix(head, []byte("<?xml")):
		return &Error{Msg: "the file is a web page and not a model: the download went wrong, fetch it again"}
	case bytes.HasPrefix(head, []byte("version https://git-lfs")):
		return &Error{Msg: "the file is a Git LFS pointer and not the model: git lfs pull"}
	}
	return nil
}

func (m *Model) opset(msg message) error {
	var domain string
	var version int64
	err := msg.each(func(f field) (err error) {
		switch f.num {
		case 1:
			domain, err = msg.text(f)
		case 2:
			version = int64(f.number)
			err = msg.expect(f, protowire.VarintType)
		}
		return err
	})
	if domain == "" || domain == "ai.onnx" {
		m.Opset = version
	}
	return err
}

// value reads a ValueInfoProto.
func value(m message) (Value, error) {
	var v Value
	err := m.each(func(f field) (err error) {
		switch f.num {
		case 1:
			v.Name, err = m.text(f)
		case 2: // TypeProto
			if err := m.expect(f, protowire.BytesType); err != nil {
				return err
			}
			err = v.typed(f.sub(m.where + ".type"))
		}
		return err
	})
	if err == nil && v.Name == "" {
		return v, m.wrong("has no name")
	}
	return v, err
}

func (v *Value) typed(m message) error {
	return m.each(func(f field) error {
		if f.num != 1 { // only tensor_type is of interest
			return nil
		}
		if err := m.expect(f, protowire.BytesType); err != nil {
			return err
		}
		t := f.sub(m.where)
		return t.each(func(f field) error {
			switch f.num {
			case 1:
				v.Type = int(f.number)
				return t.expect(f, protowire.VarintType)
			case 2:
				if err := t.expect(f, protowire.BytesType); err != nil {
					return err
				}
				return v.shape(f.sub(m.where + ".shape"))
			}
			return nil
		})
	})
}

func (v *Value) shape(m message) error {
	v.Dims = []int64{}
	elements := int64(1)
	return m.each(func(f field) error {
		if f.num != 1 {
			return nil
		}
		if err := m.expect(f, protowire.BytesType); err != nil {
			return err
		}
		if len(v.Dims) == maxRank {
			return m.wrong("has more than %d dimensions", maxRank)
		}
		dim := int64(-1) // dim_param: a name, so any size
		d := f.sub(m.where)
		err := d.each(func(f field) error {
			if f.num != 1 {
				return nil
			}
			dim = int64(f.number)
			return d.expect(f, protowire.VarintType)
		})
		if err != nil {
			return err
		}
		if dim <= 0 {
			dim = -1
		} else if dim > maxElements/elements {
			return m.wrong("dimension %d is absurdly large: more than %d elements", dim, int64(maxElements))
		} else {
			elements *= dim
		}
		v.Dims = append(v.Dims, dim)
		return nil
	})
}

// clip shortens a name for a message.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}
