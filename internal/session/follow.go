package session

import (
	"dashline/detect/track"
	"dashline/internal/config"
	"dashline/pipeline"
	"dashline/pipeline/msg"
)

// faintTracked is the least score of what a tracker is told: a track that is there
// may be seen faintly for a while (detect/track says why).
const faintTracked = 0.1

// follower is the pipeline's tracker.
type follower struct{ *track.Tracker }

func newFollower(config.Track) (*follower, error) {
	t, err := track.New(track.Options{Low: faintTracked})
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
