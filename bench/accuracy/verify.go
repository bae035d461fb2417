package accuracy

import (
	"context"
	"errors"
	"slices"

	"dashline/detect/ap"
	"dashline/infer"
)

// Verification is how far one detector does what another does: in what it finds,
// and in the numbers that it puts out.
type Verification struct {
	Agreement
	LikeEngine string       `json:"like_engine"` // that the first network ran on
	Outputs    []OutputPair `json:"outputs"`
}

// OutputPair is an output of each network, of one shape, or one of which the
// other network has no counterpart: its name there is empty and Difference nil.
// Outputs are as the engine gives them, before thresholds and the suppression of
// boxes.
type OutputPair struct {
	Like       string            `json:"like,omitempty"`    // name in the first network
	Name       string            `json:"network,omitempty"` // name in the second
	Shape      []int             `json:"shape"`
	Difference *OutputDifference `json:"difference,omitempty"`
}

// OutputDifference is how far an output is from the first network's, over all
// pictures.
type OutputDifference struct {
	Largest float64 `json:"largest"` // of a number
	Scale   float64 `json:"scale"`   // largest absolute value in the first network
	// Relative is Largest in parts of Scale; nil where all of the first network's
	// numbers are 0 and others are not.
	Relative  *float64 `json:"relative"`
	NotFinite int      `json:"not_finite"` // places where either is NaN or infinite, left out above
}

// exact is a floor that no score is below. OpenCV's darknet heads would set smaller
// ones to zero, which ONNX networks do not, and outputs would differ by that.
const exact = 1e-30

// Verify runs the network of the options and another, like, on the same pictures
// side by side and holds the first against the other. Labels are not used. Both
// run on the engine of the options: auto may choose two.
func Verify(ctx context.Context, o Options, like string, boot ap.Bootstrap) (_ *Verification, err error) {
	first := o
	first.Network = like
	a, err := first.seer(exact)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	b, err := o.seer(exact)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	var all []source
	for _, path := range o.Data {
		s, err := openPlain(ctx, path)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	pairs := pair(a.Outputs(), b.Outputs())
	var together blocks
	err = o.each(ctx, all, func(v *view) error {
		from := origin{block: together.of(v)}
		for _, s := range []*seer{a, b} {
			img, err := s.look(v)
			if err != nil {
				return err
			}
			s.keep(img, from)
		}
		for i := range pairs {
			pairs[i].add(a.Values(), b.Values())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	r := &Verification{LikeEngine: a.found.By.Engine}
	if r.Agreement, err = b.found.Agree(a.found, boot); err != nil {
		return nil, err
	}
	for _, p := range pairs {
		r.Outputs = append(r.Outputs, p.told())
	}
	return r, nil
}

// paired is an output of each network, or of one: the other's place is -1.
type paired struct {
	OutputPair
	a, b int
	by   infer.Difference
}

// pair finds for each output of a the first of b that has its shape and is no
// other's. Engines name and order outputs differently, and the heads of a
// detector have different shapes. What is left over of b comes last.
func pair(a, b []infer.Tensor) []paired {
	var out []paired
	taken := make([]bool, len(b))
	for i, t := range a {
		p := paired{OutputPair: OutputPair{Like: t.Name, Shape: t.Shape}, a: i, b: -1}
		for k := range b {
			if !taken[k] && slices.Equal(b[k].Shape, t.Shape) {
				taken[k], p.b, p.Name = true, k, b[k].Name
				break
			}
		}
		out = append(out, p)
	}
	for k, t := range b {
		if !taken[k] {
			out = append(out, paired{OutputPair: OutputPair{Name: t.Name, Shape: t.Shape}, a: -1, b: k})
		}
	}
	return out
}

// add holds the outputs of both for one picture against each other.
func (p *paired) add(a, b [][]float32) {
	if p.a >= 0 && p.b >= 0 {
		p.by.Add(a[p.a], b[p.b])
	}
}

// told is the pair with what came of it.
func (p *paired) told() OutputPair {
	if p.a < 0 || p.b < 0 {
		return p.OutputPair
	}
	d := &OutputDifference{Largest: p.by.Largest, Scale: p.by.Scale, NotFinite: p.by.NotFinite}
	if d.Largest == 0 || d.Scale > 0 {
		relative := p.by.Relative()
		d.Relative = &relative
	}
	p.Difference = d
	return p.OutputPair
}
