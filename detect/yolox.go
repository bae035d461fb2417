package detect

import (
	"fmt"
	"math"

	"dashline/infer"
	"dashline/model/catalog"
)

func newYOLOX(d *catalog.Network, info infer.Info) (decoder, error) {
	grid, err := levels(d)
	if err != nil {
		return nil, err
	}
	classes, cells := len(d.Classes), 0
	for _, l := range grid {
		cells += l.cells()
	}
	want := fmt.Sprintf("one output 1x%dx%d (cells of strides %v on %dx%d; box 4, objectness 1, classes %d)",
		cells, 5+classes, d.Decode.Strides, d.Input.Width, d.Input.Height, classes)
	if len(info.Outputs) != 1 {
		return nil, mismatch(d, info, want, "correct decode.kind in the description")
	}
	if rows, cols, ok := matrix(info.Outputs[0]); !ok || rows != cells || cols != 5+classes {
		return nil, mismatch(d, info, want, "correct classes, decode.strides or decode.kind in the description")
	}
	return func(outputs [][]float32, score float32, dst []candidate) []candidate {
		return yolox(outputs[0], classes, grid, score, dst)
	}, nil
}

// yolox decodes rows dx dy dw dh obj c0..cN, one a cell, level after level and
// row by row: centre = (d + cell) x stride, size = exp(d) x stride, score =
// objectness x class (Ge et al., "YOLOX: Exceeding YOLO Series in 2021",
// arXiv:2107.08430, and its demo's decoding).
func yolox(rows []float32, classes int, grid []level, score float32, dst []candidate) []candidate {
	index, cols := 0, 5+classes
	for _, l := range grid {
		stride := float32(l.stride)
		for cell := range l.cells() {
			if len(rows) < cols {
				return dst
			}
			row := rows[:cols]
			rows = rows[cols:]
			index++
			// A class probability is at most 1, so no class beats the objectness.
			if !(row[4] > score) {
				continue
			}
			class, s := best(row[5:])
			cx := (row[0] + float32(cell%l.cols)) * stride
			cy := (row[1] + float32(cell/l.cols)) * stride
			hw, hh := exp(row[2])*stride/2, exp(row[3])*stride/2
			dst = accept(candidate{
				x0: cx - hw, y0: cy - hh, x1: cx + hw, y1: cy + hh,
				score: s * row[4], class: int32(class), index: int32(index - 1),
			}, score, dst)
		}
	}
	return dst
}

func exp(v float32) float32 { return float32(math.Exp(float64(v))) }
