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

// Allocation says how what is to be removed is spread over the network.
type Allocation string

// The allocations.
const (
	Uniform     Allocation = "uniform"     // the same share of every group
	Sensitivity Allocation = "sensitivity" // least measured loss of the outputs per saving
)

// Options say how to shrink a network. The zero value means the defaults.
type Options struct {
	// Remove are the shares of the cost to remove, rising, each above 0 and below 1;
	// a network comes out for each.
	Remove []float64
	// Cost is what is to be saved, for how many units of each group stay; nil means
	// multiply-accumulates. Only its ratios count.
	Cost       func(s *Structure, counts []int) float64
	Criterion  Criterion  // default SecondOrder
	Allocation Allocation // default Sensitivity
	// Plain leaves the weights that stay as they are.
	Plain    bool
	Multiple int // numbers of channels are multiples of it; default Multiple
	Places   int // pixels of each picture that are looked at; default 100
	Step     float64
	Seed     uint64
	// Progress says what is being done and how much of it is.
	Progress func(what string, done, total int)
	// Enough, where not nil, is asked after each step of Step instead of Remove: the
	// result is the first network of which it says yes.
	Enough func(ctx context.Context, g *model.Graph) (bool, error)
	// Found is called with each result as soon as it is there, and the number of its
	// share.
	Found func(share int, r Result) error
	// Checkpoint is called with the choice of each step. Resume is the last one of
	// an earlier run with the same arguments: results before it are left out, all
	// others are the same.
	Checkpoint func(keep Keep) error
	Resume     Keep
}

// Result is a network with a share of its cost removed.
type Result struct {
	Graph   *model.Graph
	Removed float64 // of the cost, really
	Loss    float64 // mean divergence of the outputs on a fifth of the pictures; 0: as the original
	Groups  []Cut
}

// Cut is what was removed of one group.
type Cut struct {
	Name string `json:"name"`
	Was  int    `json:"was"` // units
	Now  int    `json:"now"`
}

// ErrTarget says that a target cannot be reached.
var ErrTarget = errors.New("cannot be reached")

func (o Options) defaults() (Options, error) {
	if o.Criterion == "" {
		o.Criterion = SecondOrder
	}
	if o.Allocation == "" {
		o.Allocation = Sensitivity
	}
	if o.Multiple == 0 {
		o.Multiple = Multiple
	}
	if o.Places == 0 {
		o.Places = 100
	}
	if o.Step == 0 {
		o.Step = .1
	}
	if o.Cost == nil {
		o.Cost = func(s *Structure, counts []int) float64 { return float64(s.Macs(counts)) }
	}
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	if o.Enough != nil {
		o.Remove = []float64{1}
		return o, nil
	}
	last := 0.
	for _, r := range o.Remove {
		if !(r > last && r < 1) {
			return o, fmt.Errorf("shares to remove %v: give rising numbers above 0 and below 1", o.Remove)
		}
		last = r
	}
	if len(o.Remove) == 0 {
		return o, errors.New("no share to remove: give one above 0 and below 1")
	}
	return o, nil
}

// Shrink removes channels of a network, which it leaves alone, and fits what is
// left to what the network made of the images: values of its one input, prepared
// as it wants them, unlabelled; their mirror images are looked at, too. There is a
// result for each share in Options.Remove; where one cannot be reached the error
// wraps [ErrTarget] and comes with the results so far.
func Shrink(ctx context.Context, g *model.Graph, images [][]float32, opt Options) ([]Result, error) {
	opt, err := opt.defaults()
	if err != nil {
		return nil, err
	}
	if len(g.Inputs()) != 1 {
		return nil, fmt.Errorf("the network has %d inputs: only networks with one can be pruned", len(g.Inputs()))
	}
	const fewest = 5
	if len(images) < fewest {
		return nil, fmt.Errorf("%d calibration pictures: give at least %d, better 100", len(images), fewest)
	}
	w := &shrinking{opt: opt, was: g}
	if err := w.prepare(ctx, images); err != nil {
		return nil, err
	}
	var out []Result
	for i, share := range opt.Remove {
		if opt.Resume != nil && w.gone() > share+1e-9 {
			continue // an earlier run has it
		}
		if err := w.to(ctx, share); err != nil {
			return out, err
		}
		r, err := w.result(ctx)
		if err != nil {
			return out, err
		}
		out = append(out, r)
		if opt.Found != nil {
			if err := opt.Found(i, r); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// shrinking is one run of Shrink.
type shrinking struct {
	opt  Options
	was  *model.Graph
	o    *original
	fit  *reconstruction
	held [][]float32
	want [][][]float32 // what the original gives for held
	m    *smaller
	full float64
}

func (w *shrinking) prepare(ctx context.Context, images [][]float32) error {
	g := w.was.Clone()
	g.Fold()
	for i := range g.Layers {
		if c, ok := g.Layers[i].Op.(*model.Conv); ok && c.Bias == nil {
			c.Bias = make([]float32, c.Filters)
		}
	}
	s, err := Analyze(g)
	if err != nil {
		return err
	}
	var fit [][]float32
	for n, x := range images {
		if n%5 == 0 {
			w.held = append(w.held, x)
		}
		fit = append(fit, x, mirrored(x, g.Layers[g.Inputs()[0]].Shape))
	}
	w.o, err = observe(ctx, g, s, fit, w.opt.Places, w.opt.Seed, func(done, total int) { w.opt.Progress("looking at the network", done, total) })
	if err != nil {
		return err
	}
	if w.want, err = w.o.raw(ctx, g, w.held); err != nil {
		return err
	}
	if !w.opt.Plain {
		w.fit = &reconstruction{steps: 2}
		if w.opt.Criterion == SecondOrder {
			if err := w.o.rotate(); err != nil {
				return err
			}
		}
	}
	w.full = w.opt.Cost(s, s.All().Counts())
	if w.opt.Resume != nil {
		if err := s.Check(w.opt.Resume); err != nil {
			return fmt.Errorf("resume: %w", err)
		}
		return w.rebuild(ctx, w.opt.Resume)
	}
	w.m, err = w.o.rebuild(ctx, s.All(), nil, func(int, int) {})
	return err
}

// mirrored is an image with left and right exchanged.
func mirrored(x []float32, s model.Shape) []float32 {
	out := make([]float32, len(x))
	width := s.Width()
	for at := 0; at < len(x); at += width {
		for i := range width {
			out[at+i] = x[at+width-1-i]
		}
	}
	return out
}

// to removes more until a share is gone, or enough is: in steps, because what is
// worth least changes with what has left.
func (w *shrinking) to(ctx context.Context, share float64) error {
	for {
		gone := w.gone()
		if w.opt.Enough != nil {
			if yes, err := w.opt.Enough(ctx, w.graph()); yes || err != nil {
				return err
			}
		} else if gone >= share-1e-9 {
			return nil
		}
		next := share
		if share-gone > 1.5*w.opt.Step {
			next = gone + w.opt.Step
		}
		keep, err := w.choose(ctx, w.full*(1-next))
		if err != nil {
			return err
		}
		reached := 1 - w.cost(keep)/w.full
		if w.opt.Enough != nil && reached <= gone || w.opt.Enough == nil && reached < next-1e-9 {
			return fmt.Errorf("the target %w: %.0f %% of the cost is all that there is to remove in multiples of %d channels", ErrTarget, 100*reached, w.opt.Multiple)
		}
		if err := w.rebuild(ctx, keep); err != nil {
			return err
		}
		if w.opt.Checkpoint != nil {
			if err := w.opt.Checkpoint(keep); err != nil {
				return err
			}
		}
	}
}

func (w *shrinking) rebuild(ctx context.Context, keep Keep) (err error) {
	w.m, err = w.o.rebuild(ctx, keep, w.fit, func(done, total int) { w.opt.Progress("fitting what is left", done, total) })
	return err
}

// gone is the share of the cost that is removed now.
func (w *shrinking) gone() float64 { return 1 - w.cost(w.m.keep)/w.full }

func (w *shrinking) cost(keep Keep) float64 { return w.opt.Cost(w.o.s, keep.Counts()) }

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

func (w *shrinking) alive(now *Structure) []*living {
	by := map[string]int{}
	for i := range now.Groups {
		by[now.Groups[i].Name] = i
	}
	out := make([]*living, len(w.o.s.Groups))
	for i := range w.o.s.Groups {
		j, ok := by[w.o.s.Groups[i].Name]
		l := &living{group: j}
		for u, stays := range w.m.keep[i] {
			if stays {
				l.units = append(l.units, u)
			}
		}
		if ok && len(now.Groups[j].Units) == len(l.units) && now.Groups[j].Fixed == "" {
			out[i] = l
		}
	}
	return out
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
	case SecondOrder:
	default:
		return nil, fmt.Errorf("unknown criterion %q: use %s, %s or %s", w.opt.Criterion, Magnitude, Scale, SecondOrder)
	}
	var readers []*reader
	for _, d := range grp.Consumers {
		c, ok := plain(w.m.g, d)
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
			mean := total(p.weight) / float64(len(p.weight))
			for j := range p.outputs {
				scaleColumn(part, j, math.Sqrt(p.worth[j]*mean))
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
var levels = []float64{.99, .9, .75, .5}

// curves measures what cuts of each group cost the outputs.
func (w *shrinking) curves(ctx context.Context, now *Structure, alive []*living, paths []*path) ([]curve, error) {
	few := w.fewest(now)
	p, err := newProbe(ctx, w.o, w.m, now, w.held[:few], w.want[:few])
	if err != nil {
		return nil, err
	}
	out := make([]curve, len(paths))
	for i, path := range paths {
		if path == nil {
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
	const work = 1.5e12 // multiply-accumulates
	each := float64(now.Macs(now.All().Counts())) / 2 * float64(len(now.Groups)*len(levels))
	return min(len(w.held), 12, max(3, int(work/max(each, 1))))
}

// graph gives the network back in the form that it came in: with batch
// normalisation where it was, of the statistics that the pictures have now.
func (w *shrinking) graph() *model.Graph {
	g := w.m.g.Clone()
	for i := range g.Layers {
		c, ok := g.Layers[i].Op.(*model.Conv)
		if !ok {
			continue
		}
		was := w.was.Layers[i].Op.(*model.Conv)
		if was.Norm != nil {
			c.Norm = normOf(c, was.Norm.Epsilon, w.m.norm[i])
			c.Bias = nil
		} else if was.Bias == nil && !slices.ContainsFunc(c.Bias, func(x float32) bool { return x != 0 }) {
			c.Bias = nil
		}
	}
	return g
}

func (w *shrinking) result(ctx context.Context) (Result, error) {
	r := Result{Graph: w.graph(), Removed: w.gone()}
	got, err := w.o.raw(ctx, r.Graph, w.held)
	if err != nil {
		return r, err
	}
	r.Loss = w.o.loss(w.want, got)
	for i, n := range w.m.keep.Counts() {
		if all := len(w.o.s.Groups[i].Units); n < all {
			r.Groups = append(r.Groups, Cut{w.o.s.Groups[i].Name, all, n})
		}
	}
	return r, nil
}

// normOf is a normalisation that takes the place of a convolution's bias: it
// takes off the mean of its sums, divides by their deviation, and undoes both.
func normOf(c *model.Conv, epsilon float64, m moments) *model.Norm {
	n := &model.Norm{Epsilon: epsilon}
	for f, b := range c.Bias {
		mean, variance := 0., 1.
		if m.mean != nil {
			mean, variance = m.mean[f], max(m.variance[f], 1e-4)
		}
		n.Mean = append(n.Mean, float32(mean))
		n.Variance = append(n.Variance, float32(variance))
		n.Scale = append(n.Scale, float32(math.Sqrt(float64(float32(variance))+epsilon)))
		n.Shift = append(n.Shift, float32(float64(b)+float64(float32(mean))))
	}
	return n
}
