package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"dashline/internal/obs"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

// Replay is [Run] in virtual time: the stages really run, but how long they take
// is what the service says. The same frames, stages and service give the same
// messages in the same order with the same times, outcomes and drops, whatever
// the machine does meanwhile; cfg.Now is not asked.
//
// A frame is due when it arrived while it was recorded, where the source sets
// Arrived, and else at its presentation time. Virtual time begins when the first
// is due. A frame arrives when it is due and read, which takes what the service
// gives for StageSource, or with the frame before it where that is later. With Newest,
// frames that arrive while another is at work are admitted and dropped as in a
// live run; a frame that arrives in the very moment in which work ends waits
// until the one before it has been taken. With Every none is dropped, the source
// waits, and a frame arrives when it is taken.
//
// Everything is published from one goroutine, in the order of virtual time: so
// the report of a dropped frame may stand between the detections and the plan of
// the one that was at work. The viewer sees every finished frame.
//
// When ctx ends, which is real time, frames that have been read run to their
// end. A replay that is to end in the same place every time ends with its source.
func Replay(ctx context.Context, cfg Config, st Stages, account *obs.Account, service Service) error {
	if service == nil {
		return errors.New("pipeline: a replay needs a service that says what stages take")
	}
	v := &virtual{service: service}
	p := &replay{virtual: v}
	if st.Publisher != nil {
		st.Publisher = outbox{st.Publisher, p}
	}
	var err error
	if p.runner, err = newRunner(cfg, st, account, v); err != nil {
		return err
	}
	p.showAll = true
	// What lanes really took is not asked for, and the virtual clock is not theirs.
	p.start(func() time.Duration { return 0 })
	err = p.play(ctx)
	p.until(math.MaxInt64)
	p.stop()
	return p.end(ctx, err)
}

// maxVirtual is the latest arrival. A time stamp from a file is hostile, and what
// comes after it must not overflow.
const maxVirtual = 100 * 365 * 24 * time.Hour

// replay is the state of one Replay. It belongs to one goroutine.
//
// The stages run as soon as their frame is taken, and so ahead of the time at
// which their messages are due; until goes through what happens in between.
type replay struct {
	*runner
	virtual *virtual

	first   time.Duration // when the first frame is due
	begun   bool
	arrived time.Duration // latest arrival
	waiting job
	free    time.Duration // when work on the latest frame that was taken ends
	due     []event       // what that frame has yet to say, by time
}

type event struct {
	at  time.Duration
	say func()
}

// play reads the source to its end and lets each frame arrive.
func (p *replay) play(ctx context.Context) error {
	for ctx.Err() == nil {
		lease, err := p.pool.Wait(ctx)
		if err != nil {
			return nil
		}
		if more, err := p.step(ctx, lease); !more {
			return err
		}
	}
	return nil
}

// step reads one frame into lease, which it owns.
func (p *replay) step(ctx context.Context, lease frame.Lease) (more bool, err error) {
	err = p.next(ctx, lease.Frame)
	lost, ok := errors.AsType[*FrameError](err)
	if err != nil && !ok {
		lease.Release()
		if err == io.EOF || ctx.Err() != nil {
			return false, nil
		}
		return false, fmt.Errorf("source: %w", err)
	}
	p.account.Produced()
	read := p.arrive(lease.Frame)
	p.until(p.arrived)
	p.virtual.at = p.arrived
	if lost != nil {
		p.loseAtSource(lease.Frame, lost)
		lease.Release()
		return true, nil
	}
	p.receive(job{lease, read})
	return true, nil
}

// arrive says when a frame arrives, and what reading it took.
func (p *replay) arrive(f *frame.Frame) (read time.Duration) {
	due := f.PTS
	if f.Arrived > 0 {
		due = f.Arrived
	}
	if !p.begun {
		p.first, p.begun = due, true
	}
	read = told(p.virtual.service(&f.Header), StageSource)
	p.arrived = max(p.arrived, min(due-p.first+read, maxVirtual))
	f.Arrived = p.arrived
	return read
}

// receive lets a frame wait that arrives now: until arrivals go on with Newest,
// until it is taken with Every.
func (p *replay) receive(j job) {
	if old := p.waiting; old.lease.Held() {
		p.drop(old, "newer")
		old.lease.Release()
	}
	p.waiting = j
	if p.cfg.Policy != Newest {
		p.until(p.free)
	}
}

// until lets happen what happens up to t.
func (p *replay) until(t time.Duration) {
	for {
		for len(p.due) > 0 && p.due[0].at <= t {
			p.virtual.at = p.due[0].at
			p.due[0].say()
			p.due = p.due[1:]
		}
		if p.free > t || !p.waiting.lease.Held() {
			return
		}
		p.take()
	}
}

// take begins the work on the waiting frame as soon as work is free.
func (p *replay) take() {
	j := p.waiting
	p.waiting = job{}
	p.due = p.due[:0]
	p.virtual.at = max(p.free, j.lease.Arrived)
	if p.cfg.Policy != Newest { // the source waited until now
		p.arrived = p.virtual.at
	}
	v := p.process(j)
	p.free = p.virtual.at
	p.later(func() {
		p.report(v.Report)
		p.show(v)
	})
}

// later has something said at what is now the virtual time.
func (p *replay) later(say func()) { p.due = append(p.due, event{p.virtual.at, say}) }

// outbox keeps the messages of the frame at work until they are due. Reports are
// due when they are made.
type outbox struct {
	Publisher
	p *replay
}

func (o outbox) Detections(m *msg.Detections) { o.p.later(func() { o.Publisher.Detections(m) }) }
func (o outbox) Lanes(m *msg.LaneSet)         { o.p.later(func() { o.Publisher.Lanes(m) }) }
func (o outbox) Plan(m *msg.Trajectory)       { o.p.later(func() { o.Publisher.Plan(m) }) }
