package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"dashline/internal/config"
	"dashline/internal/obs"
	"dashline/internal/overlay"
	"dashline/internal/redact"
	"dashline/lanes/ground"
	"dashline/pipeline"
	"dashline/pipeline/msg"
	"dashline/pipeline/record"
	"dashline/planner"
	"dashline/sensors"
)

// Feed is the way of one camera's frames through a session. It shares the bus and
// the metrics with the others, and nothing else.
type Feed struct {
	Config  config.Config // of this camera alone, without credentials
	Source  sensors.Info  // as it was opened
	Camera  ground.Camera
	Account *obs.Account
	// Viewer looks at every finished frame; Open sets it to the writer of the
	// overlay where one is configured, else nil.
	Viewer pipeline.Viewer

	raw      sensors.Source // as opened: what it is beside a Source, source may hide
	source   sensors.Source
	last     sensors.Info // when source was closed: a live one learns of its picture late
	policy   pipeline.Policy
	group    *group    // that it shares networks with
	follower *follower // nil: nothing is tracked
	planner  *planner.Planner
	priority float64
	overlay  *overlay.Writer
	codec    string // of the finished overlay
	state    *watch
	recorder *record.Recorder                                           // nil: nothing is recorded
	broke    error                                                      // why the run of this camera ended early
	probe    func(camera string, inner pipeline.Source) pipeline.Source // nil: none
}

func newFeed(cfg config.Config, priority float64) *Feed {
	return &Feed{Config: cfg, priority: priority, Account: obs.NewAccount(), state: &watch{camera: cfg.Camera}}
}

// Alone returns a configuration for each camera of cfg, as if it ran alone, and
// without credentials.
func Alone(cfg config.Config) []config.Config {
	clean, _ := cfg.WithoutCredentials()
	cameras := clean.Each()
	all := make([]config.Config, len(cameras))
	for i, camera := range cameras {
		one := clean
		one.Cameras = nil
		one.Camera, one.Source, one.CameraModel = camera.Name, camera.Source, camera.CameraModel
		if len(cameras) > 1 {
			one.Save = ofCamera(one.Save, camera.Name)
		}
		all[i] = one
	}
	return all
}

// ofCamera is the name of one camera's file: seen.mp4 becomes seen.front.mp4.
func ofCamera(file, camera string) string {
	if file == "" {
		return ""
	}
	ext := filepath.Ext(file)
	return strings.TrimSuffix(file, ext) + "." + camera + ext
}

// options are what the source of this camera is told.
func (f *Feed) options(login config.Login) sensors.Options {
	c := &f.Config
	return sensors.Options{
		Camera: c.Camera, Deadline: c.Deadline, Exact: c.Deterministic,
		RTSP: sensors.RTSPOptions{
			Transport: c.RTSP.Transport,
			Reorder:   c.RTSP.Reorder,
			Stall:     c.RTSP.Stall,
			Retry:     c.RTSP.Retry,
			User:      login.User,
			Password:  login.Password,
			CA:        c.RTSP.CA,
			Insecure:  c.RTSP.Insecure,
		},
	}
}

// open opens the source at path, which may have credentials in it.
func (f *Feed) open(ctx context.Context, open opener, path string, login config.Login) (err error) {
	o := f.options(login)
	round := func(ctx context.Context) (sensors.Source, error) { return f.round(ctx, open, path, o) }
	if f.Config.Loop {
		if f.source, err = sensors.Loop(ctx, round); err == nil && f.virtual() > 0 {
			f.source = sensors.Between(f.source, f.Config.Start, f.Config.Start+f.virtual())
		}
	} else {
		f.source, err = round(ctx)
	}
	if errors.Is(err, sensors.ErrLive) {
		return &ConfigError{err}
	}
	if err != nil {
		return err
	}
	f.source = discreet{f.source}
	live := f.source.Info().Live
	if live && (f.Config.Start > 0 || f.Config.End > 0 || f.Config.Deterministic) {
		return &ConfigError{fmt.Errorf("source %s: start, end, deterministic: %w", f.Config.Source, sensors.ErrLive)}
	}
	if f.Config.Realtime && !live { // which is paced by itself
		f.source = sensors.Paced(f.source)
	}
	if f.Config.Frames > 0 {
		f.source = sensors.Limit(f.source, f.Config.Frames)
	}
	f.Source = f.source.Info()
	f.Source.Path = redact.URL(f.Source.Path)

	f.policy = pipeline.Policy(f.Config.Policy)
	if f.Config.Policy == "auto" {
		f.policy = pipeline.Every
		if f.Config.Realtime || live {
			f.policy = pipeline.Newest
		}
	}
	if f.policy == pipeline.Newest && f.Config.Workers > 1 {
		return &ConfigError{fmt.Errorf("workers: %d side by side are for the policy every, and source %s is live: leave workers out", f.Config.Workers, f.Config.Source)}
	}
	return f.openCamera()
}

// virtual is how long the run is to last by the clock of its source, and not by
// this machine's; 0 for a run that goes by this machine's, or has no such end.
func (f *Feed) virtual() time.Duration {
	if !f.Config.Deterministic {
		return 0
	}
	return f.Config.Duration
}

// round opens the source, for once through it.
func (f *Feed) round(ctx context.Context, open opener, path string, o sensors.Options) (s sensors.Source, err error) {
	if s, err = open(ctx, path, o); err != nil {
		return nil, cleanError(err)
	}
	f.raw = s
	if f.Config.Record != "" {
		camera := f.Config.Camera
		// The recorder is there before the first frame is asked for.
		if s, err = sensors.Record(s, func(p *msg.Packet) { f.recorder.Packet(camera, p) }); err != nil {
			return nil, errors.Join(err, f.raw.Close())
		}
	}
	start, end := f.Config.Start, f.Config.End
	// A loop goes on after a round: there it is the loop that ends.
	if d := f.virtual(); d > 0 && !f.Config.Loop && (end == 0 || start+d < end) {
		end = start + d
	}
	if start > 0 || end > 0 {
		s = sensors.Between(s, start, end)
	}
	return s, nil
}

func (f *Feed) openCamera() (err error) {
	if f.Config.CameraModel == "" {
		if f.Source.Camera.Width > 0 {
			f.Camera = f.Source.Camera
			return nil
		}
		c, known, err := cameraBeside(f.Config.Source)
		if err != nil {
			return fmt.Errorf("camera of %s: %w", f.Config.Source, err)
		}
		if known {
			f.Camera = c
			return nil
		}
		width, height := f.Source.Width, f.Source.Height
		if width < 1 || height < 1 { // not known yet: what most cameras have
			width, height = 1280, 720
		}
		f.Camera = ground.Default(width, height)
		return nil
	}
	if f.Camera, err = config.LoadCamera(f.Config.CameraModel); err != nil {
		return &ConfigError{err}
	}
	return nil
}

// openStages opens what is this camera's alone.
func (f *Feed) openStages() (err error) {
	if f.Config.Track.Enabled {
		if f.follower, err = newFollower(f.Config.Track); err != nil {
			return &ConfigError{err}
		}
	}
	if f.planner, err = planner.New(f.Config.Planner); err != nil {
		return err
	}
	if f.Config.Save == "" {
		return nil
	}
	const usualFPS = 25 // where a live source does not say its own
	if f.overlay, err = overlay.NewWriter(f.Config.Save, cmp.Or(f.Source.FPS, usualFPS), f.Camera); err != nil {
		return err
	}
	f.Viewer = f.overlay
	return nil
}

// feed is this camera as the pipeline has it.
func (f *Feed) feed(publisher pipeline.Publisher, observers []pipeline.Observer) pipeline.Feed {
	if live, ok := f.raw.(sensors.Live); ok {
		live.Watch(f.state.set)
	}
	st := pipeline.Stages{
		Source:    f.source,
		Locator:   newPlacer(f.Camera),
		Planner:   f.planner,
		Publisher: publisher,
		Viewer:    f.Viewer,
		Observers: observers,
	}
	// A nil pointer in an interface is not a nil interface.
	if f.follower != nil {
		st.Tracker = f.follower
	}
	if f.probe != nil {
		st.Source = f.probe(f.Config.Camera, f.source)
	}
	return pipeline.Feed{
		Config: pipeline.Config{
			Camera: f.Config.Camera, Deadline: f.Config.Deadline, Policy: f.policy, Speed: f.Config.Speed,
			LanesEvery: f.Config.Lanes.Every, Weight: f.priority, Rate: f.Config.Rate,
		},
		Stages:  st,
		Account: f.Account,
	}
}

// recordedTimes are those of the run in which the source was recorded.
func (f *Feed) recordedTimes() map[time.Duration]*msg.FrameReport {
	return sensors.RecordedTimes(f.raw)
}

func (f *Feed) finish() error {
	if f.overlay == nil {
		return nil
	}
	f.codec = f.overlay.Codec()
	err := f.overlay.Close()
	f.overlay = nil
	return err
}

func (f *Feed) closeSource() error {
	if f.source == nil {
		return nil
	}
	f.last = f.source.Info()
	err := f.source.Close()
	f.source, f.raw = nil, nil
	return err
}
