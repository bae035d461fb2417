package detect

import (
	"cmp"
	"slices"
)

// maxCandidates bounds what suppression looks at: the best of them. No network
// in use has as many rows; it bounds the time that a broken one can take.
const maxCandidates = 30_000

// nms keeps, greedily from the best score down, each candidate that overlaps
// no kept one of its class by an IoU above the threshold, and at most limit of
// them. It works in place: the result is the front of c, best first, ties by
// class and then by index. The order of c before the call does not matter.
func nms(c []candidate, iou float32, limit int) []candidate {
	if len(c) > maxCandidates {
		slices.SortFunc(c, byScore)
		c = c[:maxCandidates]
	}
	slices.SortFunc(c, byClass)
	kept, first, class := 0, 0, int32(-1) // kept in all; first kept of the class at hand
	for i := range c {
		if c[i].class != class {
			first, class = kept, c[i].class
		}
		if kept-first >= limit || suppressed(&c[i], c[first:kept], iou) {
			continue
		}
		c[kept] = c[i]
		kept++
	}
	c = c[:kept]
	slices.SortFunc(c, byScore)
	return c[:min(kept, limit)]
}

func suppressed(c *candidate, kept []candidate, iou float32) bool {
	for i := range kept {
		if overlap(c, &kept[i]) > float64(iou) {
			return true
		}
	}
	return false
}

func byScore(a, b candidate) int {
	if c := cmp.Compare(b.score, a.score); c != 0 {
		return c
	}
	if c := cmp.Compare(a.class, b.class); c != 0 {
		return c
	}
	return cmp.Compare(a.index, b.index)
}

func byClass(a, b candidate) int {
	if c := cmp.Compare(a.class, b.class); c != 0 {
		return c
	}
	if c := cmp.Compare(b.score, a.score); c != 0 {
		return c
	}
	return cmp.Compare(a.index, b.index)
}

// overlap is the intersection over union. It is computed in float64, where the
// area of no finite float32 box overflows.
func overlap(a, b *candidate) float64 {
	w := float64(min(a.x1, b.x1)) - float64(max(a.x0, b.x0))
	h := float64(min(a.y1, b.y1)) - float64(max(a.y0, b.y0))
	if w <= 0 || h <= 0 {
		return 0
	}
	inter := w * h
	return inter / (a.area() + b.area() - inter)
}

func (c *candidate) area() float64 {
	return (float64(c.x1) - float64(c.x0)) * (float64(c.y1) - float64(c.y0))
}
