// Package opencv runs networks on OpenCV DNN through the project's own thin
// C++ shim.
//
// Invariants:
//   - A network is loaded from memory: the bytes that were hashed and validated
//     are the bytes that run.
//   - Nothing that OpenCV throws reaches Go, and bytes that would make it read
//     or write outside its memory never reach OpenCV: [Open] validates first.
//   - A backend is used only where OpenCV would really run on it; [Facts] says
//     in words why not.
//   - Threads belong to a network, not to the process (parallel.cpp says how).
//   - All native memory of a network has one owner, the network, until Close.
package opencv

// #cgo CXXFLAGS: -std=c++11 -O2
// #cgo LDFLAGS: -lstdc++
// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"regexp"
	"time"
	"unsafe"

	"dashline/infer"
)

// Bounds on what Open takes, so that a description cannot ask for the whole machine.
const (
	MaxSide   = 8192    // of the input, pixels
	MaxMemory = 8 << 30 // weights and layers of one network, bytes
)

// Model is a network in memory.
type Model struct {
	Name    string // for errors and Info
	Format  string // "darknet" or "onnx"
	Graph   []byte // darknet cfg, or the ONNX model
	Weights []byte // darknet only
	Width   int    // of the input, pixels
	Height  int
}

type network struct {
	c       *C.dl_net
	input   []float32
	outputs [][]float32 // of the last forward, memory of c
	info    infer.Info
	errBuf  []byte
}

// Open builds the network and runs it once, so that its output shapes are known
// and lazy initialisation is over. m's bytes may be changed after it returns.
// Errors are *[infer.Error]; with Require they may wrap an *[infer.BackendError].
func Open(m Model, o infer.Options) (infer.Network, error) {
	n, err := open(m, o)
	if err != nil {
		var known *infer.Error
		if errors.As(err, &known) {
			return nil, err
		}
		return nil, &infer.Error{Op: "open", Network: m.Name, Err: err}
	}
	return n, nil
}

func open(m Model, o infer.Options) (*network, error) {
	if m.Width < 1 || m.Height < 1 || m.Width > MaxSide || m.Height > MaxSide {
		return nil, fmt.Errorf("input size %dx%d: use 1 to %d pixels a side", m.Width, m.Height, MaxSide)
	}
	threads, err := o.ThreadCount()
	if err != nil {
		return nil, err
	}
	if o.ScoreFloor < 0 || o.ScoreFloor > 1 {
		return nil, fmt.Errorf("score floor %g: use 0 to 1", o.ScoreFloor)
	}
	facts := ReadFacts()
	backend, fallback, err := infer.Settle(o, facts.missing)
	if err != nil {
		return nil, err
	}
	format, err := validate(m)
	if err != nil {
		return nil, err
	}
	graph := m.Graph
	if format == C.DL_DARKNET && o.ScoreFloor > 0 {
		graph = withScoreFloor(graph, o.ScoreFloor)
	}

	n := &network{errBuf: make([]byte, 2048)}
	start := time.Now()
	if C.dl_load(format, bytesOf(graph), C.size_t(len(graph)), bytesOf(m.Weights), C.size_t(len(m.Weights)),
		C.int(m.Width), C.int(m.Height), native(backend), C.int(threads), C.size_t(MaxMemory), &n.c, n.errText(), n.errLen()) != 0 {
		return nil, n.fail("open", m.Name)
	}
	n.info = infer.Info{
		Name: m.Name, Engine: "opencv", Version: facts.Version,
		Requested: o.Requested(), Backend: backend, Fallback: fallback, Threads: threads,
		Input: infer.Tensor{Name: "input", Shape: []int{1, 3, m.Height, m.Width}},
		Load:  time.Since(start),
	}
	start = time.Now()
	if C.dl_forward(n.c, n.errText(), n.errLen()) != 0 {
		err := n.fail("open", m.Name)
		n.Close()
		return nil, err
	}
	n.info.First = time.Since(start)
	n.info.Outputs = n.shapes()
	n.outputs = make([][]float32, len(n.info.Outputs))
	n.input = unsafe.Slice((*float32)(unsafe.Pointer(C.dl_input(n.c))), n.info.Input.Len())
	clear(n.input)
	return n, nil
}

func native(b infer.Backend) C.int {
	switch b {
	case infer.CUDA:
		return C.DL_CUDA
	case infer.CUDAFP16:
		return C.DL_CUDA_FP16
	case infer.OpenCL:
		return C.DL_OPENCL
	}
	return C.DL_CPU
}

func bytesOf(b []byte) *C.uint8_t {
	return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(b)))
}

func (n *network) shapes() []infer.Tensor {
	out := make([]infer.Tensor, int(C.dl_outputs(n.c)))
	for i := range out {
		var shape [C.DL_MAX_DIMS]C.int
		dims := int(C.dl_output_shape(n.c, C.int(i), &shape[0]))
		out[i].Name = C.GoString(C.dl_output_name(n.c, C.int(i)))
		for _, d := range shape[:dims] {
			out[i].Shape = append(out[i].Shape, int(d))
		}
	}
	return out
}

func (n *network) Input() []float32 { return n.input }
func (n *network) Info() infer.Info { return n.info }

func (n *network) Forward() ([][]float32, error) {
	if n.c == nil {
		return nil, &infer.Error{Op: "forward", Network: n.info.Name, Err: errors.New("it is closed")}
	}
	if C.dl_forward(n.c, n.errText(), n.errLen()) != 0 {
		return nil, n.fail("forward", n.info.Name)
	}
	// Where they lie may change from one forward to the next, their shapes do not.
	for i, o := range n.info.Outputs {
		n.outputs[i] = unsafe.Slice((*float32)(unsafe.Pointer(C.dl_output(n.c, C.int(i)))), o.Len())
	}
	return n.outputs, nil
}

func (n *network) Close() error {
	if n.c == nil {
		return nil
	}
	C.dl_free(n.c)
	n.c, n.input, n.outputs = nil, nil, nil
	return nil
}

func (n *network) errText() *C.char { return (*C.char)(unsafe.Pointer(&n.errBuf[0])) }
func (n *network) errLen() C.size_t { return C.size_t(len(n.errBuf)) }

// onnxNode finds the layer in the text of OpenCV's ONNX importer.
var onnxNode = regexp.MustCompile(`Node \[([^\]]*)\]:\(([^)]*)\)`)

func (n *network) fail(op, name string) error {
	text := cText(n.errBuf)
	if text == "" {
		text = "out of memory"
	}
	e := &infer.Error{Op: op, Network: name, Err: fmt.Errorf("OpenCV: %s", text)}
	if m := onnxNode.FindStringSubmatch(text); m != nil {
		e.Layer = m[2] + " (" + m[1] + ")"
	}
	return e
}
