package pipeline

import (
	"slices"
	"sync"
	"time"

	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

// station is where one crew works: on one frame at a time, for one goroutine.
type station struct {
	Crew
	index      int     // of the crew
	score      float32 // of what is published
	clock      clock
	desk       desk // where frames are handed in that may hang
	lanes      helper
	beside     sync.WaitGroup       // its goroutines
	now        func() time.Duration // what lanes are timed with
	detections []msg.Detection
}

// sensed is what the networks made of a frame.
type sensed struct {
	detections *msg.Detections // nil on track only
	all        []msg.Detection // the same, and after them what is too faint
	lanes      *msg.LaneSet
	networks   []msg.Network // part of a published message
	times      [5]msg.StageTime
	timed      int
	published  time.Duration
	stage      string // that failed
	err        error
}

func (s *sensed) time(stage string, took time.Duration) {
	s.times[s.timed] = msg.StageTime{Stage: stage, Took: took}
	s.timed++
}

// start starts the goroutine of lanes. end ends it, and the one for requests if
// there is one, and waits for them.
func (s *station) start(now func() time.Duration) {
	s.now = now
	if s.Lanes != nil && !s.InOrder {
		s.lanes.start(&s.beside, s.timedLanes)
	}
}

func (s *station) end() {
	if s.Lanes != nil && !s.InOrder {
		s.lanes.stop()
	}
	if s.desk.in != nil {
		close(s.desk.in)
		s.desk.timer.Stop()
	}
	s.beside.Wait()
}

// sense runs detection on a rung, and lanes where they are wanted, beside it or
// after it. publish is told the detections as soon as there are any, and returns
// what that took. It may be nil.
func (s *station) sense(f *frame.Frame, rung int, lanes bool, publish func(*msg.Detections) time.Duration) (out sensed) {
	begin := s.clock.now()
	lanes = lanes && s.Lanes != nil
	if lanes && !s.InOrder {
		s.lanes.begin(f)
	}
	if det := s.Detectors[rung]; det != nil {
		out.networks = append(make([]msg.Network, 0, 2), det.By())
		var t Timing
		out.detections, out.all, t, out.err = s.detect(det, f)
		t.Preprocess = s.clock.took(StagePreprocess, t.Preprocess)
		t.Forward = s.clock.took(StageForward, t.Forward)
		t.Decode = s.clock.took(StageDecode, t.Decode)
		if out.err != nil {
			out.stage = StageDetect
		} else {
			out.time(StagePreprocess, t.Preprocess)
			out.time(StageForward, t.Forward)
			out.time(StageDecode, t.Decode)
			if publish != nil {
				out.published = publish(out.detections)
			}
		}
	}
	if lanes {
		s.join(f, begin, &out)
	}
	return out
}

// join adds what lanes give.
func (s *station) join(f *frame.Frame, begin time.Duration, out *sensed) {
	var res found
	var took, forward time.Duration
	if s.InOrder {
		res = s.timedLanes(f)
		took, forward = s.clock.took(StageLanes, res.took), s.clock.part(StageLanesForward, res.timing.Forward)
	} else {
		res = s.lanes.wait() // always: the frame is borrowed until then
		took, forward = s.clock.beside(StageLanes, begin, res.took), s.clock.beside(StageLanesForward, begin, res.timing.Forward)
	}
	if out.err == nil && res.err != nil {
		out.stage, out.err = StageLanes, res.err
	}
	if res.err == nil {
		out.lanes = res.lanes
	}
	out.networks = append(out.networks, s.Lanes.By())
	out.time(StageLanes, took)
	out.time(StageLanesForward, forward)
}

func (s *station) detect(det Detector, f *frame.Frame) (d *msg.Detections, all []msg.Detection, t Timing, err error) {
	defer contain(&err)
	items, t, err := det.Detect(f, s.detections[:0])
	if err != nil {
		return nil, nil, t, err
	}
	s.detections = items
	all = slices.Clone(items)
	n := len(all)
	for n > 0 && all[n-1].Score < s.score {
		n--
	}
	return &msg.Detections{
		Header: f.Header, Width: f.Image.Cols(), Height: f.Image.Rows(),
		By: det.By(), Items: all[:n:n],
	}, all, t, nil
}

// canary runs detection for its time alone.
func (s *station) canary(f *frame.Frame, rung int) (err error) {
	defer contain(&err)
	s.detections, _, err = s.Detectors[rung].Detect(f, s.detections[:0])
	return err
}

func (s *station) timedLanes(f *frame.Frame) found {
	start := s.now()
	set, t, err := s.findLanes(f)
	return found{set, t, s.now() - start, err}
}

func (s *station) findLanes(f *frame.Frame) (set *msg.LaneSet, t Timing, err error) {
	defer contain(&err)
	set = &msg.LaneSet{Header: f.Header}
	t, err = s.Lanes.FindLanes(f, set)
	return set, t, err
}

// helper runs the lanes of one frame beside its detection, on one goroutine.
type helper struct {
	in  chan *frame.Frame
	out chan found
}

type found struct {
	lanes  *msg.LaneSet
	timing Timing
	took   time.Duration
	err    error
}

func (h *helper) start(wg *sync.WaitGroup, find func(*frame.Frame) found) {
	h.in, h.out = make(chan *frame.Frame), make(chan found)
	wg.Go(func() {
		for f := range h.in {
			h.out <- find(f)
		}
	})
}

func (h *helper) begin(f *frame.Frame) { h.in <- f }
func (h *helper) wait() found          { return <-h.out }
func (h *helper) stop()                { close(h.in) }
