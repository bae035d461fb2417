package camera

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
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
	half  bool
	apart int // frames from key frame to key frame, at least; 0: where the film has them
}

// maxUnused is how many encodings are kept that no camera shows, so that one that
// goes to and fro need not have them made each time.
const maxUnused = 4

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
	apart, err := s.base.apart(time.Duration(f.NoKeyFrames))
	if err != nil {
		return err
	}
	whole, err := s.rendition(ctx, rendition{apart: apart})
	if err != nil {
		return err
	}
	var half *strip
	if f.ResolutionEvery > 0 {
		if half, err = s.rendition(ctx, rendition{half: true, apart: apart}); err != nil {
			return errors.Join(err, s.tidy())
		}
	}
	c.shape.sdp(s.base, f.SDP, c.chance)
	c.mu.Lock()
	c.faults, c.film, c.half = f, whole, half
	c.mu.Unlock()
	c.rouse()
	return s.tidy()
}

// apart is a distance between key frames in frames, rounded up.
func (f *strip) apart(distance time.Duration) (int, error) {
	n := int(math.Ceil(distance.Seconds() * f.rate()))
	if n > MaxGOP {
		return 0, fmt.Errorf("key frames %v apart are %d frames apart: give less, so that there are at most %d", distance, n, MaxGOP)
	}
	return n, nil
}

// tidy removes the encodings that no camera shows, but for the latest few. A
// camera that is still about to open one of them sees that it is to show another.
func (s *Server) tidy() error {
	used := map[*strip]bool{s.base: true}
	for _, c := range s.cameras {
		c.mu.Lock()
		used[c.film], used[c.half] = true, true
		c.mu.Unlock()
	}
	unused := 0
	for _, r := range s.recent {
		if !used[s.films[r]] {
			unused++
		}
	}
	var errs []error
	kept := s.recent[:0]
	for _, r := range s.recent {
		f := s.films[r]
		if used[f] || unused <= maxUnused {
			kept = append(kept, r)
			continue
		}
		unused--
		delete(s.films, r)
		errs = append(errs, os.Remove(f.path))
	}
	s.recent = kept
	return errors.Join(errs...)
}

// rendition makes one unless it is there.
func (s *Server) rendition(ctx context.Context, r rendition) (*strip, error) {
	if f := s.films[r]; f != nil {
		if i := slices.Index(s.recent, r); i >= 0 { // now the latest
			s.recent = append(slices.Delete(s.recent, i, i+1), r)
		}
		return f, nil
	}
	base := s.base
	e := encoding{codec: base.info.Codec, width: base.info.Width, height: base.info.Height, gop: MaxGOP, frames: base.frames}
	if r.half {
		e.width, e.height = e.width/2, e.height/2
	}
	e.keys = base.keys()
	if r.apart != 0 {
		e.repeat = (r.apart + base.frames - 1) / base.frames
		e.keys = spread(e.repeat*base.frames, r.apart)
	}
	s.made++
	f, err := s.encode(ctx, base.path, fmt.Sprintf("rendition-%d.mp4", s.made), e)
	if err != nil {
		return nil, err
	}
	f.frames = base.frames
	s.films[r] = f
	s.recent = append(s.recent, r)
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
