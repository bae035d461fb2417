package quantize

import (
	"context"
	"errors"
	"fmt"
	"math"

	"dashline/model"
	"dashline/model/exec"
)

// Calibrate plans the codes of g from what its values are on pictures, each of
// which is a value of the network's one input. It goes from layer to layer with
// the values of all pictures in memory, in float and in codes side by side: the
// range of each value, and the correction of each bias, is taken from what the
// codes before it have made of the pictures. progress, unless nil, is told how
// many layers are done. Errors name the layer where there is one.
func Calibrate(ctx context.Context, g *model.Graph, pictures [][]float32, o Options, progress func(done, of int)) (*Plan, error) {
	if len(pictures) == 0 {
		return nil, errors.New("calibration needs at least one picture")
	}
	if o.Method == "" {
		o.Method = MSE
	}
	if o.Percentile == 0 {
		o.Percentile = DefaultPercentile
	}
	if !(o.Percentile > 50 && o.Percentile <= 100) {
		return nil, fmt.Errorf("percentile %v: use one above 50 and at most 100, for example %v", o.Percentile, DefaultPercentile)
	}
	if in := g.Inputs(); len(in) != 1 {
		return nil, fmt.Errorf("network %s has %d inputs: only networks of one can be quantised", g.Name, len(in))
	}
	if progress == nil {
		progress = func(int, int) {}
	}
	c := &calibration{ctx: ctx, Options: o, pictures: pictures, progress: progress, g: prepare(g)}
	if _, err := exec.New(c.g); err != nil { // validates, and says what cannot be run
		return nil, err
	}
	conv, err := choose(c.g, o)
	if err != nil {
		return nil, fmt.Errorf("network %s: %w", g.Name, err)
	}
	progress(0, len(c.g.Layers))
	if !o.Plain {
		if err := c.equalize(); err != nil {
			return nil, err
		}
	}
	return c.plan(conv)
}

// calibration is one network on its way.
type calibration struct {
	Options
	ctx      context.Context
	g        *model.Graph
	pictures [][]float32
	progress func(done, of int)

	values []pair // of each layer, until its last reader is done
	conv   []bool // that compute in codes
	need   []bool // values that get codes
	last   []int  // reader of each value
	quant  model.Quant
}

// pair is a layer's values on all pictures.
type pair struct{ float, code [][]float32 }

// equalize measures the channels in one run of each picture and scales them.
func (c *calibration) equalize() error {
	r, err := exec.New(c.g)
	if err != nil {
		return err
	}
	every := make([][][]float64, len(c.pictures))
	err = each(c.ctx, len(c.pictures), func(i int, s *exec.Scratch) error {
		every[i] = make([][]float64, len(c.g.Layers))
		_, err := r.Run(s, [][]float32{c.pictures[i]}, func(layer int, value []float32) error {
			n := c.g.Layers[layer].Shape.Channels()
			top := make([]float64, n)
			for ch := range top {
				top[ch] = absMax(value[ch*len(value)/n : (ch+1)*len(value)/n])
			}
			every[i][layer] = top
			return c.ctx.Err()
		})
		return err
	})
	if err != nil {
		return err
	}
	largest := every[0]
	for _, one := range every[1:] {
		for layer := range one {
			for ch, v := range one[layer] {
				largest[layer][ch] = math.Max(largest[layer][ch], v)
			}
		}
	}
	equalize(c.g, largest)
	return nil
}

func (c *calibration) plan(conv []bool) (*Plan, error) {
	n := len(c.g.Layers)
	c.conv, c.need = conv, coded(c.g, conv)
	c.quant = model.Quant{Values: make([]model.Affine, n), Weights: make([]model.Codes, n)}
	c.values, c.last = make([]pair, n), c.g.LastReaders()
	for i := range c.g.Layers {
		if err := c.layer(i); err != nil {
			return nil, err
		}
		c.release(i)
		c.progress(i+1, n)
	}
	return &Plan{Graph: c.g, Quant: c.quant}, nil
}

// release lets go of the values that layer i was the last to need.
func (c *calibration) release(i int) {
	if c.last[i] == i {
		c.values[i] = pair{}
	}
	for _, from := range c.g.Layers[i].From {
		if c.last[from] == i {
			c.values[from] = pair{}
		}
	}
}

// layer computes one layer's values in float and in codes.
func (c *calibration) layer(i int) error {
	l := &c.g.Layers[i]
	v := &c.values[i]
	switch o := l.Op.(type) {
	case *model.Input:
		v.float = c.pictures
		v.code = clones(c.pictures)
	case *model.Conv:
		if err := c.convolution(i, o); err != nil {
			return err
		}
	default:
		var err error
		if v.float, err = c.run(i, l, inFloat); err != nil {
			return err
		}
		if v.code, err = c.run(i, l, inCodes); err != nil {
			return err
		}
	}
	if !c.need[i] {
		return nil
	}
	if keeps(l.Op) {
		c.quant.Values[i] = c.quant.Values[l.From[0]]
		return nil
	}
	return c.encode(i)
}

// convolution computes a convolution before its activation function, corrects
// its bias and activates.
func (c *calibration) convolution(i int, o *model.Conv) error {
	l := &c.g.Layers[i]
	act := o.Act
	o.Act = model.Act{}
	defer func() { o.Act = act }()
	want, err := c.run(i, l, inFloat)
	if err != nil {
		return err
	}
	in := c.quant.Values[l.From[0]]
	shadow := *l
	if c.conv[i] {
		codes, err := c.round(i, o, filterScales(o, c.limit(), in))
		if err != nil {
			return err
		}
		c.quant.Weights[i] = codes
		op := *o
		op.Weight = decoded(codes)
		shadow.Op = &op
	}
	have, err := c.run(i, &shadow, inCodes)
	if err != nil {
		return err
	}
	if !c.Plain {
		c.correct(o, want, have)
	}
	for _, set := range [][][]float32{want, have} {
		for _, x := range set {
			cut(act.Kind, x)
		}
	}
	c.values[i] = pair{want, have}
	return nil
}

// cut is the activation functions that stay with their convolution.
func cut(k model.ActKind, x []float32) {
	if k == model.Linear {
		return
	}
	top := float32(math.Inf(1))
	if k == model.Relu6 {
		top = 6
	}
	for i, v := range x {
		x[i] = min(max(v, 0), top)
	}
}

// correct moves each filter's bias, and what it made, by the mean error (Nagel
// et al. 2019, section 4.2, with measured means).
func (c *calibration) correct(o *model.Conv, want, have [][]float32) {
	if o.Bias == nil {
		o.Bias = make([]float32, o.Filters)
	}
	for f := range o.Filters {
		sum, n := 0.0, 0
		for p := range want {
			area := len(want[p]) / o.Filters
			for k := f * area; k < (f+1)*area; k++ {
				sum += float64(want[p][k]) - float64(have[p][k])
			}
			n += area
		}
		d := float32(sum / float64(n))
		o.Bias[f] += d
		for p := range have {
			area := len(have[p]) / o.Filters
			for k := f * area; k < (f+1)*area; k++ {
				have[p][k] += d
			}
		}
	}
}

// encode gives a layer's value codes.
func (c *calibration) encode(i int) error {
	v := c.values[i]
	h, err := c.histogram(v.code)
	if err != nil {
		return err
	}
	method := c.Method
	if _, ok := c.g.Layers[i].Op.(*model.Input); ok {
		method = MinMax // pictures fill their range, or might
	}
	r, err := method.choose(h, c.Percentile, c.reader(i))
	if err != nil {
		return err
	}
	a := r.affine()
	c.quant.Values[i] = a
	return each(c.ctx, len(v.code), func(p int, _ *exec.Scratch) error {
		fake(a, v.code[p])
		return nil
	})
}

// reader is the activation function that alone reads a value.
func (c *calibration) reader(i int) func(float64) float64 {
	if c.last[i] == i || c.g.IsOutput(i) {
		return nil
	}
	l := &c.g.Layers[c.last[i]]
	a, ok := l.Op.(*model.Activate)
	if !ok || a.Act.Kind != model.Leaky || len(c.g.Readers()[i]) > 1 {
		return nil
	}
	slope := float64(a.Act.Alpha)
	return func(x float64) float64 { return math.Max(x, 0) + slope*math.Min(x, 0) }
}

// histogram counts a value on all pictures.
func (c *calibration) histogram(value [][]float32) (*histogram, error) {
	low, high := 0.0, 0.0
	for _, x := range value {
		a, b := extent(x)
		low, high = math.Min(low, a), math.Max(high, b)
	}
	if math.IsInf(high-low, 0) || math.IsNaN(high-low) {
		return nil, errors.New("a value is not finite on the calibration pictures: the network is damaged, or they are not scaled as it needs them")
	}
	parts := make([]*histogram, len(value))
	err := each(c.ctx, len(value), func(p int, _ *exec.Scratch) error {
		parts[p] = newHistogram(low, high)
		parts[p].add(value[p])
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, h := range parts[1:] {
		parts[0].merge(h)
	}
	return parts[0], nil
}

// side says which values a layer reads.
type side func(pair) [][]float32

func inFloat(p pair) [][]float32 { return p.float }
func inCodes(p pair) [][]float32 { return p.code }

// run runs layer l in the place of layer i on all pictures.
func (c *calibration) run(i int, l *model.Layer, of side) ([][]float32, error) {
	out := make([][]float32, len(c.pictures))
	in := shapes(c.g, i)
	err := each(c.ctx, len(out), func(p int, s *exec.Scratch) error {
		x := make([][]float32, len(l.From))
		for k, from := range l.From {
			x[k] = of(c.values[from])[p]
		}
		out[p] = make([]float32, c.g.Layers[i].Shape.Elements())
		return exec.Layer(l, in, x, out[p], s)
	})
	return out, err
}

func shapes(g *model.Graph, i int) []model.Shape {
	var in []model.Shape
	for _, from := range g.Layers[i].From {
		in = append(in, g.Layers[from].Shape)
	}
	return in
}

func clones(x [][]float32) [][]float32 {
	out := make([][]float32, len(x))
	for i := range x {
		out[i] = append([]float32(nil), x[i]...)
	}
	return out
}
