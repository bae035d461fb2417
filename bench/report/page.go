package report

import (
	_ "embed"
	"html/template"
	"io"
	"strings"
)

//go:embed page.html
var page string

// HTML writes the result as one page that needs nothing else: the verdict, the
// subjects beside each other, plots, and what was measured on what.
func HTML(w io.Writer, r *Result) error {
	r = shown(r)
	t, err := template.New("report").Funcs(template.FuncMap{
		"millis":  millis,
		"count":   count,
		"percent": percent,
		"plural":  plural,
		"name":    func(s string) string { return short(s, longestName) },
		"colour":  func(i int) template.CSS { return template.CSS(colourOf(i)) },
	}).Parse(page)
	if err != nil {
		return err
	}
	p := view{
		Result: r, Word: r.verdictWord(), Why: r.why(), Goals: r.goal(), Evidence: r.evidence(),
		Line: r.Scenario.line(), Noisiness: noiseLine(r.Noise), Program: program(r.Machine),
		Features: strings.Join(r.Machine.Features, " "),
		Class:    classOf(r.Verdict),
		Stages:   stageNames(r),
	}
	for _, c := range comparison(r) {
		t := &p.Tables[0]
		switch c.Group {
		case costs:
			t = &p.Tables[1]
		case sizes:
			t = &p.Tables[2]
		}
		*t = append(*t, c)
	}
	for i := range r.Subjects {
		p.Rows = append(p.Rows, row{&r.Subjects[i], classOf(r.Subjects[i].Verdict)})
	}
	p.CDF = latencies(r)
	p.Pareto = [2]figurePlot{byLatency(r), bySize(r)}
	p.Waterfall = waterfall(r, p.Stages)
	p.Over = overTime(r)
	return t.Execute(w, p)
}

// view is what the page shows.
type view struct {
	*Result
	Word, Why, Goals, Evidence string
	Class                      string // of the verdict, in the style sheet
	Line, Noisiness, Program   string
	Features                   string
	Tables                     [3][]column // what frames took, what that costs, and what subjects are
	Rows                       []row
	Stages                     []string
	CDF                        figurePlot
	Pareto                     [2]figurePlot
	Waterfall                  figurePlot
	Over                       []figurePlot
}

type row struct {
	*Subject
	Class string
}

// Cell is what a column has of it.
func (r row) Cell(c column) cell { return c.of(r.Subject) }

// figurePlot is a plot with what is said of it; there is none where SVG is empty.
type figurePlot struct {
	Title, Says string
	SVG         template.HTML
}

// classOf is the class of a verdict: one of the style sheet's, whatever it is.
func classOf(v Verdict) string {
	switch v {
	case Pass, Fail, Inconclusive:
		return string(v)
	}
	return "none"
}
