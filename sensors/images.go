package sensors

import (
	"bytes"
	"context"
	"fmt"
	"image"
	_ "image/jpeg" // sizes of pictures before they are decoded
	_ "image/png"
	"io"
	"math"
	"path/filepath"
	"sort"
	"time"

	"gocv.io/x/gocv"

	"dashline/internal/regular"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
	"dashline/sensors/layout"
)

// Pictures of a folder without times count as this far apart.
const folderFPS = 10

// MaxFile bounds one image file.
const MaxFile = 128 << 20

// folder reads the JPEG and PNG files of a folder in the order of the numbers in
// their names.
type folder struct {
	info  Info
	dir   string
	names []string
	times layout.Times // empty where the folder has none
	seq   uint64
	buf   bytes.Buffer
	tap   func(*msg.Packet)
}

func openFolder(path string) (*folder, error) {
	s, err := findShelf(path)
	if err != nil {
		return nil, err
	}
	d := &folder{dir: s.dir, names: s.names, info: Info{Kind: "images", Path: path, FPS: s.fps, Frames: len(s.names)}}
	for _, name := range d.names { // the first that can be read says the size
		if w, h, err := d.peek(filepath.Join(d.dir, name)); err == nil {
			d.info.Width, d.info.Height = w, h
			break
		}
	}
	if s.times != "" {
		if d.times, err = s.readTimes(); err != nil {
			return nil, fmt.Errorf("open folder %s: %w", path, err)
		}
		if gap := d.times.Gap(); gap > 0 {
			d.info.FPS = math.Round(1e12/float64(gap)) / 1e3
		}
	}
	if s.camera != "" {
		if d.info.Camera, err = s.readCamera(d.info.Width, d.info.Height); err != nil {
			return nil, fmt.Errorf("open folder %s: %w", path, err)
		}
	}
	return d, nil
}

func (d *folder) Info() Info { return d.info }

func (d *folder) Close() error { return nil }

// Next reads the next picture. One that cannot be read is a failed frame.
func (d *folder) Next(_ context.Context, f *frame.Frame) error {
	if int(d.seq) == len(d.names) {
		return io.EOF
	}
	file := filepath.Join(d.dir, d.names[d.seq])
	f.Header = msg.Header{Seq: d.seq, PTS: d.pts(int(d.seq))}
	if first := d.times.First; !first.IsZero() {
		f.CapturedAt, f.CaptureClock = first.Add(f.PTS), msg.SenderClock
	}
	d.seq++
	if _, _, err := d.peek(file); err != nil {
		return err
	}
	img, err := gocv.IMDecode(d.buf.Bytes(), gocv.IMReadColor)
	if err != nil {
		return lost("corrupt", file, err)
	}
	if img.Empty() || img.Type() != gocv.MatTypeCV8UC3 {
		_ = img.Close()
		return lost("corrupt", file, fmt.Errorf("the picture cannot be decoded"))
	}
	_ = f.Image.Close()
	f.Image = img // the pool's frame owns the Mat from here
	if d.tap != nil {
		d.tap(d.packet(f))
	}
	return nil
}

// pts is the time of picture i.
func (d *folder) pts(i int) time.Duration {
	if d.times.At != nil {
		return d.times.At[i]
	}
	return time.Duration(math.Round(float64(i) / d.info.FPS * float64(time.Second)))
}

// Seek goes to the first picture at or after t.
func (d *folder) Seek(_ context.Context, t time.Duration) error {
	d.seq = uint64(sort.Search(len(d.names), func(i int) bool { return d.pts(i) >= t }))
	return nil
}

// peek reads a file into buf and the picture's size from its header, so that
// nothing is decoded that is too large.
func (d *folder) peek(file string) (w, h int, err error) {
	d.buf.Reset()
	in, err := regular.Open(file)
	if err != nil {
		return 0, 0, lost("unreadable", file, err)
	}
	defer in.Close()
	if _, err := d.buf.ReadFrom(io.LimitReader(in, MaxFile+1)); err != nil {
		return 0, 0, lost("unreadable", file, err)
	}
	switch {
	case d.buf.Len() == 0:
		return 0, 0, lost("corrupt", file, fmt.Errorf("the file is empty"))
	case d.buf.Len() > MaxFile:
		return 0, 0, lost("too_large", file, fmt.Errorf("the file is larger than %d bytes", MaxFile))
	}
	c, format, err := image.DecodeConfig(bytes.NewReader(d.buf.Bytes()))
	if err != nil {
		return 0, 0, lost("corrupt", file, fmt.Errorf("it is not a JPEG or PNG picture: %w", err))
	}
	if err := checkSize(c.Width, c.Height); err != nil {
		return 0, 0, lost("too_large", file, err)
	}
	if format == "jpeg" && !wholeJPEG(d.buf.Bytes()) {
		return 0, 0, lost("corrupt", file, fmt.Errorf("the JPEG picture is cut off"))
	}
	return c.Width, c.Height, nil
}

// wholeJPEG says whether the picture's last scan ends with its end marker.
// libjpeg fills what is missing with grey and calls it a picture. Neither
// marker can stand inside a scan, where 0xFF is always followed by 0x00 or a
// restart marker (ITU-T T.81, B.1.1.5).
func wholeJPEG(b []byte) bool {
	return bytes.LastIndex(b, []byte{0xFF, 0xD9}) > bytes.LastIndex(b, []byte{0xFF, 0xDA})
}

func lost(reason, file string, err error) error {
	return &pipeline.FrameError{Reason: reason, Err: fmt.Errorf("image %s: %w", file, err)}
}
