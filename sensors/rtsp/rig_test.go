package rtsp_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"io"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"dashline/internal/avdec"
	"dashline/internal/avenc"
	"dashline/internal/testkit"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/sensors/camera"
	"dashline/sensors/rtsp"
)

func TestMain(m *testing.M) {
	// As many tests run at once as there are processors, if nothing else is said.
	// These wait for cameras most of the time.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	testkit.Main(m)
}

type hash = [sha256.Size]byte

// film is a video that a camera sends, and the pictures in it.
type film struct {
	path     string
	pictures map[hash]int // index of each
	count    int
}

// newFilm encodes the beginning of a drive anew, with a key picture every gop
// and so many B pictures between two others.
func newFilm(t testing.TB, codec string, frames, gop, bframes int) *film {
	t.Helper()
	from, err := avdec.Open(filepath.Join(testkit.Root(), "testdata", "drives", "cut-in.mp4"), 1<<22)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	in := from.Info()
	f := &film{path: filepath.Join(t.TempDir(), "film.mp4"), pictures: map[hash]int{}}
	if bframes == 0 {
		bframes = -1
	}
	to, err := avenc.Create(f.path, avenc.Options{
		Codec: codec, Width: in.Width, Height: in.Height, FPS: in.FPS, CRF: 26, Preset: "superfast", Keyframes: gop, BFrames: bframes,
	})
	if err != nil {
		t.Fatal(err)
	}
	pix := make([]byte, 3*in.Width*in.Height)
	for range frames {
		if _, err := from.Next(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(from.BGR(pix), to.Write(pix)); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	f.read(t)
	return f
}

// read learns the film's pictures as a decoder of files gives them.
func (f *film) read(t testing.TB) {
	r, err := avdec.Open(f.path, 1<<22)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for ; ; f.count++ {
		p, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		pix := make([]byte, 3*p.Width*p.Height)
		if err := r.BGR(pix); err != nil {
			t.Fatal(err)
		}
		f.pictures[sha256.Sum256(pix)] = f.count
	}
}

// sent is what a camera sent, by RTP time.
type sent struct {
	mu     sync.Mutex
	frames map[uint32]camera.FrameInfo
}

func (s *sent) add(_ int, f camera.FrameInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frames == nil {
		s.frames = map[uint32]camera.FrameInfo{}
	}
	s.frames[f.RTP] = f
}

func (s *sent) all() map[uint32]camera.FrameInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[uint32]camera.FrameInfo, len(s.frames))
	for k, v := range s.frames {
		out[k] = v
	}
	return out
}

func start(t testing.TB, o camera.Options) *camera.Server {
	t.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	s, err := camera.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// automatic leaves it to the source when a stream has stalled.
const automatic = -1

func open(t testing.TB, o rtsp.Options) *rtsp.Source {
	t.Helper()
	if o.Camera == "" {
		o.Camera = "front"
	}
	switch o.Stall {
	case 0:
		o.Stall = 5 * time.Second // a machine that is kept busy by other tests is no stall
	case automatic:
		o.Stall = 0
	}
	if o.Reorder == 0 {
		o.Reorder = 25 * time.Millisecond
	}
	s, err := rtsp.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// event is what became of one frame.
type event struct {
	msg.Header
	at      time.Time
	lag     time.Duration
	reason  string // empty: shown
	dropped bool
	hash    hash
	width   int
}

// watch reads a source until more says that it is enough.
func watch(t testing.TB, s *rtsp.Source, bound time.Duration, more func([]event) bool) []event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	f := &frame.Frame{Image: gocv.NewMat()}
	defer func() { _ = f.Image.Close() }()
	var events []event
	for more(events) {
		f.Lag, f.Header = 0, msg.Header{}
		err := s.Next(ctx, f)
		e := event{Header: f.Header, at: time.Now(), lag: f.Lag}
		lost, one := errors.AsType[*pipeline.FrameError](err)
		switch {
		case one:
			e.reason, e.dropped = lost.Reason, lost.Dropped
		case err != nil && ctx.Err() != nil:
			return events
		case err != nil:
			t.Fatal(err)
		default:
			pix, err := f.Image.DataPtrUint8()
			if err != nil {
				t.Fatal(err)
			}
			e.hash, e.width = sha256.Sum256(pix), f.Image.Cols()
		}
		events = append(events, e)
	}
	return events
}

// during watches for a time.
func during(t testing.TB, s *rtsp.Source, d time.Duration) []event {
	t.Helper()
	return watch(t, s, d, func([]event) bool { return true })
}

// shown watches until n frames were shown.
func shown(t testing.TB, s *rtsp.Source, n int) []event {
	t.Helper()
	events := watch(t, s, 30*time.Second, func(e []event) bool { return len(good(e)) < n })
	if len(good(events)) < n {
		t.Fatalf("%d frames were shown in 30 s; want %d; the rest: %v; camera: %+v", len(good(events)), n, reasons(events), s.State())
	}
	return events
}

func good(events []event) (out []event) {
	for _, e := range events {
		if e.reason == "" {
			out = append(out, e)
		}
	}
	return out
}

func reasons(events []event) map[string]int {
	out := map[string]int{}
	for _, e := range events {
		if e.reason != "" {
			out[e.reason]++
		}
	}
	return out
}

// account holds events of one session against what the camera sent: each frame
// from the first to the last is accounted for once, in order, and each that is
// shown is exactly the film's. It returns what was sent, by event.
func account(t testing.TB, f *film, c *sent, events []event) []camera.FrameInfo {
	t.Helper()
	frames := c.all()
	var at uint32 // RTP time of PTS 0, from a frame that is known by its picture
	found := false
	for _, e := range good(events) {
		ticks := uint32((e.PTS*90000 + time.Second/2) / time.Second)
		for rtp, info := range frames {
			if f.pictures[e.hash] == info.Index && near(e.CapturedAt, info.NTP) {
				at, found = rtp-ticks, true
			}
		}
		if found {
			break
		}
	}
	if !found {
		t.Fatalf("no frame that is shown is known to the camera (%d shown, %d sent)", len(good(events)), len(frames))
	}
	var out []camera.FrameInfo
	seen := map[uint32]bool{}
	for i, e := range events {
		if e.Seq != events[0].Seq+uint64(i) {
			t.Fatalf("frame %d has the number %d after %d", i, e.Seq, events[0].Seq)
		}
		rtp := at + uint32((e.PTS*90000+time.Second/2)/time.Second)
		info, ok := frames[rtp]
		for d := uint32(1); !ok && d < 200; d++ { // where a frame of which nothing came is reckoned to be
			if info, ok = frames[rtp+d]; !ok {
				info, ok = frames[rtp-d]
			}
		}
		switch {
		case !ok:
			t.Fatalf("frame %d at %v (%s) was never sent", e.Seq, e.PTS, e.reason)
		case seen[info.RTP]:
			t.Fatalf("frame %d at %v (%s) is accounted for twice", e.Seq, e.PTS, e.reason)
		}
		seen[info.RTP] = true
		if index, known := f.pictures[e.hash]; e.reason == "" && (!known || index != info.Index) {
			t.Fatalf("frame %d is shown and is not the film's picture %d (known: %v, as %d)", e.Seq, info.Index, known, index)
		}
		out = append(out, info)
	}
	first, last := at+uint32(events[0].PTS*90000/time.Second), at+uint32(events[len(events)-1].PTS*90000/time.Second)
	for rtp, info := range frames {
		if int32(rtp-first) > 200 && int32(last-rtp) > 200 && !seen[rtp] {
			t.Fatalf("the film's picture %d was sent and is not accounted for (%d packets, %d lost)", info.Index, info.Packets, info.Lost)
		}
	}
	return out
}

// near compares a capture time with the camera's own: they differ by no more
// than what RTP's clock can tell.
func near(a, b time.Time) bool { return a.Sub(b).Abs() < 100*time.Microsecond }

// oversleep measures how long this machine kept a goroutine from running, so
// that tests of liveness know what they may ask for.
func oversleep(ctx context.Context) func() time.Duration {
	var mu sync.Mutex
	var worst time.Duration
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			before := time.Now()
			time.Sleep(2 * time.Millisecond)
			mu.Lock()
			worst = max(worst, time.Since(before)-2*time.Millisecond)
			mu.Unlock()
		}
	}()
	return func() time.Duration {
		cancel()
		<-done
		mu.Lock()
		defer mu.Unlock()
		return worst
	}
}

// trust is a TLS configuration that takes one certificate.
func trust(t testing.TB, pem []byte) *tls.Config {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate")
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}
