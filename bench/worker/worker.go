package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"dashline/bench/accuracy"
	"dashline/bench/load"
	"dashline/detect/ap"
	"dashline/internal/config"
	"dashline/internal/session"
	"dashline/internal/version"
	"dashline/model/catalog"
	"dashline/pipeline"
	"dashline/sensors/synth/truth"
)

// MaxBlock bounds the frames of one block, over all cameras; it is how many times wait for
// theirs.
const MaxBlock = 100_000

// maxOrder bounds a line of input.
const maxOrder = 4 << 20

// noDeadline is the age at which a frame is late in closed loop: never.
const noDeadline = time.Hour

// Serve follows the orders on in until it ends, one says so, or ctx does, and
// answers each on out. The error is that of an order that could not be followed,
// which was answered, or of in and out themselves.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	began := time.Now()
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 1<<16), maxOrder)
	enc := json.NewEncoder(out)
	var p *prepared
	defer func() {
		if p != nil {
			_, _ = p.end()
		}
	}()
	for lines.Scan() {
		answer, err := follow(ctx, &p, lines.Bytes(), began)
		if err != nil {
			_, usage := errors.AsType[*session.ConfigError](err)
			answer = Answer{Error: err.Error(), Usage: usage}
		}
		if werr := enc.Encode(answer); werr != nil {
			return fmt.Errorf("answer: %w", werr)
		}
		if err != nil || answer.Ended != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("orders: %w", err)
	}
	return nil
}

func follow(ctx context.Context, p **prepared, line []byte, began time.Time) (a Answer, err error) {
	o, err := ParseOrder(line)
	if err != nil {
		return a, err
	}
	switch {
	case o.Open != nil && *p != nil:
		return a, errors.New("open: a pipeline is open")
	case o.Open != nil:
		if *p, err = prepare(ctx, o.Open); err != nil {
			return a, err
		}
		a.Opened = (*p).opened(time.Since(began))
	case o.Accuracy != nil:
		a.Right, err = right(ctx, o.Accuracy)
	case *p == nil:
		return a, errors.New("no pipeline is open: open comes first")
	case o.Block != nil:
		a.Block, err = (*p).run(ctx, o.Block)
	default:
		a.Ended, err = (*p).end()
		*p = nil
	}
	return a, err
}

// prepared is a pipeline that waits for frames.
type prepared struct {
	session *session.Session
	shutter *shutter
	memory  runtime.MemStats // of read, kept so that it is not allocated in a block
	valve   *valve
	next    time.Time // where the newest block ended, by its arrivals
	stop    context.CancelFunc
	ended   chan struct{} // closed when the session's Run has returned
	summary session.Summary
	err     error // of Run
}

// parse reads a configuration that was sent as text.
func parse(protocol int, text string) (cfg config.Config, err error) {
	if protocol != Protocol {
		return cfg, fmt.Errorf("protocol %d is asked for, and this build (%s) speaks %d: take builds that are nearer to each other", protocol, version.Read().Name(), Protocol)
	}
	if cfg, err = config.Parse("configuration", []byte(text)); err != nil {
		return cfg, &session.ConfigError{Err: err}
	}
	cfg.Quiet, cfg.Save, cfg.Trace, cfg.Misses.Dir, cfg.Metrics.Listen, cfg.Record = true, "", "", "", "", ""
	cfg.Frames, cfg.Duration, cfg.Deterministic = 0, 0, false
	// What is measured is told nobody: a vehicle's bus is not to hear of a bench, and
	// workers of one configuration would be in each other's way on one port.
	cfg.NATS.URL, cfg.NATS.Port = "", 0
	return cfg, nil
}

func prepare(ctx context.Context, o *Open) (*prepared, error) {
	cfg, err := parse(o.Protocol, o.Config)
	if err != nil {
		return nil, err
	}
	cfg.Loop, cfg.Realtime, cfg.Policy = true, false, string(pipeline.Newest)
	if o.Closed {
		cfg.Deadline = noDeadline
	}
	s, err := session.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range s.Feeds {
		names = append(names, f.Config.Camera)
	}
	p := &prepared{session: s, shutter: newShutter(names, o.Closed), valve: &valve{}, ended: make(chan struct{})}
	probe := session.Probe{Source: p.shutter.source, Publisher: p.valve.before, Observer: p.shutter}
	if len(o.Faults) > 0 {
		probe.Detector = func(d pipeline.Detector) pipeline.Detector {
			return withFaults(d, o.Faults)
		}
	}
	s.Instrument(probe)
	ctx, p.stop = context.WithCancel(ctx)
	go func() {
		defer close(p.ended)
		p.summary, p.err = s.Run(ctx)
	}()
	return p, nil
}

func (p *prepared) opened(took time.Duration) *Opened {
	first := p.session.Feeds[0]
	o := &Opened{
		Protocol: Protocol, Version: version.Read().Name(), Load: millis(took),
		Width: first.Source.Width, Height: first.Source.Height, FPS: first.Source.FPS, Source: first.Source.Path,
		Ladder: p.session.Config.Ladder,
	}
	for _, c := range p.shutter.cameras {
		o.Cameras = append(o.Cameras, c.name)
	}
	o.Memory, _ = memory()
	return o
}

// run runs a block.
func (p *prepared) run(ctx context.Context, o *Block) (*Frames, error) {
	o.Cameras = len(p.shutter.cameras)
	if err := o.Plan.Check(); err != nil {
		return nil, err
	}
	if o.Frames < 1 || o.Frames > MaxBlock || o.Frames*o.Cameras > MaxBlock {
		return nil, fmt.Errorf("a block of %d frames of %d cameras: 1 to %d in all can be", o.Frames, o.Cameras, MaxBlock)
	}
	if p.shutter.closed {
		o.Scenario = load.SingleStream // no frame waits for a time
	}
	due, span := o.Arrivals(o.Frames, o.Seed)
	p.valve.shut.Store(o.Silent)
	var before, after usage
	if err := before.read(&p.memory); err != nil {
		return nil, err
	}
	begin := time.Now()
	from := begin
	if o.Continue && !p.next.IsZero() {
		from = p.next
	}
	p.next = from.Add(span)
	b := p.shutter.start(due, from)
	select {
	case <-b.done:
	case <-p.ended:
		return nil, errors.Join(errors.New("the pipeline ended in the middle of a block"), p.err)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	wall := time.Since(begin)
	if err := after.read(&p.memory); err != nil {
		return nil, err
	}
	p.shutter.finish()
	for i := range b.frames {
		b.frames[i].Stages = b.frames[i].Stages[:len(b.names)]
	}
	return &Frames{
		Stages: b.names, Frames: b.frames, Wall: millis(wall), Span: millis(span), CPU: millis(after.cpu - before.cpu),
		Allocs: after.allocs - before.allocs, Bytes: after.bytes - before.bytes, GCs: after.collections - before.collections,
	}, nil
}

// end ends the pipeline and says what it came to.
func (p *prepared) end() (*Ended, error) {
	p.stop()
	<-p.ended
	if err := p.session.Close(); err != nil {
		return nil, err
	}
	e := &Ended{Messages: p.summary.Bus.Published, Bytes: p.summary.Bus.Bytes, Produced: p.summary.Frames.Produced, Networks: p.summary.Networks}
	if len(p.summary.Cameras) > 0 {
		e.Networks = p.summary.Cameras[0].Networks
	}
	_, e.Peak = memory()
	return e, nil
}

// right measures how right the detector of a configuration is on its source.
func right(ctx context.Context, o *Accuracy) (*Right, error) {
	cfg, err := parse(o.Protocol, o.Config)
	if err != nil {
		return nil, err
	}
	if cfg, err = session.Chosen(session.Alone(cfg)[0]); err != nil {
		return nil, err
	}
	if _, ok := truth.Beside(cfg.Source); !ok {
		return nil, fmt.Errorf("%s has no truth beside it to measure accuracy by", cfg.Source)
	}
	r := &Right{Data: filepath.Base(cfg.Source)}
	boot := ap.Bootstrap{Resamples: 300, Seed: 1}
	if len(cfg.Ladder) == 0 {
		found, err := accuracy.Detect(ctx, accuracy.Options{Network: cfg.Detect.Network, Engine: cfg.Detect.Engine, Data: []string{cfg.Source}, Every: max(1, o.Every), Frames: o.Frames})
		if err != nil {
			return nil, err
		}
		report, err := found.Report(boot)
		if err != nil {
			return nil, err
		}
		r.Offline = ap50(report.AP50, report.AP50Interval, report.Images)
	}
	if o.Streaming {
		r.Streaming, err = streaming(ctx, cfg, boot)
	}
	return r, err
}

// streaming runs the drive once in real time and measures what was known when. It
// takes forecasts, which is what a listener has.
func streaming(ctx context.Context, cfg config.Config, boot ap.Bootstrap) (*AP50, error) {
	dir, err := os.MkdirTemp("", "dashline-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cfg.Loop, cfg.Realtime, cfg.Policy, cfg.Record = false, true, "auto", filepath.Join(dir, "run.mcap")
	s, err := session.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	_, err = s.Run(ctx)
	if err = errors.Join(err, s.Close(), ctx.Err()); err != nil {
		return nil, err
	}
	rungs, err := session.OnRungs(cfg)
	if err != nil {
		return nil, err
	}
	var described []string
	for _, r := range rungs {
		if _, err := catalog.Get(r.Detect.Network); err != nil {
			described = append(described, r.Detect.Network)
		}
	}
	streamed, err := accuracy.Streaming(ctx, accuracy.StreamingOptions{Recording: cfg.Record, Truth: cfg.Source, Networks: described, Forecast: cfg.Track.Enabled})
	if err != nil {
		return nil, err
	}
	report, err := streamed.Report(boot)
	if err != nil {
		return nil, err
	}
	return ap50(report.Streaming.AP50, report.Streaming.AP50Interval, report.Streaming.Images), nil
}

func ap50(v float64, i ap.Interval, pictures int) *AP50 {
	a := &AP50{Value: v, Pictures: pictures}
	if i.Known {
		a.Interval = &[2]float64{i.Low, i.High}
	}
	return a
}
