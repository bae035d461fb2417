package report

import (
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// labels writes names beside points so that they hide neither points nor each
// other, as far as there is room.
type labels struct {
	taken []vg.Rectangle
}

// keep keeps a place free.
func (l *labels) keep(x0, y0, x1, y1 vg.Length) {
	l.taken = append(l.taken, vg.Rectangle{Min: vg.Point{X: min(x0, x1), Y: min(y0, y1)}, Max: vg.Point{X: max(x0, x1), Y: max(y0, y1)}})
}

// write puts a text beside a point; beside it at a distance with a line to it,
// where there is no room nearer.
func (l *labels) write(c draw.Canvas, style draw.TextStyle, at vg.Point, text string) {
	w, h := style.Width(text), style.Font.Size
	best, least, leader := vg.Rectangle{}, vg.Length(-1), false
	for _, far := range []vg.Length{7, 16, 28, 42, 58} {
		for _, d := range []vg.Point{{X: 1}, {X: -1}, {Y: 1}, {Y: -1}, {X: .8, Y: .8}, {X: .8, Y: -.8}, {X: -.8, Y: .8}, {X: -.8, Y: -.8}} {
			centre := vg.Point{X: at.X + d.X*far, Y: at.Y + d.Y*(far+h/2-2)}
			switch {
			case d.X > 0:
				centre.X += w / 2
			case d.X < 0:
				centre.X -= w / 2
			}
			box := vg.Rectangle{
				Min: vg.Point{X: centre.X - w/2, Y: centre.Y - h/2},
				Max: vg.Point{X: centre.X + w/2, Y: centre.Y + h/2},
			}
			hidden := l.hidden(box) + outside(box, c.Rectangle)*20
			if least < 0 || hidden < least {
				best, least, leader = box, hidden, far > 20
			}
		}
		if least == 0 {
			break
		}
	}
	if leader {
		from := vg.Point{X: min(max(at.X, best.Min.X), best.Max.X), Y: min(max(at.Y, best.Min.Y), best.Max.Y)}
		c.StrokeLine2(draw.LineStyle{Color: soft(), Width: .6}, from.X, from.Y, at.X, at.Y)
	}
	style.XAlign, style.YAlign = draw.XLeft, draw.YCenter
	c.FillText(style, vg.Point{X: best.Min.X, Y: (best.Min.Y + best.Max.Y) / 2}, text)
	l.taken = append(l.taken, best)
}

// hidden is the area of what a text there would hide.
func (l *labels) hidden(box vg.Rectangle) (area vg.Length) {
	for _, t := range l.taken {
		w := min(box.Max.X, t.Max.X) - max(box.Min.X, t.Min.X)
		h := min(box.Max.Y, t.Max.Y) - max(box.Min.Y, t.Min.Y)
		if w > 0 && h > 0 {
			area += w * h
		}
	}
	return area
}

// outside is how far a text would go over the plot's edges.
func outside(box, plot vg.Rectangle) vg.Length {
	return max(0, plot.Min.X-box.Min.X) + max(0, box.Max.X-plot.Max.X) + max(0, plot.Min.Y-box.Min.Y) + max(0, box.Max.Y-plot.Max.Y)
}
