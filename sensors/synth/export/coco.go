package export

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"dashline/sensors/synth/truth"
)

// coco is one file of annotations for all pictures, in the form of COCO's
// instances files. Boxes are what is visible of an object, areas are those of
// the boxes, segmentations the objects' convex outlines within the picture.
// Objects that are to be ignored are crowds.
type coco struct {
	names   []string
	classes map[string]int

	path        string
	out         *os.File // PATH.part
	to          *bufio.Writer
	images      []cocoImage // written after the annotations
	annotations int
}

type cocoImage struct {
	ID     int    `json:"id"`
	File   string `json:"file_name"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

type cocoAnnotation struct {
	ID           int         `json:"id"`
	Image        int         `json:"image_id"`
	Category     int         `json:"category_id"` // from 1
	Crowd        int         `json:"iscrowd"`
	Area         float64     `json:"area"`
	Box          [4]float64  `json:"bbox"` // x, y, width, height
	Segmentation [][]float64 `json:"segmentation"`
}

type cocoCategory struct {
	ID    int    `json:"id"`
	Name  string `json:"name"`
	Super string `json:"supercategory"`
}

type cocoEntry struct {
	image       cocoImage
	annotations []cocoAnnotation
}

func (c *coco) begin(dir string) (classes bool, err error) {
	c.path = filepath.Join(dir, "annotations.json")
	if c.out, err = beginOne(c.path); err != nil {
		return false, err
	}
	c.to = bufio.NewWriter(c.out)
	var categories []cocoCategory
	for i, name := range c.names {
		categories = append(categories, cocoCategory{i + 1, name, "road"})
	}
	data, err := json.Marshal(categories)
	if err != nil {
		return false, err
	}
	_, err = fmt.Fprintf(c.to, `{"info":{"description":"synthetic drives"},"categories":%s,"annotations":[`, data)
	return false, err
}

// beginOne begins the one file of labels, which must not be there yet.
func beginOne(path string) (*os.File, error) {
	if _, err := os.Stat(path); err == nil {
		return nil, fmt.Errorf("%s is there already, and labels cannot be added to it: give a new folder", filepath.Base(path))
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return os.Create(path + ".part")
}

// endOne gives the file its name.
func endOne(f *os.File, to *bufio.Writer, path string) error {
	if err := errors.Join(to.Flush(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path+".part"))
	}
	return os.Rename(path+".part", path)
}

func (*coco) picture(p *Picture) string { return fmt.Sprintf("images/%s_%06d.jpg", p.Drive, p.Frame) }

func (c *coco) label(p *Picture, l *Labelled) error {
	e := cocoEntry{image: cocoImage{File: fmt.Sprintf("%s_%06d.jpg", p.Drive, p.Frame), Width: p.Width, Height: p.Height}}
	for _, o := range p.Truth.Objects {
		class, ok := c.classes[o.Class]
		if !ok {
			return fmt.Errorf("object %d is of class %q, which the set does not have", o.ID, o.Class)
		}
		w, h := o.Box[2]-o.Box[0], o.Box[3]-o.Box[1]
		a := cocoAnnotation{
			Category: class + 1, Area: hundredth(w * h),
			Box:          [4]float64{hundredth(o.Box[0]), hundredth(o.Box[1]), hundredth(w), hundredth(h)},
			Segmentation: [][]float64{segment(&o, p.Width, p.Height)},
		}
		if o.Ignore {
			a.Crowd = 1
		}
		e.annotations = append(e.annotations, a)
	}
	l.entry = e
	return nil
}

// segment is the outline of an object within the picture as x0, y0, x1, y1...
// Where nothing is left of it, it is the visible box.
func segment(o *truth.Object, width, height int) []float64 {
	points := within(o.Outline, float64(width), float64(height))
	if len(points) < 3 {
		b := o.Box
		points = [][2]float64{{b[0], b[1]}, {b[2], b[1]}, {b[2], b[3]}, {b[0], b[3]}}
	}
	var flat []float64
	for _, p := range rounded(points) {
		flat = append(flat, p[0], p[1])
	}
	return flat
}

// within cuts a convex polygon off at the edges of a picture, one after the other
// (Sutherland and Hodgman 1974).
func within(polygon [][2]float64, width, height float64) [][2]float64 {
	for _, edge := range []struct {
		axis        int
		at, inwards float64
	}{{0, 0, 1}, {0, width, -1}, {1, 0, 1}, {1, height, -1}} {
		var kept [][2]float64
		for i, p := range polygon {
			q := polygon[(i+1)%len(polygon)]
			dp, dq := (p[edge.axis]-edge.at)*edge.inwards, (q[edge.axis]-edge.at)*edge.inwards
			if dp >= 0 {
				kept = append(kept, p)
			}
			if dp >= 0 != (dq >= 0) {
				t := dp / (dp - dq)
				kept = append(kept, [2]float64{p[0] + (q[0]-p[0])*t, p[1] + (q[1]-p[1])*t})
			}
		}
		polygon = kept
	}
	return polygon
}

func (c *coco) add(l *Labelled) error {
	e := l.entry.(cocoEntry)
	e.image.ID = len(c.images) + 1
	c.images = append(c.images, e.image)
	for _, a := range e.annotations {
		c.annotations++
		a.ID, a.Image = c.annotations, e.image.ID
		data, err := json.Marshal(a)
		if err != nil {
			return err
		}
		separator := ",\n"
		if c.annotations == 1 {
			separator = "\n"
		}
		if _, err := c.to.WriteString(separator); err != nil {
			return err
		}
		if _, err := c.to.Write(data); err != nil {
			return err
		}
	}
	return nil
}

func (c *coco) end() error {
	images := c.images
	if images == nil {
		images = []cocoImage{}
	}
	data, err := json.Marshal(images)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.to, "],\n\"images\":%s}\n", data)
	return errors.Join(err, endOne(c.out, c.to, c.path))
}
