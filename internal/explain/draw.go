package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"dashline/internal/obs/timeline"
	"dashline/internal/plain"
	"dashline/pipeline/msg"
)

const (
	columns = 64
	around  = 2 // frames of the camera before and after
	others  = 4 // frames of other cameras at most
)

// letters are how a stage is drawn, in the order of the legend.
var letters = []struct {
	stage  string
	letter byte
	words  string
}{
	{timeline.Source, 's', "source"},
	{timeline.Wait, '-', "wait"},
	{timeline.Preprocess, 'p', "preprocess"},
	{timeline.Forward, 'F', "forward"},
	{timeline.Decode, 'd', "decode"},
	{timeline.Detect, 'D', "detection"},
	{timeline.Lanes, 'L', "lanes alone"},
	{between, '.', "between stages"},
	{timeline.Track, 't', "track"},
	{timeline.Plan, 'n', "plan"},
	{timeline.Publish, 'P', "publish"},
	{"canary", 'c', "canary at most"},
	{"dropped", 'x', "dropped"},
	{"failed", '!', "failed"},
	{"deadline", '|', "deadline"},
}

func letterOf(stage string) byte {
	for _, l := range letters {
		if l.stage == stage {
			return l.letter
		}
	}
	return '?'
}

// draw shows a frame, its neighbours, and what was at work while it waited, on one
// axis whose 0 is the frame's arrival.
func (l *Log) draw(i int, at []blocker) []string {
	rows := []int{i}
	for by := -around; by <= around; by++ {
		if n := l.neighbour(i, by); n >= 0 && by != 0 {
			rows = append(rows, n)
		}
	}
	more := 0
	for _, b := range at {
		if more < others && !slices.Contains(rows, b.frame) {
			rows = append(rows, b.frame)
			more++
		}
	}
	slices.Sort(rows) // by arrival
	f := l.fieldOf(i, rows)
	width := 0
	labels := make([]string, len(rows))
	for k, row := range rows {
		r := l.frames[row].Report
		labels[k] = fmt.Sprintf("  %s %s", plain.Line(name(r)), outcomeWord(r.Outcome))
		if row == i {
			labels[k] = ">" + labels[k][1:]
		}
		width = max(width, len([]rune(labels[k])))
	}
	out := []string{strings.Repeat(" ", width+2) + f.axis(l.frames[i].Arrived)}
	used := map[byte]bool{}
	for k, row := range rows {
		cells := l.row(f, row)
		for _, c := range cells {
			used[c] = true
		}
		pad := strings.Repeat(" ", width-len([]rune(labels[k]))+2)
		out = append(out, strings.TrimRight(labels[k]+pad+string(cells), " "))
	}
	var legend []string
	for _, x := range letters {
		if used[x.letter] {
			legend = append(legend, string(x.letter)+" "+x.words)
		}
	}
	return append(out, strings.Repeat(" ", width+2)+strings.Join(legend, ", "))
}

func outcomeWord(o msg.Outcome) string {
	if o == msg.OnTime {
		return "on time"
	}
	return plain.Line(string(o))
}

// field is what a row shows: so much time from a moment on.
type field struct{ from, length time.Duration }

// fieldOf has all of the frame, and of the others what is not far from it.
func (l *Log) fieldOf(i int, rows []int) field {
	p := &l.frames[i]
	reach := 3 * max(p.End-p.Arrived, min(p.Report.Deadline, time.Hour), time.Millisecond)
	from, to := p.Arrived, max(p.End, min(p.Due, p.Arrived+reach))
	for _, row := range rows {
		o := &l.frames[row]
		begin := o.Arrived
		if s := o.Span(timeline.Source); s.To > s.From {
			begin = s.From
		}
		from, to = min(from, max(begin, p.Arrived-reach)), max(to, min(o.End, p.End+reach))
	}
	return field{from, max(to-from, 1)}
}

// cell is the column of a moment, perhaps outside.
func (f field) cell(t time.Duration) int {
	if t < f.from {
		return -1
	}
	return int(float64(t-f.from) / float64(f.length) * columns)
}

// axis has a mark at every round time.
func (f field) axis(zero time.Duration) string {
	step := time.Microsecond
	for k, ten := 1, time.Microsecond; f.length/step > 5; k++ {
		if k%3 == 0 {
			ten *= 10
		}
		step = [...]time.Duration{1, 2, 5}[k%3] * ten
	}
	line := []byte(strings.Repeat(" ", columns+12))
	end := 0
	for t := (f.from - zero) / step * step; t <= f.from+f.length-zero; t += step {
		at := f.cell(zero + t)
		if at < end || at >= columns {
			continue
		}
		text := strings.TrimSuffix(fmt.Sprintf("'%.3g ms", millis(t)), " ms")
		if end == 0 {
			text += " ms"
		}
		copy(line[at:], text)
		end = at + len(text) + 1
	}
	return strings.TrimRight(string(line), " ")
}

// row draws what a frame was waiting for at each moment.
func (l *Log) row(f field, i int) []byte {
	p := &l.frames[i]
	cells := []byte(strings.Repeat(" ", columns))
	weight := make([]time.Duration, columns) // how much of the cell its letter has
	fill := func(from, to time.Duration, letter byte) {
		for c := max(0, f.cell(from)); c < columns && c <= f.cell(to); c++ {
			begin := f.from + time.Duration(float64(f.length)*float64(c)/columns)
			end := f.from + time.Duration(float64(f.length)*float64(c+1)/columns)
			if share := min(to, end) - max(from, begin); share > weight[c] {
				cells[c], weight[c] = letter, share
			}
		}
	}
	detected := p.Start
	for _, s := range p.Spans {
		from := s.From
		switch s.Stage {
		case timeline.Preprocess, timeline.Forward, timeline.Decode, timeline.Detect:
			detected = max(detected, s.To)
		case timeline.Lanes:
			from = max(from, detected)
		}
		if from < s.To {
			fill(from, s.To, letterOf(s.Stage))
		}
	}
	if finished(p.Report) {
		fill(p.Sensed, p.Sensed+gap(p), letterOf(between))
	}
	if p.Report.Canary != "" {
		k, _ := slices.BinarySearchFunc(l.worked, p.End, func(w int, end time.Duration) int { return cmp.Compare(l.frames[w].Start, end) })
		if k < len(l.worked) {
			fill(p.End, l.frames[l.worked[k]].Start, letterOf("canary"))
		}
	}
	mark := func(t time.Duration, what string) {
		if c := min(f.cell(t), columns); c >= 0 && t <= f.from+f.length {
			cells[min(c, columns-1)] = letterOf(what)
		}
	}
	if p.Report.Deadline > 0 {
		mark(p.Due, "deadline")
	}
	switch p.Report.Outcome {
	case msg.Dropped, msg.Failed:
		mark(p.End, string(p.Report.Outcome))
	}
	return cells
}
