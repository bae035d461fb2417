package report

import (
	"bytes"
	"fmt"
	"html"
	"html/template"
	"image/color"
	"math"
	"regexp"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Plots are drawn in the units of their own pictures, which the page makes as wide
// as there is room: at phones' widths about as drawn, so the sizes of letters are
// those that are seen there.
const (
	plotWidth, plotHeight   = 400, 285
	smallWidth, smallHeight = 370, 190
	letters                 = 12.5
	noteLetters             = 11.5
)

// Colours stand for those of the style sheet, which differ by light and dark, and
// are put in their place when the picture is done.
func ink() color.Color  { return colourCode(0xF0) }
func soft() color.Color { return colourCode(0xF1) }
func grid() color.Color { return colourCode(0xF2) }
func back() color.Color { return colourCode(0xF3) }
func bad() color.Color  { return colourCode(0xF4) }

// category is the colour of subject or stage i.
func category(i int) color.Color { return colourCode(i % (2 * categories)) }

func colourCode(code int) color.Color { return color.NRGBA{R: 1, G: 2, B: uint8(code), A: 255} }

// categories is how many colours are in the style sheet; a lighter form of each
// comes after them.
const categories = 8

// colourOf is what the style sheet knows category i as.
func colourOf(i int) string {
	i %= 2 * categories
	if i < categories {
		return fmt.Sprintf("var(--c%d)", i)
	}
	return fmt.Sprintf("color-mix(in srgb, var(--c%d) 50%%, var(--back))", i-categories)
}

// styled puts the style sheet's colours, and fonts that are about as wide as the
// one that texts were measured with, into the tags of a picture.
func styled(svg string) string {
	pairs := []string{
		"font-family:Liberation Sans", "font-family:'Liberation Sans',Arial,Helvetica,sans-serif",
		"#0102F0", "var(--ink)", "#0102F1", "var(--soft)", "#0102F2", "var(--line)", "#0102F3", "var(--back)", "#0102F4", "var(--fail)",
	}
	for i := range 2 * categories {
		pairs = append(pairs, fmt.Sprintf("#0102%02X", i), colourOf(i))
	}
	replacer := strings.NewReplacer(pairs...)
	// Texts are escaped and so are in no tag.
	svg = regexp.MustCompile(`<text [^>]*>[^<]*<`).ReplaceAllStringFunc(svg, fitted)
	return regexp.MustCompile(`<[^>]*>`).ReplaceAllStringFunc(svg, replacer.Replace)
}

// fitted makes a text as long as it was planned to be, in whatever font it is shown.
func fitted(element string) string {
	tag, text, _ := strings.Cut(strings.TrimSuffix(element, "<"), ">")
	_, size, _ := strings.Cut(tag, "font-size:")
	size, _, _ = strings.Cut(size, "px")
	points, err := strconv.ParseFloat(size, 64)
	if err != nil || text == "" {
		return element
	}
	width := label(nil, vg.Length(points)).Width(html.UnescapeString(text))
	return fmt.Sprintf(`%s textLength="%.1f" lengthAdjust="spacingAndGlyphs">%s<`, tag, float64(width), text)
}

// draws is a [plot.Plotter].
type draws func(c draw.Canvas, p *plot.Plot)

// Plot implements [plot.Plotter].
func (d draws) Plot(c draw.Canvas, p *plot.Plot) { d(c, p) }

// newPlot is one without data, with a grid at the axes' marks.
func newPlot(x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Color, a.Width, a.Padding = soft(), .8, 0
		a.Label.TextStyle.Font, a.Label.TextStyle.Color, a.Label.Padding = letter(letters), soft(), 3
		a.Tick.Label.Font, a.Tick.Label.Color = letter(letters), soft()
		a.Tick.LineStyle.Color, a.Tick.LineStyle.Width, a.Tick.Length = soft(), .8, 4
	}
	p.X.Label.Text, p.Y.Label.Text = x, y
	p.Add(draws(func(c draw.Canvas, p *plot.Plot) {
		style := draw.LineStyle{Color: grid(), Width: .8}
		for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
			if x := c.X(p.X.Norm(t.Value)); c.ContainsX(x) {
				c.StrokeLine2(style, x, c.Min.Y, x, c.Max.Y)
			}
		}
		for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
			if y := c.Y(p.Y.Norm(t.Value)); c.ContainsY(y) {
				c.StrokeLine2(style, c.Min.X, y, c.Max.X, y)
			}
		}
	}))
	return p
}

func letter(size vg.Length) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
}

// label is the style of a text within a plot.
func label(colour color.Color, size vg.Length) draw.TextStyle {
	return draw.TextStyle{Color: colour, Font: letter(size), XAlign: draw.XLeft, YAlign: draw.YCenter, Handler: plot.DefaultTextHandler}
}

// picture draws the plot for the page; title is for those who do not see it.
func picture(p *plot.Plot, title string, width, height vg.Length) template.HTML {
	c := vgsvg.New(width, height)
	area := draw.New(c)
	area.Max.X -= 12 // half of the last mark's text
	area.Max.Y -= 8
	if p.Y.Label.Text == "" {
		area.Min.X += 6 // half of the first one's
	}
	p.Draw(area)
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return "" // memory takes all bytes
	}
	// The prolog, a size of its own and the names of XML are a file's.
	_, body, _ := strings.Cut(b.String(), "<svg")
	_, body, _ = strings.Cut(body, ">")
	head := fmt.Sprintf(`<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, float64(width), float64(height), template.HTMLEscapeString(title))
	return template.HTML(head + styled(body))
}

// logAxis makes an axis logarithmic, over the range of the values and a little more.
func logAxis(a *plot.Axis, low, high float64) {
	low, high = low/1.08, high*1.08
	a.Scale, a.Min, a.Max = plot.LogScale{}, low, high
	a.Tick.Marker = plot.ConstantTicks(logTicks(low, high))
}

// logTicks are marks at 1, 2 and 5 times powers of 10, or fewer where they would be
// too many, or more, evenly, where they would be too few.
func logTicks(low, high float64) []plot.Tick {
	for _, of := range [][]float64{{1, 2, 5}, {1, 3}, {1}} {
		var ticks []plot.Tick
		for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
			for _, m := range of {
				if v := m * math.Pow(10, e); v >= low && v <= high {
					ticks = append(ticks, plot.Tick{Value: v, Label: tickText(v)})
				}
			}
		}
		switch {
		case len(ticks) < 3:
			return evenTicks(low, high)
		case len(ticks) <= 7:
			return ticks
		}
	}
	return evenTicks(low, high)
}

// evenTicks are marks at multiples of 1, 2 or 5 times a power of 10, three to eight.
func evenTicks(low, high float64) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10((high-low)/3)))
	switch n := (high - low) / step; {
	case n >= 15:
		step *= 5
	case n >= 6:
		step *= 2
	}
	var ticks []plot.Tick
	for i := math.Ceil(low/step - 1e-9); i*step <= high+step*1e-9 && len(ticks) < 20; i++ {
		v := i*step + 0 // -0 is 0
		ticks = append(ticks, plot.Tick{Value: v, Label: tickText(v)})
	}
	return ticks
}

func tickText(v float64) string {
	if math.Abs(v) >= 1000 && math.Abs(v) < 1e7 {
		return grouped(v)
	}
	return setting(v)
}

// drawable says whether a time or size can be in a plot: what is 0 is not known,
// and what is not a number or more than years is no measurement.
func drawable(x float64) bool { return x > 1e-6 && x < 1e12 }

// extent is the range of what is drawn.
type extent struct{ low, high float64 }

func newExtent() extent { return extent{math.Inf(1), math.Inf(-1)} }

func (e *extent) add(x float64) { e.low, e.high = min(e.low, x), max(e.high, x) }

func (e *extent) empty() bool { return e.low > e.high }
