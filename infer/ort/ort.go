// Package ort runs ONNX networks on ONNX Runtime, on the CPU.
//
// Invariants:
//   - Input and outputs are native buffers that belong to the network and are
//     bound to the session once; a forward only runs.
//   - Shapes are fixed at opening: batch 1, height and width of the description.
//   - Threads belong to a session. They do not spin between operators: on two
//     cores shared with other work spinning made forwards slower and cost half as
//     much processor time again.
//   - The library is loaded at run time and need not be there ([ErrNoLibrary]).
package ort

// #include <stdlib.h>
// #ifdef __GLIBC__
// #include <malloc.h>
// static void trim(void) { malloc_trim(0); }
// #else
// static void trim(void) {}
// #endif
import "C"

import (
	"errors"
	"fmt"
	"slices"
	"time"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"

	"dashline/infer"
	"dashline/model/onnx"
)

// MaxSide bounds the input, pixels.
const MaxSide = 8192

// maxOutput bounds the values of one output.
const maxOutput = 1 << 28

// Model is a network in memory.
type Model struct {
	Name   string // for errors and Info
	Graph  []byte // the ONNX model
	Width  int    // of the input, pixels
	Height int
	Begun  time.Time // when loading began, where Graph had to be made; zero: with Open
}

type network struct {
	info    infer.Info
	holds   bool // holds a use of the environment
	session *ort.DynamicAdvancedSession
	binding *ort.IoBinding
	input   *buffer
	outputs []*buffer
	values  [][]float32 // of outputs, which Forward lends
}

// Open builds a session and runs it once. Errors are *[infer.Error]; they wrap
// [ErrNoLibrary] where ONNX Runtime is not installed and, with Require, an
// *[infer.BackendError] for any backend but the CPU.
func Open(m Model, o infer.Options) (infer.Network, error) {
	return open(m, o, "")
}

// open is Open; where profile is not empty, a profile goes to a file of that
// prefix.
func open(m Model, o infer.Options, profile string) (infer.Network, error) {
	fail := func(err error) (infer.Network, error) {
		return nil, &infer.Error{Op: "open", Network: m.Name, Err: err}
	}
	if m.Width < 1 || m.Height < 1 || m.Width > MaxSide || m.Height > MaxSide {
		return fail(fmt.Errorf("input size %dx%d: use 1 to %d pixels a side", m.Width, m.Height, MaxSide))
	}
	threads, err := o.ThreadCount()
	if err != nil {
		return fail(err)
	}
	backend, fallback, err := infer.Settle(o, missing)
	if err != nil {
		return fail(err)
	}
	model, err := onnx.Inspect(m.Graph)
	if err != nil {
		return fail(err)
	}
	input, err := model.Picture(m.Width, m.Height)
	if err != nil {
		return fail(err)
	}
	if err := acquire(); err != nil {
		return fail(err)
	}
	n := &network{holds: true, info: infer.Info{
		Name: m.Name, Engine: "ort", Version: ort.GetVersion(),
		Requested: o.Requested(), Backend: backend, Fallback: fallback, Threads: threads,
		Input: infer.Tensor{Name: input.Name, Shape: []int{1, 3, m.Height, m.Width}},
	}}
	begun := m.Begun
	if begun.IsZero() {
		begun = time.Now()
	}
	if err := n.build(m.Graph, model.Outputs, profile, begun); err != nil {
		return fail(errors.Join(err, n.Close()))
	}
	// What the runtime took to read the model and gave back lies in the heap
	// otherwise: more than the weights themselves.
	C.trim()
	return n, nil
}

func missing(b infer.Backend) (reason, mend string) {
	return "ONNX Runtime runs on the CPU only here", "use engine opencv for backend " + string(b) + ", or backend cpu"
}

func (n *network) build(graph []byte, declared []onnx.Value, profile string, begun time.Time) error {
	outputs := make([]string, len(declared))
	for i, v := range declared {
		outputs[i] = v.Name
	}
	options, err := sessionOptions(n.info.Threads)
	if err != nil {
		return err
	}
	defer options.Destroy()
	if profile != "" {
		if err := options.EnableProfiling(profile); err != nil {
			return err
		}
	}
	if n.session, err = ort.NewDynamicAdvancedSessionWithONNXData(graph, []string{n.info.Input.Name}, outputs, options); err != nil {
		return err
	}
	if n.input, err = newBuffer(n.info.Input.Shape); err != nil {
		return err
	}
	n.info.Load = time.Since(begun)

	// The first forward may allocate its outputs itself: that is how dynamic
	// shapes become known.
	values := make([]ort.Value, len(outputs))
	start := time.Now()
	if err := n.session.Run([]ort.Value{n.input.tensor}, values); err != nil {
		return err
	}
	n.info.First = time.Since(start)
	defer func() {
		for _, v := range values {
			v.Destroy()
		}
	}()
	if n.binding, err = n.session.CreateIoBinding(); err != nil {
		return err
	}
	if err := n.binding.BindInput(n.info.Input.Name, n.input.tensor); err != nil {
		return err
	}
	for i, v := range values {
		if err := n.bind(outputs[i], v); err != nil {
			return fmt.Errorf("output %s: %w", outputs[i], err)
		}
	}
	return nil
}

func sessionOptions(threads int) (*ort.SessionOptions, error) {
	o, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		o.SetIntraOpNumThreads(threads),
		o.SetInterOpNumThreads(1),
		o.SetExecutionMode(ort.ExecutionModeSequential),
		o.SetGraphOptimizationLevel(ort.GraphOptimizationLevelEnableAll),
		o.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
	)
	if err != nil {
		o.Destroy()
		return nil, err
	}
	return o, nil
}

// bind gives the output its own buffer, of the shape that the first forward gave.
func (n *network) bind(name string, first ort.Value) error {
	tensor, ok := first.(*ort.Tensor[float32])
	if !ok {
		return errors.New("it is not a float32 tensor: convert the model so that it is")
	}
	var shape []int
	for _, d := range tensor.GetShape() {
		shape = append(shape, int(d))
	}
	b, err := newBuffer(shape)
	if err != nil {
		return err
	}
	n.outputs, n.values = append(n.outputs, b), append(n.values, b.data)
	n.info.Outputs = append(n.info.Outputs, infer.Tensor{Name: name, Shape: shape})
	return n.binding.BindOutput(name, b.tensor)
}

func (n *network) Info() infer.Info { return n.info }

func (n *network) Input() []float32 {
	if n.input == nil {
		return nil
	}
	return n.input.data
}

func (n *network) Forward() ([][]float32, error) {
	if n.session == nil {
		return nil, &infer.Error{Op: "forward", Network: n.info.Name, Err: errors.New("it is closed")}
	}
	if err := n.session.RunWithBinding(n.binding); err != nil {
		return nil, &infer.Error{Op: "forward", Network: n.info.Name, Err: err}
	}
	return n.values, nil
}

// Close frees the session, then what it was bound to, then the environment's
// last use.
func (n *network) Close() error {
	if !n.holds {
		return nil
	}
	n.holds = false
	var errs []error
	if n.binding != nil {
		errs = append(errs, n.binding.Destroy())
	}
	if n.session != nil {
		errs = append(errs, n.session.Destroy())
	}
	for _, b := range append(slices.Clone(n.outputs), n.input) {
		b.free()
	}
	n.binding, n.session, n.input, n.outputs, n.values = nil, nil, nil, nil, nil
	return errors.Join(append(errs, release())...)
}

// buffer is native memory with a tensor over it: the runtime keeps its address
// between calls, which memory of the Go heap must not be used for.
type buffer struct {
	data   []float32
	tensor *ort.Tensor[float32]
}

func newBuffer(shape []int) (*buffer, error) {
	size, dims := 1, make(ort.Shape, len(shape))
	for i, d := range shape {
		if d < 1 || d > maxOutput/size {
			return nil, fmt.Errorf("shape %v: use 1 to %d values", shape, maxOutput)
		}
		size *= d
		dims[i] = int64(d)
	}
	if len(shape) == 0 {
		return nil, errors.New("a scalar is not a tensor to read")
	}
	const alignment = 64
	bytes := (size*4 + alignment - 1) / alignment * alignment
	memory := C.aligned_alloc(alignment, C.size_t(bytes))
	if memory == nil {
		return nil, fmt.Errorf("no memory for a tensor of %d bytes", bytes)
	}
	b := &buffer{data: unsafe.Slice((*float32)(memory), size)}
	clear(b.data)
	var err error
	if b.tensor, err = ort.NewTensor(dims, b.data); err != nil {
		b.free()
		return nil, err
	}
	return b, nil
}

func (b *buffer) free() {
	if b == nil {
		return
	}
	if b.tensor != nil {
		b.tensor.Destroy()
	}
	C.free(unsafe.Pointer(unsafe.SliceData(b.data)))
	b.data, b.tensor = nil, nil
}
