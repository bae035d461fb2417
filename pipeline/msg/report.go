package msg

import "time"

// Outcome is what became of a frame. Every frame that a source produced has
// exactly one.
type Outcome string

// The outcomes.
const (
	OnTime  Outcome = "on_time" // published within its deadline
	Late    Outcome = "late"    // published after its deadline
	Dropped Outcome = "dropped" // not admitted; Stage and Reason say where and why
	Failed  Outcome = "failed"  // an error in a stage; Stage and Reason say where and why
)

// StageTime is the wall time that one stage spent on a frame.
type StageTime struct {
	Stage string
	Took  time.Duration
}

// FrameReport is the account of one frame.
type FrameReport struct {
	Header
	Outcome  Outcome
	Stage    string        // for dropped and failed
	Reason   string        // for dropped and failed, a stable word
	Detail   string        // for failed, the error's text
	Age      time.Duration // at publication; at the decision for dropped and failed
	Deadline time.Duration
	Stages   []StageTime // in the order in which they ran
	Networks []Network   // that ran on the frame
	// Rung is the rung of the ladder that it ran on; empty where it was not begun.
	Rung string
	// Predicted is what the scheduler expected work to take at most; 0 where it was
	// not asked.
	Predicted time.Duration
	// Canary is the rung that was tried after the frame, which nobody waited for;
	// mostly empty.
	Canary string
	// Lag is how old the picture was when the frame arrived: Age counts from Arrived
	// less Lag. 0 where the capture time is not known.
	Lag time.Duration
}
