package pipeline

import (
	"context"
	"sync"

	"dashline/pipeline/frame"
	"dashline/pipeline/schedule"
)

// ticket is a frame of a file on its way through a crew.
type ticket struct {
	job
	frame *frame.Frame // of the job, which may have lost its lease to a crew that hangs
	lanes bool
	found sensed
	done  chan struct{} // one value when found is there
}

// every works on each frame of a line. The crews take frames side by side, and
// what they find is concluded in the frames' order.
func (r *run) every(ctx context.Context, l *line) error {
	n := len(r.stations)
	work := make(chan *ticket)     // to whichever crew is free
	order := make(chan *ticket, n) // the same, to be concluded by turns
	free := make(chan *ticket, n+2)
	for range cap(free) {
		free <- &ticket{done: make(chan struct{}, 1)}
	}
	var crews, last sync.WaitGroup
	for i := range r.stations {
		crews.Go(func() {
			for t := range work {
				t.begin(r.clock, l.Policy, 0)
				t.frame = t.lease.Frame
				t.found = r.ask(&r.stations[i], l, &t.lease, call{lanes: t.lanes})
				t.done <- struct{}{}
			}
		})
	}
	last.Go(func() {
		for t := range order {
			<-t.done
			l.showAll(r.concludeFound(l, t))
			free <- t
		}
	})
	err := l.feed(ctx, func(ctx context.Context, j job) frame.Lease {
		if l.surplus(j.lease.Frame) {
			l.drop(j, schedule.Rate)
			return j.lease
		}
		t := <-free
		t.job, t.lanes = j, l.wantsLanes()
		select {
		case work <- t: // handed over, never queued
			order <- t
			return frame.Lease{}
		case <-ctx.Done():
			free <- t
			l.drop(j, "shutdown")
			return j.lease
		}
	})
	close(work)
	crews.Wait()
	close(order)
	last.Wait()
	return err
}

// concludeFound publishes all of a frame, in its turn.
func (r *run) concludeFound(l *line, t *ticket) view {
	if d := t.found.detections; d != nil {
		t.found.published += l.publishDetections(d)
	}
	v := l.conclude(t.frame, &t.job, &t.found)
	v.lease = t.lease
	v.Report.Rung = r.Rungs[0].Name
	l.report(v.Report)
	return v
}
