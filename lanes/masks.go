package lanes

import (
	"fmt"
	"math"
	"strings"

	"dashline/infer"
	"dashline/model/catalog"
)

// head is one output of two planes, background and foreground, and the part of
// it that shows the picture.
type head struct {
	output     int // index into the network's outputs
	plane      int // elements of one plane
	skip, rows int // rows of border above, rows of picture
	width      int
}

// heads finds the drivable-area and the lane-line output of a network: by name
// where it gives "da" and "ll" (or longer names that say so), else the
// drivable area is first, as TwinLiteNet's authors order them.
func heads(in infer.Info, d *catalog.Network) (drivable, lane head, err error) {
	if n := len(in.Outputs); n != 2 {
		return head{}, head{}, fmt.Errorf("network %s has %d outputs, a lane network has 2 (drivable area and lane lines): check its description's decode kind", d.Name, n)
	}
	first, second := 0, 1
	if isLane(in.Outputs[0].Name) && !isLane(in.Outputs[1].Name) || isDrivable(in.Outputs[1].Name) && !isDrivable(in.Outputs[0].Name) {
		first, second = 1, 0
	}
	if drivable, err = newHead(in, first, d); err != nil {
		return head{}, head{}, err
	}
	if lane, err = newHead(in, second, d); err != nil {
		return head{}, head{}, err
	}
	if drivable.rows != lane.rows || drivable.width != lane.width {
		return head{}, head{}, fmt.Errorf("network %s: its drivable mask is %dx%d and its lane mask %dx%d: they must be alike",
			d.Name, drivable.width, drivable.rows, lane.width, lane.rows)
	}
	return drivable, lane, nil
}

func isLane(name string) bool {
	name = strings.ToLower(name)
	return name == "ll" || strings.Contains(name, "lane") || strings.HasPrefix(name, "ll_")
}

func isDrivable(name string) bool {
	name = strings.ToLower(name)
	return name == "da" || strings.Contains(name, "driv") || strings.HasPrefix(name, "da_")
}

func newHead(in infer.Info, output int, d *catalog.Network) (head, error) {
	const maxSide = 4096
	t := in.Outputs[output]
	s := t.Shape
	bad := func(why string) (head, error) {
		return head{}, fmt.Errorf("network %s: output %q has shape %v, %s: want 1x2xHxW with the input's %dx%d or without its %d border rows",
			d.Name, t.Name, s, why, d.Input.Width, d.Input.Height, d.Input.PadRows)
	}
	if len(s) != 4 || s[0] != 1 || s[1] != 2 {
		return bad("which is not two masks")
	}
	if s[2] < 1 || s[3] < 1 || s[2] > maxSide || s[3] > maxSide {
		return bad("which is no size for a mask")
	}
	h := head{output: output, plane: s[2] * s[3], rows: s[2], width: s[3]}
	picture := d.Input.Height - 2*d.Input.PadRows
	switch {
	case d.Input.PadRows < 0 || picture < 1 || s[3] != d.Input.Width:
		return bad("which does not fit the described input")
	case s[2] == d.Input.Height:
		h.skip, h.rows = d.Input.PadRows, picture
	case s[2] != picture:
		return bad("which does not fit the described input")
	}
	return h, nil
}

// planes returns background and foreground of the picture's part of an output.
func (h head) planes(outputs [][]float32) (background, foreground []float32) {
	out := outputs[h.output]
	from, to := h.skip*h.width, (h.skip+h.rows)*h.width
	return out[from:to], out[h.plane+from : h.plane+to]
}

// mask sets dst to 1 where the foreground wins, else to 0.
func (h head) mask(outputs [][]float32, dst []uint8) {
	background, foreground := h.planes(outputs)
	foreground, dst = foreground[:len(background)], dst[:len(background)]
	for i, b := range background {
		var set uint8
		if foreground[i] > b {
			set = 1
		}
		dst[i] = set
	}
}

// probability is the softmax of the two planes at the mask's pixel (x, y),
// which is moved to the nearest pixel inside.
func (h head) probability(background, foreground []float32, x, y float64) float64 {
	col := min(h.width-1, max(0, int(x)))
	row := min(h.rows-1, max(0, int(y)))
	i := row*h.width + col
	p := 1 / (1 + math.Exp(float64(background[i]-foreground[i])))
	if math.IsNaN(p) {
		return 0
	}
	return p
}
