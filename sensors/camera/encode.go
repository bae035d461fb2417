package camera

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"path/filepath"

	"gocv.io/x/gocv"

	"dashline/internal/avdec"
	"dashline/internal/avenc"
)

// maxPixels of a picture that is encoded anew.
const maxPixels = 64 << 20

// maxJPEG is the largest side that RTP can say for JPEG.
const maxJPEG = 2040

// encoding says how to encode a film anew.
type encoding struct {
	codec         string
	width, height int          // 0: the film's
	gop           int          // most frames from key frame to key frame; 0: a second's
	bframes       int          // between two others, most
	keys          map[int]bool // pictures, counted through all rounds, that are key frames besides
	repeat        int          // how often the film is in it; 0: once
	frames        int          // pictures that the film must have; 0: any number
}

// fit makes a size one that the codec can have. Only JPEG has pictures made
// smaller for it.
func (e encoding) fit(size image.Point) image.Point {
	if e.width != 0 {
		size = image.Pt(e.width, e.height)
	}
	step := 2
	if e.codec == MJPEG {
		step = 8
		if large := max(size.X, size.Y); large > maxJPEG {
			size = image.Pt(size.X*maxJPEG/large, size.Y*maxJPEG/large)
		}
	}
	atLeast := (avenc.MinSide + step - 1) / step * step
	return image.Pt(max(atLeast, size.X/step*step), max(atLeast, size.Y/step*step))
}

// encode writes a film anew, in a folder of the server's own, and opens it.
func (s *Server) encode(ctx context.Context, path, name string, e encoding) (*strip, error) {
	to := filepath.Join(s.dir, name)
	if err := e.encode(ctx, path, to, s.progress); err != nil {
		return nil, fmt.Errorf("encode film %s: %w", path, err)
	}
	return openFilm(to)
}

func (e encoding) encode(ctx context.Context, path, to string, progress func(done, of int)) error {
	from, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	var w *avenc.Writer
	for round := range max(1, e.repeat) {
		if w, err = e.once(ctx, from, to, w, round, progress); err != nil {
			if w != nil {
				err = errors.Join(err, w.Abort())
			}
			return err
		}
	}
	return w.Close()
}

// once appends the whole film to w, which it makes for the first picture.
func (e encoding) once(ctx context.Context, from, to string, w *avenc.Writer, round int, progress func(done, of int)) (*avenc.Writer, error) {
	r, err := avdec.Open(from, maxPixels)
	if err != nil {
		return w, err
	}
	defer r.Close()
	in := r.Info()
	picture, fitted := gocv.NewMat(), gocv.NewMat()
	defer func() { _, _ = picture.Close(), fitted.Close() }()
	size := e.fit(image.Pt(in.Width, in.Height))
	for n := 0; ; n++ {
		p, err := r.Next()
		switch {
		case err == io.EOF && n == 0:
			return w, errors.New("there is no picture in it")
		case err == io.EOF && e.frames != 0 && n != e.frames:
			return w, fmt.Errorf("it has %d packets and %d pictures, so that what is encoded anew would not fit it: have all of it encoded (--codec %s)", e.frames, n, e.codec)
		case err == io.EOF:
			return w, nil
		case err != nil:
			return w, fmt.Errorf("picture %d: %w", n, err)
		case ctx.Err() != nil:
			return w, ctx.Err()
		}
		pixels, err := e.pixels(r, p, size, &picture, &fitted)
		if err != nil {
			return w, err
		}
		if w == nil {
			if w, err = e.create(to, size, in.FPS); err != nil {
				return nil, err
			}
		}
		write := w.Write
		if e.keys[round*e.frames+n] {
			write = w.WriteKey
		}
		if err := write(pixels); err != nil {
			return w, err
		}
		frames := max(in.Frames, n+1)
		progress(round*frames+n+1, max(1, e.repeat)*frames)
	}
}

// pixels decodes the latest picture into one of the two Mats, in the wanted size.
func (e encoding) pixels(r *avdec.Reader, p avdec.Picture, size image.Point, picture, fitted *gocv.Mat) ([]byte, error) {
	if picture.Cols() != p.Width || picture.Rows() != p.Height {
		_ = picture.Close()
		*picture = gocv.NewMatWithSize(p.Height, p.Width, gocv.MatTypeCV8UC3)
	}
	pixels, err := picture.DataPtrUint8()
	if err != nil {
		return nil, err
	}
	if err := r.BGR(pixels); err != nil {
		return nil, err
	}
	if size == image.Pt(p.Width, p.Height) {
		return pixels, nil
	}
	gocv.Resize(*picture, fitted, size, 0, 0, gocv.InterpolationArea)
	return fitted.DataPtrUint8()
}

func (e encoding) create(to string, size image.Point, fps float64) (*avenc.Writer, error) {
	if fps < 0.01 || fps > 1000 {
		fps = 30
	}
	o := avenc.Options{
		Codec: e.codec, Width: size.X, Height: size.Y, FPS: fps, Threads: 2,
		Keyframes: e.gop, NoSceneCuts: true, BFrames: e.bframes,
	}
	if o.Keyframes == 0 {
		o.Keyframes = max(1, int(fps+0.5))
	}
	if o.BFrames == 0 && e.codec != MJPEG {
		o.BFrames = -1
	}
	if e.codec == H265 {
		o.Preset = "ultrafast" // the next one takes three times as long
	}
	return avenc.Create(to, o)
}
