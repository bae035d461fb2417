package labels

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"dashline/detect/ap"
)

// readKITTI reads image_2/NAME.png with label_2/NAME.txt of KITTI's object
// benchmark.
func readKITTI(dir string, classes *Classes) (*Set, error) {
	all, err := pictures(filepath.Join(dir, "image_2"))
	if err != nil {
		return nil, err
	}
	if err := orphans(filepath.Join(dir, "label_2"), all); err != nil {
		return nil, err
	}
	for i := range all {
		file := filepath.Join(dir, "label_2", stem(all[i].Path)+".txt")
		data, err := text(file, maxText)
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("read labels: picture %s has no %s: add it, empty where there is nothing to see", all[i].Path, file)
		}
		if err != nil {
			return nil, err
		}
		if all[i].Truth, err = kitti(file, data, classes); err != nil {
			return nil, err
		}
	}
	return &Set{Format: "kitti", Pictures: all}, nil
}

// kitti reads one label file: type, truncated, occluded, alpha, left, top, right,
// bottom, and seven values in metres that are not needed here.
func kitti(file string, data []byte, classes *Classes) ([]ap.Truth, error) {
	var truth []ap.Truth
	err := lines(file, data, func(fields []string) error {
		if len(fields) != 15 {
			return fmt.Errorf("%d values: a KITTI object has 15", len(fields))
		}
		v, err := numbers(fields[4:8])
		if err != nil {
			return err
		}
		if v[0] > v[2] || v[1] > v[3] {
			return fmt.Errorf("box %v: its corners are the wrong way round", v)
		}
		b := ap.Corners(v[0], v[1], v[2], v[3])
		truth = classes.add(truth, fields[0], ap.Truth{Box: b, Area: b.W * b.H})
		return nil
	})
	return truth, err
}
