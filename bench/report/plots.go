package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// step is a time and the share of frames that took no longer.
type step struct{ ms, share float64 }

// curve is how many of all frames that came were answered, by time, or in closed loop
// done. Frames that never were let it end below 1.
func curve(s *Subject, closed bool) []step {
	d := s.main(closed)
	if d == nil {
		return nil
	}
	finished := 1.
	if o := s.Outcomes; o.Produced > 0 && !closed {
		finished = min(1, float64(d.Count)/float64(o.Produced))
	}
	// The greatest of n is some quantile above 1-1/n.
	top := 1 - 1/(2*float64(max(d.Count, 1)))
	var all []step
	add := func(ms, q float64) {
		if drawable(ms) && q >= 0 && q <= 1 {
			all = append(all, step{ms, min(q, top)})
		}
	}
	for i, ms := range s.CDF {
		if len(s.CDF) > 1 {
			add(ms, finished*float64(i)/float64(len(s.CDF)-1))
		}
	}
	for _, q := range d.Quantiles {
		add(q.Value, q.Q)
	}
	slices.SortStableFunc(all, func(a, b step) int { return cmp.Or(cmp.Compare(a.share, b.share), cmp.Compare(a.ms, b.ms)) })
	for i := 1; i < len(all); i++ { // thinned values and quantiles are rounded differently
		all[i].ms = max(all[i].ms, all[i-1].ms)
	}
	return all
}

// nines is a scale on which each next nine is as far: 90 % is 1, 99 % is 2.
func nines(share float64) float64 { return -math.Log10(1 - share) }

func latencies(r *Result) figurePlot {
	closed := r.Scenario.Closed
	f := figurePlot{Title: "How many frames were answered by when", Says: "Each line higher is ten times fewer frames that are not answered yet. "}
	if closed {
		f.Says += "Times of work alone: frames that would have waited are not here."
	} else {
		f.Says += "A frame is answered when it, or a newer one of its camera, is published: one that is dropped waits for the next. "
	}
	x, most := newExtent(), 1
	curves := make([][]step, len(r.Subjects))
	for i := range r.Subjects {
		s := &r.Subjects[i]
		curves[i] = curve(s, closed)
		for _, p := range curves[i] {
			x.add(p.ms)
		}
		if d := s.main(closed); d != nil {
			most = max(most, d.Count)
		}
	}
	if x.empty() {
		return figurePlot{}
	}
	top := min(8, math.Ceil(math.Log10(float64(most))))
	goal := r.Goal
	if goal != nil && !drawable(goal.Deadline) {
		goal = nil
	}
	if goal != nil {
		x.add(goal.Deadline)
		f.Says += "Bars: the interval of the quantile that was asked for, with an arrow where it has no upper end. A curve that passes right of the corner of the dashed lines missed it in this run; how sure that is, the verdict says."
		if goal.Quantile > 0 && goal.Quantile < 1 {
			top = max(top, min(8, nines(goal.Quantile)+.5))
		}
	}
	p := newPlot(timeName(closed)+", ms", "of all frames")
	if closed {
		p.X.Label.Text = "time of a frame, ms"
	}
	logAxis(&p.X, x.low, x.high)
	p.Y.Min, p.Y.Max = 0, max(top, 1)
	marks := plot.ConstantTicks{{Value: 0, Label: "0 %"}, {Value: nines(.5), Label: "50 %"}}
	for n := 1.; n <= p.Y.Max; n++ {
		marks = append(marks, plot.Tick{Value: n, Label: quantileName(1 - math.Pow(10, -n))[1:] + " %"})
	}
	p.Y.Tick.Marker = marks
	if goal != nil {
		p.Add(goalLines(goal))
	}
	for i, c := range curves {
		p.Add(stairs(c, i))
		if goal != nil {
			p.Add(goalBar(&r.Subjects[i], i, goal.Quantile, closed))
		}
	}
	f.SVG = picture(p, f.Title, plotWidth, plotHeight)
	return f
}

// goalLines are the deadline and the share of frames that are to make it.
func goalLines(g *Goal) draws {
	return func(c draw.Canvas, p *plot.Plot) {
		style := draw.LineStyle{Color: bad(), Width: 1.2, Dashes: []vg.Length{5, 3}}
		x := c.X(p.X.Norm(g.Deadline))
		c.StrokeLine2(style, x, c.Min.Y, x, c.Max.Y)
		if g.Quantile > 0 && g.Quantile < 1 {
			if y := c.Y(p.Y.Norm(nines(g.Quantile))); c.ContainsY(y) {
				c.StrokeLine2(style, c.Min.X, y, c.Max.X, y)
			}
		}
		t := label(bad(), noteLetters)
		text := "deadline " + setting(g.Deadline) + " ms"
		at := vg.Point{X: x + 5, Y: c.Min.Y + 9}
		if at.X+t.Width(text) > c.Max.X {
			at.X = x - 5 - t.Width(text)
		}
		c.FillText(t, at, text)
	}
}

// stairs draws a curve, thinned to what is seen: one point to half a unit.
func stairs(all []step, i int) draws {
	return func(c draw.Canvas, p *plot.Plot) {
		var line []vg.Point
		for j, s := range all {
			at := vg.Point{X: c.X(p.X.Norm(s.ms)), Y: min(c.Y(p.Y.Norm(nines(s.share))), c.Max.Y)}
			if n := len(line); n > 0 && j < len(all)-1 && math.Hypot(float64(at.X-line[n-1].X), float64(at.Y-line[n-1].Y)) < .5 {
				continue
			}
			line = append(line, at)
		}
		style := draw.LineStyle{Color: category(i), Width: 1.8}
		if i >= categories { // a lighter colour is hard to tell apart from its own
			style.Dashes = []vg.Length{6, 2}
		}
		c.StrokeLines(style, line)
	}
}

// goalBar is the interval of the goal's quantile, with an arrow where it has no end.
func goalBar(s *Subject, i int, quantile float64, closed bool) draws {
	return func(c draw.Canvas, p *plot.Plot) {
		q, ok := s.main(closed).of(quantile)
		if !ok || q.Low == nil || !drawable(*q.Low) || (q.High != nil && !drawable(*q.High)) {
			return
		}
		y := c.Y(p.Y.Norm(nines(q.Q)))
		if !c.ContainsY(y) {
			return
		}
		from := max(c.X(p.X.Norm(*q.Low)), c.Min.X)
		to := min(c.X(p.X.Norm(q.Value))+14, c.Max.X)
		style := draw.LineStyle{Color: category(i), Width: 1.4}
		if q.High != nil {
			to = min(c.X(p.X.Norm(*q.High)), c.Max.X)
			c.StrokeLine2(style, to, y-4, to, y+4)
		} else {
			c.StrokeLines(style, []vg.Point{{X: to - 4, Y: y + 3}, {X: to, Y: y}, {X: to - 4, Y: y - 3}})
		}
		c.StrokeLine2(style, from, y-4, from, y+4)
		c.StrokeLine2(style, from, y, to, y)
	}
}

func byLatency(r *Result) figurePlot {
	x := fmt.Sprintf("%s p99, ms", timeName(r.Scenario.Closed))
	return pareto(r, "Accuracy and time", x, func(s *Subject) float64 {
		q, _ := s.main(r.Scenario.Closed).of(.99)
		return q.Value
	})
}

func bySize(r *Result) figurePlot {
	return pareto(r, "Accuracy and size", "file, MB", func(s *Subject) float64 { return float64(s.FileBytes) / 1e6 })
}

// pareto draws accuracy over something that is better when it is less.
func pareto(r *Result, title, x string, of func(*Subject) float64) figurePlot {
	type spot struct {
		subject            int
		x                  float64
		offline, streaming *Interval
	}
	var spots []spot
	xs, ys := newExtent(), newExtent()
	data, streamed := "", false
	for i := range r.Subjects {
		s := &r.Subjects[i]
		v, a := of(s), s.Accuracy
		if a == nil || !drawable(v) || !(inUnit(a.Offline) || inUnit(a.Streaming)) {
			continue
		}
		sp := spot{subject: i, x: v}
		if inUnit(a.Offline) {
			sp.offline = a.Offline
			ys.add(a.Offline.Low)
			ys.add(a.Offline.High)
		}
		if inUnit(a.Streaming) {
			sp.streaming, streamed = a.Streaming, true
			ys.add(a.Streaming.Low)
			ys.add(a.Streaming.High)
		}
		xs.add(v)
		spots, data = append(spots, sp), a.Data
	}
	if len(spots) < 2 { // there is nothing to weigh
		return figurePlot{}
	}
	p := newPlot(x, "AP50")
	logAxis(&p.X, xs.low/1.1, xs.high*1.1)
	margin := max(.02, (ys.high-ys.low)*.1)
	p.Y.Min, p.Y.Max = max(0, ys.low-margin), min(1, ys.high+margin)
	p.Y.Tick.Marker = plot.ConstantTicks(evenTicks(p.Y.Min, p.Y.Max))
	p.Add(draws(func(c draw.Canvas, p *plot.Plot) {
		var names labels
		at := func(x, y float64) vg.Point { return vg.Point{X: c.X(p.X.Norm(x)), Y: c.Y(p.Y.Norm(y))} }
		var front []vg.Point
		byX := slices.Clone(spots)
		slices.SortStableFunc(byX, func(a, b spot) int { return cmp.Compare(a.x, b.x) })
		for _, s := range byX {
			if s.offline == nil {
				continue
			}
			q := at(s.x, s.offline.Value)
			if n := len(front); n == 0 || q.Y > front[n-1].Y {
				if n > 0 {
					front = append(front, vg.Point{X: q.X, Y: front[n-1].Y})
					names.keep(front[n-1].X, front[n-1].Y-1, q.X, front[n-1].Y+1)
				}
				front = append(front, q)
			}
		}
		if n := len(front); n > 0 {
			front = append(front, vg.Point{X: c.Max.X, Y: front[n-1].Y})
			c.StrokeLines(draw.LineStyle{Color: soft(), Width: .8, Dashes: []vg.Length{2, 2}}, front)
		}
		mark := func(i int, x float64, v *Interval, shape draw.GlyphDrawer) {
			if v == nil {
				return
			}
			q, low, high := at(x, v.Value), at(x, v.Low), at(x, v.High)
			c.StrokeLine2(draw.LineStyle{Color: category(i), Width: 1}, low.X, low.Y, high.X, high.Y)
			if _, ring := shape.(draw.RingGlyph); ring {
				c.DrawGlyphNoClip(draw.GlyphStyle{Color: back(), Radius: 4, Shape: draw.CircleGlyph{}}, q)
			}
			c.DrawGlyphNoClip(draw.GlyphStyle{Color: category(i), Radius: 4, Shape: shape}, q)
			names.keep(q.X-4, q.Y-4, q.X+4, q.Y+4)
			names.keep(q.X-1, low.Y, q.X+1, high.Y)
		}
		for _, s := range spots {
			mark(s.subject, s.x, s.offline, draw.CircleGlyph{})
			mark(s.subject, s.x, s.streaming, draw.RingGlyph{})
		}
		for _, s := range spots {
			v := s.offline
			if v == nil {
				v = s.streaming
			}
			names.write(c, label(ink(), noteLetters), at(s.x, v.Value), short(r.Subjects[s.subject].Name, 22))
		}
	}))
	f := figurePlot{Title: title, SVG: picture(p, title, plotWidth, plotHeight)}
	f.Says = "Better is up and to the left; none is above the dotted line. Dots: accuracy offline, where time costs nothing."
	if streamed {
		f.Says += " Rings: streaming, where an answer counts for what is there when it comes."
	}
	f.Says += " Bars: intervals."
	if data != "" {
		f.Says += " On " + data + "."
	}
	return f
}

// inUnit says whether an accuracy can be drawn.
func inUnit(v *Interval) bool {
	return v != nil && v.Low >= 0 && v.Low <= v.Value && v.Value <= v.High && v.High <= 1
}

// stageNames are all subjects' stages in the order in which they come.
func stageNames(r *Result) []string {
	var names []string
	for i := range r.Subjects {
		for _, s := range r.Subjects[i].Stages {
			if !s.Part && !slices.Contains(names, s.Name) {
				names = append(names, s.Name)
			}
		}
	}
	return names
}

// waterfall stacks the mean time in each stage, a bar for each subject.
func waterfall(r *Result, names []string) figurePlot {
	type bar struct {
		subject *Subject
		total   float64
	}
	var bars []bar
	longest := 0.
	for i := range r.Subjects {
		b := bar{subject: &r.Subjects[i]}
		for _, s := range b.subject.Stages {
			if !s.Part && drawable(s.Mean) {
				b.total += s.Mean
			}
		}
		if b.total == 0 {
			continue
		}
		longest = max(longest, b.total)
		if f := b.subject.Frame; f != nil && drawable(f.Mean) {
			longest = max(longest, f.Mean)
		}
		bars = append(bars, b)
	}
	if len(bars) == 0 {
		return figurePlot{}
	}
	const each = 37 // units for a name and the bar below it
	p := newPlot("mean of a frame, ms", "")
	p.X.Min, p.X.Max = 0, longest*1.02
	p.X.Tick.Marker = plot.ConstantTicks(evenTicks(0, p.X.Max))
	p.Y.Min, p.Y.Max = 0, float64(len(bars))
	p.Y.Tick.Marker = plot.ConstantTicks(nil)
	p.Y.Width, p.Y.Tick.Length = 0, 0
	p.Add(draws(func(c draw.Canvas, p *plot.Plot) {
		for i, b := range bars {
			top := c.Y(p.Y.Norm(float64(len(bars) - i)))
			c.FillText(label(ink(), noteLetters), vg.Point{X: c.Min.X + 2, Y: top - 9},
				fmt.Sprintf("%s, %s ms", short(b.subject.Name, 34), millis(b.total)))
			at := 0.
			for _, s := range b.subject.Stages {
				if s.Part || !drawable(s.Mean) {
					continue
				}
				from, to := c.X(p.X.Norm(at)), c.X(p.X.Norm(at+s.Mean))
				at += s.Mean
				c.FillPolygon(category(slices.Index(names, s.Name)), []vg.Point{{X: from, Y: top - 32}, {X: to, Y: top - 32}, {X: to, Y: top - 18}, {X: from, Y: top - 18}})
			}
			if f := b.subject.Frame; f != nil && drawable(f.Mean) {
				x := c.X(p.X.Norm(f.Mean))
				c.StrokeLine2(draw.LineStyle{Color: ink(), Width: 1.6}, x, top-34, x, top-16)
			}
		}
	}))
	f := figurePlot{Title: "Where the time goes"}
	f.Says = "Mean time in each stage, one after another; stages that run beside each other are stacked as well. The mark across is the mean of whole frames."
	f.SVG = picture(p, f.Title, plotWidth, vg.Length(len(bars)*each+52))
	return f
}
