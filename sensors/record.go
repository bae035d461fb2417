package sensors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

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

// recordVideo reads a video's packets beside its pictures. Where the packets are
// not to be had, or have no times of their own (raw H.264, most of AVI), its
// pictures are recorded.
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
	known := codec == msg.H264 || codec == msg.H265 || codec == msg.MJPEG
	if !known || v.turn != 0 || !timed(p) {
		return &stills{v, f}, p.Close()
	}
	if err := p.Rewind(); err != nil {
		return nil, errors.Join(fmt.Errorf("record video %s: %w", v.info.Path, err), p.Close())
	}
	return &recorded{video: v, packets: p, codec: codec, tell: f}, nil
}

// maxDepth is how far apart decoding and presentation can be, pictures.
const maxDepth = 16

// timed says whether the first packets have times.
func timed(p *avdec.Packets) bool {
	for range 2 * maxDepth {
		switch _, err := p.Next(); err {
		case avdec.ErrNoTime:
			return false
		case io.EOF, avdec.ErrCut:
			return true
		}
	}
	return true
}

// recorded is a video whose packets are told with its pictures: by the time that
// a picture is delivered, its packet has been told.
type recorded struct {
	*video
	packets *avdec.Packets
	codec   msg.Codec
	tell    func(*msg.Packet)
	begin   uint64                      // packets to pass over first
	read    uint64                      // packets so far
	latest  [2 * maxDepth]time.Duration // PTS of the latest
	missing bool                        // a packet could not be read, and none since
	bad     int                         // packets in a row that could not be read
	ended   bool
}

// Seek has the packets begin with the key picture that the first picture at or
// after t needs.
func (r *recorded) Seek(ctx context.Context, t time.Duration) error {
	r.begin = 0
	for n := uint64(0); ; n++ {
		p, err := r.next()
		if err == io.EOF || err == nil && r.isKey(&p) && p.PTS > t {
			break
		}
		if err == nil && r.isKey(&p) {
			r.begin = n
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if err := r.packets.Rewind(); err != nil {
		return fmt.Errorf("record video %s: %w", r.info.Path, err)
	}
	return r.video.Seek(ctx, t)
}

func (r *recorded) isKey(p *avdec.Packet) bool { return p.Key || r.codec == msg.MJPEG }

func (r *recorded) Next(ctx context.Context, f *frame.Frame) error {
	err := r.video.Next(ctx, f)
	if err == io.EOF {
		for r.pass() {
		}
		return err
	}
	// As many packets as pictures, and with B pictures a few more; no video is
	// read to its end for a picture whose time is not that of its packet.
	for r.read < r.seq || r.read < r.seq+maxDepth && !slices.Contains(r.latest[:], f.PTS+1) {
		if !r.pass() {
			break
		}
	}
	return err
}

// maxBad is after how many packets in a row that cannot be read a file has ended.
const maxBad = 100

// next reads a packet: io.EOF is the end, any other error is about one packet.
func (r *recorded) next() (avdec.Packet, error) {
	p, err := r.packets.Next()
	if err == nil {
		r.bad = 0
		return p, nil
	}
	if r.bad++; err == avdec.ErrCut || r.bad > maxBad {
		err = io.EOF
	}
	return p, err
}

// pass reads one packet and tells it where it is wanted; it is false after the
// last. One that cannot be read is missing before the next.
func (r *recorded) pass() bool {
	if r.ended {
		return false
	}
	p, err := r.next()
	if err == io.EOF {
		r.ended = true // the pictures tell of damage better
		return false
	}
	n := r.read
	r.read++
	if err != nil {
		r.missing = true
		return true
	}
	r.latest[n%uint64(len(r.latest))] = p.PTS + 1 // 0 is none
	if n < r.begin {
		return true
	}
	r.tell(&msg.Packet{Codec: r.codec, Data: p.Data, PTS: p.PTS, Key: r.isKey(&p), Gap: r.missing})
	r.missing = false
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
