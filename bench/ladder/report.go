package ladder

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
)

//go:embed report.html
var page string

// WriteHTML writes the study as one page that needs nothing else: what was
// measured, on what, the rungs, plots of accuracy over time, size, memory and work, and the
// baselines, which are in none of the plots.
func (s *Study) WriteHTML(w io.Writer) error {
	axis := "AP50"
	if s.Ladder.Accuracy != "ap50" {
		axis = "agreement, AP50"
	}
	t, err := template.New("report").Funcs(template.FuncMap{
		"mega":  func(n int64) string { return fmt.Sprintf("%.2f", float64(n)/1e6) },
		"mb":    MB,
		"giga":  func(n int64) string { return fmt.Sprintf("%.3f", float64(n)/1e9) },
		"three": func(x float64) string { return fmt.Sprintf("%.3f", x) },
		"two":   func(x float64) string { return fmt.Sprintf("%.2f", x) },
	}).Parse(page)
	if err != nil {
		return err
	}
	of := func(x func(r *Row) float64, title, unit string) plot {
		return s.plot(plot{Title: title, Unit: unit}, x)
	}
	return t.Execute(w, struct {
		*Study
		Axis  string // what y axes show
		First string // the row that Ratio is over
		Plots []plot
	}{s, axis, s.Rows[0].Name, []plot{
		of(func(r *Row) float64 { return r.P50MS }, "Accuracy and time", "median time from picture to detections, ms"),
		of(func(r *Row) float64 { return float64(r.FileBytes) / 1e6 }, "Accuracy and size", "file, MB"),
		of(func(r *Row) float64 { return float64(r.Resident) / 1e6 }, "Accuracy and memory", "memory added to the process, MB"),
		of(func(r *Row) float64 { return float64(r.MACs) / 1e9 }, "Accuracy and work", "multiply-accumulates, billions"),
	}})
}

// plot is points in a box of plotWidth x plotHeight pixels; x is logarithmic.
type plot struct {
	Title, Unit    string // Unit is what the x axis shows
	Points         []point
	XTicks, YTicks []tick
	Line           string // through the rungs that are kept
}

type point struct {
	X, Y, Low, High float64
	Name            string
	Kept            bool
	Engine          string
}

type tick struct {
	At   float64
	Text string
}

const (
	plotWidth, plotHeight = 640., 300.
	plotLeft, plotBottom  = 46., 36.
)

func (s *Study) plot(p plot, of func(*Row) float64) plot {
	low, high := math.Inf(1), 0.
	for i := range s.Rows {
		if x := of(&s.Rows[i]); x > 0 {
			low, high = min(low, x), max(high, x)
		}
	}
	if high == 0 { // not known of any
		return p
	}
	low, high = low/1.25, high*1.4
	x := func(v float64) float64 {
		return plotLeft + (plotWidth-plotLeft-10)*math.Log(v/low)/math.Log(high/low)
	}
	y := func(v float64) float64 { return plotHeight - plotBottom - (plotHeight-plotBottom-12)*v }
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		for _, m := range []float64{1, 2, 5} {
			if v := m * math.Pow(10, e); v >= low && v <= high {
				p.XTicks = append(p.XTicks, tick{x(v), fmt.Sprintf("%g", v)})
			}
		}
	}
	for v := 0.; v <= 1.001; v += .2 {
		p.YTicks = append(p.YTicks, tick{y(v), fmt.Sprintf("%.1f", v)})
	}
	var line []string
	for i := range s.Rows {
		r := &s.Rows[i]
		if of(r) <= 0 {
			continue
		}
		drawn := point{x(of(r)), y(r.Accuracy), y(r.Accuracy), y(r.Accuracy), r.Name, r.Kept, r.Engine}
		if len(r.Interval) == 2 {
			drawn.Low, drawn.High = y(r.Interval[0]), y(r.Interval[1])
		}
		p.Points = append(p.Points, drawn)
	}
	for _, rung := range s.Ladder.Rungs {
		for i := range s.Rows {
			if r := &s.Rows[i]; r.Name == rung.Name && of(r) > 0 {
				line = append(line, fmt.Sprintf("%.1f,%.1f", x(of(r)), y(r.Accuracy)))
			}
		}
	}
	p.Line = strings.Join(line, " ")
	return p
}
