package detect

import (
	"fmt"
	"slices"
	"strings"

	"dashline/infer"
	"dashline/model/catalog"
)

// candidate is a box that a decoder read from a network's output, before
// suppression: in pixels of the network's input, not clipped.
type candidate struct {
	x0, y0, x1, y1 float32
	score          float32 // above the threshold, at most 1
	class          int32   // below the number of classes
	index          int32   // row in the network's outputs, counted through all of them
}

// decoder reads the outputs of one forward and appends what scores more than
// the threshold to dst.
type decoder func(outputs [][]float32, score float32, dst []candidate) []candidate

// newDecoder checks that the outputs have the shapes that the description
// promises, so that decoding itself needs no check and cannot fail.
func newDecoder(d *catalog.Network, info infer.Info) (decoder, error) {
	if len(d.Classes) == 0 {
		return nil, mismatch(d, info, "a list of class names", "list them under classes in the description")
	}
	if d.Input.Width <= 0 || d.Input.Height <= 0 {
		return nil, fmt.Errorf("network %s: input %dx%d: give input.width and input.height in pixels", d.Name, d.Input.Width, d.Input.Height)
	}
	want := []int{1, 3, d.Input.Height, d.Input.Width}
	if !slices.Equal(info.Input.Shape, want) {
		return nil, fmt.Errorf("network %s: the description's input is %s and the network's own is %s: correct input.width and input.height",
			d.Name, dims(want), dims(info.Input.Shape))
	}
	switch d.Decode.Kind {
	case "yolo":
		return newYOLO(d, info)
	case "yolox":
		return newYOLOX(d, info)
	case "nanodet":
		return newNanoDet(d, info)
	}
	return nil, fmt.Errorf("network %s: decode kind %q is not a detector's: use yolo, yolox or nanodet", d.Name, d.Decode.Kind)
}

// accept appends c where it is a real box: finite, not empty, and with a
// score above the threshold, which is not negative. A score above 1, which no sound network gives,
// counts as 1.
func accept(c candidate, score float32, dst []candidate) []candidate {
	if !(c.score > score) || !finite(c.score) {
		return dst
	}
	if !finite(c.x0) || !finite(c.y0) || !finite(c.x1) || !finite(c.y1) {
		return dst
	}
	if c.x1 <= c.x0 || c.y1 <= c.y0 {
		return dst
	}
	c.score = min(c.score, 1)
	return append(dst, c)
}

func finite(v float32) bool { return v-v == 0 }

// best returns the class with the greatest positive score, the first of
// equals. Where there is none (NaN is never greater) it is -1 with a score of 0,
// which accept refuses.
func best(scores []float32) (class int, score float32) {
	class = -1
	for i, s := range scores {
		if s > score {
			class, score = i, s
		}
	}
	return class, score
}

// level is the grid of one stride over the input.
type level struct{ stride, cols, rows int }

func (l level) cells() int { return l.cols * l.rows }

// levels are the grids of a description's strides. A grid is rounded up where
// the stride does not divide the input, as padded convolutions do.
func levels(d *catalog.Network) ([]level, error) {
	if len(d.Decode.Strides) == 0 {
		return nil, fmt.Errorf("network %s: decode %s needs decode.strides, for example [8, 16, 32]", d.Name, d.Decode.Kind)
	}
	var out []level
	for _, s := range d.Decode.Strides {
		if s <= 0 || s > max(d.Input.Width, d.Input.Height) {
			return nil, fmt.Errorf("network %s: decode.strides %v: a stride is 1 to the input's size (%dx%d)",
				d.Name, d.Decode.Strides, d.Input.Width, d.Input.Height)
		}
		out = append(out, level{stride: s, cols: (d.Input.Width + s - 1) / s, rows: (d.Input.Height + s - 1) / s})
	}
	return out, nil
}

// matrix reads a shape as rows x columns: two dimensions after any leading 1s.
func matrix(t infer.Tensor) (rows, cols int, ok bool) {
	s := t.Shape
	for len(s) > 2 && s[0] == 1 {
		s = s[1:]
	}
	if len(s) != 2 || s[0] <= 0 || s[1] <= 0 {
		return 0, 0, false
	}
	return s[0], s[1], true
}

func mismatch(d *catalog.Network, info infer.Info, want, mend string) error {
	var have []string
	for _, t := range info.Outputs {
		have = append(have, t.Name+" "+dims(t.Shape))
	}
	if len(have) == 0 {
		have = []string{"no outputs"}
	}
	return fmt.Errorf("network %s: decode %s wants %s; the network has %s: %s", d.Name, d.Decode.Kind, want, strings.Join(have, ", "), mend)
}

func dims(shape []int) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(shape), "[]"), " ", "x")
}
