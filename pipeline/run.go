package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"dashline/internal/obs"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

// Frames in flight: one being read, one waiting, one at work, and two for the
// viewer (one queued, one being looked at).
const poolSize = 5

// Run moves every frame of the source through the stages until the source ends
// or ctx does, and returns the account. Ending by ctx is not an error. An error
// means that the source or the viewer broke; the account closes all the same.
func Run(ctx context.Context, cfg Config, st Stages, account *obs.Account) error {
	now := cfg.Now
	if now == nil {
		start := time.Now()
		now = func() time.Duration { return time.Since(start) }
	}
	r, err := newRunner(cfg, st, account, wall(now))
	if err != nil {
		return err
	}
	r.showAll = cfg.Policy != Newest
	r.admit = make(chan job) // Every: handed over, never queued
	if cfg.Policy == Newest {
		r.admit = make(chan job, 1)
	}
	r.start(now)
	r.helpers.Go(r.work)

	err = r.feed(ctx)
	close(r.admit) // work ends, and then what runs beside it
	return r.end(ctx, err)
}

func newRunner(cfg Config, st Stages, account *obs.Account, c clock) (*runner, error) {
	if st.Source == nil || st.Detector == nil {
		return nil, errors.New("pipeline: a source and a detector are needed")
	}
	return &runner{cfg: cfg, st: st, account: account, pool: frame.NewPool(poolSize), clock: c}, nil
}

// start starts what runs beside the work on frames: lanes, which are timed with
// the given clock, and the viewer. Whoever works calls stop when it is done.
func (r *runner) start(now func() time.Duration) {
	if r.st.Lanes != nil {
		r.lanes.start(&r.helpers, now, r.findLanes)
	}
	if r.st.Viewer != nil {
		r.views = make(chan view, 1)
		r.helpers.Go(r.look)
	}
}

// stop ends what start started.
func (r *runner) stop() {
	if r.st.Lanes != nil {
		r.lanes.stop()
	}
	if r.views != nil {
		close(r.views)
	}
}

// end waits for every goroutine and closes pool and account.
func (r *runner) end(ctx context.Context, err error) error {
	r.helpers.Wait()
	// Every lease is back by now, so this does not wait.
	err = errors.Join(err, r.viewErr, r.pool.Close(context.WithoutCancel(ctx)))
	return errors.Join(err, r.account.Snapshot().Check())
}

// runner is the state of one Run or Replay. Each field below the first group
// belongs to one goroutine.
type runner struct {
	cfg     Config
	st      Stages
	account *obs.Account
	pool    *frame.Pool
	clock   clock
	admit   chan job
	views   chan view
	lanes   helper
	helpers sync.WaitGroup // goroutines beside the caller's
	showAll bool           // work waits for the viewer

	reports sync.Mutex // observers and the bus see one report at a time

	// of work
	detections []msg.Detection
	objects    []msg.Object
	scene      msg.Scene
	times      []msg.StageTime

	// of look
	viewing View
	viewErr error
}

// job is a frame on its way from the source to work.
type job struct {
	lease frame.Lease
	read  time.Duration // time that the source took, without idling
}

// feed reads the source and admits frames; it is the only sender on admit.
func (r *runner) feed(ctx context.Context) error {
	lease, err := r.pool.Wait(ctx)
	if err != nil {
		return nil // ended before it began
	}
	defer func() { lease.Release() }()
	for ctx.Err() == nil {
		start := r.clock.now()
		err := r.next(ctx, lease.Frame)
		if err == io.EOF {
			return nil
		}
		switch lost, ok := errors.AsType[*FrameError](err); {
		case err == nil:
			r.account.Produced()
			lease.Arrived = r.clock.now()
			next := r.offer(ctx, job{lease, lease.Arrived - start - lease.Idle})
			if !next.Held() {
				next, err = r.pool.Wait(ctx)
				if err != nil {
					// Ended while all other frames are in flight: wait for one
					// of them, so that there is always a lease to give back.
					next, _ = r.pool.Wait(context.WithoutCancel(ctx))
				}
			}
			lease = next
		case ok:
			r.account.Produced()
			lease.Arrived = r.clock.now()
			r.loseAtSource(lease.Frame, lost)
		case ctx.Err() != nil:
			return nil
		default:
			return fmt.Errorf("source: %w", err)
		}
	}
	return nil
}

// next is Source.Next with its panics as errors.
func (r *runner) next(ctx context.Context, f *frame.Frame) (err error) {
	defer func() { f.Camera = r.cfg.Camera }() // also of a lost frame
	defer contain(&err)
	f.Header, f.Idle, f.Lag = msg.Header{}, 0, 0
	return r.st.Source.Next(ctx, f)
}

// offer hands a job to work by the policy, or drops it. It returns a lease when
// it has one to go on with: that of a frame that was dropped.
func (r *runner) offer(ctx context.Context, j job) frame.Lease {
	if r.cfg.Policy != Newest {
		select {
		case r.admit <- j:
			return frame.Lease{}
		case <-ctx.Done():
			r.drop(j, "shutdown")
			return j.lease
		}
	}
	for {
		select {
		case r.admit <- j:
			return frame.Lease{}
		default:
		}
		select {
		case old := <-r.admit:
			r.drop(old, "newer")
			r.admit <- j // the slot is empty and feed is its only sender
			return old.lease
		default: // work was quicker; the slot is empty now
		}
	}
}

func (r *runner) drop(j job, reason string) {
	r.lose(j.lease.Frame, msg.Dropped, StageAdmission, reason, "")
}

// loseAtSource closes the account of a frame that the source lost.
func (r *runner) loseAtSource(f *frame.Frame, lost *FrameError) {
	outcome, detail := msg.Failed, lost.Err.Error()
	if lost.Dropped {
		outcome, detail = msg.Dropped, ""
	}
	r.lose(f, outcome, StageSource, lost.Reason, detail)
}

// lose closes the account of a frame that was not worked on.
func (r *runner) lose(f *frame.Frame, outcome msg.Outcome, stage, reason, detail string) {
	r.report(&msg.FrameReport{
		Header: f.Header, Outcome: outcome, Stage: stage, Reason: reason, Detail: detail,
		Age: r.age(f), Deadline: r.cfg.Deadline,
	})
}

// age is the time since capture, or since arrival where capture is not known.
func (r *runner) age(f *frame.Frame) time.Duration { return r.clock.now() - f.Arrived + f.Lag }

// report tells a frame's outcome to everybody.
func (r *runner) report(rep *msg.FrameReport) {
	r.reports.Lock()
	defer r.reports.Unlock()
	if r.st.Publisher != nil {
		r.st.Publisher.Frame(rep)
	}
	r.account.Frame(rep)
	for _, o := range r.st.Observers {
		o.Frame(rep)
	}
}

// contain turns a panic into a frame error. Use it deferred.
func contain(err *error) {
	if p := recover(); p != nil {
		*err = &FrameError{Reason: "panic", Err: fmt.Errorf("panic: %v", p)}
	}
}
