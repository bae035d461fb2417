package track

import (
	"math"

	"dashline/pipeline/msg"
)

// rect is a box in float64, so that hostile coordinates cannot overflow its area.
type rect struct{ x0, y0, x1, y1 float64 }

func (r rect) area() float64 { return max(0, r.x1-r.x0) * max(0, r.y1-r.y0) }

// iou is intersection over union, 0 to 1; 0 where neither has an area.
func (r rect) iou(o rect) float64 {
	both := rect{max(r.x0, o.x0), max(r.y0, o.y0), min(r.x1, o.x1), min(r.y1, o.y1)}.area()
	if both <= 0 {
		return 0
	}
	return both / (r.area() + o.area() - both)
}

// clip is r within a frame; it has no area where r is outside.
func (r rect) clip(width, height float64) rect {
	in := func(v, most float64) float64 { return min(max(v, 0), most) }
	return rect{in(r.x0, width), in(r.y0, height), in(r.x1, width), in(r.y1, height)}
}

func (r rect) box() msg.Box {
	return msg.Box{X0: float32(r.x0), Y0: float32(r.y0), X1: float32(r.x1), Y1: float32(r.y1)}
}

// visible says whether r is at least a pixel wide and high.
func (r rect) visible() bool { return r.x1-r.x0 >= 1 && r.y1-r.y0 >= 1 }

// measured is what a detection says: its box within the frame. It is false for
// what no track can be made of: coordinates that are no numbers, and boxes that
// are thinner than a pixel.
func measured(d *msg.Detection, width, height float64) (rect, bool) {
	r := rect{float64(d.Box.X0), float64(d.Box.Y0), float64(d.Box.X1), float64(d.Box.Y1)}
	for _, v := range [...]float64{r.x0, r.y0, r.x1, r.y1} {
		if math.IsInf(v, 0) {
			return r, false
		}
	}
	r = r.clip(width, height)
	return r, r.visible() // which NaN is not
}
