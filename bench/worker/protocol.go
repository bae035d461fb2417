// Package worker is the measured side of the bench: one process that holds one
// pipeline ready and runs blocks of frames through it when it is told to.
//
// The measuring side starts one worker for each thing that it compares, so that
// memory and lazily made things are each one's own, and lets them take turns: only
// one runs at a time. Orders come in on standard input and answers go out on
// standard output, a line of JSON each. A worker of another build can be told the
// same, which is how two builds are compared.
//
// Invariants:
//   - Between blocks a worker does nothing: its frames are read, and wait.
//   - A block's figures are of its frames alone, each counted from the moment at
//     which it was due and not from when the worker got to it.
//   - While a block's frames run the measuring allocates nothing; a few objects when it
//     begins and ends are counted to it.
package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"dashline/bench/load"
	"dashline/internal/session"
)

// Protocol is the version of orders and answers. It rises when an old worker would
// misunderstand a new order; keys are only ever added within a version.
const Protocol = 1

// Order is one line to a worker; one of the pointers is set. The end of the input
// is the order to end.
type Order struct {
	Open     *Open     `json:"open,omitempty"`
	Block    *Block    `json:"block,omitempty"`
	Accuracy *Accuracy `json:"accuracy,omitempty"`
	End      *struct{} `json:"end,omitempty"`
}

// Answer is one line of a worker, to each order. Error says that the order could
// not be followed, and that the worker ends.
type Answer struct {
	Error  string  `json:"error,omitempty"`
	Usage  bool    `json:"usage,omitempty"` // the error is in what was asked for
	Opened *Opened `json:"opened,omitempty"`
	Block  *Frames `json:"block,omitempty"`
	Right  *Right  `json:"accuracy,omitempty"`
	Ended  *Ended  `json:"ended,omitempty"`
}

// Open asks for a pipeline to be made ready. It is the first order.
type Open struct {
	Protocol int `json:"protocol"`
	// Config is the text of a configuration file; source and cameras are in it.
	Config string `json:"config"`
	// Closed makes frames wait for each other: service times alone, and no deadline.
	Closed bool `json:"closed,omitempty"`
	// Faults are put into the pipeline on purpose, to see whether they are found.
	Faults []Fault `json:"faults,omitempty"`
}

// Opened says that the pipeline is ready.
type Opened struct {
	Protocol int      `json:"protocol"`
	Version  string   `json:"version"`
	Cameras  []string `json:"cameras"`
	Width    int      `json:"width"`
	Height   int      `json:"height"`
	FPS      float64  `json:"fps"`    // of the first camera's source
	Source   string   `json:"source"` // of the first camera
	Ladder   []string `json:"ladder,omitempty"`
	Load     float64  `json:"load_ms"`
	Memory   int64    `json:"memory_bytes"` // resident now
}

// Block asks for frames to be run, Frames of each camera: with the server scenario
// on average, and so many times the cameras in all.
type Block struct {
	load.Plan
	Frames int    `json:"frames"`
	Seed   uint64 `json:"seed"`
	// Continue begins where the block before this one ended, however long that is ago: what
	// the last of its frames took counts against those that were due meanwhile.
	Continue bool `json:"continue,omitempty"`
	// Silent publishes nothing, so that what is allocated is the pipeline's alone: what
	// the bus allocates depends on how many messages it sends at a time.
	Silent bool `json:"silent,omitempty"`
}

// Frames are what became of a block.
type Frames struct {
	// Stages are the names that Frame.Stages has times for.
	Stages []string `json:"stages"`
	Frames []Frame  `json:"frames"`
	Wall   float64  `json:"wall_ms"` // from its begin until the last frame was done
	Span   float64  `json:"span_ms"` // from its begin to where the next may continue it
	CPU    float64  `json:"cpu_ms"`  // processor time of the process
	Allocs uint64   `json:"allocs"`  // on Go's heap
	Bytes  uint64   `json:"alloc_bytes"`
	GCs    uint64   `json:"gcs"`
}

// Check says what cannot be an answer to an order of so many frames: the worker may
// be of another build.
func (f *Frames) Check(frames int) error {
	if len(f.Frames) != frames {
		return fmt.Errorf("of %d frames it answered %d", frames, len(f.Frames))
	}
	if len(f.Stages) > maxStages {
		return fmt.Errorf("it answered times of %d stages", len(f.Stages))
	}
	for _, name := range f.Stages {
		if name == "" || len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fmt.Errorf("it answered times of a stage %q", name)
		}
	}
	for i := range f.Frames {
		if x := &f.Frames[i]; len(x.Stages) > len(f.Stages) || x.Camera < 0 || x.Camera >= load.MaxCameras {
			return fmt.Errorf("frame %d has %d stages of %d, of camera %d", i, len(x.Stages), len(f.Stages), x.Camera)
		}
	}
	return nil
}

// Frame is what became of one frame. Times are in milliseconds.
type Frame struct {
	Camera  int       `json:"camera,omitempty"`
	Due     float64   `json:"due"` // from the begin of the block
	Outcome string    `json:"outcome"`
	Stage   string    `json:"stage,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Rung    string    `json:"rung,omitempty"`
	Age     float64   `json:"age"`    // since it was due, when its outcome was known
	Work    float64   `json:"work"`   // from the begin of work; 0 where it was not begun
	Stages  []float64 `json:"stages"` // -1: not run
}

// Accuracy asks for how right the detector of a configuration is on its source, a
// drive with truth. It needs no pipeline made ready, and takes as much memory as it
// takes: a worker of its own should be asked.
type Accuracy struct {
	Protocol int    `json:"protocol"`
	Config   string `json:"config"`
	// Streaming also runs the drive in real time, and counts answers for what is there
	// when they come; else pictures are looked at in peace alone.
	Streaming bool `json:"streaming,omitempty"`
	// Every takes every N-th picture where they are looked at in peace; 0: 1.
	Every int `json:"every,omitempty"`
	// Frames takes the first so many frames of the drive; 0: all.
	Frames int `json:"frames,omitempty"`
}

// Right is how right the detector is.
type Right struct {
	Data      string `json:"data"`
	Offline   *AP50  `json:"offline,omitempty"` // absent for a ladder, which has no one detector
	Streaming *AP50  `json:"streaming,omitempty"`
}

// AP50 is a mean average precision at an IoU of .5, with its 95 % interval.
type AP50 struct {
	Value    float64     `json:"value"`
	Interval *[2]float64 `json:"interval,omitempty"` // absent where the data is too little for one
	Pictures int         `json:"pictures"`
}

// Ended is the account of the whole process.
type Ended struct {
	Peak     int64                    `json:"peak_bytes"` // most resident memory
	Networks []session.NetworkSummary `json:"networks"`
	Messages uint64                   `json:"messages"`
	Bytes    uint64                   `json:"message_bytes"`
	Produced uint64                   `json:"produced"`
}

// ParseOrder reads one line.
func ParseOrder(line []byte) (o Order, err error) {
	if err := json.Unmarshal(line, &o); err != nil {
		return o, fmt.Errorf("an order that cannot be read: %w", err)
	}
	n := 0
	for _, set := range []bool{o.Open != nil, o.Block != nil, o.Accuracy != nil, o.End != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		return o, errors.New("an order must be one of open, block, accuracy and end: is the other side of another version?")
	}
	return o, nil
}
