package darknet

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"dashline/model"
)

// File is a network and what darknet's files hold besides it.
//
// Layers are named by kind and darknet's number: conv12, shortcut15, yolo23; the
// input is "input". A route of one layer is an Identity, or with groups a Slice;
// one of several is a Concat, with groups of Slices that are named route12.0,
// route12.1 and so on. Outputs are the yolo layers in order; where there are
// none, the last layer.
type File struct {
	Graph  *model.Graph
	Header Header

	text []byte // the cfg that it was read from; nil: there is none
}

// chunk is how much of the weights is in memory in the form of the file.
const chunk = 1 << 16

// Read reads a network. size is the length of weights in bytes, as the file
// system has it; memory is taken only after it proved to be what the cfg needs,
// and stays near it. Errors are [*Error], or wrap that of the reader.
func Read(cfg []byte, weights io.Reader, size int64) (*File, error) {
	net, parts, err := parse(cfg, 0, 0)
	if err != nil {
		return nil, err
	}
	if err := net.computable(parts); err != nil {
		return nil, err
	}
	r := bufio.NewReaderSize(weights, chunk)
	start, err := r.Peek(headerLook)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("weights: reading the header: %w", err)
	}
	header, length, err := readHeader(start)
	if err != nil {
		return nil, err
	}
	if err := net.fits(length, size); err != nil {
		return nil, err
	}
	g, at, err := net.graph()
	if err != nil {
		return nil, err
	}
	if _, err := r.Discard(length); err != nil {
		return nil, fmt.Errorf("weights: reading the header: %w", err)
	}
	for i := range net.Layers {
		if err := net.Layers[i].read(r, i, g.Layers[at[i]].Op); err != nil {
			return nil, err
		}
	}
	if _, err := r.ReadByte(); err == nil {
		return nil, bad("go on after the %s bytes that they were said to have: the file changed while it was read, read it again",
			thousands(size))
	} else if !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("weights: reading their end: %w", err)
	}
	if err := g.Validate(); err != nil {
		return nil, err
	}
	return &File{Graph: g, Header: header, text: bytes.Clone(cfg)}, nil
}

// read fills the weights of layer i.
func (l *Layer) read(r *bufio.Reader, i int, op model.Op) error {
	for _, t := range l.tensors() {
		values := make([]float32, t.count)
		*held(op.(*model.Conv), t.name) = values
		for first := 0; first < len(values); {
			n := min(len(values)-first, chunk/4)
			data, err := r.Peek(4 * n)
			if errors.Is(err, io.EOF) {
				return l.named(bad("%s ends after %d of %d numbers: the file is shorter than it was said to be, read it again",
					t.name, first+len(data)/4, t.count), i)
			}
			if err != nil {
				return fmt.Errorf("weights: reading layer %d (%s): %w", i, l.Name(), err)
			}
			if err := t.finite(data, first); err != nil {
				return l.named(err, i)
			}
			for k := range n {
				values[first+k] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*k:]))
			}
			first += n
			if _, err := r.Discard(4 * n); err != nil {
				return fmt.Errorf("weights: reading layer %d (%s): %w", i, l.Name(), err)
			}
		}
	}
	return nil
}

// held is where a convolution keeps the tensor of that name. With batch
// normalisation, what darknet calls the bias is its shift.
func held(o *model.Conv, name string) *[]float32 {
	switch {
	case name == "weight":
		return &o.Weight
	case name == "bias" && o.Norm == nil:
		return &o.Bias
	case name == "bias":
		return &o.Norm.Shift
	case name == "scale":
		return &o.Norm.Scale
	case name == "mean":
		return &o.Norm.Mean
	}
	return &o.Norm.Variance
}
