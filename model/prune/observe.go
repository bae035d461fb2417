package prune

import (
	"context"

	"gonum.org/v1/gonum/mat"

	"dashline/model"
	"dashline/model/exec"
)

// original is the network before anything was removed, and what it does with
// the calibration pictures: what the smaller one is fitted to.
type original struct {
	g      *model.Graph // batch normalisation folded
	s      *Structure
	images [][]float32
	at     map[grid]*places
	heads  []head
	parts  map[int][]portion // of the convolutions of heads
	// target is, of each convolution and sum, its value before the activation at
	// the places: rows x channels.
	target []matrix
	// seen is mean and covariance of what each plain convolution sees there.
	seen    []*gram
	readers [][]int // of each layer
	// worth of each unit of a rotated group; nil: not rotated.
	worth [][]float64
}

// plain says whether layer i is a convolution whose filters see all channels.
func plain(g *model.Graph, i int) (*model.Conv, bool) {
	o, ok := g.Layers[i].Op.(*model.Conv)
	return o, ok && o.Groups == 1
}

// channelwise says whether layer i is a convolution of each channel by itself.
func channelwise(g *model.Graph, i int) (*model.Conv, bool) {
	o, ok := g.Layers[i].Op.(*model.Conv)
	return o, ok && o.Groups > 1 && o.Groups == o.Filters && o.Groups == g.In(i).Channels()
}

// observe runs the network on the images. per is the number of places in an image.
func observe(
	ctx context.Context, g *model.Graph, s *Structure, images [][]float32, per int, seed uint64, progress func(done, total int),
) (*original, error) {
	o := &original{
		g: g, s: s, images: images, heads: headsOf(g), parts: map[int][]portion{}, readers: g.Readers(),
		target: make([]matrix, len(g.Layers)), seen: make([]*gram, len(g.Layers)), worth: make([][]float64, len(s.Groups)),
	}
	o.at = spread(g, len(images), per, seed)
	f := newFlow(g, images)
	for i := range g.Layers {
		if err := o.see(ctx, f, i); err != nil {
			return nil, err
		}
		if err := f.run(ctx, i); err != nil {
			return nil, err
		}
		if _, ok := g.Layers[i].Op.(*model.Add); ok && channels(&g.Layers[i]) > 0 {
			o.target[i] = f.samples(i, o.at[gridOf(g.Layers[i].Shape)])
		}
		f.drop(i)
		progress(i+1, len(g.Layers))
	}
	for _, h := range o.heads {
		if h.conv >= 0 {
			o.parts[h.conv] = h.portions(o.target[h.conv])
		}
	}
	return o, nil
}

// see takes note of what convolution i sees and says.
func (o *original) see(ctx context.Context, f *flow, i int) error {
	at := o.at[gridOf(o.g.Layers[i].Shape)]
	if c, ok := plain(o.g, i); ok {
		x, err := f.patches(ctx, i, 0, at)
		if err != nil {
			return err
		}
		o.seen[i] = gramOf(x, at.weight)
		o.target[i] = x.times(weights(c, x.cols))
		addBias(o.target[i], c.Bias)
		return nil
	}
	c, ok := channelwise(o.g, i)
	if !ok {
		return nil
	}
	t := newMatrix(at.rows(), c.Filters)
	for k := range c.Filters {
		x, err := f.patches(ctx, i, k, at)
		if err != nil {
			return err
		}
		w := c.Weight[k*x.cols : (k+1)*x.cols]
		for r := range x.rows {
			var sum float32
			for j, v := range x.row(r) {
				sum += v * w[j]
			}
			t.row(r)[k] = sum
		}
	}
	addBias(t, c.Bias)
	o.target[i] = t
	return nil
}

// weights are those of a plain convolution, inputs x filters.
func weights(c *model.Conv, inputs int) *mat.Dense {
	w := mat.NewDense(inputs, c.Filters, nil)
	for f := range c.Filters {
		for k := range inputs {
			w.Set(k, f, float64(c.Weight[f*inputs+k]))
		}
	}
	return w
}

// setWeights is the other way round.
func setWeights(c *model.Conv, w mat.Matrix) {
	inputs, filters := w.Dims()
	for f := range filters {
		for k := range inputs {
			c.Weight[f*inputs+k] = float32(w.At(k, f))
		}
	}
}

func addBias(t matrix, bias []float32) {
	if bias == nil {
		return
	}
	for r := range t.rows {
		row := t.row(r)
		for c := range row {
			row[c] += bias[c]
		}
	}
}

// raw is what a network's heads give for each image.
func (o *original) raw(ctx context.Context, g *model.Graph, images [][]float32) ([][][]float32, error) {
	r, err := exec.New(g)
	if err != nil {
		return nil, err
	}
	out := make([][][]float32, len(images))
	scratch := make([]exec.Scratch, workers())
	err = parallel(ctx, len(scratch), len(images), func(worker, n int) error {
		out[n] = make([][]float32, len(o.heads))
		_, err := r.Run(&scratch[worker], [][]float32{images[n]}, func(layer int, value []float32) error {
			for k, h := range o.heads {
				if h.layer == layer {
					out[n][k] = append([]float32(nil), value...)
				}
			}
			return nil
		})
		return err
	})
	return out, err
}

// loss is the mean of lossOf over images.
func (o *original) loss(want, got [][][]float32) float64 {
	var sum float64
	for n := range want {
		sum += lossOf(o.heads, want[n], got[n])
	}
	return sum / float64(len(want))
}
