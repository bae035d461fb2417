package session

import (
	"dashline/detect/track"
	"dashline/internal/config"
	"dashline/pipeline"
	"dashline/pipeline/msg"
)

// follower is the pipeline's tracker.
type follower struct{ *track.Tracker }

func newFollower(c config.Track) (*follower, error) {
	t, err := track.New(track.Options{High: float32(c.High), Low: float32(c.Low), Confirm: c.Confirm, Lost: c.Lost})
	return &follower{t}, err
}

func (f *follower) Track(s *pipeline.Sighting) *msg.Tracks {
	if s.Only {
		f.Coast(s.Captured)
	} else {
		f.Update(s.Captured, s.Width, s.Height, s.Detections)
	}
	return &msg.Tracks{
		Header: s.Header, Width: s.Width, Height: s.Height, Ahead: s.Ahead, Only: s.Only,
		Items: f.Append(nil, s.Ahead),
	}
}
