package model

import (
	"fmt"
	"math"
)

// Bounds of numbers that are no weights. Real ones are far inside: epsilons are
// 1e-3 and less, slopes below 1, anchors no larger than pictures.
const (
	maxEpsilon = 1.
	maxAlpha   = 1e3
	maxScaleXY = 64.
	maxAnchor  = 1 << 16 // pixels, as darknet's reader has it
)

// attributes refuses numbers of an operation, other than its weights, with which
// its value is no number or no use.
func attributes(op Op) error {
	switch o := op.(type) {
	case *Conv:
		return filterAttributes(o.Norm, o.Act)
	case *Deconv:
		return filterAttributes(o.Norm, o.Act)
	case *Normalize:
		return filterAttributes(&o.Norm, o.Act)
	case *Dense:
		return o.Act.attributes()
	case *Activate:
		return o.Act.attributes()
	case *Add:
		return o.Act.attributes()
	case *Yolo:
		return o.attributes()
	}
	return nil
}

func filterAttributes(norm *Norm, act Act) error {
	if norm != nil {
		if err := norm.attributes(); err != nil {
			return err
		}
	}
	return act.attributes()
}

func (n *Norm) attributes() error {
	// Written so that NaN, which no comparison holds for, is refused, too.
	if !(n.Epsilon >= 0 && n.Epsilon <= maxEpsilon) {
		return fmt.Errorf("batch normalisation has an epsilon of %v: it is a small number, 0 to %v", n.Epsilon, maxEpsilon)
	}
	for i, v := range n.Variance {
		if float64(v)+n.Epsilon == 0 {
			return fmt.Errorf("variance %d and epsilon are both 0: nothing can be divided by their root", i)
		}
	}
	return nil
}

func (a Act) attributes() error {
	if alpha := math.Abs(float64(a.Alpha)); !(alpha <= maxAlpha) {
		return fmt.Errorf("its activation has an alpha of %v: use a slope of at most %v", a.Alpha, maxAlpha)
	}
	return nil
}

func (o *Yolo) attributes() error {
	if !(o.ScaleXY > 0 && o.ScaleXY <= maxScaleXY) {
		return fmt.Errorf("scales offsets by %v: use a number above 0 and at most %v; 1 is YOLOv3's", o.ScaleXY, maxScaleXY)
	}
	if len(o.Anchors)%2 != 0 {
		return fmt.Errorf("its anchors have %d sides: each needs a width and a height", len(o.Anchors))
	}
	for i, side := range o.Anchors {
		if !(side > 0 && side <= maxAnchor) {
			return fmt.Errorf("anchor %d has a side of %v: use pixels above 0 and at most %d", i/2, side, maxAnchor)
		}
	}
	return nil
}
