package accuracy

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"dashline/detect"
	"dashline/detect/ap"
	"dashline/detect/labels"
	"dashline/infer"
	"dashline/pipeline/msg"
)

// What COCO's evaluation looks at: detections of a score of at least so much, and
// so many a picture.
const (
	scoreFloor = 0.001
	perPicture = 100
)

// Found is what a detector found in labelled pictures.
type Found struct {
	By      msg.Network
	Classes []string // of the network
	Left    map[string]int
	images  []ap.Image
	of      []origin
	data    int // how many data sets
}

// origin says where an image of Found comes from.
type origin struct {
	weather string
	block   int
	id      int
	// category is the number of each class in result files of its data.
	category []int
}

// seer is an open detector and what it has found.
type seer struct {
	*detect.Detector
	found *Found
	items []msg.Detection
}

// seer opens the network. An engine may set scores up to floor to zero.
func (o Options) seer(floor float32) (*seer, error) {
	d, net, err := o.open("detect", infer.Options{ScoreFloor: floor})
	if err != nil {
		return nil, err
	}
	det, err := detect.New(net, d, detect.Options{Score: scoreFloor, Max: perPicture})
	if err != nil {
		return nil, errors.Join(err, net.Close())
	}
	return &seer{Detector: det, found: &Found{By: det.By(), Classes: d.Classes, Left: map[string]int{}, data: len(o.Data)}}, nil
}

// look finds what is in a picture.
func (s *seer) look(v *view) (img ap.Image, err error) {
	if s.items, _, err = s.Detect(v.image, s.items[:0]); err != nil {
		return img, err
	}
	return ap.Image{Found: detections(s.items)}, nil
}

// detections are what a network found as ap has it.
func detections(items []msg.Detection) []ap.Detection {
	out := make([]ap.Detection, 0, len(items))
	for _, i := range items {
		out = append(out, ap.Detection{Class: i.Class, Box: box(i.Box), Score: float64(i.Score)})
	}
	return out
}

// keep notes what was found in a picture.
func (s *seer) keep(img ap.Image, from origin) {
	s.found.images, s.found.of = append(s.found.images, img), append(s.found.of, from)
}

// Readable says whether Data can be read for a network of those classes, as
// [Detect] will, without looking at pictures. It is for telling early that a path
// is wrong.
func (o Options) Readable(ctx context.Context, classes []string) error {
	_, _, err := o.sources(ctx, classes, map[string]int{})
	return err
}

// sources opens all data, with the category of each class in labelled data, and
// counts in left what the network does not know.
func (o Options) sources(ctx context.Context, classes []string, left map[string]int) (all []source, categories [][]int, err error) {
	for _, path := range o.Data {
		if o.Plain {
			s, err := openPlain(ctx, path)
			if err != nil {
				return nil, nil, err
			}
			all, categories = append(all, s), append(categories, nil)
			continue
		}
		s, category, err := openLabelled(path, o.Frames, classes, left)
		if err != nil {
			return nil, nil, err
		}
		all, categories = append(all, s), append(categories, category)
	}
	return all, categories, nil
}

// Detect runs a detector over all data.
func Detect(ctx context.Context, o Options) (_ *Found, err error) {
	det, err := o.seer(scoreFloor)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, det.Close()) }()

	found := det.found
	inDrives := labels.NewClasses(found.Classes)
	all, categories, err := o.sources(ctx, found.Classes, found.Left)
	if err != nil {
		return nil, err
	}
	var together blocks
	err = o.each(ctx, all, func(v *view) error {
		img, err := det.look(v)
		if err != nil {
			return err
		}
		from := origin{weather: v.weather(), block: together.of(v), category: categories[v.data]}
		if o.Plain {
			det.keep(img, from)
			return nil
		}
		if v.frame != nil {
			img.Truth, from.id = inDrives.Frame(v.frame), v.frame.Index
		} else {
			img.Truth, from.id = v.picture.Truth, v.picture.ID
		}
		det.keep(img, from)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for name, n := range inDrives.Left {
		found.Left[name] += n
	}
	return found, nil
}

// openLabelled opens data with boxes in it, and adds what its labels leave out.
func openLabelled(path string, frames int, classes []string, left map[string]int) (source, []int, error) {
	beside, isVideo, err := isDrive(path)
	if err != nil {
		return nil, nil, err
	}
	if isVideo {
		d, err := openDrive(path, beside, frames)
		return d, nil, err
	}
	set, err := labels.Read(path, classes)
	if err != nil {
		return nil, nil, err
	}
	for name, n := range set.Left {
		left[name] += n
	}
	return folder{set}, set.Category, nil
}

// Report is how right a detector is. See [ap.Result] for the figures.
type Report struct {
	Network string `json:"network"`
	Engine  string `json:"engine"`
	ap.Result
	ap.Intervals
	Images int `json:"images"`
	// Left counts the objects that are left out because the network does not know
	// their class.
	Left      map[string]int `json:"left_out,omitempty"`
	ByWeather []Weather      `json:"by_weather,omitempty"` // of drives
}

// Weather is the part of a report that is of frames in one weather.
type Weather struct {
	Weather string `json:"weather"`
	ap.Result
	ap.Intervals
	Images int `json:"images"`
}

// Report measures what was found.
func (f *Found) Report(b ap.Bootstrap) (Report, error) {
	r := Report{Network: f.By.Name, Engine: f.By.Engine, Images: len(f.images), Left: f.Left}
	var err error
	if r.Result, r.Intervals, err = f.measure(b, nil); err != nil {
		return r, err
	}
	for _, w := range f.weathers() {
		part := Weather{Weather: w}
		var of []int
		for i, o := range f.of {
			if o.weather == w {
				of = append(of, i)
			}
		}
		part.Images = len(of)
		if part.Result, part.Intervals, err = f.measure(b, of); err != nil {
			return r, err
		}
		r.ByWeather = append(r.ByWeather, part)
	}
	return r, nil
}

// weathers are the weathers of drives, sorted.
func (f *Found) weathers() []string {
	seen := map[string]bool{}
	for _, o := range f.of {
		if o.weather != "" {
			seen[o.weather] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// measure summarises the images of some indices, nil: of all.
func (f *Found) measure(b ap.Bootstrap, of []int) (ap.Result, ap.Intervals, error) {
	images, blocks := f.images, f.blocks()
	if of != nil {
		images, blocks = pick(images, of), pick(blocks, of)
	}
	m, err := ap.Match(images, len(f.Classes))
	if err != nil {
		return ap.Result{}, ap.Intervals{}, err
	}
	b.Blocks = blocks
	in, err := m.Intervals(b)
	return m.Summary(f.Classes), in, err
}

func (f *Found) blocks() []int {
	out := make([]int, len(f.of))
	for i, o := range f.of {
		out[i] = o.block
	}
	return out
}

func pick[T any](all []T, of []int) []T {
	out := make([]T, len(of))
	for i, k := range of {
		out[i] = all[k]
	}
	return out
}

// Comparison is a detector held against another on the same pictures, in the
// classes that both know.
type Comparison struct {
	Network string  `json:"network"` // the other
	Engine  string  `json:"engine"`
	Classes int     `json:"classes"` // that both know
	AP      float64 `json:"ap"`      // of the other, in these classes
	AP50    float64 `json:"ap50"`
	// Difference is the first less the other.
	Difference ap.Difference `json:"difference"`
}

// Compare holds f against another detector, which ran on the same data.
func (f *Found) Compare(other *Found, b ap.Bootstrap) (Comparison, error) {
	c := Comparison{Network: other.By.Name, Engine: other.By.Engine}
	names := labels.NewClasses(other.Classes)
	here, there := map[int]int{}, map[int]int{}
	for i, name := range f.Classes {
		if k, known := names.Find(name); known {
			here[i], there[k] = c.Classes, c.Classes
			c.Classes++
		}
	}
	if c.Classes == 0 {
		return c, fmt.Errorf("networks %s and %s have no class in common: compare two of the same classes", f.By.Name, other.By.Name)
	}
	one, err := ap.Match(only(f.images, here), c.Classes)
	if err != nil {
		return c, err
	}
	two, err := ap.Match(only(other.images, there), c.Classes)
	if err != nil {
		return c, err
	}
	r := two.Summary(nil)
	c.AP, c.AP50 = r.AP, r.AP50
	b.Blocks = f.blocks()
	c.Difference, err = one.Compare(two, b)
	return c, err
}

// only keeps some classes of images and gives them other numbers.
func only(images []ap.Image, class map[int]int) []ap.Image {
	out := make([]ap.Image, len(images))
	for i, img := range images {
		for _, t := range img.Truth {
			if t.Class == ap.Any {
				out[i].Truth = append(out[i].Truth, t)
			} else if k, ok := class[t.Class]; ok {
				t.Class = k
				out[i].Truth = append(out[i].Truth, t)
			}
		}
		for _, d := range img.Found {
			if k, ok := class[d.Class]; ok {
				d.Class = k
				out[i].Found = append(out[i].Found, d)
			}
		}
	}
	return out
}

// Dump writes what was found as COCO results: a JSON array of image_id,
// category_id, bbox (pixels, to 0.001) and score (to 0.000001), best first in
// each picture. Images have the numbers of their names or of the COCO file, or
// are counted from 1; frames of a drive have their index. It fails for more
// than one data set, whose numbers could be the same.
func (f *Found) Dump(w io.Writer) error {
	if f.data > 1 {
		return errors.New("dump detections: numbers of images are of one data set: give one")
	}
	type result struct {
		Image    int        `json:"image_id"`
		Category int        `json:"category_id"`
		BBox     [4]float64 `json:"bbox"`
		Score    float64    `json:"score"`
	}
	round := func(v, perUnit float64) float64 { return math.Round(v*perUnit) / perUnit }
	out := bufio.NewWriter(w)
	begin := "["
	for i, img := range f.images {
		o := &f.of[i]
		for _, d := range slices.SortedStableFunc(slices.Values(img.Found), func(a, b ap.Detection) int { return cmp.Compare(b.Score, a.Score) }) {
			category := d.Class + 1
			if o.category != nil {
				category = o.category[d.Class]
			}
			if category == 0 {
				continue // the data has no such class
			}
			b := d.Box
			line, err := json.Marshal(result{o.id, category, [4]float64{round(b.X, 1000), round(b.Y, 1000), round(b.W, 1000), round(b.H, 1000)}, round(d.Score, 1e6)})
			if err != nil {
				return fmt.Errorf("dump detections: %w", err)
			}
			// Errors of out stay until Flush.
			_, _ = out.WriteString(begin + "\n")
			_, _ = out.Write(line)
			begin = ","
		}
	}
	if begin == "[" {
		_, _ = out.WriteString("[")
	}
	_, _ = out.WriteString("\n]\n")
	if err := out.Flush(); err != nil {
		return fmt.Errorf("dump detections: %w", err)
	}
	return nil
}
