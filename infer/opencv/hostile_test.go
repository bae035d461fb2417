package opencv

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"dashline/infer"
	"dashline/infer/internal/tiny"
	"dashline/model/darknet"
)

func tinyDarknet() Model {
	return Model{Name: "tiny", Format: "darknet", Graph: []byte(tiny.Cfg), Weights: tiny.Weights(), Width: 32, Height: 32}
}

func tinyONNX() Model {
	return Model{Name: "tiny", Format: "onnx", Graph: tiny.ONNX(), Width: 32, Height: 32}
}

func TestTinyNetworksRun(t *testing.T) {
	for _, m := range []Model{tinyDarknet(), tinyONNX()} {
		n := mustOpen(t, m, infer.Options{Threads: 2})
		fill(n.Input(), 1)
		out, err := n.Forward()
		if err != nil {
			t.Fatal(err)
		}
		if len(out) != 2 {
			t.Errorf("%s: outputs %v", m.Format, n.Info().Outputs)
		}
	}
}

// survive opens and runs a model; whatever it is, only an error may come back.
func survive(t *testing.T, m Model) (opened bool) {
	t.Helper()
	n, err := Open(m, infer.Options{Threads: 2})
	if err != nil {
		return false
	}
	defer n.Close()
	fill(n.Input(), 1)
	if out, err := n.Forward(); err == nil {
		for _, o := range out {
			_ = slices.Max(o) // reads all of it
		}
	}
	return true
}

// TestHostileBytes runs some hundred damaged networks in this process: one
// abort or wild read ends the test run.
func TestHostileBytes(t *testing.T) {
	rounds := 400
	if testing.Short() {
		rounds = 50
	}
	for _, m := range []Model{tinyDarknet(), tinyONNX()} {
		t.Run(m.Format, func(t *testing.T) {
			opened := 0
			for i := range rounds {
				bad := m
				bad.Graph, bad.Weights = damage(m.Graph, uint64(i)), m.Weights
				if survive(t, bad) {
					opened++
				}
			}
			t.Logf("%d of %d damaged graphs still opened", opened, rounds)
			for _, n := range []int{0, 1, 15, len(m.Graph) / 2, len(m.Graph) - 1} {
				bad := m
				bad.Graph = m.Graph[:n]
				survive(t, bad)
			}
			noise := make([]byte, 4096)
			r := rand.New(rand.NewPCG(1, 2))
			for range 50 {
				for i := range noise {
					noise[i] = byte(r.Uint32())
				}
				bad := m
				bad.Graph = noise
				if survive(t, bad) {
					t.Error("noise opened")
				}
			}
		})
	}
}

// damage changes a few bytes, cuts, repeats or removes a piece; the same for
// the same seed.
func damage(b []byte, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	b = slices.Clone(b)
	for range 1 + r.IntN(4) {
		at := r.IntN(len(b))
		end := min(len(b), at+1+r.IntN(20))
		switch r.IntN(6) {
		case 0:
			b[at] ^= 1 << r.IntN(8)
		case 1:
			b[at] = byte(r.Uint32())
		case 2:
			b[at] = "0123456789-=\n[],"[r.IntN(16)]
		case 3:
			b = slices.Delete(b, at, end)
		case 4:
			b = slices.Insert(b, at, b[at:end]...)
		case 5:
			b = b[:max(1, at)]
		}
	}
	return b
}

func TestHostileWeights(t *testing.T) {
	m := tinyDarknet()
	for _, n := range []int{0, 1, 4, 12, 19, 20, 21, len(m.Weights) / 2, len(m.Weights) - 4, len(m.Weights) - 1} {
		bad := m
		bad.Weights = m.Weights[:n]
		if survive(t, bad) {
			t.Errorf("%d of %d bytes of weights opened", n, len(m.Weights))
		}
	}
	for i := range 50 { // the right length with other numbers may open
		bad := m
		bad.Weights = damage(m.Weights, uint64(i))
		survive(t, bad)
	}
}

// Each line that would make OpenCV divide by zero, read outside an array or
// fill the memory is refused.
func TestHostileCfg(t *testing.T) {
	m := tinyDarknet()
	for _, change := range [][2]string{
		{"stride=2", "stride=0"}, {"groups=8", "groups=0"}, {"groups=8", "groups=-1"}, {"groups=8", "groups=3"},
		{"size=3", "size=0"}, {"size=3", "size=-3"}, {"size=3", "size=2000000000"}, {"filters=8", "filters=0"}, {"filters=8", "filters=2147483647"},
		{"layers=-3", "layers=-300"}, {"layers=-3", "layers=300"}, {"layers=-1,2", "layers=-1,8"}, {"layers=-1,2", "layers="},
		{"from=-2", "from=-20"}, {"from=-2", "from=200"}, {"from=-2", "from=2"}, {"mask=3,4,5", "mask=3,4,500"}, {"mask=3,4,5", "mask=-9,4,5"},
		{"classes=2", "classes=0"}, {"classes=2", "classes=80"}, {"num=6", "num=600"}, {"channels=3", "channels=0"}, {"channels=3", "channels=1"},
		{"width=32", "width=0"}, {"[upsample]\nstride=2", "[upsample]\nstride=100000"}, {"[maxpool]", "[nothing]"}, {"[net]", "[yolo]"},
		{"activation=leaky", "activation=nothing"}, {"anchors=2,3", "anchors=2"}, {"stride=2", "stride=-1"},
	} {
		bad := m
		bad.Graph = bytes.Replace(m.Graph, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(bad.Graph, m.Graph) {
			t.Fatalf("%q is not in the cfg", change[0])
		}
		t.Run(fmt.Sprintf("%q", change[1]), func(t *testing.T) {
			if survive(t, bad) {
				t.Error("it opened")
			}
		})
	}
}

func TestWrongInputSize(t *testing.T) {
	for _, m := range []Model{tinyONNX(), tinyDarknet()} {
		for _, size := range [][2]int{{31, 32}, {33, 17}, {1, 1}, {64, 32}} {
			bad := m
			bad.Width, bad.Height = size[0], size[1]
			opened := survive(t, bad)
			if m.Format == "onnx" && opened {
				t.Errorf("an ONNX model of 32x32 opened at %v", size)
			}
		}
	}
}

// A network that would need more memory than the limit is refused before any of
// it is allocated.
func TestMemoryIsBounded(t *testing.T) {
	m := tinyDarknet()
	const deep = "[convolutional]\nfilters=8\nsize=1\nstride=1\nactivation=linear\n"
	m.Graph = []byte("[net]\nwidth=4096\nheight=4096\nchannels=3\n" + strings.Repeat(deep, 20))
	weights, err := darknet.RandomWeights(m.Graph, 1)
	if err != nil {
		t.Fatal(err)
	}
	m.Weights, m.Width, m.Height = weights, 4096, 4096
	_, err = Open(m, infer.Options{Threads: 1})
	if err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("%v", err)
	}
	t.Log(err)
}

// Whole and consistent files that ask for what no engine can do. Each change
// keeps the length, so that the Protobuf message stays valid.
func TestOddONNX(t *testing.T) {
	m := tinyONNX()
	const ints1, ints3 = "@\x01@\x01", "@\x03@\x03" // field 8, twice
	for _, change := range [][2]string{
		{"strides" + ints1, "strides@\x00@\x00"}, {"strides" + ints1, "strides@\x7f@\x7f"},
		{"kernel_shape" + ints3, "kernel_shape@\x00@\x00"}, {"kernel_shape" + ints3, "kernel_shape@\x7f@\x7f"}, {"kernel_shape" + ints3, "kernel_shape@\x01@\x03"},
		{"pads@\x01", "pads@\x7f"}, {"pads@\x01@\x01@\x01@\x01", "pads@\x7f@\x7f@\x7f@\x7f"},
		{"axis\x18\x01", "axis\x18\x7f"}, {"axis\x18\x01", "axis\x18\x04"}, {"axis\x18\x01", "axis\x18\x00"},
		{"kernel_shape", "dilations_sh"}, {"Conv", "Gemm"}, {"Relu", "Conv"}, {"Relu", "Clip"}, {"Relu", "Tile"}, {"Relu", "LSTM"}, {"Relu", "Cast"}, {"Relu", "None"},
		{"Concat", "Resize"}, {"Concat", "MatMul"}, {"Concat", "Gather"}, {"Concat", "Expand"}, {"MaxPool", "Squeeze"}, {"MaxPool", "Reshape"}, {"MaxPool", "Softmax"},
		{"Reshape", "Flatten"}, {"Reshape", "Squeeze"}, {"Reshape", "MaxPool"}, {"Add", "Div"}, {"Add", "Pad"}, {"Add", "Sum"}, {"Add", "Pow"},
		{"\x00\x10\x00\x00", "\x01\x10\x00\x00"}, {"\x00\x10\x00\x00", "\xff\xff\xff\xff"}, {"\x00\x10\x00\x00", "\x00\x00\x00\x00"}, // 4096 in the shape
	} {
		t.Run(fmt.Sprintf("%q", change), func(t *testing.T) {
			bad := m
			bad.Graph = bytes.Replace(m.Graph, []byte(change[0]), []byte(change[1]), 1)
			if bytes.Equal(bad.Graph, m.Graph) {
				t.Fatal("it is not in the model")
			}
			t.Log("opened:", survive(t, bad))
		})
	}
}
