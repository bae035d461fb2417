package gate

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"dashline/bench/stats"
)

// Judge says what the evidence comes to: the figures, the verdict on all, and why.
// The other parts of the result are the caller's.
func Judge(e *Evidence, t Thresholds) Result {
	r := Result{
		Schema: Schema,
		Base:   Build{e.Base.Name, e.Base.Version}, Head: Build{e.Head.Name, e.Head.Version},
		Notes: slices.Clone(e.Notes),
	}
	r.Frames, r.Processes = framesOf(e.Quadruples), len(e.Rounds)
	all := e.Quadruples
	add := func(f Figure, ok bool) {
		if ok {
			r.Figures = append(r.Figures, f)
		}
	}
	frame, ok := timed(all, "frame", t.Frame, t.Level, func(b *Block) (float64, bool) { return b.Work, b.Done > 0 })
	add(frame, ok)
	add(stalls(e, t))
	add(lost(e, t))
	add(timed(all, "cpu", t.CPU, t.Level, func(b *Block) (float64, bool) { return b.CPU, b.CPU > 0 }))
	add(perProcess(e, "instructions", "", t.Instructions, t.Level, func(p *Process) float64 { return p.Instructions }))
	add(allocations(e, t))
	add(allocated(e, t))
	add(perProcess(e, "peak", "bytes", t.Peak, t.Level, func(p *Process) float64 { return p.Peak }))
	add(perProcess(e, "messages", "bytes", t.Messages, t.Level, func(p *Process) float64 { return p.Messages }))
	add(accuracyOf(e, t))
	unknown := missing(e, r.Figures, &t)
	var names []string
	for _, m := range unknown {
		names = append(names, m.Name)
	}
	if len(names) > 0 {
		r.Notes = append(r.Notes, "not measured: "+strings.Join(names, ", "))
	}
	stages := stageFigures(all, t, frame.Base)
	r.Figures = append(r.Figures, stages...)
	r.Slower = slower(stages)
	r.Verdict, r.Why = overall(r.Figures, unknown)
	return r
}

// missing are figures that should be there, of which nothing is known. Why
// instructions and stalls are not is known to who measures.
func missing(e *Evidence, figures []Figure, t *Thresholds) (unknown []Figure) {
	due := []Figure{
		{Name: "frame", Blocks: t.Frame.Blocks}, {Name: "lost", Blocks: t.Lost.Blocks}, {Name: "cpu", Blocks: t.CPU.Blocks},
		{Name: "allocations", Blocks: t.Allocations.Blocks}, {Name: "allocated", Blocks: t.Allocated.Blocks},
		{Name: "peak", Blocks: t.Peak.Blocks}, {Name: "messages", Blocks: t.Messages.Blocks},
	}
	if e.Base.Right != nil || e.Head.Right != nil {
		due = append(due, Figure{Name: "accuracy", Blocks: t.Accuracy.Blocks})
	}
	for _, f := range due {
		if !slices.ContainsFunc(figures, func(g Figure) bool { return g.Name == f.Name }) {
			f.Verdict = stats.Inconclusive
			unknown = append(unknown, f)
		}
	}
	return unknown
}

// timed is a figure of times, by ratios of quadruples. What waiting for a processor
// explains is taken out; where the head is worse as it was measured, that stands.
func timed(quadruples []Quadruple, name string, t Threshold, level float64, value func(*Block) (float64, bool)) (Figure, bool) {
	s := sampled(quadruples, value)
	if len(s.base) == 0 {
		return Figure{}, false
	}
	iv := s.ratio(s.head, level)
	if stats.Judge(iv, t.Margin) != stats.Worse {
		iv = s.ratio(s.adjusted(), level)
	}
	f := Figure{
		Name: name, Unit: "ms", Base: median(s.base), Ratio: interval(iv), Margin: t.Margin, Level: level, Blocks: t.Blocks,
		Verdict: stats.Judge(iv, t.Margin),
	}
	f.Head = f.Base * iv.Value // the medians' own ratio would be another, less exact one
	f.Why = unsure(f.Verdict, iv, t.Margin, s.processes())
	return f, true
}

// unsure says why a ratio of so many pairs of processes is inconclusive.
func unsure(v stats.Verdict, iv stats.Interval, margin float64, processes int) string {
	if v != stats.Inconclusive {
		return ""
	}
	if math.IsInf(iv.High, 1) {
		return "one process of each build is too few"
	}
	// Widths go with the root of the number of processes.
	wide := math.Log(iv.High/iv.Low) / 2
	if more := math.Pow(wide/math.Log1p(margin), 2) * 1.5; more > 1.5 {
		known := fmt.Sprintf("known to %.1f %% only", 100*(math.Exp(wide)-1))
		if float64(processes)*more > mostRounds {
			return known + ": take a quieter machine, or a wider margin"
		}
		return fmt.Sprintf("%s: some %.0f times the time would do", known, math.Ceil(more))
	}
	return "too near the margin to tell"
}

// stalls are blocks in which the process was asleep while a frame was to be worked
// on: a lock, a disk, a sleep. See watchSleep.
func stalls(e *Evidence, t Thresholds) (Figure, bool) {
	f := rare("stalls", t.Stalls, t.RareLevel, e.Quadruples, func(b *Block) (events, of int) {
		if b.Stalled {
			return 1, b.Frames
		}
		return 0, b.Frames
	})
	return f, e.Watched && len(e.Quadruples) > 0
}

// framesOf is how many frames each side ran.
func framesOf(quadruples []Quadruple) (n int) {
	for _, q := range quadruples {
		for _, b := range q.Base {
			n += b.Frames
		}
	}
	return n
}

// lost are frames that nothing was published of.
func lost(e *Evidence, t Thresholds) (Figure, bool) {
	f := rare("lost", t.Lost, t.RareLevel, e.Quadruples, func(b *Block) (events, of int) { return b.Frames - b.Done, b.Frames })
	return f, len(e.Quadruples) > 0
}

// rare is a figure of events that are counted: how many there were of how many
// frames of a block.
func rare(name string, t Threshold, level float64, quadruples []Quadruple, count func(*Block) (events, of int)) Figure {
	var be, bn, he, hn int
	for _, q := range quadruples {
		for i := range q.Base {
			x, n := count(&q.Base[i])
			be, bn = be+x, bn+n
		}
		for i := range q.Head {
			x, n := count(&q.Head[i])
			he, hn = he+x, hn+n
		}
	}
	// Bounds of the difference from those of both (Newcombe, Interval estimation for
	// the difference between independent proportions, Statistics in Medicine 17, 1998,
	// method 10, with exact bounds).
	b, h := stats.MissRate(be, bn, level), stats.MissRate(he, hn, level)
	d := h.Value - b.Value
	iv := stats.Interval{
		Low:   d - math.Hypot(h.Value-h.Low, b.High-b.Value),
		Value: d,
		High:  d + math.Hypot(h.High-h.Value, b.Value-b.Low),
	}
	times := stats.Counts(be, bn, he, hn, level)
	f := Figure{
		Name: name, Unit: "of frames", Base: b.Value, Head: h.Value, Difference: interval(iv), Margin: t.Margin, Level: level, Blocks: t.Blocks,
		Verdict: stats.Inconclusive,
	}
	switch {
	case bn == 0 || hn == 0:
		f.Base, f.Head = 0, 0
	case times.Low > 1 && d > t.Margin:
		f.Verdict = stats.Worse
	case times.High < 1 && d < -t.Margin:
		f.Verdict = stats.Better
	case iv.Low > -t.Margin && iv.High < t.Margin:
		f.Verdict = stats.Same
	}
	if f.Verdict == stats.Inconclusive {
		f.Why = fmt.Sprintf("%d and %d of %d and %d frames", be, he, bn, hn)
		if be+he == 0 {
			f.Why += fmt.Sprintf("; some %.0f of each would rule out one more in %.0f", needed(t.Margin, level), 1/t.Margin)
		}
	}
	return f
}

// needed is of how many frames without an event it is known that the rate is within
// the margin.
func needed(margin, level float64) float64 {
	n := 1.0
	for step := 1e6; step >= 1; step /= 2 {
		for stats.MissRate(0, int(n+step), level).High >= margin {
			n += step
		}
	}
	return math.Ceil(n/100) * 100
}

// allocations are of silent blocks, by differences: there may be none.
func allocations(e *Evidence, t Thresholds) (Figure, bool) {
	base, head := silent(e, func(b *Block) float64 { return b.Allocs })
	if len(base) == 0 {
		return Figure{}, false
	}
	iv := stats.Difference(base, head, t.Level)
	f := Figure{
		Name: "allocations", Unit: "a frame", Base: median(base), Difference: interval(iv), Margin: t.Allocations.Margin, Level: t.Level,
		Blocks: t.Allocations.Blocks, Verdict: ofDifference(iv, t.Allocations.Margin),
	}
	f.Head = f.Base + iv.Value
	if f.Verdict == stats.Inconclusive {
		f.Why = "too near the margin to tell"
		if math.IsInf(iv.High, 1) {
			f.Why = fmt.Sprintf("%d blocks are too few", len(base))
		}
	}
	return f, true
}

func allocated(e *Evidence, t Thresholds) (Figure, bool) {
	base, head := silent(e, func(b *Block) float64 { return b.Bytes })
	if len(base) == 0 || slices.Min(base) <= 0 || slices.Min(head) <= 0 {
		return Figure{}, false
	}
	iv := stats.Ratio(base, head, t.Level)
	f := Figure{
		Name: "allocated", Unit: "bytes", Base: median(base), Ratio: interval(iv), Margin: t.Allocated.Margin, Level: t.Level,
		Blocks: t.Allocated.Blocks, Verdict: stats.Judge(iv, t.Allocated.Margin),
	}
	f.Head = f.Base * iv.Value
	if f.Verdict == stats.Inconclusive {
		f.Why = "too near the margin to tell"
		if math.IsInf(iv.High, 1) {
			f.Why = fmt.Sprintf("%d blocks are too few", len(base))
		}
	}
	return f, true
}

// mostPairs is how many silent blocks of each side are taken, evenly: an hour has
// more, and the time and memory for their ranks go with the square.
const mostPairs = 4000

// silent are the values of blocks that ran the same frames and published nothing.
func silent(e *Evidence, value func(*Block) float64) (base, head []float64) {
	pairs := 0
	for _, q := range e.Quadruples {
		if q.Silent {
			pairs += min(len(q.Base), len(q.Head))
		}
	}
	skip, n := 1+pairs/mostPairs, 0
	for _, q := range e.Quadruples {
		if !q.Silent {
			continue
		}
		for i := range min(len(q.Base), len(q.Head)) {
			if n++; n%skip == 0 {
				base, head = append(base, value(&q.Base[i])), append(head, value(&q.Head[i]))
			}
		}
	}
	return base, head
}

// ofDifference is [stats.Judge] of a difference.
func ofDifference(iv stats.Interval, margin float64) stats.Verdict {
	switch {
	case math.IsNaN(iv.Value):
		return stats.Inconclusive
	case iv.Low > -margin && iv.High < margin:
		return stats.Same
	case iv.Low > 0 && iv.Value > margin:
		return stats.Worse
	case iv.High < 0 && iv.Value < -margin:
		return stats.Better
	}
	return stats.Inconclusive
}

// perProcess is a figure that each process has one of.
func perProcess(e *Evidence, name, unit string, t Threshold, level float64, value func(*Process) float64) (Figure, bool) {
	var base, head, logs []float64
	for i := range e.Rounds {
		b, h := value(&e.Rounds[i].Base), value(&e.Rounds[i].Head)
		if !(b > 0 && h > 0) {
			return Figure{}, false
		}
		base, head, logs = append(base, b), append(head, h), append(logs, math.Log(h/b))
	}
	if len(base) == 0 {
		return Figure{}, false
	}
	iv := exponential(stats.Mean(logs, level))
	f := Figure{
		Name: name, Unit: unit, Base: median(base), Head: median(head), Ratio: interval(iv), Margin: t.Margin, Level: level, Blocks: t.Blocks,
		Verdict: stats.Judge(iv, t.Margin),
	}
	f.Why = unsure(f.Verdict, iv, t.Margin, len(base))
	return f, true
}

// accuracyOf compares detectors on the same pictures: less is worse. There is
// no chance in it, as both see the same.
func accuracyOf(e *Evidence, t Thresholds) (Figure, bool) {
	if e.Base.Right == nil || e.Head.Right == nil || e.Base.Right.Offline == nil || e.Head.Right.Offline == nil {
		return Figure{}, false
	}
	b, h := e.Base.Right.Offline, e.Head.Right.Offline
	d := h.Value - b.Value
	f := Figure{
		Name: "accuracy", Unit: "AP50", Base: b.Value, Head: h.Value, Difference: interval(stats.Interval{Low: d, Value: d, High: d}),
		Margin: t.Accuracy.Margin, Blocks: t.Accuracy.Blocks, Verdict: ofDifference(stats.Interval{Low: -d, Value: -d, High: -d}, t.Accuracy.Margin),
		Why: fmt.Sprintf("%d pictures", h.Pictures),
	}
	if b.Pictures != h.Pictures {
		f.Verdict, f.Why = stats.Inconclusive, fmt.Sprintf("%d pictures and %d", b.Pictures, h.Pictures)
	}
	return f, true
}

// stageFigures are those of the stages that take a good part of a frame, in the
// order of the names.
func stageFigures(all []Quadruple, t Thresholds, frame float64) []Figure {
	names := map[string]bool{}
	for _, q := range all {
		for _, b := range slices.Concat(q.Base, q.Head) {
			for name := range b.Stages {
				names[name] = true
			}
		}
	}
	var large []string
	values := map[string]func(*Block) (float64, bool){}
	for name := range names {
		values[name] = func(b *Block) (float64, bool) { v, ok := b.Stages[name]; return v, ok }
		s := sampled(all, values[name])
		if len(s.base) > 0 && max(median(s.base), median(s.head)) >= t.StageShare*frame {
			large = append(large, name)
		}
	}
	slices.Sort(large)
	var figures []Figure
	for _, name := range large {
		// By Bonferroni: together they are wrong no more often than another figure.
		level := 1 - (1-t.Level)/float64(len(large))
		if f, ok := timed(all, name, t.Stages, level, values[name]); ok {
			f.Stage = true
			figures = append(figures, f)
		}
	}
	return figures
}

// slower are the stages that are worse, the one that adds most first.
func slower(stages []Figure) []string {
	var worse []Figure
	for _, f := range stages {
		if f.Verdict == stats.Worse {
			worse = append(worse, f)
		}
	}
	slices.SortStableFunc(worse, func(a, b Figure) int {
		if (a.Head - a.Base) > (b.Head - b.Base) {
			return -1
		}
		return 1
	})
	var names []string
	for _, f := range worse {
		names = append(names, f.Name)
	}
	return names
}

// overall is the verdict on all: worse where a figure that blocks is, else
// inconclusive where one is that has to be known, else better where one is.
func overall(figures, unknown []Figure) (stats.Verdict, string) {
	var worse, unsure, better []string
	for _, f := range slices.Concat(figures, unknown) {
		switch {
		case f.Verdict == stats.Worse && f.Blocks != Never:
			worse = append(worse, f.Name)
		case f.Verdict == stats.Inconclusive && f.Blocks == Unsure:
			unsure = append(unsure, f.Name)
		case f.Verdict == stats.Better && f.Blocks != Never:
			better = append(better, f.Name)
		}
	}
	switch {
	case len(worse) > 0:
		return stats.Worse, strings.Join(worse, ", ")
	case len(unsure) > 0:
		return stats.Inconclusive, strings.Join(unsure, ", ")
	case len(figures) == 0:
		return stats.Inconclusive, "nothing was measured"
	case len(better) > 0:
		return stats.Better, strings.Join(better, ", ")
	}
	return stats.Same, "nothing is worse, and what has to be known is within its margin"
}

func median(x []float64) float64 {
	sorted := slices.Clone(x)
	slices.Sort(sorted)
	return stats.Quantile(sorted, .5)
}
