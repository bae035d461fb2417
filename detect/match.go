package detect

import "dashline/pipeline/msg"

// IoU is the intersection over union of two boxes, 0 to 1; 0 where either is
// empty.
func IoU(a, b msg.Box) float64 {
	w := float64(min(a.X1, b.X1)) - float64(max(a.X0, b.X0))
	h := float64(min(a.Y1, b.Y1)) - float64(max(a.Y0, b.Y0))
	if !(w > 0 && h > 0) {
		return 0
	}
	area := func(r msg.Box) float64 { return (float64(r.X1) - float64(r.X0)) * (float64(r.Y1) - float64(r.Y0)) }
	return w * h / (area(a) + area(b) - w*h)
}

// Match pairs detections of the same class whose boxes overlap by iou or more,
// one to one: each of want, in order, takes the free one of got that overlaps
// it most. It returns how many pairs it made, so that len(want)-pairs were
// missed and len(got)-pairs are extra. Greedy pairing is exact for lists that
// went through suppression, where no two boxes of a class are alike.
func Match(want, got []msg.Detection, iou float64) (pairs int) {
	used := make([]bool, len(got))
	for _, w := range want {
		at, top := -1, iou
		for i, g := range got {
			if used[i] || g.Class != w.Class {
				continue
			}
			if v := IoU(w.Box, g.Box); v >= top {
				at, top = i, v
			}
		}
		if at >= 0 {
			used[at] = true
			pairs++
		}
	}
	return pairs
}
