package msg

import "time"

// Object is a detection placed on the ground.
type Object struct {
	Position  Ground  // middle of the side that faces the camera
	Width     float64 // metres across
	Label     string
	Score     float32
	Detection int // index into the frame's Detections.Items, -1 where it was not seen on the frame
	// Unseen is the time since a detector saw it; 0 where one did on this frame.
	Unseen time.Duration
}

// Scene is all that the planner sees of one frame. Nil parts were not
// available; it holds references and owns nothing.
type Scene struct {
	Header
	Detections *Detections
	Objects    []Object
	// Lanes are the newest, LanesAge older than the frame.
	Lanes    *LaneSet
	LanesAge time.Duration
	// Speed is the vehicle's own speed, m/s.
	Speed float64
}

// PlanMode says what a trajectory does.
type PlanMode string

// The plan modes.
const (
	PlanKeepLane PlanMode = "keep_lane" // follows the lane's centre at the set speed
	PlanFollow   PlanMode = "follow"    // follows an object in the lane at a time gap
	PlanStop     PlanMode = "stop"      // stops before an object that stands
	PlanNoLanes  PlanMode = "no_lanes"  // no usable lane: straight and slowing down
)

// TrajectoryPoint is where the vehicle is to be at one time from now.
type TrajectoryPoint struct {
	T            float64 // seconds from the frame's capture
	Position     Ground
	Heading      float64 // radians from the vehicle's x axis, left positive
	Speed        float64 // m/s, never negative
	Acceleration float64 // m/s², along the path
	Curvature    float64 // 1/m, left positive
}

// Trajectory is the plan for one frame.
type Trajectory struct {
	Header
	Mode PlanMode
	// Why is one line for people: what the plan reacts to.
	Why string
	// LeadObject indexes Scene.Objects, -1 where nothing is followed or where
	// what is followed was not seen in this frame (LeadDistance is then where
	// it is reckoned to be).
	LeadObject   int
	LeadDistance float64 // metres, bumper to object; 0 without a lead
	LeadSpeed    float64 // m/s over ground, estimated; 0 without a lead
	Points       []TrajectoryPoint
}
