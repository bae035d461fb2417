// Package msg holds the values that cross stages and the wire.
//
// Everything here is a plain struct in SI units that is not changed after it is
// published and holds no native memory, so a value may be kept, shared between
// goroutines and encoded at any later time. Pixel coordinates ([Pixel], [Box])
// and vehicle coordinates ([Ground]) are different types and never mix without
// a camera in between.
//
// The package imports the standard library only. The Protobuf schemas in
// pipeline/bus/proto mirror these structs field by field.
package msg

import "time"

// Header says which frame a value belongs to.
type Header struct {
	// Camera is the configured name of the camera, unique in one vehicle.
	Camera string
	// Seq counts frames at the source from 0, gaps included: a frame that the
	// source skipped or could not decode still takes a number.
	Seq uint64
	// CapturedAt is when the picture was taken, by the clock that CaptureClock
	// names; zero where that is not known.
	CapturedAt time.Time
	// CaptureClock says how CapturedAt is known; empty where it is not.
	CaptureClock CaptureClock
	// Arrived is when the whole frame was in this process, on the pipeline's
	// monotonic clock (time since the pipeline started). A source that knows when
	// the picture arrived while it was recorded sets it, counted as PTS is and never
	// 0, for those who pace or replay it.
	Arrived time.Duration
	// PTS is the frame's presentation time in its stream, from the first frame.
	PTS time.Duration
}

// CaptureClock says by which clock a capture time was told.
type CaptureClock string

// The capture clocks.
const (
	// SenderClock is the camera's own: RTCP sender reports tie RTP time to it
	// (RFC 3550, 6.4.1). It need not agree with the clock of this machine.
	SenderClock CaptureClock = "sender"
	// ArrivalClock is this machine's: arrival less what the picture was delayed
	// beyond the fastest of the recent ones.
	ArrivalClock CaptureClock = "arrival"
)

// Network says which network made a result and what it really ran on.
type Network struct {
	Name      string // name of its description, for example "yolo-fastest-1.1-xl"
	Engine    string // "opencv" or "ort"
	Requested string // backend asked for: "cpu", "cuda", "cuda-fp16", "opencl"
	Backend   string // backend that runs, same words; differs from Requested after a fall-back
}
