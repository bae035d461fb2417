// Package netfile reads a network's files into the graph that costs are counted
// on and that is shrunk, and writes a network with its description, so that
// every command that takes or makes a network does it alike.
//
// Invariants:
//   - The files of a described network are those of its description, checked by
//     length and hash where it has them, also when one is named itself and the
//     description beside it is of this file.
//   - The graph has the input size of the description.
//   - What is written is described beside it and runs wherever the name of a
//     network is taken.
//   - No file of a network is replaced before all are written whole and it is sure
//     that they can be described. The description comes last: its hashes tell of a
//     replacement that was cut short.
package netfile

import (
	"bytes"
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

// MaxFile bounds a network's file, bytes.
const MaxFile = 1<<31 - 1

// Net is a network as data.
type Net struct {
	Graph *model.Graph
	// Darknet is the file that Graph is of; nil: it came from elsewhere.
	Darknet *darknet.File
	// Described is the description; nil: the files were named themselves and none
	// lies beside them.
	Described *catalog.Network
	Files     []string // that were read
	Bytes     int64    // of weights, or of the ONNX file
}

// ErrDims says that sizes of dimensions were given for a network that is no ONNX
// file.
var ErrDims = errors.New("sizes of dimensions are for an .onnx: leave them out, or give a width and a height")

// ErrSized says that sizes of dimensions were given for a network whose input has
// its shape from a width and a height, which would leave them without effect.
var ErrSized = errors.New("its input has its whole shape from a width and a height: leave sizes of dimensions out")

// Options say what the files of a network leave open.
type Options struct {
	// Topology takes a cfg whose weights are not there: they are then zero.
	Topology bool
	Weights  string // of a cfg that is named itself; "": those beside it
	// Width and Height are those of the input, pixels, both, instead of the
	// description's or the file's own; 0: those.
	Width, Height int
	// Dims are sizes of dimensions that an ONNX file only names; of other files, and
	// where the input has a width and a height, there may be none.
	Dims map[string]int
}

// Load reads a network: the name of a described one, a description (.yaml), a
// darknet cfg with its weights beside it, or an ONNX file. A description of the same name
// beside a file is taken, too. A cfg without weights is a topology: its weights
// are zero; that has to be allowed.
//
// Errors wrap a [*catalog.MismatchError] where a file is not the one that is
// described.
func Load(ref string, topology bool) (*Net, error) {
	return LoadWith(ref, Options{Topology: topology})
}

// LoadWith is Load with more said.
func LoadWith(ref string, o Options) (*Net, error) {
	ext := strings.ToLower(filepath.Ext(ref))
	if (o.Width == 0) != (o.Height == 0) || o.Width < 0 || o.Height < 0 {
		return nil, fmt.Errorf("open network %s at %dx%d: give width and height, both above 0, or neither", ref, o.Width, o.Height)
	}
	if o.Weights != "" && ext != ".cfg" {
		return nil, fmt.Errorf("open network %s: weights of their own (%s) are for a .cfg: leave them out", ref, o.Weights)
	}
	switch ext {
	case ".cfg", ".onnx":
		n := &Net{}
		if d, err := catalog.Load(stem(ref) + ".yaml"); err == nil {
			n.Described = &d
			o.size(&d)
		} else if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		if ext == ".onnx" {
			return n, n.onnx(ref, o)
		}
		if o.Weights == "" {
			o.Weights = stem(ref) + ".weights"
		} else {
			o.Topology = false
		}
		return n, n.darknet(ref, o)
	case ".weights":
		return nil, fmt.Errorf("open network %s: these are weights: name the cfg beside them", ref)
	}
	d, err := catalog.Resolve(ref)
	if missing, ok := errors.AsType[*catalog.MissingError](err); ok && o.Topology && d.Format == "darknet" && withConfig(&d, missing.Dirs) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	n := &Net{Described: &d}
	o.size(&d)
	if d.Format == "onnx" {
		return n, n.onnx(d.Path("model"), o)
	}
	o.Weights = d.Path("weights")
	return n, n.darknet(d.Path("config"), o)
}

// size is that of the description where no other is asked for.
func (o *Options) size(d *catalog.Network) {
	if o.Width == 0 {
		o.Width, o.Height = d.Input.Width, d.Input.Height
	}
}

// withConfig sets the folder of a description whose weights are missing to the
// first that has its cfg.
func withConfig(d *catalog.Network, dirs []string) bool {
	for _, d.Dir = range dirs {
		if info, err := os.Stat(d.Path("config")); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	d.Dir = ""
	return false
}

// Detector is Load for a network whose description is needed to feed it.
func Detector(ref string) (*Net, error) {
	n, err := Load(ref, false)
	if err != nil {
		return nil, err
	}
	if n.Described == nil {
		return nil, fmt.Errorf("network %s has no description: put one beside it, %s, that says how pictures are prepared for it (docs/networks.md)", ref, stem(ref)+".yaml")
	}
	if n.Described.Task != "detect" {
		return nil, fmt.Errorf("network %s is for %s: this is for detectors", ref, n.Described.Task)
	}
	return n, nil
}

func stem(path string) string { return strings.TrimSuffix(path, filepath.Ext(path)) }

func (n *Net) onnx(path string, o Options) error {
	data, err := read(path)
	if err != nil {
		return err
	}
	if err := n.check("model", path, bytes.NewReader(data), int64(len(data))); err != nil {
		return err
	}
	how := onnx.ReadOptions{Dims: o.Dims}
	if how.Inputs, err = o.picture(data); err != nil {
		return fmt.Errorf("open network %s: %w", path, err)
	}
	if n.Graph, err = onnx.Read(data, how); err != nil {
		return fmt.Errorf("open network %s: %w", path, err)
	}
	n.Files, n.Bytes = []string{path}, int64(len(data))
	return nil
}

// picture is the shape of the one input of a model at the size that is asked for.
func (o Options) picture(data []byte) (map[string]model.Shape, error) {
	if o.Width == 0 {
		return nil, nil
	}
	if len(o.Dims) > 0 {
		return nil, ErrSized
	}
	info, err := onnx.Inspect(data)
	if err != nil {
		return nil, err
	}
	in, err := info.Picture(o.Width, o.Height)
	if err != nil {
		return nil, err
	}
	return map[string]model.Shape{in.Name: {1, 3, o.Height, o.Width}}, nil
}

func (n *Net) darknet(cfg string, o Options) error {
	if len(o.Dims) > 0 {
		return fmt.Errorf("open network %s: %w", cfg, ErrDims)
	}
	text, err := read(cfg)
	if err != nil {
		return err
	}
	if err := n.check("config", cfg, bytes.NewReader(text), int64(len(text))); err != nil {
		return err
	}
	var from io.Reader
	size, err := darknet.Inspect(text)
	if err != nil {
		return fmt.Errorf("open network %s: %w", cfg, err)
	}
	n.Files, n.Bytes = []string{cfg}, size.WeightsBytes()
	length := n.Bytes
	f, err := regular.Open(o.Weights)
	switch {
	case err == nil:
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if err := n.check("weights", o.Weights, f, info.Size()); err != nil {
			return err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		from, length, n.Bytes = f, info.Size(), info.Size()
		n.Files = append(n.Files, o.Weights)
	case o.Topology && errors.Is(err, os.ErrNotExist):
		header := []byte{0, 0, 0, 0, 2} // version 0.2
		from = io.LimitReader(io.MultiReader(bytes.NewReader(header), zeros{}), length)
	default:
		return fmt.Errorf("open network %s: %w", cfg, err)
	}
	if n.Darknet, err = darknet.Read(text, from, length); err != nil {
		return fmt.Errorf("open network %s: %w", cfg, err)
	}
	n.Graph = n.Darknet.Graph
	if o.Width == 0 {
		return nil
	}
	if err := n.Graph.Resize(o.Height, o.Width); err != nil {
		return fmt.Errorf("open network %s at %dx%d: %w", cfg, o.Width, o.Height, err)
	}
	return nil
}

// check holds a file against the description. One that is not the description's
// own is not described: weights that were named beside it, or a file of its name in
// another format.
func (n *Net) check(role, path string, in io.Reader, length int64) error {
	d := n.Described
	if d == nil || filepath.Clean(path) != d.Path(role) {
		return nil
	}
	if err := d.Check(role, path, in, length); err != nil {
		return fmt.Errorf("open network %s: %w", d.Name, err)
	}
	return nil
}

// zeros are weights of a network that has none.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func read(path string) ([]byte, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open network: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > MaxFile {
		return nil, fmt.Errorf("open network %s: it has %d bytes, more than the limit of %d", path, info.Size(), MaxFile)
	}
	data := make([]byte, info.Size())
	_, err = io.ReadFull(f, data)
	return data, err
}
