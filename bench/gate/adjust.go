package gate

import (
	"math"
	"slices"

	"dashline/bench/stats"
)

// sample is a time of both sides, of each quadruple in which both have one.
type sample struct {
	base, head []float64
	waits      []float64 // by how much longer head waited for a processor, as a share of the time
	rounds     []int
}

func sampled(quadruples []Quadruple, value func(*Block) (float64, bool)) (s sample) {
	for i := range quadruples {
		q := &quadruples[i]
		b, bwait, bok := mean(q.Base, value)
		h, hwait, hok := mean(q.Head, value)
		if !bok || !hok || !(b > 0 && h > 0) {
			continue
		}
		s.base, s.head, s.rounds = append(s.base, b), append(s.head, h), append(s.rounds, q.Round)
		s.waits = append(s.waits, (hwait-bwait)/((b+h)/2))
	}
	return s
}

// processes is how many there are of each side.
func (s *sample) processes() int {
	return len(slices.Compact(slices.Clone(s.rounds)))
}

// ratio is how many times as large as the base's head is. A process is slow or fast
// by where its memory lies, by a per cent or so, as long as it lives: only processes
// are independent of each other, not the blocks of one. So each round gives one
// value, the Hodges-Lehmann estimate of its quadruples, and the interval is that of
// these.
func (s *sample) ratio(head []float64, level float64) stats.Interval {
	var logs []float64
	for begin := 0; begin < len(head); {
		end := begin + 1
		for end < len(head) && s.rounds[end] == s.rounds[begin] {
			end++
		}
		logs = append(logs, math.Log(stats.Ratio(s.base[begin:end], head[begin:end], level).Value))
		begin = end
	}
	return exponential(stats.Mean(logs, level))
}

// exponential is the interval of a ratio, of that of its logarithm.
func exponential(iv stats.Interval) stats.Interval {
	return stats.Interval{Low: math.Exp(iv.Low), Value: math.Exp(iv.Value), High: math.Exp(iv.High)}
}

// adjusted is the head's times with what waiting for a processor explains taken
// out.
//
// Waiting moves a time by so much for each millisecond that is not known, as
// several threads wait at once: it is the slope of the least-squares line of the
// logarithm of the ratio over the difference of the waits (a control variate;
// Lavenberg and Welch, A perspective on the use of control variables to increase
// the efficiency of Monte Carlo simulations, Management Science 27, 1981). The
// line's height, which is the change of the program, stays in. Swapping the sides
// of all quadruples leaves the slope as it is, so two builds that are alike stay so.
//
// A head whose own threads crowd each other waits more, and that is not to be
// explained away: who judges looks at the times as they are, too.
func (s *sample) adjusted() []float64 {
	slope := s.slope()
	head := make([]float64, len(s.head))
	for i, v := range s.head {
		head[i] = v * math.Exp(-slope*s.waits[i])
	}
	return head
}

// mean is that of the blocks of one side that have a value, and how long threads
// waited for a processor in them. A stage may run at every other frame only; both
// sides see the same frames.
func mean(blocks []Block, value func(*Block) (float64, bool)) (v, wait float64, ok bool) {
	n := 0.0
	for i := range blocks {
		if x, ok := value(&blocks[i]); ok {
			v, wait, n = v+x, wait+blocks[i].Delay, n+1
		}
	}
	if n == 0 {
		return 0, 0, false
	}
	return v / n, wait / n, true
}

// leastForSlope is how many quadruples a slope is taken of.
const leastForSlope = 12

// slope is that of log(head/base) over waits, 0 to 1: to wait saves no time, and
// costs no more than it takes.
func (s *sample) slope() float64 {
	n := float64(len(s.waits))
	if len(s.waits) < leastForSlope {
		return 0
	}
	var mx, my float64
	logs := make([]float64, len(s.waits))
	for i, w := range s.waits {
		logs[i] = math.Log(s.head[i] / s.base[i])
		mx += w / n
		my += logs[i] / n
	}
	var xx, xy float64
	for i, w := range s.waits {
		xx += (w - mx) * (w - mx)
		xy += (w - mx) * (logs[i] - my)
	}
	if xx == 0 {
		return 0
	}
	return min(max(xy/xx, 0), 1)
}
