package sensors

import (
	"bytes"
	"context"
	"fmt"
	"image"
	_ "image/jpeg" // sizes of pictures before they are decoded
	_ "image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gocv.io/x/gocv"

	"dashline/internal/regular"
	"dashline/pipeline"
	"dashline/pipeline/frame"
	"dashline/pipeline/msg"
)

// A folder has no times of its own; pictures count as this far apart.
const folderFPS = 10

// MaxFile bounds one image file.
const MaxFile = 128 << 20

// folder reads the JPEG and PNG files of a folder in the order of their names.
type folder struct {
	info  Info
	files []string
	seq   uint64
	buf   bytes.Buffer
}

func openFolder(path string) (*folder, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	d := &folder{info: Info{Kind: "images", Path: path, FPS: folderFPS}}
	for _, e := range entries {
		switch strings.ToLower(filepath.Ext(e.Name())) {
		case ".jpg", ".jpeg", ".png":
			d.files = append(d.files, filepath.Join(path, e.Name()))
		}
	}
	if len(d.files) == 0 {
		return nil, fmt.Errorf("open folder %s: no .jpg, .jpeg or .png in it", path)
	}
	slices.Sort(d.files)
	d.info.Frames = len(d.files)
	for _, file := range d.files { // the first that can be read says the size
		if w, h, err := d.peek(file); err == nil {
			d.info.Width, d.info.Height = w, h
			break
		}
	}
	return d, nil
}

func (d *folder) Info() Info { return d.info }

func (d *folder) Close() error { return nil }

// Next reads the next picture. One that cannot be read is a failed frame.
func (d *folder) Next(_ context.Context, f *frame.Frame) error {
	if int(d.seq) == len(d.files) {
		return io.EOF
	}
	file := d.files[d.seq]
	f.Header = msg.Header{Seq: d.seq, PTS: time.Duration(d.seq) * time.Second / folderFPS}
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
