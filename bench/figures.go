package bench

import (
	"fmt"
	"math"
	"slices"
	"time"

	"dashline/bench/report"
	"dashline/bench/stats"
	"dashline/internal/netfile"
	"dashline/pipeline"
	"dashline/pipeline/msg"
)

// What is measured of accuracy: the first seconds of the drive, and offline every
// so many pictures of them.
const (
	accuracySpan  = 15 * time.Second
	accuracyEvery = 5
)

// quantiles are those that are told; more where a goal has another.
var quantiles = []float64{.5, .9, .99, .999}

// plotted bounds the points of a plot.
const plotted = 2000

// report says what came of a subject.
func (s *subject) report(o *Options) report.Subject {
	r := report.Subject{Name: s.name, Warmup: s.warmed, Load: s.opened.Load, Loaded: s.opened.Memory}
	for _, n := range s.ended.Networks {
		r.Networks = append(r.Networks, report.Network{Name: n.Name, Task: n.Task, Engine: n.Engine, Version: n.Version, Requested: n.Requested, Backend: n.Backend, Threads: n.Threads})
		r.First += n.First
		if n.Fallback != "" {
			r.Notes = append(r.Notes, n.Name+": "+n.Fallback)
		}
	}
	s.size(&r)
	r.Peak = s.ended.Peak
	if s.loud > 0 {
		r.MessageBytes = float64(s.ended.Bytes) / float64(s.loud)
	}
	var age, answer, work []float64
	for i := range s.frames {
		f := &s.frames[i]
		answer = append(answer, f.answer)
		if f.published() {
			age, work = append(age, f.age), append(work, f.work)
		}
		s.count(&r, f)
	}
	level := o.level()
	r.Frame = distribution(work, level, nil)
	r.Forward = distribution(s.column(pipeline.StageForward), level, nil)
	r.Stages = s.stageTimes()
	if s.length > 0 {
		r.Throughput = float64(len(age)) / s.length
	}
	for _, m := range []struct {
		to     **report.Interval
		x      []float64
		of     string
		blocks string
	}{{&r.CPU, s.cpu, "processor time", "turns"}, {&r.Allocations, s.allocs, "number of allocations", "blocks"}} {
		bounded := false
		if *m.to, bounded = middle(m.x, level); !bounded && len(m.x) > 0 {
			r.Notes = append(r.Notes, fmt.Sprintf("its %s has the range of %d %s, which are too few for an interval", m.of, len(m.x), m.blocks))
		}
	}
	if s.ran > 0 && !math.IsNaN(s.joules) {
		r.Joules = s.joules / float64(s.ran)
	}
	s.rightness(&r)
	if o.Closed {
		r.CDF = thin(work)
		return r
	}
	r.Age, r.Answer = distribution(age, level, &o.Goal), distribution(answer, level, &o.Goal)
	in := stats.MissRateOf(s.trial.misses.hits, o.Goal.Level)
	r.Misses = &report.Rate{Misses: r.Outcomes.Produced - r.Outcomes.OnTime, Frames: r.Outcomes.Produced, Value: in.Value, Low: in.Low, High: in.High}
	r.Verdict, r.Why = s.trial.verdict()
	r.Stopped = len(s.frames) < o.Frames
	r.CDF = thin(answer)
	step := max(1, len(s.frames)/plotted)
	for i, f := range s.frames {
		// A thinned plot keeps what it is looked at for.
		if i%step == 0 || f.outcome != string(msg.OnTime) {
			r.Series = append(r.Series, report.Point{At: f.at, Age: f.age, Outcome: f.outcome})
		}
	}
	return r
}

func (s *subject) count(r *report.Subject, f *frame) {
	out := &r.Outcomes
	out.Produced++
	switch msg.Outcome(f.outcome) {
	case msg.OnTime:
		out.OnTime++
		return
	case msg.Late:
		out.Late++
		return
	case msg.Dropped:
		out.Dropped++
	default:
		out.Failed++
	}
	for i := range r.Causes {
		if c := &r.Causes[i]; c.Outcome == f.outcome && c.Stage == f.stage && c.Reason == f.reason {
			c.Frames++
			return
		}
	}
	r.Causes = append(r.Causes, report.Cause{Outcome: f.outcome, Stage: f.stage, Reason: f.reason, Frames: 1})
}

// size says how large the detector of a rung is. Of a ladder there is none that
// could be said.
func (s *subject) size(r *report.Subject) {
	if len(s.cfg.Ladder) > 0 {
		return
	}
	n, err := netfile.Load(s.cfg.Detect.Network, true)
	if err != nil {
		r.Notes = append(r.Notes, "its size is not known: "+err.Error())
		return
	}
	total := n.Graph.Profile().Total
	r.Parameters, r.MACs, r.FLOPs = total.Parameters, total.MACs, total.FLOPs()
	for _, f := range n.Described.Files {
		r.FileBytes += f.Bytes
	}
}

func (s *subject) rightness(r *report.Subject) {
	if s.right == nil {
		return
	}
	r.Accuracy = &report.Accuracy{Data: s.right.Data}
	if a := s.right.Offline; a != nil {
		r.Accuracy.Offline = &report.Interval{Value: a.Value, Low: a.Value, High: a.Value}
		if a.Interval != nil {
			r.Accuracy.Offline.Low, r.Accuracy.Offline.High = a.Interval[0], a.Interval[1]
		}
	}
	if a := s.right.Streaming; a != nil {
		r.Accuracy.Streaming = &report.Interval{Value: a.Value, Low: a.Value, High: a.Value}
		if a.Interval != nil {
			r.Accuracy.Streaming.Low, r.Accuracy.Streaming.High = a.Interval[0], a.Interval[1]
		}
	}
}

// column is what a stage took of each frame that it ran on.
func (s *subject) column(stage string) (took []float64) {
	at := slices.Index(s.stages, stage)
	if at < 0 {
		return nil
	}
	for _, f := range s.frames {
		if at < len(f.stages) && f.stages[at] >= 0 {
			took = append(took, f.stages[at])
		}
	}
	return took
}

func (s *subject) stageTimes() (all []report.Stage) {
	for _, name := range s.stages {
		took := s.column(name)
		if len(took) == 0 {
			continue
		}
		sum := 0.0
		for _, v := range took {
			sum += v
		}
		slices.Sort(took)
		all = append(all, report.Stage{Name: name, Mean: sum / float64(len(took)), P50: stats.Quantile(took, .5), P99: stats.Quantile(took, .99), Part: name == pipeline.StageLanesForward})
	}
	return all
}

// distribution is nil of nothing. A goal adds its quantile.
func distribution(x []float64, level float64, g *Goal) *report.Distribution {
	if len(x) == 0 {
		return nil
	}
	c := stats.Correlated(x)
	d := &report.Distribution{Effective: c.Effective(len(x)), Correlation: c.P}
	for _, v := range x {
		if !math.IsInf(v, 0) {
			d.Mean += v
			d.Count++
		}
	}
	d.Mean /= float64(max(1, d.Count))
	qs := slices.Clone(quantiles)
	if g != nil && !slices.ContainsFunc(qs, func(q float64) bool { return math.Abs(q-g.Quantile) < 1e-9 }) {
		qs = append(qs, g.Quantile)
		slices.Sort(qs)
	}
	for _, q := range qs {
		in := stats.QuantileInterval(x, q, level)
		if math.IsInf(in.Value, 0) || math.IsNaN(in.Value) {
			continue // so many were never answered
		}
		d.Quantiles = append(d.Quantiles, report.Quantile{Q: q, Value: in.Value, Low: finiteOr(in.Low), High: finiteOr(in.High)})
	}
	return d
}

func finiteOr(v float64) *float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nil
	}
	return &v
}

// middle is the median over blocks, with an interval where there are enough of them
// to bound it, and else their range.
func middle(x []float64, level float64) (iv *report.Interval, bounded bool) {
	if len(x) == 0 {
		return nil, false
	}
	in := stats.QuantileInterval(x, .5, level)
	if math.IsInf(in.Low, 0) || math.IsInf(in.High, 0) {
		return &report.Interval{Value: in.Value, Low: slices.Min(x), High: slices.Max(x)}, false
	}
	return &report.Interval{Value: in.Value, Low: in.Low, High: in.High}, true
}

// thin is values in order, without what was never answered.
func thin(x []float64) []float64 {
	sorted := slices.Clone(x)
	slices.Sort(sorted)
	return report.Thin(sorted[:len(sorted)-countInf(sorted)], plotted)
}

func countInf(sorted []float64) (n int) {
	for _, v := range slices.Backward(sorted) {
		if !math.IsInf(v, 1) {
			break
		}
		n++
	}
	return n
}
