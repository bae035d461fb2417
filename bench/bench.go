package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"dashline/bench/load"
	"dashline/bench/machine"
	"dashline/bench/report"
	"dashline/bench/worker"
	"dashline/internal/config"
	"dashline/internal/session"
	"dashline/sensors/synth/truth"
)

// Options say what to measure.
type Options struct {
	Binary string        // this program, which is started as workers
	Config config.Config // what is measured; its source is a file, or several
	Rungs  bool          // also every rung of its ladder alone
	Plan   load.Plan     // Rate 0: the source's own; with Overload Factor times what can be done
	Closed bool
	Goal   Goal
	All    bool // measure all frames, also where the answer is certain before
	Frames int  // of each subject, all cameras together; 0: as many as the goal needs, or 500 in closed loop
	// Accuracy also measures how right each subject is, in peace and as the world
	// goes on; the source has to have truth beside it.
	Accuracy bool
	Span     time.Duration // of the source that accuracy is measured on; 0: 15 s
	Seed     uint64
	Faults   []worker.Fault // on purpose, in every subject
	// Progress is told what is being done and how much of it is; nil: nobody is.
	Progress func(what string, done, total int)

	energy func() float64 // joules of the machine so far; nil: it does not tell
}

// Factor is how many times what can be done is offered in overload.
const Factor = 5

// closedFrames is how many frames are measured of each subject where nothing says
// how many are needed.
const closedFrames = 500

// turn is how long a subject is measured before it is another's turn: short enough for
// drift to hit all alike. A stall that is under way when a turn ends is cut off
// there, so in open loop turns are long beside stalls.
const (
	turn       = 4 * time.Second
	closedTurn = time.Second
)

// alone is how long the only subject is measured before it is asked whether that is
// enough. It has no turns: frames go on coming.
const alone = time.Second

// warmup is how long a subject runs before anything is measured.
const warmup = time.Second

// Run measures every subject and says what came of it. The subjects take turns, in
// an order that is drawn anew each round.
func Run(ctx context.Context, o Options) (r *report.Result, err error) {
	subjects, err := subjectsOf(&o)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, s := range subjects {
			s.close()
		}
	}()
	began := time.Now()
	facts := machine.Read()
	watch := machine.Start(facts)
	if o.energy == nil {
		o.energy = counter()
	}
	for i, s := range subjects {
		o.show("starting", i, len(subjects))
		if err := s.open(ctx, &o); err != nil {
			return nil, err
		}
	}
	if err := o.settle(subjects[0]); err != nil {
		return nil, err
	}
	for i, s := range subjects {
		o.show("warming up", i, len(subjects))
		if err := s.warm(&o); err != nil {
			return nil, err
		}
	}
	if err := measure(&o, subjects); err != nil {
		return nil, err
	}
	for i, s := range subjects {
		s.settled(&o)
		if o.Closed {
			if err := s.barren(); err != nil { // which no verdict would say
				return nil, err
			}
		}
		o.show("counting allocations", i, len(subjects))
		if err := s.finish(&o); err != nil {
			return nil, err
		}
	}
	noise := watch.Stop() // what comes now is not timed, but for what it says of itself
	var warnings []string
	if o.Accuracy && !judgeable(subjects[0].cfg) {
		o.Accuracy = false
		warnings = append(warnings, "accuracy was not measured: the source has no truth beside it")
	}
	if o.Accuracy {
		for i, s := range subjects {
			o.show("measuring accuracy", i, len(subjects))
			if err := s.judge(ctx, &o); err != nil {
				return nil, err
			}
		}
	}
	r = &report.Result{Schema: report.Schema, Machine: facts, Noise: noise, Scenario: o.scenario(subjects[0]), Level: o.level(), Seed: o.Seed, Warnings: warnings}
	if !o.Closed {
		r.Goal = o.Goal.report()
	}
	for _, s := range subjects {
		r.Subjects = append(r.Subjects, s.report(&o))
	}
	r.Verdict = r.Subjects[0].Verdict
	r.Elapsed = time.Since(began).Seconds()
	return r, nil
}

func (o *Options) show(what string, done, total int) {
	if o.Progress != nil {
		o.Progress(what, done, total)
	}
}

// counter counts the machine's energy; nil where it does not tell.
func counter() func() float64 {
	e, err := machine.OpenEnergy()
	if err != nil {
		return nil
	}
	return func() float64 {
		joules, err := e.Joules()
		if err != nil { // it told before: what is missing must not look like a figure
			return math.NaN()
		}
		return joules
	}
}

// level is that of intervals.
func (o *Options) level() float64 { return cmp.Or(o.Goal.Level, .95) }

// judgeable says that there is truth to measure accuracy by, of the first camera.
func judgeable(cfg config.Config) bool {
	_, ok := truth.Beside(session.Alone(cfg)[0].Source)
	return ok
}

// settle decides what was left open until a source was seen.
func (o *Options) settle(first *subject) error {
	o.Plan.Cameras = len(first.opened.Cameras)
	if o.Plan.Scenario == "" {
		o.Plan.Scenario = load.SingleStream
		if o.Plan.Cameras > 1 {
			o.Plan.Scenario = load.MultiStream
		}
	}
	if o.Frames == 0 {
		o.Frames = closedFrames
		if !o.Closed {
			o.Frames = o.Goal.frames()
		}
	}
	if o.Plan.Rate == 0 {
		o.Plan.Rate = first.opened.FPS
	}
	if err := o.Plan.Check(); err != nil {
		return &session.ConfigError{Err: err}
	}
	return nil
}

// block is how many frames of each camera a subject is given at a time.
func (o *Options) block(s *subject, subjects int) int {
	rate, long := o.plan(s).Rate, turn
	switch {
	case o.Closed:
		rate, long = 1000/s.work, closedTurn
	case subjects == 1:
		long = alone
	}
	n := int(math.Ceil(rate * long.Seconds()))
	if o.Plan.Scenario == load.Burst {
		n = (n + o.Plan.Burst - 1) / o.Plan.Burst * o.Plan.Burst
	}
	return max(1, min(n, worker.MaxBlock/o.Plan.Cameras))
}

// measure lets subjects take turns until each has its frames, or is certain.
func measure(o *Options, subjects []*subject) error {
	random := rand.New(rand.NewPCG(o.Seed, 0))
	total := len(subjects) * o.Frames
	for round := uint64(1); ; round++ {
		left := 0
		for _, i := range random.Perm(len(subjects)) {
			s := subjects[i]
			if s.done(o) {
				continue
			}
			left++
			seen := 0
			for _, s := range subjects {
				if s.done(o) {
					seen += o.Frames
					continue
				}
				seen += len(s.frames)
			}
			o.show("measuring", min(seen, total), total)
			if err := s.measure(o, len(subjects), round); err != nil {
				return err
			}
		}
		if left == 0 {
			o.show("measuring", total, total)
			return nil
		}
	}
}

func (o *Options) scenario(first *subject) report.Scenario {
	s := report.Scenario{
		Name: string(o.Plan.Scenario), Closed: o.Closed, Cameras: o.Plan.Cameras, Source: first.opened.Source,
		Width: first.opened.Width, Height: first.opened.Height, Frames: o.Frames,
	}
	if !o.Closed {
		s.Rate = o.plan(first).Rate
	}
	return s
}

// subjectsOf makes the configuration, and where asked each of its rungs, something
// to measure.
func subjectsOf(o *Options) ([]*subject, error) {
	cfg := o.Config
	for _, one := range session.Alone(cfg) {
		if config.Remote(one.Source) {
			return nil, &session.ConfigError{Err: fmt.Errorf("source %s: a bench decides when frames come, which a live camera does not let it: give a file", one.Source)}
		}
	}
	if len(cfg.Cameras) == 0 {
		var err error
		if cfg, err = session.Chosen(cfg); err != nil {
			return nil, err
		}
	}
	rungs, err := session.OnRungs(cfg)
	if err != nil {
		return nil, err
	}
	all := []*subject{{cfg: cfg, name: "ladder"}}
	if len(cfg.Ladder) == 0 {
		all[0].name = nameOf(cfg.Detect.Network)
		return all, nil
	}
	if !o.Rungs {
		return all, nil
	}
	if len(rungs) == 0 {
		return nil, &session.ConfigError{Err: errors.New("ladder: there is no network in it to measure")}
	}
	if o.Closed {
		all = nil // without a deadline a ladder is its largest rung
	}
	for _, r := range rungs {
		r.Measure = 0 // one rung has nothing to be chosen from
		all = append(all, &subject{cfg: r, name: nameOf(r.Detect.Network)})
	}
	return all, nil
}
