package onnx

import (
	"errors"
	"io"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"dashline/model"
	"dashline/model/onnx/pb"
)

// A node that is written back is written in an opset in which it is what it was.
func TestOpsetOfGenericLayers(t *testing.T) {
	axes := attrInts("axes", 0)
	for _, c := range []struct {
		name   string
		read   int64
		node   string
		attr   *pb.AttributeProto
		o      Options
		want   int64
		refuse string
	}{
		{"as it was read", 11, "Squeeze x > y", axes, Options{}, 11, ""},
		{"as it was read, newer", 18, "Selu x > y", nil, Options{}, 18, ""},
		{"axes became an input", 11, "Squeeze x > y", axes, Options{Opset: 13}, 0, "Squeeze was read in opset 11 and may be another operator in opset 13"},
		{"another softmax", 11, "LogSoftmax x > y", nil, Options{Opset: 17}, 0, "LogSoftmax was read in opset 11"},
		{"the first with the axes as an input", 17, "ReduceMax x > y", axes, Options{Opset: 18}, 0, "opset 18"},
		{"just before", 13, "ReduceMax x > y", axes, Options{Opset: 17}, 17, ""},
		{"only added to", 11, "Selu x > y", nil, Options{Opset: 22}, 22, ""},
		{"not known yet", 17, "Selu x > y", nil, Options{Opset: 13}, 0, "Selu was read in opset 17"},
		{"older than can be written", 9, "Selu x > y", nil, Options{}, 11, ""},
		{"far older", 6, "Selu x > y", nil, Options{}, 0, "opset 6"},
		{"newer than can be written", 23, "Selu x > y", nil, Options{}, 0, "opset 22"},
		{"8 bits", 11, "Selu x > y", nil, Options{Quant: &model.Quant{}}, 13, ""},
		{"8 bits and axes", 11, "Squeeze x > y", axes, Options{Quant: &model.Quant{}}, 0, "opset 13"},
		{"nothing generic", 17, "Relu x > y", nil, Options{}, DefaultOpset, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var parts []proto.Message
			if c.attr != nil {
				parts = append(parts, c.attr)
			}
			g, err := Read(graphOf(c.read, []string{c.node}, parts...), ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if q := c.o.Quant; q != nil {
				q.Values, q.Weights = make([]model.Affine, len(g.Layers)), make([]model.Codes, len(g.Layers))
			}
			if c.refuse != "" {
				var typed *OpsetError
				if err := Write(io.Discard, g, c.o); !errors.As(err, &typed) || !strings.Contains(err.Error(), c.refuse) {
					t.Errorf("got  %v\nwant %s", err, c.refuse)
				}
				return
			}
			if got := decoded(t, written(t, g, c.o)).OpsetImport[0].Version; got != c.want {
				t.Errorf("opset %d, want %d", got, c.want)
			}
		})
	}
}

// A node is the same in another opset where that is not older and no change of its
// operator lies between: after the one that it was read in, up to and with the other.
func TestLasts(t *testing.T) {
	for _, c := range []struct {
		op       string
		from, to int
		want     bool
	}{
		{"Selu", 11, 11, true},
		{"Selu", 11, 22, true},
		{"Selu", 12, 11, false},
		{"Squeeze", 12, 11, false}, // though nothing changed between
		{"Squeeze", 11, 12, true},
		{"Squeeze", 12, 13, false},
		{"Squeeze", 13, 14, true},
		{"Squeeze", 11, 14, false},
		{"Split", 12, 13, false},
		{"Split", 13, 17, true},
		{"Split", 17, 18, false},
		{"Split", 18, 22, true},
		{"Split", 12, 18, false},
		{"Selu", 6, 6, true}, // whatever it is there, it stays
		{"Selu", 6, 7, false},
		{"Selu", 7, 8, true},
	} {
		if got := lasts(c.op, c.from, c.to); got != c.want {
			t.Errorf("%s from opset %d in %d: %v, want %v", c.op, c.from, c.to, got, c.want)
		}
	}
}
