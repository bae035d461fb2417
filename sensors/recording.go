package sensors

import (
	"cmp"
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
	first   []time.Duration // PTS of the first packets, in the order of decoding
	number  uint64          // of the first picture; 0: its index
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
	s.info.Frames = int(min(r.PacketCount(s.camera), math.MaxInt32))
	s.first = firstTimes(r, s.camera)
	s.info.FPS = rate(s.first)
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

// firstTimes are the PTS of a camera's first packets, in the order of decoding.
func firstTimes(r *record.Reader, camera string) (times []time.Duration) {
	p, err := r.Packets(camera, 0, 0)
	if err != nil {
		return nil
	}
	var packet record.Packet
	for len(times) < 64 && p.Next(&packet) == nil {
		times = append(times, packet.PTS)
	}
	return times
}

// rate is that of pictures with these times.
func rate(times []time.Duration) float64 {
	times = slices.Sorted(slices.Values(times))
	var gaps []time.Duration
	for i := 1; i < len(times); i++ {
		gaps = append(gaps, times[i]-times[i-1])
	}
	slices.Sort(gaps)
	if n := len(gaps); n > 0 && gaps[n/2] >= time.Millisecond { // the usual one
		return math.Round(1e12/float64(gaps[n/2])) / 1e3
	}
	return unknownFPS
}

func (s *recording) Info() Info { return s.info }

// Tap has f told each packet of the recording when it is read.
func (s *recording) Tap(f func(*msg.Packet)) { s.tap = f }

// Seek begins with the first frame at or after t. What it refers to is decoded;
// what comes before that is read, so that frames have the numbers that they have
// when all is decoded, also where pictures were lost.
func (s *recording) Seek(ctx context.Context, t time.Duration) (err error) {
	s.closeStream()
	s.number = 0
	if s.packets, err = s.reader.Packets(s.camera, max(0, t), 0); err != nil || t <= 0 {
		return err
	}
	first, err := s.reader.Packets(s.camera, t, 0)
	if err != nil {
		return err
	}
	var key record.Packet
	if first.Next(&key) == nil {
		s.number, err = s.numberOf(ctx, &key)
	}
	return err
}

// numberOf counts the pictures before that of a packet.
func (s *recording) numberOf(ctx context.Context, key *record.Packet) (uint64, error) {
	all, err := s.reader.Packets(s.camera, 0, 0)
	if err != nil {
		return 0, err
	}
	var c *coded.Counter
	var codec msg.Codec
	var p record.Packet
	for all.Next(&p) == nil && p.Index < key.Index {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		switch {
		case c == nil:
			c = coded.NewCounter(p.Index, s.period(), s.first)
		case p.Codec != codec:
			c.Restart()
		}
		codec = p.Codec
		c.Put(&p.Packet)
	}
	if c == nil {
		return key.Index, nil
	}
	return c.Next(&key.Packet), nil
}

func (s *recording) period() time.Duration {
	return time.Duration(float64(time.Second) / s.info.FPS)
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
		Period: s.period(),
	})
	if err != nil {
		return fmt.Errorf("recording %s: %w", s.name, err)
	}
	next.Number(cmp.Or(s.number, p.Index))
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
