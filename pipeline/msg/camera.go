package msg

import "time"

// CameraStatus says how a live camera is doing.
type CameraStatus string

// The states of a camera. A file has none.
const (
	CameraConnecting CameraStatus = "connecting" // no session yet, or being made again
	CameraStreaming  CameraStatus = "streaming"  // pictures arrive
	CameraStalled    CameraStatus = "stalled"    // a session, but no picture for too long
	CameraFailed     CameraStatus = "failed"     // cannot be reached, or refuses; tried again later
)

// CameraState is the state of a live camera, published at each change of
// Status and at least every few seconds.
type CameraState struct {
	Camera string
	At     time.Time
	Status CameraStatus
	// Detail is one line for people: why it failed or stalled. No credentials.
	Detail    string
	Transport string // "udp" or "tcp"; empty while there is no session
	Codec     string // "h264", "h265" or "mjpeg"; empty while unknown
	Sessions  uint64 // sessions made since the start
	Packets   uint64 // RTP packets received
	Lost      uint64 // RTP packets that never came
	Clock     CaptureClock
	// ClockOffset is the sender's clock less this machine's, as the fastest
	// packets show it; 0 without a sender's clock. Transit time is in it.
	ClockOffset time.Duration
	// ClockDrift is how fast that offset grows, in parts per million.
	ClockDrift float64
	ClockSteps uint64 // jumps of the sender's clock that were noticed
}
