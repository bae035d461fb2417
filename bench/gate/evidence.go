package gate

import (
	"dashline/bench/worker"
)

// Block is what one worker did with a few frames. Times are in milliseconds and,
// like counts, of one frame: means of the block.
type Block struct {
	Frames int // that were given
	Done   int // that were published
	Work   float64
	CPU    float64
	Delay  float64 // that threads were ready to run and had no processor, of all threads together
	Allocs float64
	Bytes  float64 // allocated
	Stages map[string]float64
	// Stalled says that the process was asleep for long while it had a frame to work on.
	Stalled bool
}

// Quadruple is two blocks of each side that ran beside each other.
type Quadruple struct {
	Round      int  // of the processes
	Silent     bool // nothing was published: what was allocated is the pipeline's alone
	Base, Head []Block
}

// Process is the account of a worker.
type Process struct {
	Peak         float64 // most resident memory, bytes
	Messages     float64 // bytes published, a frame
	Instructions float64 // a frame; 0: not counted
}

// Round is a process of each side.
type Round struct{ Base, Head Process }

// Side is what one of the two builds is, and what its detector knows.
type Side struct {
	Name    string // as the user gave it
	Version string // as the build says
	Right   *worker.Right
}

// Evidence is all that was measured.
type Evidence struct {
	Base, Head Side
	Quadruples []Quadruple
	Rounds     []Round
	Delays     bool // the kernel says how long threads waited
	Watched    bool // and whether a process is asleep
	Notes      []string
}

// reduce makes a block of what a worker answered. delay is in milliseconds, of the
// whole block.
func reduce(f *worker.Frames, delay float64) Block {
	n := float64(len(f.Frames))
	b := Block{
		Frames: len(f.Frames), CPU: f.CPU / n, Delay: delay / n,
		Allocs: float64(f.Allocs) / n, Bytes: float64(f.Bytes) / n, Stages: map[string]float64{},
	}
	ran := map[string]float64{}
	for i := range f.Frames {
		x := &f.Frames[i]
		if x.Outcome != "on_time" && x.Outcome != "late" {
			continue
		}
		b.Done++
		b.Work += x.Work
		for s, took := range x.Stages {
			if took >= 0 {
				b.Stages[f.Stages[s]] += took
				ran[f.Stages[s]]++
			}
		}
	}
	if b.Done > 0 {
		b.Work /= float64(b.Done)
	}
	for name, times := range ran {
		b.Stages[name] /= times
	}
	return b
}
