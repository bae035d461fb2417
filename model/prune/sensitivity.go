package prune

import (
	"context"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"dashline/model"
	"dashline/model/exec"
)

// probe measures what the network's outputs lose when one group alone is cut,
// on a few of the pictures.
type probe struct {
	o      *original
	m      *smaller
	s      *Structure // of m
	want   [][][]float32
	values [][][]float32 // by image and layer
	base   float64
}

func newProbe(
	ctx context.Context, o *original, m *smaller, s *Structure, images [][]float32, want [][][]float32,
) (*probe, error) {
	p := &probe{o: o, m: m, s: s, want: want, values: make([][][]float32, len(images))}
	r, err := exec.New(m.g)
	if err != nil {
		return nil, err
	}
	scratch := make([]exec.Scratch, workers())
	err = parallel(ctx, len(scratch), len(images), func(worker, n int) error {
		_, err := r.Run(&scratch[worker], [][]float32{images[n]}, func(layer int, value []float32) error {
			p.values[n] = append(p.values[n], append([]float32(nil), value...))
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	p.base, err = p.loss(ctx, nil)
	return p, err
}

// loss is that of the network with some layers exchanged. Only what depends on
// them is computed.
func (p *probe) loss(ctx context.Context, exchanged map[int]*model.Conv) (float64, error) {
	g := p.m.g
	scratch := make([]exec.Scratch, workers())
	sums := make([]float64, len(p.values))
	err := parallel(ctx, len(scratch), len(p.values), func(worker, n int) error {
		now := make(map[int][]float32)
		for i := range g.Layers {
			l := g.Layers[i]
			c, new := exchanged[i]
			if new {
				l.Op = c
			}
			for _, from := range l.From {
				new = new || now[from] != nil
			}
			if _, yolo := l.Op.(*model.Yolo); !new || yolo {
				continue
			}
			shapes := make([]model.Shape, len(l.From))
			x := make([][]float32, len(l.From))
			for k, from := range l.From {
				shapes[k] = g.Layers[from].Shape
				if x[k] = now[from]; x[k] == nil {
					x[k] = p.values[n][from]
				}
			}
			now[i] = make([]float32, l.Shape.Elements())
			if err := exec.Layer(&l, shapes, x, now[i], &scratch[worker]); err != nil {
				return err
			}
		}
		got := make([][]float32, len(p.o.heads))
		for k, h := range p.o.heads {
			if got[k] = now[h.layer]; got[k] == nil {
				got[k] = p.values[n][h.layer]
			}
		}
		sums[n] = lossOf(p.o.heads, p.want[n], got)
		return nil
	})
	var sum float64
	for _, x := range sums {
		sum += x
	}
	return sum / float64(len(sums)), err
}

// sees says whether what a group's cut costs is measured: where convolutions read
// it. Other groups stay whole.
func (p *probe) sees(group int) bool {
	for _, d := range p.s.Groups[group].Consumers {
		if _, ok := p.m.g.Layers[d].Op.(*model.Conv); !ok {
			return false
		}
	}
	return true
}

// cut is the loss, over that of the network as it is, with the units of a group
// that are not kept taken from all that read it; the readers' weights make up
// for it as far as they can, but for those of convolutions in groups, which stay as
// they are. The group is one that sees says yes of.
func (p *probe) cut(ctx context.Context, group int, kept []bool) (float64, error) {
	grp := &p.s.Groups[group]
	exchanged := map[int]*model.Conv{}
	for _, d := range grp.Consumers {
		c, ok := p.m.plain(d)
		if !ok {
			exchanged[d] = p.without(grp, d, kept)
			continue
		}
		e := *c
		e.Weight = append([]float32(nil), c.Weight...)
		e.Bias = append([]float32(nil), c.Bias...)
		var stay []int
		gone := make([]bool, p.m.seen[d].cov.SymmetricDim())
		for u, cols := range unitColumns(p.m.g, grp, d) {
			for _, col := range cols {
				gone[col] = !kept[u]
			}
		}
		for col, out := range gone {
			if !out {
				stay = append(stay, col)
			}
		}
		all := weights(c, len(gone))
		if parts := p.o.parts[d]; parts != nil {
			for k, part := range parts {
				cutColumns(&e, all, p.m.parts[d][k], stay, part.outputs)
			}
		} else {
			cutColumns(&e, all, p.m.seen[d], stay, nil)
		}
		exchanged[d] = &e
	}
	loss, err := p.loss(ctx, exchanged)
	return loss - p.base, err
}

// without is a convolution in groups, d, with the weights of a group's channels that
// are not kept set to zero.
func (p *probe) without(grp *Group, d int, kept []bool) *model.Conv {
	c := *p.m.g.Layers[d].Op.(*model.Conv)
	c.Weight = slices.Clone(c.Weight)
	area := c.Kernel[0] * c.Kernel[1]
	channels := p.m.g.In(d).Channels() / c.Groups // that a filter sees
	filters := c.Filters / c.Groups
	for u, stays := range kept {
		if stays {
			continue
		}
		for _, ch := range grp.In(u, p.m.g.Layers[d].From[0]) {
			for f := ch / channels * filters; f < (ch/channels+1)*filters; f++ {
				at := (f*channels + ch%channels) * area
				clear(c.Weight[at : at+area])
			}
		}
	}
	return &c
}

// cutColumns sets to zero what does not stay in some outputs (nil: all) and
// makes up for it with the rest and the bias.
func cutColumns(c *model.Conv, w *mat.Dense, seen *gram, stay, outputs []int) {
	part := w
	if outputs != nil {
		part = columnsOf(w, outputs)
	}
	n, m := part.Dims()
	small := without(seen.cov, part, stay, 1e-4)
	after := mat.NewDense(n, m, nil)
	for i, r := range stay {
		after.SetRow(r, small.RawRowView(i))
	}
	for k := range m {
		f := k
		if outputs != nil {
			f = outputs[k]
		}
		shift := 0.
		for r := range n {
			x := after.At(r, k)
			shift += seen.mean[r] * (part.At(r, k) - x)
			c.Weight[f*n+r] = float32(x)
		}
		c.Bias[f] += float32(shift)
	}
}

// unitColumns are, of each unit of a group, its columns in consumer d.
func unitColumns(g *model.Graph, grp *Group, d int) [][]int {
	c := g.Layers[d].Op.(*model.Conv)
	area := c.Kernel[0] * c.Kernel[1]
	out := make([][]int, len(grp.Units))
	for u := range grp.Units {
		for _, ch := range grp.In(u, g.Layers[d].From[0]) {
			for k := range area {
				out[u] = append(out[u], ch*area+k)
			}
		}
	}
	return out
}

// curve is the loss of the outputs with k units of a group left, for every k:
// between the levels that were measured it has the shape of the path's own loss.
type curve []float64

func newCurve(p *path, measured map[int]float64) curve {
	all := len(p.order)
	c := make(curve, all+1)
	var ks []int
	var ratio []float64
	for k := 1; k < all; k++ {
		if l, ok := measured[k]; ok {
			ks = append(ks, k)
			ratio = append(ratio, math.Log(max(l, 1e-4)/max(p.loss[k], 1e-12)))
		}
	}
	for k := range c {
		switch {
		case k == all:
		case len(ks) == 0 || k < ks[0]:
			c[k] = math.Inf(1)
		default:
			c[k] = p.loss[k] * math.Exp(between(ks, ratio, k))
		}
	}
	for k := all - 1; k >= 0; k-- { // fewer units are never better
		c[k] = max(c[k], c[k+1])
	}
	return c
}

// between interpolates y linearly; beyond the ends it stays.
func between(x []int, y []float64, at int) float64 {
	for i := range x {
		if at <= x[i] {
			if i == 0 || at == x[i] {
				return y[i]
			}
			t := float64(at-x[i-1]) / float64(x[i]-x[i-1])
			return y[i-1] + t*(y[i]-y[i-1])
		}
	}
	return y[len(y)-1]
}
