package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/pipeline/schedule"
)

// Frames of a camera in flight: one being read, one waiting, one at work, and two
// for the viewer (one queued, one being looked at).
const poolSize = 5

// Run moves every frame of all sources through the stages until the sources end
// or ctx does, and closes the accounts. It returns an error for each feed, nil
// where it went well: one whose source or viewer breaks does not end the others.
// Ending by ctx is not an error.
//
// Cameras with Newest share the first crew, which serves them by turns. Each
// camera with Every has all crews for itself, so one such camera in a run is what
// makes sense.
func Run(ctx context.Context, e Engine, feeds ...Feed) []error {
	now := e.Now
	if now == nil {
		start := time.Now()
		now = func() time.Duration { return time.Since(start) }
	}
	r, err := newRun(e, feeds, wall(now))
	if err != nil {
		return []error{err}
	}
	ctx, r.stop = context.WithCancel(ctx)
	defer r.stop()
	r.begin(now)
	var all sync.WaitGroup
	live := false
	for _, l := range r.lines {
		if l.Policy == Newest {
			live = true
			all.Go(func() { l.err = l.feed(ctx, r.hall.admit(l)); r.hall.leave() })
			continue
		}
		all.Go(func() { l.err = r.every(ctx, l) })
	}
	if live {
		all.Go(func() { r.serve() })
	}
	all.Wait()
	return r.end(ctx)
}

// run is the state of one Run or Replay.
type run struct {
	Engine
	clock    clock
	lines    []*line
	stations []*station // one for each crew; nil: it hangs
	hall     *hall
	viewers  sync.WaitGroup

	stop   context.CancelFunc // ends the sources
	hung   atomic.Int32       // crews that hang now
	broken atomic.Pointer[HangError]
}

func newRun(e Engine, feeds []Feed, c clock) (*run, error) {
	if len(e.Crews) == 0 || len(e.Rungs) == 0 {
		return nil, errors.New("pipeline: a crew and a rung are needed")
	}
	r := &run{Engine: e, clock: c}
	for i, crew := range e.Crews {
		if len(crew.Detectors) != len(e.Rungs) {
			return nil, fmt.Errorf("pipeline: %d rungs, but a crew of %d detectors", len(e.Rungs), len(crew.Detectors))
		}
		r.stations = append(r.stations, &station{Crew: crew, index: i, score: e.Score, clock: c})
	}
	for i, f := range feeds {
		if f.Source == nil {
			return nil, errors.New("pipeline: a source is needed")
		}
		size := poolSize
		if f.Policy != Newest { // a frame for each crew, and one for each whose turn has not come
			size += 2 * (len(e.Crews) - 1)
		}
		r.lines = append(r.lines, &line{Feed: f, index: i, clock: c, pool: frame.NewPool(size)})
	}
	r.hall = newHall(e.Rungs, r.lines)
	return r, nil
}

// begin starts what runs beside the work on frames: the lanes of each crew, which
// are timed with the given clock, and the viewers.
func (r *run) begin(now func() time.Duration) {
	for _, s := range r.stations {
		s.start(now)
		if r.Patience > 0 {
			s.open()
		}
	}
	for _, l := range r.lines {
		if l.Viewer != nil {
			l.views = make(chan view, 1)
			r.viewers.Go(l.look)
		}
	}
}

// end ends what begin started, waits for it, and closes pools and accounts.
func (r *run) end(ctx context.Context) []error {
	for _, s := range r.stations {
		if s != nil {
			s.end()
		}
	}
	for _, l := range r.lines {
		if l.views != nil {
			close(l.views)
		}
	}
	r.viewers.Wait()
	errs := make([]error, len(r.lines))
	for i, l := range r.lines {
		errs[i] = errors.Join(l.err, l.viewErr, r.closePool(ctx, l), l.Account.Check())
		if hang := r.broken.Load(); hang != nil {
			errs[i] = errors.Join(hang, errs[i])
		}
	}
	return errs
}

// serve works on the waiting frames of live cameras, one after the other, until
// none can come any more, and finishes what waits then.
func (r *run) serve() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		d, j, open := r.hall.next(r.clock.now())
		switch {
		case d.Drop != "":
			l := r.lines[d.Camera]
			l.drop(j, d.Drop)
			j.lease.Release()
		case d.Rung != schedule.None && r.stations[0] == nil:
			r.lines[d.Camera].drop(j, "shutdown")
			j.lease.Release()
		case d.Rung != schedule.None:
			r.answer(r.lines[d.Camera], j, d)
		case d.Camera < 0 && !open:
			return
		default:
			timer.Reset(time.Hour)
			if d.Camera >= 0 {
				timer.Reset(d.Until - r.clock.now())
			}
			select {
			case <-r.hall.wake:
			case <-timer.C:
			}
		}
	}
}

// answer brings a live frame to its end, and runs the canary after it.
func (r *run) answer(l *line, j job, d schedule.Decision) {
	began, fresh := r.clock.now(), l.Deadline-j.lease.Lag
	v := r.process(l, &j, d)
	failed := v.Report.Outcome == msg.Failed
	if failed {
		r.hall.failed(r.clock.now(), v.Report.Stage)
	} else {
		r.hall.done(d.Rung, r.clock.now()-began, v.Report.Outcome == msg.Late)
	}
	l.report(v.Report)
	if d.Canary != schedule.None && !failed {
		began := r.clock.now()
		err := r.ask(&r.stations[0], l, &j.lease, call{rung: d.Canary, canary: true}).err
		now := r.clock.now()
		r.hall.canaryDone(now, d.Canary, now-began, fresh, err != nil)
	}
	v.lease = j.lease
	l.show(v)
}

// process runs the stages on one frame, publishes what they give as soon as it is
// there, and returns it with its report. Its lease stays with the job, if it is
// still there.
func (r *run) process(l *line, j *job, d schedule.Decision) view {
	f := j.lease.Frame
	j.begin(r.clock, l.Policy, d.Rung)
	found := r.ask(&r.stations[0], l, &j.lease, call{rung: d.Rung, lanes: !r.trackOnly(d.Rung) && l.wantsLanes(), publish: l.publishDetections})
	v := l.conclude(f, j, &found)
	v.Report.Rung, v.Report.Predicted = r.Rungs[d.Rung].Name, d.Predicted
	if d.Canary != schedule.None && v.Report.Outcome != msg.Failed {
		v.Report.Canary = r.Rungs[d.Canary].Name
	}
	return v
}

// trackOnly says that a rung runs no network: no detector, and no lanes either,
// which could be what takes the time.
func (r *run) trackOnly(rung int) bool { return r.Crews[0].Detectors[rung] == nil }

// job is a frame on its way from the source to work.
type job struct {
	lease frame.Lease
	read  time.Duration // time that the source took, without idling
	wait  time.Duration // from arrival to the begin of work
}

// begin notes that work begins. A file has no clock: its frame arrives now.
func (j *job) begin(c clock, p Policy, rung int) {
	f := j.lease.Frame
	c.begin(&f.Header, rung)
	now := c.now()
	if p != Newest {
		f.Arrived = now
	}
	j.wait = now - f.Arrived
}

// feed reads the source and offers its frames. offer returns a lease when it has
// one to go on with: that of a frame that was not taken.
func (l *line) feed(ctx context.Context, offer func(context.Context, job) frame.Lease) error {
	lease, err := l.pool.Wait(ctx)
	if err != nil {
		return nil // ended before it began
	}
	defer func() { lease.Release() }()
	for ctx.Err() == nil {
		start := l.clock.now()
		err := l.next(ctx, lease.Frame)
		if err == io.EOF {
			return nil
		}
		switch lost, ok := errors.AsType[*FrameError](err); {
		case err == nil:
			l.Account.Produced()
			lease.Arrived = l.clock.now()
			next := offer(ctx, job{lease: lease, read: lease.Arrived - start - lease.Idle})
			if !next.Held() {
				next, err = l.pool.Wait(ctx)
				if err != nil {
					// Ended while all other frames are in flight: wait for one
					// of them, so that there is always a lease to give back.
					next, _ = l.pool.Wait(context.WithoutCancel(ctx))
				}
			}
			lease = next
		case ok:
			l.Account.Produced()
			lease.Arrived = l.clock.now()
			l.loseAtSource(lease.Frame, lost)
		case ctx.Err() != nil:
			return nil
		default:
			return fmt.Errorf("source: %w", err)
		}
	}
	return nil
}

// next is Source.Next with its panics as errors.
func (l *line) next(ctx context.Context, f *frame.Frame) (err error) {
	defer func() { f.Camera = l.Camera }() // also of a lost frame
	defer contain(&err)
	f.Header, f.Idle, f.Lag = msg.Header{}, 0, 0
	return l.Source.Next(ctx, f)
}

// contain turns a panic into a frame error. Use it deferred.
func contain(err *error) {
	if p := recover(); p != nil {
		*err = &FrameError{Reason: "panic", Err: fmt.Errorf("panic: %v", p)}
	}
}
