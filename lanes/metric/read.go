package metric

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"dashline/internal/regular"
)

// Bounds on what is read.
const (
	maxLine       = 4 << 20 // bytes of a TuSimple frame
	maxFile       = 4 << 20 // bytes of a CULane picture's lanes
	maxFrames     = 1_000_000
	maxSamples    = 4096
	maxCoordinate = 1e6 // pixels
	laneFile      = ".lines.txt"
)

// ReadTuSimple reads a TuSimple file: JSON, a frame a line.
func ReadTuSimple(path string) ([]Frame, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read lanes: %w", err)
	}
	defer f.Close()
	all, err := parseTuSimple(f)
	if err != nil {
		return nil, fmt.Errorf("read lanes %s: %w", path, err)
	}
	return all, nil
}

func parseTuSimple(r io.Reader) ([]Frame, error) {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 64<<10), maxLine)
	var all []Frame
	n := 0
	for in.Scan() {
		n++
		if len(bytes.TrimSpace(in.Bytes())) == 0 {
			continue
		}
		if len(all) == maxFrames {
			return nil, fmt.Errorf("line %d: more than %d frames", n, maxFrames)
		}
		var f Frame
		if err := json.Unmarshal(in.Bytes(), &f); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if err := f.check(); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		all = append(all, f)
	}
	switch err := in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("line %d: it is longer than %d bytes, which no frame is", n+1, maxLine)
	case err != nil:
		return nil, err
	}
	return all, nil
}

func (f *Frame) check() error {
	switch {
	case f.File == "":
		return errors.New("it has no raw_file")
	case f.Lanes == nil:
		return errors.New("it has no lanes")
	case len(f.Lanes) > maxLanes:
		return fmt.Errorf("it has %d lanes: at most %d are right", len(f.Lanes), maxLanes)
	case len(f.Samples) > maxSamples:
		return fmt.Errorf("it has %d h_samples: at most %d are right", len(f.Samples), maxSamples)
	}
	for _, l := range append(slices.Clone(f.Lanes), f.Samples) {
		if len(l) > maxSamples {
			return fmt.Errorf("a lane has %d values: at most %d are right", len(l), maxSamples)
		}
		for _, v := range l {
			if !(math.Abs(v) <= maxCoordinate) {
				return fmt.Errorf("%g is in no picture", v)
			}
		}
	}
	return nil
}

// ReadCULane reads the lanes of one picture: a line each, "x y x y ...". A line
// without points is a lane without points, as in CULane's evaluator.
func ReadCULane(path string) ([]Lane, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read lanes: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read lanes: %w", err)
	}
	lanes, err := parseCULane(data)
	if err != nil {
		return nil, fmt.Errorf("read lanes %s:%w", path, err)
	}
	return lanes, nil
}

func parseCULane(data []byte) ([]Lane, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("1: it is longer than %d bytes, which the lanes of no picture are", maxFile)
	}
	var lanes []Lane
	n := 0
	for line := range bytes.Lines(data) {
		n++
		if len(lanes) == maxLanes {
			return nil, fmt.Errorf("%d: more than %d lanes", n, maxLanes)
		}
		fields := strings.Fields(string(line))
		if len(fields)%2 != 0 || len(fields) > 2*maxSamples {
			return nil, fmt.Errorf("%d: %d values: x and y of at most %d points are right", n, len(fields), maxSamples)
		}
		lane := make(Lane, 0, len(fields)/2)
		for i := 0; i < len(fields); i += 2 {
			x, err := strconv.ParseFloat(fields[i], 64)
			y, yerr := strconv.ParseFloat(fields[i+1], 64)
			if err != nil || yerr != nil || !(math.Abs(x) <= maxCoordinate) || !(math.Abs(y) <= maxCoordinate) {
				return nil, fmt.Errorf("%d: %.40q is no point of a picture", n, fields[i]+" "+fields[i+1])
			}
			lane = append(lane, Point{x, y})
		}
		lanes = append(lanes, lane)
	}
	return lanes, nil
}

// Pair is the lanes found and those that are there in one picture.
type Pair struct {
	Name         string // below both folders
	Found, Truth []Lane
	Missing      bool // there is no file of what was found: no lanes
}

// ReadCULanePairs reads folders of NAME.lines.txt, one of predictions and one of
// truth, with the same names below both. A picture without a file of
// predictions has none, as in CULane's evaluator; one without truth is an error.
func ReadCULanePairs(found, truth string) ([]Pair, error) {
	names, err := laneFiles(truth)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("read lanes %s: there is no NAME%s in it", truth, laneFile)
	}
	predicted, err := laneFiles(found)
	if err != nil {
		return nil, err
	}
	for _, name := range predicted {
		if _, ok := slices.BinarySearch(names, name); !ok {
			return nil, fmt.Errorf("read lanes %s: there is no truth for it in %s", filepath.Join(found, name), truth)
		}
	}
	pairs := make([]Pair, 0, len(names))
	for _, name := range names {
		p := Pair{Name: strings.TrimSuffix(name, laneFile)}
		if p.Truth, err = ReadCULane(filepath.Join(truth, name)); err != nil {
			return nil, err
		}
		if _, ok := slices.BinarySearch(predicted, name); !ok {
			p.Missing = true
		} else if p.Found, err = ReadCULane(filepath.Join(found, name)); err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

// laneFiles are the names of all lane files below a folder, sorted.
func laneFiles(dir string) ([]string, error) {
	var names []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type().IsRegular() && strings.HasSuffix(path, laneFile) {
			if len(names) == maxFrames {
				return fmt.Errorf("more than %d files", maxFrames)
			}
			names = append(names, filepath.FromSlash(path))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read lanes %s: %w", dir, err)
	}
	slices.Sort(names)
	return names, nil
}
