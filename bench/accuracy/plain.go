package accuracy

import (
	"context"
	"errors"

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
	s, err := sensors.OpenPictures(ctx, path)
	if err != nil {
		return nil, err
	}
	info := s.Info()
	p := &plain{path: path, frames: info.Frames}
	if info.Kind != "images" {
		p.fps = info.FPS
	}
	return p, s.Close()
}

// second is that of picture i in a video.
func (p *plain) second(i int) int {
	if p.fps <= 0 {
		return -1
	}
	return int(float64(i) / p.fps)
}

func (p *plain) pictures(every int) int { return (p.frames + every - 1) / every }

// each leaves out pictures that cannot be read: a recording may have some.
func (p *plain) each(ctx context.Context, every int, use func(v *view) error) (err error) {
	s, err := sensors.OpenPictures(ctx, p.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	i := 0
	for f, err := range sensors.Pictures(ctx, s) {
		if err != nil {
			return err
		}
		if i%every == 0 {
			if err := use(&view{image: f.Image, second: p.second(i)}); err != nil {
				return err
			}
		}
		i++
	}
	return nil
}
