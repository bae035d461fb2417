package ap

import (
	"cmp"
	"slices"
)

const (
	thresholds = 10  // of IoU: .50, .55 ... .95
	recalls    = 101 // points of recall: 0, .01 ... 1
	perClass   = 100 // detections of a class that count in an image
)

// The ranges of area.
const (
	all = iota
	small
	medium
	large
	areas
)

// areaRange has the bounds of each range in pixels, both inclusive.
var areaRange = [areas][2]float64{all: {0, 1e10}, small: {0, 32 * 32}, medium: {32 * 32, 96 * 96}, large: {96 * 96, 1e10}}

// iouThreshold is numpy's linspace(.5, .95, 10), bit for bit.
func iouThreshold(i int) float64 {
	first, last := 0.5, 0.95
	if i == thresholds-1 {
		return last
	}
	step := (last - first) / (thresholds - 1)
	return float64(i)*step + first
}

// recallPoint is numpy's linspace(0, 1, 101), bit for bit.
func recallPoint(i int) float64 {
	if i == recalls-1 {
		return 1
	}
	step := 1.0 / (recalls - 1)
	return float64(i) * step
}

// Matched is a data set of which every detection is known to be right, wrong or
// neither, at each threshold and for each range of area. It is not changed
// after [Match] and may be shared.
type Matched struct {
	images  int
	classes []class
}

// class is what was matched of one class.
type class struct {
	truths []truths
	found  []outcome // best score first; equals in the order of images
}

// truths counts the objects of one image that are to be found.
type truths struct {
	image int32
	n     [areas]int32
}

// outcome is what became of one detection. Bit t of hit says that it found an
// object at threshold t, bit t of skip that it counts for nothing there.
type outcome struct {
	score     float64
	image     int32
	rank      int32 // among the image's of the class, best first from 0
	hit, skip [areas]uint16
}

// Match pairs detections with truth, image by image, as pycocotools does. It
// fails where a class is not 0 to classes-1 or a number is not finite.
func Match(images []Image, classes int) (*Matched, error) {
	if err := check(images, classes); err != nil {
		return nil, err
	}
	m := &Matched{images: len(images), classes: make([]class, classes)}
	var mt matcher
	for i := range images {
		mt.image(&images[i], int32(i), m.classes)
	}
	for i := range m.classes {
		slices.SortStableFunc(m.classes[i].found, func(a, b outcome) int { return cmp.Compare(b.score, a.score) })
	}
	return m, nil
}

// matcher has the scratch memory of matching.
type matcher struct {
	present []int
	found   []Detection
	truth   []Truth
	sorted  []Truth
	ignored []bool
	taken   []bool
	overlap []float64 // found x sorted
	outcome []outcome
}

// image matches the classes that are present in one image.
func (m *matcher) image(img *Image, index int32, classes []class) {
	m.present = m.present[:0]
	for _, t := range img.Truth {
		if t.Class != Any {
			m.present = append(m.present, t.Class)
		}
	}
	for _, d := range img.Found {
		m.present = append(m.present, d.Class)
	}
	slices.Sort(m.present)
	for _, c := range slices.Compact(m.present) {
		m.class(img, index, c, &classes[c])
	}
}

// class matches one class of one image and adds the outcome to it.
func (m *matcher) class(img *Image, index int32, c int, to *class) {
	m.found = m.found[:0]
	for _, d := range img.Found {
		if d.Class == c {
			m.found = append(m.found, d)
		}
	}
	slices.SortStableFunc(m.found, func(a, b Detection) int { return cmp.Compare(b.Score, a.Score) })
	m.found = m.found[:min(len(m.found), perClass)]
	m.truth = m.truth[:0]
	for _, t := range img.Truth {
		if t.Class == c || t.Class == Any {
			m.truth = append(m.truth, t)
		}
	}
	m.outcome = m.outcome[:0]
	for i, d := range m.found {
		m.outcome = append(m.outcome, outcome{score: d.Score, image: index, rank: int32(i)})
	}
	n := truths{image: index}
	for a := range areas {
		n.n[a] = m.area(a)
	}
	to.found = append(to.found, m.outcome...)
	if n.n[all] > 0 {
		to.truths = append(to.truths, n)
	}
}

// area matches within one range of area and returns how many objects are to be
// found there. It is COCOeval.evaluateImg.
func (m *matcher) area(a int) (positives int32) {
	bounds := areaRange[a]
	outside := func(area float64) bool { return area < bounds[0] || area > bounds[1] }
	// Those that count come first, so that they are preferred.
	m.sorted, m.ignored = m.sorted[:0], m.ignored[:0]
	for _, ignored := range []bool{false, true} {
		for _, t := range m.truth {
			if (t.Crowd || outside(t.Area)) == ignored {
				m.sorted = append(m.sorted, t)
				m.ignored = append(m.ignored, ignored)
			}
		}
		if !ignored {
			positives = int32(len(m.sorted))
		}
	}
	m.overlap = m.overlap[:0]
	for _, d := range m.found {
		for _, t := range m.sorted {
			m.overlap = append(m.overlap, overlap(d.Box, t.Box, t.Crowd))
		}
	}
	for t := range thresholds {
		m.taken = slices.Grow(m.taken[:0], len(m.sorted))[:len(m.sorted)]
		clear(m.taken)
		for i, d := range m.found {
			g := m.best(i, min(iouThreshold(t), 1-1e-10))
			o := &m.outcome[i]
			switch {
			case g < 0 && outside(d.Box.W*d.Box.H), g >= 0 && m.ignored[g]:
				o.skip[a] |= 1 << t
			case g >= 0:
				o.hit[a] |= 1 << t
			}
			if g >= 0 {
				m.taken[g] = true
			}
		}
	}
	return positives
}

// best is the truth that detection i overlaps most, by iou or more, -1 for
// none: the last of equals, and one to be ignored only where no other fits.
func (m *matcher) best(i int, iou float64) int {
	at := -1
	for g, v := range m.overlap[i*len(m.sorted) : (i+1)*len(m.sorted)] {
		if m.taken[g] && !m.sorted[g].Crowd {
			continue
		}
		if at >= 0 && !m.ignored[at] && m.ignored[g] {
			break
		}
		if v >= iou {
			at, iou = g, v
		}
	}
	return at
}
