// Package sensors has the sources of frames: video files, folders of images as
// datasets lay them out, and synthetic drives that are made while they are
// watched.
//
// Every source fills 8-bit BGR pictures, numbers frames from 0 with gaps kept,
// and treats what it reads as hostile: sizes are checked before memory is
// taken, a picture that cannot be read costs one frame and is said to, and
// nothing that a file holds can end the process.
package sensors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"dashline/internal/redact"
	"dashline/lanes/ground"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

// Limits on one picture. The larger side covers 16K panoramas; the area keeps
// one picture below 200 MB of memory.
const (
	MaxSide   = 16384
	MaxPixels = 64 << 20
)

// Info describes an open source.
type Info struct {
	Kind          string        // "video", "images", "synth" "recording" or "rtsp"
	Path          string        // as given, but for user and password
	Width, Height int           // of the first picture, pixels
	FPS           float64       // nominal rate
	Frames        int           // how many to expect, 0 where unknown
	Camera        ground.Camera // that took them; zero where unknown
	Live          bool          // pictures come when they come, and it has no end of its own
}

// Source is an open source of frames.
type Source interface {
	pipeline.Source
	Info() Info
	Close() error
}

// Live is a source whose camera can come and go. Watch is called before the
// first Next; the function is called from the source's own goroutines, one call
// at a time, and must not wait.
type Live interface {
	Watch(func(msg.CameraState))
}

// Recordable is a source that can hand out its pictures as they came, before
// they are decoded. Tap is called before the first Next; the function is called
// from Next or from the source's own goroutine, one call at a time, must not
// wait, and copies what it keeps.
type Recordable interface {
	Tap(func(*msg.Packet))
}

// Options say how to open a source; the zero value has the defaults. What does
// not concern a kind of source is nothing to it.
type Options struct {
	Camera   string        // name, for the states of a live camera
	Deadline time.Duration // largest useful age of a picture; 0 is unknown
	// Exact decodes one picture after the other, so that which pictures of a damaged
	// video fail, and why, is the same each time. Else FFmpeg from 7 on may tell of
	// damage before it gives the whole picture before it, which is lost then.
	Exact bool
	RTSP  RTSPOptions
}

// RTSPOptions say how to reach a camera on the network.
type RTSPOptions struct {
	Transport string        // "udp", "tcp", or "auto", which "" is too
	Reorder   time.Duration // longest wait for a missing packet; 0 is a quarter of the deadline, at most 50 ms
	Stall     time.Duration // without a picture for so long a stream has stalled; 0 takes it from its rate
	Retry     time.Duration // longest pause between attempts to connect; 0 is 500 ms
	User      string        // never in Info, an error or a state; nor is Password
	Password  string
	CA        string // PEM file of the accepted authorities; "" is the system's
	Insecure  bool   // accept any certificate
}

// Open opens a video file, a folder of images (one of a dataset's, too: see
// docs/sources.md), or a synthetic drive by the name of its scenario:
// synth:city?seed=3&duration=10s, endless without a duration; or a camera on the
// network by its rtsp:// address, which is asked what it sends until it has
// answered, a few seconds have passed, or ctx ends. The error says what is wrong
// with the path and what to do; it is that of ctx where that has ended.
func Open(ctx context.Context, path string, o Options) (Source, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if strings.HasPrefix(path, synthScheme) {
		return opened(openSynth(path))
	}
	if network(path) {
		return opened(openLive(ctx, path, o))
	}
	if scheme, _, ok := strings.Cut(path, "://"); ok {
		return nil, fmt.Errorf("open source %s: %s:// is not a source that can be read here: give a camera's rtsp:// address, a video file or a folder of images, or synth:NAME", redact.URL(path), scheme)
	}
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("open source %s: there is no such file or folder", path)
	case err != nil:
		return nil, fmt.Errorf("open source: %w", err)
	case st.IsDir():
		return opened(openFolder(path))
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("open source %s: it is neither a file nor a folder", path)
	case st.Size() == 0:
		return nil, fmt.Errorf("open source %s: the file is empty", path)
	}
	if IsRecording(path) {
		return opened(openRecording(path, o))
	}
	return opened(openVideo(path, o))
}

// opened keeps a nil pointer from becoming a source that is not nil.
func opened[S Source](s S, err error) (Source, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// checkSize refuses a picture that is too large to be true.
func checkSize(w, h int) error {
	if w < 1 || h < 1 {
		return fmt.Errorf("picture of %dx%d pixels: there is nothing in it", w, h)
	}
	if w > MaxSide || h > MaxSide || w*h > MaxPixels {
		return fmt.Errorf("picture of %dx%d pixels: more than %d on a side or %d in all; scale it down first", w, h, MaxSide, MaxPixels)
	}
	return nil
}

// absolute keeps names like "concat:a|b" or "img%03d.png" from meaning anything
// but a file to the libraries that open them.
func absolute(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("open source %s: %w", path, err)
	}
	if strings.Contains(abs, "%") {
		return "", fmt.Errorf("open source %s: a name with %% would be read as a pattern: rename the file", path)
	}
	return abs, nil
}

// Limit ends a source after n frames.
func Limit(s Source, n int) Source { return &limited{Source: s, left: n} }

type limited struct {
	Source
	left int
}

func (l *limited) Next(ctx context.Context, f *frame.Frame) error {
	if l.left <= 0 {
		return io.EOF
	}
	l.left--
	return l.Source.Next(ctx, f)
}

func (l *limited) Info() Info {
	in := l.Source.Info()
	if in.Frames == 0 || l.left < in.Frames {
		in.Frames = l.left
	}
	return in
}
