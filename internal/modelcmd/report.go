// Package modelcmd is what the commands under dashline model have in common and
// is too long for the command line's files: what a network costs, as a table, an
// object or a picture, what two networks differ in, and what an engine really
// takes to run one.
//
// Invariants:
//   - Counts are exact and depend on the network alone; what is predicted or
//     measured says so in its name.
//   - Measurements are made in a child process, so that nothing else is in the
//     memory and the caches that are measured.
//   - Names out of files are shown with [plain.Line].
package modelcmd

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/cpu"

	"dashline/infer/opencv"
	"dashline/internal/netfile"
	"dashline/model"
	"dashline/model/footprint"
)

// Report is what a network costs, all bytes and operations of one forward of one
// picture.
type Report struct {
	Name     string   `json:"name"`
	Format   string   `json:"format"`
	Path     string   `json:"path"`
	Weights  string   `json:"weights,omitempty"` // of darknet
	Topology bool     `json:"topology,omitempty"`
	Inputs   []string `json:"inputs"`
	Outputs  []string `json:"outputs"`

	Parameters int64 `json:"parameters"` // all, means and variances too
	Trainable  int64 `json:"parameters_trainable"`
	Folded     int64 `json:"parameters_folded"` // batch normalisation folded
	FileBytes  int64 `json:"file_bytes"`        // of the file that holds the weights
	FP32       int64 `json:"weight_bytes_fp32"` // folded
	FP16       int64 `json:"weight_bytes_fp16"`
	Int8       int64 `json:"weight_bytes_int8"`

	MACs        int64   `json:"macs"`
	FLOPs       int64   `json:"flops"` // 2 x MACs
	Elementwise int64   `json:"elementwise_operations"`
	Intensity   float64 `json:"flops_per_byte"`

	Activations     int64  `json:"activation_bytes"`
	PeakActivations int64  `json:"peak_activation_bytes"`
	PeakLayer       string `json:"peak_layer"`

	Predicted []Predicted `json:"predicted"`
	Measured  []Measured  `json:"measured,omitempty"`
	Layers    []Layer     `json:"layers"`
}

// Layer is the cost of one layer.
type Layer struct {
	Index       int     `json:"index"`
	Name        string  `json:"name"`
	Group       string  `json:"group"`
	What        string  `json:"what"`
	Shape       []int   `json:"shape"`
	Parameters  int64   `json:"parameters"`
	WeightBytes int64   `json:"weight_bytes_fp32"`
	MACs        int64   `json:"macs"`
	FLOPs       int64   `json:"flops"`
	Elementwise int64   `json:"elementwise_operations"`
	Activation  int64   `json:"activation_bytes"` // that it writes; 0 of a view
	Live        int64   `json:"live_activation_bytes"`
	Intensity   float64 `json:"flops_per_byte"`
}

// Predicted is the memory that an engine adds to a process for the network.
type Predicted struct {
	Engine  string `json:"engine"`
	Weights int64  `json:"weight_bytes"`
	Values  int64  `json:"value_bytes"`
	Buffers int64  `json:"buffer_bytes"`
	Fixed   int64  `json:"fixed_bytes"`
	Total   int64  `json:"total_bytes"`
}

// The engines.
const (
	OpenCV = "opencv"
	ORT    = "ort"
)

// Describe counts what a network costs and predicts its memory.
func Describe(n *netfile.Net) *Report {
	return describeFor(n, fittings{block(), footprint.Packs(opencv.ReadFacts().Version)})
}

// fittings are what a prediction of memory has to know of those of a machine.
type fittings struct {
	block  int  // channels that ONNX Runtime takes at once
	packed bool // OpenCV packs weights
}

// describeFor is Describe for a machine with other engines.
func describeFor(n *netfile.Net, e fittings) *Report {
	name, format, cfg, weights := names(n)
	g := n.Graph
	p := g.Profile()
	t := p.Total
	r := &Report{
		Name: name, Format: format, Path: cfg, Weights: weights, Topology: format == "darknet" && weights == "",
		Inputs: values(g, g.Inputs()), Outputs: values(g, g.Outputs),
		Parameters: t.Parameters, Trainable: t.Trainable, Folded: t.Folded, FileBytes: n.Bytes,
		FP32: t.Weights.FP32, FP16: t.Weights.FP16, Int8: t.Weights.Int8,
		MACs: t.MACs, FLOPs: t.FLOPs(), Elementwise: t.Elementwise, Intensity: t.Intensity(),
		Activations: p.Activations, PeakActivations: p.Memory.Peak, PeakLayer: g.Layers[p.Memory.At].Name,
		Predicted: []Predicted{predicted(OpenCV, footprint.OpenCV(g, n.Darknet != nil, e.packed)), predicted(ORT, footprint.ORT(g, e.block))},
	}
	for _, c := range p.Layers {
		l := &g.Layers[c.Index]
		r.Layers = append(r.Layers, Layer{
			Index: c.Index, Name: l.Name, Group: group(l.Op), What: describe(g, c.Index), Shape: l.Shape,
			Parameters: c.Parameters, WeightBytes: c.Weights.FP32, MACs: c.MACs, FLOPs: c.FLOPs(), Elementwise: c.Elementwise,
			Activation: c.Written, Live: c.Live, Intensity: c.Intensity(),
		})
	}
	return r
}

// names are what a network is called and what it was read from. A topology has no
// weights.
func names(n *netfile.Net) (name, format, path, weights string) {
	path, format = n.Files[0], "onnx"
	if n.Darknet != nil {
		format = "darknet"
	}
	if len(n.Files) > 1 {
		weights = n.Files[1]
	}
	if n.Described != nil {
		return n.Described.Name, format, path, weights
	}
	name = filepath.Base(path)
	return strings.TrimSuffix(name, filepath.Ext(name)), format, path, weights
}

func predicted(engine string, f footprint.Footprint) Predicted {
	return Predicted{engine, f.Weights, f.Values, f.Buffers, f.Fixed, f.Total()}
}

// block is how many channels ONNX Runtime's convolutions take at once here
// (MlasNchwcGetBlockSize).
func block() int {
	if cpu.X86.HasAVX512F {
		return 16
	}
	return 8
}

// values name layers and their shapes.
func values(g *model.Graph, layers []int) []string {
	out := make([]string, len(layers))
	for k, i := range layers {
		out[k] = fmt.Sprintf("%s %v", g.Layers[i].Name, g.Layers[i].Shape)
	}
	return out
}

func describe(g *model.Graph, i int) string {
	var in model.Shape
	if len(g.Layers[i].From) > 0 {
		in = g.In(i)
	}
	return model.Describe(g.Layers[i].Op, in)
}

// group is what layers of one kind of work are called together.
func group(op model.Op) string {
	o, ok := op.(*model.Conv)
	if !ok {
		return model.Kind(op)
	}
	name := fmt.Sprintf("conv %dx%d", o.Kernel[0], o.Kernel[1])
	switch {
	case o.Groups > 1 && o.Groups == o.Filters:
		return "depthwise" + name[len("conv"):]
	case o.Groups > 1:
		return name + " in groups"
	}
	return name
}
