package accuracy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"strings"

	"gocv.io/x/gocv"

	"dashline/detect/labels"
	"dashline/internal/regular"
	"dashline/pipeline/frame"
	"dashline/sensors"
	"dashline/sensors/synth/truth"
)

// view is one picture and what is true of it. All of it is borrowed.
type view struct {
	data    int // index of Options.Data
	image   gocv.Mat
	picture *labels.Picture // of a labelled folder, else nil
	drive   *truth.Drive    // of a drive, else nil, and so is frame
	frame   *truth.Frame
	second  int // of a drive or video, from 0; -1: the picture has nothing to do with its neighbours
}

// weather of the view's scene; empty where it is of no drive.
func (v *view) weather() string {
	if v.frame == nil {
		return ""
	}
	return v.drive.Scenes[v.frame.Scene].Weather
}

// source has pictures with truth.
type source interface {
	// pictures is how many each gives.
	pictures(every int) int
	each(ctx context.Context, every int, use func(v *view) error) error
}

// isDrive says whether data is a video, and finds the truth beside it.
func isDrive(path string) (beside string, ok bool, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", false, fmt.Errorf("open data: %w", err)
	}
	if info.IsDir() || strings.HasSuffix(path, ".json") {
		return "", false, nil
	}
	beside, ok = truth.Beside(path)
	if !ok {
		return "", false, fmt.Errorf("open data %s: no truth lies beside this video (NAME.truth.jsonl.gz): `dashline synth` writes both", path)
	}
	return beside, true, nil
}

// folder is a labelled set of pictures.
type folder struct{ set *labels.Set }

func (f folder) pictures(int) int { return len(f.set.Pictures) }

func (f folder) each(_ context.Context, _ int, use func(v *view) error) error {
	for i := range f.set.Pictures {
		p := &f.set.Pictures[i]
		img, err := readPicture(p)
		if err != nil {
			return err
		}
		err = use(&view{image: img, picture: p, second: -1})
		_ = img.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// readPicture decodes a picture that is of the size that its labels say. The
// caller closes it.
func readPicture(p *labels.Picture) (gocv.Mat, error) {
	fail := func(err error) (gocv.Mat, error) {
		return gocv.Mat{}, fmt.Errorf("picture %s: %w", p.Path, err)
	}
	f, err := regular.Open(p.Path)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, sensors.MaxFile+1))
	if err != nil {
		return fail(err)
	}
	if len(data) > sensors.MaxFile {
		return fail(fmt.Errorf("the file is larger than %d bytes", sensors.MaxFile))
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return fail(err)
	}
	if c.Width != p.Width || c.Height != p.Height || c.Width*c.Height > sensors.MaxPixels {
		return fail(fmt.Errorf("it is of %dx%d pixels, its labels are of %dx%d (at most %d in all): correct the labels", c.Width, c.Height, p.Width, p.Height, sensors.MaxPixels))
	}
	img, err := gocv.IMDecode(data, gocv.IMReadColor)
	if err != nil {
		return fail(err)
	}
	if img.Empty() || img.Cols() != p.Width || img.Rows() != p.Height {
		_ = img.Close()
		return fail(errors.New("it cannot be decoded, or is to be shown turned: save it anew"))
	}
	return img, nil
}

// drive is a video with the truth beside it.
type drive struct {
	video, beside string
	truth         truth.Drive
	frames        int // that are looked at, the first ones; 0: all
}

func openDrive(video, beside string, frames int) (*drive, error) {
	r, err := truth.Open(beside)
	if err != nil {
		return nil, err
	}
	return &drive{video: video, beside: beside, truth: r.Drive, frames: frames}, r.Close()
}

func (d *drive) pictures(every int) int {
	n := d.truth.Frames
	if d.frames > 0 {
		n = min(n, d.frames)
	}
	return (n + every - 1) / every
}

func (d *drive) each(ctx context.Context, every int, use func(v *view) error) (err error) {
	facts, err := truth.Open(d.beside)
	if err != nil {
		return err
	}
	defer facts.Close()
	video, err := sensors.Open(ctx, d.video, sensors.Options{})
	if err != nil {
		return err
	}
	pool := frame.NewPool(1)
	lease, _ := pool.Acquire()
	defer func() {
		lease.Release()
		err = errors.Join(err, video.Close(), pool.Close(context.WithoutCancel(ctx)))
	}()
	for i := 0; d.frames == 0 || i < d.frames; i++ {
		f, err := facts.Next()
		end := err == io.EOF
		if err != nil && !end {
			return err
		}
		err = video.Next(ctx, lease.Frame)
		switch {
		case end && err == io.EOF:
			return nil
		case end || err == io.EOF:
			return fmt.Errorf("drive %s: video and truth are not of the same length, %d frames and %d: make both again", d.video, i, d.truth.Frames)
		case err != nil:
			return fmt.Errorf("drive %s: %w", d.video, err)
		}
		c := &d.truth.Camera
		if w, h := lease.Image.Cols(), lease.Image.Rows(); w != c.Width || h != c.Height {
			return fmt.Errorf("drive %s: frame %d is of %dx%d pixels, its truth is of %dx%d: make both again", d.video, i, w, h, c.Width, c.Height)
		}
		if i%every != 0 {
			continue
		}
		if err := use(&view{image: lease.Image, drive: &d.truth, frame: &f, second: int(f.Time)}); err != nil {
			return err
		}
	}
	return nil
}
