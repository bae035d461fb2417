package lanes

import (
	"bytes"
	"math"
	"slices"
)

// Limits of the drivable area.
const (
	maxCorners   = 64        // of the polygon
	maxContour   = 4096      // corners of the contour that are looked at
	minAreaShare = 1.0 / 500 // of the mask: less is a speck
	tolerance    = 1.5       // pixels of the mask that the polygon may be off, corners permitting
)

// corner is a lattice point between pixels, (0, 0) being the top-left corner of
// the mask.
type corner struct{ x, y int32 }

// areaFinder outlines the drivable area. Its memory is reused.
type areaFinder struct {
	runs    runs
	size    []int32 // pixels of a component, at its root
	part    []uint8 // mask of the chosen component
	contour []corner
	spans   []span
	order   []int // contour indices in the order in which they became corners
	polygon []corner
	cuts    []float64
}

// span is a stretch of contour that one edge stands for so far.
type span struct {
	from, to int // contour indices, to may be len(contour): the first again
	worst    int // farthest from the edge
	dist     float64
}

// find outlines the largest 4-connected area that reaches into the lowest third
// of the mask. Paint, the mask of lane lines, belongs to the area where the area
// is on both sides of it, with a few unclaimed pixels at its edges: networks leave
// slits there. It returns a simple polygon of at most maxCorners lattice points,
// borrowed until the next call and empty where there is no area, and the share of
// all pixels of the mask, filled slits included, that lie inside. Holes are not
// kept.
func (f *areaFinder) find(mask, paint []uint8, w, h int) ([]corner, float64) {
	f.runs.scan(mask, w, h, func(y, x0, x1 int) bool {
		const margin = 4 // pixels of a slit that neither mask claims
		return x1-x0-bytes.Count(paint[y*w+x0:y*w+x1], []byte{1}) <= margin
	})
	root, total := f.largest(h)
	if root < 0 || float64(f.size[root]) < minAreaShare*float64(w*h) {
		return nil, 0
	}
	f.trace(root, w, h)
	f.simplify()
	if !f.untangle() {
		return nil, 0
	}
	return f.polygon, float64(f.inside()) / float64(total)
}

// largest joins runs into components and returns the root of the one to keep,
// -1 for none, and the number of set pixels of all.
func (f *areaFinder) largest(h int) (best int32, total int) {
	all := f.runs.all
	f.size = slices.Grow(f.size[:0], len(all))[:len(all)]
	for i := range all {
		all[i].parent = int32(i)
		f.size[i] = 0
	}
	for i := 1; i+1 < len(f.runs.rows); i++ {
		q, belowHi := f.runs.row(i - 1)
		r, hi := f.runs.row(i)
		for q < belowHi && r < hi {
			a, b := &all[q], &all[r]
			if a.x0 < b.x1 && b.x0 < a.x1 {
				f.unite(q, r)
			}
			if a.x1 < b.x1 {
				q++
			} else {
				r++
			}
		}
	}
	best = -1
	for i := range all {
		root := f.root(int32(i))
		f.size[root] += all[i].width()
		total += int(all[i].width())
	}
	// Roots are lowest runs (see unite), so a root tells how far down it reaches.
	for i := range all {
		if all[i].parent == int32(i) && int(all[i].y) >= h*2/3 && (best < 0 || f.size[i] > f.size[best]) {
			best = int32(i)
		}
	}
	return best, total
}

func (f *areaFinder) root(i int32) int32 {
	all := f.runs.all
	for all[i].parent != i {
		all[i].parent = all[all[i].parent].parent
		i = all[i].parent
	}
	return i
}

// unite keeps the lower index, which is the lower row, as root.
func (f *areaFinder) unite(a, b int32) {
	a, b = f.root(a), f.root(b)
	f.runs.all[max(a, b)].parent = min(a, b)
}

// trace follows the outer border of a component along the edges of its pixels,
// with the area on the right hand, and notes the corners.
func (f *areaFinder) trace(root int32, w, h int) {
	f.part = slices.Grow(f.part[:0], w*h)[:w*h]
	clear(f.part)
	all := f.runs.all
	top := root
	for i := range all {
		if f.root(int32(i)) != root {
			continue
		}
		r := &all[i]
		row := f.part[int(r.y)*w:]
		for x := r.x0; x < r.x1; x++ {
			row[x] = 1
		}
		if r.y < all[top].y {
			top = int32(i) // the leftmost run of the highest row comes first
		}
	}
	set := func(x, y int32) bool {
		return x >= 0 && y >= 0 && int(x) < w && int(y) < h && f.part[int(y)*w+int(x)] != 0
	}
	// Headings right, down, left, up; the pixel ahead on the right and left of a
	// corner, relative to it.
	step := [4]corner{{1, 0}, {0, 1}, {-1, 0}, {0, -1}}
	right := [4]corner{{0, 0}, {-1, 0}, {-1, -1}, {0, -1}}
	left := [4]corner{{0, -1}, {0, 0}, {-1, 0}, {-1, -1}}
	start := corner{all[top].x0, all[top].y}
	at, dir := start, 0
	f.contour = append(f.contour[:0], start)
	for {
		at = corner{at.x + step[dir].x, at.y + step[dir].y}
		turned := dir
		switch {
		// Pixels that touch by a corner only are apart: turn right first.
		case !set(at.x+right[dir].x, at.y+right[dir].y):
			dir = (dir + 1) % 4
		case set(at.x+left[dir].x, at.y+left[dir].y):
			dir = (dir + 3) % 4
		}
		if at == start && dir == 0 {
			break
		}
		if dir != turned {
			f.contour = append(f.contour, at)
		}
	}
	// A ragged border can be as long as the mask is large: bound what follows.
	if n := len(f.contour); n > maxContour {
		for i := range maxContour {
			f.contour[i] = f.contour[i*n/maxContour]
		}
		f.contour = f.contour[:maxContour]
	}
}

// simplify is Douglas and Peucker's method by the farthest point first: the
// corner that reduces the largest error comes next, until tolerance holds or
// maxCorners are used.
func (f *areaFinder) simplify() {
	n := len(f.contour)
	opposite, far := 0, int64(-1)
	for i, c := range f.contour {
		dx, dy := int64(c.x-f.contour[0].x), int64(c.y-f.contour[0].y)
		if d := dx*dx + dy*dy; d > far {
			opposite, far = i, d
		}
	}
	f.order = append(f.order[:0], 0, opposite)
	f.spans = append(f.spans[:0], f.measure(0, opposite), f.measure(opposite, n))
	for len(f.order) < maxCorners {
		worst := 0
		for i := range f.spans {
			if f.spans[i].dist > f.spans[worst].dist {
				worst = i
			}
		}
		s := f.spans[worst]
		if s.dist <= tolerance {
			return
		}
		f.order = append(f.order, s.worst)
		f.spans[worst] = f.measure(s.from, s.worst)
		f.spans = append(f.spans, f.measure(s.worst, s.to))
	}
}

// measure finds the contour point that an edge from one index to another misses most.
func (f *areaFinder) measure(from, to int) span {
	s := span{from: from, to: to}
	a, b := f.contour[from], f.contour[to%len(f.contour)]
	dx, dy := float64(b.x-a.x), float64(b.y-a.y)
	length := dx*dx + dy*dy
	for i := from + 1; i < to; i++ {
		px, py := float64(f.contour[i].x-a.x), float64(f.contour[i].y-a.y)
		if length > 0 {
			t := math.Min(1, math.Max(0, (px*dx+py*dy)/length))
			px, py = px-t*dx, py-t*dy
		}
		if d := px*px + py*py; d > s.dist {
			s.worst, s.dist = i, d
		}
	}
	s.dist = math.Sqrt(s.dist)
	return s
}

// untangle takes back the newest corners until the polygon is simple.
func (f *areaFinder) untangle() bool {
	for n := len(f.order); n >= 3; n-- {
		f.polygon = f.polygon[:0]
		// The spans are used up: their slice sorts the corners along the contour.
		f.spans = f.spans[:0]
		for _, i := range f.order[:n] {
			f.spans = append(f.spans, span{from: i})
		}
		slices.SortFunc(f.spans, func(a, b span) int { return a.from - b.from })
		for _, s := range f.spans {
			f.polygon = append(f.polygon, f.contour[s.from])
		}
		if simple(f.polygon) {
			return true
		}
	}
	return false
}

// simple says whether no two edges of a polygon meet, save neighbours in their
// common corner.
func simple(p []corner) bool {
	n := len(p)
	for i := range n {
		a, b := p[i], p[(i+1)%n]
		// The next edge must not run back over this one.
		if c := p[(i+2)%n]; turn(a, b, c) == 0 && within(a, b, c) {
			return false
		}
		for j := i + 2; j < n; j++ {
			if (j+1)%n == i {
				continue
			}
			if meet(a, b, p[j], p[(j+1)%n]) {
				return false
			}
		}
	}
	return true
}

// turn is twice the area of a triangle: its sign says which way a, b, c turn.
func turn(a, b, c corner) int64 {
	return int64(b.x-a.x)*int64(c.y-a.y) - int64(b.y-a.y)*int64(c.x-a.x)
}

// within says, for points on one line, whether c is on the ray from b towards a.
func within(a, b, c corner) bool {
	return int64(a.x-b.x)*int64(c.x-b.x)+int64(a.y-b.y)*int64(c.y-b.y) >= 0
}

// meet says whether two closed segments have a point in common.
func meet(a, b, c, d corner) bool {
	if max(a.x, b.x) < min(c.x, d.x) || max(c.x, d.x) < min(a.x, b.x) ||
		max(a.y, b.y) < min(c.y, d.y) || max(c.y, d.y) < min(a.y, b.y) {
		return false
	}
	return opposite(turn(a, b, c), turn(a, b, d)) && opposite(turn(c, d, a), turn(c, d, b))
}

func opposite(a, b int64) bool { return a == 0 || b == 0 || (a > 0) != (b > 0) }

// inside counts the set pixels, of all components, whose part within the polygon
// is at least half.
func (f *areaFinder) inside() int {
	count := 0.0
	n := len(f.polygon)
	for i := 0; i+1 < len(f.runs.rows); i++ {
		lo, hi := f.runs.row(i)
		if lo == hi {
			continue
		}
		y := float64(f.runs.all[lo].y) + 0.5
		f.cuts = f.cuts[:0]
		for k := range n {
			a, b := f.polygon[k], f.polygon[(k+1)%n]
			if (float64(a.y) > y) == (float64(b.y) > y) {
				continue
			}
			t := (y - float64(a.y)) / float64(b.y-a.y)
			f.cuts = append(f.cuts, float64(a.x)+t*float64(b.x-a.x))
		}
		slices.Sort(f.cuts)
		for k := 0; k+1 < len(f.cuts); k += 2 {
			for r := lo; r < hi; r++ {
				from := math.Max(f.cuts[k], float64(f.runs.all[r].x0))
				to := math.Min(f.cuts[k+1], float64(f.runs.all[r].x1))
				count += math.Max(0, to-from)
			}
		}
	}
	return int(count + 0.5)
}
