package ground

import (
	"math"

	"dashline/pipeline/msg"
)

// Locate appends to dst the detections that stand on the road, as the planner
// wants them: the middle of the bottom edge of the box on the ground, and the
// distance between its bottom corners there. The camera must be scaled to the
// frame that the boxes are in.
//
// Left out are labels that are not obstacles on a road (see [Obstacle]), boxes
// without an area, and boxes whose bottom edge is not on the ground within
// [MaxRange]. A box that the frame's bottom cuts off is placed where the frame
// ends: the object is at most that far.
func (c *Camera) Locate(dets []msg.Detection, dst []msg.Object) []msg.Object {
	for i := range dets {
		d := &dets[i]
		b := d.Box
		if !Obstacle(d.Label) || !(b.X1 > b.X0) || !(b.Y1 > b.Y0) {
			continue
		}
		left, okLeft := c.ToGround(msg.Pixel{X: b.X0, Y: b.Y1})
		right, okRight := c.ToGround(msg.Pixel{X: b.X1, Y: b.Y1})
		if !okLeft || !okRight {
			continue
		}
		dst = append(dst, msg.Object{
			Position:  msg.Ground{X: (left.X + right.X) / 2, Y: (left.Y + right.Y) / 2},
			Width:     math.Hypot(left.X-right.X, left.Y-right.Y),
			Label:     d.Label,
			Score:     d.Score,
			Detection: i,
		})
	}
	return dst
}

// Obstacle says whether a class, by its COCO or VOC name, is a road user or an
// animal that a vehicle must not drive into. What hangs or stands beside the
// road (traffic light, stop sign, potted plant...) is not, and neither is any
// name that is not in the table.
func Obstacle(label string) bool {
	switch label {
	case "person", "rider",
		"bicycle", "motorbike", "motorcycle",
		"car", "bus", "truck", "train",
		"dog", "cat", "horse", "sheep", "cow",
		"elephant", "bear", "zebra", "giraffe":
		return true
	}
	return false
}
