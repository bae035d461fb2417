package report

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// mostOverTime is how many subjects have a plot over time.
const mostOverTime = 12

// overTime draws each frame's age, of each subject, on the same scales.
func overTime(r *Result) []figurePlot {
	x, y := newExtent(), newExtent()
	for i := range r.Subjects {
		for _, p := range r.Subjects[i].Series {
			if !(p.At >= 0 && p.At < 1e9) {
				continue
			}
			x.add(p.At)
			if p.done() {
				y.add(p.Age)
			}
		}
	}
	if x.empty() || y.empty() || x.high == x.low {
		return nil
	}
	deadline := 0.
	if g := r.Goal; g != nil && drawable(g.Deadline) {
		deadline = g.Deadline
		y.add(deadline)
	}
	var all []figurePlot
	for i := range r.Subjects {
		s := &r.Subjects[i]
		if len(s.Series) == 0 || len(all) == mostOverTime {
			continue
		}
		p := newPlot("time, s", "age, ms")
		p.X.Min, p.X.Max = 0, x.high
		p.X.Tick.Marker = plot.ConstantTicks(evenTicks(0, x.high))
		logAxis(&p.Y, y.low, y.high*1.25) // room for those that have no age
		p.Add(frames{s.Series, i, deadline}.draws())
		f := figurePlot{Title: short(s.Name, longestName), Says: "every frame on time"}
		if deadline == 0 {
			f.Says = plural(s.Outcomes.Produced, "frame")
		}
		if lost := s.Outcomes.Late + s.Outcomes.Dropped + s.Outcomes.Failed; lost > 0 {
			f.Says = fmt.Sprintf("red: %s late; at the upper edge: %s dropped, %s failed", count(s.Outcomes.Late), count(s.Outcomes.Dropped), count(s.Outcomes.Failed))
		}
		f.SVG = picture(p, f.Title+" over time", smallWidth, smallHeight)
		all = append(all, f)
	}
	return all
}

// done says whether a frame has an age that can be drawn.
func (p Point) done() bool {
	return drawable(p.Age) && p.Outcome != "dropped" && p.Outcome != "failed"
}

// frames is one subject's over time.
type frames struct {
	series   []Point
	subject  int
	deadline float64
}

// column has the youngest and the oldest of the frames that are drawn there.
type extremes struct {
	low, high vg.Length
	any       bool
}

// draws draws, for each unit of width, the least and the greatest age of frames that
// were on time, so that no outlier is lost by thinning; and each late frame.
func (f frames) draws() draws {
	return func(c draw.Canvas, p *plot.Plot) {
		if f.deadline > 0 {
			y := c.Y(p.Y.Norm(f.deadline))
			c.StrokeLine2(draw.LineStyle{Color: bad(), Width: 1, Dashes: []vg.Length{5, 3}}, c.Min.X, y, c.Max.X, y)
		}
		columns := make([]extremes, int(math.Ceil(float64(c.Max.X-c.Min.X)))+1)
		var late, lost vg.Path
		seen := map[[2]int]bool{}
		for _, q := range f.series {
			if !(q.At >= 0 && q.At <= p.X.Max) {
				continue
			}
			x := c.X(p.X.Norm(q.At))
			column := &columns[int(x-c.Min.X)]
			if !q.done() {
				if q.Outcome != "dropped" && q.Outcome != "failed" {
					continue
				}
				if key := [2]int{int(x * 2), -1}; !seen[key] {
					seen[key] = true
					square(&lost, vg.Point{X: x, Y: c.Max.Y - 4}, .5, 4)
				}
				continue
			}
			y := c.Y(p.Y.Norm(q.Age))
			if q.Outcome == "late" {
				if key := [2]int{int(x * 2), int(y)}; !seen[key] {
					seen[key] = true
					square(&late, vg.Point{X: x, Y: y}, 1.5, 1.5)
				}
				continue
			}
			if !column.any {
				*column = extremes{y, y, true}
			}
			column.low, column.high = min(column.low, y), max(column.high, y)
		}
		var onTime vg.Path
		for i, e := range columns {
			if e.any {
				square(&onTime, vg.Point{X: c.Min.X + vg.Length(i) + .5, Y: (e.low + e.high) / 2}, .5, max(.8, (e.high-e.low)/2))
			}
		}
		c.SetColor(category(f.subject))
		c.Fill(onTime)
		c.SetColor(bad())
		c.Fill(late)
		c.Fill(lost)
	}
}

// square adds a box around a point.
func square(p *vg.Path, at vg.Point, w, h vg.Length) {
	p.Move(vg.Point{X: at.X - w, Y: at.Y - h})
	p.Line(vg.Point{X: at.X + w, Y: at.Y - h})
	p.Line(vg.Point{X: at.X + w, Y: at.Y + h})
	p.Line(vg.Point{X: at.X - w, Y: at.Y + h})
	p.Close()
}
