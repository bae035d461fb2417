package pipeline

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

// desk lets a station work on a goroutine of its own, so that whoever waits for it
// need not wait for ever.
type desk struct {
	in    chan *request
	out   chan sensed // holds one: nobody may be there to take it
	one   request     // reused: there is one at a time
	timer *time.Timer
}

// request is a frame to work on.
type request struct {
	call
	frame *frame.Frame

	mu      sync.Mutex
	givenUp bool // nobody waits any more
}

// tell publishes detections unless the frame was given up.
func (q *request) tell(d *msg.Detections) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.givenUp || q.publish == nil {
		return 0
	}
	return q.publish(d)
}

func (q *request) giveUp() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.givenUp = true
}

// open starts the station's goroutine for requests.
func (s *station) open() {
	s.desk.in, s.desk.out = make(chan *request), make(chan sensed, 1)
	s.desk.timer = time.NewTimer(time.Hour)
	s.beside.Go(func() {
		for q := range s.desk.in {
			if q.canary {
				s.desk.out <- sensed{err: s.canary(q.frame, q.rung)}
				continue
			}
			s.desk.out <- s.sense(q.frame, q.rung, q.lanes, q.tell)
		}
	})
}

// ask has the station work on a frame for so long at most. It is not ok when the
// station hangs: then it must not be asked again, and keeps the frame.
func (s *station) ask(patience time.Duration, f *frame.Frame, c call) (found sensed, ok bool) {
	q := &s.desk.one
	q.frame, q.call = f, c
	s.desk.in <- q
	s.desk.timer.Reset(patience)
	select {
	case found = <-s.desk.out:
		return found, true
	case <-s.desk.timer.C:
		q.giveUp()
		return found, false
	}
}

// call is what a station is to do with a frame.
type call struct {
	rung    int
	lanes   bool
	canary  bool // detection alone, for its time
	publish func(*msg.Detections) time.Duration
}

// ask has the station at s work on a frame. Where it hangs the frame has failed,
// its lease is the station's, and s is another one: nil where there is none.
func (r *run) ask(s **station, l *line, lease *frame.Lease, c call) sensed {
	switch st := *s; {
	case st == nil: // given up before
		return sensed{stage: StageDetect, err: &FrameError{Reason: "hang", Err: r.broken.Load()}}
	case r.Patience <= 0 && c.canary:
		return sensed{err: st.canary(lease.Frame, c.rung)}
	case r.Patience <= 0:
		return st.sense(lease.Frame, c.rung, c.lanes, c.publish)
	}
	found, ok := (*s).ask(r.Patience, lease.Frame, c)
	if ok {
		return found
	}
	hang := &HangError{Camera: l.Camera, Seq: lease.Seq, After: r.Patience}
	r.hung.Add(1)
	go leave(*s, *lease, &r.hung)
	*lease = frame.Lease{}
	*s = r.renew(*s, hang)
	return sensed{stage: StageDetect, err: &FrameError{Reason: "hang", Err: hang}}
}

// leave waits for a station that hangs, and ends it if it ever comes back.
func leave(s *station, lease frame.Lease, hung *atomic.Int32) {
	<-s.desk.out
	lease.Release()
	s.end()
	hung.Add(-1)
}

// renew makes a station in the place of one that hangs. Where there is none, it
// ends the run.
func (r *run) renew(old *station, hang *HangError) *station {
	if r.Renew != nil {
		crew, err := r.Renew(old.index)
		if err == nil {
			s := &station{Crew: crew, index: old.index, score: old.score, clock: old.clock}
			s.start(old.now)
			s.open()
			return s
		}
		hang.Err = err
	}
	r.broken.CompareAndSwap(nil, hang)
	r.stop()
	return nil
}

// lastPatience is how long the end of a run waits for crews that hang.
const lastPatience = time.Second

// closePool waits for the frames of a line, but for those of crews that hang.
func (r *run) closePool(ctx context.Context, l *line) error {
	ctx = context.WithoutCancel(ctx)
	if r.hung.Load() == 0 {
		return l.pool.Close(ctx) // every lease is back by now, so this does not wait
	}
	ctx, cancel := context.WithTimeout(ctx, lastPatience)
	defer cancel()
	_ = l.pool.Close(ctx) // what is out is with the crew that hangs
	return nil
}
