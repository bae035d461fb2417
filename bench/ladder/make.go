package ladder

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"dashline/bench/accuracy"
	"dashline/internal/netfile"
	"dashline/internal/shrink"
	"dashline/model"
	"dashline/model/onnx"
	"dashline/model/prune"
	"dashline/model/quantize"
)

// MakeOptions say which candidates to make of a network.
type MakeOptions struct {
	Dir      string    // where files are written
	Remove   []float64 // shares of the operations, rising; none: no pruned ones
	Sparse   []float64 // parts of the weights that are zero in baselines, 0 to 1; none: no baselines
	Int8     bool
	Reduced  bool // weights of int8 forms have 7 bits, which a processor without VNNI needs
	Half     bool
	Seed     uint64
	Progress func(what string, done, total int)
	// Tune, where not nil, trains a pruned network on (path of its description) and
	// returns the path of what came of it.
	Tune func(ctx context.Context, pruned string) (string, error)
}

// Make writes a network, float16 and int8 forms of it, pruned ones, int8 forms of
// these, and baselines, and describes each: the first candidate is the network
// itself. images are calibration pictures as it wants them.
func Make(ctx context.Context, n *netfile.Net, images [][]float32, o MakeOptions) ([]Candidate, error) {
	if n.Darknet == nil {
		return nil, fmt.Errorf("network %s is not a darknet network: only these can be made smaller and described again", n.Described.Name)
	}
	m := &maker{n: n, images: images, o: o}
	if err := m.forms(ctx, "full", n.Graph, "the network as it is"); err != nil {
		return nil, err
	}
	if len(o.Remove) > 0 {
		if err := m.prune(ctx); err != nil {
			return nil, err
		}
	}
	for _, part := range o.Sparse {
		if err := m.sparse(part); err != nil {
			return nil, err
		}
	}
	return m.all, nil
}

type maker struct {
	n      *netfile.Net
	images [][]float32
	o      MakeOptions
	all    []Candidate
}

func (m *maker) prune(ctx context.Context) error {
	o := m.o
	made, err := shrink.Run(ctx, m.n, m.images, shrink.Options{
		Options: prune.Options{Remove: o.Remove, Seed: o.Seed, Progress: o.Progress},
		Base:    filepath.Join(o.Dir, "darknet", "pruned"), // beside the same as ONNX
	})
	if err != nil {
		return err
	}
	for i, p := range made {
		name := fmt.Sprintf("pruned-%g", math.Round(1000*o.Remove[i])/10)
		how := fmt.Sprintf("%.0f %% of the operations removed in whole channels, the rest fitted to the network", 100*p.Removed)
		if err := m.pruned(ctx, name, p.Network, how); err != nil {
			return err
		}
		if o.Tune == nil {
			continue
		}
		tuned, err := o.Tune(ctx, p.Network)
		if err != nil {
			return err
		}
		if err := m.pruned(ctx, name+"-tuned", tuned, how+", then trained on"); err != nil {
			return err
		}
	}
	return nil
}

// sparse makes a baseline: the network with the smallest of each layer's weights
// set to zero.
func (m *maker) sparse(part float64) error {
	g := m.n.Graph.Clone()
	// Nothing is trained here between the steps of a schedule, so its last one is all of it.
	schedule := prune.Schedule{Final: part}
	if err := prune.Sparsify(g, schedule.At(schedule.End)); err != nil {
		return err
	}
	percent := math.Round(1000*part) / 10
	how := fmt.Sprintf("baseline: the smallest %g %% of the weights of each layer set to zero, none removed", percent)
	if err := m.add(fmt.Sprintf("sparse-%g", percent), g, onnx.Options{Fold: true, Decode: true}, how); err != nil {
		return err
	}
	m.all[len(m.all)-1].Baseline = true
	return nil
}

func (m *maker) pruned(ctx context.Context, name, network, how string) error {
	p, err := netfile.Detector(network)
	if err != nil {
		return err
	}
	return m.forms(ctx, name, p.Graph, how)
}

// forms are a network in float32 and, where asked for, smaller numbers.
func (m *maker) forms(ctx context.Context, name string, g *model.Graph, how string) error {
	if err := m.add(name, g, onnx.Options{Fold: true, Decode: true}, how); err != nil {
		return err
	}
	if m.o.Half && name == "full" { // half of its bytes, whatever the network: once is enough to see its worth
		if err := m.add(name+"-fp16", g, onnx.Options{Half: true, Decode: true}, how+", float16"); err != nil {
			return err
		}
	}
	if !m.o.Int8 {
		return nil
	}
	plan, err := m.codes(ctx, name, g)
	if err != nil {
		return err
	}
	return m.add(name+"-int8", plan.Graph, onnx.Options{Fold: true, Decode: true, Quant: &plan.Quant},
		fmt.Sprintf("%s, %d of %d convolutions in int8", how, len(plan.Coded()), len(plan.Coded())+len(plan.Float())))
}

// maxDrop is how many points of agreement an int8 form may lose; what is most
// sensitive stays float to hold it.
const maxDrop = 1

func (m *maker) codes(ctx context.Context, name string, g *model.Graph) (*quantize.Plan, error) {
	calibrate, judged := quantize.Split(g, m.images)
	o := quantize.Options{Reduced: m.o.Reduced}
	judge := func(want, have quantize.Outputs) (float64, error) { return accuracy.Drop(m.n.Described, g, want, have) }
	plan, _, err := quantize.Hold(ctx, g, calibrate, judged, o, maxDrop, judge, func(what string, done, of int) {
		m.o.Progress("int8 form of "+name+": "+what, done, of)
	})
	if errors.Is(err, quantize.ErrDrop) {
		err = nil // what it is worth is measured, like all else
	}
	return plan, err
}

func (m *maker) add(name string, g *model.Graph, o onnx.Options, how string) error {
	base := filepath.Join(m.o.Dir, name)
	path, err := m.n.SaveONNX(base, g, o, m.n.Described.Name+": "+how)
	if err != nil {
		return err
	}
	size, zipped, err := sizes(base + ".onnx")
	if err != nil {
		return err
	}
	s, err := prune.Analyze(g)
	if err != nil {
		return err
	}
	c := Candidate{Name: name, Network: path, How: how, FileBytes: size, Zipped: zipped, MACs: s.Macs(s.All().Counts())}
	for i := range g.Layers {
		for p := range model.Weights(g.Layers[i].Op) {
			if p.Trained {
				c.Parameters += int64(len(p.Values))
			}
		}
	}
	m.all = append(m.all, c)
	return nil
}

// sizes are the bytes of a file, and those after gzip.
func sizes(path string) (plain, zipped int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	return prune.FileSize(f)
}
