package truthview

import "math"

// ink is a colour as B, G, R.
type ink [3]byte

// luma of BT.601, in integers.
func (k ink) luma() byte { return byte((29*int(k[0]) + 150*int(k[1]) + 77*int(k[2])) >> 8) }

// canvas is the picture that is drawn on: grey or BGR.
type canvas struct {
	width, height, channels int
	pix                     []byte
}

// part is how fine positions are: this many units a pixel, as in a file of truth.
const part = 100

// far is as far outside of a picture as a position may be, pixels.
const far = 1 << 14

// place is a position in parts of a pixel.
type place struct{ x, y int }

func at(p [2]float64) place {
	units := func(v float64) int {
		if math.IsNaN(v) {
			return -far * part
		}
		return int(math.Round(max(-far, min(far, v)) * part))
	}
	return place{units(p[0]), units(p[1])}
}

// pixel is the one that a position lies in.
func (p place) pixel() (x, y int) { return floor(p.x, part), floor(p.y, part) }

// floor divides and rounds down; b is positive.
func floor(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// dot mixes ink into one pixel: share of 256.
func (c *canvas) dot(x, y int, k ink, share int) {
	if x < 0 || y < 0 || x >= c.width || y >= c.height {
		return
	}
	p := c.pix[(y*c.width+x)*c.channels:][:c.channels]
	if c.channels == 1 {
		p[0] = mix(p[0], k.luma(), share)
		return
	}
	for i := range p {
		p[i] = mix(p[i], k[i], share)
	}
}

func mix(a, b byte, share int) byte { return byte((int(a)*(256-share) + int(b)*share) >> 8) }

// line goes from pixel to pixel by Bresenham's rule. Of every period pixels the
// first on ones are drawn; a period of 0 is a line without gaps.
func (c *canvas) line(p, q place, k ink, on, period int) {
	x, y := p.pixel()
	x1, y1 := q.pixel()
	dx, dy := magnitude(x1-x), -magnitude(y1-y)
	sx, sy := 1, 1
	if x1 < x {
		sx = -1
	}
	if y1 < y {
		sy = -1
	}
	e := dx + dy
	for n := 0; ; n++ {
		if period == 0 || n%period < on {
			c.dot(x, y, k, 256)
		}
		if x == x1 && y == y1 {
			return
		}
		twice := 2 * e
		if twice >= dy {
			e += dy
			x += sx
		}
		if twice <= dx {
			e += dx
			y += sy
		}
	}
}

func magnitude(v int) int { return max(v, -v) }

// path joins points by lines.
func (c *canvas) path(points [][2]float64, k ink, on, period int) {
	for i := 1; i < len(points); i++ {
		c.line(at(points[i-1]), at(points[i]), k, on, period)
	}
}

// box draws the outline of the pixels that a box covers.
func (c *canvas) box(b [4]float64, k ink, on, period int) {
	p, q := at([2]float64{b[0], b[1]}), at([2]float64{b[2], b[3]})
	q.x, q.y = max(p.x, q.x-1), max(p.y, q.y-1) // an edge between two pixels is the inner one's
	c.line(p, place{q.x, p.y}, k, on, period)
	c.line(place{p.x, q.y}, q, k, on, period)
	c.line(p, place{p.x, q.y}, k, on, period)
	c.line(place{q.x, p.y}, q, k, on, period)
}

// fill mixes ink into the pixels whose middles a polygon covers, by the even-odd
// rule.
func (c *canvas) fill(points [][2]float64, k ink, share int) {
	corners := make([]place, len(points))
	for i, p := range points {
		corners[i] = at(p)
	}
	var cuts []int // of a row, the first pixel whose middle is beyond each edge
	for y := range c.height {
		middle := y*part + part/2
		cuts = cuts[:0]
		for i, p := range corners {
			q := corners[(i+1)%len(corners)]
			if p.y > q.y {
				p, q = q, p
			}
			if middle < p.y || middle >= q.y {
				continue
			}
			x := p.x + floor((q.x-p.x)*(middle-p.y), q.y-p.y)
			cuts = insert(cuts, floor(x+part/2-1, part))
		}
		for i := 1; i < len(cuts); i += 2 {
			for x := max(0, cuts[i-1]); x < min(c.width, cuts[i]); x++ {
				c.dot(x, y, k, share)
			}
		}
	}
}

// insert keeps a short list sorted.
func insert(sorted []int, v int) []int {
	sorted = append(sorted, v)
	for i := len(sorted) - 1; i > 0 && sorted[i] < sorted[i-1]; i-- {
		sorted[i], sorted[i-1] = sorted[i-1], sorted[i]
	}
	return sorted
}
