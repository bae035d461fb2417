package lanes

import (
	"math"

	"dashline/pipeline/msg"
)

// Limits of the lane that the vehicle is in, metres.
const (
	lookAhead = 8.0  // where lines are compared: near, but in view of most cameras
	reach     = 20.0 // a line that begins farther ahead says nothing about here
	minWidth  = 2.2
	maxWidth  = 5.5
)

// beside is a line's y at lookAhead, continued straight from where it begins.
// It is false where the line has no curve or is too far ahead.
func beside(c *msg.Cubic) (float64, bool) {
	switch {
	case !c.Valid() || c.X0 > reach:
		return 0, false
	case c.X0 > lookAhead:
		return c.At(c.X0) + c.Slope(c.X0)*(lookAhead-c.X0), true
	case c.X1 < lookAhead:
		return c.At(c.X1) + c.Slope(c.X1)*(lookAhead-c.X1), true
	}
	return c.At(lookAhead), true
}

// ego picks the boundaries of the lane that the vehicle is in: of the pairs of a
// line to the left and one to the right that are a plausible lane apart, the
// nearest. Without such a pair, the nearer of the nearest lines to the sides
// stands alone (the other is another lane's), or, where they are too close to be
// two boundaries, the more confident. -1 where there is none.
func ego(lines []msg.Lane) (left, right int) {
	left, right = -1, -1
	nearLeft, nearRight := -1, -1
	yLeft, yRight := math.Inf(1), math.Inf(-1)
	best := math.Inf(1)
	for i := range lines {
		y, ok := beside(&lines[i].Curve)
		if !ok || math.Abs(y) > maxWidth {
			continue
		}
		if y >= 0 && y < yLeft {
			nearLeft, yLeft = i, y
		}
		if y < 0 && y > yRight {
			nearRight, yRight = i, y
		}
		if y < 0 {
			continue
		}
		for j := i + 1; j < len(lines); j++ {
			z, ok := beside(&lines[j].Curve)
			if !ok || z >= 0 || y-z < minWidth || y-z > maxWidth || y-z >= best {
				continue
			}
			left, right, best = i, j, y-z
		}
	}
	if left >= 0 || nearLeft < 0 || nearRight < 0 {
		if left < 0 {
			left, right = nearLeft, nearRight
		}
		return left, right
	}
	keepLeft := yLeft <= -yRight
	if yLeft-yRight < minWidth {
		keepLeft = lines[nearLeft].Confidence >= lines[nearRight].Confidence
	}
	if keepLeft {
		return nearLeft, -1
	}
	return -1, nearRight
}
