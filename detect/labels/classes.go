package labels

import (
	"maps"
	"slices"
	"strings"

	"dashline/detect/ap"
	"dashline/sensors/synth/truth"
)

// Classes finds the classes of a network by the names that labels use, and
// counts the objects of which it knows none. One goroutine at a time uses it.
type Classes struct {
	Left map[string]int // objects left out, by the name of their class

	size          int // how many classes the network has
	exact, common map[string]int
}

// synonyms are names of one class, with the one that stands for all of them.
var synonyms = map[string]string{
	"motorbike": "motorcycle", "aeroplane": "airplane", "tvmonitor": "tv", "sofa": "couch",
	"pottedplant": "potted plant", "diningtable": "dining table",
	"pedestrian": "person", "person sitting": "person", "cyclist": "bicycle",
}

// excused are names of labels that are no class of their own for a network that
// does not know them, and would yet be found as one of these.
var excused = map[string][]string{"van": {"car", "truck", "bus"}}

// everything is KITTI's name for a region that may hold objects of any class.
const everything = "DontCare"

// NewClasses is for a network's class names, in the order of their indices.
func NewClasses(names []string) *Classes {
	c := &Classes{Left: map[string]int{}, size: len(names), exact: map[string]int{}, common: map[string]int{}}
	for i, name := range slices.Backward(names) { // the first of equals wins
		c.exact[plain(name)] = i
		c.common[common(name)] = i
	}
	return c
}

// Find is the index of the network's class of a name or of a synonym of it.
func (c *Classes) Find(name string) (class int, ok bool) {
	if class, ok = c.exact[plain(name)]; ok {
		return class, true
	}
	class, ok = c.common[common(name)]
	return class, ok
}

// plain is a name in small letters with single spaces.
func plain(name string) string {
	name = strings.NewReplacer("_", " ", "-", " ").Replace(strings.ToLower(name))
	return strings.Join(strings.Fields(name), " ")
}

func common(name string) string {
	name = plain(name)
	if s, ok := synonyms[name]; ok {
		return s
	}
	return name
}

// add appends an object of a named class to dst, or counts it as left out.
func (c *Classes) add(dst []ap.Truth, name string, t ap.Truth) []ap.Truth {
	if name == everything {
		t.Class, t.Crowd = ap.Any, true
		return append(dst, t)
	}
	var known bool
	if t.Class, known = c.Find(name); known {
		return append(dst, t)
	}
	for _, other := range excused[plain(name)] {
		if class, ok := c.Find(other); ok {
			known, t.Class, t.Crowd = true, class, true
			dst = append(dst, t)
		}
	}
	// A region that nobody is asked to find is no loss.
	if !known && !t.Crowd {
		c.Left[name]++
	}
	return dst
}

// Frame returns the objects of a frame of a synthetic drive: their visible boxes.
// Objects marked ignore count as crowd.
func (c *Classes) Frame(f *truth.Frame) []ap.Truth {
	var all []ap.Truth
	for i := range f.Objects {
		o := &f.Objects[i]
		b := ap.Corners(o.Box[0], o.Box[1], o.Box[2], o.Box[3])
		all = c.add(all, o.Class, ap.Truth{Box: b, Area: b.W * b.H, Crowd: o.Ignore})
	}
	return all
}

// Names of the classes left out, sorted.
func Names(left map[string]int) []string { return slices.Sorted(maps.Keys(left)) }
