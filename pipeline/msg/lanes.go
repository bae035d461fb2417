package msg

// Ground is a point on the road plane in vehicle coordinates, metres:
// x forward and y left of the point on the ground below the camera.
type Ground struct{ X, Y float64 }

// Cubic is a curve on the ground, y(x) = C[0] + C[1]x + C[2]x² + C[3]x³ in
// metres, valid for X0 <= x <= X1. X0 == X1 means that there is no curve (the
// camera does not see the ground there, or the points do not support one).
type Cubic struct {
	C      [4]float64
	X0, X1 float64
}

// At returns y at x, without regard to the range in which the curve is valid.
func (c Cubic) At(x float64) float64 {
	return c.C[0] + x*(c.C[1]+x*(c.C[2]+x*c.C[3]))
}

// Slope returns dy/dx at x.
func (c Cubic) Slope(x float64) float64 {
	return c.C[1] + x*(2*c.C[2]+x*3*c.C[3])
}

// Valid says whether there is a curve at all.
func (c Cubic) Valid() bool { return c.X1 > c.X0 }

// Lane is one lane line (a boundary between lanes, not the space between two).
type Lane struct {
	Points     []Pixel // image polyline, near (bottom) to far (top), y strictly decreasing
	Curve      Cubic   // the same line on the ground
	Confidence float32 // 0 to 1
}

// LaneSet is what was found of the road in one frame.
type LaneSet struct {
	Header
	Width, Height int // of the source frame, pixels
	By            Network
	Lanes         []Lane // left to right where they meet the vehicle
	// EgoLeft and EgoRight index Lanes: the boundaries of the lane that the
	// vehicle is in, -1 where there is none.
	EgoLeft, EgoRight int
	// Drivable is the outline of the drivable area, a simple polygon in the
	// image without its closing point; empty where there is none.
	Drivable []Pixel
	// DrivableConfidence is the share of the area's mask that the polygon keeps, 0 to 1.
	DrivableConfidence float32
}
