package sensors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"gocv.io/x/gocv"

	"dashline/internal/avdec"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

// Record has f told the pictures of a source as they came, compressed, and
// returns the source that is then to be read in its place; closing that closes
// both. A source that has none, such as a synthetic drive or a video that is
// shown turned, gives each picture as a JPEG, which loses a little. Call it
// before the first Next; f is as in [Recordable].
func Record(s Source, f func(*msg.Packet)) (Source, error) {
	if v, ok := s.(*video); ok {
		return recordVideo(v, f)
	}
	if r, ok := s.(Recordable); ok {
		r.Tap(f)
		return s, nil
	}
	return &stills{s, f}, nil
}

// recordVideo reads a video's packets beside its pictures: one packet for each
// picture, which need not be its own where there are B pictures.
func recordVideo(v *video, f func(*msg.Packet)) (Source, error) {
	abs, err := absolute(v.info.Path)
	if err != nil {
		return nil, err
	}
	p, err := avdec.OpenPackets(abs)
	if err != nil {
		return nil, fmt.Errorf("record video %s: %w", v.info.Path, err)
	}
	codec := msg.Codec(p.Info().Codec)
	switch codec {
	case msg.H264, msg.H265, msg.MJPEG:
	default:
		return &stills{v, f}, p.Close()
	}
	if v.turn != 0 {
		return &stills{v, f}, p.Close()
	}
	return &recorded{video: v, packets: p, codec: codec, tell: f}, nil
}

type recorded struct {
	*video
	packets *avdec.Packets
	codec   msg.Codec
	tell    func(*msg.Packet)
	ended   bool
}

func (r *recorded) Next(ctx context.Context, f *frame.Frame) error {
	err := r.video.Next(ctx, f)
	if err == io.EOF {
		for r.pass() {
		}
		return err
	}
	r.pass()
	return err
}

// pass tells one packet; it is false after the last.
func (r *recorded) pass() bool {
	if r.ended {
		return false
	}
	p, err := r.packets.Next()
	if err != nil {
		r.ended = true // the pictures tell of damage better
		return false
	}
	r.tell(&msg.Packet{Codec: r.codec, Data: p.Data, PTS: p.PTS, Key: p.Key || r.codec == msg.MJPEG})
	return true
}

func (r *recorded) Close() error { return errors.Join(r.video.Close(), r.packets.Close()) }

// stills gives the pictures of a source that has no packets.
type stills struct {
	Source
	tell func(*msg.Packet)
}

const stillQuality = 95 // of 100

func (s *stills) Next(ctx context.Context, f *frame.Frame) error {
	if err := s.Source.Next(ctx, f); err != nil {
		return err
	}
	b, err := gocv.IMEncodeWithParams(gocv.JPEGFileExt, f.Image, []int{gocv.IMWriteJpegQuality, stillQuality})
	if err != nil {
		return &pipeline.FrameError{Reason: "record", Err: err}
	}
	defer b.Close()
	s.tell(&msg.Packet{
		Codec: msg.MJPEG, Data: b.GetBytes(), PTS: f.PTS, CapturedAt: f.CapturedAt, CaptureClock: f.CaptureClock, Key: true,
	})
	return nil
}

// Tap has f told each picture file as it is read.
func (d *folder) Tap(f func(*msg.Packet)) { d.tap = f }

// packet is the file in buf, whose picture f is.
func (d *folder) packet(f *frame.Frame) *msg.Packet {
	codec := msg.MJPEG
	if bytes.HasPrefix(d.buf.Bytes(), []byte("\x89PNG")) {
		codec = msg.PNG
	}
	return &msg.Packet{Codec: codec, Data: d.buf.Bytes(), PTS: f.PTS, CapturedAt: f.CapturedAt, CaptureClock: f.CaptureClock, Key: true}
}
