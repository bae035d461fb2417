package quantize

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"dashline/model"
	"dashline/model/exec"
)

// Outputs are a network's on some pictures: by picture, then by output.
type Outputs [][][]float32

// Judge says how much worse have is than want, the outputs of the network in
// float: points of whatever the caller measures, for example 100 times what the
// average precision falls short of 1 with want's own detections as truth.
type Judge func(want, have Outputs) (float64, error)

// Trial is one plan that was tried.
type Trial struct {
	Float int     // convolutions left in float
	Drop  float64 // what the judge said
}

// ErrDrop is that even with most convolutions in float the drop is too large.
var ErrDrop = errors.New("the drop is too large whatever is left in float")

// Hold plans codes such that the judge's drop on the pictures judged is at most
// maxDrop. Where that of [Calibrate] is more, convolutions are left in float, the
// most sensitive first and twice as many each time, then as few of the last as
// suffice. judged are best not those that calibrate. report, unless nil, is told what
// is being done and how far it has come, by one goroutine at a time, and of each
// plan what came of it; of is then 0. An error that wraps ErrDrop comes with the
// best plan.
func Hold(ctx context.Context, g *model.Graph, calibrate, judged [][]float32, o Options, maxDrop float64, judge Judge, report func(what string, done, of int)) (*Plan, []Trial, error) {
	if report == nil {
		report = func(string, int, int) {}
	}
	h := &holder{ctx: ctx, g: g, calibrate: calibrate, judged: judged, options: o, judge: judge, report: report}
	if len(judged) == 0 {
		return nil, nil, errors.New("judging needs at least one picture")
	}
	var err error
	if h.want, err = h.float(); err != nil {
		return nil, nil, err
	}
	plan, drop, err := h.try(nil)
	if err != nil || drop <= maxDrop {
		return plan, h.trials, err
	}
	return h.search(plan, drop, maxDrop)
}

type holder struct {
	ctx               context.Context
	g                 *model.Graph
	calibrate, judged [][]float32
	options           Options
	judge             Judge
	report            func(what string, done, of int)

	want   Outputs
	trials []Trial
}

// search leaves more and more in float.
func (h *holder) search(best *Plan, bestDrop, maxDrop float64) (*Plan, []Trial, error) {
	order, err := h.order(best)
	if err != nil {
		return nil, h.trials, err
	}
	failed, held := 0, 0
	for k := 2; held == 0 && failed < len(order)-1; k *= 2 {
		k = min(k, len(order)-1)
		plan, drop, err := h.try(order[:k])
		if err != nil {
			return nil, h.trials, err
		}
		if drop < bestDrop {
			best, bestDrop = plan, drop
		}
		if drop <= maxDrop {
			best, held = plan, k
		} else {
			failed = k
		}
	}
	if held == 0 {
		return best, h.trials, fmt.Errorf("%w: %.2f at best, %.2f wanted", ErrDrop, bestDrop, maxDrop)
	}
	for held-failed > 1 && held > failed+held/4 { // a quarter more than needed is near enough
		k := (held + failed) / 2
		plan, drop, err := h.try(order[:k])
		if err != nil {
			return nil, h.trials, err
		}
		if drop <= maxDrop {
			best, held = plan, k
		} else {
			failed = k
		}
	}
	return best, h.trials, nil
}

// doing reports how far one thing has come.
func (h *holder) doing(what string) func(done, of int) {
	return func(done, of int) { h.report(what, done, of) }
}

// order names the convolutions in codes, the most sensitive first.
func (h *holder) order(p *Plan) ([]string, error) {
	const few = 4 // pictures: each counts the outputs' every number
	s, err := p.Sensitivity(h.ctx, h.judged[:min(few, len(h.judged))], h.doing("measuring the sensitivity of each convolution"))
	if err != nil {
		return nil, err
	}
	var layers []int
	for i, c := range p.Quant.Weights {
		if c.Coded() {
			layers = append(layers, i)
		}
	}
	slices.SortStableFunc(layers, func(a, b int) int {
		switch {
		case s[a] > s[b]:
			return -1
		case s[a] < s[b]:
			return 1
		}
		return 0
	})
	names := make([]string, len(layers))
	for k, i := range layers {
		names[k] = p.Graph.Layers[i].Name
	}
	return names, nil
}

// try plans with more convolutions in float and judges the plan.
func (h *holder) try(float []string) (*Plan, float64, error) {
	o := h.options
	o.Float = append(slices.Clone(o.Float), float...)
	p, err := Calibrate(h.ctx, h.g, h.calibrate, o, h.doing("calibrating"))
	if err != nil {
		return nil, 0, err
	}
	have := make(Outputs, len(h.judged))
	s := p.Simulator()
	err = each(h.ctx, len(have), func(i int, scratch *exec.Scratch) (err error) {
		have[i], err = s.Run(scratch, h.judged[i])
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	drop, err := h.judge(h.want, have)
	if err != nil {
		return nil, 0, err
	}
	h.trials = append(h.trials, Trial{len(p.Float()), drop})
	h.report(fmt.Sprintf("%d convolutions in 8 bits, %d in float: %.2f points lost", len(p.Coded()), len(p.Float()), drop), 0, 0)
	return p, drop, nil
}

// float is what the network in float gives.
func (h *holder) float() (Outputs, error) {
	r, err := exec.New(h.g)
	if err != nil {
		return nil, err
	}
	out := make(Outputs, len(h.judged))
	return out, each(h.ctx, len(out), func(i int, s *exec.Scratch) error {
		got, err := r.Run(s, [][]float32{h.judged[i]}, nil)
		for _, v := range got {
			out[i] = append(out[i], slices.Clone(v))
		}
		return err
	})
}
