package preprocess

import "dashline/model/catalog"

// Transform maps between pixels of a network's input and of the picture it was
// made from. In both the centre of the top-left pixel is (0.5, 0.5), so edges
// map to edges.
type Transform struct {
	Width, Height    int     // of the picture, pixels
	ScaleX, ScaleY   float32 // picture pixels for one input pixel
	OffsetX, OffsetY float32 // where the picture starts in the input, pixels
}

// ToSource maps a point of the input to the picture. It does not clip.
func (t Transform) ToSource(x, y float32) (sx, sy float32) {
	return (x - t.OffsetX) * t.ScaleX, (y - t.OffsetY) * t.ScaleY
}

// ToNetwork maps a point of the picture to the input.
func (t Transform) ToNetwork(sx, sy float32) (x, y float32) {
	return sx/t.ScaleX + t.OffsetX, sy/t.ScaleY + t.OffsetY
}

// fit says how large a picture becomes and where it starts in the input.
func fit(in catalog.Input, width, height int) (w, h, left, top int) {
	switch in.Resize {
	case "pad":
		return in.Width, in.Height - 2*in.PadRows, 0, in.PadRows
	case "letterbox", "letterbox-topleft":
		// The side that fills the input decides; the other is rounded down, as
		// YOLOX does, in integers so that no rounding error costs a row.
		if in.Width*height <= in.Height*width {
			w, h = in.Width, max(1, height*in.Width/width)
		} else {
			w, h = max(1, width*in.Height/height), in.Height
		}
		if in.Resize == "letterbox" {
			left, top = (in.Width-w)/2, (in.Height-h)/2
		}
		return w, h, left, top
	}
	return in.Width, in.Height, 0, 0
}
