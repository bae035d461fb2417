package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dashline/bench/load"
	"dashline/bench/worker"
	"dashline/internal/config"
	"dashline/internal/session"
	"dashline/pipeline/msg"
	"dashline/pipeline/schedule"
)

// subject is one thing that is measured, in a process of its own.
type subject struct {
	name string
	cfg  config.Config

	process *worker.Process
	opened  *worker.Opened
	work    float64 // ms that a frame takes, as seen while warming up
	warmed  int     // frames

	trial  *trial
	stages []string
	frames []frame
	held   []frame   // that were not answered in their block, and may be in the next
	loud   int       // frames that were wanted, and could be published
	cpu    []float64 // ms a frame, of each block
	length float64   // s of all blocks, one after the other
	allocs []float64 // a frame, of each silent block
	joules float64   // of the whole machine while its blocks ran
	ran    int       // frames of these
	ended  *worker.Ended
	right  *worker.Right
}

// frame is what was seen of one.
type frame struct {
	camera int
	at     float64 // s, when it was due, with blocks one after the other
	age    float64 // ms; of a published frame
	answer float64 // ms until it or a newer one was published; +Inf: neither was
	work   float64 // ms
	stages []float64
	judged bool // the trial has it
	outcome,
	stage, reason string
}

// published says that something came of it.
func (f *frame) published() bool {
	return f.outcome == string(msg.OnTime) || f.outcome == string(msg.Late)
}

func nameOf(network string) string {
	return strings.TrimSuffix(filepath.Base(network), filepath.Ext(network))
}

// ask turns what a worker finds wrong with a configuration into what a person is
// told of one.
func (s *subject) ask(o worker.Order) (worker.Answer, error) {
	a, err := s.process.Ask(o)
	if wrong, ok := errors.AsType[*worker.OrderError](err); ok && wrong.Usage {
		err = &session.ConfigError{Err: err}
	}
	return a, err
}

func (s *subject) open(ctx context.Context, o *Options) (err error) {
	text, err := config.Effective(&s.cfg)
	if err != nil {
		return &session.ConfigError{Err: err}
	}
	if s.process, err = worker.Start(ctx, s.name, o.Binary); err != nil {
		return err
	}
	a, err := s.ask(worker.Order{Open: &worker.Open{Protocol: worker.Protocol, Config: string(text), Closed: o.Closed, Faults: o.Faults}})
	if err != nil {
		return err
	}
	if s.opened = a.Opened; s.opened == nil {
		return fmt.Errorf("%s: the process that is measured did not say that it is ready", s.name)
	}
	return nil
}

// warm runs frames that do not count, and sees what a frame takes: some first, and
// then as many as there is time for.
func (s *subject) warm(o *Options) error {
	const some = 5
	plan := load.Plan{Scenario: load.SingleStream, Cameras: o.Plan.Cameras, Rate: min(o.Plan.Rate, s.opened.FPS)}
	for n := some; ; {
		a, err := s.ask(worker.Order{Block: &worker.Block{Plan: plan, Frames: n, Seed: o.Seed}})
		if err != nil {
			return err
		}
		var work []float64
		for _, f := range a.Block.Frames {
			if f.Work > 0 {
				work = append(work, f.Work)
			}
		}
		s.warmed += len(a.Block.Frames)
		s.loud += wanted(a.Block)
		if len(work) > 0 {
			slices.Sort(work)
			s.work = max(work[len(work)/2], .01)
		} else if s.work == 0 {
			return fmt.Errorf("%s: none of %d frames could be worked on: %s", s.name, n, firstReason(a.Block.Frames))
		}
		if s.warmed > some*o.Plan.Cameras {
			break
		}
		n = s.within(warmup, int(math.Ceil(s.opened.FPS*warmup.Seconds())))
	}
	s.trial = newTrial(&o.Goal, o.burst())
	return nil
}

// within is how many frames can be worked on in a time, at least one and at most so
// many.
func (s *subject) within(d time.Duration, most int) int {
	return max(1, min(most, int(millis(d)/s.work)))
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func firstReason(frames []worker.Frame) string {
	for _, f := range frames {
		if f.Reason != "" {
			return f.Outcome + " in " + f.Stage + " for " + f.Reason
		}
	}
	return "no reason is known"
}

// burst is how many frames a stall spoils at once, about: those of half a second.
func (o *Options) burst() int { return int(o.Plan.Rate * float64(o.Plan.Cameras) / 2) }

// plan is how frames come to this subject.
func (o *Options) plan(s *subject) load.Plan {
	p := o.Plan
	if p.Scenario == load.Overload {
		p.Rate = min(load.MaxRate, Factor*1000/s.work/float64(p.Cameras))
	}
	return p
}

func (s *subject) done(o *Options) bool {
	return len(s.frames) >= o.Frames || !o.Closed && !o.All && s.trial.certain()
}

// measure runs one block, of so many subjects.
func (s *subject) measure(o *Options, subjects int, round uint64) error {
	n := min(o.block(s, subjects), (o.Frames-len(s.frames)-len(s.held)+o.Plan.Cameras-1)/o.Plan.Cameras)
	before := 0.0
	if o.energy != nil {
		before = o.energy()
	}
	a, err := s.ask(worker.Order{Block: &worker.Block{Plan: o.plan(s), Frames: n, Seed: o.Seed<<20 ^ round, Continue: subjects == 1 && round > 1}})
	if err != nil {
		return err
	}
	if a.Block == nil {
		return fmt.Errorf("%s: the process that is measured answered no frames", s.name)
	}
	if err := a.Block.Check(n * o.Plan.Cameras); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	came := wanted(a.Block)
	s.loud += came
	if o.energy != nil {
		s.joules += o.energy() - before
		s.ran += came
	}
	seen := len(s.frames) + len(s.held) + came
	s.take(o, a.Block, subjects == 1 && !o.Closed && seen < o.Frames)
	return nil
}

// surplus says that a frame came faster than the configuration's rate: nobody wanted it.
func surplus(f *worker.Frame) bool {
	return f.Outcome == string(msg.Dropped) && f.Reason == schedule.Rate
}

// wanted is how many frames of a block are not surplus.
func wanted(b *worker.Frames) (n int) {
	for i := range b.Frames {
		if !surplus(&b.Frames[i]) {
			n++
		}
	}
	return n
}

// take adds a block's frames to those seen. more says that the next block follows it
// without a gap: a frame without an answer may then have one yet, and is held. The
// trial hears of it once it can be told that the answer is too late.
func (s *subject) take(o *Options, b *worker.Frames, more bool) {
	columns := s.columns(b.Stages)
	fresh := s.held
	for _, f := range b.Frames {
		if surplus(&f) {
			continue
		}
		g := frame{camera: f.Camera, at: s.length + f.Due/1000, age: f.Age, work: f.Work, outcome: f.Outcome, stage: f.Stage, reason: f.Reason,
			stages: make([]float64, len(s.stages))}
		for i := range g.stages {
			g.stages[i] = -1
		}
		for i, took := range f.Stages {
			if i < len(columns) {
				g.stages[columns[i]] = took
			}
		}
		fresh = append(fresh, g)
	}
	s.held = nil
	took := b.Span
	if o.Closed {
		took = b.Wall
	}
	s.length += took / 1000
	answer(fresh)
	for _, f := range fresh {
		open := more && math.IsInf(f.answer, 1)
		if !open || f.at+o.Goal.Deadline.Seconds() <= s.length {
			s.tell(o, &f)
		}
		if open {
			s.held = append(s.held, f)
			continue
		}
		s.frames = append(s.frames, f)
	}
	if n := wanted(b); n > 0 {
		s.cpu = append(s.cpu, b.CPU/float64(n))
	}
}

// tell lets the trial know of a frame, once.
func (s *subject) tell(o *Options, f *frame) {
	if o.Closed || f.judged {
		return
	}
	f.judged = true
	s.trial.add(f.outcome != string(msg.OnTime), f.answer > float64(o.Goal.Deadline)/1e6)
}

// settled ends the measuring: no answer comes any more.
func (s *subject) settled(o *Options) {
	for _, f := range s.held {
		s.tell(o, &f)
		s.frames = append(s.frames, f)
	}
	s.held = nil
}

// barren says that nothing was published, and why of most frames.
func (s *subject) barren() error {
	count := map[string]int{}
	most := ""
	for i := range s.frames {
		f := &s.frames[i]
		if f.published() {
			return nil
		}
		why := f.outcome + " in " + f.stage + " for " + f.reason
		if count[why]++; count[why] > count[most] {
			most = why
		}
	}
	return fmt.Errorf("%s: nothing was published of any of %d frames: %s", s.name, len(s.frames), most)
}

// columns are where the stages of a block are among those of the subject.
func (s *subject) columns(names []string) []int {
	at := make([]int, len(names))
	for i, name := range names {
		if at[i] = slices.Index(s.stages, name); at[i] < 0 {
			at[i] = len(s.stages)
			s.stages = append(s.stages, name)
		}
	}
	return at
}

// answer brings frames into the order in which they were due, and sets the time
// until each or a newer one of its camera was published.
func answer(all []frame) {
	slices.SortStableFunc(all, func(a, b frame) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.camera, b.camera))
	})
	soonest := map[int]float64{} // of each camera, when the soonest of the later frames was published
	for i := range slices.Backward(all) {
		f := &all[i]
		at, ok := soonest[f.camera]
		if f.published() {
			if own := f.at + f.age/1000; !ok || own < at {
				at, ok = own, true
			}
		}
		f.answer = math.Inf(1)
		if ok {
			soonest[f.camera] = at
			f.answer = 1000 * (at - f.at)
		}
	}
}

// Allocations are counted over so many frames at most, or what there is this time for,
// so many times: enough for an interval of their median at 95 %.
const (
	silentFrames = 20
	silentTime   = 700 * time.Millisecond
	silentBlocks = 10
)

// finish counts allocations, and ends the process.
func (s *subject) finish(o *Options) error {
	plan := load.Plan{Scenario: load.SingleStream, Cameras: o.Plan.Cameras, Rate: min(o.Plan.Rate, max(1, 1000/s.work))}
	for i := range silentBlocks {
		n := max(1, s.within(silentTime, silentFrames)/o.Plan.Cameras)
		a, err := s.ask(worker.Order{Block: &worker.Block{Plan: plan, Frames: n, Seed: uint64(i), Silent: true}})
		if err != nil {
			return err
		}
		if n := wanted(a.Block); n > 0 {
			s.allocs = append(s.allocs, float64(a.Block.Allocs)/float64(n))
		}
	}
	a, err := s.ask(worker.Order{End: &struct{}{}})
	if err != nil {
		return err
	}
	s.ended = a.Ended
	s.close()
	return nil
}

// judge measures accuracy, in another process.
func (s *subject) judge(ctx context.Context, o *Options) error {
	cfg := s.cfg
	cfg.End = cfg.Start + cmp.Or(o.Span, accuracySpan)
	text, err := config.Effective(&cfg)
	if err != nil {
		return &session.ConfigError{Err: err}
	}
	if s.process, err = worker.Start(ctx, s.name, o.Binary); err != nil {
		return err
	}
	defer s.close()
	order := &worker.Accuracy{Protocol: worker.Protocol, Config: string(text), Streaming: true, Every: accuracyEvery}
	if cfg.Start == 0 { // the same part of the drive, both times
		order.Frames = int(s.opened.FPS * cfg.End.Seconds())
	}
	a, err := s.ask(worker.Order{Accuracy: order})
	if err != nil {
		return err
	}
	s.right = a.Right
	return nil
}

func (s *subject) close() {
	if s.process != nil {
		s.process.Close()
		s.process = nil
	}
}
