package ap

import (
	"cmp"
	"slices"
)

// VOC is the average precision of one class by the rule of PASCAL VOC 2010 and
// later: the area under the curve of precision over recall, every point of it.
// A detection is right where the truth that it overlaps most does so by iou or
// more and is not taken yet; boxes cover whole pixels, as VOC's do, so a box from
// column 3 to column 5 is three wide. Crowd regions are left out. It is -1 where
// there is no truth.
func VOC(images []Image, class int, iou float64) float64 {
	type found struct {
		image int
		Detection
	}
	var all []found
	truth := make([][]Box, len(images))
	taken := make([][]bool, len(images))
	positives := 0
	for i, img := range images {
		for _, t := range img.Truth {
			if t.Class == class && !t.Crowd {
				truth[i] = append(truth[i], t.Box)
			}
		}
		taken[i] = make([]bool, len(truth[i]))
		positives += len(truth[i])
		for _, d := range img.Found {
			if d.Class == class {
				all = append(all, found{i, d})
			}
		}
	}
	if positives == 0 {
		return -1
	}
	slices.SortStableFunc(all, func(a, b found) int { return cmp.Compare(b.Score, a.Score) })
	var curve []point
	right := 0
	for n, d := range all {
		at, most := -1, 0.0
		for g, t := range truth[d.image] {
			if v := pixelOverlap(d.Box, t); v > most {
				at, most = g, v
			}
		}
		if at >= 0 && most >= iou && !taken[d.image][at] {
			taken[d.image][at] = true
			right++
			curve = append(curve, point{float64(right) / float64(positives), float64(right) / float64(n+1)})
		}
	}
	area, top := 0.0, 0.0
	for i := len(curve) - 1; i >= 0; i-- {
		top = max(top, curve[i].precision)
		area += top / float64(positives)
	}
	return area
}

// pixelOverlap is the intersection over union of boxes that cover whole pixels.
func pixelOverlap(a, b Box) float64 {
	w := min(a.X+a.W, b.X+b.W) - max(a.X, b.X) + 1
	h := min(a.Y+a.H, b.Y+b.H) - max(a.Y, b.Y) + 1
	if w <= 0 || h <= 0 {
		return 0
	}
	return w * h / ((a.W+1)*(a.H+1) + (b.W+1)*(b.H+1) - w*h)
}
