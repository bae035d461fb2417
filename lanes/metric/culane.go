package metric

import (
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"math"
	"math/bits"

	"gocv.io/x/gocv"
)

const (
	canvasWidth = 1640 // pixels of CULane's pictures
	lineWidth   = 30   // pixels there
	maxHeight   = 8200 // of a canvas
	maxLanes    = 256  // that are compared in a picture
)

// Strict is the IoU above which a lane counts as found in CULane's F1.
const Strict = 0.5

// Counts are lanes found, lanes that are none, and lanes missed.
type Counts struct {
	TP int `json:"tp"`
	FP int `json:"fp"`
	FN int `json:"fn"`
}

// Add adds the counts of more pictures.
func (c *Counts) Add(d Counts) { c.TP, c.FP, c.FN = c.TP+d.TP, c.FP+d.FP, c.FN+d.FN }

// Precision is the share of found lanes that are right; 0 where none is found.
func (c Counts) Precision() float64 { return share(c.TP, c.TP+c.FP) }

// Recall is the share of lanes that are found; 0 where there are none.
func (c Counts) Recall() float64 { return share(c.TP, c.TP+c.FN) }

// F1 is the harmonic mean of precision and recall; 0 where nothing is right.
func (c Counts) F1() float64 { return share(2*c.TP, 2*c.TP+c.FP+c.FN) }

func share(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// Canvas compares lanes as CULane does: each is drawn as a curve 30 pixels wide
// on a canvas 1640 pixels wide, and two lanes are alike by the intersection over
// union of their pixels. Pictures of another size are scaled, both ways alike, to
// that width, so that the rule is as strict for them: 640x360 is compared on
// 1640x923. One goroutine at a time uses it.
type Canvas struct {
	scale float64
	w, h  int
	mat   gocv.Mat
}

// NewCanvas is for lanes in the pixels of pictures of a size. The caller closes it.
func NewCanvas(width, height int) (*Canvas, error) {
	if width < 1 || height < 1 {
		return nil, fmt.Errorf("compare lanes in pictures of %dx%d: give their size in pixels", width, height)
	}
	scale := float64(canvasWidth) / float64(width)
	h := int(math.Round(float64(height) * scale))
	if h < 1 || h > maxHeight {
		return nil, fmt.Errorf("compare lanes in pictures of %dx%d: scaled to a width of %d they are %d high, and 1 to %d is right", width, height, canvasWidth, h, maxHeight)
	}
	return &Canvas{scale: scale, w: canvasWidth, h: h, mat: gocv.NewMatWithSize(h, canvasWidth, gocv.MatTypeCV8UC1)}, nil
}

// Close frees the canvas. It is safe to call twice.
func (c *Canvas) Close() error { return c.mat.Close() }

// Similarity is how alike each lane found (rows) is to each that is there
// (columns), 0 to 1. A lane of fewer than two points is like none. It fails
// where there are too many lanes to be true.
func (c *Canvas) Similarity(found, truth []Lane) ([][]float64, error) {
	if len(found) > maxLanes || len(truth) > maxLanes {
		return nil, fmt.Errorf("compare %d lanes with %d: at most %d are right", len(found), len(truth), maxLanes)
	}
	// What is there is kept, what is found is drawn one by one.
	there := make([]drawn, len(truth))
	for i, l := range truth {
		d, err := c.draw(l)
		if err != nil {
			return nil, err
		}
		there[i] = d
	}
	out := make([][]float64, len(found))
	for i, l := range found {
		d, err := c.draw(l)
		if err != nil {
			return nil, err
		}
		out[i] = make([]float64, len(truth))
		for j := range there {
			out[i][j] = d.iou(&there[j])
		}
	}
	return out, nil
}

// Count pairs lanes so that the sum of their similarities is the greatest, and
// counts the pairs that are more alike than iou. similarity is as
// [Canvas.Similarity] gives it for so many lanes found and there.
func Count(similarity [][]float64, found, truth int, iou float64) Counts {
	right := 0
	if found > 0 && truth > 0 {
		for i, j := range assign(similarity) {
			if j >= 0 && similarity[i][j] > iou {
				right++
			}
		}
	}
	return Counts{TP: right, FP: found - right, FN: truth - right}
}

// drawn is a lane's pixels, a bit each, and how many there are.
type drawn struct {
	set  []uint64
	size int
}

func (d *drawn) iou(e *drawn) float64 {
	both := 0
	if d.size > 0 && e.size > 0 {
		for i, w := range d.set {
			both += bits.OnesCount64(w & e.set[i])
		}
	}
	return share(both, d.size+e.size-both)
}

// draw draws a lane and takes its pixels from the canvas.
func (c *Canvas) draw(lane Lane) (drawn, error) {
	scaled := make(Lane, len(lane))
	for i, p := range lane {
		// The evaluator keeps points in single precision.
		scaled[i] = Point{float64(float32(p.X * c.scale)), float64(float32(p.Y * c.scale))}
	}
	if len(scaled) < 2 {
		return drawn{}, nil
	}
	c.mat.SetTo(gocv.Scalar{})
	points := spline(scaled)
	for i := range len(points) - 1 {
		if a, b, ok := c.pixels(points[i], points[i+1]); ok {
			gocv.Line(&c.mat, a, b, color.RGBA{B: 1}, lineWidth) // the first channel is blue
		}
	}
	pixels, err := c.mat.DataPtrUint8()
	if err != nil {
		return drawn{}, err
	}
	d := drawn{set: make([]uint64, (len(pixels)+63)/64)}
	for i := range d.set {
		var chunk [64]byte
		copy(chunk[:], pixels[64*i:])
		for k := range 8 {
			// Eight bytes of 0 or 1 to eight bits.
			b := binary.LittleEndian.Uint64(chunk[8*k:]) * 0x0102040810204080 >> 56
			d.set[i] |= b << (8 * k)
		}
		d.size += bits.OnesCount64(d.set[i])
	}
	return d, nil
}

// pixels rounds a segment as cv::line's callers do. It is not ok where the whole
// segment is so far to one side of the canvas that it leaves no pixel there.
func (c *Canvas) pixels(a, b Point) (p, q image.Point, ok bool) {
	const margin = 2 * lineWidth
	far := func(a, b, size float64) bool {
		return max(a, b) < -margin || min(a, b) > size+margin || !(math.Abs(a) < 1e9) || !(math.Abs(b) < 1e9)
	}
	if far(a.X, b.X, float64(c.w)) || far(a.Y, b.Y, float64(c.h)) {
		return p, q, false
	}
	return whole(a), whole(b), true
}

// whole rounds to whole pixels, halves to even. Coordinates are kept where cv::line
// computes with them safely.
func whole(p Point) image.Point {
	const limit = 1 << 20
	round := func(v float64) int {
		return int(math.RoundToEven(min(max(float64(float32(v)), -limit), limit)))
	}
	return image.Pt(round(p.X), round(p.Y))
}
