// Package explain says in words why a frame was late, dropped or failed, from the
// reports of a run and nothing else: what took longer than usual, what was at work
// while it waited, and how that looks on a time line.
//
// Usual is the median of all finished frames of the run on the same rung.
//
// Invariants:
//   - The same reports give the same words, in whatever order they are given.
//   - A report may be hostile: no text of one gets into the words unseen, no time
//     overflows, and what is drawn has a bounded size.
//   - Every frame that is not on time is a miss with exactly one cause.
package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"dashline/internal/obs/timeline"
	"dashline/pipeline/msg"
)

// Parts of a frame's age that no stage of a report is.
const (
	lag     = "lag"     // the picture's age when it arrived
	between = "between" // from the end of the networks to the tracks
	sensed  = "sensed"  // from the begin of work to the end of the networks
	work    = "work"    // from the begin of work to the end
)

// Log is what is known of a run.
type Log struct {
	frames  []timeline.Placed // by arrival
	cameras map[string][]int  // the frames of each, by arrival
	usual   map[string]*usual // by rung
	worked  []int             // the frames that were begun, by begin
	ends    []time.Duration   // when all of those up to each had ended
	inOrder bool
}

// usual are the medians of one rung.
type usual struct {
	frames int
	took   map[string]time.Duration // of each stage, and of the parts above
}

// New takes the reports of a run, of all its cameras. It keeps them.
func New(reports []*msg.FrameReport) *Log {
	l := &Log{cameras: map[string][]int{}, usual: map[string]*usual{}, inOrder: timeline.RanInOrder(reports)}
	sorted := slices.Clone(reports)
	slices.SortStableFunc(sorted, func(a, b *msg.FrameReport) int {
		return cmp.Or(cmp.Compare(a.Arrived, b.Arrived), cmp.Compare(a.Camera, b.Camera), cmp.Compare(a.Seq, b.Seq))
	})
	placer := timeline.Placer{InOrder: l.inOrder}
	for i, r := range sorted {
		l.frames = append(l.frames, placer.Place(r))
		l.cameras[r.Camera] = append(l.cameras[r.Camera], i)
		if l.frames[i].Worked {
			l.worked = append(l.worked, i)
		}
	}
	slices.SortStableFunc(l.worked, func(a, b int) int { return cmp.Compare(l.frames[a].Start, l.frames[b].Start) })
	var end time.Duration
	for _, i := range l.worked {
		end = max(end, l.frames[i].End)
		l.ends = append(l.ends, end)
	}
	l.measure()
	return l
}

func finished(r *msg.FrameReport) bool { return r.Outcome == msg.OnTime || r.Outcome == msg.Late }

// measure finds the medians.
func (l *Log) measure() {
	all := map[string]map[string][]time.Duration{}
	for i := range l.frames {
		p := &l.frames[i]
		if !finished(p.Report) {
			continue
		}
		of := all[p.Report.Rung]
		if of == nil {
			of = map[string][]time.Duration{}
			all[p.Report.Rung] = of
		}
		add := func(part string, d time.Duration) { of[part] = append(of[part], d) }
		for _, stage := range []string{timeline.Wait, timeline.Preprocess, timeline.Forward, timeline.Decode, timeline.Track, timeline.Plan, timeline.Publish} {
			add(stage, p.Span(stage).Took())
		}
		if d := p.Span(timeline.Lanes).Took(); d > 0 { // they need not run on each frame
			add(timeline.Lanes, d)
		}
		add(lag, p.Lag)
		add(between, gap(p))
		add(sensed, p.Sensed-p.Start)
		add(work, p.End-p.Start)
	}
	for rung, of := range all {
		u := &usual{frames: len(of[work]), took: map[string]time.Duration{}}
		for part, times := range of {
			slices.Sort(times)
			u.took[part] = times[len(times)/2]
		}
		l.usual[rung] = u
	}
}

// A rung needs so many finished frames before anything is usual on it.
const enough = 5

// usualOf are the medians to compare a frame with; without times where there are
// too few.
func (l *Log) usualOf(p *timeline.Placed) *usual {
	u := l.usual[p.Report.Rung]
	switch {
	case u == nil:
		return &usual{}
	case u.frames < enough:
		return &usual{frames: u.frames}
	}
	return u
}

func (u *usual) known() bool { return u.frames >= enough }

// Cameras are their names, sorted.
func (l *Log) Cameras() []string {
	var names []string
	for name := range l.cameras {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// find is the index of a frame. Without a camera there must be one only that has
// such a frame.
func (l *Log) find(camera string, seq uint64) (int, error) {
	found := -1
	for _, name := range l.Cameras() {
		if camera != "" && name != camera {
			continue
		}
		for _, i := range l.cameras[name] {
			if l.frames[i].Report.Seq != seq {
				continue
			}
			if found >= 0 && l.frames[found].Report.Camera != name {
				return 0, fmt.Errorf("several cameras have a frame %d: name one of %s", seq, strings.Join(l.Cameras(), ", "))
			}
			found = i
			break
		}
	}
	switch {
	case found >= 0:
		return found, nil
	case camera != "" && l.cameras[camera] == nil:
		return 0, fmt.Errorf("there is no camera %s: there are %s", camera, strings.Join(l.Cameras(), ", "))
	}
	return 0, fmt.Errorf("there is no report of a frame %d", seq)
}

// neighbour is the frame of the same camera that came so many after, or before; -1
// where there is none.
func (l *Log) neighbour(i, by int) int {
	of := l.cameras[l.frames[i].Report.Camera]
	at, _ := slices.BinarySearch(of, i)
	if at += by; at < 0 || at >= len(of) {
		return -1
	}
	return of[at]
}
