// Package film turns synthetic worlds into files: videos with their truth,
// folders to train from, and sheets of what the scenarios look like.
//
// Invariants:
//   - Scenario and seed decide every byte of truth, labels and JPEG pictures. A
//     video's bytes are the same with the same FFmpeg and x264.
//   - Each function reports how many pictures are done, of how many, on one
//     goroutine at a time.
//   - Each function owns its goroutines and waits for them, ends early with its
//     context's error, and has at most a few pictures in memory.
package film

import (
	"context"
	"fmt"
	"runtime"

	"dashline/internal/ordered"
	"dashline/sensors/synth"
	"dashline/sensors/synth/export"
	"dashline/sensors/synth/truth"
)

// picture is a picture of a world, with what is true of it.
type picture struct {
	img   *synth.Image
	truth truth.Frame
	step  int // pictures that the camera would have taken before
}

// album hands out images and takes them back, so that few are made.
type album struct {
	width, height int
	free          chan *synth.Image
}

func newAlbum(sc *synth.Scenario) *album {
	return &album{sc.Camera.Width, sc.Camera.Height, make(chan *synth.Image, 8)}
}

func (a *album) take() *synth.Image {
	select {
	case img := <-a.free:
		return img
	default:
		return synth.NewImage(a.width, a.height)
	}
}

func (a *album) give(img *synth.Image) {
	select {
	case a.free <- img:
	default:
	}
}

// shoot takes every nth picture of a whole drive, until yield says to stop.
func shoot(w *synth.World, every int, a *album, yield func(picture) bool) bool {
	d := w.Drive()
	for step := 0; step < d.Frames; step++ {
		if step > 0 {
			w.Step(1/d.FPS, nil)
		}
		if step%every != 0 {
			continue
		}
		img := a.take()
		w.Render(img)
		if !yield(picture{img, w.Truth(), step}) {
			return false
		}
	}
	return true
}

// Export fills a set with every nth picture of the drives from seed first to
// seed last. The caller closes the set.
func Export(ctx context.Context, sc synth.Scenario, first, last uint64, every int, set *export.Set, report func(done, of int)) error {
	w, err := synth.New(sc, first) // its drives are all of one length
	if err != nil {
		return err
	}
	of := int(last-first+1) * ((w.Drive().Frames + every - 1) / every)
	a := newAlbum(&sc)
	type job struct {
		seed uint64
		picture
	}
	produce := func(yield func(job) bool) error {
		for seed := first; ; seed++ {
			w, err := synth.New(sc, seed)
			if err != nil {
				return err
			}
			if !shoot(w, every, a, func(p picture) bool { return yield(job{seed, p}) }) || seed == last {
				return nil
			}
		}
	}
	encode := func(j job) (*export.Labelled, error) {
		defer a.give(j.img)
		return set.Encode(&export.Picture{
			Drive: fmt.Sprintf("%s-%d", sc.Name, j.seed), Frame: j.step,
			Width: j.img.Width, Height: j.img.Height, BGR: j.img.Pix, Truth: j.truth,
		})
	}
	done := 0
	return ordered.Map(ctx, runtime.GOMAXPROCS(0), produce, encode, func(l *export.Labelled) error {
		if err := set.Add(l); err != nil {
			return err
		}
		done++
		report(done, of)
		return nil
	})
}
