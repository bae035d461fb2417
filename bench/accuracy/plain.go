package accuracy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/sensors"
)

// plain is pictures without labels: a folder of images, a video, a recording or a
// synthetic drive with an end.
type plain struct {
	path   string
	frames int
	fps    float64 // 0: the pictures do not follow each other
}

func openPlain(ctx context.Context, path string) (*plain, error) {
	if inner := filepath.Join(path, "images"); isDir(inner) { // of a labelled folder
		path = inner
	}
	s, err := sensors.Open(ctx, path, sensors.Options{})
	if err != nil {
		return nil, err
	}
	info := s.Info()
	if info.Live {
		err = fmt.Errorf("%s is a live camera, which gives other pictures each time: record it first, with dashline record", info.Path)
	}
	p := &plain{path: path, frames: info.Frames}
	if info.Kind != "images" {
		p.fps = info.FPS
	}
	return p, errors.Join(err, s.Close())
}

// second is that of picture i in a video.
func (p *plain) second(i int) int {
	if p.fps <= 0 {
		return -1
	}
	return int(float64(i) / p.fps)
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

func (p *plain) pictures(every int) int { return (p.frames + every - 1) / every }

// each leaves out pictures that cannot be read: a recording may have some.
func (p *plain) each(ctx context.Context, every int, use func(v *view) error) (err error) {
	s, err := sensors.Open(ctx, p.path, sensors.Options{})
	if err != nil {
		return err
	}
	pool := frame.NewPool(1)
	lease, _ := pool.Acquire()
	defer func() {
		lease.Release()
		err = errors.Join(err, s.Close(), pool.Close(context.WithoutCancel(ctx)))
	}()
	used := 0
	var lost error
	for i := 0; ; i++ {
		err := s.Next(ctx, lease.Frame)
		if _, one := errors.AsType[*pipeline.FrameError](err); one {
			lost = err
			continue
		}
		if err == io.EOF {
			if used == 0 {
				return fmt.Errorf("%s has no picture that can be read: %w", p.path, errors.Join(lost, io.ErrUnexpectedEOF))
			}
			return nil
		}
		if err != nil {
			return err
		}
		if i%every != 0 {
			continue
		}
		if err := use(&view{image: lease.Image, second: p.second(i)}); err != nil {
			return err
		}
		used++
	}
}
