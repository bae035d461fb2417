package accuracy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"dashline/detect/ap"
	"dashline/detect/labels"
	"dashline/model/catalog"
	"dashline/sensors/synth/truth"
)

// StreamingOptions say what a streaming accuracy is of.
type StreamingOptions struct {
	Recording string // of a run on a drive whose truth is known
	Truth     string // file of truth, or a video with one beside it; "" is what lies beside the recording's source
	Camera    string // of the recording; "" is the only one
	// Networks are descriptions of detectors that the catalogue does not know.
	Networks []string
	// Forecast takes tracks, brought up to each moment, instead of detections.
	Forecast bool
}

// Streamed is what a recorded run knew of a drive at each of its frames.
type Streamed struct {
	recording string
	networks  []string
	classes   []string // that any of the networks knows
	forecast  bool
	left      map[string]int
	moments   []moment
	offline   []ap.Image // frames with an answer, with their own
	seconds   []int      // of offline
}

// moment is one frame of the drive and what was known then.
type moment struct {
	index int // of the drive's frame
	block int // second of the drive
	image ap.Image
	age   time.Duration // of the newest picture that the answer comes from; -1: there was no answer yet
}

// Streaming reads a recorded run and pairs its answers with the drive's truth: see
// [ap.Streaming]. Moments are the drive's frames from the first to the last that
// the source of the run produced.
func Streaming(ctx context.Context, o StreamingOptions) (*Streamed, error) {
	p, err := play(o.Recording, o.Camera, o.Forecast)
	if err != nil {
		return nil, err
	}
	s := &Streamed{recording: o.Recording, networks: p.networks, forecast: o.Forecast}
	if s.classes, err = classesOf(p.networks, o.Networks); err != nil {
		return nil, err
	}
	path, err := truthOf(o.Truth, p.source)
	if err != nil {
		return nil, err
	}
	known := labels.NewClasses(s.classes)
	d, err := actual(ctx, path, known)
	if err != nil {
		return nil, err
	}
	if err := d.meet(p); err != nil {
		return nil, fmt.Errorf("recording %s, truth %s: %w", o.Recording, path, err)
	}
	s.left = known.Left
	s.pair(p, d, known)
	return s, nil
}

// classesOf are the classes that any of the networks knows.
func classesOf(networks, descriptions []string) ([]string, error) {
	given := map[string][]string{}
	for _, ref := range descriptions {
		n, err := Known(ref, "detect")
		if missing, ok := errors.AsType[*catalog.MissingError](err); ok { // only its words are needed
			n, err = &missing.Network, nil
		}
		if err != nil {
			return nil, err
		}
		given[n.Name] = n.Classes
	}
	var all []string
	for _, name := range networks {
		of, ok := given[name]
		if !ok {
			n, err := catalog.Get(name)
			if err != nil {
				return nil, &NetworkError{fmt.Errorf("nobody can say what %q should have found: it is not in the catalogue: give its description with --network", name)}
			}
			of = n.Classes
		}
		for _, class := range of {
			if _, known := labels.NewClasses(all).Find(class); !known {
				all = append(all, class)
			}
		}
	}
	return all, nil
}

// truthOf finds the file of truth.
func truthOf(given, source string) (string, error) {
	path := given
	if path == "" {
		path = source
	}
	if name := strings.TrimSuffix(path, ".gz"); strings.HasSuffix(name, ".jsonl") {
		return path, nil
	}
	if beside, ok := truth.Beside(path); ok {
		return beside, nil
	}
	if given == "" {
		return "", fmt.Errorf("no truth lies beside %s, which the recording is of: give --truth with the drive or its NAME.truth.jsonl.gz", source)
	}
	return "", fmt.Errorf("--truth %s: no truth lies beside this video (NAME.truth.jsonl.gz): `dashline synth` writes both", given)
}

// facts are a drive's truth in memory, a moment a frame.
type facts struct {
	truth.Drive
	all []ap.Moment
}

// actual reads truth for networks of the known classes.
func actual(ctx context.Context, path string, known *labels.Classes) (*facts, error) {
	r, err := truth.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	d := &facts{Drive: r.Drive}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f, err := r.Next()
		if err == io.EOF {
			return d, nil
		}
		if err != nil {
			return nil, err
		}
		at := time.Duration(math.Round(f.Time * float64(time.Second)))
		d.all = append(d.all, ap.Moment{At: at, Truth: known.Frame(&f)})
	}
}

// meet holds a recording against the drive that it is said to be of, and takes its
// times for the drive's frames: those of truth are rounded, and an answer without
// any latency would come too late.
func (d *facts) meet(p *played) error {
	tolerance := time.Duration(float64(time.Second) / d.FPS / 4)
	truths := make([]time.Duration, len(d.all))
	for i := range d.all {
		truths[i] = d.all[i].At
	}
	for _, pts := range p.frames {
		i := sort.Search(len(truths), func(i int) bool { return truths[i] > pts-tolerance })
		if i == len(truths) || truths[i] > pts+tolerance {
			return fmt.Errorf("the recording has a frame at %v, where the drive of %d frames has none: give --truth of the drive that was recorded, once through", pts, len(truths))
		}
		d.all[i].At = pts
	}
	for _, a := range p.answers {
		if w, h := a.width, a.height; w != d.Camera.Width || h != d.Camera.Height {
			return fmt.Errorf("the recording's pictures are of %dx%d pixels, the drive's of %dx%d: give --truth of the drive that was recorded", w, h, d.Camera.Width, d.Camera.Height)
		}
	}
	return nil
}

// pair makes the images of both accuracies.
func (s *Streamed) pair(p *played, d *facts, known *labels.Classes) {
	outputs := make([]ap.Output, len(p.answers))
	own := map[time.Duration]int{}
	var ahead ap.Forecast
	if s.forecast {
		ahead = forecast(p.answers, known)
	}
	for i, a := range p.answers {
		o := &outputs[i]
		o.Captured, o.Published = a.captured, a.published
		if ahead == nil {
			o.Found = named(a, known)
		} else {
			o.Found = ahead(i, a.captured)
		}
		own[a.captured] = i
	}
	first := slices.IndexFunc(d.all, func(m ap.Moment) bool { return m.At >= p.frames[0] })
	end := first
	for end < len(d.all) && d.all[end].At <= p.frames[len(p.frames)-1] {
		end++
	}
	part := d.all[first:end]
	images, used := ap.Streaming(part, outputs, ahead)
	for i, img := range images {
		m := moment{index: first + i, block: int(part[i].At / time.Second), image: img, age: -1}
		if used[i] >= 0 {
			m.age = part[i].At - p.answers[used[i]].seen
		}
		s.moments = append(s.moments, m)
		if k, ok := own[part[i].At]; ok {
			s.offline = append(s.offline, ap.Image{Truth: part[i].Truth, Found: outputs[k].Found})
			s.seconds = append(s.seconds, m.block)
		}
	}
}

// named are an answer's detections with classes by their names.
func named(a answer, known *labels.Classes) []ap.Detection {
	all := detections(a.found.Items)
	out := all[:0]
	for i, d := range all {
		var ok bool
		if d.Class, ok = known.Find(a.found.Items[i].Label); ok {
			out = append(out, d)
		}
	}
	return out
}

// StreamingScore is an average precision with its intervals.
type StreamingScore struct {
	ap.Result
	ap.Intervals
	Images int `json:"images"`
}

// StreamingReport is the accuracy of a run at each moment of a drive, and of the
// same answers at their own frames.
type StreamingReport struct {
	Recording string         `json:"recording"`
	Networks  []string       `json:"networks"`
	Forecast  bool           `json:"forecast"`  // answers are tracks, brought up to each moment
	Streaming StreamingScore `json:"streaming"` // over every frame of the drive
	Offline   StreamingScore `json:"offline"`   // over the frames that an answer is about
	Staleness Staleness      `json:"staleness_ms"`
	// NoOutput is the share of the drive's frames before the first answer.
	NoOutput float64        `json:"no_output"`
	Left     map[string]int `json:"left_out,omitempty"` // see [Report]
}

// Staleness is how old the picture was that the newest answer is about, or the
// latest that a detector ran on where it is a prediction alone, over the frames of the
// drive at which there was an answer: milliseconds; -1 where there were none.
type Staleness struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

// Report measures both accuracies.
func (s *Streamed) Report(b ap.Bootstrap) (StreamingReport, error) {
	r := StreamingReport{Recording: s.recording, Networks: s.networks, Forecast: s.forecast, Left: maps.Clone(s.left)}
	images, blocks := make([]ap.Image, len(s.moments)), make([]int, len(s.moments))
	var ages []time.Duration
	for i, m := range s.moments {
		images[i], blocks[i] = m.image, m.block
		if m.age >= 0 {
			ages = append(ages, m.age)
		}
	}
	r.Staleness = staleness(ages)
	r.NoOutput = 1 - float64(len(ages))/float64(len(s.moments))
	var err error
	if r.Streaming, err = s.score(images, blocks, b); err != nil {
		return r, err
	}
	r.Offline, err = s.score(s.offline, s.seconds, b)
	return r, err
}

func (s *Streamed) score(images []ap.Image, blocks []int, b ap.Bootstrap) (v StreamingScore, err error) {
	m, err := ap.Match(images, len(s.classes))
	if err != nil {
		return v, fmt.Errorf("recording %s: %w", s.recording, err)
	}
	b.Blocks = blocks
	v.Result, v.Images = m.Summary(s.classes), len(images)
	v.Intervals, err = m.Intervals(b)
	return v, err
}

// staleness sorts ages. Percentiles are by nearest rank.
func staleness(ages []time.Duration) Staleness {
	if len(ages) == 0 {
		return Staleness{-1, -1, -1, -1}
	}
	slices.Sort(ages)
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	rank := func(q float64) float64 { return ms(ages[max(0, int(math.Ceil(q*float64(len(ages))))-1)]) }
	sum := 0.0
	for _, a := range ages {
		sum += ms(a)
	}
	return Staleness{sum / float64(len(ages)), rank(.5), rank(.99), rank(1)}
}

// StreamingComparison is a run held against another on the same drive: at the
// frames that both saw, in the classes that both know.
type StreamingComparison struct {
	Recording string  `json:"recording"` // the other
	Images    int     `json:"images"`
	Classes   int     `json:"classes"`
	AP        float64 `json:"ap"` // of the other, streaming, at these frames and in these classes
	AP50      float64 `json:"ap50"`
	// Difference is the first's streaming accuracy less the other's.
	Difference ap.Difference `json:"difference"`
}

// Compare holds s against another run on the same drive. It fails where they have
// no frame or no class in common, or where their truth differs.
func (s *Streamed) Compare(other *Streamed, b ap.Bootstrap) (StreamingComparison, error) {
	c := StreamingComparison{Recording: other.recording}
	here, there := common(s.classes, other.classes)
	if c.Classes = len(here); c.Classes == 0 {
		return c, fmt.Errorf("recordings %s and %s are of networks without a common class: compare two of the same classes", s.recording, other.recording)
	}
	theirs := map[int]moment{}
	for _, m := range other.moments {
		theirs[m.index] = m
	}
	var one, two []ap.Image
	b.Blocks = []int{}
	for _, m := range s.moments {
		if k, ok := theirs[m.index]; ok {
			one, two, b.Blocks = append(one, m.image), append(two, k.image), append(b.Blocks, m.block)
		}
	}
	if c.Images = len(one); c.Images == 0 {
		return c, fmt.Errorf("recordings %s and %s have no frame of the drive in common: record the same part of it", s.recording, other.recording)
	}
	one, two = only(one, here), only(two, there)
	for i := range one {
		if !slices.Equal(one[i].Truth, two[i].Truth) {
			return c, fmt.Errorf("recordings %s and %s are not of the same drive: record the same one", s.recording, other.recording)
		}
	}
	mine, err := ap.Match(one, c.Classes)
	if err != nil {
		return c, err
	}
	others, err := ap.Match(two, c.Classes)
	if err != nil {
		return c, err
	}
	r := others.Summary(nil)
	c.AP, c.AP50 = r.AP, r.AP50
	c.Difference, err = mine.Compare(others, b)
	return c, err
}

// common numbers the classes that both lists know, for [only] of each.
func common(a, b []string) (ofA, ofB map[int]int) {
	names := labels.NewClasses(b)
	ofA, ofB = map[int]int{}, map[int]int{}
	for i, name := range a {
		if k, known := names.Find(name); known {
			if _, taken := ofB[k]; !taken {
				ofA[i], ofB[k] = len(ofA), len(ofB)
			}
		}
	}
	return ofA, ofB
}
