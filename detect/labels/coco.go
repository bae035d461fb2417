package labels

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"dashline/detect/ap"
)

// coco is the part of an instances file that is needed.
type coco struct {
	Images      []cocoImage `json:"images"`
	Annotations []struct {
		Image    int        `json:"image_id"`
		Category int        `json:"category_id"`
		BBox     [4]float64 `json:"bbox"`
		Area     *float64   `json:"area"`
		Crowd    int        `json:"iscrowd"`
	} `json:"annotations"`
	Categories []struct {
		ID   int    `json:"id"`
		Name string `json:"name"`
	} `json:"categories"`
}

type cocoImage struct {
	ID     int    `json:"id"`
	File   string `json:"file_name"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// instances finds the one COCO file of a folder.
func instances(dir string) (string, error) {
	var found []string
	for _, pattern := range []string{"*.json", filepath.Join("annotations", "*.json")} {
		files, err := filepath.Glob(filepath.Join(escaped(dir), pattern))
		if err != nil {
			return "", fmt.Errorf("read labels: %w", err)
		}
		found = append(found, files...)
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("read labels %s: there are no labels in it: give a folder with images/ and labels/ (YOLO) or with image_2/ and label_2/ (KITTI), or a COCO instances file", dir)
	}
	return "", fmt.Errorf("read labels %s: there are %d COCO files in it: give one of them, for example %s", dir, len(found), found[0])
}

// readCOCO reads an instances file and finds its pictures.
func readCOCO(file string, classes *Classes) (*Set, error) {
	data, err := text(file, maxJSON)
	if err != nil {
		return nil, err
	}
	s, err := parseCOCO(data, classes)
	if err != nil {
		return nil, fmt.Errorf("read labels %s: %w", file, err)
	}
	if len(s.Pictures) == 0 {
		return s, nil
	}
	folder, err := beside(file, s.Pictures[0].Path)
	if err != nil {
		return nil, err
	}
	for i := range s.Pictures {
		p := &s.Pictures[i]
		p.Path = filepath.Join(folder, p.Path)
		if _, err := os.Stat(p.Path); err != nil {
			return nil, fmt.Errorf("read labels %s: image %d: %w", file, p.ID, err)
		}
	}
	return s, nil
}

// parseCOCO reads what an instances file says; paths are as it has them.
func parseCOCO(data []byte, classes *Classes) (*Set, error) {
	var c coco
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, err
	}
	if len(c.Images) > maxPictures {
		return nil, fmt.Errorf("it has %d images: at most %d are right", len(c.Images), maxPictures)
	}
	if len(c.Categories) == 0 {
		return nil, fmt.Errorf("it has no categories: it is not a COCO instances file")
	}
	s := &Set{Format: "coco", Category: make([]int, classes.size)}
	names := map[int]string{}
	for _, v := range c.Categories {
		names[v.ID] = v.Name
		if class, ok := classes.Find(v.Name); ok {
			s.Category[class] = v.ID
		}
	}
	slices.SortFunc(c.Images, func(a, b cocoImage) int { return cmp.Compare(a.ID, b.ID) })
	at := map[int]int{}
	for _, v := range c.Images {
		name := filepath.FromSlash(v.File)
		switch {
		case !filepath.IsLocal(name):
			return nil, fmt.Errorf("image %d has the file name %q: one below the folder of pictures is right", v.ID, v.File)
		case v.Width < 1 || v.Height < 1 || v.Width > maxSide || v.Height > maxSide:
			return nil, fmt.Errorf("image %d is of %dx%d pixels: 1 to %d a side are right", v.ID, v.Width, v.Height, maxSide)
		}
		if _, twice := at[v.ID]; twice {
			return nil, fmt.Errorf("image %d is there twice", v.ID)
		}
		at[v.ID] = len(s.Pictures)
		s.Pictures = append(s.Pictures, Picture{Path: name, ID: v.ID, Width: v.Width, Height: v.Height})
	}
	for i, v := range c.Annotations {
		n, ok := at[v.Image]
		if !ok {
			return nil, fmt.Errorf("annotation %d is of image %d, which is not there", i, v.Image)
		}
		name, ok := names[v.Category]
		if !ok {
			return nil, fmt.Errorf("annotation %d is of category %d, which is not there", i, v.Category)
		}
		if err := plausible(v.BBox); err != nil {
			return nil, fmt.Errorf("annotation %d: %w", i, err)
		}
		t := ap.Truth{Box: ap.Box{X: v.BBox[0], Y: v.BBox[1], W: v.BBox[2], H: v.BBox[3]}, Crowd: v.Crowd != 0}
		if t.Area = t.Box.W * t.Box.H; v.Area != nil {
			t.Area = *v.Area
		}
		if !(t.Area >= 0 && t.Area < math.MaxInt32) {
			return nil, fmt.Errorf("annotation %d: area %g is no picture's", i, t.Area)
		}
		p := &s.Pictures[n]
		p.Truth = classes.add(p.Truth, name, t)
	}
	return s, nil
}

// plausible refuses a box x, y, w, h that no picture has.
func plausible(b [4]float64) error {
	for _, v := range b {
		if !(math.Abs(v) <= 2*maxSide) {
			return fmt.Errorf("box %v is beyond any picture", b)
		}
	}
	if b[2] < 0 || b[3] < 0 {
		return fmt.Errorf("box %v has a negative side", b)
	}
	return nil
}

// beside is the folder of an instances file's pictures, which is the first of
// the usual ones that has the first picture.
func beside(file, first string) (string, error) {
	dir := filepath.Dir(file)
	split := stem(file)
	if i := strings.LastIndexByte(split, '_'); i >= 0 {
		split = split[i+1:] // instances_val2017: val2017
	}
	var tried []string
	for _, folder := range []string{".", "images", split, "../images", "../" + split, "../images/" + split} {
		at := filepath.Join(dir, filepath.FromSlash(folder))
		if _, err := os.Stat(filepath.Join(at, first)); err == nil {
			return at, nil
		}
		tried = append(tried, at)
	}
	return "", fmt.Errorf("read labels %s: its picture %s is in none of %s: put the pictures into one of these", file, first, strings.Join(tried, ", "))
}
