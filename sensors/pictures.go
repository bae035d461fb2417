package sensors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"

	"dashline/pipeline"
	"dashline/pipeline/frame"
)

// OpenPictures opens a source whose pictures are wanted for themselves, and
// again: any but a live camera. Of a labelled folder it takes the images.
func OpenPictures(ctx context.Context, path string) (Source, error) {
	inner := filepath.Join(path, "images")
	if st, err := os.Stat(inner); err == nil && st.IsDir() {
		path = inner
	}
	s, err := Open(ctx, path, Options{Exact: true})
	if err != nil {
		return nil, err
	}
	if info := s.Info(); info.Live {
		return nil, errors.Join(fmt.Errorf("%s is a live camera, which gives other pictures each time: record it first, with dashline record", info.Path), s.Close())
	}
	return s, nil
}

// Pictures are the pictures of a source until its end, each borrowed until the
// next. Those that cannot be read are passed over; that there was no other is an
// error, as is what ends a source before its time. An error is the last thing given.
func Pictures(ctx context.Context, s Source) iter.Seq2[*frame.Frame, error] {
	return func(yield func(*frame.Frame, error) bool) {
		pool := frame.NewPool(1)
		lease, _ := pool.Acquire()
		defer func() {
			lease.Release()
			_ = pool.Close(context.WithoutCancel(ctx)) // its one frame is back
		}()
		lost := errors.New("it holds no pictures")
		for whole := 0; ; {
			err := ctx.Err()
			if err == nil {
				err = s.Next(ctx, lease.Frame)
			}
			if _, one := errors.AsType[*pipeline.FrameError](err); one {
				lost = err
				continue
			}
			switch {
			case err == io.EOF && whole == 0:
				yield(nil, fmt.Errorf("%s has no picture that can be read: %w", s.Info().Path, lost))
				return
			case err == io.EOF:
				return
			case err != nil:
				yield(nil, err)
				return
			}
			whole++
			if !yield(lease.Frame, nil) {
				return
			}
		}
	}
}

// Spread gives at most most pictures of a source, evenly spread over it from the
// first on; of a most below 1 none. A source that does not know its length, as a
// video in Matroska, gives every 10th: they are those of its beginning.
func Spread(ctx context.Context, s Source, most int) iter.Seq2[*frame.Frame, error] {
	return func(yield func(*frame.Frame, error) bool) {
		if most < 1 {
			return
		}
		step := 10.
		if n := s.Info().Frames; n > 0 {
			step = max(1, float64(n)/float64(most))
		}
		next, taken, i := 0., 0, 0
		for f, err := range Pictures(ctx, s) {
			if err != nil {
				yield(nil, err)
				return
			}
			if float64(i) >= next {
				if !yield(f, nil) {
					return
				}
				next += step
				if taken++; taken >= most {
					return
				}
			}
			i++
		}
	}
}
