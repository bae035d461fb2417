// Package netfile loads networks for the commands under dashline model: the one
// place that knows what a NET on the command line may be.
//
// Invariants:
//   - What is loaded is valid: its reader has checked it, and its shapes are set.
//   - A file is bounded by [MaxBytes] before it is read, and a network's memory by
//     what its cfg or file proves to hold.
//   - Described files are those of the description: length and hash are held
//     against it.
package netfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"dashline/internal/regular"
	"dashline/model"
	"dashline/model/catalog"
	"dashline/model/darknet"
	"dashline/model/onnx"
)

// MaxBytes bounds one file.
const MaxBytes = 1 << 31

// The formats.
const (
	Darknet = "darknet"
	ONNX    = "onnx"
)

// Options say what a file leaves open.
type Options struct {
	Weights string         // of a cfg; "": the file beside it with the ending .weights
	Width   int            // of the input, pixels; 0: the description's, else the file's
	Height  int            // both or none are 0
	Dims    map[string]int // sizes of dimensions that an ONNX file only names
	// Topology takes a cfg without weights where it has none: they are then zeros.
	Topology bool
}

// Network is a network and where it came from.
type Network struct {
	Graph  *model.Graph
	Name   string // of the description, else of the file without its ending
	Format string
	Path   string // of the cfg or the ONNX file
	// Weights is the path of darknet's weights. Empty with that format: there were
	// none, and all weights are zero.
	Weights string
	// Bytes is the length of the file that holds the weights, or that it would
	// have.
	Bytes int64
	// Described is the description; nil: the file itself was named.
	Described *catalog.Network
	Darknet   *darknet.File // what the files held besides the graph; nil with ONNX
}

// Load loads the network that ref names: one of the catalogue, a description
// (.yaml), a cfg of darknet, or an ONNX file.
func Load(ref string, o Options) (*Network, error) {
	if (o.Width == 0) != (o.Height == 0) || o.Width < 0 || o.Height < 0 {
		return nil, fmt.Errorf("size %dx%d: give both width and height", o.Width, o.Height)
	}
	switch strings.ToLower(filepath.Ext(ref)) {
	case ".cfg":
		return loadDarknet(ref, o)
	case ".onnx":
		return loadONNX(ref, o)
	case ".weights":
		return nil, fmt.Errorf("%s holds weights alone: name its .cfg, and these with --weights", ref)
	}
	return described(ref, o)
}

// described loads a network of the catalogue or of a description.
func described(ref string, o Options) (*Network, error) {
	d, err := catalog.Resolve(ref)
	if err != nil {
		return nil, err
	}
	if err := d.Verify(); err != nil {
		return nil, err
	}
	if o.Weights != "" {
		return nil, fmt.Errorf("%s says which weights it has: leave out --weights, or name its .cfg", ref)
	}
	if o.Width == 0 {
		o.Width, o.Height = d.Input.Width, d.Input.Height
	}
	var n *Network
	if d.Format == Darknet {
		o.Weights = d.Path("weights")
		n, err = loadDarknet(d.Path("config"), o)
	} else {
		n, err = loadONNX(d.Path("model"), o)
	}
	if err != nil {
		return nil, fmt.Errorf("network %s: %w", d.Name, err)
	}
	n.Name, n.Described, n.Graph.Name = d.Name, &d, d.Name
	return n, nil
}

func loadDarknet(path string, o Options) (*Network, error) {
	cfg, err := read(path, darknet.MaxCfgBytes)
	if err != nil {
		return nil, err
	}
	n := &Network{Name: stem(path), Format: Darknet, Path: path, Weights: o.Weights}
	if o.Weights == "" {
		if beside := strings.TrimSuffix(path, filepath.Ext(path)) + ".weights"; exists(beside) {
			n.Weights = beside
		} else if !o.Topology {
			return nil, fmt.Errorf("%s has no weights beside it (%s): name them with --weights", path, filepath.Base(beside))
		}
	}
	if n.Darknet, n.Bytes, err = readDarknet(cfg, n.Weights); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	n.Graph = n.Darknet.Graph
	n.Graph.Name = n.Name
	if o.Width == 0 {
		return n, nil
	}
	if err := n.Graph.Resize(o.Height, o.Width); err != nil {
		return nil, fmt.Errorf("%s at %dx%d: %w", path, o.Width, o.Height, err)
	}
	return n, nil
}

// readDarknet reads weights from a file, or zeros.
func readDarknet(cfg []byte, weights string) (*darknet.File, int64, error) {
	if weights == "" {
		net, err := darknet.Inspect(cfg)
		if err != nil {
			return nil, 0, err
		}
		size := net.WeightsBytes()
		f, err := darknet.Read(cfg, io.LimitReader(&zeros{}, size), size)
		return f, size, err
	}
	in, err := regular.Open(weights)
	if err != nil {
		return nil, 0, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, 0, err
	}
	f, err := darknet.Read(cfg, in, info.Size())
	if err != nil {
		err = fmt.Errorf("%s: %w", weights, err)
	}
	return f, info.Size(), err
}

// zeros is a weights file in which every number is zero. Its header says version
// 0.2.0.
type zeros struct{ at int }

func (z *zeros) Read(p []byte) (int, error) {
	clear(p)
	if minor := 4 - z.at; minor >= 0 && minor < len(p) {
		p[minor] = 2
	}
	z.at = min(z.at+len(p), 1<<20)
	return len(p), nil
}

func loadONNX(path string, o Options) (*Network, error) {
	if o.Weights != "" {
		return nil, fmt.Errorf("%s holds its own weights: leave out --weights", path)
	}
	data, err := read(path, MaxBytes)
	if err != nil {
		return nil, err
	}
	read := onnx.ReadOptions{Dims: o.Dims}
	if o.Width != 0 {
		if read.Inputs, err = picture(data, o.Width, o.Height); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	g, err := onnx.Read(data, read)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	n := &Network{Graph: g, Name: stem(path), Format: ONNX, Path: path, Bytes: int64(len(data))}
	if g.Name == "" {
		g.Name = n.Name
	}
	return n, nil
}

// picture is the shape of a model's one input at another size.
func picture(data []byte, width, height int) (map[string]model.Shape, error) {
	info, err := onnx.Inspect(data)
	if err != nil {
		return nil, err
	}
	in, err := info.Picture(width, height)
	if err != nil {
		return nil, err
	}
	return map[string]model.Shape{in.Name: {1, 3, height, width}}, nil
}

func read(path string, limit int64) ([]byte, error) {
	in, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes, more than the limit of %d", path, info.Size(), limit)
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(in, data); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

func stem(path string) string {
	name := filepath.Base(path)
	return strings.TrimSuffix(name, filepath.Ext(name))
}
