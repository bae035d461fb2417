package worker

import (
	"context"
	"slices"
	"sync"
	"time"

	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

// maxStages is how many stages a frame may have times of.
const maxStages = 24

// inFlight is how many frames of a camera may be on their way: more than a
// pipeline has.
const inFlight = 64

// shutter lets frames into the pipeline when they are due, and notes what becomes
// of them. It is the source around each camera's source, and an observer.
type shutter struct {
	closed  bool
	cameras []*camera

	mu    sync.Mutex
	block *block // nil between blocks
}

// camera is one source. Its frames are read ahead and wait for the next due time.
type camera struct {
	name    string
	index   int
	arrive  chan time.Time // when the next frames are due
	flights [inFlight]flight
}

// flight is a frame on its way.
type flight struct {
	seq uint64
	due time.Time
	lag time.Duration // from when it was due to its delivery
	on  bool
}

// block is the frames of one order.
type block struct {
	begin  time.Time
	frames []Frame
	times  []float64 // maxStages of each frame
	names  []string
	left   int
	again  []int // frames of each camera that are still to come, closed loop
	done   chan struct{}
}

func newShutter(names []string, closed bool) *shutter {
	s := &shutter{closed: closed}
	for i, name := range names {
		s.cameras = append(s.cameras, &camera{name: name, index: i, arrive: make(chan time.Time, MaxBlock)})
	}
	return s
}

func (s *shutter) camera(name string) *camera {
	for _, c := range s.cameras {
		if c.name == name {
			return c
		}
	}
	return nil
}

// source is put around the source of a camera.
func (s *shutter) source(name string, inner pipeline.Source) pipeline.Source {
	return &shuttered{s, s.camera(name), inner, time.NewTimer(time.Hour)}
}

type shuttered struct {
	*shutter
	camera *camera
	inner  pipeline.Source
	timer  *time.Timer
}

// Next reads a frame and gives it when it is due. In closed loop it reads when the
// frame before is done, so that reading takes no time from that.
func (s *shuttered) Next(ctx context.Context, f *frame.Frame) error {
	if s.closed {
		return s.ondemand(ctx, f)
	}
	err := s.inner.Next(ctx, f)
	if _, lost := err.(*pipeline.FrameError); err != nil && !lost {
		return err
	}
	began := time.Now()
	var due time.Time
	select {
	case due = <-s.camera.arrive:
	case <-ctx.Done():
		return ctx.Err()
	}
	if wait := time.Until(due); wait > 0 {
		s.timer.Reset(wait)
		select {
		case <-s.timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	now := time.Now()
	f.Idle += now.Sub(began)
	f.Lag, f.Arrived = now.Sub(due), 0
	s.launch(s.camera, f.Seq, due, f.Lag)
	return err
}

func (s *shuttered) ondemand(ctx context.Context, f *frame.Frame) error {
	began := time.Now()
	select {
	case <-s.camera.arrive:
	case <-ctx.Done():
		return ctx.Err()
	}
	idle := time.Since(began)
	err := s.inner.Next(ctx, f)
	if _, lost := err.(*pipeline.FrameError); err != nil && !lost {
		return err
	}
	f.Idle += idle
	f.Lag, f.Arrived = 0, 0
	s.launch(s.camera, f.Seq, time.Now(), 0)
	return err
}

func (s *shutter) launch(c *camera, seq uint64, due time.Time, lag time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.flights[seq%inFlight] = flight{seq, due, lag, true}
}

// start begins a block: due has the times of each camera, since begin.
func (s *shutter) start(due [][]time.Duration, begin time.Time) *block {
	b := &block{begin: begin, done: make(chan struct{}), again: make([]int, len(due))}
	for _, d := range due {
		b.left += len(d)
	}
	b.frames = make([]Frame, 0, b.left)
	b.times = make([]float64, b.left*maxStages)
	b.names = make([]string, 0, maxStages)
	s.mu.Lock()
	s.block = b
	s.mu.Unlock()
	for i, c := range s.cameras {
		if s.closed {
			b.again[i] = len(due[i]) - 1
			c.arrive <- b.begin
			continue
		}
		for _, d := range due[i] {
			c.arrive <- b.begin.Add(d)
		}
	}
	return b
}

// finish ends a block, after its done is closed.
func (s *shutter) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.block = nil
}

// Frame notes what became of a frame, and in closed loop lets the next one come.
func (s *shutter) Frame(r *msg.FrameReport) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.camera(r.Camera)
	if c == nil || s.block == nil {
		return
	}
	fl := &c.flights[r.Seq%inFlight]
	if !fl.on || fl.seq != r.Seq {
		return
	}
	fl.on = false
	b := s.block
	at := len(b.frames) * maxStages
	row := b.times[at : at+maxStages]
	for i := range row {
		row[i] = -1
	}
	var wait time.Duration
	for _, t := range r.Stages {
		if t.Stage == pipeline.StageWait {
			wait = t.Took
		}
		if i := b.stage(t.Stage); i >= 0 {
			row[i] = millis(t.Took)
		}
	}
	f := Frame{
		Camera: c.index, Due: millis(fl.due.Sub(b.begin)), Outcome: string(r.Outcome), Stage: r.Stage, Reason: r.Reason, Rung: r.Rung,
		Age: millis(r.Age), Stages: row,
	}
	if len(r.Stages) > 0 {
		f.Work = millis(r.Age - wait - fl.lag)
	}
	b.frames = append(b.frames, f)
	if s.closed && b.again[c.index] > 0 {
		b.again[c.index]--
		c.arrive <- time.Time{}
	}
	if b.left--; b.left == 0 {
		close(b.done)
	}
}

// stage is the column of a stage, -1 for one too many.
func (b *block) stage(name string) int {
	if i := slices.Index(b.names, name); i >= 0 {
		return i
	}
	if len(b.names) == maxStages {
		return -1
	}
	b.names = append(b.names, name)
	return len(b.names) - 1
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
