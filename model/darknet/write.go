package darknet

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"dashline/model"
)

// New makes a file of a network from elsewhere, which it keeps and does not
// change. Its cfg will be a new one. Errors say which layer darknet has no form
// for.
func New(g *model.Graph) (*File, error) {
	f := &File{Graph: g, Header: Header{Minor: 2}}
	if _, _, err := f.plan(); err != nil {
		return nil, err
	}
	return f, nil
}

// Write writes the network. The cfg is the text that it was read from, in which
// only those options differ that the graph made different: filters, groups and
// group_id, batch_normalize, and the input's width and height. A graph that has
// other layers than the text is refused, before anything is written: [New] makes
// a file without a text of it. Shapes in the graph are set.
func (f *File) Write(cfg, weights io.Writer) error {
	if err := f.Header.check(); err != nil {
		return err
	}
	p, text, err := f.plan()
	if err != nil {
		return err
	}
	if _, err := cfg.Write(text); err != nil {
		return fmt.Errorf("writing the cfg: %w", err)
	}
	if err := p.writeWeights(weights, f.Header); err != nil {
		return fmt.Errorf("writing the weights: %w", err)
	}
	return nil
}

// plan says what is to be written, and has read its own cfg to be sure of it.
func (f *File) plan() (*plan, []byte, error) {
	if err := f.Graph.Validate(); err != nil {
		return nil, nil, err
	}
	p, err := describe(f.Graph)
	if err != nil {
		return nil, nil, err
	}
	text := f.text
	if text == nil {
		text = generate(p.net)
	} else if text, err = patch(text, p.net); err != nil {
		return nil, nil, err
	}
	again, parts, err := parse(text, 0, 0)
	if err == nil {
		err = again.computable(parts)
	}
	if err == nil {
		err = p.net.same(again)
	}
	if err != nil {
		var e *Error
		if f.text == nil && errors.As(err, &e) {
			e.Line = 0 // nobody has seen that text
		}
		return nil, nil, fmt.Errorf("a darknet cfg cannot hold the network: %w", err)
	}
	return p, text, nil
}

func (p *plan) writeWeights(to io.Writer, h Header) error {
	w := bufio.NewWriterSize(to, chunk)
	var head [headerLong]byte
	binary.LittleEndian.PutUint32(head[0:], uint32(h.Major))
	binary.LittleEndian.PutUint32(head[4:], uint32(h.Minor))
	binary.LittleEndian.PutUint32(head[8:], uint32(h.Revision))
	binary.LittleEndian.PutUint64(head[12:], h.Seen)
	if _, err := w.Write(head[:h.length()]); err != nil {
		return err
	}
	for _, layer := range p.tensors {
		for _, values := range layer {
			if err := writeFloats(w, values); err != nil {
				return err
			}
		}
	}
	return w.Flush()
}

func writeFloats(w *bufio.Writer, values []float32) error {
	var data [4096]byte
	for len(values) > 0 {
		n := min(len(values), len(data)/4)
		for i, x := range values[:n] {
			binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(x))
		}
		if _, err := w.Write(data[:4*n]); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}
