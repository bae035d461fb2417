package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"dashline/bench/machine"
)

// figure is a number with about three digits that say something.
func figure(x float64) string {
	switch a := math.Abs(x); {
	case a == 0:
		return "0"
	case a >= 999.5:
		return grouped(x)
	case a >= 99.95:
		return fmt.Sprintf("%.0f", x)
	case a >= 9.995:
		return fmt.Sprintf("%.1f", x)
	case a >= .995:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.3g", x)
}

// setting is a number that somebody chose, as he would write it.
func setting(x float64) string { return strconv.FormatFloat(x, 'g', 4, 64) }

// millis is a time of milliseconds: to a tenth, as far as that says something.
func millis(x float64) string {
	switch a := math.Abs(x); {
	case a >= 999.5:
		return grouped(x)
	case a >= .95:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// grouped is a whole number with commas between thousands.
func grouped(x float64) string {
	if math.IsNaN(x) || math.Abs(x) > 1e15 {
		return fmt.Sprintf("%.3g", x)
	}
	s := strconv.FormatInt(int64(math.Round(math.Abs(x))), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if x < 0 {
		return "-" + s
	}
	return s
}

func count(n int) string { return grouped(float64(n)) }

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return count(n) + " " + what + "s"
}

// percent is a share of 1.
func percent(x float64) string {
	p := x * 100
	switch {
	case p == math.Trunc(p):
		return fmt.Sprintf("%g %%", p)
	case p > 99: // what is missing is what says something
		return strings.TrimRight(fmt.Sprintf("%.4f", p), "0") + " %"
	}
	return fmt.Sprintf("%.2g %%", p)
}

// bound is a share, from above: it is not rounded down.
func bound(x float64) string {
	p := x * 100
	if p <= 0 || p >= 100 || math.IsNaN(p) {
		return percent(x)
	}
	digit := math.Pow(10, math.Floor(math.Log10(p))-1)
	return fmt.Sprintf("%.2g %%", math.Ceil(p/digit-1e-9)*digit)
}

// quantileName is p50 or p99.9.
func quantileName(q float64) string {
	return "p" + strconv.FormatFloat(math.Round(q*1e8)/1e6, 'f', -1, 64)
}

// of is a quantile of what was seen, where it is among those that were taken.
func (d *Distribution) of(q float64) (Quantile, bool) {
	if d != nil {
		for _, x := range d.Quantiles {
			if math.Abs(x.Q-q) < 1e-9 {
				return x, true
			}
		}
	}
	return Quantile{}, false
}

// between is the interval of a quantile, with … where it has no end.
func (q Quantile) between() string {
	if q.Low == nil && q.High == nil {
		return ""
	}
	low, high := "…", "…"
	if q.Low != nil {
		low = millis(*q.Low)
	}
	if q.High != nil {
		high = millis(*q.High)
	}
	return low + " – " + high
}

// main is the time that a scenario is about: until frames were answered, or of closed
// loop the time that work on one took.
func (s *Subject) main(closed bool) *Distribution {
	if closed {
		return s.Frame
	}
	return s.Answer
}

// timeName names it.
func timeName(closed bool) string {
	if closed {
		return "frame"
	}
	return "answer"
}

// verdictWord is the verdict as a headline has it.
func (r *Result) verdictWord() string {
	switch {
	case r.Verdict != "":
		return strings.ToUpper(string(r.Verdict))
	case r.Scenario.Closed:
		return "NO VERDICT"
	}
	return "NOT JUDGED"
}

// why is the verdict in words.
func (r *Result) why() string {
	switch {
	case r.Scenario.Closed && r.Verdict == "":
		return "closed loop: service times alone, which say nothing of frames that wait"
	case len(r.Subjects) == 0:
		return "nothing was measured"
	case r.Goal == nil:
		return "no deadline was asked for"
	}
	return r.Subjects[0].Why
}

// goal is what was asked, in words; empty where nothing was.
func (r *Result) goal() string {
	g := r.Goal
	if g == nil {
		return ""
	}
	return fmt.Sprintf("%s of frames within %s ms, %s missed at most, with %s confidence (%s planned)",
		percent(g.Quantile), setting(g.Deadline), percent(g.MissRate), percent(g.Level), plural(g.Frames, "frame"))
}

// evidence is the numbers that the verdict on the first subject rests on.
func (r *Result) evidence() string {
	if len(r.Subjects) == 0 {
		return ""
	}
	s := &r.Subjects[0]
	var words []string
	wanted := .99
	if r.Goal != nil {
		wanted = r.Goal.Quantile
	}
	d := s.main(r.Scenario.Closed)
	if q, ok := d.of(wanted); ok {
		text := fmt.Sprintf("%s %s %s ms", timeName(r.Scenario.Closed), quantileName(q.Q), millis(q.Value))
		if between := q.between(); between != "" {
			text += " (" + between + ")"
		}
		words = append(words, text)
	}
	if m := s.Misses; m != nil {
		words = append(words, fmt.Sprintf("%s of %s missed, %s (%s – %s)", count(m.Misses), plural(m.Frames, "frame"), percent(m.Value), percent(m.Low), bound(m.High)))
	}
	if d != nil && d.Count > 0 && d.Effective > 0 && d.Effective < float64(d.Count)*.95 {
		words = append(words, fmt.Sprintf("frames that follow each other are alike (%s): %s say as much as %s independent ones", chance(d.Correlation), count(d.Count), grouped(d.Effective)))
	}
	if s.Stopped {
		words = append(words, "stopped early, as the answer was certain")
	}
	return strings.Join(words, "; ")
}

// chance is a p-value in words.
func chance(p float64) string {
	if p < .001 {
		return "p < 0.001"
	}
	return fmt.Sprintf("p = %.2g", p)
}

// line is the scenario in one.
func (s Scenario) line() string {
	words := []string{s.Name + ", open loop"}
	if s.Closed {
		words[0] = s.Name + ", closed loop"
	}
	cameras := plural(s.Cameras, "camera")
	if s.Rate > 0 {
		cameras += fmt.Sprintf(" of %s frames/s", setting(s.Rate))
	}
	words = append(words, cameras)
	if s.Source != "" {
		words = append(words, s.Source)
	}
	if s.Width > 0 && s.Height > 0 {
		words = append(words, fmt.Sprintf("%d x %d pixels", s.Width, s.Height))
	}
	return strings.Join(append(words, fmt.Sprintf("%s a subject at most", plural(s.Frames, "frame"))), ", ")
}

// noiseLine says how quiet the machine was.
func noiseLine(n machine.Noise) string {
	if n.Noisy {
		return "noisy: " + n.Why
	}
	return fmt.Sprintf("quiet: load %.2f before, other processes had %s of the processors, other machines %s", n.LoadBefore, percent(round(n.Others, 3)), percent(round(n.Steal, 3)))
}

// program is what measured.
func program(m machine.Facts) string {
	return strings.Join(slices.DeleteFunc([]string{m.Version, m.Go, m.Platform}, func(s string) bool { return s == "" }), ", ")
}

func round(x float64, digits int) float64 {
	p := math.Pow10(digits)
	return math.Round(x*p) / p
}

// line is a network and what it really ran on.
func (n Network) line() string {
	s := fmt.Sprintf("%s on %s %s, %s, %s", n.Name, n.Engine, n.Version, n.Backend, plural(n.Threads, "thread"))
	if n.FellBack() {
		s += " (" + n.Requested + " was asked for)"
	}
	return s
}

// FellBack says whether it ran on something else than what was asked for.
func (n Network) FellBack() bool {
	return n.Requested != "" && n.Requested != "auto" && n.Requested != n.Backend
}

// line is why frames were lost.
func (c Cause) line() string {
	s := fmt.Sprintf("%s %s in %s: %s", plural(c.Frames, "frame"), c.Outcome, c.Stage, c.Reason)
	if c.Detail != "" {
		s += " (" + c.Detail + ")"
	}
	return s
}
