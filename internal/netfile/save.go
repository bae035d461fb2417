package netfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"dashline/model"
	"dashline/model/catalog"
	"dashline/model/onnx"
)

// SaveONNX writes g as base.onnx and, where the network is described, base.yaml,
// which says what summary says. It returns the path that stands for the network:
// of the description where there is one. What cannot be described, as by a name
// that is none, is not written.
func (n *Net) SaveONNX(base string, g *model.Graph, o onnx.Options, summary string) (string, error) {
	path := base + ".onnx"
	var d *catalog.Network
	if o.Decode || n.Darknet == nil { // nothing here reads raw heads
		var err error
		if d, err = n.describe(base, "onnx", summary, catalog.File{Role: "model", Path: filepath.Base(path)}); err != nil {
			return "", err
		}
	}
	if err := Write(path, func(w io.Writer) error { return onnx.Write(w, g, o) }); err != nil {
		return "", fmt.Errorf("write network %s: %w", path, err)
	}
	return save(base, path, d)
}

// SaveDarknet writes g, the network that n was read as or that with fewer
// channels, as base.cfg and base.weights, and describes it like SaveONNX.
func (n *Net) SaveDarknet(base string, g *model.Graph, summary string) (string, error) {
	cfg, weights := base+".cfg", base+".weights"
	if n.Darknet == nil {
		return "", fmt.Errorf("write network %s: it was no darknet network", cfg)
	}
	d, err := n.describe(base, "darknet", summary,
		catalog.File{Role: "config", Path: filepath.Base(cfg)}, catalog.File{Role: "weights", Path: filepath.Base(weights)})
	if err != nil {
		return "", err
	}
	f := *n.Darknet
	f.Graph = g
	err = replace([]string{cfg, weights}, func(to []io.Writer) error { return f.Write(to[0], to[1]) })
	if err != nil {
		return "", fmt.Errorf("write network %s: %w", cfg, err)
	}
	return save(base, cfg, d)
}

// describe is the description of what n was made into; nil where n has none.
func (n *Net) describe(base, format, summary string, files ...catalog.File) (*catalog.Network, error) {
	if n.Described == nil {
		return nil, nil
	}
	d := *n.Described
	d.Name, d.Summary, d.Format, d.Files = Slug(filepath.Base(base)), summary, format, files
	d.Accuracy = catalog.Accuracy{} // which nobody has measured of these files
	if d.Source != "" {
		d.Source = "made of " + n.Described.Name + " (" + strings.TrimPrefix(n.Described.Source, "made of ") + ")"
	}
	if err := d.Validate(); err != nil {
		return nil, fmt.Errorf("write network %s: %w", base, err)
	}
	return &d, nil
}

// save writes the description d, unless nil, of files that are there, and returns
// the path that stands for the network.
func save(base, path string, d *catalog.Network) (string, error) {
	if d == nil {
		return path, nil
	}
	return base + ".yaml", catalog.Save(base+".yaml", *d)
}

var (
	notInNames = regexp.MustCompile(`[^a-z0-9._-]+`)
	dots       = regexp.MustCompile(`\.{2,}`) // which would lead out of a folder
)

// Slug is a text as a network's name; "" where no letter or digit of it can be
// in one.
func Slug(s string) string {
	s = notInNames.ReplaceAllString(strings.ToLower(s), "-")
	s = strings.Trim(dots.ReplaceAllString(s, "."), "-._")
	return s[:min(len(s), 64)]
}

// replace replaces files with what write writes to each of them. None is touched
// before all are written whole.
func replace(paths []string, write func(to []io.Writer) error) (err error) {
	var parts []*os.File
	defer func() {
		for _, part := range parts {
			_ = part.Close()           // again, where all went well
			_ = os.Remove(part.Name()) // of what was renamed nothing is left
		}
	}()
	var to []io.Writer
	for _, path := range paths {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		part, err := os.CreateTemp(filepath.Dir(path), ".network-*")
		if err != nil {
			return err
		}
		parts, to = append(parts, part), append(to, bufio.NewWriterSize(part, 1<<20))
	}
	if err := write(to); err != nil {
		return err
	}
	for i, part := range parts {
		if err := errors.Join(to[i].(*bufio.Writer).Flush(), part.Chmod(0o644), part.Close()); err != nil {
			return err
		}
	}
	for i, part := range parts {
		if err := os.Rename(part.Name(), paths[i]); err != nil {
			return err
		}
	}
	return nil
}

// Write replaces a file whole or not at all.
func Write(path string, write func(io.Writer) error) error {
	return replace([]string{path}, func(to []io.Writer) error { return write(to[0]) })
}

// Replace replaces a file with data whole or not at all.
func Replace(path string, data []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}
