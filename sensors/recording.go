package sensors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/pipeline/record"
	"dashline/sensors/coded"
	"dashline/sensors/nal"
)

// recording plays one camera of a recording: its packets as they came, decoded
// as they were then.
type recording struct {
	reader  *record.Reader
	packets *record.Packets
	camera  string
	info    Info
	name    string
	stream  *coded.Stream
	classes *nal.Classifier
	packet  record.Packet
	unit    coded.Unit
	tap     func(*msg.Packet)
	arrived arrivals
	now     time.Duration // when the latest packet arrived, 0 where that is not known
	anew    bool          // another decoder is to follow
	ended   bool
}

// IsRecording says whether a path names a recording.
func IsRecording(path string) bool { return strings.EqualFold(filepath.Ext(path), ".mcap") }

// openRecording opens the camera of a recording that has the name of the options,
// or the only one.
func openRecording(path string, o Options) (*recording, error) {
	r, err := record.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	s := &recording{reader: r, name: path}
	if s.camera, err = cameraIn(r, o.Camera); err == nil {
		err = s.Seek(context.Background(), 0)
	}
	if err != nil {
		_ = r.Close()
		return nil, fmt.Errorf("open recording %s: %w", path, err)
	}
	s.info = Info{Kind: "recording", Path: path}
	if c, ok := r.Calibration(s.camera); ok {
		s.info.Camera, s.info.Width, s.info.Height = c, c.Width, c.Height
	}
	s.info.FPS, s.info.Frames = pace(r, s.camera)
	return s, nil
}

// cameraIn chooses a camera of a recording.
func cameraIn(r *record.Reader, wanted string) (string, error) {
	cameras := r.Cameras()
	switch {
	case slices.Contains(cameras, wanted):
		return wanted, nil
	case len(cameras) == 1:
		return cameras[0], nil
	case len(cameras) == 0:
		return "", errors.New("it has no pictures of any camera: `dashline info` says what is in it")
	}
	return "", fmt.Errorf("it has no camera %q: name one of %s, as in %s=FILE", wanted, strings.Join(cameras, ", "), cameras[0])
}

// pace is the rate of a camera's pictures, from the first of them, and how many
// there are.
func pace(r *record.Reader, camera string) (fps float64, frames int) {
	frames = int(min(r.PacketCount(camera), 1<<31-1))
	p, err := r.Packets(camera, 0, 0)
	if err != nil {
		return unknownFPS, frames
	}
	var packet record.Packet
	var times []time.Duration
	for len(times) < 64 && p.Next(&packet) == nil {
		times = append(times, packet.PTS)
	}
	slices.Sort(times)
	var gaps []time.Duration
	for i := 1; i < len(times); i++ {
		gaps = append(gaps, times[i]-times[i-1])
	}
	slices.Sort(gaps)
	fps = unknownFPS
	if n := len(gaps); n > 0 && gaps[n/2] >= time.Millisecond { // the usual one
		fps = math.Round(1e12/float64(gaps[n/2])) / 1e3
	}
	return fps, frames
}

func (s *recording) Info() Info { return s.info }

// Tap has f told each packet of the recording when it is read.
func (s *recording) Tap(f func(*msg.Packet)) { s.tap = f }

// Seek begins with the first frame at or after t. What it refers to is decoded.
func (s *recording) Seek(_ context.Context, t time.Duration) (err error) {
	s.closeStream()
	s.packets, err = s.reader.Packets(s.camera, max(0, t), 0)
	return err
}

// Next decodes the next picture of the recording. One that was damaged or
// missing when it was recorded is a failed frame again.
func (s *recording) Next(ctx context.Context, f *frame.Frame) error {
	for {
		if s.stream != nil {
			if ok, err := s.stream.Next(f); ok || err != nil {
				f.Arrived = s.now // with the packet that brought it out, as it was then
				return err
			}
		}
		if s.anew {
			if err := s.decodeAnew(); err != nil {
				return err
			}
			continue
		}
		if s.ended {
			return io.EOF
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		err := s.packets.Next(&s.packet)
		if err == io.EOF {
			s.ended = true
			if s.stream != nil {
				s.stream.End()
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("recording %s: %w", s.name, err)
		}
		switch {
		case s.stream == nil:
			s.anew = true
		case s.packet.Codec != s.unit.Codec: // what the decoder holds back comes first
			s.stream.End()
			s.anew = true
		default:
			s.put()
		}
	}
}

// decodeAnew goes on with a decoder for the packet at hand.
func (s *recording) decodeAnew() error {
	p := &s.packet
	next, err := coded.New(coded.Options{
		Codec: p.Codec, Name: s.name, MaxPixels: MaxPixels, MaxSide: MaxSide,
		Period: time.Duration(float64(time.Second) / s.info.FPS),
	})
	if err != nil {
		return fmt.Errorf("recording %s: %w", s.name, err)
	}
	next.Number(p.Index)
	next.Continue(s.stream)
	s.closeStream()
	s.stream, s.classes, s.anew = next, nal.NewClassifier(p.Codec), false
	s.put()
	return nil
}

func (s *recording) put() {
	p := &s.packet
	s.now = s.arrived.at(&p.Packet)
	if s.tap != nil && !p.Hidden {
		s.tap(&p.Packet)
	}
	s.unit = coded.Unit{Packet: p.Packet, Hidden: p.Hidden, Kind: s.classes.Classify(p.Data)}
	s.stream.Put(&s.unit)
}

func (s *recording) closeStream() {
	if s.stream != nil {
		_ = s.stream.Close()
		s.stream = nil
	}
}

func (s *recording) Close() error {
	s.closeStream()
	return s.reader.Close()
}

// RecordedTimes are the reports of the frames that were accounted for when the
// recording s was made, by the presentation time of the frame. Of several with
// the same time it is the first. It is called before the first Next; a source of
// another kind has none.
func RecordedTimes(s Source) map[time.Duration]*msg.FrameReport {
	times := map[time.Duration]*msg.FrameReport{}
	r, ok := s.(*recording)
	if !ok {
		return times
	}
	for report := range r.reader.Reports(r.camera) {
		if times[report.PTS] == nil {
			times[report.PTS] = report
		}
	}
	return times
}
