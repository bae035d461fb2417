package sensors_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"dashline/pipeline/frame"
	"dashline/sensors"
	"dashline/sensors/synth"
)

func TestSyntheticDrive(t *testing.T) {
	s := open(t, "synth:city?seed=3&duration=200ms")
	if in := s.Info(); in.Kind != "synth" || in.FPS != 30 || in.Frames != 6 || in.Width != 640 || in.Height != 360 {
		t.Errorf("info %+v", in)
	} else if err := in.Camera.Validate(); err != nil || in.Camera.HeightM != 1.4 || in.Camera.Guessed {
		t.Errorf("camera %+v: %v", in.Camera, err)
	}
	all := readAll(t, s, 100)
	if len(all) != 6 {
		t.Fatalf("%d frames; want 6", len(all))
	}
	for i, g := range all {
		want := (time.Duration(i)*time.Second + 15) / 30
		if g.seq != uint64(i) || g.pts != want || g.w != 640 || g.h != 360 || g.reason != "" {
			t.Errorf("frame %d: %+v; want at %v", i, g, want)
		}
	}
	if endless := open(t, "synth:city"); endless.Info().Frames != 0 || len(readAll(t, endless, 8)) != 8 {
		t.Error("without a duration it has an end")
	}
}

// The pipeline sees the pixels that the renderer made.
func TestSyntheticPicturesAreTheRenderers(t *testing.T) {
	sc, err := synth.Builtin("highway")
	if err != nil {
		t.Fatal(err)
	}
	w, err := synth.New(sc, 9)
	if err != nil {
		t.Fatal(err)
	}
	img := synth.NewImage(sc.Camera.Width, sc.Camera.Height)
	s := open(t, "synth:highway?seed=9")
	pool := frame.NewPool(1)
	lease, _ := pool.Acquire()
	defer func() {
		lease.Release()
		if err := pool.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	for i := range 3 {
		if i > 0 {
			w.Step(1/sc.FPS, nil)
		}
		w.Render(img)
		if err := s.Next(t.Context(), lease.Frame); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(lease.Image.ToBytes(), img.Pix) {
			t.Fatalf("frame %d differs", i)
		}
	}
}

func TestSyntheticDrivesThatAreNone(t *testing.T) {
	for path, want := range map[string]string{
		"synth:":                      "give one of",
		"synth:ctiy":                  "did you mean city?",
		"synth:none.yaml":             "no such file",
		"synth:city?seed=-1":          "whole number",
		"synth:city?duration=0s":      "as in 10s",
		"synth:city?speed=3":          `no option "speed"`,
		"synth:city?seed=%zz":         "seed=3&duration=10s",
		"synth:../scenarios/city":     "give one of",
		"synth:city?duration=garbage": "as in 10s",
	} {
		s, err := sensors.Open(t.Context(), path, sensors.Options{})
		if err == nil {
			_ = s.Close()
			t.Errorf("%s: opened", path)
		} else if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v; want %q", path, err, want)
		}
	}
}
