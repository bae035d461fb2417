// Package truth is what is really there in a synthetic drive, frame by frame:
// the values, and the JSON lines in which they stand beside a video.
//
// Invariants:
//   - The first line of a file is a [Drive], every other one a [Frame]; frame i
//     is picture i of the video.
//   - Image coordinates are pixels of the drive's picture: x right, y down, the
//     centre of the top-left pixel at (0.5, 0.5). Points may lie outside of the
//     picture, boxes named visible may not.
//   - Vehicle coordinates are metres: x forward, y left, z up, with the origin
//     on the road below the camera. World coordinates are metres with z up;
//     angles are radians, counter-clockwise seen from above.
//   - Whatever a file holds, reading it takes memory within the bounds below.
//
// The package is pure Go.
package truth

// Version of the format that this package writes and the only one it reads.
const Version = 1

// Classes are the names of the object classes, in order of index. They are the
// COCO names where COCO has one. A bicycle or motorcycle is one object with its
// rider.
func Classes() []string {
	return []string{"car", "truck", "bus", "motorcycle", "bicycle", "person", "traffic light", "cone"}
}

// Drive describes a whole drive.
type Drive struct {
	Version  int    `json:"dashline_truth"` // [Version]
	Scenario string `json:"scenario"`       // its name
	Seed     uint64 `json:"seed"`
	// Seeds is how many seeds from Seed on follow each other; 0 is one. With each
	// the world begins anew, ids included.
	Seeds   int      `json:"seeds,omitempty"`
	Scenes  []Scene  `json:"scenes"` // at least one; frames say in which they are
	FPS     float64  `json:"fps"`
	Frames  int      `json:"frames"`
	Camera  Camera   `json:"camera"`
	Classes []string `json:"classes"`
}

// Scene is a part of a drive in which road and weather are of one kind.
type Scene struct {
	Name    string `json:"name"`
	Weather string `json:"weather"` // "clear", "overcast", "rain", "fog", "low_sun", "night"
}

// Camera is the camera that took the pictures; keys as in a camera file.
type Camera struct {
	Width  int     `json:"width" yaml:"width"`
	Height int     `json:"height" yaml:"height"`
	Fx     float64 `json:"fx" yaml:"fx"`
	Fy     float64 `json:"fy" yaml:"fy"`
	Cx     float64 `json:"cx" yaml:"cx"` // as OpenCV counts: the centre of the top-left pixel is 0
	Cy     float64 `json:"cy" yaml:"cy"`
	K1     float64 `json:"k1" yaml:"k1"`
	K2     float64 `json:"k2" yaml:"k2"`
	P1     float64 `json:"p1" yaml:"p1"`
	P2     float64 `json:"p2" yaml:"p2"`
	K3     float64 `json:"k3" yaml:"k3"`
	Mount  float64 `json:"height_m" yaml:"height_m"` // of the lens above the road, metres
	Pitch  float64 `json:"pitch" yaml:"pitch"`       // degrees, down positive
	Yaw    float64 `json:"yaw" yaml:"yaw"`           // degrees, left positive
	Roll   float64 `json:"roll" yaml:"roll"`         // degrees, right side down positive
}

// Frame is all that is true of one picture.
type Frame struct {
	Index    int          `json:"frame"`
	Scene    int          `json:"scene"` // index into the drive's scenes
	Time     float64      `json:"t"`     // seconds from the first frame
	Ego      Ego          `json:"ego"`
	Objects  []Object     `json:"objects"`
	Lanes    []Lane       `json:"lanes"`    // left to right
	Drivable [][2]float64 `json:"drivable"` // outline in the image of the road that ego may drive on, as if nothing stood on it
}

// Ego is the vehicle that carries the camera.
type Ego struct {
	X       float64 `json:"x"` // world, metres
	Y       float64 `json:"y"`
	Z       float64 `json:"z"`
	Yaw     float64 `json:"yaw"`      // radians
	S       float64 `json:"s"`        // along the road's reference line, metres
	D       float64 `json:"d"`        // to the left of it, metres
	Speed   float64 `json:"speed"`    // m/s
	Accel   float64 `json:"accel"`    // m/s²
	YawRate float64 `json:"yaw_rate"` // rad/s
	// Pitch and Roll of the camera in this picture beyond its mounting, from
	// acceleration and vibration, radians; signs as the camera's.
	Pitch float64 `json:"pitch"`
	Roll  float64 `json:"roll"`
}

// Object is one object that is at least partly in the picture.
type Object struct {
	ID    int    `json:"id"` // the same as long as the drive lasts
	Class string `json:"class"`
	// Box is the extent of what is visible, Full of the whole object as if
	// nothing hid it, also beyond the picture: x0, y0, x1, y1.
	Box  [4]float64 `json:"box"`
	Full [4]float64 `json:"full"`
	// Outline is the convex outline of the object in the image.
	Outline [][2]float64 `json:"outline"`
	// Occluded is the share of the object's pixels in the picture that others
	// hide, Truncated the share of Full's area outside of the picture, 0 to 1.
	Occluded  float64 `json:"occluded"`
	Truncated float64 `json:"truncated"`
	// Ignore says that too little is visible for a detector to be asked for it.
	Ignore bool `json:"ignore,omitempty"`
	// Center of the 3-D box, its length, width and height, its heading and pitch
	// (nose up), in vehicle coordinates; Velocity over ground along and across
	// the vehicle.
	Center   [3]float64 `json:"center"`
	Size     [3]float64 `json:"size"`
	Yaw      float64    `json:"yaw"`
	Pitch    float64    `json:"pitch"`
	Velocity [2]float64 `json:"velocity"`
}

// Lane is one painted line.
type Lane struct {
	Kind  string `json:"kind"`  // "solid", "dashed", "double"
	Color string `json:"color"` // "white", "yellow"
	Worn  bool   `json:"worn,omitempty"`
	// Side is -1 for the nearest line to the left of the vehicle, -2 for the
	// next, 1 for the nearest to the right, and so on.
	Side int `json:"side"`
	// Image and Ground are the same points of the line's middle, near to far.
	Image  [][2]float64 `json:"image"`
	Ground [][3]float64 `json:"ground"`
}
