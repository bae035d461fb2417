// Package export writes pictures and their truth in the layouts that other
// programs read: YOLO, COCO and TuSimple.
//
// Invariants:
//   - Encode may be called from several goroutines at a time; everything else
//     belongs to one. What Add is given in the same order gives the same bytes.
//   - Every file but COCO's and TuSimple's one file of labels is whole after Add;
//     those have their names after Close.
//   - Coordinates are as in package truth: pixels, the centre of the top-left one
//     at (0.5, 0.5). TuSimple's are pixel numbers, 0 for the first.
//   - Memory does not grow with the number of pictures but for COCO's list of
//     their names.
//
// The package is pure Go.
package export

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"dashline/sensors/synth/truth"
)

// quality of the JPEG pictures.
const quality = 92

// Formats are the names of the layouts.
func Formats() []string { return []string{"yolo", "coco", "tusimple"} }

// Picture is one picture and its truth.
type Picture struct {
	Drive         string // becomes part of file names: letters, digits, "-", "_" and "."
	Frame         int    // number of the picture in it
	Width, Height int
	BGR           []byte // 3*Width*Height, only read
	Truth         truth.Frame
}

// Labelled is a picture that is ready to be added to a set.
type Labelled struct {
	files []file
	entry any // what the layout's add wants
}

type file struct {
	name string // in the set's folder
	data []byte
}

// layout is what the formats differ in.
type layout interface {
	picture(p *Picture) (name string)           // of its JPEG file
	label(p *Picture, l *Labelled) error        // may run on several goroutines
	begin(dir string) (classes bool, err error) // whether classes.txt belongs to it
	add(l *Labelled) error
	end() error
}

// Set is a folder that is being filled.
type Set struct {
	dir    string
	layout layout
	made   map[string]bool // folders
	closed bool
}

// Create begins to fill a folder in one of [Formats], for objects of the given
// classes. A YOLO folder may hold pictures already, if its classes are the same;
// for the others, whose labels are one file, that file must not be there.
func Create(dir, format string, classes []string) (*Set, error) {
	s := &Set{dir: dir, made: map[string]bool{}}
	switch format {
	case "yolo":
		s.layout = &yolo{classes: index(classes)}
	case "coco":
		s.layout = &coco{names: classes, classes: index(classes)}
	case "tusimple":
		s.layout = &tusimple{}
	default:
		return nil, fmt.Errorf("export as %q: give one of %s", format, strings.Join(Formats(), ", "))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	named, err := s.layout.begin(dir)
	if err == nil && named {
		err = sameClasses(filepath.Join(dir, "classes.txt"), classes)
	}
	if err != nil {
		return nil, fmt.Errorf("export to %s: %w", dir, err)
	}
	return s, nil
}

func index(classes []string) map[string]int {
	m := map[string]int{}
	for i, c := range classes {
		m[c] = i
	}
	return m
}

// sameClasses writes the file of class names, or sees that it names the same.
func sameClasses(path string, classes []string) error {
	want := []byte(strings.Join(classes, "\n") + "\n")
	got, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return os.WriteFile(path, want, 0o644)
	case err != nil:
		return err
	case !bytes.Equal(got, want):
		return errors.New("its classes.txt names other classes: give a new folder")
	}
	return nil
}

var safe = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// Encode makes a picture ready: its JPEG file and its labels. p's memory is not
// kept.
func (s *Set) Encode(p *Picture) (*Labelled, error) {
	if !safe.MatchString(p.Drive) || p.Frame < 0 {
		return nil, fmt.Errorf("export %q, picture %d: this cannot be part of a file's name", p.Drive, p.Frame)
	}
	data, err := encodeJPEG(p)
	if err != nil {
		return nil, fmt.Errorf("export %s: %w", s.layout.picture(p), err)
	}
	l := &Labelled{files: []file{{s.layout.picture(p), data}}}
	if err := s.layout.label(p, l); err != nil {
		return nil, fmt.Errorf("export %s: %w", s.layout.picture(p), err)
	}
	return l, nil
}

func encodeJPEG(p *Picture) ([]byte, error) {
	if p.Width < 1 || p.Height < 1 || len(p.BGR) != 3*p.Width*p.Height {
		return nil, fmt.Errorf("a picture of %dx%d does not have %d bytes", p.Width, p.Height, len(p.BGR))
	}
	img := image.NewRGBA(image.Rect(0, 0, p.Width, p.Height))
	for from, to := p.BGR, img.Pix; len(from) > 0; from, to = from[3:], to[4:] {
		to[0], to[1], to[2], to[3] = from[2], from[1], from[0], 0xFF
	}
	var b bytes.Buffer
	err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality})
	return b.Bytes(), err
}

// Add writes a picture's files, and notes its labels.
func (s *Set) Add(l *Labelled) error {
	for _, f := range l.files {
		if err := s.write(f); err != nil {
			return fmt.Errorf("export: %w", err)
		}
	}
	if err := s.layout.add(l); err != nil {
		return fmt.Errorf("export to %s: %w", s.dir, err)
	}
	return nil
}

func (s *Set) write(f file) error {
	path := filepath.Join(s.dir, filepath.FromSlash(f.name))
	if dir := filepath.Dir(path); !s.made[dir] {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		s.made[dir] = true
	}
	return os.WriteFile(path, f.data, 0o644)
}

// Close finishes the folder with what was added. It is safe to call twice.
func (s *Set) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	if err := s.layout.end(); err != nil {
		return fmt.Errorf("export to %s: %w", s.dir, err)
	}
	return nil
}
