package overlay

import (
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"

	"gocv.io/x/gocv"

	"dashline/internal/avenc"
	"dashline/lanes/ground"
	"dashline/pipeline"
)

// Writer is a viewer that paints each frame and appends it to an H.264 video in
// an MP4 file, which has its name once it is whole.
type Writer struct {
	path    string
	fps     float64
	painter *Painter
	out     *avenc.Writer // nil before the first frame
	size    image.Point
	scaled  gocv.Mat
}

// NewWriter prepares a file at path with fps pictures a second. It is begun
// with the first frame's size; later frames of another size are scaled to it.
// Close it.
func NewWriter(path string, fps float64, camera ground.Camera) (*Writer, error) {
	if !strings.EqualFold(filepath.Ext(path), ".mp4") {
		return nil, fmt.Errorf("save overlay %s: the name must end in .mp4", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("save overlay: %w", err)
	}
	if err := writable(path); err != nil {
		return nil, fmt.Errorf("save overlay: %w", err)
	}
	return &Writer{path: path, fps: fps, painter: NewPainter(camera), scaled: gocv.NewMat()}, nil
}

// writable says now what would else be said only when a run has its first frame.
func writable(path string) error {
	_, err := os.Stat(path)
	fresh := errors.Is(err, os.ErrNotExist)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil || !fresh {
		return err
	}
	return os.Remove(path)
}

// Codec is "H.264" or, before the first frame, "".
func (w *Writer) Codec() string {
	if w.out == nil {
		return ""
	}
	return "H.264"
}

// View paints v and writes its frame.
func (w *Writer) View(v *pipeline.View) error {
	img := v.Frame.Image
	if img.Empty() || img.Type() != gocv.MatTypeCV8UC3 { // OpenCV would end the process
		return fmt.Errorf("save overlay %s: frame %d is no 8-bit BGR picture", w.path, v.Frame.Seq)
	}
	w.painter.Paint(v)
	if w.out == nil {
		if err := w.open(img.Cols(), img.Rows()); err != nil {
			return err
		}
	}
	// What the encoder is given lies in one piece, which a part of a Mat does not.
	if img.Cols() != w.size.X || img.Rows() != w.size.Y || !img.IsContinuous() {
		gocv.Resize(img, &w.scaled, w.size, 0, 0, gocv.InterpolationArea)
		img = w.scaled
	}
	pixels, err := img.DataPtrUint8()
	if err != nil {
		return fmt.Errorf("save overlay %s: frame %d: %w", w.path, v.Frame.Seq, err)
	}
	return w.out.Write(pixels)
}

// open begins the file at the largest size not above the picture's that H.264
// can have.
func (w *Writer) open(width, height int) error {
	fit := func(side int) int { return max(avenc.MinSide, min(avenc.MaxSide, side&^1)) }
	w.size = image.Pt(fit(width), fit(height))
	out, err := avenc.Create(w.path, Encoding(w.size.X, w.size.Y, w.fps))
	if err != nil {
		return fmt.Errorf("save overlay: %w", err)
	}
	w.out = out
	return nil
}

// Encoding is how a [Writer] encodes. The encoder works beside the networks, so
// it is fast first, and has two threads so that no frame waits for it.
func Encoding(width, height int, fps float64) avenc.Options {
	return avenc.Options{Width: width, Height: height, FPS: fps, CRF: 25, Preset: "veryfast", Threads: 2}
}

// Close finishes the file. Without a frame there is none.
func (w *Writer) Close() error {
	var err error
	if w.out != nil {
		err = w.out.Close()
	}
	return errors.Join(err, w.painter.Close(), w.scaled.Close())
}
