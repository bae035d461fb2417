// Package pipeline is how frames flow: from a source, through admission, to
// detection and lanes, to tracks and a plan, to whoever listens.
//
// The package owns goroutines, timing, admission, panics, cancellation and the
// account of frames. Stages are plain functions of their input behind the small
// interfaces below; they have none of that, and the package never imports an
// implementation.
//
// Invariants:
//   - Every frame that the source produced gets exactly one outcome: on_time,
//     late, dropped or failed; also at shutdown and after faults. [Run] returns
//     an error if the account does not close.
//   - Frames are dropped only at the entrance. What is admitted runs to its end,
//     so no queue builds up in which latency could hide.
//   - In steady state Run allocates the published messages and nothing else.
//   - What [Replay] publishes depends on frames, stages and service times alone:
//     not on the machine's clock, its load, or the number of its cores.
//   - Run and Replay return only after every goroutine that they started has
//     ended and every frame is back in the pool; but for crews that hang, which
//     keep their frame.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dashline/internal/obs"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/pipeline/schedule"
)

// Source produces the frames of one camera, in order.
type Source interface {
	// Next reads the next picture into f.Image (8-bit BGR) and sets f.Header;
	// Arrived only where it replays an arrival. It returns io.EOF at the end, a
	// [*FrameError] when this frame is lost but the next may be fine (f.Header
	// must be set then too), and any other error when the source cannot go on.
	Next(ctx context.Context, f *frame.Frame) error
}

// Detector finds objects.
type Detector interface {
	// Detect appends to dst, best score first. It borrows f until it returns.
	Detect(f *frame.Frame, dst []msg.Detection) ([]msg.Detection, Timing, error)
	// By is the network that runs; constant.
	By() msg.Network
}

// LaneFinder finds lane lines and the drivable area.
type LaneFinder interface {
	// FindLanes fills dst, all but its Header. It borrows f until it returns.
	FindLanes(f *frame.Frame, dst *msg.LaneSet) (Timing, error)
	// By is the network that runs; constant.
	By() msg.Network
}

// Planner turns a scene into a trajectory.
type Planner interface {
	// Plan may remember earlier scenes but keeps no reference to s.
	Plan(s *msg.Scene) *msg.Trajectory
}

// Sighting is what a tracker is told of a frame.
type Sighting struct {
	msg.Header
	Width, Height int // of the picture, pixels
	// Captured is when it was taken, on the pipeline's clock.
	Captured time.Duration
	// Ahead is how long after that the tracks are forecast to.
	Ahead time.Duration
	// Detections has what was published, and after that what was too faint to be.
	// It is only borrowed.
	Detections []msg.Detection
	// Only says that no detector ran.
	Only bool
}

// Tracker follows the objects of one camera.
type Tracker interface {
	// Track takes in a sighting, of which it keeps nothing. The tracks are the
	// caller's.
	Track(s *Sighting) *msg.Tracks
}

// Locator places detections on the ground.
type Locator interface {
	// Locate appends to dst.
	Locate(d *msg.Detections, dst []msg.Object) []msg.Object
}

// Publisher sends messages to the world. No method blocks; what cannot be sent
// is counted by the publisher.
type Publisher interface {
	Detections(*msg.Detections)
	Tracks(*msg.Tracks)
	Lanes(*msg.LaneSet)
	Plan(*msg.Trajectory)
	Frame(*msg.FrameReport)
}

// View is a finished frame with all that was made of it. Parts that do not
// exist are nil.
type View struct {
	Frame      *frame.Frame
	Detections *msg.Detections
	Tracks     *msg.Tracks
	Lanes      *msg.LaneSet // of this frame
	Plan       *msg.Trajectory
	Lead       int // index into Detections.Items of what the plan reacts to, -1 for nothing
	Report     *msg.FrameReport
}

// Viewer looks at finished frames, after publication. It runs on a goroutine of
// its own, may draw on the frame, and borrows the view until it returns.
type Viewer interface {
	View(v *View) error
}

// Observer is told every frame's outcome. Calls for one camera do not overlap.
type Observer interface {
	Frame(*msg.FrameReport)
}

// Timing splits the time of a stage that runs a network.
type Timing struct{ Preprocess, Forward, Decode time.Duration }

// FrameError is an error that costs one frame and no more.
type FrameError struct {
	Reason string // a stable word for the account, for example "corrupt"
	Err    error
	// Dropped says that nothing was wrong with the frame: it was let go, for
	// example because it was too old. Its outcome is then dropped, not failed.
	Dropped bool
}

func (e *FrameError) Error() string { return fmt.Sprintf("%s: %v", e.Reason, e.Err) }

// Unwrap returns the cause.
func (e *FrameError) Unwrap() error { return e.Err }

// HangError ends a run whose crew did not come back from a frame.
type HangError struct {
	Camera string
	Seq    uint64
	After  time.Duration
	Err    error // why there is no other crew; nil: none was asked for
}

func (e *HangError) Error() string {
	s := fmt.Sprintf("camera %s: the networks hang on frame %d, and have not answered for %v", e.Camera, e.Seq, e.After)
	if e.Err != nil {
		s += fmt.Sprintf("; opening others failed: %v", e.Err)
	}
	return s
}

// Unwrap returns the cause.
func (e *HangError) Unwrap() error { return e.Err }

func reasonOf(err error) string {
	if fe, ok := errors.AsType[*FrameError](err); ok {
		return fe.Reason
	}
	return "error"
}

// Policy says which frames are admitted.
type Policy string

// The policies.
const (
	// Every admits each frame and makes the source wait. It is for files: a
	// file has no clock of its own, so a frame arrives when the pipeline takes
	// it.
	Every Policy = "every"
	// Newest keeps one frame waiting at most; a newer one replaces it and the
	// older is dropped. It is for live cameras: a frame arrives when the source
	// has it, and its age runs from then.
	Newest Policy = "newest"
)

// The stages that a report times, in the order in which they run. Detection and
// lanes run side by side, so their times overlap.
const (
	StageSource       = "source"     // reading and decoding the picture
	StageWait         = "wait"       // arrival to the start of work
	StagePreprocess   = "preprocess" // detection: picture to input tensor
	StageForward      = "forward"    // detection: the engine's forward
	StageDecode       = "decode"     // detection: output tensors to boxes
	StageLanes        = "lanes"      // lanes, all of it
	StageLanesForward = "lanes_forward"
	StageTrack        = "track"
	StagePlan         = "plan" // placing objects on the ground, and planning
	StagePublish      = "publish"
	StageAdmission    = "admission" // in drops only
	StageDetect       = "detect"    // in failures only
)

// Config says how to run one camera.
type Config struct {
	Camera   string
	Deadline time.Duration // largest useful age at publication
	Policy   Policy
	// Speed is the vehicle's own speed in m/s, handed to the planner.
	Speed float64
	// LanesEvery says on which frames lanes are looked for: every N-th; 0 is 1.
	LanesEvery int
	// Weight and Rate are as in [schedule.Camera]; Weight with Newest alone.
	Weight, Rate float64
}

// Stages are the parts of a pipeline that belong to one camera. Source must be
// there; a nil part is left out.
type Stages struct {
	Source    Source
	Tracker   Tracker
	Locator   Locator
	Planner   Planner
	Publisher Publisher
	Viewer    Viewer
	Observers []Observer
}

// Feed is one camera of a run, and the account of its frames.
type Feed struct {
	Config
	Stages
	Account *obs.Account
}

// Rung is a step of the ladder.
type Rung struct {
	Name string
	schedule.Rung
}

// Crew is one set of networks, which works on one frame at a time.
type Crew struct {
	// Detectors has one for each rung; the last may be nil, which is "track only":
	// lanes are not looked for either.
	Detectors []Detector
	Lanes     LaneFinder // nil: none are looked for
	// InOrder lets lanes run after detection instead of beside it.
	InOrder bool
}

// Engine is what all cameras of a run share.
type Engine struct {
	Rungs []Rung // largest first
	// Score is the least score of a detection that is published. What a detector
	// finds beyond is for the tracker, which follows faint objects, too.
	Score float32
	// Crews are one at least. All take frames with Every, side by side; Newest and
	// replays have the first alone.
	Crews []Crew
	// Patience is the longest that a crew may work on a frame of Run. A frame whose
	// crew takes longer has failed, for "hang", and the crew is given up: what hangs
	// in native code cannot be stopped. 0 is for ever.
	Patience time.Duration
	// Renew makes another crew in the place of one that was given up, which must not
	// be closed: it is still at work. Where it is nil or fails the run ends with a
	// [*HangError].
	Renew func(index int) (Crew, error)
	// Now is the monotonic clock of Run, since any fixed moment; nil takes the real
	// one. A replay does not ask it.
	Now func() time.Duration
}
