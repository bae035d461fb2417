// Package labels reads labelled pictures into the values of detect/ap: folders
// of YOLO and KITTI labels, COCO instances, and the truth of synthetic drives.
//
// Invariants:
//   - Classes are found by name, never by number: labels of one list of classes
//     are right for a network of another.
//   - Truth of a class that the network does not know is left out and counted in
//     Left; nothing else is left out.
//   - Whatever the files hold, memory stays within the bounds below, names lead
//     out of no folder, and the boxes are finite.
//   - Pictures come in the order of their names, or of their numbers for COCO.
//
// What counts as a crowd (found or not, it changes nothing): COCO's iscrowd; a
// box in a YOLO folder's ignore/; KITTI's DontCare, for every class; a KITTI Van,
// which is no Car and yet would be found as one, for car, truck and bus; and
// objects of a synthetic drive of which too little is visible.
//
// The package is pure Go.
package labels

import (
	"bufio"
	"bytes"
	"fmt"
	"image"
	_ "image/jpeg" // sizes of pictures
	_ "image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"dashline/detect/ap"
	"dashline/internal/regular"
)

// Bounds on what is read.
const (
	maxText     = 4 << 20   // bytes of a label file or list of names
	maxJSON     = 128 << 20 // bytes of a COCO file
	maxPictures = 1_000_000
	maxObjects  = 100_000 // in one picture
	maxClasses  = 10_000
	maxSide     = 16384 // pixels
)

// Set is a labelled set of pictures in the classes of a network.
type Set struct {
	Format   string // "yolo", "kitti" or "coco"
	Pictures []Picture
	// Left counts the objects that are left out, by the name of their class.
	Left map[string]int
	// Category is the number that result files of the set give to each class of
	// the network: COCO's own for COCO, 0 where it has none; else the index plus 1.
	Category []int
}

// Picture is one picture and what is in it.
type Picture struct {
	Path          string
	ID            int // its number in result files, unique in the set
	Width, Height int // pixels
	Truth         []ap.Truth
}

// Read reads a labelled set: a folder with images/ and labels/ (YOLO) or with
// image_2/ and label_2/ (KITTI), a COCO instances file, or a folder with one.
// names are the network's classes.
func Read(path string, names []string) (*Set, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read labels: %w", err)
	}
	classes := NewClasses(names)
	has := func(folder string) bool {
		info, err := os.Stat(filepath.Join(path, folder))
		return err == nil && info.IsDir()
	}
	var s *Set
	switch {
	case !info.IsDir():
		s, err = readCOCO(path, classes)
	case has("label_2"):
		s, err = readKITTI(path, classes)
	case has("labels"):
		s, err = readYOLO(path, classes)
	default:
		var file string
		if file, err = instances(path); err == nil {
			s, err = readCOCO(file, classes)
		}
	}
	if err != nil {
		return nil, err
	}
	if len(s.Pictures) == 0 {
		return nil, fmt.Errorf("read labels %s: there are no pictures in it", path)
	}
	s.Left = classes.Left
	if s.Category == nil {
		for i := range names {
			s.Category = append(s.Category, i+1)
		}
	}
	return s, nil
}

// pictures lists the JPEG and PNG files of a folder and their sizes. Numbers
// are those in the files' names where all have one, else they are counted.
func pictures(folder string) ([]Picture, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("read labels: %w", err)
	}
	var all []Picture
	numbers := map[int]bool{}
	for _, e := range entries {
		switch strings.ToLower(filepath.Ext(e.Name())) {
		case ".jpg", ".jpeg", ".png":
		default:
			continue
		}
		if len(all) == maxPictures {
			return nil, fmt.Errorf("read labels %s: there are more than %d pictures: split the folder", folder, maxPictures)
		}
		p := Picture{Path: filepath.Join(folder, e.Name()), ID: number(e.Name())}
		if p.Width, p.Height, err = size(p.Path); err != nil {
			return nil, err
		}
		numbers[p.ID] = true
		all = append(all, p)
	}
	if len(numbers) < len(all) || numbers[-1] {
		for i := range all {
			all[i].ID = i + 1
		}
	}
	return all, nil
}

// number is that of a name like 000000000139.jpg, -1 where it is none.
func number(name string) int {
	stem := strings.TrimSuffix(name, filepath.Ext(name))
	n := 0
	for _, c := range stem {
		if c < '0' || c > '9' || n > math.MaxInt32 {
			return -1
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// size reads a picture's size from its header.
func size(path string) (w, h int, err error) {
	f, err := regular.Open(path)
	if err != nil {
		return 0, 0, fmt.Errorf("read labels: %w", err)
	}
	defer f.Close()
	c, _, err := image.DecodeConfig(bufio.NewReader(io.LimitReader(f, maxText)))
	if err != nil {
		return 0, 0, fmt.Errorf("read labels: picture %s: it is not JPEG or PNG (%w): remove it or save it anew", path, err)
	}
	if c.Width < 1 || c.Height < 1 || c.Width > maxSide || c.Height > maxSide {
		return 0, 0, fmt.Errorf("read labels: picture %s is of %dx%d pixels: 1 to %d a side are right", path, c.Width, c.Height, maxSide)
	}
	return c.Width, c.Height, nil
}

// text reads a whole small file.
func text(path string, limit int64) ([]byte, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read labels: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read labels: %w", err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("read labels %s: it is longer than %d bytes, which no such file is", path, limit)
	}
	return b, nil
}

// lines calls use with the fields of each line that is not blank, and says where
// an error of it was.
func lines(name string, data []byte, use func(fields []string) error) error {
	n, objects := 0, 0
	for line := range bytes.Lines(data) {
		n++
		fields := strings.Fields(string(line))
		if len(fields) == 0 {
			continue
		}
		if objects++; objects > maxObjects {
			return fmt.Errorf("read labels %s:%d: more than %d objects in a picture", name, n, maxObjects)
		}
		if err := use(fields); err != nil {
			return fmt.Errorf("read labels %s:%d: %w", name, n, err)
		}
	}
	return nil
}

// orphans are the label files of a folder that have no picture.
func orphans(folder string, of []Picture, but ...string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("read labels: %w", err)
	}
	known := map[string]bool{}
	for _, p := range of {
		known[stem(p.Path)] = true
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".txt") && !known[stem(e.Name())] && !slices.Contains(but, e.Name()) {
			return fmt.Errorf("read labels %s: there is no picture for it: add the picture or remove the labels", filepath.Join(folder, e.Name()))
		}
	}
	return nil
}

// stem is a file's name without folder and extension.
func stem(path string) string {
	name := filepath.Base(path)
	return strings.TrimSuffix(name, filepath.Ext(name))
}
