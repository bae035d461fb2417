// Package engine opens a described network on the engine that a configuration
// names.
//
// Invariants:
//   - A file is read once: the bytes whose length and hash were checked are the
//     bytes that are validated and run.
//   - The engine that is asked for is the one that runs; only "auto" chooses.
package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"dashline/infer"
	"dashline/infer/opencv"
	"dashline/infer/ort"
	"dashline/internal/regular"
	"dashline/model/catalog"
	"dashline/model/darknet"
	"dashline/model/onnx"
)

// The engines.
const (
	Auto   = "auto"   // ort on the CPU where its library is installed, else opencv
	OpenCV = "opencv" // darknet and ONNX
	ORT    = "ort"    // ONNX, and darknet as ONNX, which is made while it is opened
)

// MaxFile bounds a file of a network whose description does not give its length.
const MaxFile = 1 << 30

// Open reads the files of d, holds them against the description and opens them
// on the engine ("" means auto). Files are looked for as [catalog.Network.Locate]
// says. The caller closes the network.
func Open(d *catalog.Network, engine string, o infer.Options) (infer.Network, error) {
	fail := func(err error) (infer.Network, error) {
		return nil, &infer.Error{Op: "open", Network: d.Name, Err: err}
	}
	engine, err := choose(d.Format, engine, o.Backend)
	if err != nil {
		return fail(err)
	}
	found, err := d.Locate()
	if err != nil {
		return fail(err)
	}
	var files [2][]byte
	for i, role := range roles(d.Format) {
		if files[i], err = read(found, role); err != nil {
			return fail(err)
		}
	}
	if engine == ORT {
		graph, begun := files[0], time.Now()
		if d.Format == "darknet" {
			if graph, err = converted(files[0], files[1], d.Input); err != nil {
				return fail(err)
			}
		}
		return ort.Open(ort.Model{Name: d.Name, Graph: graph, Width: d.Input.Width, Height: d.Input.Height, Begun: begun}, o)
	}
	return opencv.Open(opencv.Model{
		Name: d.Name, Format: d.Format, Graph: files[0], Weights: files[1], Width: d.Input.Width, Height: d.Input.Height,
	}, o)
}

// converted is a darknet network as ONNX, whose outputs are what OpenCV makes of the
// darknet files. ONNX Runtime takes about half of the time for it.
func converted(cfg, weights []byte, in catalog.Input) ([]byte, error) {
	f, err := darknet.Read(cfg, bytes.NewReader(weights), int64(len(weights)))
	if err != nil {
		return nil, err
	}
	if err := f.Graph.Resize(in.Height, in.Width); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = onnx.Write(&b, f.Graph, onnx.Options{Fold: true, Decode: true})
	return b.Bytes(), err
}

// choose settles the engine for a format.
func choose(format, engine string, backend infer.Backend) (string, error) {
	if format != "darknet" && format != "onnx" {
		return "", fmt.Errorf("unknown format %q: use darknet or onnx", format)
	}
	switch engine {
	case OpenCV:
		return OpenCV, nil
	case ORT:
		return ORT, nil
	case Auto, "":
		if backend != "" && backend != infer.CPU { // which ort does not have
			return OpenCV, nil
		}
		_, err := ort.Library()
		if errors.Is(err, ort.ErrNoLibrary) {
			return OpenCV, nil
		}
		return ORT, err
	}
	return "", fmt.Errorf("unknown engine %q: use %s, %s or %s", engine, Auto, OpenCV, ORT)
}

// roles are the files of a format, graph first.
func roles(format string) []string {
	if format == "darknet" {
		return []string{"config", "weights"}
	}
	return []string{"model"}
}

// read returns the bytes of a file that are those of the description.
func read(d catalog.Network, role string) ([]byte, error) {
	if _, ok := d.File(role); !ok {
		return nil, fmt.Errorf("the description names no file of role %q", role)
	}
	path := d.Path(role)
	in, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > MaxFile {
		return nil, fmt.Errorf("%s has %d bytes, more than the limit of %d", path, info.Size(), MaxFile)
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(in, data); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, d.Check(role, path, bytes.NewReader(data), info.Size())
}
