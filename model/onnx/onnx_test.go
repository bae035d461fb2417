package onnx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"dashline/internal/testkit"
)

// A small builder of Protobuf, so that models can be wrong in any way.
func num(n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
}

func sub(n protowire.Number, parts ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), bytes.Join(parts, nil))
}

func str(n protowire.Number, s string) []byte { return sub(n, []byte(s)) }

func node(op, in, out string, more ...[]byte) []byte {
	parts := [][]byte{str(4, op)}
	for _, s := range strings.Fields(in) {
		parts = append(parts, str(1, strings.Trim(s, "-")))
	}
	for _, s := range strings.Fields(out) {
		parts = append(parts, str(2, s))
	}
	return sub(1, append(parts, more...)...)
}

func valueInfo(n protowire.Number, name string, dims ...uint64) []byte {
	var shape [][]byte
	for _, d := range dims {
		if d == 0 {
			shape = append(shape, sub(1, str(2, "batch")))
			continue
		}
		shape = append(shape, sub(1, num(1, d)))
	}
	return sub(n, str(1, name), sub(2, sub(1, num(1, 1), sub(2, shape...))))
}

func weights(n protowire.Number, name string, kind uint64, dims []uint64, data ...[]byte) []byte {
	parts := [][]byte{num(2, kind), str(8, name)}
	for _, d := range dims {
		parts = append(parts, num(1, d))
	}
	return sub(n, append(parts, data...)...)
}

func raw(n int) []byte { return sub(9, make([]byte, n)) }

func file(graph ...[]byte) []byte {
	return bytes.Join([][]byte{num(1, 8), sub(8, num(2, 13)), sub(7, graph...)}, nil)
}

// The parts of a good graph.
var (
	input  = valueInfo(11, "x", 0, 3, 4)
	output = valueInfo(12, "z", 1, 2)
	w      = weights(5, "w", 1, []uint64{4, 2}, raw(32))
	mul    = node("MatMul", "x w", "y")
	relu   = node("Relu", "y", "z")
)

func TestInspect(t *testing.T) {
	m, err := Inspect(file(mul, relu, w, input, output))
	if err != nil {
		t.Fatal(err)
	}
	want := &Model{Opset: 13, Nodes: 2,
		Inputs:  []Value{{"x", 1, []int64{-1, 3, 4}}},
		Outputs: []Value{{"z", 1, []int64{1, 2}}}}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("got %+v, want %+v", m, want)
	}
}

func TestValid(t *testing.T) {
	branch := func(parts ...[]byte) []byte { return sub(5, str(1, "then_branch"), sub(6, parts...)) }
	packed := sub(4, make([]byte, 32))
	var unpacked []byte
	for range 8 {
		unpacked = protowire.AppendFixed32(protowire.AppendTag(unpacked, 4, protowire.Fixed32Type), 0)
	}
	for name, data := range map[string][]byte{
		"initializer that is an input":        file(mul, relu, w, input, output, valueInfo(11, "w", 4, 2)),
		"optional input left out":             file(node("Clip", "x - w", "y"), relu, w, input, output),
		"packed floats":                       file(mul, relu, weights(5, "w", 1, []uint64{4, 2}, packed), input, output),
		"unpacked floats":                     file(mul, relu, weights(5, "w", 1, []uint64{4, 2}, unpacked), input, output),
		"packed integers":                     file(mul, relu, weights(5, "w", 7, []uint64{3}, sub(7, []byte{1, 2, 3})), input, output),
		"scalar":                              file(mul, relu, weights(5, "w", 1, nil, raw(4)), input, output),
		"empty tensor":                        file(mul, relu, weights(5, "w", 1, []uint64{0}), input, output),
		"constant":                            file(node("Constant", "", "w", sub(5, str(1, "value"), weights(5, "", 1, []uint64{2}, raw(8)))), mul, relu, input, output),
		"branch that reads outside":           file(mul, node("If", "y", "z", branch(node("Neg", "y", "q"), valueInfo(12, "q"))), w, input, output),
		"branch of nothing":                   file(mul, node("If", "y", "z", branch(valueInfo(12, "y"))), w, input, output),
		"indices of a type that is not known": file(node("Spin", "x", "i"), node("Gather", "x i", "y"), relu, input, output),
		"indices of int32":                    file(node("Gather", "x i", "y"), relu, weights(5, "i", 6, []uint64{2}, raw(8)), input, output),
		"unknown field":                       append(file(mul, relu, w, input, output), num(99, 1)...),
	} {
		if err := Validate(data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErrors(t *testing.T) {
	good := file(mul, relu, w, input, output)
	nest := sub(5, str(1, "g"), sub(6, valueInfo(12, "x")))
	for range 2 * maxDepth {
		nest = sub(5, str(1, "g"), sub(6, node("If", "x", "", nest), valueInfo(12, "x")))
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "model: the file is empty: fetch it again"},
		{"web page", []byte("<html><body>"), "is a web page and not a model"},
		{"lfs", []byte("version https://git-lfs.github.com/spec/v1\n"), "Git LFS pointer"},
		{"text", []byte("hello, this is not a model at all"), "not an ONNX model"},
		{"picture", []byte("\xff\xd8\xff\xe0\x00\x10JFIF"), "not an ONNX model"},
		{"no graph", num(1, 8), "has no IR version or no graph"},
		{"no version", sub(7, mul, relu, w, input, output), "has no IR version or no graph"},
		{"two graphs", append(bytes.Clone(good), sub(7, mul)...), "has two graphs"},
		{"cut off", good[:len(good)-10], "the file is cut off or damaged"},
		{"cut in a tag", append(bytes.Clone(good), 0x80), "the file is cut off"},
		{"no nodes", file(input, output, w, valueInfo(12, "x")), `output[0] "z" is produced by no node`},
		{"no nodes at all", file(input, valueInfo(12, "x")), "graph at byte"},
		{"no inputs", file(node("Neg", "w", "z"), w, output), "has no inputs or no outputs"},
		{"no outputs", file(mul, relu, w, input), "has no inputs or no outputs"},
		{"unknown name", file(node("MatMul", "x v", "y"), relu, w, input, output), `graph.node[0] (MatMul) at byte 11: reads "v", which nothing before it writes`},
		{"out of order", file(relu, mul, w, input, output), `reads "y", which nothing before it writes: the graph has a cycle`},
		{"cycle", file(node("Add", "x z", "y"), relu, w, input, output), "the graph has a cycle"},
		{"itself", file(node("Add", "x y", "y"), relu, w, input, output), "the graph has a cycle"},
		{"written twice", file(mul, node("Relu", "y", "y"), relu, w, input, output), `writes "y" a second time`},
		{"no operator", file(sub(1, str(1, "x"), str(2, "y")), relu, w, input, output), "graph.node[0] at byte 10: has no operator"},
		{"output from nowhere", file(mul, w, input, output), `output[0] "z" is produced by no node`},
		{"short tensor", file(mul, relu, weights(5, "w", 1, []uint64{4, 2}, raw(31)), input, output), "(w) at byte"},
		{"short tensor bytes", file(mul, relu, weights(5, "w", 1, []uint64{4, 2}, raw(31)), input, output), "holds 31 bytes, its shape calls for 32"},
		{"no data", file(mul, relu, weights(5, "w", 1, []uint64{4, 2}), input, output), "holds 0 values, its shape calls for 8"},
		{"huge dims", file(mul, relu, weights(5, "w", 1, []uint64{1 << 40, 1 << 40}, raw(4)), input, output), "is impossible"},
		{"negative dim", file(mul, relu, weights(5, "w", 1, []uint64{1 << 63}, raw(4)), input, output), "is impossible"},
		{"overflowing dims", file(mul, relu, weights(5, "w", 1, []uint64{1 << 20, 1 << 20, 1 << 24}, raw(4)), input, output), "is impossible"},
		{"many dims", file(mul, relu, weights(5, "w", 1, make([]uint64, 100), raw(4)), input, output), "more than 16 dimensions"},
		{"data type", file(mul, relu, weights(5, "w", 77, []uint64{1}, raw(4)), input, output), "unknown data type 77"},
		{"external data", file(mul, relu, weights(5, "w", 1, []uint64{1}, sub(13, str(1, "location"), str(2, "/etc/passwd"))), input, output), "keeps its data in another file"},
		{"external flag", file(mul, relu, weights(5, "w", 1, []uint64{1}, num(14, 1)), input, output), "keeps its data in another file"},
		{"damaged constant", file(node("Constant", "", "w", sub(5, weights(5, "", 1, []uint64{3}, raw(8)))), mul, relu, input, output), "graph.node[0] (Constant) tensor at byte"},
		{"initializer twice", file(mul, relu, w, w, input, output), `has no name of its own ("w")`},
		{"huge input", file(mul, relu, w, valueInfo(11, "x", 1<<30, 1<<30), output), "is absurdly large"},
		{"wire type", file(num(1, 7)), "has the wire type 0, expected 2"},
		{"group", append(bytes.Clone(good), 0x0b, 0x0c), "wire type 3"},
		{"long name", file(node("MatMul", "x w", strings.Repeat("y", maxName+1)), relu, w, input, output), "the limit is 4096"},
		{"deep", file(node("If", "x", "z", nest), input, output), "graphs nest deeper than 8"},
		{"float indices", file(node("Relu", "x", "i"), node("Gather", "x i", "y"), relu, input, output), "graph.node[1] (Gather) at byte"},
		{"float weights as indices", file(node("Gather", "x w", "y"), relu, w, input, output), `its indices "w" have the type FLOAT, expected INT64 or INT32`},
		{"too many parts", file(node("MatMul", "x w", "y", bytes.Repeat([]byte{0x2a, 0}, maxParts)), relu, w, input, output), "has more than 1048576 nodes"},
		{"sparse", file(mul, relu, w, input, output, sub(15)), "sparse initializers are not supported"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Validate(c.data)
			var typed *Error
			if !errors.As(err, &typed) {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// No prefix of a good model is a good model.
func TestEveryCutIsSeen(t *testing.T) {
	good := file(mul, relu, w, input, output)
	for i := range good {
		if err := Validate(good[:i]); err == nil {
			t.Errorf("the first %d of %d bytes are accepted", i, len(good))
		}
	}
}

func TestRealModels(t *testing.T) {
	for _, c := range []struct {
		file    string
		input   []int64
		outputs int
	}{
		{"yolox_nano_416.onnx", []int64{1, 3, 416, 416}, 1},
		{"nanodet.onnx", []int64{1, 3, 320, 320}, 6},
		{"twinlitenet.onnx", []int64{1, 3, 360, 640}, 2},
		{"twinlitenet_cv46.onnx", []int64{1, 3, 360, 640}, 2},
		{"twinlitenetplus_small_cv46.onnx", []int64{1, 3, 384, 640}, 2},
		{"twinlitenetplus_nano_cv46.onnx", []int64{1, 3, 384, 640}, 2},
	} {
		t.Run(c.file, func(t *testing.T) {
			data, err := os.ReadFile(testkit.Asset(t, "networks/"+c.file))
			if err != nil {
				t.Fatal(err)
			}
			m, err := Inspect(data)
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Inputs) != 1 || !reflect.DeepEqual(m.Inputs[0].Dims, c.input) || len(m.Outputs) != c.outputs {
				t.Errorf("%+v", m)
			}
			for _, share := range []int{10, 500, 900, 999} {
				if err := Validate(data[:len(data)*share/1000]); err == nil {
					t.Errorf("%d/1000 of the file are accepted", share)
				}
			}
		})
	}
}

// A claimed length or shape must not cost memory.
func TestClaimsAllocateLittle(t *testing.T) {
	claim := binary.AppendUvarint([]byte{0x08, 0x08, 0x3a}, 1<<31-10)
	shaped := file(mul, relu, weights(5, "w", 1, []uint64{1 << 30}), input, output)
	for i, data := range [][]byte{claim, shaped} {
		n := testing.AllocsPerRun(1, func() {
			if Validate(data) == nil {
				t.Error("accepted")
			}
		})
		if n > 500 {
			t.Errorf("%d: %v allocations", i, n)
		}
	}
}

func FuzzValidate(f *testing.F) {
	good := file(mul, relu, w, input, output)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(file(node("If", "x", "z", sub(5, str(1, "g"), sub(6, node("Neg", "x", "q"), valueInfo(12, "q")))), input, output))
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		err := Validate(data)
		var typed *Error
		if err != nil && !errors.As(err, &typed) {
			t.Fatalf("an error of another type: %v", err)
		}
	})
}
