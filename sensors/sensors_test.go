package sensors_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"dashline/internal/testkit"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/sensors"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// got is one call of Next.
type got struct {
	seq    uint64
	pts    time.Duration
	w, h   int
	reason string // of a failed frame
}

// readAll reads a source to its end, or at most n frames.
func readAll(t testing.TB, s sensors.Source, n int) []got {
	t.Helper()
	pool := frame.NewPool(1)
	lease, _ := pool.Acquire()
	defer func() {
		lease.Release()
		if err := pool.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	var all []got
	for len(all) < n {
		err := s.Next(context.Background(), lease.Frame)
		g := got{seq: lease.Seq, pts: lease.PTS}
		var fe *pipeline.FrameError
		switch {
		case err == nil:
			g.w, g.h = lease.Image.Cols(), lease.Image.Rows()
			if lease.Image.Type() != gocv.MatTypeCV8UC3 {
				t.Fatalf("frame %d has type %v", g.seq, lease.Image.Type())
			}
		case errors.As(err, &fe):
			g.reason = fe.Reason
			t.Log(err)
		case err == io.EOF:
			return all
		default:
			t.Fatal(err)
		}
		all = append(all, g)
	}
	return all
}

func open(t testing.TB, path string) sensors.Source {
	t.Helper()
	return opened(t, path, sensors.Options{})
}

func opened(t testing.TB, path string, o sensors.Options) sensors.Source {
	t.Helper()
	s, err := sensors.Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func encodePNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encodeJPEG(t testing.TB, w, h int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = byte(i * 7)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFolderReadsWhatItCanAndCountsTheRest(t *testing.T) {
	gray16 := image.NewGray16(image.Rect(0, 0, 5, 4))
	gray16.SetGray16(1, 1, color.Gray16{Y: 0xABCD})
	jpg := encodeJPEG(t, 64, 48)
	small := encodePNG(t, image.NewRGBA(image.Rect(0, 0, 30, 20)))
	flipped := bytes.Clone(small)
	flipped[len(flipped)/2] ^= 0xFF // the checksum no longer holds
	files := []struct {
		name   string
		data   []byte
		w, h   int
		reason string
	}{
		{"a-plain.jpg", jpg, 64, 48, ""},
		{"b-one-pixel.png", encodePNG(t, image.NewRGBA(image.Rect(0, 0, 1, 1))), 1, 1, ""},
		{"c-sixteen-bit-grey.png", encodePNG(t, gray16), 5, 4, ""},
		{"d-sixteen-bit-alpha.png", encodePNG(t, image.NewNRGBA64(image.Rect(0, 0, 7, 3))), 7, 3, ""},
		{"e-grey.png", encodePNG(t, image.NewGray(image.Rect(0, 0, 9, 8))), 9, 8, ""},
		{"f-alpha.PNG", encodePNG(t, image.NewNRGBA(image.Rect(0, 0, 6, 6))), 6, 6, ""},
		{"g-empty.png", nil, 0, 0, "corrupt"},
		{"h-text.jpg", []byte("not a picture"), 0, 0, "corrupt"},
		{"i-cut-off.jpg", jpg[:len(jpg)/2], 0, 0, "corrupt"},
		{"j-cut-off.png", small[:len(small)-20], 0, 0, "corrupt"},
		{"k-flipped.png", flipped, 0, 0, "corrupt"},
		{"l-too-wide.png", encodePNG(t, image.NewGray(image.Rect(0, 0, 20000, 2))), 0, 0, "too_large"},
		{"m-huge-claim.png", claim(small, 1<<20, 1<<20), 0, 0, "too_large"},
		{"n-last.jpeg", encodeJPEG(t, 32, 16), 32, 16, ""},
	}
	dir := t.TempDir()
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, f.name), f.data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("not a frame"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	if in := s.Info(); in.Frames != len(files) || in.Width != 64 || in.Height != 48 {
		t.Errorf("info %+v", in)
	}
	all := readAll(t, s, 100)
	if len(all) != len(files) {
		t.Fatalf("%d frames of %d files", len(all), len(files))
	}
	for i, f := range files {
		g := all[i]
		if g.seq != uint64(i) || g.w != f.w || g.h != f.h || g.reason != f.reason {
			t.Errorf("%s: got %+v, want %dx%d %q", f.name, g, f.w, f.h, f.reason)
		}
		if want := time.Duration(i) * 100 * time.Millisecond; g.pts != want {
			t.Errorf("%s: PTS %v, want %v", f.name, g.pts, want)
		}
	}
}

// claim rewrites the size in a PNG header; its checksum is wrong then, which
// must not matter before the size is refused. Go reads the header first.
func claim(b []byte, w, h uint32) []byte {
	b = bytes.Clone(b)
	put := func(at int, v uint32) {
		b[at], b[at+1], b[at+2], b[at+3] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
	}
	put(16, w)
	put(20, h)
	put(29, crc(b[12:29]))
	return b
}

func crc(b []byte) uint32 { // PNG's CRC-32, IEEE polynomial
	c := ^uint32(0)
	for _, x := range b {
		c ^= uint32(x)
		for range 8 {
			c = c>>1 ^ 0xEDB88320*(c&1)
		}
	}
	return ^c
}

// writeVideo makes an MJPEG AVI of n frames with OpenCV itself.
func writeVideo(t testing.TB, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made.avi")
	w, err := gocv.VideoWriterFile(path, "MJPG", 20, 64, 48, true)
	if err != nil {
		t.Fatal(err)
	}
	m := gocv.NewMatWithSize(48, 64, gocv.MatTypeCV8UC3)
	for i := range n {
		m.SetTo(gocv.NewScalar(float64(i), 100, 200, 0))
		if err := w.Write(m); err != nil {
			t.Fatal(err)
		}
	}
	_ = m.Close()
	_ = w.Close()
	return path
}

func TestVideoDeliversEveryFrameWithItsTime(t *testing.T) {
	s := open(t, writeVideo(t, 30))
	if in := s.Info(); in.Frames != 30 || in.FPS != 20 || in.Width != 64 || in.Height != 48 {
		t.Errorf("info %+v", in)
	}
	all := readAll(t, s, 100)
	if len(all) != 30 {
		t.Fatalf("%d frames", len(all))
	}
	for i, g := range all {
		if g.seq != uint64(i) || g.pts != time.Duration(i)*50*time.Millisecond || g.w != 64 || g.h != 48 || g.reason != "" {
			t.Fatalf("frame %d: %+v", i, g)
		}
	}
}

func TestVideoThatIsCutOffSaysSo(t *testing.T) {
	whole, err := os.ReadFile(writeVideo(t, 60))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cut.avi")
	if err := os.WriteFile(path, whole[:len(whole)*6/10], 0o600); err != nil {
		t.Fatal(err)
	}
	all := readAll(t, open(t, path), 100)
	if n := len(all); n < 20 || n > 50 || all[n-1].reason != "truncated" {
		t.Fatalf("%d frames, the last %+v", n, all[n-1])
	}
	for i, g := range all[:len(all)-1] { // the picture that the cut goes through is damaged
		if g.reason != "" && (i < len(all)-2 || g.reason != "corrupt") {
			t.Errorf("frame %d failed: %s", g.seq, g.reason)
		}
	}
}

func TestVideoThatChangesItsSize(t *testing.T) {
	var b bytes.Buffer // a raw MJPEG stream is pictures end to end
	for i := range 20 {
		if i < 10 {
			b.Write(encodeJPEG(t, 64, 48))
			continue
		}
		b.Write(encodeJPEG(t, 96, 32))
	}
	path := filepath.Join(t.TempDir(), "change.mjpeg")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	all := readAll(t, open(t, path), 100)
	if len(all) != 20 {
		t.Fatalf("%d frames", len(all))
	}
	for i, g := range all {
		if g.reason != "" || g.w < 1 || g.h < 1 {
			t.Errorf("frame %d: %+v", i, g)
		}
	}
	t.Logf("first %dx%d, last %dx%d", all[0].w, all[0].h, all[19].w, all[19].h)
}

func TestOpenRefusesWithTheMend(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty := filepath.Join(dir, "empty-folder")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, path, want string }{
		{"missing", filepath.Join(dir, "none.mp4"), "no such file"},
		{"empty file", write("empty.mp4", nil), "the file is empty"},
		{"text", write("text.mp4", []byte(strings.Repeat("hello ", 100))), "not a video"},
		{"header only", write("head.mp4", []byte("\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41")), "not a video"},
		{"folder without pictures", empty, "no .jpg, .jpeg or .png"},
		{"rtsp", "rtsp://user:hunter2@127.0.0.1/x", "credentials do not belong"},
		{"address with a password", "http://user:hunter2@127.0.0.1/x", "open source http://127.0.0.1/x:"},
		{"pattern", write("a%03d.mp4", []byte("x")), "rename the file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := sensors.Open(t.Context(), tt.path, sensors.Options{})
			if err == nil {
				_ = s.Close()
				t.Fatal("opened")
			}
			if s != nil {
				t.Error("an error and a source")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %q, want it to say %q", err, tt.want)
			}
		})
	}
}

type live struct{ sensors.Source }

func (live) Info() sensors.Info { return sensors.Info{Path: "rtsp://10.0.0.7/1", Live: true} }
func (l live) Close() error     { return errors.New("closed") }

// A live source has no end to begin again at; it is closed then.
func TestLoopRefusesLiveSources(t *testing.T) {
	s, err := sensors.Loop(t.Context(), func(context.Context) (sensors.Source, error) { return live{}, nil })
	if s != nil || !errors.Is(err, sensors.ErrLive) || !strings.Contains(err.Error(), "rtsp://10.0.0.7/1") || !strings.Contains(err.Error(), "closed") {
		t.Errorf("%v, %v", s, err)
	}
}

// Damaged bytes inside a video cost frames at most: no panic, no abort, an end.
func TestDamagedVideoComesToAnEnd(t *testing.T) {
	whole, err := os.ReadFile(writeVideo(t, 30))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "damaged.avi")
	for seed := range 60 {
		data := bytes.Clone(whole)
		for i := range 8 {
			data[(seed*7919+i*104729)%len(data)] ^= byte(1 << (seed % 8))
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := sensors.Open(t.Context(), path, sensors.Options{})
		if err != nil {
			continue
		}
		if n := len(readAll(t, s, 1000)); n > 100 {
			t.Errorf("seed %d: %d frames from a file of 30", seed, n)
		}
		_ = s.Close()
	}
}

func TestLoopCountsOnAndLimitEnds(t *testing.T) {
	path := writeVideo(t, 5)
	s, err := sensors.Loop(t.Context(), func(ctx context.Context) (sensors.Source, error) { return sensors.Open(ctx, path, sensors.Options{}) })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l := sensors.Limit(s, 12)
	if l.Info().Frames != 12 {
		t.Errorf("info says %d frames", l.Info().Frames)
	}
	all := readAll(t, l, 100)
	if len(all) != 12 {
		t.Fatalf("%d frames", len(all))
	}
	for i, g := range all {
		if g.seq != uint64(i) || g.pts != time.Duration(i)*50*time.Millisecond {
			t.Fatalf("frame %d: %+v", i, g)
		}
	}
}

// Frames that fail at the end of a round take their time as others do.
func TestLoopOverACutOffVideoKeepsTime(t *testing.T) {
	whole, err := os.ReadFile(writeVideo(t, 60))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cut.avi")
	if err := os.WriteFile(path, whole[:len(whole)*6/10], 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := sensors.Loop(t.Context(), func(ctx context.Context) (sensors.Source, error) { return sensors.Open(ctx, path, sensors.Options{}) })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	last := got{pts: -1}
	for _, g := range readAll(t, s, 120) {
		if g.pts <= last.pts || last.pts >= 0 && g.pts > last.pts+100*time.Millisecond {
			t.Fatalf("frame %d at %v follows frame %d at %v", g.seq, g.pts, last.seq, last.pts)
		}
		last = g
	}
	if last.seq < 100 {
		t.Fatalf("it ended with frame %d", last.seq)
	}
}

func TestLoopOverNothingEnds(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.png"), []byte("no"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := sensors.Loop(t.Context(), func(ctx context.Context) (sensors.Source, error) { return sensors.Open(ctx, dir, sensors.Options{}) })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	pool := frame.NewPool(1)
	lease, _ := pool.Acquire()
	for i := 0; ; i++ {
		err := s.Next(context.Background(), lease.Frame)
		var fe *pipeline.FrameError
		if !errors.As(err, &fe) {
			if !strings.Contains(fmt.Sprint(err), "no frame of it could be read") {
				t.Errorf("got %v", err)
			}
			break
		}
		if i > 3 {
			t.Fatal("it goes round for ever")
		}
	}
	lease.Release()
	_ = pool.Close(context.Background())
}

func TestPacedKeepsTime(t *testing.T) {
	s := sensors.Paced(open(t, writeVideo(t, 9))) // eight periods of 50 ms
	start := time.Now()
	if n := len(readAll(t, s, 100)); n != 9 {
		t.Fatalf("%d frames", n)
	}
	if d := time.Since(start); d < 400*time.Millisecond {
		t.Fatalf("took %v, less than the recording's 400 ms", d)
	}
}

func TestPacedHonoursItsContext(t *testing.T) {
	s := sensors.Paced(open(t, writeVideo(t, 3)))
	pool := frame.NewPool(1)
	lease, _ := pool.Acquire()
	ctx, cancel := context.WithCancel(context.Background())
	if err := s.Next(ctx, lease.Frame); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := s.Next(ctx, lease.Frame); err != context.Canceled {
		t.Errorf("got %v", err)
	}
	if lease.Idle <= 0 {
		t.Error("it waited, and did not say so")
	}
	lease.Release()
	_ = pool.Close(context.Background())
}
