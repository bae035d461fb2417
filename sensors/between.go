package sensors

import (
	"context"
	"errors"
	"io"
	"math"
	"time"

	"dashline/pipeline"
	"dashline/pipeline/frame"
)

// Seeker is a source that can leave out what comes before a time with less work
// than reading it. Seek is called before the first Next, which then delivers the
// first frame whose presentation time is at or after t, with the sequence number
// that it has when all is read.
type Seeker interface {
	Seek(ctx context.Context, t time.Duration) error
}

// Between delivers the frames of s with presentation times from start to before
// end, where an end of 0 or less is that of s. They keep their sequence numbers
// and times. What lies before is passed over, lost frames too; with a source
// that is no [Seeker] it is read for that.
func Between(s Source, start, end time.Duration) Source {
	return &between{Source: s, start: start, end: end}
}

type between struct {
	Source
	start, end time.Duration
	begun      bool
	ended      bool
}

func (b *between) Next(ctx context.Context, f *frame.Frame) error {
	if b.ended {
		return io.EOF
	}
	if s, ok := b.Source.(Seeker); ok && !b.begun && b.start > 0 {
		if err := s.Seek(ctx, b.start); err != nil {
			return err
		}
	}
	b.begun = true
	for {
		err := b.Source.Next(ctx, f)
		if _, lost := errors.AsType[*pipeline.FrameError](err); err != nil && !lost {
			return err
		}
		if b.end > 0 && f.PTS >= b.end {
			b.ended = true
			return io.EOF
		}
		if f.PTS >= b.start {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// Info is that of the source, with as many frames as its rate makes in the time.
func (b *between) Info() Info {
	in := b.Source.Info()
	count := func(t time.Duration) float64 { return math.Ceil(t.Seconds()*in.FPS - 1e-6) }
	from := max(0, count(b.start))
	to := float64(in.Frames)
	if b.end > 0 && (in.Frames == 0 || count(b.end) < to) {
		to = count(b.end)
	}
	if in.Frames == 0 && b.end <= 0 {
		return in
	}
	// With none at all, one is expected and does not come: 0 says not known.
	in.Frames = int(min(max(1, to-from), math.MaxInt32))
	return in
}
