package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/pipeline/schedule"
)

// Replay is [Run] in virtual time: the stages really run, but how long they take
// is what the service says. The same frames, stages, rungs and service give the
// same messages in the same order with the same times, outcomes, rungs and drops,
// whatever the machine does meanwhile; e.Now is not asked.
//
// A frame is due when it arrived while it was recorded, where the source sets
// Arrived, and else at its presentation time. Virtual time begins when the first
// of its camera is due. A frame arrives when it is due and read, which takes what
// the service gives for StageSource, or with the frame before it where that is
// later. With Newest, frames that arrive while another is at work wait, are
// admitted and are dropped as in a live run, cameras by turns; a frame that
// arrives in the very moment in which work ends waits until the one before it has
// been taken. With Every none is dropped, the source waits, and a frame arrives
// when it is taken. A canary takes its time, but its network does not run.
//
// Everything is published from one goroutine, in the order of virtual time: so
// the report of a dropped frame may stand between the detections and the plan of
// the one that was at work. The viewer sees every finished frame.
//
// When ctx ends, which is real time, frames that have been read run to their
// end. A replay that is to end in the same place every time ends with its sources.
func Replay(ctx context.Context, e Engine, service Service, feeds ...Feed) []error {
	if service == nil {
		return []error{errors.New("pipeline: a replay needs a service that says what stages take")}
	}
	v := &virtual{service: service}
	p := &replay{virtual: v, wake: never}
	for i := range feeds {
		if feeds[i].Publisher != nil {
			feeds[i].Publisher = outbox{feeds[i].Publisher, p}
		}
	}
	var err error
	if p.run, err = newRun(e, feeds, v); err != nil {
		return []error{err}
	}
	// What lanes really took is not asked for, and the virtual clock is not theirs.
	p.begin(func() time.Duration { return 0 })
	p.play(ctx)
	return p.end(ctx)
}

// maxVirtual is the latest arrival. A time stamp from a file is hostile, and what
// comes after it must not overflow.
const maxVirtual = 100 * 365 * 24 * time.Hour

const never = math.MaxInt64

// replay is the state of one Replay. It belongs to one goroutine.
//
// The stages run as soon as their frame is taken, and so ahead of the time at
// which their messages are due; until goes through what happens in between.
type replay struct {
	*run
	virtual *virtual
	reels   []reel
	free    time.Duration // when work on the latest frame that was taken ends
	wake    time.Duration // when to decide again although nothing happened; never: not
	due     []event       // what that frame has yet to say, by time
}

type event struct {
	at  time.Duration
	say func()
}

// reel is a line's source: the frame that comes next is read before it arrives.
type reel struct {
	line    *line
	lease   frame.Lease
	lost    *FrameError // instead of a picture
	read    time.Duration
	arrives time.Duration
	first   time.Duration // when the first frame is due
	begun   bool
	ended   bool
}

// play lets the frames of all sources arrive, in the order of time.
func (p *replay) play(ctx context.Context) {
	for _, l := range p.lines {
		p.reels = append(p.reels, reel{line: l})
	}
	for {
		var next *reel
		for i := range p.reels {
			r := &p.reels[i]
			if !r.ended && !r.lease.Held() {
				p.fill(ctx, r)
			}
			if r.lease.Held() && (next == nil || r.arrives < next.arrives) {
				next = r
			}
		}
		if next == nil {
			p.until(never)
			return
		}
		p.until(next.arrives)
		p.virtual.at = max(p.virtual.at, next.arrives)
		p.arrive(next)
	}
}

// fill reads the next frame of a source.
func (p *replay) fill(ctx context.Context, r *reel) {
	l := r.line
	if ctx.Err() != nil {
		r.ended = true
		return
	}
	lease, err := l.pool.Wait(ctx)
	if err != nil {
		r.ended = true
		return
	}
	err = l.next(ctx, lease.Frame)
	lost, ok := errors.AsType[*FrameError](err)
	if err != nil && !ok {
		lease.Release()
		r.ended = true
		if err != io.EOF && ctx.Err() == nil {
			l.err = fmt.Errorf("source: %w", err)
		}
		return
	}
	l.Account.Produced()
	r.lease, r.lost = lease, lost
	r.plan(p.virtual.service)
}

// plan says when the frame arrives, and what reading it takes.
func (r *reel) plan(service Service) {
	f := r.lease.Frame
	due := f.PTS
	if f.Arrived > 0 {
		due = f.Arrived
	}
	if !r.begun {
		r.first, r.begun = due, true
	}
	r.read = told(service(&f.Header, 0), StageSource)
	r.arrives = max(r.arrives, min(due-r.first+r.read, maxVirtual))
	f.Arrived = r.arrives
}

// arrive lets the frame of a reel arrive, now.
func (p *replay) arrive(r *reel) {
	l, j := r.line, job{lease: r.lease, read: r.read}
	r.lease = frame.Lease{}
	if r.lost != nil {
		l.loseAtSource(j.lease.Frame, r.lost)
		j.lease.Release()
		return
	}
	if l.Policy != Newest { // the source waits until it is taken
		p.until(p.free)
		if l.surplus(j.lease.Frame) {
			l.drop(j, schedule.Rate)
			j.lease.Release()
			return
		}
		p.take(l, j, schedule.Decision{Canary: schedule.None})
		r.arrives = j.lease.Arrived
		return
	}
	out, reason := p.hall.arrive(l, j)
	if reason != "" {
		l.drop(out, reason)
		out.lease.Release()
	}
	if p.wake == never || p.free <= p.virtual.at {
		p.wake = max(p.free, p.virtual.at)
	}
}

// until lets happen what happens up to t.
func (p *replay) until(t time.Duration) {
	for {
		for len(p.due) > 0 && p.due[0].at <= t {
			p.virtual.at = max(p.virtual.at, p.due[0].at)
			p.due[0].say()
			p.due = p.due[1:]
		}
		if p.wake == never || p.free > t || max(p.wake, p.free) > t {
			return
		}
		p.decide(max(p.wake, p.free))
	}
}

// decide asks the scheduler about what waits, at a time when nothing is at work.
func (p *replay) decide(at time.Duration) {
	p.wake = never
	p.virtual.at = max(p.virtual.at, at)
	for {
		d, j, _ := p.hall.next(at)
		switch {
		case d.Drop != "":
			p.lines[d.Camera].drop(j, d.Drop)
			j.lease.Release()
		case d.Rung != schedule.None:
			p.take(p.lines[d.Camera], j, d)
			p.wake = p.free
			return
		default:
			if d.Camera >= 0 {
				p.wake = d.Until
			}
			return
		}
	}
}

// take works on a frame. It says what is made of it when that is due.
func (p *replay) take(l *line, j job, d schedule.Decision) {
	p.due = p.due[:0]
	p.virtual.at = max(p.free, j.lease.Arrived, p.virtual.at)
	began := p.virtual.at
	v := p.process(l, &j, d)
	v.lease = j.lease
	answered := p.virtual.at
	failed := v.Report.Outcome == msg.Failed
	switch {
	case l.Policy != Newest:
	case failed:
		p.hall.failed(answered, v.Report.Stage)
	default:
		p.hall.done(d.Rung, answered-began, v.Report.Outcome == msg.Late)
	}
	p.later(func() {
		l.report(v.Report)
		l.showAll(v)
	})
	if d.Canary != schedule.None && !failed {
		p.virtual.begin(&j.lease.Header, d.Canary)
		for _, stage := range []string{StagePreprocess, StageForward, StageDecode} {
			p.virtual.took(stage, 0)
		}
		p.hall.canaryDone(p.virtual.at, d.Canary, p.virtual.at-answered, l.Deadline-j.lease.Lag, false)
	}
	p.free = p.virtual.at
	p.virtual.at = began
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
func (o outbox) Tracks(m *msg.Tracks)         { o.p.later(func() { o.Publisher.Tracks(m) }) }
func (o outbox) Lanes(m *msg.LaneSet)         { o.p.later(func() { o.Publisher.Lanes(m) }) }
func (o outbox) Plan(m *msg.Trajectory)       { o.p.later(func() { o.Publisher.Plan(m) }) }
