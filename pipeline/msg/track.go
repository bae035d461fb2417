package msg

import "time"

// TrackState says how sure a tracker is that a track is an object.
type TrackState string

// The states of a track.
const (
	// TrackTentative was seen once and waits for a second detection: many of these
	// are a detector's mistakes.
	TrackTentative TrackState = "tentative"
	// TrackConfirmed was seen on this frame and before.
	TrackConfirmed TrackState = "confirmed"
	// TrackCoasting was confirmed and is not seen on this frame: where it is said
	// to be is reckoned, not measured.
	TrackCoasting TrackState = "coasting"
)

// Track is one object followed over time in one camera's picture.
type Track struct {
	ID    uint64  // unique for the camera from the start of the run, from 1
	Class int     // index into the network's class names, by majority of its detections
	Label string  // class name
	Score float32 // of the latest detection, 0 to 1
	State TrackState
	// Measured is what the detector said on this frame; zero where the object was
	// not seen on it.
	Measured Box
	// Box is the filter's estimate for the time of capture. Where the object was
	// not seen on the frame it is a prediction.
	Box Box
	// Forecast is where the object is expected Tracks.Ahead after capture. It has
	// no area where the object is expected to have left the picture.
	Forecast Box
	// VX and VY are the velocity of the box's centre in the picture, px/s.
	VX, VY float32
	// Sigma is the standard deviation of the forecast's centre along x, and the
	// same along y, pixels. It grows with Ahead and while the track is not seen.
	Sigma float32
	// Unseen is the time from the latest detection to this capture; 0 on a frame
	// with one.
	Unseen time.Duration
	// Detection indexes the frame's Detections.Items, -1 where the object was not
	// seen on the frame, or too faintly for them.
	Detection int
}

// Tracks are all objects that are followed at one frame, in order of ID. Their
// boxes are clipped to the frame.
type Tracks struct {
	Header
	Width, Height int // of the source frame, pixels
	// Ahead is how long after capture the forecasts are for, usually up to the
	// time of publication.
	Ahead time.Duration
	// Only says that no detector ran on this frame: every track is a prediction.
	Only  bool
	Items []Track
}
