package film_test

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dashline/internal/avdec"
	"dashline/internal/testkit"
	"dashline/sensors/synth"
	"dashline/sensors/synth/export"
	"dashline/sensors/synth/film"
	"dashline/sensors/synth/truth"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// short is a small and short scenario.
func short(t testing.TB, seconds float64) synth.Scenario {
	t.Helper()
	sc, err := synth.Builtin("city")
	if err != nil {
		t.Fatal(err)
	}
	sc.Duration = seconds
	c := &sc.Camera
	c.Width, c.Height, c.Fx, c.Fy, c.Cx, c.Cy = c.Width/4, c.Height/4, c.Fx/4, c.Fy/4, c.Cx/4, c.Cy/4
	return sc
}

func nothing(int, int) {}

func shoot(t testing.TB, path string, seconds float64, o film.VideoOptions) {
	t.Helper()
	if err := film.Video(t.Context(), short(t, seconds), film.Take{First: 3, Last: 3, Every: 1}, path, o, nothing); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestVideoAndTruthAreOfEachOther(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.mp4")
	n := 0
	if err := film.Video(t.Context(), short(t, 1.5), film.Take{First: 3, Last: 3, Every: 1}, path, film.VideoOptions{}, func(done, of int) { n = done }); err != nil {
		t.Fatal(err)
	}
	if got, want := names(t, dir), []string{"x.mp4", "x.truth.jsonl.gz"}; !slices.Equal(got, want) {
		t.Errorf("files %q; want %q", got, want)
	}
	seen := 0
	c, err := film.Verify(t.Context(), path, nil, func(done, of int) { seen = done })
	if err != nil {
		t.Fatal(err)
	}
	if c.Frames != 45 || n != 45 || seen != 45 || len(c.Hashes) != 2 || c.Hashes[1].First != 30 || c.Hashes[1].Last != 44 {
		t.Errorf("%+v, %d written, %d seen", c, n, seen)
	}
}

// A take of several seeds is their pictures one after the other, with times and
// numbers that go on.
func TestTakeOfSeveralSeeds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.mp4")
	n := 0
	err := film.Video(t.Context(), short(t, 1.5), film.Take{First: 5, Last: 7, Every: 20}, path, film.VideoOptions{}, func(done, of int) { n = done })
	if err != nil {
		t.Fatal(err)
	}
	c, err := film.Verify(t.Context(), path, nil, nothing)
	if err != nil || c.Frames != 9 || n != 9 {
		t.Errorf("%d frames, %d reported, %v; want 3 of each of 3 seeds", c.Frames, n, err)
	}
	r, err := truth.Open(film.TruthPath(path))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if d := r.Drive; d.Seed != 5 || d.Seeds != 3 || d.FPS != 1.5 {
		t.Errorf("seed %d, %d seeds, %g frames a second; want 5, 3 and 1.5", d.Seed, d.Seeds, d.FPS)
	}
	one, err := synth.New(short(t, 1.5), 6)
	if err != nil {
		t.Fatal(err)
	}
	one.Render(synth.NewImage(r.Drive.Camera.Width, r.Drive.Camera.Height))
	for i := range 4 {
		f, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if i == 3 && math.Abs(f.Ego.Speed-one.Truth().Ego.Speed) > 0.001 {
			t.Errorf("picture 3 is at %g m/s, the first of seed 6 at %g", f.Ego.Speed, one.Truth().Ego.Speed)
		}
	}
}

func TestTheSameSeedIsTheSameBytes(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.mp4"), filepath.Join(dir, "b.mp4")
	shoot(t, a, 1, film.VideoOptions{})
	shoot(t, b, 1, film.VideoOptions{})
	for _, end := range []string{".mp4", ".truth.jsonl.gz"} {
		x, err := os.ReadFile(filepath.Join(dir, "a"+end))
		if err != nil {
			t.Fatal(err)
		}
		y, err := os.ReadFile(filepath.Join(dir, "b"+end))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(x, y) {
			t.Errorf("%s differs", end)
		}
	}
}

func TestOptionsOfAVideoCount(t *testing.T) {
	dir := t.TempDir()
	size := func(name string, o film.VideoOptions) int64 {
		path := filepath.Join(dir, name+".mp4")
		shoot(t, path, 0.5, o)
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return st.Size()
	}
	plain := size("plain", film.VideoOptions{})
	if n := size("small", film.VideoOptions{CRF: 40}); n >= plain {
		t.Errorf("CRF 40 takes %d bytes, the default %d", n, plain)
	}
	size("shown", film.VideoOptions{ShowTruth: true})
	if _, ok := truth.Beside(filepath.Join(dir, "shown.mp4")); ok {
		t.Error("a video with drawn truth has a file of truth")
	}
	p, q := firstPicture(t, filepath.Join(dir, "plain.mp4")), firstPicture(t, filepath.Join(dir, "shown.mp4"))
	differ := 0
	for i := range p {
		if d := int(p[i]) - int(q[i]); d > 40 || d < -40 {
			differ++
		}
	}
	if differ < len(p)/200 {
		t.Errorf("only %d of %d values differ where truth is drawn", differ, len(p))
	}
}

func firstPicture(t *testing.T, path string) []byte {
	t.Helper()
	r, err := avdec.Open(path, 1<<22)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	pix := make([]byte, 3*p.Width*p.Height)
	if err := r.BGR(pix); err != nil {
		t.Fatal(err)
	}
	return pix
}

func TestVerifySaysWhatDiffers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.mp4")
	shoot(t, path, 2, film.VideoOptions{})
	c, err := film.Verify(t.Context(), path, nil, nothing)
	if err != nil {
		t.Fatal(err)
	}
	if err := film.WriteHashes(film.HashPath(path), c.Hashes); err != nil {
		t.Fatal(err)
	}
	kept, err := film.ReadHashes(film.HashPath(path))
	if err != nil || !slices.Equal(kept, c.Hashes) {
		t.Fatalf("%v became %v, %v", c.Hashes, kept, err)
	}
	whole, err := os.ReadFile(film.TruthPath(path))
	if err != nil {
		t.Fatal(err)
	}
	// rewrite changes one frame of the truth.
	rewrite := func(change func(f *truth.Frame)) {
		t.Helper()
		if err := os.WriteFile(film.TruthPath(path), whole, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := truth.Open(film.TruthPath(path))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		plain := strings.TrimSuffix(film.TruthPath(path), ".gz")
		w, err := truth.Create(plain, r.Drive)
		if err != nil {
			t.Fatal(err)
		}
		for {
			f, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if f.Index == 40 {
				change(&f)
			}
			if err := w.Frame(f); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(w.Close(), os.Remove(film.TruthPath(path))); err != nil {
			t.Fatal(err)
		}
	}
	want := func(says string) {
		t.Helper()
		_, err := film.Verify(t.Context(), path, kept, nothing)
		var m *film.Mismatch
		if !errors.As(err, &m) || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v; want %q", err, says)
		}
	}
	rewrite(func(*truth.Frame) {})
	if _, err := film.Verify(t.Context(), path, kept, nothing); err != nil {
		t.Errorf("truth that is the same but not compressed: %v", err)
	}
	rewrite(func(f *truth.Frame) { f.Drivable = nil })
	want("frames 30 to 59 are not")
	rewrite(func(f *truth.Frame) { f.Time += 0.02 })
	want("frame 40 is shown at 1.333333333s, and true at 1.353333s")

	// A shorter video.
	rewrite(func(*truth.Frame) {})
	if err := film.Video(t.Context(), short(t, 1), film.Take{First: 3, Last: 3, Every: 1}, filepath.Join(dir, "s.mp4"), film.VideoOptions{}, nothing); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "s.mp4"), path); err != nil {
		t.Fatal(err)
	}
	want("the video has 30 frames, the truth 60")

	// Hashes of another length.
	if err := os.Rename(filepath.Join(dir, "s.truth.jsonl.gz"), film.TruthPath(path)); err != nil {
		t.Fatal(err)
	}
	want("hashes of 60 frames, and the video has 30")
	if err := os.WriteFile(film.HashPath(path), []byte("0-29 nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := film.ReadHashes(film.HashPath(path)); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("hashes that are none: %v", err)
	}
	if err := os.Remove(film.TruthPath(path)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(strings.TrimSuffix(film.TruthPath(path), ".gz")); err != nil {
		t.Fatal(err)
	}
	if _, err := film.Verify(t.Context(), path, kept, nothing); err == nil {
		t.Error("a video without truth")
	}
}

func TestExportTakesEverySeedAndEveryNth(t *testing.T) {
	dir := t.TempDir()
	sc := short(t, 1)
	set, err := export.Create(dir, "yolo", truth.Classes())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := film.Export(t.Context(), sc, 4, 6, 12, set, func(done, of int) { n = done }); err != nil {
		t.Fatal(err)
	}
	if err := set.Close(); err != nil {
		t.Fatal(err)
	}
	want := []string{}
	for _, seed := range []string{"4", "5", "6"} {
		for _, f := range []string{"000000", "000012", "000024"} {
			want = append(want, "city-"+seed+"_"+f+".jpg")
		}
	}
	if got := names(t, filepath.Join(dir, "images")); !slices.Equal(got, want) || n != len(want) {
		t.Errorf("%d pictures %q; want %q", n, got, want)
	}
}

func TestCancellingLeavesNoHalfFiles(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := film.Video(ctx, short(t, 60), film.Take{First: 3, Last: 3, Every: 1}, filepath.Join(dir, "x.mp4"), film.VideoOptions{}, func(done, of int) {
		if n = done; n == 5 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || n > 10 {
		t.Errorf("%v after %d", err, n)
	}
	if left := names(t, dir); len(left) != 0 {
		t.Errorf("left %q", left)
	}
}

func TestPathsOfVideos(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "x.avi"):         ".mp4",
		filepath.Join(dir, "none", "x.mp4"): "no such file",
	} {
		if err := film.Video(t.Context(), short(t, 1), film.Take{First: 3, Last: 3, Every: 1}, path, film.VideoOptions{}, nothing); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if left := names(t, dir); len(left) != 0 {
		t.Errorf("left %q", left)
	}
}

func TestSheet(t *testing.T) {
	sc := short(t, 2)
	path := filepath.Join(t.TempDir(), "sheet.png")
	n := 0
	if err := film.Sheet(t.Context(), path, []synth.Scenario{sc, sc}, 1, func(done, of int) { n = done }); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if b := img.Bounds(); n != 2 || b.Dx() != 2*326+6 {
		t.Errorf("%d pictures on %v", n, b)
	}
}

func FuzzHashes(f *testing.F) {
	f.Add([]byte("0-29 " + strings.Repeat("ab", 32) + "\n30-44 " + strings.Repeat("cd", 32) + "\n"))
	f.Add([]byte("0-1 "))
	path := filepath.Join(f.TempDir(), "x.hashes")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := film.ReadHashes(path)
		if err != nil {
			return
		}
		again := path + ".again"
		if err := film.WriteHashes(again, all); err != nil {
			t.Fatal(err)
		}
		back, err := film.ReadHashes(again)
		if err != nil || !slices.Equal(all, back) {
			t.Errorf("%v became %v, %v", all, back, err)
		}
	})
}
