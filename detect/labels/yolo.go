package labels

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"dashline/detect/ap"
)

// readYOLO reads images/NAME.jpg with labels/NAME.txt, a line an object: class
// and box centre, width and height as shares of the picture. A picture without
// labels has no objects. ignore/NAME.txt, where there is one, has crowd regions
// in the same format.
func readYOLO(dir string, classes *Classes) (*Set, error) {
	all, err := pictures(filepath.Join(dir, "images"))
	if err != nil {
		return nil, err
	}
	names, err := yoloNames(dir)
	if err != nil {
		return nil, err
	}
	if err := orphans(filepath.Join(dir, "labels"), all, "classes.txt"); err != nil {
		return nil, err
	}
	for i := range all {
		p := &all[i]
		for _, part := range []struct {
			folder string
			crowd  bool
		}{{"labels", false}, {"ignore", true}} {
			file := filepath.Join(dir, part.folder, stem(p.Path)+".txt")
			data, err := text(file, maxText)
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if p.Truth, err = yolo(file, data, names, p, part.crowd, classes); err != nil {
				return nil, err
			}
		}
	}
	if err := crowds(filepath.Join(dir, "crowd_ignore_public.json"), all, classes); err != nil {
		return nil, err
	}
	return &Set{Format: "yolo", Pictures: all}, nil
}

// yolo adds the objects of one label file to a picture's.
func yolo(file string, data []byte, names []string, p *Picture, crowd bool, classes *Classes) ([]ap.Truth, error) {
	truth := p.Truth
	err := lines(file, data, func(fields []string) error {
		if len(fields) != 5 {
			return fmt.Errorf("%d values: a box has 5 (class cx cy w h); polygons are not read", len(fields))
		}
		class, err := strconv.Atoi(fields[0])
		if err != nil || class < 0 || class >= len(names) {
			return fmt.Errorf("class %q: the list of names has 0 to %d", fields[0], len(names)-1)
		}
		v, err := numbers(fields[1:])
		if err != nil {
			return err
		}
		for _, x := range v {
			if x < 0 || x > 1 {
				return fmt.Errorf("%g: box values are shares of the picture, 0 to 1", x)
			}
		}
		w, h := float64(p.Width), float64(p.Height)
		b := ap.Box{X: (v[0] - v[2]/2) * w, Y: (v[1] - v[3]/2) * h, W: v[2] * w, H: v[3] * h}
		truth = classes.add(truth, names[class], ap.Truth{Box: b, Area: b.W * b.H, Crowd: crowd})
		return nil
	})
	return truth, err
}

// numbers parses what a line holds; it takes no infinity and no NaN.
func numbers(fields []string) ([]float64, error) {
	out := make([]float64, len(fields))
	for i, f := range fields {
		v, err := strconv.ParseFloat(f, 64)
		if err != nil || !(v > -1e9 && v < 1e9) {
			return nil, fmt.Errorf("%.40q is not a number that a label has", f)
		}
		out[i] = v
	}
	return out, nil
}

// crowds adds the regions of a list of image_id, category and bbox_xywh, pixels.
// There need not be such a file.
func crowds(file string, all []Picture, classes *Classes) error {
	data, err := text(file, maxText)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var regions []struct {
		Image    int        `json:"image_id"`
		Category string     `json:"category"`
		BBox     [4]float64 `json:"bbox_xywh"`
	}
	if err := json.Unmarshal(data, &regions); err != nil {
		return fmt.Errorf("read labels %s: %w", file, err)
	}
	at := map[int]*Picture{}
	for i := range all {
		at[all[i].ID] = &all[i]
	}
	for i, r := range regions {
		p, ok := at[r.Image]
		if !ok {
			return fmt.Errorf("read labels %s: region %d is of image %d, which is not there", file, i, r.Image)
		}
		if err := plausible(r.BBox); err != nil {
			return fmt.Errorf("read labels %s: region %d: %w", file, i, err)
		}
		b := ap.Box{X: r.BBox[0], Y: r.BBox[1], W: r.BBox[2], H: r.BBox[3]}
		p.Truth = classes.add(p.Truth, r.Category, ap.Truth{Box: b, Area: b.W * b.H, Crowd: true})
	}
	return nil
}

// yoloNames finds the names of a YOLO folder's classes.
func yoloNames(dir string) ([]string, error) {
	tries := []string{"classes.txt", "names.yaml", "data.yaml", filepath.Join("labels", "classes.txt")}
	if more, err := filepath.Glob(filepath.Join(escaped(dir), "*.names")); err == nil && len(more) == 1 {
		tries = append(tries, filepath.Base(more[0]))
	}
	for _, name := range tries {
		file := filepath.Join(dir, name)
		data, err := text(file, maxText)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		names := listed(data)
		if filepath.Ext(name) == ".yaml" {
			names, err = yamlNames(data)
		}
		if err == nil && (len(names) == 0 || len(names) > maxClasses) {
			err = fmt.Errorf("it has %d class names: 1 to %d are right", len(names), maxClasses)
		}
		if err != nil {
			return nil, fmt.Errorf("read labels %s: %w", file, err)
		}
		return names, nil
	}
	return nil, fmt.Errorf("read labels %s: nothing names the classes: add classes.txt, one name a line in the order of their numbers", dir)
}

// escaped keeps a folder's name from being a pattern.
func escaped(dir string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
}

// listed are the names of a file with one a line.
func listed(data []byte) []string {
	var names []string
	for line := range strings.Lines(strings.TrimRight(string(data), "\r\n \t")) {
		names = append(names, strings.TrimSpace(line))
	}
	return names
}

// yamlNames reads the list under "names:" of a YOLO data file, in any of the
// three ways in which such files write it: [a, b], a line "- a" each, or a line
// "0: a" each, numbered from 0. The rest of the file is not looked at.
func yamlNames(data []byte) ([]string, error) {
	var names []string
	inside := false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\r\n \t")
		body := strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "names:"); ok {
			if rest = strings.TrimSpace(rest); strings.HasPrefix(rest, "[") && strings.HasSuffix(rest, "]") {
				for name := range strings.SplitSeq(rest[1:len(rest)-1], ",") {
					names = append(names, unquoted(name))
				}
				return names, nil
			}
			inside = true
			continue
		}
		if !inside || body == "" || strings.HasPrefix(body, "#") {
			continue
		}
		if item, ok := strings.CutPrefix(body, "- "); ok {
			names = append(names, unquoted(item))
			continue
		}
		if line[0] != ' ' {
			break
		}
		number, name, ok := strings.Cut(body, ":")
		if n, err := strconv.Atoi(number); !ok || err != nil || n != len(names) {
			return nil, fmt.Errorf("%.40q under names: want \"%d: NAME\"", body, len(names))
		}
		names = append(names, unquoted(name))
	}
	return names, nil
}

func unquoted(s string) string { return strings.Trim(strings.TrimSpace(s), `"'`) }
