package gate

import "math"

// ratios returns the values of both sides of each pair, where both have one, with
// what waiting for a processor explains taken out of the head's.
//
// Waiting moves a time by so much for each millisecond that is not known, as
// several threads wait at once: it is the slope of the least-squares line of the
// logarithm of the ratio over the difference of the waits (a control variate;
// Lavenberg and Welch, A perspective on the use of control variables to increase
// the efficiency of Monte Carlo simulations, Management Science 27, 1981). The
// line's height, which is the change of the program, stays in. Swapping the sides
// of all pairs leaves the slope as it is, so two builds that are alike stay so.
// Without waits the values are as they were measured.
func ratios(pairs []Pair, value func(*Block) (float64, bool)) (base, head []float64) {
	var waits []float64
	for i := range pairs {
		b, bwait, bok := mean(pairs[i].Base, value)
		h, hwait, hok := mean(pairs[i].Head, value)
		if !bok || !hok || !(b > 0 && h > 0) {
			continue
		}
		base, head = append(base, b), append(head, h)
		waits = append(waits, (hwait-bwait)/((b+h)/2))
	}
	slope := slopeOf(waits, base, head)
	for i := range head {
		head[i] *= math.Exp(-slope * waits[i])
	}
	return base, head
}

// mean is that of the blocks of one side, and how long threads waited for a
// processor in them.
func mean(blocks []Block, value func(*Block) (float64, bool)) (v, wait float64, ok bool) {
	for i := range blocks {
		x, ok := value(&blocks[i])
		if !ok {
			return 0, 0, false
		}
		v += x / float64(len(blocks))
		wait += blocks[i].Delay / float64(len(blocks))
	}
	return v, wait, len(blocks) > 0
}

// leastForSlope is how many pairs a slope is taken of.
const leastForSlope = 12

// slopeOf is the slope of log(head/base) over waits, 0 to 1: to wait saves no time,
// and costs no more than it takes.
func slopeOf(waits, base, head []float64) float64 {
	n := float64(len(waits))
	if len(waits) < leastForSlope {
		return 0
	}
	var mx, my float64
	logs := make([]float64, len(waits))
	for i, w := range waits {
		logs[i] = math.Log(head[i] / base[i])
		mx += w / n
		my += logs[i] / n
	}
	var xx, xy float64
	for i, w := range waits {
		xx += (w - mx) * (w - mx)
		xy += (w - mx) * (logs[i] - my)
	}
	if xx == 0 {
		return 0
	}
	return min(max(xy/xx, 0), 1)
}
