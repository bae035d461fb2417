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
// of the description where there is one.
func (n *Net) SaveONNX(base string, g *model.Graph, o onnx.Options, summary string) (string, error) {
	err := whole(base+".onnx", func(w io.Writer) error { return onnx.Write(w, g, o) })
	if err != nil {
		return "", fmt.Errorf("write network %s.onnx: %w", base, err)
	}
	if n.Described == nil || !o.Decode && n.Darknet != nil {
		return base + ".onnx", nil // nothing here reads raw heads
	}
	return n.describe(base, "onnx", summary, catalog.File{Role: "model", Path: filepath.Base(base) + ".onnx"})
}

// SaveDarknet writes g, the network that n was read as or that with fewer
// channels, as base.cfg and base.weights, and describes it like SaveONNX.
func (n *Net) SaveDarknet(base string, g *model.Graph, summary string) (string, error) {
	if n.Darknet == nil {
		return "", fmt.Errorf("write network %s.cfg: it was no darknet network", base)
	}
	f := *n.Darknet
	f.Graph = g
	err := whole(base+".cfg", func(cfg io.Writer) error {
		return whole(base+".weights", func(weights io.Writer) error { return f.Write(cfg, weights) })
	})
	if err != nil {
		return "", fmt.Errorf("write network %s.cfg: %w", base, err)
	}
	if n.Described == nil {
		return base + ".cfg", nil
	}
	name := filepath.Base(base)
	return n.describe(base, "darknet", summary, catalog.File{Role: "config", Path: name + ".cfg"}, catalog.File{Role: "weights", Path: name + ".weights"})
}

func (n *Net) describe(base, format, summary string, files ...catalog.File) (string, error) {
	d := *n.Described
	d.Name, d.Summary, d.Format, d.Files = Slug(filepath.Base(base)), summary, format, files
	if d.Source != "" {
		d.Source = "made of " + n.Described.Name + " (" + strings.TrimPrefix(n.Described.Source, "made of ") + ")"
	}
	return base + ".yaml", catalog.Save(base+".yaml", d)
}

var notInNames = regexp.MustCompile(`[^a-z0-9._-]+`)

// Slug is a text as a network's name.
func Slug(s string) string {
	s = strings.Trim(notInNames.ReplaceAllString(strings.ToLower(s), "-"), "-.")
	return s[:min(len(s), 64)]
}

// whole replaces a file whole or not at all.
func whole(path string, write func(io.Writer) error) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(path), ".network-*")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name()) // of what was renamed nothing is left
	w := bufio.NewWriterSize(part, 1<<20)
	err = write(w)
	err = errors.Join(err, w.Flush(), part.Chmod(0o644), part.Close())
	if err != nil {
		return err
	}
	return os.Rename(part.Name(), path)
}

// Write replaces a file whole or not at all.
func Write(path string, write func(io.Writer) error) error { return whole(path, write) }

// Replace replaces a file with data whole or not at all.
func Replace(path string, data []byte) error {
	return whole(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}
