package prune

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
	Plain bool
	// Multiple is what numbers of channels are multiples of, where a group is large
	// enough: default [Multiple].
	Multiple int
	// Places are the pixels of each picture at which each layer is looked at; default
	// 100. Where pictures would take more than 4 GiB, only some are fitted to.
	Places int
	Step   float64 // share of the cost that is removed at a time; default 0.1
	Seed   uint64  // of the choice of places
	// Progress says what is being done and how much of it is.
	Progress func(what string, done, total int)
	// Enough, where not nil, is asked after each step of Step instead of Remove: the
	// result is the first network of which it says yes.
	Enough func(ctx context.Context, g *model.Graph) (bool, error)
	// Found is called with each result as soon as it is there, and the number of its
	// share.
	Found func(share int, r Result) error
	// Checkpoint is called with the choice of each step. Resume is the last one of
	// an earlier run with the same arguments and Done how many results that found:
	// these are left out, all others are the same.
	Checkpoint func(keep Keep) error
	Resume     Keep
	Done       int
}

// Result is a network with a share of its cost removed.
type Result struct {
	Graph   *model.Graph
	Removed float64 // of the cost, really
	Loss    float64 // mean divergence of the outputs on pictures that nothing was fitted to; 0: as the original
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
	}
	return o, o.check()
}

func (o *Options) check() error {
	if !slices.Contains([]Criterion{Magnitude, Scale, SecondOrder}, o.Criterion) {
		return fmt.Errorf("unknown criterion %q: use %s, %s or %s", o.Criterion, Magnitude, Scale, SecondOrder)
	}
	if !slices.Contains([]Allocation{Uniform, Sensitivity}, o.Allocation) {
		return fmt.Errorf("unknown allocation %q: use %s or %s", o.Allocation, Uniform, Sensitivity)
	}
	if o.Multiple < 1 || o.Places < 1 || !(o.Step > 0) {
		return fmt.Errorf("multiple %d, places %d, step %g: give numbers above 0", o.Multiple, o.Places, o.Step)
	}
	if len(o.Remove) == 0 {
		return errors.New("no share to remove: give one above 0 and below 1")
	}
	last := 0.
	for _, r := range o.Remove {
		if !(r > last && (r < 1 || o.Enough != nil)) {
			return fmt.Errorf("shares to remove %v: give rising numbers above 0 and below 1", o.Remove)
		}
		last = r
	}
	return nil
}
