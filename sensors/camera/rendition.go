package camera

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"time"

	"dashline/sensors/synth"
	"dashline/sensors/synth/film"
)

// synthScheme begins the name of a source that is made up.
const synthScheme = "synth:"

// rendition is one encoding of the film that is served; the zero value is that
// film itself.
type rendition struct {
	half     bool
	distance time.Duration // from key frame to key frame; 0: where the film has them
}

// prepare makes or opens the film that is served.
func (s *Server) prepare(ctx context.Context) (*strip, error) {
	path := s.o.Source
	if name, ok := strings.CutPrefix(path, synthScheme); ok {
		made, err := s.drive(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("make film %s: %w", path, err)
		}
		path = made
	}
	f, err := openFilm(path)
	if s.o.Codec == Copy {
		if err == nil && f.info.Codec == MJPEG {
			err = f.fitsRTP()
		}
		return f, err
	}
	plain := s.o.Width == 0 && s.o.GOP == 0 && s.o.BFrames == 0
	if err == nil && plain && f.info.Codec == s.o.Codec && s.o.Codec != MJPEG {
		return f, nil
	}
	// A film whose packets cannot be served as they are may still be decoded.
	return s.encode(ctx, path, "film.mp4", encoding{
		codec: s.o.Codec, width: s.o.Width, height: s.o.Height, gop: s.o.GOP, bframes: s.o.BFrames,
	})
}

// drive makes a film of a synthetic drive.
func (s *Server) drive(ctx context.Context, name string) (path string, err error) {
	sc, seed, length, err := synth.ByName(name)
	if err != nil {
		return "", err
	}
	if length != 0 {
		sc.Duration = length.Seconds()
	}
	path = filepath.Join(s.dir, "drive.mp4")
	return path, film.Video(ctx, sc, film.Take{First: seed, Last: seed, Every: 1}, path, film.VideoOptions{}, s.progress)
}

func (s *Server) progress(done, of int) {
	if s.o.Progress != nil {
		s.o.Progress(done, of)
	}
}

// set changes a camera's faults, and makes the encodings that they need.
func (s *Server) set(ctx context.Context, c *camera, f Faults) error {
	s.setting.Lock()
	defer s.setting.Unlock()
	if s.ctx.Err() != nil {
		return errors.New("the server is closed")
	}
	whole, err := s.rendition(ctx, rendition{distance: time.Duration(f.NoKeyFrames)})
	if err != nil {
		return err
	}
	var half *strip
	if f.ResolutionEvery > 0 {
		if half, err = s.rendition(ctx, rendition{half: true, distance: time.Duration(f.NoKeyFrames)}); err != nil {
			return err
		}
	}
	c.shape.sdp(s.base, f.SDP, c.chance)
	c.mu.Lock()
	c.faults, c.film, c.half = f, whole, half
	c.mu.Unlock()
	c.rouse()
	return nil
}

// rendition makes one unless it is there.
func (s *Server) rendition(ctx context.Context, r rendition) (*strip, error) {
	if f := s.films[r]; f != nil {
		return f, nil
	}
	base := s.base
	e := encoding{codec: base.info.Codec, width: base.info.Width, height: base.info.Height, gop: MaxGOP, frames: base.frames}
	if r.half {
		e.width, e.height = e.width/2, e.height/2
	}
	e.keys = base.keys()
	if r.distance != 0 {
		apart := max(1, int(math.Ceil(r.distance.Seconds()*base.rate())))
		if apart > MaxGOP {
			return nil, fmt.Errorf("key frames %v apart are %d frames apart: give less, so that there are at most %d", r.distance, apart, MaxGOP)
		}
		e.repeat = (apart + base.frames - 1) / base.frames
		e.keys = spread(e.repeat*base.frames, apart)
	}
	f, err := s.encode(ctx, base.path, fmt.Sprintf("rendition-%d.mp4", len(s.films)), e)
	if err != nil {
		return nil, err
	}
	f.frames = base.frames
	s.films[r] = f
	return f, nil
}

// spread chooses as many key frames of n, in a loop, as are at least so far apart.
func spread(n, apart int) map[int]bool {
	keys := map[int]bool{}
	count := max(1, n/apart)
	for i := range count {
		keys[i*n/count] = true
	}
	return keys
}
