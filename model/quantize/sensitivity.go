package quantize

import (
	"context"
	"math"
	"slices"
	"sync"

	"dashline/model"
	"dashline/model/exec"
)

// Sensitivity says, for each convolution that computes in codes, how far the
// outputs move on pictures when it alone does: the sum of [Distance] over the
// pictures, by layer of p.Graph. All others are 0. progress, unless nil, is told how
// many convolutions are done, those of every picture, by one goroutine at a time.
func (p *Plan) Sensitivity(ctx context.Context, pictures [][]float32, progress func(done, of int)) ([]float64, error) {
	var layers []int
	for i := range p.Graph.Layers {
		if p.Quant.Weights[i].Coded() {
			layers = append(layers, i)
		}
	}
	total := make([]float64, len(p.Graph.Layers))
	if len(pictures) == 0 {
		return total, nil
	}
	r, err := exec.New(p.Graph)
	if err != nil {
		return nil, err
	}
	tell := teller(len(layers)*len(pictures), progress)
	for _, picture := range pictures {
		values := make([][]float32, len(p.Graph.Layers))
		_, err := r.Run(&exec.Scratch{}, [][]float32{picture}, func(i int, value []float32) error {
			values[i] = append([]float32(nil), value...)
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
		moved := make([]float64, len(layers))
		err = each(ctx, len(layers), func(k int, s *exec.Scratch) error {
			var err error
			moved[k], err = p.alone(s, layers[k], values)
			tell()
			return err
		})
		if err != nil {
			return nil, err
		}
		for k, i := range layers {
			total[i] += moved[k]
		}
	}
	return total, nil
}

// teller counts calls from several goroutines to of.
func teller(of int, progress func(done, of int)) func() {
	if progress == nil {
		return func() {}
	}
	progress(0, of)
	var one sync.Mutex
	done := 0
	return func() {
		one.Lock()
		defer one.Unlock()
		done++
		progress(done, of)
	}
}

// alone is how far the outputs move when convolution c alone computes in codes.
// values are those of the network in float; only what changes is computed again.
func (p *Plan) alone(s *exec.Scratch, c int, values [][]float32) (float64, error) {
	only := make([]bool, len(p.Graph.Layers))
	only[c] = true
	need := coded(p.Graph, only)
	changed := make([][]float32, len(p.Graph.Layers))
	for i := range p.Graph.Layers {
		l := p.Graph.Layers[i]
		again := need[i] || i == c
		x := make([][]float32, len(l.From))
		for k, from := range l.From {
			if x[k] = changed[from]; x[k] == nil {
				x[k] = values[from]
			} else {
				again = true
			}
		}
		if !again {
			continue
		}
		changed[i] = make([]float32, len(values[i]))
		switch o := l.Op.(type) {
		case *model.Input:
			copy(changed[i], values[i])
		case *model.Conv:
			if i == c {
				op := *o
				op.Weight, op.Bias = decoded(p.Quant.Weights[i]), slices.Clone(o.Bias)
				roundBias(op.Bias, p.Quant.Weights[i], p.Quant.Values[l.From[0]])
				l.Op = &op
			}
		}
		if _, ok := l.Op.(*model.Input); !ok {
			if err := exec.Layer(&l, shapes(p.Graph, i), x, changed[i], s); err != nil {
				return 0, err
			}
		}
		if need[i] && !p.Graph.IsOutput(i) {
			fake(p.Quant.Values[i], changed[i])
		}
	}
	d := 0.0
	for _, o := range p.Graph.Outputs {
		if changed[o] != nil {
			d += Distance(&p.Graph.Layers[o], values[o], changed[o])
		}
	}
	return d, nil
}

// Distance is how far a coded network's output is from that in float. For the
// rows of a detection head it is the sum of squared differences of scores, and
// of those of boxes, in parts of the box's size, times the objectness: where
// there is no object the box means nothing. For other outputs it is the
// sum of squared differences in parts of the sum of squares.
func Distance(l *model.Layer, want, have []float32) float64 {
	if o, ok := l.Op.(*model.Yolo); ok {
		return rowDistance(5+o.Classes, want, have)
	}
	d, all := 0.0, 0.0
	for i, w := range want {
		e := float64(w) - float64(have[i])
		d += e * e
		all += float64(w) * float64(w)
	}
	return d / math.Max(all, tiny)
}

func rowDistance(columns int, want, have []float32) float64 {
	sum := 0.0
	for len(want) >= columns {
		w, h := want[:columns], have[:columns]
		want, have = want[columns:], have[columns:]
		box := 0.0
		for k := range 4 {
			e := float64(w[k]-h[k]) / math.Max(float64(w[2+k%2]), 1e-3)
			box += e * e
		}
		sum += math.Min(box, 1) * float64(w[4])
		for k := 4; k < columns; k++ {
			e := float64(w[k]) - float64(h[k])
			sum += e * e
		}
	}
	return sum
}
