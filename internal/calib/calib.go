// Package calib loads unlabelled pictures as a network sees them, for everything
// that looks at what happens inside of a network: pruning, quantisation,
// comparison.
//
// Invariants:
//   - The same sources, description and limit give the same pictures in the same order.
//   - Pictures are spread evenly over each source, the first included.
//   - Memory is bounded by Max pictures of the network's input.
package calib

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"dashline/infer/preprocess"
	"dashline/model/catalog"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/sensors"
)

// Picture is one picture in a network's input form.
type Picture struct {
	Name  string    // source and number in it
	Input []float32 // 1x3xheightxwidth, planar, prepared as the description says
}

// Limits.
const (
	DefaultMax = 128
	MaxBytes   = 4 << 30 // of all inputs together
)

// Load reads at most most pictures (0 means DefaultMax) from folders of images,
// videos, recordings and synthetic drives. Pictures that cannot be read are
// passed over, unless there is no other. progress, where not nil, is called
// after each.
func Load(ctx context.Context, paths []string, in catalog.Input, most int, progress func(done, total int)) ([]Picture, error) {
	if most == 0 {
		most = DefaultMax
	}
	each := 12 * in.Width * in.Height
	if most < 1 || each < 1 || most > MaxBytes/each {
		return nil, fmt.Errorf("calibration: %d pictures of %dx%d do not fit: use 1 to %d", most, in.Width, in.Height, MaxBytes/max(each, 1))
	}
	if len(paths) == 0 {
		return nil, errors.New("calibration: no pictures named: give a folder of images or a drive, as those that the network will see")
	}
	pre, err := preprocess.New(in)
	if err != nil {
		return nil, err
	}
	defer pre.Close()
	var all []Picture
	for i, path := range paths {
		share := (most - len(all)) / (len(paths) - i) // what one has too few of, the next may have
		l := loader{pre: pre, in: in, path: path, most: share, total: most, all: all, progress: progress}
		if err := l.run(ctx); err != nil {
			return nil, fmt.Errorf("calibration pictures %s: %w", path, err)
		}
		if len(l.all) == len(all) {
			return nil, fmt.Errorf("calibration pictures %s: none can be read: %w", path, l.lost)
		}
		all = l.all
	}
	return all, nil
}

// loader reads one source.
type loader struct {
	pre         *preprocess.Preprocessor
	in          catalog.Input
	path        string
	most, total int
	all         []Picture
	lost        error
	progress    func(done, total int)
}

func (l *loader) run(ctx context.Context) (err error) {
	src, err := sensors.Open(ctx, pictures(l.path), sensors.Options{Exact: true})
	if err != nil {
		return err
	}
	pool := frame.NewPool(1)
	lease, _ := pool.Acquire()
	defer func() {
		lease.Release()
		err = errors.Join(err, src.Close(), pool.Close(context.WithoutCancel(ctx)))
	}()
	info := src.Info()
	if info.Live {
		return errors.New("a live camera gives other pictures each time: record it first, with dashline record")
	}
	l.lost = errors.New("it holds no pictures")
	// Where the length is not known every 10th is taken.
	step := 10.
	if info.Frames > 0 {
		step = max(1, float64(info.Frames)/float64(l.most))
	}
	next, taken := 0., 0
	for i := 0; taken < l.most; i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch err := src.Next(ctx, lease.Frame); {
		case err == io.EOF:
			return nil
		case passable(err):
			l.lost = err
			continue
		case err != nil:
			return err
		}
		if float64(i) < next {
			continue
		}
		next += step
		p := Picture{Name: fmt.Sprintf("%s#%d", l.path, i), Input: make([]float32, 3*l.in.Width*l.in.Height)}
		if _, err := l.pre.Run(lease.Image, p.Input); err != nil {
			return err
		}
		l.all = append(l.all, p)
		taken++
		if l.progress != nil {
			l.progress(len(l.all), l.total)
		}
	}
	return nil
}

// passable says whether one picture is lost and the next may be fine.
func passable(err error) bool {
	_, one := errors.AsType[*pipeline.FrameError](err)
	return one
}

// pictures is where the images of a labelled folder are.
func pictures(path string) string {
	inner := filepath.Join(path, "images")
	if st, err := os.Stat(inner); err == nil && st.IsDir() {
		return inner
	}
	return path
}
