package lanes

import (
	"cmp"
	"math"
	"slices"
)

// Limits of the line finder, in pixels of the mask, for masks 640x360.
const (
	maxFragments = 64   // longest chains that are looked at
	maxLines     = 12   // longest lines that are kept
	maxPoints    = 32   // a line
	minFragment  = 3    // rows of a chain
	minLine      = 10   // marked rows of a line
	maxGap       = 120  // rows that a bridge spans
	maxThickness = 24.0 // across a line
	maxSlope     = 20.0 // columns a row: stop lines and kerbs across the road are more
	endRows      = 24   // rows that give a fragment's direction at an end
)

// point is the middle of a line in one row: pixel coordinates of the mask, the
// centre of the first pixel being (0.5, 0.5), and the width of the run.
type point struct{ x, y, width float64 }

// fragment is a chain with its caps cut off, and how it would go on at its ends.
type fragment struct {
	pts          []point // bottom to top; part of the arena
	bottom, top  heading
	above, below int // fragments that it is bridged to, -1 for none
}

// heading is a fragment's end: where it is, and its columns a row upwards.
type heading struct {
	x, y, slope float64
	rows        float64 // that the slope was taken over
}

// at is where the heading leads to in row y.
func (h heading) at(y float64) float64 { return h.x + (h.y-y)*h.slope }

// slack is how far off at may be: the line's raggedness, its bend over the gap,
// and the uncertainty of a slope over few rows. Across the line, so that flat
// lines, whose columns are uncertain, get their share.
func (h heading) slack(gap float64) float64 {
	return math.Hypot(1, h.slope) * (3 + 0.08*gap + 2*gap/math.Pow(h.rows, 1.5))
}

// lineFinder turns a mask into lines. Its memory is reused from mask to mask.
type lineFinder struct {
	runs      runs
	arena     []point
	starts    []chain
	fragments []fragment
	bridges   []bridge
	lines     [][]point // each bottom to top, in joined
	joined    []point
}

type chain struct{ first, rows int32 }

type bridge struct {
	from, to int
	cost     float64
}

// find returns the lines of a mask of zeros and ones, longest first, each as the
// middle of its marked rows from bottom to top. The result is borrowed until the
// next call.
func (f *lineFinder) find(mask []uint8, w, h int) [][]point {
	f.runs.scan(mask, w, h, func(_, x0, x1 int) bool { return x1-x0 <= 2 })
	f.runs.link()
	f.cut(int32(w))
	f.bridge()
	f.join()
	return f.lines
}

// cut makes fragments of the longest chains.
func (f *lineFinder) cut(w int32) {
	f.starts, f.arena, f.fragments = f.starts[:0], f.arena[:0], f.fragments[:0]
	all := f.runs.all
	for i := range all {
		if all[i].down >= 0 {
			continue
		}
		rows := int32(1)
		for r := all[i].up; r >= 0; r = all[r].up {
			rows++
		}
		if rows >= minFragment {
			f.starts = append(f.starts, chain{int32(i), rows})
		}
	}
	slices.SortFunc(f.starts, func(a, b chain) int {
		return cmp.Or(cmp.Compare(b.rows, a.rows), cmp.Compare(a.first, b.first))
	})
	if len(f.starts) > maxFragments {
		f.starts = f.starts[:maxFragments]
	}
	total := 0
	for _, c := range f.starts {
		total += int(c.rows)
	}
	f.arena = slices.Grow(f.arena, total) // so that fragments' slices stay valid
	for _, c := range f.starts {
		first := len(f.arena)
		for r := c.first; r >= 0; r = all[r].up {
			f.arena = append(f.arena, point{
				x: float64(all[r].centre()), y: float64(all[r].y) + 0.5, width: float64(all[r].width()),
			})
		}
		pts := trim(f.arena[first:], float64(w))
		if len(pts) < minFragment {
			continue
		}
		fr := fragment{pts: pts, above: -1, below: -1}
		n := min(len(pts), endRows)
		fr.bottom = direction(pts[:n], pts[0].y)
		fr.top = direction(pts[len(pts)-n:], pts[len(pts)-1].y)
		if thickness(pts) > maxThickness {
			continue
		}
		f.fragments = append(f.fragments, fr)
	}
}

// trim cuts from both ends of a chain the rows whose middle is not the line's:
// those that the picture's side cuts, and the slanted cap of a thick line.
func trim(pts []point, w float64) []point {
	side := func(p point) bool { return p.x-p.width/2 <= 0 || p.x+p.width/2 >= w }
	for len(pts) > 0 && side(pts[0]) {
		pts = pts[1:]
	}
	for len(pts) > 0 && side(pts[len(pts)-1]) {
		pts = pts[:len(pts)-1]
	}
	const (
		capRows = 8
		narrow  = 0.7 // of the widest of the next capRows
	)
	most := min(capRows, len(pts)/3)
	widest := func(pts []point) float64 {
		w := 0.0
		for _, p := range pts {
			w = math.Max(w, p.width)
		}
		return w
	}
	for range most {
		if pts[0].width >= narrow*widest(pts[1:min(len(pts), 1+capRows)]) {
			break
		}
		pts = pts[1:]
	}
	for range most {
		last := len(pts) - 1
		if pts[last].width >= narrow*widest(pts[max(0, last-capRows):last]) {
			break
		}
		pts = pts[:last]
	}
	return pts
}

// direction fits a straight line to pts and gives it at row y.
func direction(pts []point, y float64) heading {
	x, slope := straight(pts, y)
	return heading{x: x, y: y, slope: -slope, rows: float64(len(pts))}
}

// straight is the least-squares line x(y) through pts: its value at row at, and
// its columns a row (downwards). One point or none slanted gives slope 0.
func straight(pts []point, at float64) (x, slope float64) {
	var mx, my float64
	for _, p := range pts {
		mx += p.x
		my += p.y
	}
	n := float64(len(pts))
	mx, my = mx/n, my/n
	var sxy, syy float64
	for _, p := range pts {
		sxy += (p.x - mx) * (p.y - my)
		syy += (p.y - my) * (p.y - my)
	}
	if syy > 0 {
		slope = sxy / syy
	}
	return mx + slope*(at-my), slope
}

// thickness is the mean width of a chain across its direction.
func thickness(pts []point) float64 {
	var sum float64
	for _, p := range pts {
		sum += p.width
	}
	_, slope := straight(pts, 0)
	return sum / float64(len(pts)) / math.Hypot(1, slope)
}

// bridge connects fragments that continue each other, best first: each must lie
// where the other is heading.
func (f *lineFinder) bridge() {
	f.bridges = f.bridges[:0]
	for i := range f.fragments {
		a := &f.fragments[i]
		for j := range f.fragments {
			b := &f.fragments[j]
			gap := a.top.y - b.bottom.y
			if i == j || gap < 1 || gap > maxGap || gap > 3*float64(len(a.pts)+len(b.pts)) {
				continue
			}
			up := math.Abs(a.top.at(b.bottom.y)-b.bottom.x) / a.top.slack(gap)
			down := math.Abs(b.bottom.at(a.top.y)-a.top.x) / b.bottom.slack(gap)
			if up > 1 || down > 1 {
				continue
			}
			f.bridges = append(f.bridges, bridge{i, j, up + down + gap/maxGap})
		}
	}
	slices.SortFunc(f.bridges, func(a, b bridge) int {
		return cmp.Or(cmp.Compare(a.cost, b.cost), cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to))
	})
	for _, b := range f.bridges {
		if f.fragments[b.from].above >= 0 || f.fragments[b.to].below >= 0 {
			continue
		}
		f.fragments[b.from].above, f.fragments[b.to].below = b.to, b.from
	}
}

// join makes one line of each row of bridged fragments, and keeps the longest.
func (f *lineFinder) join() {
	f.joined, f.lines = f.joined[:0], f.lines[:0]
	f.joined = slices.Grow(f.joined, len(f.arena)) // lines are slices of it
	for i := range f.fragments {
		if f.fragments[i].below >= 0 {
			continue
		}
		first := len(f.joined)
		for j := i; j >= 0; j = f.fragments[j].above {
			f.joined = append(f.joined, f.fragments[j].pts...)
		}
		line := f.joined[first:len(f.joined):len(f.joined)]
		near, far := line[0], line[len(line)-1]
		if len(line) < minLine || math.Abs(far.x-near.x) > maxSlope*(near.y-far.y) {
			f.joined = f.joined[:first]
			continue
		}
		f.lines = append(f.lines, line)
	}
	slices.SortStableFunc(f.lines, func(a, b []point) int { return cmp.Compare(len(b), len(a)) })
	if len(f.lines) > maxLines {
		f.lines = f.lines[:maxLines]
	}
}

// resample writes a line as at most len(dst) points with strictly falling y,
// closer together where it is far, and returns how many. Each is a local
// straight fit, so that the mask's steps of whole pixels do not show; over a
// bridge it is the straight connection.
func resample(line []point, dst []point) int {
	near, far := line[0].y, line[len(line)-1].y
	const rowsApart = 4
	n := max(2, min(len(dst), int((near-far)/rowsApart)+1))
	half := math.Max(2, (near-far)/float64(n-1)/2)
	lo := 0
	for k := range n {
		u := float64(k) / float64(n-1)
		y := near + (far-near)*u*(1.5-0.5*u)
		for lo < len(line)-1 && line[lo].y > y+half {
			lo++
		}
		hi := lo
		for hi < len(line) && line[hi].y >= y-half {
			hi++
		}
		if window := line[lo:hi]; len(window) >= 3 && window[0].y >= y && window[len(window)-1].y <= y {
			x, _ := straight(window, y)
			dst[k] = point{x: x, y: y}
			continue
		}
		dst[k] = point{x: between(line, lo, y), y: y}
	}
	return n
}

// between interpolates x at row y, looking from the point at index i.
func between(line []point, i int, y float64) float64 {
	for i > 0 && line[i].y < y {
		i--
	}
	for i < len(line)-2 && line[i+1].y > y {
		i++
	}
	a, b := line[i], line[min(i+1, len(line)-1)]
	if a.y == b.y {
		return a.x
	}
	t := (a.y - y) / (a.y - b.y)
	return a.x + t*(b.x-a.x)
}
