package prune

import (
	"context"
	"fmt"
	"math"
	"slices"

	"dashline/model"
)

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
	if err := usable(g, images); err != nil {
		return nil, err
	}
	w := &shrinking{opt: opt, was: g}
	if err := w.prepare(ctx, images); err != nil {
		return nil, err
	}
	var out []Result
	for i, share := range opt.Remove {
		if opt.Resume != nil && i < opt.Done {
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

// usable refuses what nothing can be fitted to.
func usable(g *model.Graph, images [][]float32) error {
	if err := g.Clone().Validate(); err != nil {
		return err
	}
	if len(g.Inputs()) != 1 {
		return fmt.Errorf("the network has %d inputs: only networks with one can be pruned", len(g.Inputs()))
	}
	if len(images) < fewest {
		return fmt.Errorf("%d calibration pictures: give at least %d, better 100", len(images), fewest)
	}
	shape := g.Layers[g.Inputs()[0]].Shape
	for n, x := range images {
		if len(x) != shape.Elements() {
			return fmt.Errorf("calibration picture %d has %d numbers: the network reads %v", n, len(x), shape)
		}
	}
	return nil
}

// shrinking is one run of Shrink.
type shrinking struct {
	opt  Options
	was  *model.Graph
	o    *original
	held [][]float32   // pictures that nothing is fitted to
	want [][][]float32 // what the original gives for them
	m    *smaller
	full float64
}

// holdOut says that each so many-th picture is held out: nothing is fitted to it,
// and what cuts cost is measured on it. On pictures that are fitted to, wide layers
// with few pixels seem to lose nothing: there are hardly more pictures than
// channels, and the rest make up for any of them by heart.
const holdOut = 6

// apart are the images that are held out, and the rest.
func apart(images [][]float32) (held, rest [][]float32) {
	for n, x := range images {
		if n%holdOut == 0 {
			held = append(held, x)
		} else {
			rest = append(rest, x)
		}
	}
	return held, rest
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
	most := int(memory / each(g, w.opt.Places) / 2) // pictures with their mirror images
	if most < fewest {
		return fmt.Errorf("%d calibration pictures of this network do not fit into %d GiB of memory: prune it at a smaller input size",
			fewest, memory>>30)
	}
	var rest, fit [][]float32
	w.held, rest = apart(images)
	for _, x := range thinned(rest, most) {
		fit = append(fit, x, mirrored(x, g.Layers[g.Inputs()[0]].Shape))
	}
	w.o, err = observe(ctx, g, s, fit, w.opt.Places, w.opt.Seed, func(done, total int) {
		w.opt.Progress("looking at the network", done, total)
	})
	if err != nil {
		return err
	}
	if w.want, err = w.o.raw(ctx, g, w.held); err != nil {
		return err
	}
	if !w.opt.Plain && w.opt.Criterion == SecondOrder {
		if err := w.o.rotate(); err != nil {
			return err
		}
	}
	w.full = w.opt.Cost(s, s.All().Counts())
	if w.opt.Resume != nil {
		if err := s.Check(w.opt.Resume); err != nil {
			return fmt.Errorf("resume: %w", err)
		}
		return w.rebuild(ctx, w.opt.Resume)
	}
	w.m, err = w.o.rebuild(ctx, s.All(), false, func(int, int) {})
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
			return fmt.Errorf("the target %w: %.0f %% of the cost is all that there is to remove in multiples of %d channels",
				ErrTarget, 100*reached, w.opt.Multiple)
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
	w.m, err = w.o.rebuild(ctx, keep, !w.opt.Plain, func(done, total int) {
		w.opt.Progress("fitting what is left", done, total)
	})
	return err
}

// gone is the share of the cost that is removed now.
func (w *shrinking) gone() float64 { return 1 - w.cost(w.m.keep)/w.full }

func (w *shrinking) cost(keep Keep) float64 { return w.opt.Cost(w.o.s, keep.Counts()) }

// graph gives the network back in the form that it came in: with batch
// normalisation where a convolution had one, of the statistics that the pictures
// have now; those of convolutions in groups of several channels do nothing but
// undo themselves.
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
