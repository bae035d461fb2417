package sensors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"dashline/internal/redact"
	"dashline/pipeline/frame"
)

// Loop starts a source again when it ends. Sequence numbers and times go on, also
// where a round does not begin with 0, as one of [Between] does.
// open is called once a round, the first time with ctx; the round that it opened is closed when it ends.
// Info is that of the first round, with an unknown number of frames. A live source
// has no end to begin again at: the error is then [ErrLive].
func Loop(ctx context.Context, open func(context.Context) (Source, error)) (Source, error) {
	s, err := open(ctx)
	if err != nil {
		return nil, err
	}
	in := s.Info()
	if in.Live {
		return nil, errors.Join(fmt.Errorf("loop %s: %w", redact.URL(in.Path), ErrLive), s.Close())
	}
	in.Frames = 0
	return &looped{open: open, now: s, info: in}, nil
}

// ErrLive says that a source is live, and so has no times to choose from.
var ErrLive = errors.New("the source is live: it cannot begin again, nor at a time of its own: leave out loop, start and end")

type looped struct {
	open func(context.Context) (Source, error)
	now  Source
	info Info

	base      uint64        // added to this round's sequence numbers
	offset    time.Duration // added to this round's times
	next      uint64
	nextTime  time.Duration
	fresh     bool // nothing has come of this round, which is not the first
	delivered bool // in this round
}

func (l *looped) Info() Info { return l.info }

func (l *looped) Close() error { return l.now.Close() }

func (l *looped) Next(ctx context.Context, f *frame.Frame) error {
	err := l.now.Next(ctx, f)
	if err == io.EOF {
		if err := l.again(ctx); err != nil {
			return err
		}
		err = l.now.Next(ctx, f)
	}
	if err == io.EOF {
		return fmt.Errorf("loop %s: it has no frames", l.info.Path)
	}
	if l.fresh {
		l.base, l.offset, l.fresh = l.next-f.Seq, l.nextTime-f.PTS, false
	}
	f.Seq += l.base
	f.PTS += l.offset
	if f.Arrived > 0 {
		f.Arrived = max(1, f.Arrived+l.offset)
	}
	l.next = f.Seq + 1
	// A failed frame may have no time of its own: time never runs back.
	l.nextTime = max(l.nextTime, f.PTS+time.Duration(float64(time.Second)/l.info.FPS))
	l.delivered = l.delivered || err == nil
	return err
}

func (l *looped) again(ctx context.Context) error {
	if !l.delivered {
		return fmt.Errorf("loop %s: no frame of it could be read", l.info.Path)
	}
	s, err := l.open(ctx)
	if err != nil {
		return err
	}
	_ = l.now.Close()
	l.now, l.fresh, l.delivered = s, true, false
	return nil
}

// Paced delivers each frame when it arrived while it was recorded, where the source
// knows, and else at its time of presentation, as a camera would. It decodes ahead of time and never hurries: after a delay, frames that are due
// come at once.
func Paced(s Source) Source { return &paced{Source: s} }

type paced struct {
	Source
	start time.Time
	first time.Duration // when the first frame was due
	timer *time.Timer
}

func (p *paced) Next(ctx context.Context, f *frame.Frame) error {
	if err := p.Source.Next(ctx, f); err != nil {
		return err
	}
	due := f.PTS
	if f.Arrived > 0 {
		due = f.Arrived
	}
	if p.start.IsZero() {
		p.start, p.first = time.Now(), due
		return nil
	}
	began := time.Now()
	wait := p.start.Add(due - p.first).Sub(began)
	if wait <= 0 {
		return nil
	}
	if p.timer == nil {
		p.timer = time.NewTimer(wait)
	} else {
		p.timer.Reset(wait)
	}
	var err error
	select {
	case <-p.timer.C:
	case <-ctx.Done():
		p.timer.Stop()
		err = ctx.Err()
	}
	f.Idle = time.Since(began)
	return err
}
