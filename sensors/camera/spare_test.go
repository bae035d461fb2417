package camera

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"dashline/internal/avenc"
)

// A film that does not open holds nothing up, and is of no account once it is not
// wanted any more.
func TestTheStreamGoesOnWhileAnotherFilmOpens(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe") // opening it waits for somebody who writes
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	var said frames
	s := serve(t, Options{Source: testFilm(t, 30, avenc.Options{Keyframes: 10, BFrames: -1}), OnFrame: said.add})
	open := func() {
		f, err := os.OpenFile(pipe, os.O_RDWR, 0)
		if err != nil {
			t.Error(err)
			return
		}
		time.Sleep(100 * time.Millisecond) // until it is open on the other side, which then sees its end
		_ = f.Close()
	}
	t.Cleanup(open) // should the test fail
	slow := *s.base
	slow.path = pipe
	want := func(f *strip) {
		s.cameras[0].mu.Lock()
		defer s.cameras[0].mu.Unlock()
		s.cameras[0].film = f
	}
	more := func() {
		t.Helper()
		n := len(said.of(0))
		until(t, "frames came", func() bool { return len(said.of(0)) > n+60 })
	}
	more()
	want(&slow)
	more()
	want(s.base)
	more()
	open()
	more()
	if st := s.Stats(0); st.Error != "" || st.Switches != 0 {
		t.Errorf("counts %+v", st)
	}
	for i, f := range said.of(0) {
		if f.Index != i%30 {
			t.Fatalf("frame %d is picture %d", i, f.Index)
		}
	}
}

// Key frames are rarer than changes of size are asked for: each brings one.
func TestSizeChangesWithEachKeyFrame(t *testing.T) {
	t.Parallel()
	var said frames
	s := serve(t, Options{Source: testFilm(t, 120, avenc.Options{Keyframes: 120}), OnFrame: said.add})
	if err := s.SetFaults(0, Faults{ResolutionEvery: Duration(500 * time.Millisecond)}); err != nil {
		t.Fatal(err)
	}
	until(t, "the size changed three times", func() bool { return s.Stats(0).Switches >= 3 })
	if all := said.of(0); len(all) > 120*8 {
		t.Errorf("three changes took %d frames, with a key frame every 120", len(all))
	}
}

// However many distances between key frames are asked for, few films are there,
// and those that make no difference are one.
func TestFewEncodingsAreKept(t *testing.T) {
	t.Parallel()
	s := serve(t, Options{Source: testFilm(t, 30, avenc.Options{Keyframes: 10, Width: 64, Height: 64}), Count: 2})
	set := func(camera int, f Faults) *strip {
		t.Helper()
		if err := s.SetFaults(camera, f); err != nil {
			t.Fatal(err)
		}
		c := s.cameras[camera]
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.film
	}
	files := func() int {
		all, err := os.ReadDir(s.dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	second := set(0, Faults{NoKeyFrames: Duration(time.Second)})
	for d := range 10 {
		if f := set(0, Faults{NoKeyFrames: Duration(time.Second - time.Duration(d))}); f != second {
			t.Fatalf("%d ns less make another film", d)
		}
	}
	if n := files(); n != 1 {
		t.Fatalf("there are %d files", n)
	}
	for d := range 10 {
		set(1, Faults{NoKeyFrames: Duration(time.Second + time.Duration(d+1)*10*time.Millisecond)})
		time.Sleep(50 * time.Millisecond) // some are being opened when the next one comes
	}
	if n := files(); n != 2+maxUnused { // camera 0 shows one, camera 1 another
		t.Errorf("there are %d files", n)
	}
	if f := set(1, Faults{NoKeyFrames: Duration(time.Second)}); f != second {
		t.Error("the film of camera 0 was made again")
	}
	set(1, Faults{})
	if n := files(); n > 2+maxUnused {
		t.Errorf("there are %d files", n)
	}
	for i := range 2 {
		before := s.Stats(i).Frames
		until(t, "frames come", func() bool { return s.Stats(i).Frames > before+100 })
		if st := s.Stats(i); st.Error != "" {
			t.Errorf("camera %d: %s", i, st.Error)
		}
	}
}
