package synth

import (
	"image"
	"image/draw"
	"math"

	"golang.org/x/image/vector"
)

// canvas is a picture in linear light, and what is in it.
type canvas struct {
	w, h  int
	light []float32 // red, green, blue
	depth []float32 // of the ground, metres forward; +Inf in the sky
	id    []uint16  // of the object that a pixel shows; 0: none
}

func newCanvas(w, h int) *canvas {
	return &canvas{w: w, h: h, light: make([]float32, 3*w*h), depth: make([]float32, w*h), id: make([]uint16, w*h)}
}

// brush fills polygons in some columns of a canvas. Each worker has its own, so
// that no two write to the same pixel.
type brush struct {
	*canvas
	x0, x1 int // columns, x1 excluded
	fill   vector.Rasterizer
	mask   image.Alpha
	clips  [2][][2]float32
	aims   []aim
}

// paint is how a polygon changes a pixel: light = light*(1-a*alpha) + a*color,
// a being how much of the pixel is covered. Glow, with alpha 0, adds.
type paint struct {
	color rgb
	alpha float32
	id    uint16 // marks pixels that are covered to half; 0: none
}

// covered is from when on a pixel counts as covered, of 255: just under half, as
// the halves of two faces that share a pixel can be rounded to 127 each.
const covered = 126

// polygon fills a polygon given in pixels and returns how many pixels it marked
// that did not have its id before.
func (b *brush) polygon(pts [][2]float32, p paint) (marked int) {
	minX, minY, maxX, maxY := float32(math.Inf(1)), float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.Inf(-1))
	for _, q := range pts {
		minX, maxX = min(minX, q[0]), max(maxX, q[0])
		minY, maxY = min(minY, q[1]), max(maxY, q[1])
	}
	if !(maxX > float32(b.x0) && minX < float32(b.x1) && maxY > 0 && minY < float32(b.h)) {
		return 0
	}
	left, top := max(b.x0, floor(minX)), max(0, floor(minY))
	right, bottom := min(b.x1, floor(maxX)+1), min(b.h, floor(maxY)+1)
	w, h := right-left, bottom-top
	if w <= 0 || h <= 0 {
		return 0
	}
	b.fill.Reset(w, h)
	b.fill.DrawOp = draw.Src
	ox, oy := float32(left), float32(top)
	pts = b.within(pts, float32(left), float32(top), float32(right), float32(bottom))
	if len(pts) < 3 {
		return 0
	}
	b.fill.MoveTo(pts[0][0]-ox, pts[0][1]-oy)
	for _, q := range pts[1:] {
		b.fill.LineTo(q[0]-ox, q[1]-oy)
	}
	b.fill.ClosePath()
	if cap(b.mask.Pix) < w*h {
		b.mask.Pix = make([]uint8, w*h)
	}
	b.mask.Pix, b.mask.Stride, b.mask.Rect = b.mask.Pix[:w*h], w, image.Rect(0, 0, w, h)
	b.fill.Draw(&b.mask, b.mask.Rect, image.Opaque, image.Point{})
	for y := range h {
		row := b.mask.Pix[y*w : (y+1)*w]
		at := (top+y)*b.w + left
		for x, m := range row {
			if m == 0 {
				continue
			}
			b.blend(at+x, float32(m)*(1./255), p)
			if p.id != 0 && m >= covered && b.id[at+x] != p.id {
				b.id[at+x] = p.id
				marked++
			}
		}
	}
	return marked
}

func (c *canvas) blend(i int, a float32, p paint) {
	l := c.light[3*i : 3*i+3 : 3*i+3]
	keep := 1 - a*p.alpha
	l[0] = l[0]*keep + a*p.color.r
	l[1] = l[1]*keep + a*p.color.g
	l[2] = l[2]*keep + a*p.color.b
}

// within cuts a polygon to a rectangle (Sutherland and Hodgman, 1974). The
// result is borrowed until the next call.
func (b *brush) within(pts [][2]float32, left, top, right, bottom float32) [][2]float32 {
	for side, at := range [4]float32{left, right, top, bottom} {
		axis, keepAbove := side/2, side%2 == 0
		out := b.clips[side%2][:0]
		for i, q := range pts {
			p := pts[(i+len(pts)-1)%len(pts)]
			pin, qin := (p[axis] >= at) == keepAbove || p[axis] == at, (q[axis] >= at) == keepAbove || q[axis] == at
			if pin != qin {
				t := (at - p[axis]) / (q[axis] - p[axis])
				cut := [2]float32{p[0] + (q[0]-p[0])*t, p[1] + (q[1]-p[1])*t}
				cut[axis] = at
				out = append(out, cut)
			}
			if qin {
				out = append(out, q)
			}
		}
		b.clips[side%2] = out
		pts = out
	}
	return pts
}
