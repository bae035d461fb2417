package obs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"dashline/pipeline/msg"
)

// BusCounts are the figures of a bus that metrics show.
type BusCounts struct {
	Published, Dropped, Bytes, Reconnects uint64
	Connected                             bool
}

// Network is one network as metrics show it.
type Network struct {
	msg.Network
	Camera   string
	Task     string // "detect" or "lanes"
	Fallback string // why Backend is not Requested; else empty
}

// Metrics is the endpoint for Prometheus. It observes the frames and the states
// of all cameras, from any goroutine; its HTTP server runs until Close.
type Metrics struct {
	frames  *prometheus.CounterVec
	age     *prometheus.HistogramVec
	stages  *prometheus.HistogramVec
	cameras *cameras
	server  *http.Server
	done    chan struct{}
	addr    string
}

// Serve starts /metrics on address ("127.0.0.1:9090", ":0" for a free port).
// counts is called at each scrape, from another goroutine.
func Serve(address string, networks []Network, counts func() BusCounts) (*Metrics, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w: choose another metrics.listen, for example 127.0.0.1:9100", err)
	}
	reg := prometheus.NewRegistry()
	m := &Metrics{
		frames: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dashline_frames_total", Help: "Frames by what became of them. Stage and reason are set for dropped and failed.",
		}, []string{"camera", "outcome", "stage", "reason"}),
		age: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "dashline_frame_age_seconds", Help: "Age of on-time and late frames at publication.",
			Buckets: buckets,
		}, []string{"camera"}),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "dashline_stage_seconds", Help: "Wall time that a stage spent on a frame.",
			Buckets: buckets,
		}, []string{"camera", "stage"}),
		cameras: &cameras{states: map[string]msg.CameraState{}},
		done:    make(chan struct{}),
		addr:    listener.Addr().String(),
	}
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "dashline_network_info", Help: "1 for each network that runs; fallback says why backend is not the requested one.",
	}, []string{"camera", "task", "network", "engine", "requested", "backend", "fallback"})
	for _, n := range networks {
		info.WithLabelValues(n.Camera, n.Task, n.Name, n.Engine, n.Requested, n.Backend, n.Fallback).Set(1)
	}
	reg.MustRegister(m.frames, m.age, m.stages, info, busCollector(counts), m.cameras,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	m.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		defer close(m.done)
		_ = m.server.Serve(listener) // ends with Close
	}()
	return m, nil
}

// From 1 ms to 2 s: deadlines of perception lie in the middle.
var buckets = []float64{.001, .002, .005, .01, .02, .03, .04, .05, .06, .08, .1, .125, .15, .2, .3, .5, 1, 2}

// Address is where the endpoint listens.
func (m *Metrics) Address() string { return m.addr }

// Frame observes one frame's report.
func (m *Metrics) Frame(r *msg.FrameReport) {
	m.frames.WithLabelValues(r.Camera, string(r.Outcome), r.Stage, r.Reason).Inc()
	if r.Outcome == msg.Dropped || r.Outcome == msg.Failed {
		return
	}
	m.age.WithLabelValues(r.Camera).Observe(r.Age.Seconds())
	for _, s := range r.Stages {
		m.stages.WithLabelValues(r.Camera, s.Stage).Observe(s.Took.Seconds())
	}
}

// Camera takes note of the state of a live camera.
func (m *Metrics) Camera(c *msg.CameraState) { m.cameras.set(c) }

// Close stops the endpoint and waits for it.
func (m *Metrics) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := m.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = m.server.Close()
	}
	<-m.done
	return err
}

// busCollector reads the bus's counts at each scrape.
type busCollector func() BusCounts

var (
	busMessages = prometheus.NewDesc("dashline_bus_messages_total", "Messages by what became of them.", []string{"result"}, nil)
	busBytes    = prometheus.NewDesc("dashline_bus_bytes_total", "Payload bytes of published messages.", nil, nil)
	busAgain    = prometheus.NewDesc("dashline_bus_reconnects_total", "Times that a lost connection came back.", nil, nil)
	busUp       = prometheus.NewDesc("dashline_bus_connected", "1 while there is a connection to the NATS server.", nil, nil)
)

func (busCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- busMessages
	ch <- busBytes
	ch <- busAgain
	ch <- busUp
}

func (f busCollector) Collect(ch chan<- prometheus.Metric) {
	c := f()
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	counter(busMessages, c.Published, "published")
	counter(busMessages, c.Dropped, "dropped")
	counter(busBytes, c.Bytes)
	counter(busAgain, c.Reconnects)
	up := 0.0
	if c.Connected {
		up = 1
	}
	ch <- prometheus.MustNewConstMetric(busUp, prometheus.GaugeValue, up)
}
