package sensors

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"gocv.io/x/gocv"

	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

// video reads a file through OpenCV's FFmpeg reader.
type video struct {
	capture *gocv.VideoCapture
	info    Info
	seq     uint64
	last    time.Duration // PTS of the latest frame
	ended   bool
}

func openVideo(path string) (*video, error) {
	abs, err := absolute(path)
	if err != nil {
		return nil, err
	}
	c, err := gocv.VideoCaptureFileWithAPI(abs, gocv.VideoCaptureFFmpeg)
	if err != nil {
		_ = c.Close() // gocv gives one also with an error
		return nil, fmt.Errorf("open video %s: it is not a video that FFmpeg can read, or it is cut off before its index: try `ffprobe` on it", path)
	}
	v := &video{capture: c, info: Info{
		Kind: "video", Path: path,
		Width:  int(c.Get(gocv.VideoCaptureFrameWidth)),
		Height: int(c.Get(gocv.VideoCaptureFrameHeight)),
		FPS:    c.Get(gocv.VideoCaptureFPS),
	}}
	if err := checkSize(v.info.Width, v.info.Height); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("open video %s: %w", path, err)
	}
	if n := c.Get(gocv.VideoCaptureFrameCount); n > 0 && n < math.MaxInt32 {
		v.info.Frames = int(n)
	}
	if !(v.info.FPS > 0 && v.info.FPS <= 1000) {
		v.info.FPS = 25
	}
	return v, nil
}

func (v *video) Info() Info { return v.info }

func (v *video) Close() error { return v.capture.Close() }

// Next decodes the next picture. A file that ends before the number of frames
// that it declares gets one failed frame, "truncated", in place of the rest.
func (v *video) Next(_ context.Context, f *frame.Frame) error {
	if v.ended {
		return io.EOF
	}
	f.Header = msg.Header{Seq: v.seq}
	if !v.capture.Read(&f.Image) || f.Image.Empty() {
		v.ended = true
		return v.end()
	}
	v.seq++
	f.PTS = v.pts()
	v.last = f.PTS
	if t := f.Image.Type(); t != gocv.MatTypeCV8UC3 {
		return &pipeline.FrameError{Reason: "format", Err: fmt.Errorf("video %s: frame %d is not 8-bit BGR (OpenCV type %d)", v.info.Path, f.Seq, t)}
	}
	return nil
}

func (v *video) pts() time.Duration {
	ms := v.capture.Get(gocv.VideoCapturePosMsec)
	if !(ms >= 0 && ms < 1e12) { // also NaN
		return time.Duration(float64(v.seq-1) / v.info.FPS * float64(time.Second))
	}
	return time.Duration(ms * float64(time.Millisecond))
}

// end tells the end of the file from its being cut off. Containers without an
// index only estimate their number of frames, from their length and a rate that
// may vary, so frames count as missing only where their time is missing too, and
// a difference of 2 % says nothing.
func (v *video) end() error {
	const tolerance = 0.02
	missing := float64(v.info.Frames) - float64(v.seq)
	length := float64(v.info.Frames) / v.info.FPS
	reached := v.last.Seconds() + 1/v.info.FPS
	if v.seq > 0 && (missing <= tolerance*float64(v.info.Frames) || reached >= (1-tolerance)*length) {
		return io.EOF
	}
	return &pipeline.FrameError{Reason: "truncated", Err: fmt.Errorf(
		"video %s: it declares %d frames but ends after %d: the file is cut off or damaged", v.info.Path, v.info.Frames, v.seq)}
}
