package quantize

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
)

// TestSensitivity: the sum of squared distances is that of plans in which one
// convolution alone has codes, by the simulation.
func TestSensitivity(t *testing.T) {
	g := network(4)
	images := pictures(g, 4, 4)
	p := calibrated(t, g, images[:2], Options{})
	got, err := p.Sensitivity(context.Background(), images[2:], nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range p.Quant.Weights {
		if !c.Coded() {
			if got[i] != 0 {
				t.Errorf("%s has no codes and sensitivity %v", p.Graph.Layers[i].Name, got[i])
			}
			continue
		}
		only := make([]bool, len(p.Graph.Layers))
		only[i] = true
		one := *p
		one.Quant.Values, one.Quant.Weights = slices.Clone(p.Quant.Values), slices.Clone(p.Quant.Weights)
		for k, need := range coded(p.Graph, only) {
			if !need {
				one.Quant.Values[k].Scale = 0
			}
			if k != i {
				one.Quant.Weights[k].Values = nil
			}
		}
		want := simulated(t, &one, images[2:], p.Graph)
		if got[i] == 0 || math.Abs(got[i]-want) > 1e-9*want {
			t.Errorf("%s: %v; want %v", p.Graph.Layers[i].Name, got[i], want)
		}
	}
}

// TestHold: the drop is held, by leaving the most sensitive convolutions in float
// and not many more than needed.
func TestHold(t *testing.T) {
	g := network(5)
	images := pictures(g, 5, 6)
	judge := func(want, have Outputs) (float64, error) {
		d := 0.0
		for p := range want {
			for o := range want[p] {
				d += Distance(&g.Layers[g.Outputs[o]], want[p][o], have[p][o])
			}
		}
		return d, nil
	}
	ctx := context.Background()
	all := calibrated(t, g, images[:3], Options{})
	whole := simulated(t, all, images[3:], g)
	order, err := (&holder{ctx: ctx, judged: images[3:], report: func(string, int, int) {}}).order(all)
	if err != nil {
		t.Fatal(err)
	}
	for _, most := range []float64{2 * whole, whole / 2, whole / 5} {
		told := map[string][]int{} // how far each phase has come
		report := func(what string, done, of int) {
			if n := len(told[what]); n > 0 && done > 0 && done != told[what][n-1]+1 {
				t.Errorf("%s: %d of %d after %d", what, done, of, told[what][n-1])
			}
			told[what] = append(told[what], done)
		}
		plan, trials, err := Hold(ctx, g, images[:3], images[3:], Options{}, most, judge, report)
		if err != nil {
			t.Fatal(err)
		}
		layers, convolutions := len(plan.Graph.Layers), len(all.Coded())*len(images[3:])
		last := func(what string) int { return append(told[what], -1)[max(len(told[what])-1, 0)] }
		if last("calibrating") != layers || len(told["calibrating"]) != len(trials)*(layers+1) {
			t.Errorf("%d layers are told of as %d", layers, told["calibrating"])
		}
		if measured := last("measuring the sensitivity of each convolution"); most > whole && measured != -1 || most < whole && measured != convolutions {
			t.Errorf("%d of %d convolutions are told of", measured, convolutions)
		}
		if have := simulated(t, plan, images[3:], g); have > most {
			t.Errorf("%v are lost; want at most %v", have, most)
		}
		left := slices.DeleteFunc(plan.Float(), func(s string) bool { return s == "coarse" || s == "fine" })
		if most > whole && len(left) > 0 || most < whole && len(left) == 0 {
			t.Errorf("%v in float to hold %v of %v", left, most, whole)
		}
		for _, name := range left {
			if !slices.Contains(order[:len(left)], name) {
				t.Errorf("%s is in float; the most sensitive are %v", name, order)
			}
		}
		if len(trials) > 5 || trials[0].Float != 2 {
			t.Errorf("tried %v", trials)
		}
	}
	plan, _, err := Hold(ctx, g, images[:3], images[3:], Options{}, 0, judge, nil)
	if !errors.Is(err, ErrDrop) || plan == nil {
		t.Errorf("nothing may be lost: %v, %v", plan, err)
	}
	broken := errors.New("no truth")
	if _, _, err := Hold(ctx, g, images[:3], images[3:], Options{}, 1, func(_, _ Outputs) (float64, error) { return 0, broken }, nil); !errors.Is(err, broken) {
		t.Errorf("the judge fails: %v", err)
	}
	if _, _, err := Hold(ctx, g, images[:3], nil, Options{}, 1, judge, nil); err == nil {
		t.Error("judged without pictures")
	}
}
