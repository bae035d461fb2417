package exec

import (
	"errors"
	"fmt"

	"dashline/model"
)

// runnable says why an operation cannot be run.
func runnable(op model.Op) error {
	switch op.(type) {
	case *model.Generic, *model.Result:
		return errors.New("only its cost is known: it cannot be run here")
	}
	return nil
}

// Layer runs one layer: x are the values that it reads, of the shapes in, and
// out, of l.Shape, is overwritten with its value. The layer has to be one that
// [model.Graph.Validate] accepts. Inputs are fed, not run; a constant gives its
// value. Nothing of x is kept and out may not overlap it.
func Layer(l *model.Layer, in []model.Shape, x [][]float32, out []float32, s *Scratch) error {
	if err := fits(l, in, x, out); err != nil {
		return fmt.Errorf("layer %s (%s): %w", l.Name, model.Kind(l.Op), err)
	}
	switch o := l.Op.(type) {
	case *model.Const:
		constant(o.Value, out)
	case *model.Conv:
		convolve(o, in[0], l.Shape, x[0], out, s)
	case *model.Deconv:
		deconvolve(o, in[0], l.Shape, x[0], out, s)
	case *model.Normalize:
		copy(out, x[0])
		finish(out, l.Shape.Channels(), nil, &o.Norm, &o.Act)
	case *model.Activate:
		copy(out, x[0])
		activate(&o.Act, l.Shape, out)
	case *model.MaxPool:
		maxPool(o, in[0], l.Shape, x[0], out, s)
	case *model.AvgPool:
		avgPool(o, in[0], l.Shape, x[0], out)
	case *model.Upsample:
		upsample(o.Scale, in[0], x[0], out)
	case *model.Add:
		broadcast(in[0], x[0], in[1], x[1], l.Shape, out, add)
		for i := 2; i < len(x); i++ {
			broadcast(l.Shape, out, in[i], x[i], l.Shape, out, add)
		}
		activate(&o.Act, l.Shape, out)
	case *model.Mul:
		broadcast(in[0], x[0], in[1], x[1], l.Shape, out, multiply)
	case *model.Concat:
		concat(o.Axis, in, x, l.Shape, out)
	case *model.Slice:
		slice(o, in[0], x[0], out)
	case *model.Dense:
		dense(o, x[0], out)
	case *model.MatMul:
		matMul(in, x, l.Shape, out)
	case *model.Identity:
		copy(out, x[0])
	case *model.Softmax:
		softmax(o.Axis, l.Shape, x[0], out)
	case *model.Yolo:
		yolo(o, in[0], x[0], out)
	}
	return nil
}

// fits holds the slices against the shapes.
func fits(l *model.Layer, in []model.Shape, x [][]float32, out []float32) error {
	if _, ok := l.Op.(*model.Input); ok {
		return errors.New("an input is fed, not run")
	}
	if err := runnable(l.Op); err != nil {
		return err
	}
	if len(in) != len(l.From) || len(x) != len(l.From) {
		return fmt.Errorf("reads %d values, given %d and %d shapes", len(l.From), len(x), len(in))
	}
	for i := range x {
		if n := in[i].Elements(); len(x[i]) != n {
			return fmt.Errorf("value %d that it reads is %v, which is %d numbers; given %d", i, in[i], n, len(x[i]))
		}
	}
	if n := l.Shape.Elements(); len(out) != n {
		return fmt.Errorf("its value is %v, which is %d numbers; given room for %d", l.Shape, n, len(out))
	}
	return nil
}

func constant(t *model.Tensor, out []float32) {
	if t.Type.Floating() {
		copy(out, t.Floats)
		return
	}
	for i, v := range t.Ints {
		out[i] = float32(v)
	}
}
