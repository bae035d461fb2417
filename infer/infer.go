// Package infer runs a network: one small interface that every engine
// implements, and what an engine says about itself.
//
// Invariants:
//   - A Network is used by one goroutine at a time. Different networks may run
//     side by side.
//   - The input buffer belongs to the network and lives until Close; the caller
//     writes it between forwards. Outputs belong to the caller.
//   - Forward allocates nothing on the Go heap.
//   - No native exception or abort reaches Go: engines return an [*Error].
//   - Info tells what really runs, not what was asked for.
//
// The engines are infer/opencv and infer/ort; infer/engine opens a described
// network on the engine that a configuration names.
package infer

import (
	"fmt"
	"time"
)

// Backend says where a network runs.
type Backend string

// The backends. ONNX Runtime runs on CPU only here.
const (
	CPU      Backend = "cpu"
	CUDA     Backend = "cuda"
	CUDAFP16 Backend = "cuda-fp16"
	OpenCL   Backend = "opencl"
)

// Options say how a network is to run.
type Options struct {
	Backend Backend // "" means CPU
	Require bool    // refuse to fall back to another backend
	Threads int     // intra-op threads; 0 means one per core
	// ScoreFloor is the largest class score that the engine itself may set to
	// zero. 0 leaves that to the network: OpenCV zeroes scores of darknet [yolo]
	// heads below the cfg's thresh, 0.2 where it names none. Evaluation needs a
	// small one. An engine that zeroes nothing meets every floor.
	ScoreFloor float32
}

// Tensor describes one output.
type Tensor struct {
	Name  string
	Shape []int
}

// Len is the number of elements.
func (t Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Info is what an engine says of an open network.
type Info struct {
	Name      string // of the description
	Engine    string // "opencv" or "ort"
	Version   string // of the engine, for example "4.6.0"
	Requested Backend
	Backend   Backend // that really runs
	Fallback  string  // why Backend differs from Requested; else empty
	Threads   int
	Input     Tensor        // 1x3xHxW
	Outputs   []Tensor      // fixed shapes, in the order that Forward gives
	Load      time.Duration // reading and building the network
	First     time.Duration // first forward: lazy initialisation, not inference
}

// Network is an open network.
type Network interface {
	// Input is the network's own input buffer, planar float32 1x3xHxW.
	Input() []float32
	// Forward runs the network on Input. The outputs are the network's own memory,
	// of exactly Info().Outputs[i].Len() elements each, and borrowed until the next
	// Forward or Close: to copy them takes as long as a layer.
	Forward() (outputs [][]float32, err error)
	// Info never changes after opening; First is set there.
	Info() Info
	// Close frees native memory. It is safe to call twice.
	Close() error
}

// Step is one operation of an engine, which may be several layers of the network
// or a part of one, and how long it takes in a forward.
type Step struct {
	Name string // the engine's, which begins with a layer's or has it within
	Kind string // the engine's word for the operation
	Time time.Duration
}

// Error is a failure to open or run a network.
type Error struct {
	Op      string // "open" or "forward"
	Network string // name or file
	Layer   string // where known
	Shape   string // where known
	Err     error
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s network %s: ", e.Op, e.Network)
	if e.Layer != "" {
		s += "layer " + e.Layer + ": "
	}
	if e.Shape != "" {
		s += "shape " + e.Shape + ": "
	}
	return s + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }
