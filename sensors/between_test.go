package sensors_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"dashline/internal/avenc"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/sensors"
)

// variable writes a video of pictures at the given times, whole milliseconds.
func variable(t testing.TB, at ...time.Duration) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "variable.mp4")
	w, err := avenc.Create(path, avenc.Options{Width: 64, Height: 48, FPS: 1000, Preset: "medium", Keyframes: 12})
	if err != nil {
		t.Fatal(err)
	}
	pix := make([]byte, 3*64*48)
	for i, d := range at {
		if i > 0 {
			if err := w.Skip(int((d-at[i-1])/time.Millisecond) - 1); err != nil {
				t.Fatal(err)
			}
		}
		for k := range pix {
			pix[k] = byte(k*i + i*9)
		}
		if err := w.Write(pix); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// uneven are n times between 5 and 79 ms apart.
func uneven(n int) []time.Duration {
	all := make([]time.Duration, n)
	for i := 1; i < n; i++ {
		all[i] = all[i-1] + time.Duration(5+i*i*17%75)*time.Millisecond
	}
	return all
}

func TestVideoKeepsItsVariableRate(t *testing.T) {
	at := uneven(50)
	s := open(t, variable(t, at...))
	if in := s.Info(); in.Frames != 50 || in.FPS <= 5 || in.FPS > 1000 {
		t.Errorf("info %+v", in)
	}
	all := readAll(t, s, 100)
	if len(all) != len(at) {
		t.Fatalf("%d frames", len(all))
	}
	for i, g := range all {
		if g.pts != at[i] || g.seq != uint64(i) || g.reason != "" {
			t.Errorf("frame %d: %+v; want it at %v", i, g, at[i])
		}
	}
}

// Paced delivers each frame no earlier than its own time: at an even rate the
// frame behind the long gap would come in the middle of it.
func TestPacedKeepsAVariableRate(t *testing.T) {
	at := []time.Duration{0, 10, 20, 30, 330, 340, 350}
	for i := range at {
		at[i] *= time.Millisecond
	}
	s := sensors.Paced(sensors.Between(open(t, variable(t, at...)), 10*time.Millisecond, 0))
	pool := frame.NewPool(1)
	lease, _ := pool.Acquire()
	start := time.Now() // no later than the clock of Paced begins
	for i := 1; ; i++ {
		err := s.Next(context.Background(), lease.Frame)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if lease.PTS != at[i] {
			t.Fatalf("frame %d at %v; want %v", i, lease.PTS, at[i])
		}
		if d, want := time.Since(start), at[i]-at[1]; d < want {
			t.Errorf("frame %d came after %v; want %v", i, d, want)
		}
	}
	lease.Release()
	_ = pool.Close(context.Background())
}

// picture is a frame and what is in it.
type picture struct {
	seq  uint64
	pts  time.Duration
	hash [32]byte
	lost bool // whether as damaged or for its reference depends on FFmpeg's threads
}

func picturesOf(t testing.TB, s sensors.Source) []picture {
	t.Helper()
	pool := frame.NewPool(1)
	lease, _ := pool.Acquire()
	defer func() {
		lease.Release()
		_ = pool.Close(context.Background())
	}()
	var all []picture
	for len(all) < 1000 {
		err := s.Next(context.Background(), lease.Frame)
		p := picture{seq: lease.Seq, pts: lease.PTS}
		switch _, lost := errors.AsType[*pipeline.FrameError](err); {
		case err == io.EOF:
			return all
		case lost:
			p.lost = true
		case err != nil:
			t.Fatal(err)
		default:
			p.hash = sha256.Sum256(lease.Image.ToBytes())
		}
		all = append(all, p)
	}
	t.Fatal("the source has no end")
	return nil
}

// differ says where pictures first do.
func differ(got, want []picture) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("the picture %d of %d is %+v; want %+v", i, len(got), got[i], want[i])
		}
	}
	return fmt.Sprintf("%d frames; want %d", len(got), len(want))
}

// readOnly hides that a source can seek.
type readOnly struct{ sensors.Source }

// A range of a source is what reading all of it gives for that time, whether the
// source can seek or not.
func TestBetweenIsAPartOfTheWhole(t *testing.T) {
	files := map[string]string{"times.txt": ""}
	for i, d := range uneven(30) {
		files[fmt.Sprintf("%d.png", i)] = fmt.Sprintf("%dx9", 10+i)
		files["times.txt"] += fmt.Sprintf("%.3f\n", 5+d.Seconds())
	}
	files["7.png"] = "not a picture"
	damaged := encode(t, "damaged.mkv", 320, 180, 60, 90)
	data, err := os.ReadFile(damaged)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		data[len(data)/2+i] ^= byte(i * 37)
	}
	if err := os.WriteFile(damaged, data, 0o600); err != nil {
		t.Fatal(err)
	}
	const ms = time.Millisecond
	for _, path := range []string{tree(t, files), variable(t, uneven(40)...), damaged} {
		read := func() sensors.Source { return opened(t, path, sensors.Options{Exact: path == damaged}) }
		whole := picturesOf(t, read())
		lost := 0
		for _, p := range whole {
			if p.lost {
				lost++
			}
		}
		t.Logf("%s: %d frames, %d of them lost", filepath.Base(path), len(whole), lost)
		if path == damaged && lost == 0 {
			t.Error("the damage shows nothing")
		}
		// Several pictures at a time: what is shown is as it should be, and no more than
		// the picture before the damage is lost with it.
		fast, unlike := picturesOf(t, open(t, path)), 0
		for i := range min(len(fast), len(whole)) {
			if fast[i].lost != whole[i].lost {
				unlike++
			} else if fast[i] != whole[i] {
				unlike = len(fast)
			}
		}
		if len(fast) != len(whole) || unlike > 1 {
			t.Errorf("%s: several pictures at a time: %s", filepath.Base(path), differ(fast, whole))
		}
		for _, r := range [][2]time.Duration{{0, 0}, {0, 400 * ms}, {300 * ms, 0}, {255 * ms, 500 * ms}, {300 * ms, 300 * ms}, {-ms, ms}, {time.Hour, 0}, {whole[9].pts, whole[12].pts}} {
			var want []picture
			for _, p := range whole {
				if p.pts >= r[0] && (r[1] == 0 || p.pts < r[1]) {
					want = append(want, p)
				}
			}
			if got := picturesOf(t, sensors.Between(read(), r[0], r[1])); !slices.Equal(got, want) {
				t.Errorf("%s, %v: %s", filepath.Base(path), r, differ(got, want))
			}
			if got := picturesOf(t, sensors.Between(readOnly{read()}, r[0], r[1])); !slices.Equal(got, want) {
				t.Errorf("%s, %v, read: %s", filepath.Base(path), r, differ(got, want))
			}
		}
	}
}

func TestBetweenSaysHowMuchToExpect(t *testing.T) {
	files := map[string]string{}
	for i := range 20 { // ten a second
		files[fmt.Sprintf("%d.png", i)] = "8x8"
	}
	dir := tree(t, files)
	for _, tt := range []struct {
		start, end time.Duration
		want       int
	}{{0, 0, 20}, {500 * time.Millisecond, 0, 15}, {500 * time.Millisecond, time.Second, 5}, {0, time.Hour, 20}, {450 * time.Millisecond, 550 * time.Millisecond, 1}} {
		s := sensors.Between(open(t, dir), tt.start, tt.end)
		if got := s.Info().Frames; got != tt.want {
			t.Errorf("%v to %v: %d expected; want %d", tt.start, tt.end, got, tt.want)
		}
		if got := len(readAll(t, s, 100)); got != tt.want {
			t.Errorf("%v to %v: %d frames; want %d", tt.start, tt.end, got, tt.want)
		}
	}
	if got := sensors.Between(open(t, "synth:city"), time.Second, 0).Info().Frames; got != 0 {
		t.Errorf("%d frames of an endless drive", got)
	}
	if got := sensors.Between(open(t, "synth:city"), time.Second, 2*time.Second).Info().Frames; got != 30 {
		t.Errorf("%d frames of a second", got)
	}
	if got := sensors.Between(open(t, dir), math.MinInt64, math.MaxInt64).Info().Frames; got != 20 {
		t.Errorf("%d frames of all time", got)
	}
}

// A range that goes round and round: numbers and times go on without a gap.
func TestLoopOfARange(t *testing.T) {
	path := writeVideo(t, 30) // 50 ms apart
	s, err := sensors.Loop(t.Context(), func(ctx context.Context) (sensors.Source, error) {
		s, err := sensors.Open(ctx, path, sensors.Options{})
		if err != nil {
			return nil, err
		}
		return sensors.Between(s, 500*time.Millisecond, 750*time.Millisecond), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all := readAll(t, s, 23)
	for i, g := range all {
		if g.seq != uint64(10+i) || g.pts != time.Duration(10+i)*50*time.Millisecond || g.reason != "" {
			t.Errorf("frame %d: %+v", i, g)
		}
	}
}

func TestBetweenHonoursItsContext(t *testing.T) {
	for _, path := range []string{writeVideo(t, 30), "synth:city"} {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		pool := frame.NewPool(1)
		lease, _ := pool.Acquire()
		for _, s := range []sensors.Source{sensors.Between(open(t, path), time.Hour, 0), sensors.Between(readOnly{open(t, path)}, time.Hour, 0)} {
			if err := s.Next(ctx, lease.Frame); err != context.Canceled {
				t.Errorf("%s: %v", path, err)
			}
		}
		lease.Release()
		_ = pool.Close(context.Background())
	}
}
