package sensors

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"dashline/internal/regular"
	"dashline/lanes/ground"
	"dashline/sensors/layout"
)

// The names of a file of times, in the folder of the pictures or beside it.
var timesNames = []string{"times.txt", "timestamps.txt", "times.csv"}

// shelf is a folder of pictures and what belongs to it.
type shelf struct {
	dir    string   // that the pictures are in
	names  []string // in their order
	times  string   // path of the file of times; "" where there is none
	camera string   // path of KITTI's calibration; "" where there is none
	number int      // of the camera in it
	fps    float64  // where there are no times
}

// findShelf looks at what a folder is: pictures; a drive of KITTI's raw data, or
// one camera of it (image_02, of which the pictures are in image_02/data); a
// clip of TuSimple (clips/<date>/<id>).
func findShelf(path string) (*shelf, error) {
	dir, names, err := findPictures(path)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	s := &shelf{dir: dir, names: names, fps: folderFPS}
	for _, in := range []string{abs, filepath.Dir(abs)} {
		for _, name := range timesNames {
			if file := filepath.Join(in, name); s.times == "" && there(file) {
				s.times = file
			}
		}
	}
	if m := kittiFolder.FindStringSubmatch(filepath.ToSlash(abs)); m != nil {
		s.number, _ = strconv.Atoi(m[2]) // one digit
		drive := filepath.FromSlash(m[1])
		for _, in := range []string{drive, filepath.Dir(drive)} {
			if file := filepath.Join(in, "calib_cam_to_cam.txt"); s.camera == "" && there(file) {
				s.camera = file
			}
		}
	}
	if tusimpleFolder.MatchString(filepath.ToSlash(abs)) && !slices.ContainsFunc(names, notNumbered) {
		s.fps = tusimpleFPS
	}
	return s, nil
}

// findPictures finds the folder with the pictures: the given one, the data/ of
// one camera of KITTI, or that of the first of a drive's colour cameras, else of
// its grey ones.
func findPictures(path string) (dir string, names []string, err error) {
	for _, below := range []string{".", "data", "image_02/data", "image_03/data", "image_00/data", "image_01/data"} {
		dir = filepath.Join(path, filepath.FromSlash(below))
		if st, err := os.Stat(dir); err != nil || !st.IsDir() {
			continue
		}
		if names, err = pictures(dir); err != nil {
			return "", nil, fmt.Errorf("open folder: %w", err)
		}
		if len(names) > 0 {
			return dir, names, nil
		}
	}
	return "", nil, fmt.Errorf("open folder %s: no .jpg, .jpeg or .png in it, nor in its data or image_02/data", path)
}

var (
	kittiFolder    = regexp.MustCompile(`^(.*)/image_0([0-3])/data$`)
	tusimpleFolder = regexp.MustCompile(`/clips/[^/]+/[^/]+$`)
)

// TuSimple's clips are of 20 pictures, 1.jpg to 20.jpg, of one second.
const tusimpleFPS = 20

func notNumbered(name string) bool {
	_, err := strconv.ParseUint(strings.TrimSuffix(name, filepath.Ext(name)), 10, 32)
	return err != nil
}

// pictures are the names of the pictures in a folder, in the order of the
// numbers in them.
func pictures(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		switch strings.ToLower(filepath.Ext(e.Name())) {
		case ".jpg", ".jpeg", ".png":
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, layout.Compare)
	return names, nil
}

// there says that something has this name, be it readable or not: what is there
// and cannot be used is an error later, not left out.
func there(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func (s *shelf) readTimes() (layout.Times, error) {
	f, err := regular.Open(s.times)
	if err != nil {
		return layout.Times{}, fmt.Errorf("times of the pictures: %w", err)
	}
	defer f.Close()
	t, err := layout.ReadTimes(f, s.names)
	if err != nil {
		return t, fmt.Errorf("times of the pictures: %s: %w: correct the file, or rename it if it is not of these pictures", s.times, err)
	}
	return t, nil
}

func (s *shelf) readCamera(width, height int) (ground.Camera, error) {
	f, err := regular.Open(s.camera)
	if err != nil {
		return ground.Camera{}, fmt.Errorf("camera of the pictures: %w", err)
	}
	defer f.Close()
	c, err := layout.KITTICamera(f, s.number, width, height)
	if err != nil {
		return c, fmt.Errorf("camera of the pictures: %s: %w: correct the file, or rename it to do without", s.camera, err)
	}
	return c, nil
}
