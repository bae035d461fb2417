package obs

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"dashline/pipeline/msg"
)

// cameras shows the newest state of each live camera at each scrape.
type cameras struct {
	mu     sync.Mutex
	states map[string]msg.CameraState
}

func (cs *cameras) set(c *msg.CameraState) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.states[c.Camera] = *c
}

var (
	ofCamera      = []string{"camera"}
	cameraState   = prometheus.NewDesc("dashline_camera_state", "1 for the state that a live camera is in, 0 for the others.", []string{"camera", "state"}, nil)
	cameraPackets = prometheus.NewDesc("dashline_camera_packets_total", "RTP packets received from a live camera.", ofCamera, nil)
	cameraLost    = prometheus.NewDesc("dashline_camera_packets_lost_total", "RTP packets of a live camera that never came.", ofCamera, nil)
	cameraAgain   = prometheus.NewDesc("dashline_camera_sessions_total", "Sessions made with a live camera.", ofCamera, nil)
	cameraSteps   = prometheus.NewDesc("dashline_camera_clock_steps_total", "Jumps of a live camera's clock.", ofCamera, nil)
	cameraOffset  = prometheus.NewDesc("dashline_camera_clock_offset_seconds", "A live camera's clock less this machine's. Absent while it tells no time.", ofCamera, nil)
	cameraDrift   = prometheus.NewDesc("dashline_camera_clock_drift_ppm", "How fast that offset grows, parts per million. Absent while it tells no time.", ofCamera, nil)
)

func (*cameras) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{cameraState, cameraPackets, cameraLost, cameraAgain, cameraSteps, cameraOffset, cameraDrift} {
		ch <- d
	}
}

func (cs *cameras) Collect(ch chan<- prometheus.Metric) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	show := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	for name, c := range cs.states {
		for _, status := range []msg.CameraStatus{msg.CameraConnecting, msg.CameraStreaming, msg.CameraStalled, msg.CameraFailed} {
			in := 0.0
			if c.Status == status {
				in = 1
			}
			show(cameraState, prometheus.GaugeValue, in, name, string(status))
		}
		show(cameraPackets, prometheus.CounterValue, float64(c.Packets), name)
		show(cameraLost, prometheus.CounterValue, float64(c.Lost), name)
		show(cameraAgain, prometheus.CounterValue, float64(c.Sessions), name)
		show(cameraSteps, prometheus.CounterValue, float64(c.ClockSteps), name)
		if c.Clock == msg.SenderClock {
			show(cameraOffset, prometheus.GaugeValue, c.ClockOffset.Seconds(), name)
			show(cameraDrift, prometheus.GaugeValue, c.ClockDrift, name)
		}
	}
}
