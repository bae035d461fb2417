package modelcmd

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"dashline/internal/plain"
)

// The picture's measures, in pixels.
const (
	rowHeight  = 15
	barHeight  = 10
	nameWidth  = 270
	barSpace   = 150 // of the longest bar
	valueSpace = 70  // for the figure after it
	heading    = 84
	maxRows    = 400
)

// column is one measure of every layer.
type column struct {
	title, unit string
	color       string
	scale       float64 // of a unit
	values      map[int]float64
}

// SVG draws a bar for each layer's parameters and FLOPs and, where it was
// measured, its time on each engine. Layers with nothing in any column are left
// out, and so are the last of more than 400; it says how many of each. The background is the page's; text is text, in a colour that can be read
// on light and dark.
func (r *Report) SVG(to io.Writer) error {
	columns := r.columns()
	rows := r.rows(columns)
	left, beyond := len(r.Layers)-len(rows), max(len(rows)-maxRows, 0)
	rows = rows[:len(rows)-beyond]
	width := nameWidth + len(columns)*(barSpace+valueSpace) + 10
	height := heading + rowHeight*len(rows) + 24
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">
<title>%s</title>
<style>text{fill:#6e7781}.head{font-weight:bold;font-size:12px}.n{text-anchor:end}.rule{stroke:#8c959f;stroke-opacity:.35}</style>
`, width, height, width, height, escape(r.Name+": what each layer costs"))
	text(&b, 10, 22, "head", fmt.Sprintf("%s: %s parameters, %.3f GFLOPs, at most %s of values at once", r.Name, Thousands(r.Parameters), float64(r.FLOPs)/1e9, Bytes(r.PeakActivations)))
	note := "from the first layer to the last"
	if left > 0 {
		note += fmt.Sprintf("; %d that cost next to nothing are left out", left)
	}
	if beyond > 0 {
		note += fmt.Sprintf("; the last %d that cost something are not drawn either, for want of room", beyond)
	}
	text(&b, 10, 40, "", note)
	for k, c := range columns {
		x := nameWidth + k*(barSpace+valueSpace)
		text(&b, x, heading-22, "head", c.title)
		text(&b, x, heading-8, "", c.unit)
	}
	for row, i := range rows {
		y := heading + row*rowHeight
		l := r.Layers[i]
		text(&b, nameWidth-8, y+barHeight, "n", clip(l.Name+"  "+l.What, 46))
		for k, c := range columns {
			bar := barSpace * c.values[l.Index] / c.most()
			x := nameWidth + k*(barSpace+valueSpace)
			if bar > 0 {
				fmt.Fprintf(&b, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", x, y+1, max(bar, .5), barHeight, c.color)
				text(&b, x+int(bar)+4, y+barHeight, "", figure(c.values[l.Index]/c.scale))
			}
		}
	}
	for k := range columns {
		x := nameWidth + k*(barSpace+valueSpace)
		fmt.Fprintf(&b, "<line class=\"rule\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n", x, heading-2, x, height-20)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(to, b.String())
	return err
}

// columns are what there is to draw. The colours differ in lightness too, and
// stand out from white and from black.
func (r *Report) columns() []column {
	parameters, flops := map[int]float64{}, map[int]float64{}
	for _, l := range r.Layers {
		parameters[l.Index], flops[l.Index] = float64(l.Parameters), float64(l.FLOPs)
	}
	out := []column{
		{"parameters", Thousands(r.Parameters) + " in all; thousands", "#3f7fbf", 1e3, parameters},
		{"FLOPs", fmt.Sprintf("%.3f G in all; millions", float64(r.FLOPs)/1e9), "#c77d2e", 1e6, flops},
	}
	colors := []string{"#4a9a62", "#9a6fb8"}
	for k, m := range r.Measured {
		times := map[int]float64{}
		for _, l := range m.Layers {
			times[l.Index] = l.MS
		}
		out = append(out, column{"time, " + m.Engine, fmt.Sprintf("%.1f ms a forward; ms", m.ForwardMS), colors[k%len(colors)], 1, times})
	}
	return out
}

// rows are the layers that have something in a column.
func (r *Report) rows(columns []column) []int {
	var out []int
	for i, l := range r.Layers {
		for _, c := range columns {
			if c.values[l.Index] >= c.most()/1000 {
				out = append(out, i)
				break
			}
		}
	}
	return out
}

// most is the largest value, or more than 0.
func (c column) most() float64 {
	most := 1e-9
	for _, v := range c.values {
		most = max(most, v)
	}
	return most
}

// figure is a number in few characters.
func figure(x float64) string {
	switch {
	case x >= 100:
		return Thousands(int64(x + .5))
	case x >= 1:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2g", x)
}

func text(b *strings.Builder, x, y int, class, s string) {
	if class != "" {
		class = ` class="` + class + `"`
	}
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\"%s>%s</text>\n", x, y, class, escape(s))
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(plain.Line(s))) // a Builder never fails
	return b.String()
}

func clip(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}
