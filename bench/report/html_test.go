package report

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"html"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
	"pgregory.net/rapid"
)

var pages = flag.String("pages", "", "write the made-up pages to this folder, to look at them")

func TestPagesToLookAt(t *testing.T) {
	if *pages == "" {
		t.Skip("no -pages FOLDER")
	}
	for name, of := range made() {
		if err := os.WriteFile(filepath.Join(*pages, name+".html"), []byte(render(t, HTML, of())), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// elements are the names of all elements of a page's pictures, which are
// well-formed XML.
func elements(t *testing.T, page string) (pictures int, names map[string]int) {
	t.Helper()
	names = map[string]int{}
	for _, svg := range regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(page, -1) {
		pictures++
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("a picture is not well-formed: %v\n%.600s", err, svg)
			}
			if e, ok := token.(xml.StartElement); ok {
				names[e.Name.Local]++
			}
		}
	}
	return pictures, names
}

// TestPage: each page is whole, fetches nothing, runs nothing, and its pictures
// have the style sheet's colours and no number that is none.
func TestPage(t *testing.T) {
	for name, pictures := range map[string]int{"pass": 3, "fail": 10, "inconclusive": 3, "closed": 6, "hostile": 7, "empty": 0} {
		page := render(t, HTML, made()[name]())
		if !strings.HasPrefix(page, "<!doctype html>") || !strings.HasSuffix(page, "</html>\n") {
			t.Errorf("%s is not a whole page", name)
		}
		n, names := elements(t, page)
		if n != pictures {
			t.Errorf("%s has %d pictures, want %d", name, n, pictures)
		}
		for e := range names {
			if e != "svg" && e != "g" && e != "path" && e != "text" {
				t.Errorf("%s has an element %s", name, e)
			}
		}
		lower := strings.ToLower(page)
		for _, wrong := range []string{"<script", "javascript:", "src=", "href=", "@import", "url(", "<link", "<b>x", "onload", "nan", "+inf", "%!", "liberation serif", "zgotmplz"} {
			if strings.Contains(lower, wrong) {
				t.Errorf("%s has %q", name, wrong)
			}
		}
		// A hostile name is text, and is all that names an address or a code of colours.
		if name != "hostile" && (strings.Contains(page, "http") || strings.Contains(page, "#0102")) {
			t.Errorf("%s names an address, or a colour that is not the style sheet's", name)
		}
		for _, tag := range regexp.MustCompile(`<[^>]*>`).FindAllString(page, -1) {
			if strings.Contains(tag, "http") || strings.Contains(tag, "#0102") {
				t.Errorf("%s: %s", name, tag)
			}
		}
	}
}

// TestPageSays: the page has the verdict, each subject and each figure of the
// tables.
func TestPageSays(t *testing.T) {
	r := failing()
	page := html.UnescapeString(render(t, HTML, r))
	wanted := []string{"FAIL", r.Subjects[0].Why, "deadline 100 ms", "292 of 6,636 frames missed", "opencl was asked for", "taught by dashline-full", "The machine was noisy", r.Warnings[0], "AP50"}
	for _, s := range r.Subjects {
		wanted = append(wanted, s.Name)
		for _, c := range comparison(r) {
			wanted = append(wanted, ">"+c.of(&s).Text+"<")
		}
	}
	for _, w := range wanted {
		if !strings.Contains(page, w) {
			t.Errorf("the page does not say %q", w)
		}
	}
	for _, unwanted := range []string{"closed loop", "stopped early"} {
		if strings.Contains(page, unwanted) {
			t.Errorf("the page says %q", unwanted)
		}
	}
}

// TestCurveCountsLostFrames: a curve is of all frames that came.
func TestCurveCountsLostFrames(t *testing.T) {
	s := Subject{
		Answer:   &Distribution{Count: 60, Quantiles: []Quantile{{Q: .5, Value: 20}}},
		CDF:      []float64{10, 15, 30},
		Outcomes: Outcomes{Produced: 100, OnTime: 50, Late: 10, Dropped: 40},
	}
	want := []step{{10, 0}, {15, .3}, {20, .5}, {30, .6}}
	if got := curve(&s, false); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := curve(&s, true); got != nil {
		t.Errorf("closed loop: got %v of no frame times", got)
	}
}

// TestAxes: marks are within their axis, few, and differ.
func TestAxes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := math.Pow(10, rapid.Float64Range(-6, 11).Draw(t, "low"))
		high := low * (1 + math.Pow(10, rapid.Float64Range(-1.5, 6).Draw(t, "width")))
		for name, ticks := range map[string][]plot.Tick{"log": logTicks(low, high), "even": evenTicks(low, high), "from 0": evenTicks(0, high)} {
			if n := len(ticks); n < 3 || n > 8 {
				t.Errorf("%s: %d marks from %g to %g", name, n, low, high)
			}
			begin := low
			if name == "from 0" {
				begin = 0
			}
			seen := map[string]bool{}
			for _, x := range ticks {
				if x.Value < begin-(high-begin)*1e-6 || x.Value > high*(1+1e-6) || seen[x.Label] || strings.HasPrefix(x.Label, "-") {
					t.Errorf("%s: mark %q at %g from %g to %g", name, x.Label, x.Value, begin, high)
				}
				seen[x.Label] = true
			}
		}
	})
}

// TestLabelsDoNotHideEachOther: where there is room for all, none is over another
// or over a point.
func TestLabelsDoNotHideEachOther(t *testing.T) {
	c := draw.New(vgsvg.New(400, 300))
	var l labels
	points := []vg.Point{{X: 100, Y: 100}, {X: 104, Y: 101}, {X: 108, Y: 99}, {X: 395, Y: 295}, {X: 5, Y: 5}}
	for _, p := range points {
		l.keep(p.X-4, p.Y-4, p.X+4, p.Y+4)
	}
	for _, p := range points {
		before := labels{slices.Clone(l.taken)}
		l.write(c, label(ink(), noteLetters), p, "a-name")
		box := l.taken[len(l.taken)-1]
		if before.hidden(box) > 0 || outside(box, c.Rectangle) > 0 {
			t.Errorf("the name of %v is at %v", p, box)
		}
	}
}

// FuzzForms: whatever a result holds, each form of it is written, and is well-formed.
func FuzzForms(f *testing.F) {
	for _, name := range []string{"pass", "closed", "hostile"} {
		r := made()[name]()
		for i := range r.Subjects { // enough for each kind of point, and small
			s := &r.Subjects[i]
			s.Series, s.CDF = s.Series[:12], Thin(s.CDF, 9)
		}
		f.Add([]byte(render(f, JSON, r)))
	}
	f.Add([]byte(`{"subjects":[{"name":"a","age_ms":{"count":-1,"mean":-1e300,"quantiles":[{"q":0.99,"value":1e300,"low":-5},{"q":2,"value":1}]},"cdf_ms":[3,2,1e300,-1],"file_bytes":1,"accuracy":{"offline_ap50":{"value":2,"low":3,"high":1}},"series":[{"t_s":-1,"age_ms":0},{"t_s":1e308,"age_ms":1}],"outcomes":{"produced":1,"on_time":9}}],"goal":{"quantile":1,"deadline_ms":-4}}`))
	f.Add([]byte(`{"subjects":[{"age_ms":{"count":1,"quantiles":[{"q":0.99,"value":5}]},"file_bytes":7,"accuracy":{"offline_ap50":{"value":0.5,"low":0.5,"high":0.5}}},{"age_ms":{"count":9,"quantiles":[{"q":0.99,"value":5}]},"file_bytes":7,"stages":[{"name":"x","mean_ms":1e11}],"accuracy":{"streaming_ap50":{"value":0.5,"low":0.5,"high":0.5}},"series":[{"t_s":0,"age_ms":1},{"t_s":1e-300,"age_ms":1,"outcome":"late"}],"cdf_ms":[5,5]}],"goal":{"quantile":0.999999999,"deadline_ms":5}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r Result
		if len(data) > 1<<16 || json.Unmarshal(data, &r) != nil || len(r.Subjects) > 20 {
			return
		}
		for _, form := range forms() {
			render(t, form, &r)
		}
		elements(t, render(t, HTML, &r))
	})
}

// TestFramesThatWereLostHaveNoAge: whatever age one is said to have.
func TestFramesThatWereLostHaveNoAge(t *testing.T) {
	for p, want := range map[Point]bool{
		{Age: 5, Outcome: "on_time"}: true,
		{Age: 5, Outcome: "late"}:    true,
		{Age: 5, Outcome: "dropped"}: false,
		{Age: 5, Outcome: "failed"}:  false,
		{Age: 0, Outcome: "on_time"}: false,
	} {
		if p.done() != want {
			t.Errorf("%+v: %t", p, !want)
		}
	}
}
