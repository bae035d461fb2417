package detect

import (
	"fmt"

	"dashline/infer"
	"dashline/model/catalog"
)

// newYOLO is for networks that end in darknet's [yolo] layers as OpenCV runs
// them (YOLOv3, tiny, spp, Yolo-Fastest, MobileNet-YOLOv3): one output a head.
func newYOLO(d *catalog.Network, info infer.Info) (decoder, error) {
	classes := len(d.Classes)
	want := fmt.Sprintf("rows of %d columns (box 4, objectness 1, classes %d)", 5+classes, classes)
	for _, t := range info.Outputs {
		if _, cols, ok := matrix(t); !ok || cols != 5+classes {
			return nil, mismatch(d, info, want, "correct classes or decode.kind in the description")
		}
	}
	if len(info.Outputs) == 0 {
		return nil, mismatch(d, info, want, "correct decode.kind in the description")
	}
	w, h := float32(d.Input.Width), float32(d.Input.Height)
	return func(outputs [][]float32, score float32, dst []candidate) []candidate {
		index := 0
		for _, rows := range outputs {
			dst = yolo(rows, classes, w, h, score, index, dst)
			index += len(rows) / (5 + classes)
		}
		return dst
	}, nil
}

// yolo decodes one head: rows cx cy w h obj c0..cN, the box normalised to the
// w x h input and the class columns already objectness x class (OpenCV's
// modules/dnn/src/layers/region_layer.cpp). index is that of the first row.
func yolo(rows []float32, classes int, w, h, score float32, index int, dst []candidate) []candidate {
	for cols := 5 + classes; len(rows) >= cols; rows, index = rows[cols:], index+1 {
		row := rows[:cols]
		// A class probability is at most 1, so no class beats the objectness.
		if !(row[4] > score) {
			continue
		}
		class, s := best(row[5:])
		cx, cy, hw, hh := row[0]*w, row[1]*h, row[2]*w/2, row[3]*h/2
		dst = accept(candidate{
			x0: cx - hw, y0: cy - hh, x1: cx + hw, y1: cy + hh,
			score: s, class: int32(class), index: int32(index),
		}, score, dst)
	}
	return dst
}
