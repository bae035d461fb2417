package prune

import (
	"math"

	"dashline/model"
)

// head is a detection head: a Yolo layer, or any other output.
type head struct {
	layer   int  // whose value is compared: what the Yolo layer reads
	conv    int  // the convolution that makes it; -1: none
	yolo    bool // it is read by a Yolo layer
	anchors int
	stride  int // numbers an anchor: 5 + classes
	grid    grid
}

// headsOf are the heads of a network, in the order of its outputs.
func headsOf(g *model.Graph) []head {
	var out []head
	for _, o := range g.Outputs {
		h := head{layer: o, conv: -1}
		if y, ok := g.Layers[o].Op.(*model.Yolo); ok {
			h.layer = g.Layers[o].From[0]
			h.yolo, h.anchors, h.stride, h.grid = true, len(y.Mask), 5+y.Classes, gridOf(g.Layers[h.layer].Shape)
			if c, ok := g.Layers[h.layer].Op.(*model.Conv); ok && c.Groups == 1 && c.Act.Kind == model.Linear {
				h.conv = h.layer
			}
		}
		out = append(out, h)
	}
	return out
}

// lossOf is how far got is from want, what the heads of one image gave. Of a
// Yolo head it is the divergence of its probabilities and the error of its boxes,
// each in the measure in which the original network sees an object there, see
// notice;
// of another output the squared error, in parts of its mean square.
func lossOf(heads []head, want, got [][]float32) float64 {
	var sum float64
	for k, h := range heads {
		if !h.yolo {
			sum += relative(want[k], got[k])
			continue
		}
		area := h.grid[0] * h.grid[1]
		for a := range h.anchors {
			at := a * h.stride * area
			for cell := range area {
				w, g := want[k][at+cell:], got[k][at+cell:]
				number := func(i int) (float64, float64) { return float64(w[i*area]), float64(g[i*area]) }
				p, q := number(4)
				sum += divergence(p, q)
				if sigmoid(p) < 1e-4 { // nothing that counts
					continue
				}
				there := notice(sigmoid(p))
				var d float64
				for c := 5; c < h.stride; c++ {
					d += divergence(number(c))
				}
				for c := range 2 {
					x, y := number(c)
					d += 4 * square(sigmoid(x)-sigmoid(y))
				}
				for c := 2; c < 4; c++ {
					x, y := number(c)
					d += 2 * square(x-y)
				}
				sum += there * d
			}
		}
	}
	return sum
}

// notice is how much an object of a probability counts. Average precision ranks
// all boxes, so faint ones matter more than they are likely.
func notice(p float64) float64 { return math.Sqrt(p) }

// divergence is that of Kullback and Leibler of a coin of log odds b from one of
// log odds a.
func divergence(a, b float64) float64 {
	p := sigmoid(a)
	return p*(logSigmoid(a)-logSigmoid(b)) + (1-p)*(logSigmoid(-a)-logSigmoid(-b))
}

func logSigmoid(x float64) float64 {
	if x < 0 {
		return x - math.Log1p(math.Exp(x))
	}
	return -math.Log1p(math.Exp(-x))
}

func square(x float64) float64 { return x * x }

func relative(want, got []float32) float64 {
	var d, s float64
	for i, w := range want {
		d += square(float64(w) - float64(got[i]))
		s += square(float64(w))
	}
	return d / max(s, 1e-12)
}

// portion is a part of a head's outputs with how much each of its samples counts:
// an error of objectness matters where it is undecided, all else where an object
// is.
type portion struct {
	outputs []int
	weight  []float32 // a sample
	worth   []float64 // an output, in units of the loss
	mean    float64   // weight of a pixel
}

// portions are those of a head, for what the original network gives at the places.
func (h *head) portions(target matrix) []portion {
	const least = .01 // of a place where nothing is
	cells := float64(h.grid[0] * h.grid[1])
	var out []portion
	for a := range h.anchors {
		at := a * h.stride
		undecided := portion{outputs: []int{at + 4}, worth: []float64{.5 * cells}}
		rest := portion{}
		offsets := make([]float64, h.stride)
		var all float64
		for r := range target.rows {
			row := target.row(r)[at : at+h.stride]
			p := sigmoid(float64(row[4]))
			undecided.weight = append(undecided.weight, float32(notice(p*(1-p))+least))
			w := notice(p) + least/2
			rest.weight = append(rest.weight, float32(w))
			all += w
			for c, x := range row {
				q := sigmoid(float64(x))
				switch {
				case c < 2:
					offsets[c] += w * 4 * square(q*(1-q))
				case c > 4:
					offsets[c] += w * .5 * (q*(1-q) + 2*.002)
				}
			}
		}
		for c := range h.stride {
			if c == 4 {
				continue
			}
			worth := 2.
			if c < 2 || c > 4 {
				worth = offsets[c] / all
			}
			rest.outputs = append(rest.outputs, at+c)
			rest.worth = append(rest.worth, worth*cells)
		}
		pixels := float64(target.rows)
		undecided.mean, rest.mean = total(undecided.weight)/pixels, total(rest.weight)/pixels
		out = append(out, undecided, rest)
	}
	return out
}
