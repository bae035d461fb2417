// Package ap measures how well objects are found: COCO's average precision and
// recall as pycocotools computes them, VOC's all-point average precision, and
// bootstrap intervals for the former.
//
// Invariants:
//   - The numbers are those of pycocotools' COCOeval for boxes (release 2.0) with
//     its default parameters, to within rounding: IoU .50:.05:.95, 101 recall
//     points, areas all, small, medium and large, and 1, 10 and 100 detections
//     an image and class. Ties in score keep the order of detections, and of
//     images, as its stable sorts do.
//   - Images are matched once, in [Match]; all else only counts again what was
//     matched there. A resample costs a pass over the detections.
//   - The same input and seed give the same numbers, bit for bit.
//   - A value for which there is no truth is -1, as pycocotools has it. Nothing
//     is ever NaN or infinite.
//
// The package is pure Go and reads no files: detect/labels does.
package ap

import (
	"fmt"
	"math"
)

// Box is a rectangle as COCO writes it, in pixels: the top-left corner, width
// and height.
type Box struct{ X, Y, W, H float64 }

// Corners makes a Box of two opposite corners.
func Corners(x0, y0, x1, y1 float64) Box { return Box{X: x0, Y: y0, W: x1 - x0, H: y1 - y0} }

// Any is the class of a crowd region that holds objects of every class.
const Any = -1

// Truth is one object that is really there.
type Truth struct {
	Class int // 0 to classes-1; Any with Crowd
	Box   Box
	Area  float64 // pixels, for the ranges of area; of the object where its mask is known, else of the box
	// Crowd marks a region that nobody is asked to find: detections of its class
	// of which enough lies inside count neither as right nor as wrong.
	Crowd bool
}

// Detection is one object that a detector found.
type Detection struct {
	Class int // 0 to classes-1
	Box   Box
	Score float64 // higher is surer
}

// Image is what is there and what was found in one picture.
type Image struct {
	Truth []Truth
	Found []Detection
}

// check refuses what cannot be measured.
func check(images []Image, classes int) error {
	for i, img := range images {
		for j, t := range img.Truth {
			if crowd := t.Class == Any && t.Crowd; !crowd && (t.Class < 0 || t.Class >= classes) {
				return fmt.Errorf("image %d: truth %d is of class %d: there are classes 0 to %d", i, j, t.Class, classes-1)
			}
			if !t.Box.finite() || !finite(t.Area) {
				return fmt.Errorf("image %d: truth %d has box %v and area %g: give finite numbers", i, j, t.Box, t.Area)
			}
		}
		for j, d := range img.Found {
			if d.Class < 0 || d.Class >= classes {
				return fmt.Errorf("image %d: detection %d is of class %d: there are classes 0 to %d", i, j, d.Class, classes-1)
			}
			if !d.Box.finite() || !finite(d.Score) {
				return fmt.Errorf("image %d: detection %d has box %v and score %g: give finite numbers", i, j, d.Box, d.Score)
			}
		}
	}
	return nil
}

func (b Box) finite() bool { return finite(b.X) && finite(b.Y) && finite(b.W) && finite(b.H) }

// finite leaves room for products of two such numbers.
func finite(v float64) bool { return math.Abs(v) < 1e100 }

// overlap is what pycocotools' bbIou gives for a detection and a truth: the
// intersection over the union, or, where the truth is a crowd, over the
// detection's own area.
func overlap(d, t Box, crowd bool) float64 {
	w := min(d.X+d.W, t.X+t.W) - max(d.X, t.X)
	h := min(d.Y+d.H, t.Y+t.H) - max(d.Y, t.Y)
	if w <= 0 || h <= 0 {
		return 0
	}
	inter := w * h
	union := d.W * d.H
	if !crowd {
		union += t.W*t.H - inter
	}
	if union <= 0 {
		return 0
	}
	return inter / union
}
