package sensors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"gocv.io/x/gocv"

	"dashline/internal/avdec"
	"dashline/internal/threads"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

// The rate of a video that does not tell its own.
const unknownFPS = 25

// video reads a file through libavcodec.
type video struct {
	reader *avdec.Reader
	info   Info
	cut    bool // known before the first picture
	turn   int  // degrees clockwise to show pictures in
	coded  gocv.Mat
	seq    uint64
	last   time.Duration // PTS of the latest frame
	from   time.Duration // pictures before are decoded, for others refer to them, and no more
	ended  bool
}

func openVideo(path string, o Options) (*video, error) {
	abs, err := absolute(path)
	if err != nil {
		return nil, err
	}
	open := avdec.Open
	if o.Exact {
		open = avdec.OpenSerial
	}
	var r *avdec.Reader
	threads.Named("decode", func() { r, err = open(abs, MaxPixels) })
	if err != nil {
		return nil, fmt.Errorf("open video %s: %w: try `ffprobe` on it", path, err)
	}
	in := r.Info()
	if err := checkSize(in.Width, in.Height); err != nil {
		_ = r.Close()
		return nil, fmt.Errorf("open video %s: %w", path, err)
	}
	v := &video{reader: r, cut: in.Cut, turn: in.Rotation, coded: gocv.NewMat(), info: Info{
		Kind: "video", Path: path, Width: in.Width, Height: in.Height, FPS: in.FPS, Frames: in.Frames,
	}}
	if v.turn%180 != 0 {
		v.info.Width, v.info.Height = in.Height, in.Width
	}
	if !(v.info.FPS > 0 && v.info.FPS <= 1000) {
		v.info.FPS = unknownFPS
	}
	return v, nil
}

func (v *video) Info() Info { return v.info }

func (v *video) Close() error { return errors.Join(v.reader.Close(), v.coded.Close()) }

// Seek goes to the first picture at or after t.
func (v *video) Seek(_ context.Context, t time.Duration) error {
	v.from = t
	return nil
}

// Next decodes the next picture. One that is damaged ("corrupt"), or that refers
// to one that is ("reference"), is a failed frame; so is the end of a file that
// comes too early ("truncated").
func (v *video) Next(ctx context.Context, f *frame.Frame) error {
	if v.ended {
		return io.EOF
	}
	p, err := v.reader.Next()
	for err != io.EOF && v.before(p, err) {
		if err := ctx.Err(); err != nil {
			return err
		}
		p, err = v.reader.Next()
	}
	switch {
	case err == io.EOF && v.cut, errors.Is(err, avdec.ErrCut):
		v.ended = true
		f.Header = msg.Header{Seq: v.seq, PTS: v.last + v.period()}
		return v.lost("truncated", f, fmt.Errorf("it ends after %d frames: %w", v.seq, avdec.ErrCut))
	case err == io.EOF:
		return io.EOF
	}
	f.Header = msg.Header{Seq: v.seq, PTS: v.pts(p.PTS)}
	v.seq, v.last = v.seq+1, f.PTS
	switch {
	case errors.Is(err, avdec.ErrCorrupt):
		return v.lost("corrupt", f, err)
	case errors.Is(err, avdec.ErrReference):
		return v.lost("reference", f, err)
	case errors.Is(err, avdec.ErrTooLarge):
		return v.lost("too_large", f, err)
	case err != nil:
		return fmt.Errorf("video %s: frame %d: %w", v.info.Path, f.Seq, err)
	}
	if err := checkSize(p.Width, p.Height); err != nil {
		return v.lost("too_large", f, err)
	}
	if err := v.show(p, &f.Image); err != nil {
		return v.lost("format", f, err)
	}
	return nil
}

// before says whether a picture, or the loss of one, is before what is wanted,
// and counts it then.
func (v *video) before(p avdec.Picture, err error) bool {
	if v.from <= 0 || !(err == nil || errors.Is(err, avdec.ErrCorrupt) || errors.Is(err, avdec.ErrReference) || errors.Is(err, avdec.ErrTooLarge)) {
		return false
	}
	at := v.pts(p.PTS)
	if at >= v.from {
		v.from = 0
		return false
	}
	v.seq, v.last = v.seq+1, at
	return true
}

func (v *video) lost(reason string, f *frame.Frame, err error) error {
	return &pipeline.FrameError{Reason: reason, Err: fmt.Errorf("video %s: frame %d: %w", v.info.Path, f.Seq, err)}
}

func (v *video) period() time.Duration {
	return time.Duration(float64(time.Second) / v.info.FPS)
}

// pts is the picture's own time, unless it has none or time would stand still.
func (v *video) pts(own time.Duration) time.Duration {
	switch {
	case v.seq == 0:
		return max(own, 0)
	case own > v.last:
		return own
	}
	return v.last + v.period()
}

// show writes the decoded picture into img, the right way up.
func (v *video) show(p avdec.Picture, img *gocv.Mat) error {
	to := img
	if v.turn != 0 {
		to = &v.coded
	}
	if to.Cols() != p.Width || to.Rows() != p.Height || to.Type() != gocv.MatTypeCV8UC3 {
		_ = to.Close()
		*to = gocv.NewMatWithSize(p.Height, p.Width, gocv.MatTypeCV8UC3)
	}
	pixels, err := to.DataPtrUint8()
	if err != nil {
		return err
	}
	if err := v.reader.BGR(pixels); err != nil {
		return err
	}
	switch v.turn {
	case 90:
		gocv.Rotate(v.coded, img, gocv.Rotate90Clockwise)
	case 180:
		gocv.Rotate(v.coded, img, gocv.Rotate180Clockwise)
	case 270:
		gocv.Rotate(v.coded, img, gocv.Rotate90CounterClockwise)
	}
	return nil
}
