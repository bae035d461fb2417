package planner

import (
	"math"

	"dashline/pipeline/msg"
)

// maxLaneSlope is the greatest dy/dx at which a cubic y(x) is still taken as a
// lane: at 45 degrees and beyond, a graph over x is a poor road.
const maxLaneSlope = 1

// centerline is the centre of the ego lane: the curve that runs offset metres
// to the left of curve, along its normal, seen from the vehicle to x = reach.
type centerline struct {
	curve  msg.Cubic
	offset float64
	reach  float64
	sides  string // which boundaries it rests on, for people
}

// Why a boundary or a lane is not used, for people.
const (
	noLaneSet    = "no lanes were found in this frame"
	noBoundary   = "no boundary of this lane is seen"
	lowConfid    = "the boundaries seen are below the least confidence"
	notFinite    = "a boundary is not a number"
	tooFarAhead  = "the boundaries begin too far ahead"
	tooShort     = "the boundaries are too short"
	notARoad     = "the boundaries bend like no road"
	wrongWidth   = "the boundaries are not a lane's width apart"
	notInLane    = "the vehicle is not in the lane that is seen"
	bothSides    = "both boundaries"
	leftBoundary = "the left boundary"
	rightBound   = "the right boundary"
)

// findCenterline returns the centre of the ego lane, or a reason why there is
// none. It never makes up a lane: one boundary stands in for two only at the
// configured width.
func (c *Config) findCenterline(l *msg.LaneSet, age, speed float64) (centerline, string) {
	if l == nil {
		return centerline{}, noLaneSet
	}
	left, leftWhy := c.boundary(l, l.EgoLeft, age, speed)
	right, rightWhy := c.boundary(l, l.EgoRight, age, speed)
	var cl centerline
	switch {
	case leftWhy == "" && rightWhy == "":
		var why string
		if cl, why = c.between(left, right); why != "" {
			return cl, why
		}
	case leftWhy == "":
		cl = centerline{curve: left, offset: -c.LaneWidth / 2, reach: left.X1, sides: leftBoundary}
	case rightWhy == "":
		cl = centerline{curve: right, offset: c.LaneWidth / 2, reach: right.X1, sides: rightBound}
	case leftWhy == noBoundary:
		return cl, rightWhy
	default:
		return cl, leftWhy
	}
	// A vehicle that straddles a line is half a width off; a whole one is another lane.
	if math.Abs(cl.curve.At(0)+cl.offset) > c.LaneWidth {
		return cl, notInLane
	}
	return cl, ""
}

// halfTrusted is the age at which a lane line is trusted half as much: the vehicle
// may have turned since, by what nobody says here.
const halfTrusted = 0.5 // s

// ahead is a curve as it looks from a place that is so many metres further along x:
// the same polynomial expanded there.
func ahead(b msg.Cubic, by float64) msg.Cubic {
	c := b.C
	return msg.Cubic{
		C:  [4]float64{b.At(by), b.Slope(by), c[2] + 3*by*c[3], c[3]},
		X0: b.X0 - by, X1: b.X1 - by,
	}
}

// boundary returns the usable part of lane line i, which was seen age seconds ago,
// from the vehicle (to which it is extrapolated) to the returned X1, or why it
// cannot be used.
func (c *Config) boundary(l *msg.LaneSet, i int, age, speed float64) (msg.Cubic, string) {
	if i < 0 || i >= len(l.Lanes) {
		return msg.Cubic{}, noBoundary
	}
	line := &l.Lanes[i]
	b := line.Curve
	for _, v := range [...]float64{b.C[0], b.C[1], b.C[2], b.C[3], b.X0, b.X1, float64(line.Confidence)} {
		if !finite(v) {
			return b, notFinite
		}
	}
	confidence := float64(line.Confidence)
	if age = clamp(age, 0, 60); age > 0 {
		b = ahead(b, speed*age)
		confidence *= math.Exp2(-age / halfTrusted)
	}
	switch {
	case !b.Valid():
		return b, noBoundary
	case confidence < c.MinLaneConfidence:
		return b, lowConfid
	case b.X0 > c.LaneNear:
		return b, tooFarAhead
	}
	// The curve ends for us where it stops being a road. Below X0 it is
	// extrapolated to the vehicle, and must be one there too.
	seen, end := max(b.X0, 0), min(b.X1, maxPath)
	good := -1.0
	for x := 0.0; x <= end; x++ {
		// Twice the tightest turn, because the lane's centre may be on the
		// outer side of this line and turn less tightly.
		if g := curveAt(b, x); math.Abs(g.slope) > maxLaneSlope || math.Abs(g.kappa) > 2*c.MaxCurvature {
			break
		}
		good = x
	}
	switch {
	case good < min(seen, end):
		return b, notARoad
	case min(end, good+1)-seen < c.MinLaneLength:
		return b, tooShort
	}
	b.X1 = min(end, good+1)
	return b, ""
}

// between returns the centre of two boundaries as far as both are seen and a
// lane's width apart.
func (c *Config) between(left, right msg.Cubic) (centerline, string) {
	cl := centerline{sides: bothSides}
	for i := range cl.curve.C {
		cl.curve.C[i] = (left.C[i] + right.C[i]) / 2
	}
	seen := max(0, max(left.X0, right.X0))
	end := min(left.X1, right.X1)
	cl.reach = seen
	for x := seen; x <= end; x++ {
		// Across the lane, not across the vehicle's y axis.
		width := (left.At(x) - right.At(x)) / math.Hypot(1, cl.curve.Slope(x))
		if width < c.MinLaneWidth || width > c.MaxLaneWidth {
			break
		}
		cl.reach = min(x+1, end)
	}
	if cl.reach-seen < c.MinLaneLength {
		if end-seen < c.MinLaneLength {
			return cl, tooShort
		}
		return cl, wrongWidth
	}
	return cl, ""
}

// geometry is a plane curve's shape at one point: slope dy/dx, √(1+slope²),
// curvature and its derivative by arc length.
type geometry struct{ slope, stretch, kappa, dkappa float64 }

func curveAt(c msg.Cubic, x float64) geometry {
	slope := c.Slope(x)
	second, third := 2*c.C[2]+6*c.C[3]*x, 6*c.C[3]
	square := 1 + slope*slope
	stretch := math.Sqrt(square)
	cube := square * stretch
	return geometry{
		slope:   slope,
		stretch: stretch,
		kappa:   second / cube,
		dkappa:  (third/cube - 3*slope*second*second/(cube*square)) / stretch,
	}
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
