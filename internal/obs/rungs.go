package obs

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// rungs shows the rung that each camera's latest frame ran on, at each scrape.
type rungs struct {
	mu      sync.Mutex
	current map[string]map[string]bool // by camera and rung, those that were seen
}

func (rs *rungs) set(camera, rung string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	seen := rs.current[camera]
	if seen == nil {
		seen = map[string]bool{}
		rs.current[camera] = seen
	}
	if seen[rung] {
		return
	}
	for other := range seen {
		seen[other] = false
	}
	seen[rung] = true
}

var rungNow = prometheus.NewDesc("dashline_rung", "1 for the rung of the ladder that a camera's latest frame ran on, 0 for the others that were seen.", []string{"camera", "rung"}, nil)

func (*rungs) Describe(ch chan<- *prometheus.Desc) { ch <- rungNow }

func (rs *rungs) Collect(ch chan<- prometheus.Metric) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for camera, seen := range rs.current {
		for rung, is := range seen {
			v := 0.0
			if is {
				v = 1
			}
			ch <- prometheus.MustNewConstMetric(rungNow, prometheus.GaugeValue, v, camera, rung)
		}
	}
}
