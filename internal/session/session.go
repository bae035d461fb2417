// Package session is one run of the program: it puts a pipeline for each camera
// together from a configuration, runs them side by side, and sums up.
//
// Invariants:
//   - What Open has opened, Close ends, in the order sources, stages, bus,
//     networks. Run closes the accounts of frames before it returns, and also
//     the sources, so that nothing more comes for the bus and the recording that
//     it finishes.
//   - A camera that ends or breaks does not end the others.
//   - Users and passwords go to the sources and the bus and nowhere else: not into
//     a Session, a summary, a message, a metric or an error.
package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"dashline/internal/config"
	"dashline/internal/obs"
	"dashline/pipeline/bus"
	"dashline/pipeline/bus/embedded"
	"dashline/pipeline/record"
	"dashline/sensors"
)

// How long the end of a run may take once the last frame is done.
const drainBound = 10 * time.Second

// Session is an opened run. It belongs to one goroutine; the accounts of its
// feeds may be read from any.
type Session struct {
	Config config.Config // without credentials
	Feeds  []*Feed       // one for each camera, at least one
	// Warnings are for people to read before the run, a line each.
	Warnings []string

	groups    []*group
	server    *embedded.Server // nil with a server of the user's own
	publisher *bus.Publisher
	recorder  *record.Recorder // nil: nothing is recorded
	recorded  *RecordingSummary
	keepers   keepers
	kept      *KeptSummary // nil: nothing was
	address   string       // of the bus, without credentials
	metrics   *obs.Metrics
	news      chan string // of live cameras, for Progress
	probe     Probe
	lost      error // what the bus did not deliver
}

// opener opens a source; tests have cameras of their own.
type opener func(ctx context.Context, path string, o sensors.Options) (sensors.Source, error)

// Open opens everything that cfg names, in the order in which mistakes are
// cheapest: sources, cameras, networks, bus. On error nothing stays open.
func Open(ctx context.Context, cfg config.Config) (*Session, error) {
	return openWith(ctx, cfg, sensors.Open)
}

func openWith(ctx context.Context, cfg config.Config, open opener) (s *Session, err error) {
	if err := together(cfg); err != nil {
		return nil, err
	}
	logins, warnings, err := cfg.Logins(os.Getenv)
	if err != nil {
		return nil, &ConfigError{err}
	}
	if cfg.RTSP.Insecure {
		warnings = append(warnings, "rtsp.insecure is set: certificates are not checked, so whoever is between here and an rtsps:// camera can read and change what it sends")
	}
	s = &Session{Warnings: warnings, news: make(chan string, 64)}
	s.Config, _ = cfg.WithoutCredentials()
	defer func() {
		if err != nil {
			_ = s.Close()
			s = nil
		}
	}()
	alone := Alone(cfg)
	cameras := cfg.Each()
	for i, one := range alone {
		one, err := Chosen(one)
		if err != nil {
			return s, err
		}
		s.Feeds = append(s.Feeds, newFeed(one, cameras[i].Priority))
	}
	if err := s.openSources(ctx, open, cameras, logins); err != nil {
		return s, err
	}
	if len(alone) == 1 {
		s.Config = s.Feeds[0].Config
	}
	if err := s.spareSources(); err != nil {
		return s, err
	}
	for _, f := range s.Feeds {
		if err := f.openStages(); err != nil {
			return s, s.ofCamera(f, err)
		}
	}
	if err := s.openNetworks(ctx); err != nil {
		return s, err
	}
	if err := s.openBus(ctx, cfg.NATS.URL); err != nil {
		return s, err
	}
	if err := s.openRecorder(); err != nil {
		return s, err
	}
	if err := s.openKeepers(); err != nil {
		return s, err
	}
	if cfg.Metrics.Listen != "" {
		s.metrics, err = s.serveMetrics()
	}
	return s, err
}

// openSources opens the sources of all cameras side by side: one that does not
// answer takes seconds. cameras are the same as those of the feeds, with their
// credentials. The error names every camera that has one.
func (s *Session) openSources(ctx context.Context, open opener, cameras []config.Camera, logins map[string]config.Login) error {
	errs := make([]error, len(s.Feeds))
	var all sync.WaitGroup
	for i, f := range s.Feeds {
		path := f.Config.Source
		if config.Remote(path) {
			path = cameras[i].Address()
		}
		all.Go(func() { errs[i] = s.ofCamera(f, f.open(ctx, open, path, logins[f.Config.Camera])) })
	}
	all.Wait()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("ended while the sources were opened, before the first frame: %w", err)
	}
	return errors.Join(errs...)
}

// openNetworks opens the networks of all cameras, and measures them.
func (s *Session) openNetworks(ctx context.Context) error {
	s.groups = groups(s.Feeds)
	for _, g := range s.groups {
		if err := g.open(len(s.groups)); err != nil {
			return s.ofCamera(g.feeds[0], err)
		}
	}
	for _, g := range s.groups {
		if err := g.measure(ctx); err != nil {
			return s.ofCamera(g.feeds[0], err)
		}
		s.Warnings = append(s.Warnings, g.warnings()...)
	}
	return nil
}

// together refuses what does not go together.
func together(cfg config.Config) error {
	switch {
	case cfg.Record != "" && cfg.Loop:
		return &ConfigError{errors.New("record, loop: each round would be recorded again at the same times: leave one out")}
	case cfg.Record != "" && cfg.Save != "" && sameName(cfg.Record, cfg.Save):
		return &ConfigError{errors.New("record, save: both name the same file: give another name")}
	}
	return nil
}

func sameName(a, b string) bool { return filepath.Clean(a) == filepath.Clean(b) }

// ofCamera says of which camera an error is, where there are several.
func (s *Session) ofCamera(f *Feed, err error) error {
	if err == nil || len(s.Config.Cameras) == 0 {
		return err
	}
	return fmt.Errorf("camera %s: %w", f.Config.Camera, err)
}

// spareSources keeps an overlay from being written over what is being read.
func (s *Session) spareSources() error {
	for _, f := range s.Feeds {
		to, err := os.Stat(f.Config.Save)
		if err != nil { // also where there is none
			continue
		}
		for _, read := range s.Feeds {
			if from, err := os.Stat(read.Config.Source); err == nil && os.SameFile(from, to) {
				return &ConfigError{fmt.Errorf("save %s: this is the source itself: give another name", f.Config.Save)}
			}
		}
	}
	return nil
}

// openBus connects to url, which may have credentials.
func (s *Session) openBus(ctx context.Context, url string) (err error) {
	if url == "" {
		s.server, err = embedded.Start(ctx, embedded.Options{Port: s.Config.NATS.Port})
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
	for _, f := range s.Feeds {
		for _, n := range f.group.networks() {
			nets = append(nets, obs.Network{Network: message(n.Info), Camera: f.Config.Camera, Task: n.task, Fallback: n.Fallback})
		}
	}
	p := s.publisher
	return obs.Serve(obs.Options{
		Address: s.Config.Metrics.Listen, Deadline: s.Config.Deadline, Networks: nets,
		Bus: func() obs.BusCounts { return busCounts(p) }, Health: s.health(),
	})
}

// Run moves the frames of every camera until its source ends or breaks, the
// configured duration is over, or ctx ends; then it closes the sources, drains
// the bus, and finishes the recording and the overlays. The summary is complete also when there is an error, which says
// that every camera broke or an overlay could not be finished.
func (s *Session) Run(ctx context.Context) (Summary, error) {
	frames := ctx
	if s.Config.Duration > 0 && !s.Config.Deterministic { // which counts it by its sources' clocks
		var cancel context.CancelFunc
		frames, cancel = context.WithTimeout(ctx, s.Config.Duration)
		defer cancel()
	}
	stop := s.watch()
	var cameras sync.WaitGroup
	begun := time.Now()
	for _, g := range s.groups {
		// One clock for all, so that reports of different groups can be laid side by side.
		g.engine.Now = func() time.Duration { return time.Since(begun) }
		cameras.Go(func() { g.run(frames, s.outlet(), s.observers()) })
		if s.Config.Deterministic {
			cameras.Wait() // one after the other, so that their messages are in one order
		}
	}
	cameras.Wait()
	stop()
	err := s.allBroke()
	// A camera goes on sending until it is closed: before the recording is.
	for _, f := range s.Feeds {
		err = errors.Join(err, f.closeSource())
	}
	err = errors.Join(err, s.finish(ctx))
	return s.summary(), err
}

// allBroke is nil unless every camera broke.
func (s *Session) allBroke() error {
	var errs []error
	for _, f := range s.Feeds {
		if f.broke == nil {
			return nil
		}
		errs = append(errs, s.ofCamera(f, f.broke))
	}
	return errors.Join(errs...)
}

// finish drains the bus, so that a subscriber has all there was, and closes the
// overlays, so that the files are whole.
func (s *Session) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainBound)
	defer cancel()
	// Messages that do not arrive are part of the summary: the run goes well without.
	if s.publisher != nil {
		s.lost = errors.Join(s.lost, s.publisher.Close(ctx))
	}
	if s.server != nil {
		s.lost = errors.Join(s.lost, s.server.Close(ctx))
		s.server = nil
	}
	s.finishKeepers()
	errs := []error{s.finishRecorder(ctx)}
	for _, f := range s.Feeds {
		errs = append(errs, s.ofCamera(f, f.finish()))
	}
	return errors.Join(errs...)
}

// Close ends what is still open. It may be called at any time after Run, and twice.
func (s *Session) Close() error {
	var errs []error
	for _, f := range s.Feeds {
		errs = append(errs, f.closeSource())
	}
	errs = append(errs, s.finish(context.Background()))
	s.publisher = nil
	if s.metrics != nil {
		errs = append(errs, s.metrics.Close())
		s.metrics = nil
	}
	for _, g := range s.groups {
		errs = append(errs, g.close())
	}
	return errors.Join(errs...)
}
