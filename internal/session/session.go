// Package session is one run of the program: it puts a pipeline together from a
// configuration, runs it, and sums up.
//
// Invariant: what Open has opened, Close ends, in the order source, stages, bus,
// networks; Run closes the account of frames before it returns.
package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"dashline/internal/config"
	"dashline/internal/obs"
	"dashline/internal/overlay"
	"dashline/lanes/ground"
	"dashline/pipeline"
	"dashline/pipeline/bus"
	"dashline/planner"
	"dashline/sensors"
)

// How long the end of a run may take once the last frame is done.
const drainBound = 10 * time.Second

// Session is an opened run. It belongs to one goroutine; Account may be read
// from any.
type Session struct {
	Config  config.Config
	Source  sensors.Info
	Camera  ground.Camera
	Account *obs.Account
	// Viewer looks at every finished frame; Open sets it to the writer of the
	// overlay where one is configured, else nil.
	Viewer pipeline.Viewer

	source    sensors.Source
	policy    pipeline.Policy
	detector  *objects
	lanes     *lines
	planner   *planner.Planner
	server    *bus.Server // nil with a server of the user's own
	publisher *bus.Publisher
	address   string // of the bus, without credentials
	metrics   *obs.Metrics
	overlay   *overlay.Writer
	codec     string // of the finished overlay
	lost      error  // what the bus did not deliver
}

// Open opens everything that cfg names, in the order in which mistakes are
// cheapest: source, camera, networks, bus. On error nothing stays open.
func Open(ctx context.Context, cfg config.Config) (s *Session, err error) {
	cfg, err = Chosen(cfg)
	if err != nil {
		return nil, err
	}
	s = &Session{Config: cfg, Account: obs.NewAccount()}
	defer func() {
		if err != nil {
			_ = s.Close()
			s = nil
		}
	}()
	if err := s.openSource(); err != nil {
		return s, err
	}
	if err := s.openCamera(); err != nil {
		return s, err
	}
	if err := s.openNetworks(); err != nil {
		return s, err
	}
	if s.planner, err = planner.New(cfg.Planner); err != nil {
		return s, err
	}
	if cfg.Save != "" {
		if err := s.spareSource(); err != nil {
			return s, err
		}
		if s.overlay, err = overlay.NewWriter(cfg.Save, s.Source.FPS, s.Camera); err != nil {
			return s, err
		}
		s.Viewer = s.overlay
	}
	if err := s.openBus(ctx); err != nil {
		return s, err
	}
	if cfg.Metrics.Listen != "" {
		s.metrics, err = s.serveMetrics()
	}
	return s, err
}

func (s *Session) openSource() error {
	path := s.Config.Source
	open := func() (sensors.Source, error) { return sensors.Open(path, sensors.Options{}) }
	var err error
	if s.Config.Loop {
		s.source, err = sensors.Loop(open)
	} else {
		s.source, err = open()
	}
	if err != nil {
		return err
	}
	if s.Config.Realtime {
		s.source = sensors.Paced(s.source)
	}
	if s.Config.Frames > 0 {
		s.source = sensors.Limit(s.source, s.Config.Frames)
	}
	s.Source = s.source.Info()

	s.policy = pipeline.Policy(s.Config.Policy)
	if s.Config.Policy == "auto" {
		s.policy = pipeline.Every
		if s.Config.Realtime {
			s.policy = pipeline.Newest
		}
	}
	return nil
}

// spareSource keeps the overlay from being written over what is being read.
func (s *Session) spareSource() error {
	from, err := os.Stat(s.Config.Source)
	if err != nil { // it has been opened, so it is no file
		return nil
	}
	if to, err := os.Stat(s.Config.Save); err == nil && os.SameFile(from, to) {
		return &ConfigError{fmt.Errorf("save %s: this is the source itself: give another name", s.Config.Save)}
	}
	return nil
}

func (s *Session) openCamera() (err error) {
	if s.Config.CameraModel == "" {
		if s.Source.Camera.Width > 0 {
			s.Camera = s.Source.Camera
			return nil
		}
		c, known, err := cameraBeside(s.Config.Source)
		if err != nil {
			return fmt.Errorf("camera of %s: %w", s.Config.Source, err)
		}
		if known {
			s.Camera = c
			return nil
		}
		s.Camera = ground.Default(max(1, s.Source.Width), max(1, s.Source.Height))
		return nil
	}
	if s.Camera, err = config.LoadCamera(s.Config.CameraModel); err != nil {
		return &ConfigError{err}
	}
	return nil
}

func (s *Session) openNetworks() (err error) {
	if s.detector, err = openObjects(s.Config.Detect); err != nil {
		return err
	}
	if s.Config.Lanes.Enabled {
		s.lanes, err = openLines(s.Config.Lanes, s.Camera)
	}
	return err
}

func (s *Session) openBus(ctx context.Context) (err error) {
	url := s.Config.NATS.URL
	if url == "" {
		s.server, err = bus.StartServer(ctx, bus.ServerOptions{Port: s.Config.NATS.Port})
		if err != nil {
			return err
		}
		url = s.server.URL()
	}
	s.address = bus.Redact(url)
	s.publisher, err = bus.Connect(ctx, bus.Options{URL: url, Vehicle: s.Config.Vehicle, Buffer: s.Config.NATS.Buffer})
	return err
}

func (s *Session) serveMetrics() (*obs.Metrics, error) {
	var nets []obs.Network
	for _, n := range s.described() {
		nets = append(nets, obs.Network{Network: message(n.Info), Task: n.task, Fallback: n.Fallback})
	}
	p := s.publisher
	return obs.Serve(s.Config.Metrics.Listen, s.Config.Camera, nets, func() obs.BusCounts { return busCounts(p) })
}

func (s *Session) described() []described {
	out := []described{{s.detector.net, "detect", pipeline.StageForward}}
	if s.lanes != nil {
		out = append(out, described{s.lanes.net.Info(), "lanes", pipeline.StageLanesForward})
	}
	return out
}

// Run moves the frames until the source ends, the configured duration is over,
// or ctx ends; then it drains the bus and finishes the overlay. The summary is
// complete also when there is an error.
func (s *Session) Run(ctx context.Context) (Summary, error) {
	frames := ctx
	if s.Config.Duration > 0 {
		var cancel context.CancelFunc
		frames, cancel = context.WithTimeout(ctx, s.Config.Duration)
		defer cancel()
	}
	st := pipeline.Stages{
		Source:    s.source,
		Detector:  s.detector,
		Locator:   newPlacer(s.Camera),
		Planner:   s.planner,
		Publisher: s.publisher,
		Viewer:    s.Viewer,
	}
	// A nil pointer in an interface is not a nil interface.
	if s.lanes != nil {
		st.Lanes = s.lanes
	}
	if s.metrics != nil {
		st.Observers = append(st.Observers, s.metrics)
	}
	err := pipeline.Run(frames, pipeline.Config{
		Camera: s.Config.Camera, Deadline: s.Config.Deadline, Policy: s.policy, Speed: s.Config.Speed,
	}, st, s.Account)

	err = errors.Join(err, s.finish(ctx))
	return s.summary(), err
}

// finish drains the bus, so that a subscriber has all there was, and closes the
// overlay, so that the file is whole.
func (s *Session) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainBound)
	defer cancel()
	var errs []error
	// Messages that do not arrive are part of the summary: the run goes well without.
	if s.publisher != nil {
		s.lost = errors.Join(s.lost, s.publisher.Close(ctx))
	}
	if s.server != nil {
		s.lost = errors.Join(s.lost, s.server.Close(ctx))
		s.server = nil
	}
	if s.overlay != nil {
		s.codec = s.overlay.Codec()
		errs = append(errs, s.overlay.Close())
		s.overlay = nil
	}
	return errors.Join(errs...)
}

// Close ends what is still open. It may be called at any time after Run, and twice.
func (s *Session) Close() error {
	var errs []error
	if s.source != nil {
		errs = append(errs, s.source.Close())
		s.source = nil
	}
	errs = append(errs, s.finish(context.Background()))
	s.publisher = nil
	if s.metrics != nil {
		errs = append(errs, s.metrics.Close())
		s.metrics = nil
	}
	if s.detector != nil {
		errs = append(errs, s.detector.Close())
		s.detector = nil
	}
	if s.lanes != nil {
		errs = append(errs, s.lanes.Close())
		s.lanes = nil
	}
	return errors.Join(errs...)
}
