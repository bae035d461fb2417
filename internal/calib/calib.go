// Package calib loads unlabelled pictures as a network sees them, for everything
// that looks at what happens inside of a network: pruning, quantisation,
// comparison.
//
// Invariants:
//   - The same sources, description and limit give the same pictures in the same order.
//   - Pictures are spread evenly over each source, the first included. Of a video
//     that does not say how long it is they are every 10th from its beginning.
//   - Of each source there is one at least.
//   - Memory is bounded by as many pictures of the network's input as were asked for.
package calib

import (
	"context"
	"errors"
	"fmt"

	"dashline/infer/preprocess"
	"dashline/model/catalog"
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
// videos, recordings and synthetic drives, of which there may not be more than
// that. Pictures that cannot be read are
// passed over, unless there is no other. progress, where not nil, is called
// after each.
func Load(ctx context.Context, paths []string, in catalog.Input, most int, progress func(done, total int)) ([]Picture, error) {
	if most == 0 {
		most = DefaultMax
	}
	size := 12 * in.Width * in.Height
	if most < 1 || size < 1 || most > MaxBytes/size {
		return nil, fmt.Errorf("calibration: %d pictures of %dx%d do not fit: use 1 to %d", most, in.Width, in.Height, MaxBytes/max(size, 1))
	}
	if len(paths) == 0 {
		return nil, errors.New("calibration: no pictures named: give a folder of images or a drive, as those that the network will see")
	}
	if len(paths) > most {
		return nil, fmt.Errorf("calibration: %d pictures of %d sources: use at least one of each, or name fewer", most, len(paths))
	}
	pre, err := preprocess.New(in)
	if err != nil {
		return nil, err
	}
	defer pre.Close()
	var all []Picture
	for i, path := range paths {
		share := (most - len(all)) / (len(paths) - i) // what one has too few of, the next may have
		err := each(ctx, path, share, func(f *frame.Frame) error {
			p := Picture{Name: fmt.Sprintf("%s#%d", path, f.Header.Seq), Input: make([]float32, 3*in.Width*in.Height)}
			if _, err := pre.Run(f.Image, p.Input); err != nil {
				return err
			}
			all = append(all, p)
			if progress != nil {
				progress(len(all), most)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("calibration pictures %s: %w", path, err)
		}
	}
	return all, nil
}

func each(ctx context.Context, path string, most int, use func(*frame.Frame) error) (err error) {
	s, err := sensors.OpenPictures(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for f, err := range sensors.Spread(ctx, s, most) {
		if err != nil {
			return err
		}
		if err := use(f); err != nil {
			return err
		}
	}
	return nil
}

// Inputs are the inputs of pictures.
func Inputs(pictures []Picture) [][]float32 {
	out := make([][]float32, len(pictures))
	for i, p := range pictures {
		out[i] = p.Input
	}
	return out
}
