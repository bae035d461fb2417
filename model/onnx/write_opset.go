package onnx

import (
	"fmt"

	"dashline/model"
)

// changes are the opsets in which an operator took on another form or meaning, so
// that a node from before is wrong in them. Of others the newer forms only add to
// the older, as every operator did between opsets 7 and 22.
var changes = map[string][]int{
	"BatchNormalization": {9, 14},
	"Upsample":           {9, 10}, "Slice": {10}, "TopK": {10}, "Resize": {11}, "Clip": {11}, "Pad": {11}, "Scatter": {11},
	"Dropout": {12},
	"Squeeze": {13}, "Unsqueeze": {13}, "ReduceSum": {13}, "Split": {13, 18},
	"Softmax": {13}, "LogSoftmax": {13}, "Hardmax": {13},
	"RoiAlign": {16},
	"ReduceL1": {18}, "ReduceL2": {18}, "ReduceLogSum": {18}, "ReduceLogSumExp": {18}, "ReduceMax": {18}, "ReduceMean": {18},
	"ReduceMin": {18}, "ReduceProd": {18}, "ReduceSumSquare": {18},
	"GridSample": {20}, "DFT": {20}, "GroupNormalization": {21},
}

// firstForms is the oldest opset whose operators changes speaks of.
const firstForms = 7

// OpsetError says that a node cannot be written in an opset, for there it may be
// another operator than the one that was read.
type OpsetError struct {
	Op       string
	Read, In int // opsets
}

func (e *OpsetError) Error() string {
	return fmt.Sprintf("%s was read in opset %d and may be another operator in opset %d", e.Op, e.Read, e.In)
}

// settle fills in the opset where it is left open: the one that generic layers
// were read in, as far as it can be written, or the default. It refuses one in
// which they may be other operators.
func (o *Options) settle(g *model.Graph) error {
	least := MinOpset
	if o.Quant != nil {
		least = quantOpset
	}
	read := 0
	for i := range g.Layers {
		if op, ok := g.Layers[i].Op.(*model.Generic); ok {
			read = max(read, op.Version)
		}
	}
	switch {
	case o.Opset != 0:
	case read != 0:
		o.Opset = min(max(read, least), MaxOpset)
	default:
		o.Opset = DefaultOpset
	}
	if o.Opset < MinOpset || o.Opset > MaxOpset {
		return fmt.Errorf("model: opset %d: use %d to %d", o.Opset, MinOpset, MaxOpset)
	}
	for i := range g.Layers {
		l := &g.Layers[i]
		if op, ok := l.Op.(*model.Generic); ok && op.Version != 0 && !lasts(op.Type, op.Version, o.Opset) {
			return &model.Error{Layer: i, Name: l.Name, What: op.Type, Err: &OpsetError{op.Type, op.Version, o.Opset}}
		}
	}
	return nil
}

// lasts says whether a node from one opset is the same in another. In an older one
// it may have attributes that are not known there.
func lasts(op string, from, to int) bool {
	if to < from || from < firstForms && from != to {
		return false
	}
	for _, changed := range changes[op] {
		if from < changed && changed <= to {
			return false
		}
	}
	return true
}
