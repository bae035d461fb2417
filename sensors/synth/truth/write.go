package truth

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
)

// Writer writes the truth of one drive, a frame at a time. One goroutine at a
// time uses it.
type Writer struct {
	out    *bufio.Writer
	closes []io.Closer // inner first
	drive  Drive
	state  state
	done   bool
}

// Write begins a file of truth on w with the drive's line. Numbers are rounded
// as they are written: pixels to 0.1, metres (and what is made of them) to 0.001,
// points of lanes to 0.01, radians to 0.00001, shares to 0.001. The caller closes the Writer,
// which does not close w.
func Write(w io.Writer, d Drive) (*Writer, error) {
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("write truth: %w", err)
	}
	t := &Writer{out: bufio.NewWriterSize(w, 64<<10), drive: d}
	return t, t.line(d)
}

// Create is Write to a new file, compressed where its name ends in ".gz".
func Create(path string, d Drive) (*Writer, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("write truth: %w", err)
	}
	var to io.Writer = f
	closes := []io.Closer{f}
	if strings.HasSuffix(path, ".gz") {
		z := gzip.NewWriter(f) // without name and time: the same truth is the same bytes
		to, closes = z, []io.Closer{z, f}
	}
	t, err := Write(to, d)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	t.closes = closes
	return t, nil
}

// Frame writes the next frame. It is an error where f is not the next, or holds
// what no truth does; then nothing is written. f is only read.
func (w *Writer) Frame(f Frame) error {
	if err := w.state.check(&w.drive, &f); err != nil {
		return fmt.Errorf("write truth: frame %d: %w", f.Index, err)
	}
	return w.line(rounded(f))
}

// Close ends the file. It is an error where it has fewer frames than the drive.
// It is safe to call twice.
func (w *Writer) Close() error {
	if w.done {
		return nil
	}
	w.done = true
	errs := []error{w.out.Flush()}
	for _, c := range w.closes {
		errs = append(errs, c.Close())
	}
	if w.state.next != w.drive.Frames {
		errs = append(errs, fmt.Errorf("write truth: %d of %d frames were written", w.state.next, w.drive.Frames))
	}
	return errors.Join(errs...)
}

func (w *Writer) line(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write truth: %w", err)
	}
	if len(b) > maxLine {
		return fmt.Errorf("write truth: a line of %d bytes is longer than the %d that a reader takes", len(b), maxLine)
	}
	if _, err := w.out.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write truth: %w", err)
	}
	return nil
}

// The steps to which numbers are rounded, one over each.
const (
	pixels  = 10
	metres  = 1000
	lines   = 100 // of a lane's points, metres
	radians = 100_000
	seconds = 1_000_000
	shares  = 1000
)

// round has no negative zero, which JSON would write as one.
func round(v, perUnit float64) float64 { return math.Round(v*perUnit)/perUnit + 0 }

// rounded is a copy of a frame as it is written.
func rounded(f Frame) Frame {
	f.Time = round(f.Time, seconds)
	e := &f.Ego
	for _, v := range []*float64{&e.X, &e.Y, &e.Z, &e.S, &e.D, &e.Speed, &e.Accel} {
		*v = round(*v, metres)
	}
	for _, v := range []*float64{&e.Yaw, &e.YawRate, &e.Pitch, &e.Roll} {
		*v = round(*v, radians)
	}
	objects := make([]Object, len(f.Objects))
	for i, o := range f.Objects {
		for k := range o.Box {
			o.Box[k], o.Full[k] = round(o.Box[k], pixels), round(o.Full[k], pixels)
		}
		o.Outline = points(o.Outline, pixels)
		o.Occluded, o.Truncated = round(o.Occluded, shares), round(o.Truncated, shares)
		for k := range o.Center {
			o.Center[k], o.Size[k] = round(o.Center[k], metres), round(o.Size[k], metres)
		}
		o.Yaw, o.Pitch = round(o.Yaw, radians), round(o.Pitch, radians)
		o.Velocity = [2]float64{round(o.Velocity[0], metres), round(o.Velocity[1], metres)}
		objects[i] = o
	}
	lanes := make([]Lane, len(f.Lanes))
	for i, l := range f.Lanes {
		l.Image = points(l.Image, pixels)
		ground := make([][3]float64, len(l.Ground))
		for k, p := range l.Ground {
			ground[k] = [3]float64{round(p[0], lines), round(p[1], lines), round(p[2], lines)}
		}
		l.Ground = ground
		lanes[i] = l
	}
	f.Objects, f.Lanes, f.Drivable = objects, lanes, points(f.Drivable, pixels)
	return f
}

func points(p [][2]float64, perUnit float64) [][2]float64 {
	out := make([][2]float64, len(p))
	for i, v := range p {
		out[i] = [2]float64{round(v[0], perUnit), round(v[1], perUnit)}
	}
	return out
}
