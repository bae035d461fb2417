package film

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"dashline/internal/avenc"
	"dashline/internal/ordered"
	"dashline/sensors/synth"
	"dashline/sensors/synth/truth"
	"dashline/sensors/synth/truthview"
)

// DefaultCRF is the quality of a video whose size matters.
const DefaultCRF = 23

// Take says which pictures a video shows: every nth of the whole drives of seed
// First to seed Last, one after the other.
type Take struct {
	First, Last uint64
	Every       int
}

// of is the drive that a take makes of one seed's.
func (t Take) of(d truth.Drive) truth.Drive {
	seeds := int(t.Last - t.First + 1)
	d.Frames = seeds * ((d.Frames + t.Every - 1) / t.Every)
	d.FPS /= float64(t.Every)
	if seeds > 1 {
		d.Seeds = seeds
	}
	return d
}

// VideoOptions say what a video is like.
type VideoOptions struct {
	CRF int // quality as x264 counts it, 1 (best) to 51; 0: DefaultCRF
	// ShowTruth draws the truth onto the pictures. Such a video is to look at: it
	// gets no file of truth, so that nothing is measured on it.
	ShowTruth bool
}

// TruthPath is where the truth of a video is written.
func TruthPath(video string) string { return stem(video) + ".truth.jsonl.gz" }

// stem is a path without the end of its name.
func stem(path string) string {
	if dot := strings.LastIndexByte(path, '.'); dot > strings.LastIndexByte(path, os.PathSeparator) {
		return path[:dot]
	}
	return path
}

// Video writes a take as H.264 in an MP4 file, and its truth beside it. Both
// files have their names once both are whole.
func Video(ctx context.Context, sc synth.Scenario, t Take, path string, o VideoOptions, report func(done, of int)) error {
	w, err := synth.New(sc, t.First)
	if err != nil {
		return err
	}
	d := t.of(w.Drive())
	r, err := record(path, d, o)
	if err != nil {
		return err
	}
	a := newAlbum(&sc)
	produce := func(yield func(picture) bool) error {
		for seed := t.First; ; seed++ {
			w, err := synth.New(sc, seed)
			if err != nil {
				return err
			}
			if !shoot(w, t.Every, a, yield) || seed == t.Last {
				return nil
			}
		}
	}
	done := 0
	draw := func(p picture) (picture, error) {
		if o.ShowTruth {
			truthview.BGR(p.img.Pix, p.img.Width, p.img.Height, &d.Camera, &p.truth)
		}
		return p, nil
	}
	err = ordered.Map(ctx, 1, produce, draw, func(p picture) error {
		defer a.give(p.img)
		p.truth.Index, p.truth.Time = done, float64(done)/d.FPS
		if err := r.add(p); err != nil {
			return err
		}
		done++
		report(done, d.Frames)
		return nil
	})
	if err != nil {
		return errors.Join(err, r.abort())
	}
	return r.close()
}

// recording is a video and its truth while they are written.
type recording struct {
	video *avenc.Writer
	truth *truth.Writer // nil where there is none
	name  string        // of the truth, when it is whole
	part  string        // until then
}

func record(path string, d truth.Drive, o VideoOptions) (*recording, error) {
	if !strings.HasSuffix(path, ".mp4") {
		return nil, fmt.Errorf("write video %s: the name must end in .mp4", path)
	}
	if o.CRF == 0 {
		o.CRF = DefaultCRF
	}
	video, err := avenc.Create(path, avenc.Options{
		Width: d.Camera.Width, Height: d.Camera.Height, FPS: d.FPS, CRF: o.CRF,
		Preset: "medium", Keyframes: max(1, int(math.Round(2*d.FPS))), Threads: 2,
	})
	if err != nil {
		return nil, err
	}
	r := &recording{video: video, name: TruthPath(path), part: stem(path) + ".part.jsonl.gz"}
	if o.ShowTruth {
		return r, nil
	}
	if r.truth, err = truth.Create(r.part, d); err != nil {
		return nil, errors.Join(err, video.Abort())
	}
	return r, nil
}

func (r *recording) add(p picture) error {
	if err := r.video.Write(p.img.Pix); err != nil || r.truth == nil {
		return err
	}
	return r.truth.Frame(p.truth)
}

func (r *recording) abort() error {
	err := r.video.Abort()
	if r.truth == nil {
		return err
	}
	_ = r.truth.Close() // it says that frames are missing
	return errors.Join(err, os.Remove(r.part))
}

func (r *recording) close() error {
	if r.truth == nil {
		return r.video.Close()
	}
	if err := r.truth.Close(); err != nil {
		return errors.Join(err, r.video.Abort(), os.Remove(r.part))
	}
	if err := r.video.Close(); err != nil {
		return errors.Join(err, os.Remove(r.part))
	}
	return os.Rename(r.part, r.name)
}
