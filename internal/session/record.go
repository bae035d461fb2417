package session

import (
	"context"
	"errors"
	"fmt"
	"os"

	"dashline/internal/config"
	"dashline/internal/version"
	"dashline/pipeline"
	"dashline/pipeline/msg"
	"dashline/pipeline/record"
)

// openRecorder begins the recording that is asked for. Packets come from the
// sources, messages from the pipelines.
func (s *Session) openRecorder() (err error) {
	if s.Config.Record == "" {
		return nil
	}
	for _, f := range s.Feeds {
		from, err := os.Stat(f.Config.Source)
		if err != nil {
			continue
		}
		if to, err := os.Stat(s.Config.Record); err == nil && os.SameFile(from, to) {
			return &ConfigError{fmt.Errorf("record %s: this is the source itself: give another name", s.Config.Record)}
		}
	}
	made := s.Config
	made.Detect.Network, made.Lanes.Network = s.networks() // for who runs the recording
	effective, err := config.Effective(&made)
	if err != nil {
		return err
	}
	s.recorder, err = record.Create(s.Config.Record, record.Options{
		Vehicle: s.Config.Vehicle, Version: version.Read().Name(), Config: string(effective), Overwrite: s.Config.RecordForce,
		Notice: func(err error) {
			select {
			case s.news <- err.Error():
			default: // nobody reads them; the summary has it
			}
		},
	})
	if err != nil {
		return err
	}
	for _, f := range s.Feeds {
		f.recorder = s.recorder
		s.recorder.Calibration(f.Config.Camera, f.Camera)
	}
	return nil
}

// networks are those of all cameras, or auto where they differ.
func (s *Session) networks() (detect, lanes string) {
	detect, lanes = s.Feeds[0].Config.Detect.Network, s.Feeds[0].Config.Lanes.Network
	for _, f := range s.Feeds {
		if f.Config.Detect.Network != detect {
			detect = auto
		}
		if f.Config.Lanes.Network != lanes {
			lanes = auto
		}
	}
	return detect, lanes
}

// outlet is where the pipelines publish.
func (s *Session) outlet() (p pipeline.Publisher) {
	p = s.publisher
	if s.recorder != nil {
		p = both{s.publisher, s.recorder}
	}
	if s.probe.Publisher != nil {
		p = s.probe.Publisher(p)
	}
	return p
}

// both publishes to the bus and to the recording.
type both struct{ bus, recording pipeline.Publisher }

func (b both) Detections(d *msg.Detections) {
	b.bus.Detections(d)
	b.recording.Detections(d)
}

func (b both) Tracks(m *msg.Tracks) {
	b.bus.Tracks(m)
	b.recording.Tracks(m)
}

func (b both) Lanes(l *msg.LaneSet) {
	b.bus.Lanes(l)
	b.recording.Lanes(l)
}

func (b both) Plan(t *msg.Trajectory) {
	b.bus.Plan(t)
	b.recording.Plan(t)
}

func (b both) Frame(f *msg.FrameReport) {
	b.bus.Frame(f)
	b.recording.Frame(f)
}

// RecordingSummary is the account of a recording.
type RecordingSummary struct {
	Path    string `json:"path"`
	Bytes   uint64 `json:"bytes"`
	Written uint64 `json:"written"` // packets and messages
	Dropped uint64 `json:"dropped"`
	Error   string `json:"error,omitempty"`
}

// finishRecorder writes what waits and closes the file. What it lacks is in the
// summary: the run itself went well without.
func (s *Session) finishRecorder(ctx context.Context) error {
	if s.recorder == nil {
		return nil
	}
	err := s.recorder.Close(ctx)
	st := s.recorder.Stats()
	total := st.Total()
	s.recorded = &RecordingSummary{Path: s.Config.Record, Bytes: st.Bytes, Written: total.Written, Dropped: total.Dropped}
	if err = errors.Join(err, st.Err); err != nil {
		s.recorded.Error = err.Error()
	}
	s.recorder = nil
	return nil
}
