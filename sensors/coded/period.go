package coded

import "time"

// maxMissing bounds how many pictures one gap can be said to have lost.
const maxMissing = 1000

// periodMeter knows the usual time between pictures: the median of the latest.
type periodMeter struct {
	nominal time.Duration
	deltas  [9]time.Duration
	n       int
}

func (m *periodMeter) add(delta time.Duration) {
	if delta > 0 {
		m.deltas[m.n%len(m.deltas)] = delta
		m.n++
	}
}

// period is the nominal one until another is known.
func (m *periodMeter) period() time.Duration {
	n := min(m.n, len(m.deltas))
	if n < 3 {
		return m.nominal
	}
	sorted := m.deltas
	for i := 1; i < n; i++ { // a handful: insertion sort
		for j := i; j > 0 && sorted[j-1] > sorted[j]; j-- {
			sorted[j-1], sorted[j] = sorted[j], sorted[j-1]
		}
	}
	return sorted[n/2]
}

// between is how many pictures are missing in a gap of delta.
func (m *periodMeter) between(delta time.Duration) int {
	p := m.period()
	if p <= 0 || delta <= 0 {
		return 0
	}
	return int(min(max(0, (delta+p/2)/p-1), maxMissing))
}
