package prune

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"dashline/model"
)

// choose picks the units that leave next, to bring the cost down to target.
func (w *shrinking) choose(ctx context.Context, target float64) (Keep, error) {
	now, err := Analyze(w.m.g)
	if err != nil {
		return nil, err
	}
	alive := w.alive(now)
	paths := make([]*path, len(w.o.s.Groups))
	for i := range w.o.s.Groups {
		if w.o.s.Groups[i].Fixed != "" || alive[i] == nil {
			continue
		}
		if paths[i], err = w.rank(now, alive[i].group, i, alive[i].units); err != nil {
			return nil, fmt.Errorf("group %s: %w", w.o.s.Groups[i].Name, err)
		}
		w.opt.Progress("ranking channels", i+1, len(w.o.s.Groups))
	}
	cost := func(counts []int) float64 { return w.opt.Cost(w.o.s, counts) }
	var counts []int
	if w.opt.Allocation == Uniform {
		// A share of what there was, so that steps do not add up unevenly.
		counts = uniform(w.o.s, func(i int) bool { return paths[i] != nil }, cost, target, w.opt.Multiple)
	} else {
		curves, err := w.curves(ctx, now, alive, paths)
		if err != nil {
			return nil, err
		}
		counts = allocate(w.o.s, w.m.keep.Counts(), curves, cost, target, w.opt.Multiple)
	}
	keep := w.o.s.All()
	for i := range keep {
		copy(keep[i], w.m.keep[i])
		if paths[i] == nil {
			continue
		}
		k := min(counts[i], len(alive[i].units))
		for u, stays := range paths[i].kept(k) {
			keep[i][alive[i].units[u]] = stays
		}
	}
	return keep, nil
}

// living is a group in the smaller network: its index there, and which of the
// original's units are left.
type living struct {
	group int
	units []int
}

// alive finds what is left of each group in the smaller network; nil where
// nothing of it may leave any more. Names will not do: groups that begin in one
// layer are numbered by which channel comes first.
func (w *shrinking) alive(now *Structure) []*living {
	out := make([]*living, len(w.o.s.Groups))
	for i := range w.o.s.Groups {
		l := &living{group: -1}
		for u, stays := range w.m.keep[i] {
			if !stays {
				continue
			}
			if l.group < 0 {
				l.group = w.now(now, w.o.s.Groups[i].Units[u][0])
			}
			l.units = append(l.units, u)
		}
		if grp := &now.Groups[l.group]; grp.Fixed == "" && len(grp.Units) == len(l.units) {
			out[i] = l
		}
	}
	return out
}

// now is the group of the smaller network that a channel that stayed is in.
func (w *shrinking) now(now *Structure, c Channel) int {
	at, _ := slices.BinarySearch(w.o.s.Kept(w.m.keep, c.Layer), c.Index)
	group, _ := now.Find(Channel{c.Layer, at})
	return group
}

// rank orders the units of a group of the smaller network: group is its index
// there, was that in the original.
func (w *shrinking) rank(now *Structure, group, was int, units []int) (*path, error) {
	grp := &now.Groups[group]
	switch w.opt.Criterion {
	case Magnitude:
		return byWeight(norms(w.m.g, grp, filterNorm)), nil
	case Scale:
		whole := norms(w.was, &w.o.s.Groups[was], normScale)
		of := make([]float64, len(units))
		for k, u := range units {
			of[k] = whole[u]
		}
		return byWeight(of), nil
	}
	var readers []*reader
	for _, d := range grp.Consumers {
		c, ok := w.m.plain(d)
		if !ok {
			return byWeight(norms(w.m.g, grp, filterNorm)), nil
		}
		more, err := w.readers(grp, c, d)
		if err != nil {
			return nil, err
		}
		readers = append(readers, more...)
	}
	if len(readers) == 0 {
		return byWeight(norms(w.m.g, grp, filterNorm)), nil
	}
	return surgeon(readers, len(units))
}

// readers are what consumer d of a group loses with its columns: one, or one for
// each part of a head.
func (w *shrinking) readers(grp *Group, c *model.Conv, d int) ([]*reader, error) {
	cols := unitColumns(w.m.g, grp, d)
	all := weights(c, w.m.seen[d].cov.SymmetricDim())
	if parts := w.o.parts[d]; parts != nil {
		var out []*reader
		for k, p := range parts {
			part := columnsOf(all, p.outputs)
			for j := range p.outputs {
				scaleColumn(part, j, math.Sqrt(p.worth[j]*p.mean))
			}
			r, err := newReader(w.m.parts[d][k].cov, part, cols, 1)
			if err != nil {
				return nil, err
			}
			out = append(out, r)
		}
		return out, nil
	}
	worth := w.o.outputWorth(d)
	for j, f := range w.o.s.Kept(w.m.keep, d) {
		scaleColumn(all, j, math.Sqrt(worth[f]))
	}
	var t mat.Dense
	t.Mul(w.m.seen[d].cov, all)
	var sum float64
	n, m := all.Dims()
	for i := range n {
		for j := range m {
			sum += all.At(i, j) * t.At(i, j)
		}
	}
	r, err := newReader(w.m.seen[d].cov, all, cols, 1/max(sum, 1e-12))
	return []*reader{r}, err
}

func newReader(cov *mat.SymDense, w *mat.Dense, cols [][]int, scale float64) (*reader, error) {
	var chol mat.Cholesky
	if !chol.Factorize(ridged(cov, 1e-4)) {
		return nil, errors.New("the covariance of its readers' inputs cannot be inverted: give more calibration pictures")
	}
	r := &reader{inverse: new(mat.SymDense), w: w, cols: cols}
	if err := chol.InverseTo(r.inverse); err != nil {
		if _, near := err.(mat.Condition); !near {
			return nil, err
		}
	}
	w.Scale(math.Sqrt(scale), w)
	return r, nil
}

// levels are the shares of a group that are tried.
var levels = []float64{.99, .9, .8, .65, .5}

// curves measures what cuts of each group cost the outputs.
func (w *shrinking) curves(
	ctx context.Context, now *Structure, alive []*living, paths []*path,
) ([]curve, error) {
	few := w.fewest(now)
	p, err := newProbe(ctx, w.o, w.m, now, w.held[:few], w.want[:few])
	if err != nil {
		return nil, err
	}
	out := make([]curve, len(paths))
	for i, path := range paths {
		if path == nil || !p.sees(alive[i].group) {
			continue
		}
		n := len(alive[i].units)
		m := multipleOf(len(w.o.s.Groups[i].Units), w.opt.Multiple)
		measured := map[int]float64{}
		for _, share := range levels {
			k := min(int(math.Ceil(float64(n)/float64(m)))*m-m, int(math.Round(float64(n)*share/float64(m)))*m)
			if _, done := measured[k]; done || k < 1 || k >= n {
				continue
			}
			if measured[k], err = p.cut(ctx, alive[i].group, path.kept(k)); err != nil {
				return nil, err
			}
		}
		// The curve counts the units that are left of all there were.
		short := newCurve(path, measured)
		out[i] = make(curve, len(w.o.s.Groups[i].Units)+1)
		copy(out[i], short)
		w.opt.Progress("measuring what cuts cost", i+1, len(paths))
	}
	return out, nil
}

// fewest bounds the work of measuring: the more a forward costs, the fewer
// pictures, but at least three.
func (w *shrinking) fewest(now *Structure) int {
	const work = 3e12 // multiply-accumulates
	each := float64(now.Macs(now.All().Counts())) / 2 * float64(len(now.Groups)*len(levels))
	return min(len(w.held), 20, max(3, int(work/max(each, 1))))
}
