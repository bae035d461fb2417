package camera

import (
	"context"
	"errors"
	"strings"
	"time"
)

// rendition is one encoding of a film.
type rendition struct {
	half     bool
	distance time.Duration // from key frame to key frame; 0: as the film has them
}

// prepare makes or opens the film that is served.
func (s *Server) prepare(ctx context.Context) (*film, error) {
	if strings.HasPrefix(s.o.Source, "synth:") {
		return nil, errors.New("synthetic drives come next")
	}
	return openFilm(s.o.Source)
}

// set changes a camera's faults.
func (s *Server) set(ctx context.Context, c *camera, f Faults) error {
	c.mu.Lock()
	c.faults = f
	c.mu.Unlock()
	c.shape.sdp(c.film, f.SDP, c.chance)
	c.rouse()
	return nil
}
