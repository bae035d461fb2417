package detect

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"dashline/infer"
	"dashline/model/catalog"
)

// newNanoDet tells the outputs apart by their shapes, because names do not:
// exported files are known whose "bbox_pred0" holds scores.
func newNanoDet(d *catalog.Network, info infer.Info) (decoder, error) {
	grid, err := levels(d)
	if err != nil {
		return nil, err
	}
	classes, bins := len(d.Classes), d.Decode.Bins
	if bins < 2 {
		return nil, fmt.Errorf("network %s: decode nanodet: decode.bins is %d: give the bins of a side's distribution, for example 8", d.Name, bins)
	}
	if classes == 4*bins {
		return nil, fmt.Errorf("network %s: decode nanodet cannot tell scores of %d classes from boxes of 4x%d bins: their shapes are the same",
			d.Name, classes, bins)
	}
	var parts []string
	for i, l := range grid {
		parts = append(parts, fmt.Sprintf("%dx%d and %dx%d", l.cells(), classes, l.cells(), 4*bins))
		for _, other := range grid[:i] {
			if other.cells() == l.cells() {
				return nil, fmt.Errorf("network %s: decode nanodet cannot tell strides %d and %d apart: both have %d cells",
					d.Name, other.stride, l.stride, l.cells())
			}
		}
	}
	want := strings.Join(parts, ", ") + " (a stride's cells x classes and x 4 sides of bins)"
	find := func(rows, cols int) int {
		return slices.IndexFunc(info.Outputs, func(t infer.Tensor) bool {
			r, c, ok := matrix(t)
			return ok && r == rows && c == cols
		})
	}
	type pair struct {
		level
		scores, sides int // index into the outputs
	}
	var heads []pair
	for _, l := range grid {
		p := pair{level: l, scores: find(l.cells(), classes), sides: find(l.cells(), 4*bins)}
		if p.scores < 0 || p.sides < 0 {
			return nil, mismatch(d, info, want, "correct classes, decode.strides or decode.bins in the description")
		}
		heads = append(heads, p)
	}
	if len(info.Outputs) != 2*len(heads) {
		return nil, mismatch(d, info, want, "correct decode.strides in the description")
	}
	return func(outputs [][]float32, score float32, dst []candidate) []candidate {
		index := 0
		for _, h := range heads {
			dst = nanodet(outputs[h.scores], outputs[h.sides], classes, bins, h.level, score, index, dst)
			index += h.cells()
		}
		return dst
	}, nil
}

// nanodet decodes one level: class scores (sigmoid done) a cell, and for each
// of the sides left, top, right, bottom the logits of a distribution whose
// expectation is the side's distance from the cell's centre in strides (Li et
// al., "Generalized Focal Loss", arXiv:2006.04388). index is that of the first
// cell.
func nanodet(scores, sides []float32, classes, bins int, l level, score float32, index int, dst []candidate) []candidate {
	stride := float32(l.stride)
	for cell := range l.cells() {
		if len(scores) < classes || len(sides) < 4*bins {
			return dst
		}
		class, s := best(scores[:classes])
		if s > score {
			cx := (float32(cell%l.cols) + 0.5) * stride
			cy := (float32(cell/l.cols) + 0.5) * stride
			dst = accept(candidate{
				x0: cx - expectation(sides[:bins])*stride, y0: cy - expectation(sides[bins:2*bins])*stride,
				x1: cx + expectation(sides[2*bins:3*bins])*stride, y1: cy + expectation(sides[3*bins:4*bins])*stride,
				score: s, class: int32(class), index: int32(index + cell),
			}, score, dst)
		}
		scores, sides = scores[classes:], sides[4*bins:]
	}
	return dst
}

// expectation of 0..n-1 under the softmax of n logits; NaN where a logit is
// NaN or +Inf.
func expectation(logits []float32) float32 {
	top := float32(math.Inf(-1))
	for _, v := range logits {
		top = max(top, v)
	}
	var sum, mean float64
	for i, v := range logits {
		e := math.Exp(float64(v) - float64(top))
		sum += e
		mean += e * float64(i)
	}
	return float32(mean / sum)
}
