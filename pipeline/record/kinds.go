package record

// Kind is what a value that is recorded is about.
type Kind string

// The kinds.
const (
	KindPackets     Kind = "packets"
	KindDetections  Kind = "detections"
	KindTracks      Kind = "tracks"
	KindLanes       Kind = "lanes"
	KindPlan        Kind = "plan"
	KindFrames      Kind = "frames"
	KindCamera      Kind = "camera" // the state of a live camera
	KindCalibration Kind = "calibration"
)

// kinds is the order in which kinds are counted.
var kinds = [...]Kind{KindPackets, KindDetections, KindTracks, KindLanes, KindPlan, KindFrames, KindCamera, KindCalibration}

// kind indexes kinds.
type kind int

const (
	packets kind = iota
	detections
	tracks
	lanes
	plan
	frames
	camera
	calibration
)
