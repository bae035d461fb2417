package overlay

import (
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"

	"gocv.io/x/gocv"

	"dashline/lanes/ground"
	"dashline/pipeline"
)

// Writer is a viewer that paints each frame and appends it to an MP4 file.
type Writer struct {
	path    string
	fps     float64
	created bool // the file was not there before
	painter *Painter
	out     *gocv.VideoWriter
	size    image.Point
	scaled  gocv.Mat
	codec   string
}

// NewWriter prepares a file at path with fps pictures a second. It is opened
// with the first frame's size; later frames of another size are scaled to it.
// Close it.
func NewWriter(path string, fps float64, camera ground.Camera) (*Writer, error) {
	// By other names OpenCV writes other things, a row of pictures for one.
	if !strings.EqualFold(filepath.Ext(path), ".mp4") {
		return nil, fmt.Errorf("save overlay %s: the name must end in .mp4", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("save overlay: %w", err)
	}
	_, err := os.Stat(path)
	created := err != nil
	// The encoder would only say that it failed; this says why.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("save overlay: %w", err)
	}
	_ = f.Close()
	return &Writer{path: path, fps: fps, created: created, painter: NewPainter(camera), scaled: gocv.NewMat()}, nil
}

// Codec is "H.264", "MPEG-4" or, before the first frame, "".
func (w *Writer) Codec() string { return w.codec }

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
	if img.Cols() != w.size.X || img.Rows() != w.size.Y {
		gocv.Resize(img, &w.scaled, w.size, 0, 0, gocv.InterpolationArea)
		img = w.scaled
	}
	return w.out.Write(img)
}

// open starts the file. H.264 plays everywhere; where OpenCV's FFmpeg has no
// encoder for it, MPEG-4 plays in most players.
func (w *Writer) open(width, height int) error {
	w.size = image.Pt(max(16, width&^1), max(16, height&^1)) // both want even sizes
	for _, c := range []struct{ tag, name string }{{"avc1", "H.264"}, {"mp4v", "MPEG-4"}} {
		out, err := gocv.VideoWriterFile(w.path, c.tag, w.fps, w.size.X, w.size.Y, true)
		if err != nil {
			return fmt.Errorf("save overlay %s: %w", w.path, err)
		}
		if out.IsOpened() {
			w.out, w.codec = out, c.name
			return nil
		}
		_ = out.Close()
	}
	return fmt.Errorf("save overlay %s: OpenCV could start neither an H.264 nor an MPEG-4 encoder: is it built with FFmpeg, and is there room on the disk?", w.path)
}

// Close finishes the file. One without a frame is not left behind.
func (w *Writer) Close() error {
	var err error
	if w.out != nil {
		err = w.out.Close()
	} else if w.created {
		err = os.Remove(w.path)
	}
	return errors.Join(err, w.painter.Close(), w.scaled.Close())
}
