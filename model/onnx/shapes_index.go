package onnx

import (
	"math"
	"slices"

	"dashline/model"
	"dashline/model/onnx/pb"
)

// indices refuses an input that cannot hold indices.
func (n *operator) indices(i int) model.Shape {
	switch v := n.input(i); v.kind {
	case pb.TensorProto_INT64, pb.TensorProto_INT32:
		return v.shape
	default:
		n.fail("its indices %q have the type %v, expected INT64 or INT32", clip(n.proto.Input[i]), v.kind)
	}
	return nil
}

func gatherRule(n *operator) []model.Shape {
	x, indices := n.rank(0, 1), n.indices(1)
	axis := n.axis(n.attrInt("axis", 0), len(x))
	return one(slices.Concat(x[:axis], indices, x[axis+1:]))
}

func gatherElementsRule(n *operator) []model.Shape {
	x, indices := n.rank(0, 1), n.indices(1)
	if len(x) != len(indices) {
		n.fail("takes %v of %v", indices, x)
	}
	return one(indices)
}

func gatherNDRule(n *operator) []model.Shape {
	x, indices := n.rank(0, 1), n.indices(1)
	batch := n.attrInt("batch_dims", 0)
	if len(indices) == 0 || batch < 0 || batch >= len(indices) || batch+indices[len(indices)-1] > len(x) {
		n.fail("takes %v of %v", indices, x)
	}
	depth := indices[len(indices)-1]
	return one(slices.Concat(indices[:len(indices)-1], x[batch+depth:]))
}

func oneHotRule(n *operator) []model.Shape {
	x, depth := n.shape(0), n.literal(1)
	length := 0
	switch {
	case len(depth.ints) == 1:
		length = n.sizes(1)[0]
	case len(depth.floats) == 1:
		length = int(depth.floats[0])
	}
	return one(slices.Insert(slices.Clone(x), n.axis(n.attrInt("axis", -1), len(x)+1), length))
}

func topKRule(n *operator) []model.Shape {
	out := slices.Clone(n.rank(0, 1))
	k := []int{n.attrInt("k", 0)}
	if n.opset() >= 10 {
		k = n.sizes(1)
	}
	axis := n.axis(n.attrInt("axis", -1), len(out))
	if len(k) != 1 || k[0] > out[axis] {
		n.fail("takes the largest %v of %d", k, out[axis])
	}
	out[axis] = k[0]
	return one(out, out)
}

// nonZeroRule gives the places of all numbers, since all may be other than zero.
func nonZeroRule(n *operator) []model.Shape {
	x := n.shape(0)
	return one([]int{len(x), x.Elements()})
}

// nmsRule is as if no box had to go: so many of each class of each image.
func nmsRule(n *operator) []model.Shape {
	boxes, scores := n.rank(0, 3), n.rank(1, 3)
	most := int64(0)
	if v := n.maybe(2); v != nil && v.data == nil {
		most = math.MaxInt64
	} else if v != nil {
		for _, x := range n.numbers(2) {
			most = max(most, x)
		}
	}
	kept := int(min(most, int64(boxes[1])))
	return one([]int{scores[0] * scores[1] * kept, 3})
}

// compressRule is as if everything was kept.
func compressRule(n *operator) []model.Shape {
	x := n.shape(0)
	if !n.has("axis") {
		return one([]int{x.Elements()})
	}
	out := slices.Clone(x)
	axis := n.axis(n.attrInt("axis", 0), len(x))
	out[axis] = min(out[axis], n.shape(1).Elements())
	return one(out)
}

func rangeRule(n *operator) []model.Shape {
	start, limit, step := n.literal(0), n.literal(1), n.literal(2)
	count := 0.0
	switch {
	case len(start.ints) == 1 && len(limit.ints) == 1 && len(step.ints) == 1:
		count = math.Ceil((float64(limit.ints[0]) - float64(start.ints[0])) / float64(step.ints[0]))
	case len(start.floats) == 1 && len(limit.floats) == 1 && len(step.floats) == 1:
		count = math.Ceil((float64(limit.floats[0]) - float64(start.floats[0])) / float64(step.floats[0]))
	default:
		n.fail("reads other than three numbers of one type")
	}
	if !(count < model.MaxElements) { // or is no number
		n.fail("counts %v numbers", count)
	}
	return one([]int{int(max(count, 0))})
}

func constantOfShapeRule(n *operator) []model.Shape {
	s := n.sizes(0)
	for _, d := range s {
		if d < 0 {
			n.fail("cannot make %v", s)
		}
	}
	return one(s)
}

func randomRule(n *operator) []model.Shape { return one(n.attrInts("shape")) }
