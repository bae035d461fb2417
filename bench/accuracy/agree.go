package accuracy

import (
	"fmt"
	"slices"

	"dashline/detect/ap"
	"dashline/detect/labels"
)

// Confident is the score from which a box of the first network counts as there:
// what a pipeline publishes unless it is told otherwise.
const Confident = 0.30

// Agreement is how far one detector finds what another finds. It needs no labels.
type Agreement struct {
	Network  string `json:"network"`
	Engine   string `json:"engine"`
	Like     string `json:"like"` // the network whose confident boxes count as the truth
	Pictures int    `json:"pictures"`
	Boxes    int    `json:"boxes"` // confident ones of Like
	// AP and AP50 are COCO's average precision with these boxes as the truth: 1 where
	// all of them are found and scored above all else.
	AP   float64 `json:"ap"`
	AP50 float64 `json:"ap50"`
	ap.Intervals
}

// Agree holds f against another detector that ran on the same pictures, whose
// confident boxes count as the truth.
func (f *Found) Agree(like *Found, b ap.Bootstrap) (Agreement, error) {
	a := Agreement{Network: f.By.Name, Engine: f.By.Engine, Like: like.By.Name, Pictures: len(f.images)}
	if len(f.images) != len(like.images) {
		return a, fmt.Errorf("networks %s and %s ran on %d and %d pictures", a.Network, a.Like, len(f.images), len(like.images))
	}
	names := labels.NewClasses(f.Classes)
	class := make([]int, len(like.Classes)) // of like as those of f
	for i, name := range like.Classes {
		k, known := names.Find(name)
		if !known {
			return a, fmt.Errorf("network %s does not know the class %q of network %s: compare two of the same classes", a.Network, name, a.Like)
		}
		class[i] = k
	}
	images := make([]ap.Image, len(f.images))
	for i := range images {
		images[i] = ap.Image{Found: f.images[i].Found, Truth: confident(like.images[i].Found, class)}
	}
	m, boxes, err := match(images, len(f.Classes), a.Like)
	if err != nil {
		return a, err
	}
	a.Boxes = boxes
	r := m.Summary(nil)
	a.AP, a.AP50 = r.AP, r.AP50
	b.Blocks = slices.Clone(f.blocks())
	a.Intervals, err = m.Intervals(b)
	return a, err
}

// confident are the confident boxes among what a network found, as truth; class says
// what its classes are in the network that is held against them.
func confident(found []ap.Detection, class []int) []ap.Truth {
	var truth []ap.Truth
	for _, d := range found {
		if d.Score >= Confident {
			truth = append(truth, ap.Truth{Class: class[d.Class], Box: d.Box, Area: d.Box.W * d.Box.H})
		}
	}
	return truth
}

// match matches pictures whose truth is the boxes of the network like, and counts
// these: there have to be some.
func match(images []ap.Image, classes int, like string) (m *ap.Matched, boxes int, err error) {
	for i := range images {
		boxes += len(images[i].Truth)
	}
	if boxes == 0 {
		return nil, 0, fmt.Errorf("network %s finds nothing in these pictures: give some that show what it knows", like)
	}
	m, err = ap.Match(images, classes)
	return m, boxes, err
}
