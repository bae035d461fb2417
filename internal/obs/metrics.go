package obs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
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

// Metrics is the endpoint for Prometheus and for whoever looks after the process.
// It observes the frames and the states
// of all cameras, from any goroutine; its HTTP server runs until Close.
type Metrics struct {
	frames   *prometheus.CounterVec
	age      *prometheus.HistogramVec
	stages   *prometheus.HistogramVec
	rungs    *rungs
	byRung   *prometheus.CounterVec
	canaries *prometheus.CounterVec
	cameras  *cameras

	server *http.Server
	done   chan struct{}
	addr   string
}

// Options say what an endpoint shows.
type Options struct {
	// Address is where it listens: "127.0.0.1:9090", ":0" for a free port.
	Address string
	// Deadline is that of the run; the buckets of ages lie around it. 0 is one
	// that is not known.
	Deadline time.Duration
	Networks []Network
	// Bus is called at each scrape, from another goroutine.
	Bus func() BusCounts
	// Health is what /healthz and /readyz say. It must be there.
	Health *Health
}

// Serve starts /metrics, /healthz and /readyz.
func Serve(o Options) (*Metrics, error) {
	listener, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w: choose another metrics.listen, for example 127.0.0.1:9100", err)
	}
	reg := prometheus.NewRegistry()
	m := &Metrics{
		frames: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dashline_frames_total", Help: "Frames by what became of them. Stage and reason are set for dropped and failed.",
		}, []string{"camera", "outcome", "stage", "reason"}),
		age: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "dashline_frame_age_seconds", Help: "Age of on-time and late frames at publication. One bucket ends at the deadline.",
			Buckets: bucketsAround(o.Deadline),
		}, []string{"camera"}),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "dashline_stage_seconds", Help: "Wall time that a stage spent on a frame.",
			Buckets: buckets,
		}, []string{"camera", "stage"}),
		rungs: &rungs{current: map[string]map[string]bool{}},
		byRung: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dashline_frames_by_rung_total", Help: "Frames that were worked on, by the rung of the ladder and what became of them.",
		}, []string{"camera", "rung", "outcome"}),
		canaries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dashline_canaries_total", Help: "Times that a rung was tried after a frame, for its time alone.",
		}, []string{"camera", "rung"}),
		cameras: &cameras{states: map[string]msg.CameraState{}},
		done:    make(chan struct{}),
		addr:    listener.Addr().String(),
	}
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "dashline_network_info", Help: "1 for each network that runs; fallback says why backend is not the requested one.",
	}, []string{"camera", "task", "network", "engine", "requested", "backend", "fallback"})
	for _, n := range o.Networks {
		info.WithLabelValues(n.Camera, n.Task, n.Name, n.Engine, n.Requested, n.Backend, n.Fallback).Set(1)
	}
	reg.MustRegister(m.frames, m.age, m.stages, m.rungs, m.byRung, m.canaries, info, busCollector(o.Bus), m.cameras,
		goCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", o.Health.serveHealth)
	mux.HandleFunc("GET /readyz", o.Health.serveReady)
	m.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		defer close(m.done)
		_ = m.server.Serve(listener) // ends with Close
	}()
	return m, nil
}

// goCollector shows Go's own figures, and how long goroutines wait for a processor
// and the program for the collector of garbage: both make frames late.
func goCollector() prometheus.Collector {
	rule := func(name string) collectors.GoRuntimeMetricsRule {
		return collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile("^" + name + "$")}
	}
	return collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(
		rule("/sched/latencies:seconds"), rule("/sched/pauses/total/gc:seconds")))
}

// From 1 ms to 2 s: deadlines of perception lie in the middle.
var buckets = []float64{.001, .002, .005, .01, .02, .03, .04, .05, .06, .08, .1, .125, .15, .2, .3, .5, 1, 2}

// bucketsAround are narrow where it is decided whether a frame is late: 5 % below
// and above the deadline, which is a bound itself, so that the share on time is in
// the histogram exactly.
func bucketsAround(deadline time.Duration) []float64 {
	if deadline <= 0 {
		return buckets
	}
	var bounds []float64
	for _, percent := range []time.Duration{5, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 95, 100, 105, 110, 120, 150, 200, 300, 500, 1000} {
		bounds = append(bounds, (deadline * percent / 100).Seconds())
	}
	return slices.Compact(bounds) // of a deadline of a few nanoseconds
}

// Address is where the endpoint listens.
func (m *Metrics) Address() string { return m.addr }

// Frame observes one frame's report.
func (m *Metrics) Frame(r *msg.FrameReport) {
	m.frames.WithLabelValues(r.Camera, string(r.Outcome), r.Stage, r.Reason).Inc()
	if r.Rung != "" {
		m.rungs.set(r.Camera, r.Rung)
		m.byRung.WithLabelValues(r.Camera, r.Rung, string(r.Outcome)).Inc()
	}
	if r.Canary != "" {
		m.canaries.WithLabelValues(r.Camera, r.Canary).Inc()
	}
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
